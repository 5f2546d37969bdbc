//! The line that a start ends with is a request that is answered with a score, whatever the model and
//! the store.

use std::fs;

use crate::support::{Launch, models};

/// Starts a gateway and sends what it says to try; returns the body that it says, and the answer's
/// status and `x-features`.
fn tried(launch: Launch) -> (String, u16, String) {
    let gateway = launch.start();
    let line = gateway.next_line().expect("a line to try");
    let start = format!("try: curl -i http://{}/predict -d '", gateway.address);
    let body = line.strip_prefix(&start).and_then(|rest| rest.strip_suffix('\''));
    let body = body.unwrap_or_else(|| panic!("{line}")).replace("'\\''", "'");
    let answer = gateway.client().predict(&body);
    let features = answer.field("x-features").unwrap_or_default().to_owned();
    (body, answer.status, features)
}

#[test]
fn a_user_of_the_store_is_asked_for() {
    let (body, status, features) = tried(Launch::demo());
    assert_eq!(body, "{\"user_id\":\"user-001\"}");
    assert_eq!((status, features.as_str()), (200, "stored"));
}

#[test]
fn a_user_with_quotes_is_written_for_the_shell() {
    let csv = "user_id,feature_1,feature_2,feature_3\n\"O'Br\"\"ien\",1,2,3\n";
    let launch = Launch::demo().import(csv);
    let (body, status, features) = tried(launch);
    assert_eq!(body, "{\"user_id\":\"O'Br\\\"ien\"}");
    assert_eq!((status, features.as_str()), (200, "stored"));
}

#[test]
fn fields_of_the_request_are_given() {
    let repository = tempfile::tempdir().unwrap();
    let model = repository.path().join("demo-logistic");
    fs::create_dir_all(model.join("1")).unwrap();
    let bundled = models().join("demo-logistic");
    fs::copy(bundled.join("1/model.onnx"), model.join("1/model.onnx")).unwrap();
    let manifest = "[output]\ntensor = \"probabilities\"\nclass = 1\n\
                    [[columns]]\nname = \"feature_1\"\n\
                    [[columns]]\nname = \"amount\"\nsource = \"request\"\nnan = \"reject\"\n\
                    default = 3.5\nrange = [1.0, 5.0]\n\
                    [[columns]]\nname = \"days\"\nsource = \"request\"\ntype = \"int\"\n\
                    nan = \"reject\"\n";
    fs::write(model.join("model.toml"), manifest).unwrap();
    let launch =
        Launch::demo().with(|command| _ = command.env("SHARDGATE_MODELS", repository.path()));
    let (body, status, features) = tried(launch);
    assert_eq!((status, features.as_str()), (200, "stored"), "{body}");
    for field in ["\"user_id\":\"user-001\"", "\"amount\":3.5", "\"days\":0"] {
        assert!(body.contains(field), "no {field}: {body}");
    }
}
