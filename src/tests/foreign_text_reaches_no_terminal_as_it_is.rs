//! What a model's server, a database or the name of a file says forges no line of the log and drives
//! no terminal: whatever is active in it is escaped, in the log, in errors and in what commands print.

use std::fs;
use std::io::{BufRead, BufReader, Write};

use crate::support::cql_server::{self, BAD_CREDENTIALS, SERVER_ERROR, opcode, send, string};
use crate::support::model_server::{Deed, says};
use crate::support::{Client, Ended, Launch, ModelServer, models, post_to, run, shardgate};

const EVIL: &str = "trace \u{1b}[31mred\u{9b}0m\r\n2026-01-01T00:00:00Z ERROR forged\u{202e}";
const ESCAPED: &str =
    "trace \\u{1b}[31mred\\u{9b}0m\\r\\n2026-01-01T00:00:00Z ERROR forged\\u{202e}";

fn is_plain(text: &str) -> bool {
    !text.contains(shards::escape::is_active)
}

/// A gateway whose model a server computes that refuses with [`EVIL`], three times.
fn refused(format: &str) -> (crate::support::Gateway, tempfile::TempDir) {
    let refusal = format!("HTTP/1.1 400 X\r\ncontent-length: {}\r\n\r\n{EVIL}", EVIL.len());
    let deeds: Vec<Deed> = (0..3).map(|_| says(refusal.clone())).collect();
    let server = ModelServer::start(vec![deeds]);
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("demo-logistic")).unwrap();
    fs::write(folder.path().join("demo-logistic/model.toml"), server.manifest()).unwrap();
    let launch = Launch::demo().with(|command| {
        command.arg("--models").arg(folder.path()).args(["--log-format", format]);
    });
    (launch.start(), folder)
}

#[test]
fn of_a_models_server() {
    for format in ["text", "json"] {
        let (gateway, _folder) = refused(format);
        let answer = gateway.client().predict("{\"user_id\": \"user-001\"}");
        assert_eq!(answer.status, 500);
        assert!(is_plain(&answer.body) && !answer.body.contains("trace"), "{}", answer.body);
        let line = gateway.wait_for_line("a batch was not scored");
        let shown =
            if format == "text" { ESCAPED.to_owned() } else { ESCAPED.replace('\\', "\\\\") };
        assert!(is_plain(&line) && line.contains(&shown), "{line}");
        // The same event on the live page, whose stream begins with what is kept.
        let mut stream = std::net::TcpStream::connect(gateway.admin).unwrap();
        stream.write_all(b"GET /events HTTP/1.1\r\nhost: localhost\r\n\r\n").unwrap();
        let mut lines = BufReader::new(stream).lines().map_while(Result::ok);
        let event = lines.find(|line| line.contains("a batch was not scored")).expect("an event");
        assert!(is_plain(&event) && event.contains(&ESCAPED.replace('\\', "\\\\")), "{event}");
        drop(gateway);
    }
}

/// `check` with the store at a server that says `deed`.
fn check_cql(
    deed: impl Fn(&cql_server::Frame, &mut std::net::TcpStream) -> bool + Send + Sync + 'static,
    config: &str,
) -> Ended {
    let address = cql_server::serve(deed);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("shardgate.toml");
    fs::write(&path, config).unwrap();
    let mut command = shardgate();
    command.arg("check").arg("--config").arg(path).args(["--cores", "0"]);
    command.args(["--models".as_ref(), models().as_os_str()]).args(["--model", "demo-logistic"]);
    run(command.args(["--store", &format!("scylla://{address}/model_features")]))
}

#[test]
fn of_a_cql_server() {
    let deed = |frame: &cql_server::Frame, stream: &mut std::net::TcpStream| {
        send(stream, &frame.error(SERVER_ERROR, &format!("{EVIL}{}", "x".repeat(20_000))))
    };
    let ended = check_cql(deed, "");
    let line = ended.stdout.lines().find(|line| line.starts_with("wrong  store")).expect("a line");
    assert!(is_plain(line) && line.contains(ESCAPED), "{line}");
    assert!(line.len() < 4_000, "{} bytes", line.len());
    assert_eq!(ended.status, Some(1));
}

