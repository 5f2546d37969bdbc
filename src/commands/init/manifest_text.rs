//! The text of a `model.toml`, for people to edit.

use std::fmt::Write;
use std::path::Path;

use serde_json::Value;
use shards::escape::escaped;
use shards::features::inputs::{InputColumn, NanMeaning};
use shards::model::Model;
use shards::model::manifest::ScoreOutput;

/// Of how many texts a column's comment has all, and the longest list of them, in bytes.
const TEXTS_MAX: usize = 12;
const TEXTS_BYTES_MAX: usize = 160;

/// What a `model.toml` is made of.
pub(super) struct Sketch {
    pub(super) file: String,
    pub(super) library: String,
    pub(super) objective: Option<String>,
    /// What the score is, for people.
    pub(super) score: String,
    pub(super) labels: Vec<String>,
    /// What the model could be loaded with.
    pub(super) output: ScoreOutput,
    /// Whether the file names the columns.
    pub(super) are_named: bool,
    pub(super) columns: Vec<InputColumn>,
    /// For each column, the texts that it knows; empty where none is of text.
    pub(super) texts: Vec<Option<Vec<String>>>,
}

impl Sketch {
    /// Of a model that was loaded from `path` by `output`.
    pub(super) fn of(model: &Model, path: &Path, output: &ScoreOutput) -> Self {
        let known = model.categories().iter().map(|categories| {
            let texts = categories.as_ref()?.texts();
            Some(texts.into_iter().map(|(text, _)| text.to_owned()).collect())
        });
        let is_native = model.objective().is_some();
        Self {
            file: path.file_name().unwrap_or_default().to_string_lossy().into_owned(),
            library: if is_native { model.describe().kernel } else { "ONNX".to_owned() },
            objective: model.objective().map(|objective| objective.name.clone()),
            score: model.describe().score,
            labels: model.labels().to_vec(),
            output: output.clone(),
            are_named: model.file_columns().are_named,
            columns: model.request_columns(),
            texts: known.collect(),
        }
    }
}

/// A text as TOML and comments can hold it: JSON's escapes are TOML's, but for DEL.
fn quoted(text: &str) -> String {
    Value::from(text).to_string().replace('\u{7f}', "\\u007F")
}

/// The texts that a comment has room for, and how many there are.
fn listed(texts: &[String]) -> String {
    let quoted: Vec<_> = texts.iter().take(TEXTS_MAX).map(|text| quoted(text)).collect();
    let all = quoted.join(", ");
    if texts.len() <= TEXTS_MAX && all.len() <= TEXTS_BYTES_MAX {
        return all;
    }
    let mut first = String::new();
    for text in quoted.iter().take_while(|text| text.len() <= TEXTS_BYTES_MAX) {
        if first.len() + text.len() > TEXTS_BYTES_MAX {
            break;
        }
        let _ = write!(first, "{text}, ");
    }
    format!("{} texts: {first}…", texts.len())
}

/// The whole text. Writing to a `String` cannot fail, here and below.
pub(super) fn manifest_text(sketch: &Sketch) -> String {
    let mut text = String::new();
    let _ = writeln!(text, "description = \"\"\n\n[metadata]");
    let _ = writeln!(text, "library = {}", quoted(&sketch.library));
    if let Some(objective) = &sketch.objective {
        let _ = writeln!(text, "objective = {}", quoted(objective));
    }
    let _ = writeln!(text, "file = {}\n", quoted(&sketch.file));
    push_output(&mut text, sketch);
    let _ = writeln!(
        text,
        "\n# Each column is a field of the request. Where a feature store has it: source = \"store\",\n\
         # and leave out `required`."
    );
    if !sketch.are_named {
        let _ = writeln!(
            text,
            "# The file does not name its columns: give each the name that it had in training."
        );
    }
    for (place, column) in sketch.columns.iter().enumerate() {
        let texts = sketch.texts.get(place).and_then(Option::as_deref);
        push_column(&mut text, column, texts);
    }
    text
}

fn push_output(text: &mut String, sketch: &Sketch) {
    let _ = writeln!(text, "[output]");
    if let Some(tensor) = &sketch.output.tensor {
        let _ = writeln!(text, "tensor = {}", quoted(tensor));
    }
    let all: Vec<_> = sketch.labels.iter().map(|label| quoted(label)).collect();
    let known = if all.is_empty() { "not known".to_owned() } else { all.join(", ") };
    if sketch.output.class.is_some() {
        let example = all.first().map_or("0", String::as_str);
        let _ = writeln!(text, "# Say which class is the score (labels: {known}):");
        let _ = writeln!(text, "# class = {example}");
        return;
    }
    let _ = writeln!(text, "# The score is {}.", escaped(&sketch.score));
    if all.len() > 1 {
        let _ = writeln!(text, "# Another class (labels: {known}):\n# class = {}", all[0]);
    }
}

fn push_column(text: &mut String, column: &InputColumn, texts: Option<&[String]>) {
    let _ = writeln!(text, "\n[[columns]]\nname = {}", quoted(&column.name));
    let _ = write!(text, "type = \"{}\"", column.column_type);
    let _ = match texts {
        Some([]) => writeln!(text, "  # the file has its texts by their hash alone"),
        Some(texts) => writeln!(text, "  # {}", listed(texts)),
        None => writeln!(text),
    };
    let _ = writeln!(text, "source = \"request\"");
    if column.required {
        let _ = writeln!(text, "required = true");
    }
    let _ = match column.nan {
        NanMeaning::Reject => writeln!(text, "nan = \"reject\"  # whole numbers"),
        _ if column.column_type.is_text() => writeln!(text, "nan = \"missing\""),
        _ => writeln!(text, "default = nan\nnan = \"missing\""),
    };
}

#[cfg(test)]
mod tests {
    use super::listed;

    #[test]
    fn a_comment_holds_a_short_list_and_the_start_of_a_long_one() {
        let texts = |count: usize| (0..count).map(|at| format!("t{at}")).collect::<Vec<_>>();
        assert_eq!(listed(&texts(2)), "\"t0\", \"t1\"");
        assert!(listed(&texts(40)).starts_with("40 texts: \"t0\", "));
        assert!(listed(&["x".repeat(9_000)]).len() < 200);
        assert_eq!(listed(&["a\nb\u{7f}".to_owned()]), "\"a\\nb\\u007F\"");
    }
}
