//! An answer has beside its score what its request and `model.toml` ask for, and no more: the numbers
//! are the library's own.

use serde_json::Value;
use shards::batch::PreparedModel;
use shards::features::schema::Schema;
use shards::model::LoadOptions;
use shards::model::repository::Repository;

use crate::native_models::{Kind, golden_of};
use crate::support::{Client, Setup, post_to};

const FIXTURE: &str = "lightgbm-3.3.5-binary";
const COLUMNS: [&str; 6] = ["x0", "x1", "x2", "x3", "c0", "c1"];

/// A manifest whose columns are all of the request.
fn manifest(head: &str) -> String {
    let column = |name: &&str| {
        format!(
            "[[columns]]\nname = \"{name}\"\ntype = \"double\"\nsource = \"request\"\n\
             default = nan\nnan = \"missing\"\n"
        )
    };
    format!("{head}\n{}", COLUMNS.iter().map(column).collect::<String>())
}

/// The golden rows: their fields as members of a JSON object, and the library's margin and the
/// probabilities of both classes.
fn rows() -> Vec<(String, [f64; 3])> {
    let golden = golden_of(FIXTURE);
    let (margins, predictions) = (golden.of(Kind::Margin), golden.of(Kind::Prediction));
    let row = |(at, cells): (usize, &Vec<f64>)| {
        let fields = COLUMNS.iter().zip(cells).map(|(name, cell)| match cell {
            cell if cell.is_finite() => format!("\"{name}\": {cell:?}"),
            _ => format!("\"{name}\": null"),
        });
        let fields = fields.collect::<Vec<_>>().join(", ");
        (fields, [margins[0][at], predictions[0][at], predictions[1][at]])
    };
    let rows = golden.rows.iter().enumerate();
    rows.filter(|(_, cells)| !cells.iter().any(|cell| cell.is_infinite())).map(row).collect()
}

fn ask(client: &mut Client, members: &str) -> Value {
    let answer = client.predict(&format!("{{\"user_id\": \"u\", {members}}}"));
    assert_eq!(answer.status, 200, "{members}: {answer:?}");
    serde_json::from_str(&answer.body).expect("a document")
}

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap_or_else(|| panic!("{value} is no number"))
}

fn members(value: &Value) -> Vec<&str> {
    value.as_object().expect("an object").keys().map(String::as_str).collect()
}

#[test]
fn probabilities_and_labels_are_the_librarys() {
    let served = Setup::with_native(&manifest(""), FIXTURE).csv("user_id,n\nu,1\n").serve();
    let mut client = served.client();
    for (fields, [_, first, second]) in rows() {
        let bare = ask(&mut client, &fields);
        assert_eq!(members(&bare), ["score", "user_id"], "{bare}");
        let all = ask(&mut client, &format!("{fields}, \"probabilities\": true, \"label\": true"));
        assert_eq!(all["score"], bare["score"]);
        for (label, expected) in [("0", first), ("1", second)] {
            let found = number(&all["probabilities"][label]);
            assert!((found - expected).abs() < 1e-6, "{fields}: {found} {expected}");
        }
        assert_eq!(all["label"], if second > first { "1" } else { "0" }, "{all}");
        let outputs = ask(&mut client, &format!("{fields}, \"outputs\": true"));
        assert_eq!(outputs["outputs"][1], bare["score"]);
    }
}

#[test]
fn reasons_add_up_to_the_librarys_margin() {
    let head = "[explain]\nmax_reasons = 2\n[[explain.reasons]]\ncolumns = [\"c1\", \"c0\"]\n\
                code = \"AA07\"\ntext = \"Categories\"";
    let served = Setup::with_native(&manifest(head), FIXTURE).csv("user_id,n\nu,1\n").serve();
    let mut client = served.client();
    for (fields, [margin, ..]) in rows() {
        let bare = ask(&mut client, &format!("{fields}, \"explain\": false"));
        assert_eq!(members(&bare), ["score", "user_id"], "{bare}");
        let few = ask(&mut client, &format!("{fields}, \"explain\": true"));
        let all = ask(&mut client, &format!("{fields}, \"explain\": 9"));
        assert!((number(&all["margin"]) - margin).abs() < 1e-6, "{fields}: {all} {margin}");
        let reasons = all["reasons"].as_array().expect("an array");
        assert_eq!(
            few["reasons"].as_array().expect("an array")[..],
            reasons[..reasons.len().min(2)]
        );
        let mut before = f64::INFINITY;
        for reason in reasons {
            let contribution = number(&reason["contribution"]);
            assert!(contribution > 0.0 && contribution <= before, "{all}");
            before = contribution;
            let is_group = reason["code"] == "AA07";
            assert_eq!(reason["columns"] == serde_json::json!(["c0", "c1"]), is_group, "{reason}");
            assert_eq!(reason["text"] == "Categories", is_group, "{reason}");
            assert_eq!(reason["column"].is_string(), !is_group, "{reason}");
        }
    }
}

