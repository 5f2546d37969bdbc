//! `treeshap_output` of a model of several classes has the contributions of each column to each
//! class's margin, the base last, as Triton's FIL backend has them: by REST and by gRPC, in typed
//! and in raw contents.

use serde_json::{Value, json};
use shards::grpc::messages::inference::ModelMetadataResponse;
use shards::grpc::messages::inference::model_infer_request::{
    InferInputTensor, InferRequestedOutputTensor,
};
use shards::grpc::messages::inference::{
    ModelInferRequest, ModelInferResponse, ModelMetadataRequest,
};

use crate::contributions_match_the_libraries::Contributions;
use crate::native_models::{file, golden_of};
use crate::support::{Http2Client, Served, Setup, post_to};

const FIXTURE: &str = "lightgbm-4.6.0-multiclass";
const NAMES: [&str; 6] = ["x0", "x1", "x2", "x3", "c0", "c1"];
const CLASSES: usize = 3;
const WIDTH: usize = NAMES.len() + 1;
const MODEL: &str = "/v2/models/demo-logistic";

/// Serves the model; `output` is what `[output]` says beside the score's class.
fn serve(output: &str) -> Served {
    let column = |name: &str| {
        format!(
            "[[columns]]\nname = \"{name}\"\ntype = \"double\"\nsource = \"request\"\n\
             default = nan\nnan = \"missing\"\n"
        )
    };
    let columns: String = NAMES.map(column).concat();
    let manifest = format!("[output]\nclass = 1\n{output}\n[explain]\n{columns}");
    Setup::with_native(&manifest, FIXTURE).csv("user_id,n\nu,1\n").serve()
}

/// The cells of rows without missing ones, and what the library says of them.
fn rows() -> Vec<(Vec<f64>, Vec<f64>)> {
    let path = file(FIXTURE).with_file_name("contributions.csv");
    let expected = Contributions::read(&path).expect("contributions");
    let by_class: Vec<Vec<_>> = (0..CLASSES).map(|class| expected.of(class).collect()).collect();
    let of = |row: usize| (0..CLASSES).flat_map(|class| by_class[class][row].to_vec()).collect();
    let cells = golden_of(FIXTURE).rows.into_iter().take(by_class[0].len()).enumerate();
    let whole = cells.filter(|(_, cells)| cells.iter().all(|cell| cell.is_finite()));
    whole.map(|(row, cells)| (cells, of(row))).collect()
}

fn asked(rows: &[(Vec<f64>, Vec<f64>)], outputs: &Value) -> Value {
    let column = |(place, name): (usize, &&str)| {
        let cells: Vec<f64> = rows.iter().map(|(cells, _)| cells[place]).collect();
        json!({"name": name, "datatype": "FP64", "shape": [rows.len(), 1], "data": cells})
    };
    let inputs: Vec<_> = NAMES.iter().enumerate().map(column).collect();
    json!({"inputs": inputs, "outputs": outputs})
}

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap_or_else(|| panic!("{value} is no number"))
}

/// That the numbers are the library's.
fn hold(found: &[f64], rows: &[(Vec<f64>, Vec<f64>)]) {
    assert_eq!(found.len(), rows.len() * CLASSES * WIDTH);
    for (found, (_, expected)) in found.chunks(CLASSES * WIDTH).zip(rows) {
        for (found, expected) in found.iter().zip(expected) {
            assert!((found - expected).abs() < 1e-6, "{found} for {expected}");
        }
    }
}

#[test]
fn by_rest() {
    let (served, rows) = (serve("probabilities = true"), rows());
    assert!(rows.len() >= 8, "{}", rows.len());
    let mut client = served.client();
    let shape = json!([rows.len(), CLASSES, WIDTH]);
    let body = asked(&rows, &json!([{"name": "treeshap_output"}, {"name": "score"}]));
    let answer = client.ask(post_to(&format!("{MODEL}/infer"), "", &body.to_string()));
    assert_eq!(answer.status, 200, "{answer:?}");
    let document: Value = serde_json::from_str(&answer.body).expect("a document");
    let output = &document["outputs"][0];
    assert_eq!((&output["shape"], &output["datatype"]), (&shape, &json!("FP64")));
    let data = output["data"].as_array().expect("elements");
    hold(&data.iter().map(number).collect::<Vec<_>>(), &rows);
    let raw = json!([{"name": "treeshap_output", "parameters": {"binary_data": true}}]);
    let body = asked(&rows, &raw);
    client.send(post_to(&format!("{MODEL}/infer"), "", &body.to_string()));
    let (head, bytes) = client.receive_bytes();
    let tensors = rows.len() * CLASSES * WIDTH * size_of::<f64>();
    assert!(head.starts_with("HTTP/1.1 200"), "{head}");
    let (document, raw) = bytes.split_at(bytes.len() - tensors);
    let document: Value = serde_json::from_slice(document).expect("a document");
    assert_eq!(document["outputs"][0]["shape"], shape);
    assert_eq!(document["outputs"][0]["parameters"]["binary_data_size"], json!(tensors));
    hold(&numbers(raw), &rows);
}

