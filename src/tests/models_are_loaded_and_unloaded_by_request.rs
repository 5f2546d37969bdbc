//! The model-repository extension: a load or an unload is done on every shard or on none, says
//! why not, loses no request, and is for operators alone.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use crate::support::client::Response;
use crate::support::{Client, Gateway, Launch, Over, models, post_to, wait_until};
use serde_json::{Value, json};
use tempfile::TempDir;

const BODY: &str = "{\"user_id\": \"user-001\"}";
const ON_SERVING_PORT: &str = "[admin]\nrepository_on_serving_port = true\n";

/// A repository of two models, `demo-logistic` and `second`, both the same.
fn repository() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let source = models().join("demo-logistic");
    for name in ["demo-logistic", "second"] {
        let model = folder.path().join(name);
        fs::create_dir_all(model.join("1")).unwrap();
        for file in ["model.toml", "1/model.onnx"] {
            fs::copy(source.join(file), model.join(file)).unwrap();
        }
    }
    folder
}

/// Puts a version of a model there, with this file or a copy of the first version's.
fn add_version(repository: &Path, model: &str, version: &str, file: Option<&[u8]>) {
    let model = repository.join(model);
    let first = fs::read(model.join("1/model.onnx")).unwrap();
    fs::create_dir_all(model.join(version)).unwrap();
    fs::write(model.join(version).join("model.onnx"), file.unwrap_or(&first)).unwrap();
}

fn launch(repository: &TempDir) -> Launch {
    Launch::demo().with(|command| _ = command.arg("--models").arg(repository.path()))
}

fn ask(address: SocketAddr, path: &str, fields: &str, body: &str) -> Response {
    let length = body.len();
    Client::connect(address).ask(format!(
        "POST /v2/repository/{path} HTTP/1.1\r\nhost: localhost\r\n{fields}\
         content-length: {length}\r\n\r\n{body}"
    ))
}

/// Asks the admin port, as an operator does.
fn order(gateway: &Gateway, path: &str) -> Response {
    ask(gateway.admin, path, "content-type: application/json\r\n", "{}")
}

fn predict(client: &mut Client, model: &str) -> Response {
    client.ask(post_to(&format!("/predict/{model}"), "", BODY))
}

/// State and reason of a version in the index.
fn state_of(gateway: &Gateway, name: &str, version: &str) -> (String, String) {
    let answer = order(gateway, "index");
    assert_eq!(answer.status, 200, "{answer:?}");
    let index: Vec<Value> = serde_json::from_str(&answer.body).unwrap();
    let its = |entry: &&Value| entry["name"] == name && entry["version"] == version;
    let entry = index.iter().find(its).unwrap_or_else(|| panic!("{version}: {}", answer.body));
    let text = |key: &str| entry[key].as_str().unwrap().to_owned();
    (text("state"), text("reason"))
}

#[test]
fn a_broken_file_leaves_the_old_version_serving_and_says_why() {
    let repository = repository();
    let gateway = launch(&repository).start();
    let mut client = gateway.client();
    add_version(repository.path(), "demo-logistic", "2", Some(b"no model"));
    let refused = order(&gateway, "models/demo-logistic/load");
    assert_eq!(refused.status, 400);
    let said = refused.error();
    assert!(said.starts_with("failed to load `demo-logistic`: "), "{said}");
    assert!(said.contains("demo-logistic/2/model.onnx"), "{said}");
    assert_eq!(client.predict(BODY).field("x-model-version"), Some("1"));
    let ready = |state: &str| (state.to_owned(), String::new());
    assert_eq!(state_of(&gateway, "demo-logistic", "1"), ready("READY"));
    let (state, reason) = state_of(&gateway, "demo-logistic", "2");
    assert_eq!(state, "UNAVAILABLE");
    assert!(said.ends_with(&reason), "{said} / {reason}");

    add_version(repository.path(), "demo-logistic", "2", None);
    let loaded = order(&gateway, "models/demo-logistic/load");
    assert_eq!(loaded.status, 200, "{loaded:?}");
    let body: Value = serde_json::from_str(&loaded.body).unwrap();
    assert_eq!(body, json!({ "models": ["demo-logistic/2"] }));
    assert_eq!(client.predict(BODY).field("x-model-version"), Some("2"));
    assert_eq!(state_of(&gateway, "demo-logistic", "2"), ready("READY"));
    let (state, reason) = state_of(&gateway, "demo-logistic", "1");
    assert_eq!((&*state, &*reason), ("UNAVAILABLE", "another version is served"));

    fs::write(repository.path().join("demo-logistic/model.toml"), "no manifest").unwrap();
    assert_eq!(order(&gateway, "models/demo-logistic/load").status, 400);
    let (state, reason) = state_of(&gateway, "demo-logistic", "");
    assert!(state == "UNAVAILABLE" && reason.contains("model.toml"), "{reason}");
    assert_eq!(client.predict(BODY).field("x-model-version"), Some("2"));
}

