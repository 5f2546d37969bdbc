//! Every model of the zoo that is served gives the same numbers by REST and by gRPC, in typed and in
//! raw contents, of all its outputs.

use std::fs;

use serde::Deserialize;
use serde_json::{Value, json};
use shards::grpc::messages::inference::model_infer_request::{
    InferInputTensor, InferRequestedOutputTensor,
};
use shards::grpc::messages::inference::{
    InferTensorContents, ModelInferRequest, ModelInferResponse,
};

use crate::support::{Http2Client, Setup, post_to};
use crate::zoo_models::{bytes, folder};

const INFER: &str = "/inference.GRPCInferenceService/ModelInfer";
const ROWS: usize = 5;

#[derive(Deserialize)]
struct Zoo {
    models: Vec<Entry>,
}

#[derive(Deserialize)]
struct Entry {
    name: String,
    #[serde(default)]
    precision: String,
    #[serde(default)]
    columns: Vec<String>,
    #[serde(default)]
    tensor: String,
    #[serde(default)]
    named: bool,
    #[serde(default)]
    scores: usize,
    refused: Option<String>,
}

impl Entry {
    /// What `model.toml` has to say; requests give all columns.
    fn manifest(&self) -> String {
        let tensor = self.named.then(|| format!("tensor = {:?}\n", self.tensor));
        let class = (self.scores > 1).then_some("class = 0\n");
        let kind = if self.precision == "double" { "double" } else { "float" };
        let column = |name: &String| {
            format!(
                "[[columns]]\nname = {name:?}\ntype = \"{kind}\"\nsource = \"request\"\n\
                 default = 0.0\nnan = \"default\"\n"
            )
        };
        let columns: String = self.columns.iter().map(column).collect();
        format!("[output]\n{}{}{columns}", tensor.unwrap_or_default(), class.unwrap_or_default())
    }
}

/// The first rows of a golden file, as far as they are `width` numbers.
fn rows(name: &str, width: usize) -> Option<Vec<Vec<f64>>> {
    let text = fs::read_to_string(folder(name).join("golden.csv")).ok()?;
    let row = |line: &str| -> Option<Vec<f64>> {
        line.split(',').take(width).map(|cell| cell.parse().ok()).collect()
    };
    let is_whole = |row: &Vec<f64>| row.len() == width && row.iter().all(|cell| cell.is_finite());
    let rows: Vec<_> = text.lines().skip(1).filter_map(row).filter(is_whole).take(ROWS).collect();
    (!rows.is_empty()).then_some(rows)
}

/// The numbers of the outputs that have any.
fn numbers(outputs: &Value) -> Vec<(String, Vec<f64>)> {
    let each = outputs.as_array().expect("outputs").iter().filter(|it| it["datatype"] != "BYTES");
    let numbers = each.map(|output| {
        let data = output["data"].as_array().expect("elements").iter();
        let numbers = data.map(|it| it.as_f64().unwrap_or_else(|| panic!("{it}: {output}")));
        (output["name"].as_str().expect("a name").to_owned(), numbers.collect())
    });
    numbers.collect()
}

fn numbers_of(response: &ModelInferResponse) -> Vec<(String, Vec<f64>)> {
    let mut found = Vec::new();
    let outputs = response.outputs.iter().enumerate();
    for (at, output) in outputs.filter(|(_, output)| output.datatype != "BYTES") {
        let raw = response.raw_output_contents.get(at);
        let is_narrow = output.datatype == "FP32";
        let numbers = match (&output.contents, raw) {
            (Some(contents), None) if is_narrow => {
                contents.fp32_contents.iter().map(|it| f64::from(*it)).collect()
            }
            (Some(contents), None) => contents.fp64_contents.clone(),
            (None, Some(raw)) if is_narrow => raw
                .chunks(4)
                .map(|it| f32::from_le_bytes(it.try_into().expect("4")).into())
                .collect(),
            (None, Some(raw)) => {
                raw.chunks(8).map(|it| f64::from_le_bytes(it.try_into().expect("8"))).collect()
            }
            other => panic!("{other:?}"),
        };
        found.push((output.name.clone(), numbers));
    }
    found
}

