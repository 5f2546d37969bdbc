//! A null in a tensor of texts is a missing text, as a field that is null, and not the empty one.

use crate::support::served::bundled;
use crate::support::{Setup, post_to};
use serde_json::{Value, json};

/// The first applicants, as the bundled file has them: the names of columns, and each row's cells.
fn applicants(count: usize) -> (Vec<String>, Vec<Vec<String>>) {
    let mut file = csv::Reader::from_path(bundled().join("credit-risk/features.csv")).unwrap();
    let header = file.headers().unwrap().iter().map(str::to_owned).collect();
    let row = |row: csv::StringRecord| row.iter().map(str::to_owned).collect();
    (header, file.records().take(count).map(|record| row(record.unwrap())).collect())
}

/// The rows as tensors, one a column; an empty text is null.
fn tensors(header: &[String], rows: &[Vec<String>]) -> Value {
    let inputs = header.iter().enumerate().skip(1).map(|(at, name)| {
        let text = name.strip_suffix(":text");
        let cell = |row: &Vec<String>| match text {
            Some(_) if row[at].is_empty() => Value::Null,
            Some(_) => json!(row[at]),
            None => json!(row[at].parse::<f64>().unwrap()),
        };
        json!({
            "name": text.unwrap_or(name),
            "datatype": if text.is_some() { "BYTES" } else { "FP32" },
            "shape": [rows.len(), 1],
            "data": rows.iter().map(cell).collect::<Vec<_>>(),
        })
    });
    json!({"inputs": inputs.collect::<Vec<_>>()})
}

#[test]
fn it_scores_as_a_stored_row_without_the_text() {
    let (header, mut rows) = applicants(4);
    let purpose = header.iter().position(|name| name == "purpose:text").unwrap();
    let housing = header.iter().position(|name| name == "housing:text").unwrap();
    rows[0][purpose].clear();
    rows[2][purpose].clear();
    rows[2][housing].clear();
    let mut csv = csv::Writer::from_writer(Vec::new());
    csv.write_record(&header).unwrap();
    for row in &rows {
        csv.write_record(row).unwrap();
    }
    let csv = String::from_utf8(csv.into_inner().unwrap()).unwrap();
    let served = Setup::of("credit-risk").csv(&csv).serve();
    let mut client = served.client();
    let stored: Vec<_> = rows
        .iter()
        .map(|row| client.predict(&json!({"user_id": row[0]}).to_string()).score())
        .collect();
    let body = tensors(&header, &rows).to_string();
    let answer = client.ask(post_to("/v2/models/credit-risk/infer", "", &body));
    assert_eq!(answer.status, 200, "{}", answer.body);
    let answer: Value = serde_json::from_str(&answer.body).unwrap();
    let scores = &answer["outputs"][0]["data"];
    for (at, stored) in stored.iter().enumerate() {
        assert_eq!(scores[at].as_f64(), Some(*stored), "row {at}");
    }
}

#[test]
fn a_key_that_is_null_names_nobody() {
    let served = Setup::of("credit-risk").serve();
    let input = json!({"name": "user_id", "datatype": "BYTES", "shape": [2], "data": ["a", null]});
    let body = json!({"inputs": [input]}).to_string();
    let answer = served.client().ask(post_to("/v2/models/credit-risk/infer", "", &body));
    assert_eq!(answer.status, 400);
    assert!(answer.error().contains("element 1 is empty"), "{}", answer.error());
}
