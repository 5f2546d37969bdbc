//! Which table of a list of a manifest a fault is in: the TOML reader names the first line of the list.

use serde::de::DeserializeOwned;

use crate::features::entities::EntityInput;
use crate::features::expressions::Rule;
use crate::features::inputs::InputColumn;

/// A table of a list that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct FaultyTable {
    /// Its path from the file's root, with its name where it has one.
    pub(super) key: String,
    /// The line of its head, from 1; 0 where it has none of its own.
    pub(super) line: usize,
    /// What is wrong with it.
    pub(super) reason: String,
}

/// The first table that cannot be read of those lists that a manifest has.
pub(super) fn find(text: &str) -> Option<FaultyTable> {
    let root: toml::Table = text.parse().ok()?;
    first::<InputColumn>(text, &root, "columns")
        .or_else(|| first::<InputColumn>(text, &root, "inputs"))
        .or_else(|| first::<EntityInput>(text, &root, "entities"))
        .or_else(|| first::<Rule>(text, &root, "rules"))
}

fn first<T: DeserializeOwned>(text: &str, root: &toml::Table, list: &str) -> Option<FaultyTable> {
    let tables = root.get(list)?.as_array()?;
    let fault = |table: &toml::Value| table.clone().try_into::<T>().err();
    let (place, error) = tables.iter().enumerate().find_map(|it| Some((it.0, fault(it.1)?)))?;
    let name = tables[place].get("name").and_then(toml::Value::as_str);
    let name = name.map(|name| format!(" (`{name}`)")).unwrap_or_default();
    let head = format!("[[{list}]]");
    let mut lines =
        text.lines().enumerate().filter(|(_, line)| line.trim_start().starts_with(&head));
    let line = lines.nth(place).map_or(0, |(line, _)| line + 1);
    let reason = error.message().to_owned();
    Some(FaultyTable { key: format!("{list}[{place}]{name}"), line, reason })
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::find;
    use crate::model::manifest::Manifest;

    #[test]
    fn the_faulty_table_is_named_not_the_first() {
        let text = "[[columns]]\nname = \"a\"\n\n[[columns]]\nname = \"b\"\ntype = \"txt\"\n";
        let found = find(text).expect("a fault");
        assert_eq!((found.key.as_str(), found.line), ("columns[1] (`b`)", 4));
        assert!(found.reason.contains("txt"), "{found:?}");
        let text = "[[columns]]\nname = \"a\"\n[[rules]]\nwhen = \"a > 1\"\n[[rules]]\nwhen = 1\n";
        let found = find(text).expect("a fault");
        assert_eq!((found.key.as_str(), found.line), ("rules[0]", 3));
        assert_eq!(find("[[columns]]\nname = \"a\"\n"), None);
        assert_eq!(find("[[columns"), None);
    }

    #[test]
    fn a_manifest_says_the_table_or_the_line_of_the_key() {
        let said = |last: &str| {
            let first = "[output]\nclass = 1\n\n[[columns]]\nname = \"a\"\n";
            let text = format!("{first}[[columns]]\nname = \"b\"\n{last}\n");
            Manifest::parse(&text, Path::new("model.toml")).expect_err("a fault").to_string()
        };
        let fault = said("range = [0, 1]\nout_of_range = \"clip\"");
        assert!(fault.starts_with("model.toml: columns[1] (`b`), line 6: `"), "{fault}");
        let fault = said("typo = 1");
        assert!(fault.contains("line 8") || fault.contains("columns[1] (`b`)"), "{fault}");
    }
}