#[test]
fn what_cannot_be_done_says_so() {
    let repository = repository();
    let gateway = launch(&repository).start();
    for (path, said) in [
        ("models/demo-logistic/unload", "it cannot be unloaded"),
        ("models/second/unload", "`second` is not served"),
        ("models/third/load", "no model `third`; there is: demo-logistic, second"),
        ("models/..%2f/load", "cannot be a model's name"),
    ] {
        let answer = order(&gateway, path);
        assert_eq!(answer.status, 400, "{path}");
        assert!(answer.error().contains(said), "{path}: {}", answer.error());
    }
    let fields = "content-type: application/json\r\n";
    for (body, said) in [
        ("{", "JSON cannot be read"),
        ("{\"parameters\": {\"config\": \"{}\"}}", "parameter `config` is not supported"),
        ("{\"parameters\": {\"file:1/model.onnx\": \"\"}}", "`file:1/model.onnx` is not supported"),
    ] {
        let answer = ask(gateway.admin, "models/second/load", fields, body);
        assert_eq!(answer.status, 400, "{body}");
        assert!(answer.error().contains(said), "{body}: {}", answer.error());
    }
    let known: Vec<Value> = serde_json::from_str(&order(&gateway, "index").body).unwrap();
    assert_eq!(known.len(), 2, "what is no model is not remembered: {known:?}");
    let ready = ask(gateway.admin, "index", "", "{\"ready\": true}");
    let ready: Vec<Value> = serde_json::from_str(&ready.body).unwrap();
    let expected =
        json!({ "name": "demo-logistic", "version": "1", "state": "READY", "reason": "" });
    assert_eq!(ready, [expected]);
}

#[test]
fn an_unload_under_load_loses_nothing() {
    let repository = repository();
    let gateway = launch(&repository).start();
    let address = gateway.address;
    assert_eq!(predict(&mut gateway.client(), "second").status, 404);
    for _ in 0..3 {
        assert_eq!(order(&gateway, "models/second/load").status, 200);
        let answered = AtomicU64::new(0);
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| ask_until_it_is_gone(address, &answered));
            }
            wait_until("there is load", || answered.load(Ordering::Relaxed) >= 1_000);
            assert_eq!(order(&gateway, "models/second/unload").status, 200);
        });
        let (state, reason) = state_of(&gateway, "second", "1");
        assert_eq!((&*state, &*reason), ("UNAVAILABLE", "unloaded"));
        assert_eq!(gateway.client().predict(BODY).status, 200);
    }
    assert_eq!(gateway.stop().0.code(), Some(0));
}

/// Pipelines requests for `second`: scores until the first 404, and none after it.
fn ask_until_it_is_gone(address: SocketAddr, answered: &AtomicU64) {
    let mut client = Client::connect(address);
    let request = post_to("/predict/second", "", BODY);
    let mut is_gone = false;
    while !is_gone {
        client.send(request.repeat(10));
        for _ in 0..10 {
            let answer = client.receive();
            match answer.status {
                200 => assert!(!is_gone && answer.score() > 0.92, "{answer:?}"),
                404 => is_gone = true,
                _ => panic!("{answer:?}"),
            }
            answered.fetch_add(1, Ordering::Relaxed);
        }
    }
}

#[test]
fn loads_under_load_change_versions_and_nothing_else() {
    let repository = repository();
    let gateway = launch(&repository).start();
    let (address, done) = (gateway.address, AtomicBool::new(false));
    std::thread::scope(|scope| {
        let _over = Over(&done);
        for _ in 0..4 {
            scope.spawn(|| {
                let mut client = Client::connect(address);
                let mut newest = 1;
                while !done.load(Ordering::Relaxed) {
                    let answer = client.predict(BODY);
                    assert!(answer.score() > 0.92, "{answer:?}");
                    let version = answer.field("x-model-version").unwrap().parse().unwrap();
                    assert!(version >= newest, "{version} came after {newest}");
                    newest = version;
                }
            });
        }
        for version in 2..8 {
            add_version(repository.path(), "demo-logistic", &version.to_string(), None);
            assert_eq!(order(&gateway, "models/demo-logistic/load").status, 200);
            let answer = gateway.client().predict(BODY);
            assert_eq!(answer.field("x-model-version"), Some(&*version.to_string()));
        }
    });
}