#[test]
fn of_a_cql_server_that_refuses_the_password_in_a_file() {
    use std::os::unix::fs::PermissionsExt;
    let file = tempfile::NamedTempFile::new().unwrap();
    fs::write(file.path(), "s3cret\n").unwrap();
    let config = format!(
        "[features.scylla]\nuser = \"risk\"\npassword_file = {:?}\n",
        file.path().display().to_string()
    );
    let answer = |frame: &cql_server::Frame, stream: &mut std::net::TcpStream| {
        let sent = match frame.opcode {
            opcode::OPTIONS => frame.answer(opcode::SUPPORTED, &[0, 0]),
            opcode::STARTUP => frame.answer(opcode::AUTHENTICATE, &string("Password")),
            opcode::AUTH_RESPONSE if frame.body.ends_with(b"\0risk\0s3cret") => {
                frame.error(BAD_CREDENTIALS, &format!("bad credentials {EVIL}"))
            }
            _ => frame.error(SERVER_ERROR, "another password came"),
        };
        send(stream, &sent)
    };
    for (mode, warns) in [(0o600, false), (0o644, true)] {
        file.as_file().set_permissions(PermissionsExt::from_mode(mode)).unwrap();
        let ended = check_cql(answer, &config);
        let wrong = ended.stdout.lines().find(|line| line.starts_with("wrong  store")).unwrap();
        assert!(wrong.contains("refuse the user `risk`") && wrong.contains(ESCAPED), "{wrong}");
        let warning = ended.stdout.lines().find(|line| line.starts_with("warn   store"));
        assert_eq!(warning.is_some_and(|line| line.contains("chmod o-r")), warns, "{ended:?}");
        assert!(!ended.stdout.contains("s3cret") && !ended.stderr.contains("s3cret"));
    }
    fs::remove_file(file.path()).unwrap();
    let ended = check_cql(answer, &config);
    assert!(ended.stdout.contains("[features.scylla] password_file: /"), "{}", ended.stdout);
    assert!(ended.stdout.contains("No such file"), "{}", ended.stdout);
}

#[test]
fn of_the_name_of_a_file() {
    let name = "a\u{1b}[31m\nshardgate: forged";
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    let shown = "a\\u{1b}[31m";
    // As a configuration file, which is not there; as one that is no TOML; as a model repository.
    let config = run(shardgate().arg("serve").arg("--config").arg(&path));
    fs::write(&path, "listen = \u{1b}[0m\n").unwrap();
    let broken = run(shardgate().arg("serve").arg("--config").arg(&path));
    for ended in [config, broken] {
        assert_eq!(ended.status, Some(1));
        assert!(ended.stderr.contains(shown), "{ended:?}");
        assert!(is_plain(ended.stderr.trim_end_matches('\n')), "{ended:?}");
    }
    let checked = run(shardgate().args(["check", "--cores", "0"]).arg("--models").arg(&path));
    assert!(checked.stdout.contains(shown), "{checked:?}");
    assert!(checked.stdout.lines().all(is_plain), "{checked:?}");
    assert!(!checked.stdout.lines().any(|line| line.starts_with("shardgate: forged")));
    let replayed = run(shardgate().arg("replay").arg(&path));
    assert!(replayed.stdout.contains(shown), "{replayed:?}");
    assert!(replayed.stdout.lines().all(is_plain), "{replayed:?}");
}

#[test]
fn in_the_body_of_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let models = folder.path().join("models\u{9b}31m\u{202e}");
    std::os::unix::fs::symlink(crate::support::models(), &models).unwrap();
    let gateway = Launch::demo().with(|command| _ = command.arg("--models").arg(&models)).start();
    let load = "POST /v2/repository/models/nowhere/load HTTP/1.1\r\nhost: localhost\r\n\
        content-type: application/json\r\ncontent-length: 2\r\n\r\n{}";
    let mut answers = vec![Client::connect(gateway.admin).ask(load)];
    // What a client said itself comes back, too.
    let body = "{\"inputs\": [{\"name\": \"\u{9b}31m\u{202e}\", \"shape\": [1], \
        \"datatype\": \"FP32\", \"data\": [1]}]}";
    answers.push(gateway.client().ask(post_to("/v2/models/demo-logistic/infer", "", body)));
    for answer in answers {
        assert_eq!(answer.status, 400);
        assert!(is_plain(answer.body.trim_end_matches('\n')), "{answer:?}");
        assert!(answer.error().contains("\\u{9b}31m\\u{202e}"), "{answer:?}");
    }
}