#[test]
fn decisions_points_and_conditions_follow_the_score() {
    let head = "[output]\nadverse = \"high\"\n[output.scale]\npoints = 600\nodds = 50\npdo = 20\n\
                round = true\n[[output.bands]]\nbelow = 0.5\ndecision = \"approve\"\n\
                [[output.bands]]\ndecision = \"decline\"\n[explain]\nmax_reasons = 3\n\
                when = 'decision == \"decline\"'";
    let served = Setup::with_native(&manifest(head), FIXTURE).csv("user_id,n\nu,1\n").serve();
    let mut client = served.client();
    let mut declined = 0;
    for (fields, _) in rows() {
        let answer = ask(&mut client, &fields);
        let score = number(&answer["score"]);
        let is_declined = score >= 0.5;
        assert_eq!(answer["decision"], if is_declined { "decline" } else { "approve" });
        let factor = 20.0 / std::f64::consts::LN_2;
        let points = 600.0 + factor * (((1.0 - score) / score).ln() - 50.0_f64.ln());
        assert_eq!(answer["points"], serde_json::json!(points.round() as i64), "{answer}");
        assert_eq!(answer["reasons"].is_array(), is_declined, "{answer}");
        declined += u64::from(is_declined);
    }
    let lane = served.lane();
    let counted = [0, 1].map(|place| lane.counters.decisions.get(place).get());
    assert_eq!(counted, [rows().len() as u64 - declined, declined]);
    let scores: u64 = (0..20).map(|bin| lane.counters.scores.get(bin).get()).sum();
    assert_eq!(scores, rows().len() as u64);
}

#[test]
fn tensors_have_the_same_numbers_as_objects() {
    let head = "[explain]\n[[output.bands]]\ndecision = \"review\"";
    let served = Setup::with_native(&manifest(head), FIXTURE).csv("user_id,n\nu,1\n").serve();
    let mut client = served.client();
    let (fields, _) = &rows()[3];
    let object = ask(&mut client, &format!("{fields}, \"explain\": 9, \"probabilities\": true"));
    let cells: Value = serde_json::from_str(&format!("{{{fields}}}")).unwrap();
    let tensors = COLUMNS.map(|name| {
        let cell = &cells[name];
        format!("{{\"name\": \"{name}\", \"datatype\": \"FP64\", \"shape\": [2, 1], \"data\": [{cell}, 0]}}")
    });
    let names = ["score", "decision", "label", "probabilities", "treeshap_output"];
    let outputs = names.map(|name| format!("{{\"name\": \"{name}\"}}"));
    let body =
        format!("{{\"inputs\": [{}], \"outputs\": [{}]}}", tensors.join(", "), outputs.join(", "));
    let answer = client.ask(post_to("/v2/models/demo-logistic/infer", "", &body));
    assert_eq!(answer.status, 200, "{answer:?}");
    let document: Value = serde_json::from_str(&answer.body).unwrap();
    let output = |place: usize| document["outputs"][place]["data"].as_array().unwrap().clone();
    assert_eq!(output(0)[0], object["score"]);
    assert_eq!(output(1), ["review", "review"]);
    assert_eq!(output(3)[1], object["probabilities"]["1"]);
    assert_eq!(document["outputs"][4]["shape"], serde_json::json!([2, 7]));
    let contributions: Vec<f64> = output(4)[..7].iter().map(number).collect();
    assert_eq!(output(4)[6], object["base"]);
    assert!((contributions.iter().sum::<f64>() - number(&object["margin"])).abs() < 1e-12);
    let body = body.replace("\"label\"", "\"points\"");
    let answer = client.ask(post_to("/v2/models/demo-logistic/infer", "", &body));
    assert_eq!(answer.status, 400, "{answer:?}");
    assert!(answer.error().contains("`points`: there are `score`"), "{}", answer.error());
}

#[test]
fn what_a_model_does_not_have_is_refused_by_name() {
    let served = Setup::with_native(&manifest(""), FIXTURE).csv("user_id,n\nu,1\n").serve();
    let mut client = served.client();
    for (members, found) in [
        ("\"explain\": 3", "[explain] in its model.toml"),
        ("\"explain\": -1", "`explain` must be"),
        ("\"explain\": \"all\"", "`explain` must be"),
        ("\"probabilities\": 1", "must be true or false"),
    ] {
        let answer = client.predict(&format!("{{\"user_id\": \"u\", \"x0\": 1, {members}}}"));
        assert_eq!(answer.status, 400, "{answer:?}");
        assert!(answer.error().contains(found), "{}", answer.error());
    }
    let regression = Setup::of("demo-logistic").serve();
    let answer = regression.client().predict("{\"user_id\": \"user-001\", \"outputs\": true}");
    assert_eq!(answer.status, 200, "{answer:?}");
}