#[test]
fn the_serving_port_takes_it_only_where_the_configuration_says_so() {
    let repository = repository();
    let gateway = launch(&repository).start();
    for path in ["index", "models/second/load", "models/second/unload"] {
        let refused = ask(gateway.address, path, "", "");
        assert_eq!(refused.status, 403, "{path}");
        assert!(refused.error().contains("[admin] repository_on_serving_port = true"));
    }
    drop(gateway);
    let gateway = launch(&repository).config(ON_SERVING_PORT).start();
    let loaded = ask(gateway.address, "models/second/load", "", "");
    assert_eq!((loaded.status, &*loaded.body), (200, "{\"models\":[\"second/1\"]}"));
    assert_eq!(predict(&mut gateway.client(), "second").status, 200);
    let index = ask(gateway.address, "index", "", "{\"ready\": true}");
    let index: Vec<Value> = serde_json::from_str(&index.body).unwrap();
    assert_eq!(index.len(), 2, "{index:?}");
    let null = "{\"ready\": null, \"parameters\": null}";
    assert_eq!(ask(gateway.address, "index", "", null).status, 200, "as if it were not there");
    let unloaded = ask(gateway.address, "models/second/unload", "", "");
    assert_eq!(unloaded.status, 200);
    assert_eq!(predict(&mut gateway.client(), "second").status, 404);
    // Answers keep their order among others of the connection.
    let mut client = gateway.client();
    let load = "POST /v2/repository/models/second/load HTTP/1.1\r\nhost: localhost\r\n\
        content-length: 0\r\n\r\n";
    client.send([load.as_bytes(), &crate::support::post(BODY)].concat());
    assert_eq!(client.receive().body, "{\"models\":[\"second/1\"]}");
    assert!(client.receive().score() > 0.92);
    // A client that does not wait for the answer is no harm.
    gateway.client().send(load);
    assert_eq!(gateway.client().predict(BODY).status, 200);
    assert_eq!(gateway.stop().0.code(), Some(0));
}

#[test]
fn others_of_the_shard_are_answered_while_it_is_done() {
    let repository = repository();
    let gateway = launch(&repository).config(ON_SERVING_PORT).start();
    let (address, answered) = (gateway.address, AtomicU64::new(0));
    std::thread::scope(|scope| {
        let loading = scope.spawn(|| {
            for _ in 0..20 {
                assert_eq!(ask(address, "models/second/load", "", "").status, 200);
            }
        });
        let mut client = gateway.client();
        while !loading.is_finished() {
            assert!(client.predict(BODY).score() > 0.92);
            answered.fetch_add(1, Ordering::Relaxed);
        }
    });
    assert!(answered.load(Ordering::Relaxed) > 20, "{answered:?}");
}

#[test]
fn it_is_for_operators_alone() {
    let repository = repository();
    let gateway = launch(&repository).config(ON_SERVING_PORT).start();
    let strangers = [
        (403, "origin: http://elsewhere.example\r\n"),
        (403, "origin: http://localhost\r\norigin: http://localhost\r\n"),
    ];
    for address in [gateway.admin, gateway.address] {
        for (status, fields) in strangers {
            let fields = format!("content-type: application/json\r\n{fields}");
            let refused = ask(address, "models/second/load", &fields, "{}").status;
            // The admin port refuses a field that is there twice before it looks at it.
            assert!(refused == status || refused == 400, "{fields}: {refused}");
        }
        let request = "POST /v2/repository/models/second/load HTTP/1.1\r\nhost: a.example\r\n\
            content-type: application/json\r\ncontent-length: 0\r\n\r\n";
        assert_eq!(Client::connect(address).ask(request).status, 403);
    }
    assert_eq!(ask(gateway.admin, "models/second/load", "", "").status, 415);
    drop(gateway);

    let secrets = tempfile::tempdir().unwrap();
    let token = secrets.path().join("token");
    fs::write(&token, "a-token-of-some-length\n").unwrap();
    let config = format!("{ON_SERVING_PORT}token_file = {token:?}\n");
    let gateway = launch(&repository).config(&config).start();
    for address in [gateway.admin, gateway.address] {
        let json = "content-type: application/json\r\n";
        for path in ["index", "models/second/load", "models/second/unload"] {
            for wrong in ["", "authorization: Bearer another-token-of-some\r\n"] {
                let fields = format!("{json}{wrong}");
                assert_eq!(ask(address, path, &fields, "{}").status, 401, "{path} {wrong}");
            }
            let fields = format!("{json}authorization: Bearer a-token-of-some-length\r\n");
            assert_eq!(ask(address, path, &fields, "{}").status, 200, "{path}");
        }
    }
}