fn numbers(raw: &[u8]) -> Vec<f64> {
    raw.as_chunks::<8>().0.iter().map(|bytes| f64::from_le_bytes(*bytes)).collect()
}

#[test]
fn by_grpc() {
    let (served, rows) = (serve("probabilities = true"), rows());
    let client = Http2Client::connect(served.address);
    for is_raw in [false, true] {
        let input = |name: &&str| InferInputTensor {
            name: (*name).to_owned(),
            datatype: "FP64".to_owned(),
            shape: vec![rows.len() as i64, 1],
            ..Default::default()
        };
        let mut request = ModelInferRequest {
            model_name: "demo-logistic".to_owned(),
            inputs: NAMES.iter().map(input).collect(),
            outputs: vec![InferRequestedOutputTensor {
                name: "treeshap_output".to_owned(),
                ..Default::default()
            }],
            ..Default::default()
        };
        for place in 0..NAMES.len() {
            let cells = rows.iter().map(|(cells, _)| cells[place]);
            if is_raw {
                let raw: Vec<u8> = cells.flat_map(f64::to_le_bytes).collect();
                request.raw_input_contents.push(raw.into());
            } else {
                let contents = request.inputs[place].contents.get_or_insert_default();
                contents.fp64_contents = cells.collect();
            }
        }
        let found: ModelInferResponse =
            client.call("/inference.GRPCInferenceService/ModelInfer", &request).message();
        assert_eq!(found.outputs[0].shape, [rows.len() as i64, CLASSES as i64, WIDTH as i64]);
        let numbers = match &found.outputs[0].contents {
            Some(contents) => contents.fp64_contents.clone(),
            None => numbers(&found.raw_output_contents[0]),
        };
        hold(&numbers, &rows);
    }
    let request = ModelMetadataRequest { name: "demo-logistic".to_owned(), ..Default::default() };
    let metadata: ModelMetadataResponse =
        client.call("/inference.GRPCInferenceService/ModelMetadata", &request).message();
    let output = metadata.outputs.iter().find(|output| output.name == "treeshap_output");
    assert_eq!(output.expect("it is described").shape, [-1, CLASSES as i64, WIDTH as i64]);
}

/// The shape that the metadata say, and what the configuration says of it.
fn described(served: &Served) -> (Value, Value) {
    let mut client = served.client();
    let mut find = |path: &str, outputs: &str, shape: &str| {
        let answer = client.ask(format!("GET {MODEL}{path} HTTP/1.1\r\nhost: test\r\n\r\n"));
        let document: Value = serde_json::from_str(&answer.body).expect("metadata");
        let mut outputs = document[outputs].as_array().expect("outputs").iter();
        outputs.find(|it| it["name"] == "treeshap_output").expect("it is described")[shape].clone()
    };
    (find("", "outputs", "shape"), find("/config", "output", "dims"))
}

#[test]
fn metadata_say_its_shape() {
    let all = serve("probabilities = true");
    assert_eq!(described(&all), (json!([-1, CLASSES, WIDTH]), json!([CLASSES, WIDTH])));
    // Of one class that is computed, its own.
    let one = serve("");
    assert_eq!(described(&one), (json!([-1, WIDTH]), json!([WIDTH])));
    let rows = rows();
    let body = asked(&rows, &json!([{"name": "treeshap_output"}]));
    let answer = one.client().ask(post_to(&format!("{MODEL}/infer"), "", &body.to_string()));
    let document: Value = serde_json::from_str(&answer.body).expect("a document");
    let data = document["outputs"][0]["data"].as_array().expect("elements");
    for (found, (_, expected)) in data.chunks(WIDTH).zip(&rows) {
        for (found, expected) in found.iter().zip(&expected[WIDTH..2 * WIDTH]) {
            assert!((number(found) - expected).abs() < 1e-6, "{found} for {expected}");
        }
    }
}

#[test]
fn reasons_are_the_scores_beside_them() {
    let (served, rows) = (serve("probabilities = true"), rows());
    let cells = NAMES.iter().zip(&rows[0].0).map(|(name, cell)| format!("\"{name}\": {cell:?}"));
    let cells = cells.collect::<Vec<_>>().join(", ");
    let answer =
        served.client().predict(&format!("{{\"user_id\": \"u\", {cells}, \"explain\": 6}}"));
    assert_eq!(answer.status, 200, "{answer:?}");
    let document: Value = serde_json::from_str(&answer.body).expect("a document");
    let own = &rows[0].1[WIDTH..2 * WIDTH];
    assert!((number(&document["base"]) - own[WIDTH - 1]).abs() < 1e-6, "{document}");
    assert!((number(&document["margin"]) - own.iter().sum::<f64>()).abs() < 1e-6, "{document}");
}