#[test]
fn a_column_is_a_field_whatever_its_name_is() {
    let columns = manifest("").replace("\"x0\"", "\"explain\"");
    let served = Setup::with_native(&columns, FIXTURE).csv("user_id,n\nu,1\n");
    // The file names its columns otherwise, and its names are taken for a mistake only in another
    // order.
    let served = served.serve();
    let mut client = served.client();
    let scores =
        [-3.0, 3.0].map(|cell| number(&ask(&mut client, &format!("\"explain\": {cell}"))["score"]));
    assert_ne!(scores[0].to_bits(), scores[1].to_bits());
}

#[test]
fn a_curve_calibrates_the_score_and_the_other_class_has_the_rest() {
    let plain = Setup::with_native(&manifest(""), FIXTURE).csv("user_id,n\nu,1\n").serve();
    let served = Setup::with_native(&manifest("[output]\ncalibration = \"isotonic\""), FIXTURE)
        .and_file("calibration.csv", "x,y\n0.2,0.1\n0.5,0.4\n0.5,0.45\n0.9,0.8\n")
        .csv("user_id,n\nu,1\n")
        .serve();
    let (mut plain, mut client) = (plain.client(), served.client());
    for (fields, _) in rows() {
        let raw = number(&ask(&mut plain, &fields)["score"]);
        let expected = match raw {
            raw if raw <= 0.2 => 0.1,
            raw if raw < 0.5 => 0.1 + (raw - 0.2) * (0.4 - 0.1) / (0.5 - 0.2),
            raw if raw < 0.9 => 0.45 + (raw - 0.5) * (0.8 - 0.45) / (0.9 - 0.5),
            _ => 0.8,
        };
        let answer = ask(&mut client, &format!("{fields}, \"probabilities\": true"));
        let found = number(&answer["score"]);
        assert!((found - expected).abs() < 1e-12, "{raw}: {found} {expected}");
        assert_eq!(answer["probabilities"]["1"], answer["score"]);
        assert_eq!(answer["probabilities"]["0"], serde_json::json!(1.0 - found));
    }
}

/// Why the fixture is not served with this manifest.
fn refusal(fixture: &str, manifest: &str, calibration: &str) -> String {
    let folder = tempfile::tempdir().unwrap();
    let version = folder.path().join("risk/1");
    std::fs::create_dir_all(&version).unwrap();
    let native = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/native");
    std::fs::copy(native.join(fixture).join("model.txt"), version.join("model.txt")).unwrap();
    std::fs::write(version.join("calibration.csv"), calibration).unwrap();
    std::fs::write(folder.path().join("risk/model.toml"), manifest).unwrap();
    let directory = match Repository::new(folder.path()).find("risk", None) {
        Ok(directory) => directory,
        Err(error) => return error.to_string(),
    };
    let none = Schema::none();
    let loaded = PreparedModel::load(&directory, LoadOptions::default(), &none);
    loaded.map(|_| ()).expect_err(manifest).to_string()
}

#[test]
fn settings_that_do_not_fit_the_model_are_refused_at_load() {
    let scale = |of: &str| format!("[output.scale]\npoints = 1\nodds = 1\npdo = 1\nof = \"{of}\"");
    let bands =
        "[[output.bands]]\nbelow = 0.1\ndecision = \"a\"\n[[output.bands]]\ndecision = \"a\"";
    let (binary, regression) = (FIXTURE, "lightgbm-3.3.5-fair");
    let knots = "x,y\n0,0.1\n1,0.2\n";
    for (fixture, head, calibration, expected) in [
        (
            binary,
            "[output]\nlabels = [\"1\", \"0\"]",
            knots,
            "the file's labels in the file's order",
        ),
        (binary, "[output]\nlabels = [\"x\", \"x\"]", knots, "labels that differ"),
        (binary, "[output]\nlabels = [\"x\"]", knots, "one for each class"),
        (regression, "[output]\nlabels = [\"good\"]", knots, "not one of classes"),
        (regression, "[output]\nprobabilities = true", knots, "expected a classifier"),
        (binary, &scale("log-odds"), knots, "key `output.scale.of`"),
        (regression, &scale("probability"), knots, "key `output.scale.of`"),
        (binary, bands, knots, "a name that no other band has"),
        (binary, "[explain]\nwhen = 'decision == \"b\"'", knots, "key `explain.when`"),
        (binary, "[explain]\nalways = true\nwhen = 'score > 1'", knots, "one of the two"),
        (binary, "[output]\nmembers = 2\ncalibration = \"isotonic\"", knots, "`output.members`"),
        (
            binary,
            "[output]\ncalibration = \"isotonic\"",
            "x,y\n0,0.1\n1,57\n",
            "calibration.csv:3: `y` is 57, expected a probability",
        ),
        (
            binary,
            "[output]\ncalibration = \"sigmoid\"\n[explain]",
            "a,b\n5,0\n",
            "beside a calibration that falls",
        ),
    ] {
        let found = refusal(fixture, &manifest(head), calibration);
        assert!(found.contains(expected), "{head}: {found}");
    }
}
