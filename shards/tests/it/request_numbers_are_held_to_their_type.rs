//! A request's number is one of its declared type, by whichever way it comes: nothing is rounded or
//! cut to fit in silence, a `float` is as the store keeps it, and no member is there twice.

use crate::support::{Client, Response, Served, Setup, post_to};

const MANIFEST: &str = r#"
[output]
tensor = "probabilities"
class = 1
[[columns]]
name = "feature_1"
source = "request"
type = "double"
[[columns]]
name = "feature_2"
source = "request"
type = "int"
range = [0, 1e12]
[[columns]]
name = "feature_3"
source = "request"
range = [-1e300, 10]
out_of_range = "clip"
[[inputs]]
name = "sf"
type = "float"
[[inputs]]
name = "f"
source = "request"
type = "float"
[[inputs]]
name = "i"
source = "request"
type = "bigint"
[[inputs]]
name = "ti"
source = "request"
type = "tinyint"
[[inputs]]
name = "yes"
source = "request"
type = "boolean"
[[inputs]]
name = "dec"
source = "request"
type = "decimal"
[[inputs]]
name = "day"
source = "request"
type = "date"
[[rules]]
when = "ti == 100 && yes && dec == 7.0 && hours_since(day) > 1e9"
decision = "all are read"
[[rules]]
when = "i == 9007199254740991"
decision = "exact"
[[rules]]
when = "sf == f"
decision = "equal"
[[rules]]
when = "f == 0.1"
decision = "not as stored"
"#;

fn serve() -> Served {
    Setup::with_manifest(MANIFEST).csv("user_id,sf:float\nu,0.1\n").serve()
}

fn predict(client: &mut Client, members: &str) -> Response {
    client.predict(&format!("{{\"user_id\": \"u\", {members}}}"))
}

#[test]
fn a_number_outside_of_the_type_is_refused_by_name() {
    let served = serve();
    let mut client = served.client();
    for (members, says) in [
        (
            "\"ti\": 300",
            "`ti` is of type tinyint and must be a whole number from -128 to 127, found the number 300",
        ),
        ("\"ti\": 1.5", "found the number 1.5"),
        (
            "\"yes\": 7",
            "`yes` is of type boolean and must be true or false, or 1 or 0, found the number 7",
        ),
        ("\"i\": 1e30", "`i` is of type bigint and must be a whole number"),
        ("\"i\": 9223372036854775808", "`i` is of type bigint and must be a whole number"),
        ("\"i\": 9007199254740993", "a whole number of more than 2^53 cannot be held exactly here"),
        ("\"i\": -9007199254740993", "cannot be held exactly"),
        // It may have been rounded before it came.
        ("\"i\": 9007199254740992.0", "cannot be held exactly"),
        ("\"dec\": 9007199254740993", "`dec` is of type decimal: a whole number of more than 2^53"),
        (
            "\"feature_2\": 2147483648",
            "from -2147483648 to 2147483647, found the number 2147483648",
        ),
        ("\"feature_1\": 1e39", "`feature_1` must be a number that a 32-bit float holds"),
        ("\"feature_3\": -1e39", "`feature_3` must be a number that a 32-bit float holds"),
        ("\"f\": 1e39", "`f` must be a number that a 32-bit float holds"),
        ("\"day\": true", "`day` is of type date and must be a date as \"2026-01-31\""),
        ("\"ti\": \"3\"", "found a text: a number stands without quotes"),
        ("\"ti\": [3]", "found a list"),
        ("\"ti\": {}", "found an object"),
    ] {
        let answer = predict(&mut client, members);
        assert_eq!(answer.status, 400, "{members}: {answer:?}");
        assert!(answer.error().contains(says), "{members}: {answer:?}");
    }
    for members in [
        "\"ti\": -128",
        "\"yes\": true",
        "\"yes\": 1",
        "\"i\": null",
        "\"dec\": 0.1",
        "\"feature_3\": 1e300",
        "\"day\": \"2026-01-31\"",
    ] {
        let answer = predict(&mut client, members);
        assert_eq!(answer.status, 200, "{members}: {answer:?}");
    }
    let answer = predict(&mut client, "\"i\": 9007199254740991");
    assert!(answer.body.contains("\"exact\""), "{answer:?}");
    // The column's policy says what becomes of a number outside of its range.
    let outside = predict(&mut client, "\"feature_2\": 1e13");
    assert_eq!(outside.status, 422, "{outside:?}");
}

#[test]
fn a_float_of_a_request_is_as_the_store_keeps_it() {
    let served = serve();
    let answer = predict(&mut served.client(), "\"f\": 0.1");
    assert!(answer.body.contains("\"equal\""), "{answer:?}");
}