/// Holds the answers of one model to each other; how many numbers they had.
fn compare(entry: &Entry) -> usize {
    let name = &entry.name;
    let served = Setup::with_model(&entry.manifest(), &bytes(name)).serve();
    let answer = served.client().ask("GET /v2/models/demo-logistic HTTP/1.1\r\nhost: test\r\n\r\n");
    let metadata: Value = serde_json::from_str(&answer.body).expect("metadata");
    let input = &metadata["inputs"][0];
    let Some(width) = input["shape"][1].as_u64().filter(|_| input["datatype"] != "BYTES") else {
        return 0;
    };
    let Some(rows) = rows(name, width as usize) else { return 0 };
    let (tensor, shape) = (input["name"].as_str().expect("a name"), [rows.len(), width as usize]);
    let wanted = metadata["outputs"].as_array().expect("outputs").iter();
    let wanted: Vec<_> = wanted
        .map(|output| output["name"].as_str().expect("a name"))
        .filter(|name| !matches!(*name, "features" | "model_version"))
        .collect();
    let body = json!({
        "inputs": [{"name": tensor, "datatype": "FP64", "shape": shape, "data": rows}],
        "outputs": wanted.iter().map(|name| json!({"name": name})).collect::<Vec<_>>(),
    });
    let answer =
        served.client().ask(post_to("/v2/models/demo-logistic/infer", "", &body.to_string()));
    assert_eq!(answer.status, 200, "{name}: {answer:?}");
    let answer: Value = serde_json::from_str(&answer.body).expect("a document");
    let expected = numbers(&answer["outputs"]);
    let client = Http2Client::connect(served.address);
    for is_raw in [false, true] {
        let cells = rows.iter().flatten().copied();
        let mut request = ModelInferRequest {
            model_name: "demo-logistic".to_owned(),
            inputs: vec![InferInputTensor {
                name: tensor.to_owned(),
                datatype: "FP64".to_owned(),
                shape: shape.map(|length| length as i64).to_vec(),
                ..Default::default()
            }],
            outputs: wanted
                .iter()
                .map(|name| InferRequestedOutputTensor {
                    name: (*name).to_owned(),
                    ..Default::default()
                })
                .collect(),
            ..Default::default()
        };
        if is_raw {
            let raw: Vec<u8> = cells.flat_map(f64::to_le_bytes).collect();
            request.raw_input_contents.push(raw.into());
        } else {
            let fp64_contents = cells.collect();
            let contents = InferTensorContents { fp64_contents, ..Default::default() };
            request.inputs[0].contents = Some(contents);
        }
        let found: ModelInferResponse = client.call(INFER, &request).message();
        let found = numbers_of(&found);
        assert_eq!(found.len(), expected.len(), "{name}");
        for ((found_name, found), (expected_name, expected)) in found.iter().zip(&expected) {
            assert_eq!(found_name, expected_name, "{name}");
            assert_eq!(found.len(), expected.len(), "{name}");
            for (found, expected) in found.iter().zip(expected) {
                // JSON has the shortest digits of an f32.
                let is_same = found.to_bits() == expected.to_bits()
                    || (*found as f32).to_bits() == (*expected as f32).to_bits();
                assert!(is_same, "{name}: {found} by gRPC, {expected} by REST");
            }
        }
    }
    expected.iter().map(|(_, numbers)| numbers.len()).sum()
}

#[test]
fn every_model_and_every_output() {
    let text = fs::read_to_string(folder("zoo.toml")).expect("the zoo has a list");
    let zoo: Zoo = toml::from_str(&text).expect("the list is well-formed");
    let (mut models, mut compared) = (0, 0);
    for entry in zoo.models.iter().filter(|entry| entry.refused.is_none()) {
        let numbers = compare(entry);
        models += usize::from(numbers > 0);
        compared += numbers;
    }
    println!("{compared} numbers of {models} models");
    assert!(models > 100, "only {models} models");
}
