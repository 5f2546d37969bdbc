//! Where requests need a key, one that is known lets its client ask its models at its rate, probes
//! need none, and a key that was taken back is refused.

use std::path::Path;

use shards::keys::KeyFile;
use shards::shard::Command;

use crate::support::{Client, Setup, post_to, wait_until};

/// The hash of `secret`.
const HASH: &str = "2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b";

fn keys(more: &str) -> String {
    format!("[[keys]]\nname = \"one\"\nsha256 = \"{HASH}\"\n{more}\n")
}

fn ask(client: &mut Client, fields: &str) -> u16 {
    client.ask(post_to("/predict", fields, "{\"user_id\": \"user-001\"}")).status
}

#[test]
fn and_others_are_told_why_not() {
    let served =
        Setup::of("demo-logistic").with_keys(&keys("models = [\"demo-logistic\"]")).serve();
    let mut client = served.client();
    assert_eq!(ask(&mut client, "authorization: Bearer secret\r\n"), 200);
    assert_eq!(ask(&mut client, "X-Api-Key: secret\r\n"), 200);
    let missing = client.ask(post_to("/predict", "", "{\"user_id\": \"user-001\"}"));
    assert_eq!((missing.status, missing.field("www-authenticate")), (401, Some("Bearer")));
    for fields in [
        "authorization: Bearer wrong\r\n",
        "authorization: Basic secret\r\n",
        "x-api-key: secret\r\nx-api-key: secret\r\n",
    ] {
        assert_eq!(ask(&mut client, fields), 401, "{fields}");
    }
    for (path, status) in [
        ("/v2/health/live", 200),
        ("/v2/health/ready", 200),
        ("/v2/models/demo-logistic/ready", 200),
        ("/v2/models/demo-logistic", 401),
        ("/v2", 401),
        ("/nothing", 404),
    ] {
        let answer = client.ask(format!("GET {path} HTTP/1.1\r\nhost: test\r\n\r\n"));
        assert_eq!(answer.status, status, "{path}");
    }
    let keys = served.shared.telemetry.keys().expect("counted");
    assert_eq!((keys.names.as_slice(), keys.admitted.get(0).get()), (&["one".to_owned()][..], 2));
}

#[test]
fn at_its_rate_and_for_its_models_alone() {
    let more = "models = [\"other\"]\nmax_requests_per_s = 2\n";
    let served = Setup::of("demo-logistic").with_keys(&keys(more)).serve();
    let mut client = served.client();
    assert_eq!(ask(&mut client, "x-api-key: secret\r\n"), 403);
    let asked: Vec<u16> = (0..4)
        .map(|_| client.ask("GET /v2 HTTP/1.1\r\nhost: test\r\nx-api-key: secret\r\n\r\n").status)
        .collect();
    assert_eq!(asked[..3], [200, 200, 429], "{asked:?}");
}

#[test]
fn until_it_is_taken_back() {
    let served = Setup::of("demo-logistic").with_keys(&keys("")).serve();
    let mut client = served.client();
    assert_eq!(ask(&mut client, "x-api-key: secret\r\n"), 200);
    let none = KeyFile::parse("", Path::new("keys.toml")).unwrap();
    let number = served.shared.send(Command::TakeKeys(none));
    wait_until("the keys are taken", || served.shared.done() >= number);
    assert_eq!(ask(&mut client, "x-api-key: secret\r\n"), 401);
}

#[test]
fn with_reasons_only_where_it_may_have_them() {
    let bundled = crate::support::served::bundled().join("credit-risk");
    let manifest = std::fs::read_to_string(bundled.join("model.toml")).unwrap();
    assert!(manifest.contains("[explain]\n"));
    for (unasked, may, expected) in [
        ("", "", (false, 200)),
        ("", "may = [\"predict\"]", (false, 403)),
        ("always = true\n", "", (true, 200)),
        // What the model says unasked is withheld, too.
        ("always = true\n", "may = [\"predict\"]", (false, 403)),
    ] {
        let setup = Setup::of("credit-risk").with_keys(&keys(may));
        let setup = setup.changed("[explain]\n", &format!("[explain]\n{unasked}"));
        let served = setup.serve();
        let mut client = served.client();
        let mut ask = |more: &str| {
            let body = format!("{{\"user_id\": \"applicant-0001\"{more}}}");
            client.ask(post_to("/predict", "x-api-key: secret\r\n", &body))
        };
        let bare = ask("");
        assert_eq!((bare.status, bare.body.contains("reasons")), (200, expected.0), "{may}");
        let asked = ask(", \"explain\": 2");
        assert_eq!(asked.status, expected.1, "{unasked}{may}");
        if asked.status == 403 {
            assert_eq!(asked.error(), "the key may not ask for reasons");
            let many = "[{\"user_id\": \"applicant-0001\"}, \
                         {\"user_id\": \"applicant-0001\", \"explain\": true}]";
            let array = client.ask(post_to("/predict", "x-api-key: secret\r\n", many));
            assert_eq!(array.status, 403);
        }
        assert_eq!(served.lane().counters.rows_explained.get() > 0, asked.status == 200);
    }
}