#[test]
fn tensors_and_lists_are_held_to_the_types_too() {
    let served = serve();
    let mut client = served.client();
    let infer = |client: &mut Client, inputs: &str| {
        let body = format!("{{\"inputs\": [{inputs}]}}");
        client.ask(post_to("/v2/models/demo-logistic/infer", "", &body))
    };
    let user = r#"{"name": "user_id", "datatype": "BYTES", "shape": [1], "data": ["u"]}"#;
    let tensor = |name: &str, datatype: &str, shape: &str, data: &str| {
        format!(
            "{{\"name\": \"{name}\", \"datatype\": \"{datatype}\", \"shape\": {shape}, \
             \"data\": {data}}}"
        )
    };
    for (name, datatype, data, says) in [
        ("i", "INT64", "[9007199254740993]", "more than 2^53 cannot be held exactly"),
        ("ti", "INT64", "[300]", "`ti` is of type tinyint"),
        ("feature_1", "FP64", "[1e39]", "`feature_1` must be a number that a 32-bit float"),
    ] {
        let tensor = tensor(name, datatype, "[1]", data);
        let answer = infer(&mut client, &format!("{user}, {tensor}"));
        assert_eq!(answer.status, 400, "{tensor}: {answer:?}");
        assert!(answer.error().contains(says), "{tensor}: {answer:?}");
    }
    let metadata = client.ask("GET /v2/models/demo-logistic HTTP/1.1\r\nhost: x\r\n\r\n");
    let metadata: serde_json::Value = serde_json::from_str(&metadata.body).unwrap();
    let matrix = metadata["inputs"][0]["name"].as_str().unwrap();
    for (cells, says) in [
        ("[1, 2, 3]", None),
        ("[1, 2.5, 3]", Some("`feature_2` is of type int and must be a whole number")),
        ("[1, 2, 1e39]", Some("`feature_3` must be a number that a 32-bit float holds")),
        ("[1e39, 2, 1]", Some("`feature_1` must be a number that a 32-bit float holds")),
    ] {
        let whole = tensor(matrix, "FP64", "[1, 3]", cells);
        let list = format!("{{\"instances\": [{cells}]}}");
        let list = post_to("/v1/models/demo-logistic:predict", "", &list);
        for answer in [infer(&mut client, &whole), client.ask(list)] {
            assert_eq!(answer.status, if says.is_some() { 400 } else { 200 }, "{answer:?}");
            assert!(answer.body.replace('\\', "").contains(says.unwrap_or_default()), "{answer:?}");
        }
    }
}

#[test]
fn a_member_that_is_there_twice_is_refused() {
    let served = serve();
    let mut client = served.client();
    for (members, says) in [
        ("\"i\": 1, \"i\": 2", "`i` is there twice"),
        ("\"i\": null, \"i\": 2", "`i` is there twice"),
        ("\"feature_1\": 1, \"ti\": 1, \"feature_1\": 1", "`feature_1` is there twice"),
        ("\"explain\": 1, \"explain\": 2", "is there twice"),
    ] {
        let answer = predict(&mut client, members);
        assert_eq!(answer.status, 400, "{members}: {answer:?}");
        assert!(answer.error().contains(says), "{members}: {answer:?}");
        let list = format!("{{\"instances\": [{{\"user_id\": \"u\", {members}}}]}}");
        let answer = client.ask(post_to("/v1/models/demo-logistic:predict", "", &list));
        assert_eq!(answer.status, 400, "{members}: {answer:?}");
    }
    // Nobody reads it.
    assert_eq!(predict(&mut client, "\"i\": 1, \"other\": 1, \"other\": 2").status, 200);
}

#[test]
fn a_default_that_an_expression_falls_to_counts() {
    let column = |name: &str, keys: &str| format!("[[columns]]\nname = \"{name}\"\n{keys}\n");
    let manifest = [
        "[output]\ntensor = \"probabilities\"\nclass = 1\n[policies]\nmax_defaulted_columns = 0\n",
        &column("feature_1", "source = \"request\"\ntype = \"double\""),
        &column("feature_2", "source = \"request\""),
        &column("feature_3", "expr = \"1.0 / feature_1\"\ndefault = 2.0"),
    ];
    let served = Setup::with_manifest(&manifest.concat()).serve();
    let mut client = served.client();
    let mut ask = |members: &str| {
        let answer = client.predict(&format!("{{\"user_id\": \"user-001\", {members}}}"));
        (answer.status, answer.body)
    };
    assert_eq!(ask("\"feature_1\": 1, \"feature_2\": 1").0, 200);
    for members in ["\"feature_1\": 0, \"feature_2\": 1", "\"feature_1\": 1"] {
        let (status, body) = ask(members);
        assert_eq!(status, 503, "{body}");
        assert!(body.contains("1 of the row's features stand on defaults, at most 0"), "{body}");
    }
}
