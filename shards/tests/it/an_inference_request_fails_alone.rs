//! An inference request that cannot be answered says why, with Triton's status, and neither its
//! connection nor the requests batched with it suffer.

use crate::support::{Client, Setup, post_to};

fn infer(body: &str) -> Vec<u8> {
    post_to("/v2/models/demo-logistic/infer", "", body)
}

fn users(users: &[&str]) -> Vec<u8> {
    let data = serde_json::json!(users);
    let shape = users.len();
    infer(&format!(
        "{{\"inputs\": [{{\"name\": \"user_id\", \"datatype\": \"BYTES\", \"shape\": [{shape}], \
         \"data\": {data}}}]}}"
    ))
}

#[test]
fn a_row_that_is_refused_fails_its_own_request() {
    let manifest = std::fs::read_to_string(
        crate::support::served::bundled().join("demo-logistic").join("model.toml"),
    );
    let manifest = format!("[policies]\non_missing = \"reject\"\n{}", strip(&manifest.unwrap()));
    let served = Setup::with_manifest(&manifest).serve();
    let mut client = served.client();
    // All at once, so that they meet in a batch.
    client.send(
        [users(&["user-001"]), users(&["user-002", "nobody"]), users(&["user-002"])].concat(),
    );
    assert_eq!(client.receive().status, 200);
    let refused = client.receive();
    assert_eq!((refused.status, refused.error().as_str()), (404, "row 1: the user is not known"));
    assert_eq!(refused.field("x-features"), Some("missing"));
    assert_eq!(client.receive().status, 200);
}

/// The manifest without the keys that come before its first table.
fn strip(manifest: &str) -> &str {
    &manifest[manifest.find("[output]").expect("a table")..]
}

#[test]
fn what_is_quoted_of_it_is_short() {
    let served = Setup::of("demo-logistic").serve();
    let mut client = served.client();
    let (shape, text) = (vec!["1"; 100_000].join(","), "\u{e9}".repeat(100_000));
    for body in [
        tensor("user_id", "BYTES", &format!("[{shape}]"), "[\"a\", \"b\"]"),
        tensor(&text, "BYTES", "[1]", "[\"a\"]"),
        tensor("user_id", "BYTES", &format!("\"{text}\""), "[\"a\"]"),
    ] {
        let answer = client.ask(infer(&body));
        assert_eq!(answer.status, 400);
        assert!((500..=1_024).contains(&answer.error().len()), "{}", answer.error().len());
    }
}

#[test]
fn inputs_beyond_those_of_the_model_are_not_looked_at() {
    let served = Setup::of("demo-logistic").serve();
    let input =
        |at| format!("{{\"name\":\"{at}\",\"shape\":[0],\"datatype\":\"BOOL\",\"data\":[]}}");
    let inputs: Vec<String> = (0..10_000).map(input).collect();
    let answer = served.client().ask(infer(&format!("{{\"inputs\": [{}]}}", inputs.join(","))));
    let message = "the request has 10000 inputs, the model reads at most 4";
    assert_eq!((answer.status, answer.error().as_str()), (400, message));
}

#[test]
fn what_cannot_be_read_is_named() {
    let served =
        Setup::of("demo-logistic").settings(|settings| settings.http.array_rows_max = 4).serve();
    let mut client = served.client();
    let cells = "\"datatype\": \"FP32\", \"shape\": [1, 3], \"data\": [1, 2, 3]";
    for (body, words) in [
        (String::new(), "EOF"),
        ("[1".to_owned(), "JSON cannot be read"),
        ("{}".to_owned(), "missing field `inputs`"),
        ("{\"inputs\": []}".to_owned(), "no row"),
        (format!("{{\"inputs\": [{{\"name\": \"x\", {cells}}}]}}"), "unexpected input `x`"),
        (tensor("feature_1", "FP32", "[1]", "[1]"), "input `feature_2` is missing"),
        (tensor("user_id", "FP32", "[1]", "[1]"), "expected BYTES or a type of integers"),
        (tensor("user_id", "BYTES", "[1]", "[1]"), "not elements of BYTES"),
        (tensor("user_id", "BYTES", "[1]", "[\"\"]"), "element 0 is empty"),
        (tensor("user_id", "BYTES", "[2]", "[\"a\"]"), "the shape [2]"),
        (tensor("user_id", "BYTES", "[1, 2]", "[\"a\", \"b\"]"), "expected [1, 1]"),
        (tensor("user_id", "BYTES", "[5]", "[\"a\", \"a\", \"a\", \"a\", \"a\"]"), "at most 4"),
        (tensor("user_id", "BYTES", "[18446744073709551615, 2]", "[\"a\"]"), "elements"),
        (tensor("user_id", "BYTES", "[-1]", "[\"a\"]"), "JSON cannot be read"),
        (tensor("user_id", "FP16", "[1]", "[1]"), "`FP16` is not supported"),
        (tensor("feature_1", "INT8", "[1]", "[0.5]"), "not elements of INT8"),
        (tensor("feature_1", "FP32", "[2]", "[1, \"a\"]"), "both numbers and strings"),
    ] {
        check(&mut client, &body, words);
    }
    // The last bytes of a body are those of a string that nothing reads.
    let mut request = infer(&tensor("user_id", "BYTES", "[1]", "[\"user-001\"], \"x\": \"??\""));
    let at = request.windows(2).rposition(|bytes| bytes == b"??").expect("the string");
    request[at..at + 2].copy_from_slice(b"\xff\xfe");
    let answer = client.ask(request);
    assert_eq!(answer.status, 400, "{answer:?}");
    assert!(answer.error().contains("not valid UTF-8"), "{answer:?}");
    assert_eq!(client.ask(users(&["user-001"])).status, 200);
}

fn tensor(name: &str, datatype: &str, shape: &str, data: &str) -> String {
    format!(
        "{{\"inputs\": [{{\"name\": \"{name}\", \"datatype\": \"{datatype}\", \
         \"shape\": {shape}, \"data\": {data}}}]}}"
    )
}

fn check(client: &mut Client, body: &str, words: &str) {
    let answer = client.ask(infer(body));
    assert_eq!(answer.status, 400, "{body}: {answer:?}");
    let error = answer.error();
    assert!(error.contains(words), "{body}: {error}");
}

#[test]
fn paths_that_are_not_there_and_methods_that_they_do_not_take() {
    let served = Setup::of("demo-logistic").serve();
    let mut client = served.client();
    for (line, status) in [
        ("GET /v2", 200),
        ("GET /v2/health/live", 200),
        ("GET /v2/health/ready", 200),
        ("GET /v2/models/demo-logistic/versions/1/config", 200),
        ("GET /v2/models/demo-logistic/stats", 200),
        ("GET /v2/models/stats", 200),
        ("GET /v2/models/nobody", 404),
        ("GET /v2/models/nobody/ready", 400),
        ("GET /v2/models/demo-logistic/versions/2", 404),
        ("GET /v2/models/demo-logistic/infer", 405),
        ("POST /v2", 405),
        ("POST /v2/repository/index", 403),
        ("GET /v2/nothing", 404),
        ("GET /v2x", 404),
        ("BREW /v2", 501),
    ] {
        let answer = client.ask(format!("{line} HTTP/1.1\r\nhost: test\r\n\r\n"));
        assert_eq!(answer.status, status, "{line}: {answer:?}");
    }
    client.send("HEAD /v2/health/ready HTTP/1.1\r\nhost: test\r\n\r\n");
    assert_eq!(client.receive_head().status, 200);
    assert_eq!(client.ask(users(&["user-001"])).status, 200, "HEAD was answered without a body");
}
