//! A model's file that is served by itself, and rows of its fixture with their library's scores.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Map, Value, json};

use super::gateway::{Gateway, Launch, models};
use super::{Client, post_to};

/// How many rows of a fixture are asked for.
const ROWS: usize = 40;

/// A model's file, and rows with their scores.
pub(crate) struct Fixture {
    pub(crate) file: PathBuf,
    columns: Vec<String>,
    rows: Vec<(Vec<String>, f64)>,
}

/// The cells of a line of CSV: a comma within quotes is text.
fn cells(line: &str) -> Vec<String> {
    let mut cells = vec![String::new()];
    let mut is_quoted = false;
    for letter in line.chars() {
        match letter {
            '"' => is_quoted = !is_quoted,
            ',' if !is_quoted => cells.push(String::new()),
            letter => cells.last_mut().unwrap().push(letter),
        }
    }
    cells
}

/// A CSV file: its header and its rows.
fn table(path: &Path) -> (Vec<String>, Vec<Vec<String>>) {
    let text = std::fs::read_to_string(path).unwrap();
    let mut lines = text.lines();
    let header = cells(lines.next().unwrap());
    (header, lines.map(cells).collect())
}

impl Fixture {
    /// Of a folder of `shards/tests` with this file; rows and scores are in its `golden.csv`.
    pub(crate) fn of(folder: &str, file: &str) -> Self {
        let folder = models().join("../shards/tests").join(folder);
        let (header, rows) = table(&folder.join("golden.csv"));
        let end = header.iter().position(|name| name.starts_with("margin") || name == "score");
        let end = end.unwrap();
        let scored = |mut cells: Vec<String>| {
            let score = cells.last().unwrap().parse().unwrap();
            cells.truncate(end);
            (cells, score)
        };
        let columns = header[..end].to_vec();
        Self { file: folder.join(file), columns, rows: rows.into_iter().map(scored).collect() }
    }

    /// The same with rows of another file, of `columns` in place of its own.
    pub(crate) fn with_rows(self, path: &Path, columns: Option<&[&str]>, skip: usize) -> Self {
        let (header, rows) = table(path);
        let scores = self.rows.into_iter().map(|(_, score)| score);
        let rows = rows.into_iter().map(|cells| cells[skip..].to_vec()).zip(scores).collect();
        let columns = match columns {
            Some(columns) => columns.iter().map(|&name| name.to_owned()).collect(),
            None => header[skip..].to_vec(),
        };
        Self { columns, rows, file: self.file }
    }

    /// Asks for the rows by fields and by tensors, and compares.
    pub(crate) fn ask(&self, gateway: &Gateway, name: &str) {
        let mut client = gateway.client();
        let texts = self.texts(&mut client, name);
        // JSON has no infinity.
        let is_finite = |cells: &[String]| cells.iter().all(|cell| !cell.ends_with("inf"));
        let rows = self.rows.iter().filter(|(cells, _)| is_finite(cells));
        for (cells, expected) in rows.take(ROWS) {
            let (mut body, mut inputs) = (Map::new(), Vec::new());
            for ((column, cell), is_text) in self.columns.iter().zip(cells).zip(&texts) {
                let value = match cell.parse::<f64>() {
                    Ok(number) if !is_text => json!(number),
                    _ if cell.is_empty() && !is_text => Value::Null,
                    _ => json!(cell),
                };
                let is_bytes = *is_text || value.is_string();
                let datatype = if is_bytes { "BYTES" } else { "FP64" };
                inputs.push(json!({
                    "name": column, "shape": [1, 1], "datatype": datatype, "data": [value],
                }));
                if !value.is_null() {
                    body.insert(column.clone(), value);
                }
            }
            let body = Value::Object(body).to_string();
            let answer = client.predict(&body);
            assert!(is_near(answer.score(), *expected), "{body}: {answer:?}, not {expected}");
            assert!(answer.field("x-features").is_none(), "{answer:?}");
            let body = json!({ "inputs": inputs }).to_string();
            let answer = client.ask(post_to(&format!("/v2/models/{name}/infer"), "", &body));
            assert_eq!(answer.status, 200, "{body}: {answer:?}");
            let document: Value = serde_json::from_str(&answer.body).unwrap();
            let score = document["outputs"][0]["data"][0].as_f64().unwrap();
            assert!(is_near(score, *expected), "{body}: {score}, not {expected}");
        }
    }

    /// Which columns the gateway reads as text.
    fn texts(&self, client: &mut Client, name: &str) -> Vec<bool> {
        let answer = client.ask(format!("GET /v2/models/{name} HTTP/1.1\r\nhost: t\r\n\r\n"));
        let document: Value = serde_json::from_str(&answer.body).unwrap();
        let inputs = document["inputs"].as_array().unwrap();
        assert!(inputs.iter().all(|input| input["name"] != "user_id"), "{document}");
        let is_text = |column: &String| {
            let found = inputs.iter().find(|input| input["name"] == **column);
            found.unwrap_or_else(|| panic!("no {column}: {document}"))["datatype"] == "BYTES"
        };
        self.columns.iter().map(is_text).collect()
    }
}

fn is_near(found: f64, expected: f64) -> bool {
    (found - expected).abs() <= 1e-6 * expected.abs().max(1e-3)
}

/// A gateway about to serve what `arguments` say, in an empty folder.
pub(crate) fn launch(arguments: impl FnOnce(&mut Command)) -> Launch {
    Launch::bare().with(arguments)
}
