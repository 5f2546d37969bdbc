//! The page of the configuration says every key with its default.

use serde_json::{Map, Value};

use super::settings::Settings;

const PAGE: &str = include_str!("../manual/configuration.md");

/// Keys of `serve`'s flags, which have a table of their own by the flags' names.
const FLAGS: [&str; 12] = [
    "listen",
    "cores",
    "steering",
    "models",
    "model",
    "store",
    "takeover",
    "keys_file",
    "kernel",
    "log",
    "log_format",
    "admin",
];

/// The rows of the table that follows the line with this heading.
fn rows(heading: &str) -> Vec<&'static str> {
    let start = PAGE.find(heading).unwrap_or_else(|| panic!("the page has no {heading}"));
    let lines = PAGE[start..].lines().skip_while(|line| !line.starts_with("| `"));
    lines.take_while(|line| line.starts_with('|')).collect()
}

/// Adds the keys of a table that have no row, or one with another default.
fn compare(heading: &str, settings: &Map<String, Value>, wrong: &mut Vec<String>) {
    let rows = rows(heading);
    for (key, value) in settings {
        let default = match value {
            Value::Null => "none".to_owned(),
            value => format!("`{value}`"),
        };
        let expected = format!("| `{key}` | {default} |");
        if !rows.iter().any(|row| row.starts_with(&expected)) {
            wrong.push(format!("{heading}: {expected}"));
        }
    }
    for row in &rows {
        let key = row.split('`').nth(1).unwrap_or_default();
        if !settings.contains_key(key) && !FLAGS.contains(&key) {
            wrong.push(format!("{heading}: there is no {key}"));
        }
    }
}

/// A table of the settings, taken out of the one above it.
fn taken(table: &mut Map<String, Value>, key: &str) -> Map<String, Value> {
    match table.remove(key) {
        Some(Value::Object(inner)) => inner,
        other => panic!("{key}: {other:?}"),
    }
}

#[test]
fn the_page_says_every_key_with_its_default() {
    let text = "[prediction_log]\nfolder = \"\"\n";
    let settings: Settings = toml::from_str(text).expect("a configuration");
    let shown = serde_json::to_value(settings).expect("JSON");
    let mut settings = shown.as_object().expect("a table").clone();
    let mut wrong = Vec::new();
    let mut features = taken(&mut settings, "features");
    compare("`[features.writes]`", &taken(&mut features, "writes"), &mut wrong);
    let mut scylla = taken(&mut features, "scylla");
    compare("`[features.scylla.cache]`", &taken(&mut scylla, "cache"), &mut wrong);
    compare("`[features.scylla]`", &scylla, &mut wrong);
    let mut log = taken(&mut settings, "prediction_log");
    log.insert("folder".to_owned(), Value::Null);
    let mut admin = taken(&mut settings, "admin");
    let admin_tls = taken(&mut admin, "tls");
    for (heading, table) in [
        ("`[admin.tls]`", admin_tls),
        ("`[admin]`", admin),
        ("`[batch]`", taken(&mut settings, "batch")),
        ("`[tls]`", taken(&mut settings, "tls")),
        ("`[http]`", taken(&mut settings, "http")),
        ("`[http2]`", taken(&mut settings, "http2")),
        ("`[prediction_log]`", log),
        ("`[otlp]`", taken(&mut settings, "otlp")),
        ("`[access_log]`", taken(&mut settings, "access_log")),
    ] {
        compare(heading, &table, &mut wrong);
    }
    for flag in FLAGS {
        let _ = settings.remove(flag);
        let long = format!("`--{}`", flag.replace('_', "-"));
        assert!(PAGE.contains(&long), "the page has no {long}");
    }
    compare("## Keys of the file alone", &settings, &mut wrong);
    assert!(wrong.is_empty(), "{wrong:#?}");
}
