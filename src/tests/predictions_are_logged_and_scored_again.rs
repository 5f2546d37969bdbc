//! `[prediction_log]`: every row that is scored is in a file for its owner alone, `replay` gives
//! the same scores, and says so where a model has changed; what has no room is dropped and counted.

use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};

use crate::support::{Client, Ended, Gateway, Launch, models, post_to, run, shardgate, wait_until};
use serde_json::Value;

const TRACE: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

/// `demo-logistic`, whose predictions go to a folder of their own.
fn start(folder: &Path, more: &str) -> Gateway {
    let log = folder.join("log");
    let text = format!("[prediction_log]\nfolder = \"{}\"\n{more}\n", log.display());
    Launch::demo().config(&text).start()
}

fn ask(client: &mut Client, path: &str, fields: &str, body: &str) -> u16 {
    client.ask(post_to(path, fields, body)).status
}

/// Users of the store, one who is not there, and a row with features of its own.
fn ask_of_every_kind(client: &mut Client) {
    let fields = format!("x-request-id: r-1\r\ntraceparent: {TRACE}\r\n");
    assert_eq!(ask(client, "/predict", &fields, "{\"user_id\": \"user-001\"}"), 200);
    let users = "[{\"user_id\": \"user-002\"}, {\"user_id\": \"nobody\"}, {\"user_id\": 7}]";
    assert_eq!(ask(client, "/predict", "", users), 200);
    let own = "{\"inputs\": [{\"name\": \"feature_1\", \"shape\": [1], \"datatype\": \"FP32\", \
        \"data\": [0.1]}, {\"name\": \"feature_2\", \"shape\": [1], \"datatype\": \"FP32\", \
        \"data\": [-0.0]}, {\"name\": \"feature_3\", \"shape\": [1], \"datatype\": \"FP32\", \
        \"data\": [1e-40]}]}";
    assert_eq!(ask(client, "/v2/models/demo-logistic/infer", "", own), 200);
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder.join("log")).unwrap();
    let mut files: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

fn lines(folder: &Path) -> Vec<Value> {
    let texts = files(folder).into_iter().map(|path| std::fs::read_to_string(path).unwrap());
    texts.flat_map(|text| parse(&text)).collect()
}

/// Waits until so many lines are in files; the gateway goes on.
fn wait_for_lines(folder: &Path, count: usize) {
    wait_until("so many lines were written", || {
        let texts = files(folder).into_iter().map(|path| std::fs::read_to_string(path).unwrap());
        texts.map(|text| text.lines().count()).sum::<usize>() >= count
    });
}

fn parse(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

fn replay(folder: &Path, models: &Path) -> Ended {
    run(shardgate().arg("replay").args(files(folder)).arg("--models").arg(models))
}

/// A copy of `demo-logistic` that a test may change.
fn models_to_change(folder: &Path) -> PathBuf {
    let (from, to) = (models().join("demo-logistic"), folder.join("models/demo-logistic"));
    std::fs::create_dir_all(to.join("1")).unwrap();
    for file in ["model.toml", "1/model.onnx"] {
        std::fs::copy(from.join(file), to.join(file)).unwrap();
    }
    folder.join("models")
}

#[test]
fn every_row_is_in_a_file_for_its_owner_alone() {
    let folder = tempfile::tempdir().unwrap();
    let gateway = start(folder.path(), "");
    ask_of_every_kind(&mut gateway.client());
    assert_eq!(gateway.stop().0.code(), Some(0));
    for path in files(folder.path()) {
        assert_eq!(std::fs::metadata(path).unwrap().permissions().mode() & 0o777, 0o600);
    }
    let lines = lines(folder.path());
    assert_eq!(lines.len(), 5, "{lines:#?}");
    let first = &lines[0];
    assert_eq!((&first["request_id"], &first["user_id"]), (&"r-1".into(), &"user-001".into()));
    assert_eq!(first["trace_id"], TRACE[3..35]);
    assert_eq!((&first["model"], &first["version"]), (&"demo-logistic".into(), &1.into()));
    assert_eq!((&first["features"], &first["shard"]), (&"stored".into(), &0.into()));
    let cells: Vec<_> = [0.5_f32, 1.2, -0.8].map(|cell| Value::from(f64::from(cell))).into();
    assert_eq!(first["cells"], Value::from(cells));
    let kinds: Vec<_> = lines[1..].iter().map(|line| line["features"].clone()).collect();
    assert_eq!(kinds, ["stored", "missing", "missing", "request"]);
    assert!(lines.iter().all(|line| line["score"].is_number()), "{lines:#?}");
    assert!(lines[1].get("request_id").is_none() && lines[4].get("user_id").is_none());
}

#[test]
fn the_same_model_gives_the_same_scores_and_a_changed_one_is_reported() {
    let folder = tempfile::tempdir().unwrap();
    let gateway = start(folder.path(), "max_file_bytes = 300");
    for round in 1..=3 {
        ask_of_every_kind(&mut gateway.client());
        wait_for_lines(folder.path(), 5 * round);
    }
    gateway.stop();
    assert!(files(folder.path()).len() > 1, "what comes after 300 bytes is in another file");
    let same = replay(folder.path(), &models());
    assert_eq!(same.status, Some(0), "{same:?}");
    assert!(same.stdout.contains("15 rows have the same score, 0 another"), "{same:?}");

    let models = models_to_change(folder.path());
    let manifest = models.join("demo-logistic/model.toml");
    let text = std::fs::read_to_string(&manifest).unwrap();
    std::fs::write(&manifest, text.replace("class = 1", "class = 0")).unwrap();
    let other = replay(folder.path(), &models);
    assert_eq!(other.status, Some(1), "{other:?}");
    assert!(other.stdout.contains(":1: the score was "), "{other:?}");
    assert!(other.stdout.contains("0 rows have the same score, 15 another"), "{other:?}");
}

#[test]
fn another_file_with_the_same_scores_is_reported_too() {
    let folder = tempfile::tempdir().unwrap();
    let gateway = start(folder.path(), "");
    ask_of_every_kind(&mut gateway.client());
    gateway.stop();
    let models = models_to_change(folder.path());
    let file = models.join("demo-logistic/1/model.onnx");
    // A field of its own at the end: the graph's description, which no score depends on.
    let changed = [std::fs::read(&file).unwrap(), vec![0x32, 1, b'x']].concat();
    std::fs::write(file, changed).unwrap();
    let other = replay(folder.path(), &models);
    assert_eq!(other.status, Some(1), "{other:?}");
    assert!(other.stdout.contains("the file is another"), "{other:?}");
    assert!(other.stdout.contains("5 rows have the same score, 0 another"), "{other:?}");

    std::fs::write(&files(folder.path())[0], "{\"time_us\": 1\n").unwrap();
    let torn = replay(folder.path(), &models);
    assert_eq!(torn.status, Some(1), "{torn:?}");
    assert!(torn.stdout.contains("1 lines could not be read"), "{torn:?}");
}

#[test]
fn hashed_users_are_told_apart_and_not_named() {
    let folder = tempfile::tempdir().unwrap();
    let key = folder.path().join("key");
    std::fs::write(&key, "0123456789abcdef0123456789abcdef\n").unwrap();
    let gateway =
        start(folder.path(), &format!("users = \"hashed\"\nuser_key_file = \"{}\"", key.display()));
    for _ in 0..2 {
        ask_of_every_kind(&mut gateway.client());
    }
    gateway.stop();
    let lines = lines(folder.path());
    let hashes: Vec<_> = lines.iter().filter_map(|line| line["user_hash"].as_str()).collect();
    assert_eq!(hashes.len(), 8, "all but the rows with features of their own: {lines:#?}");
    assert!(hashes.iter().all(|hash| hash.len() == 64));
    assert_eq!(hashes[..4], hashes[4..]);
    assert_ne!(hashes[0], hashes[1]);
    assert!(lines.iter().all(|line| line.get("user_id").is_none()), "{lines:#?}");
    assert_eq!(replay(folder.path(), &models()).status, Some(0));
}

#[test]
fn what_has_no_room_is_dropped_and_counted_and_every_request_answered() {
    let folder = tempfile::tempdir().unwrap();
    let gateway = start(folder.path(), "max_buffer_bytes = 400");
    let users: Vec<_> = (0..50).map(|user| format!("{{\"user_id\": {user}}}")).collect();
    let body = format!("[{}]", users.join(", "));
    assert_eq!(ask(&mut gateway.client(), "/predict", "", &body), 200);
    let scrape = "GET /metrics HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";
    let metrics = Client::connect(gateway.admin).ask(scrape).body;
    let counted = |name: &str| {
        let name = format!("shardgate_predictions_{name}_total{{shard=\"0\"}} ");
        let line = metrics.lines().find_map(|line| line.strip_prefix(&name));
        line.unwrap_or_else(|| panic!("no {name}: {metrics}")).parse::<u64>().unwrap()
    };
    let (noted, dropped) = (counted("noted"), counted("dropped"));
    assert_eq!(noted + dropped, 50);
    assert!(dropped > 0);
    gateway.stop();
    assert_eq!(lines(folder.path()).len() as u64, noted);
}

/// Two hundred rows.
fn ask_of_many(client: &mut Client) {
    let users: Vec<_> = (0..200).map(|user| format!("{{\"user_id\": {user}}}")).collect();
    assert_eq!(ask(client, "/predict", "", &format!("[{}]", users.join(", "))), 200);
}

#[test]
fn a_share_of_the_rows_is_logged_and_scored_again() {
    let folder = tempfile::tempdir().unwrap();
    let gateway = start(folder.path(), "sample = 0.25\nmax_bytes = 1048576");
    for _ in 0..5 {
        ask_of_many(&mut gateway.client());
    }
    gateway.stop();
    let lines = lines(folder.path());
    assert!((200..=300).contains(&lines.len()), "{}", lines.len());
    assert!(lines.iter().all(|line| line["sample"] == 0.25), "{:#?}", lines[0]);
    let same = replay(folder.path(), &models());
    assert_eq!(same.status, Some(0), "{same:?}");
    let said = format!("{} rows have the same score, 0 another", lines.len());
    assert!(same.stdout.contains(&said), "{same:?}");
}

#[test]
fn a_limit_on_the_size_of_files_ends_files_and_not_the_process() {
    const BYTES_MAX: libc::rlim_t = 30_000;
    let folder = tempfile::tempdir().unwrap();
    let text = format!("[prediction_log]\nfolder = \"{}/log\"\n", folder.path().display());
    let limited = |command: &mut std::process::Command| {
        let limit = libc::rlimit { rlim_cur: BYTES_MAX, rlim_max: BYTES_MAX };
        // SAFETY: the child calls setrlimit between fork and exec: it is async-signal-safe.
        unsafe {
            command.pre_exec(move || match libc::setrlimit(libc::RLIMIT_FSIZE, &raw const limit) {
                0 => Ok(()),
                _ => Err(std::io::Error::last_os_error()),
            });
        }
    };
    let gateway = Launch::demo().config(&text).with(limited).start();
    for round in 1..=5 {
        ask_of_many(&mut gateway.client());
        wait_for_lines(folder.path(), 200 * round);
    }
    assert_eq!(gateway.stop().0.code(), Some(0));
    let sizes: Vec<_> =
        files(folder.path()).iter().map(|path| std::fs::metadata(path).unwrap().len()).collect();
    assert!(sizes.len() > 3 && sizes.iter().all(|bytes| *bytes <= BYTES_MAX), "{sizes:?}");
    assert_eq!(lines(folder.path()).len(), 1_000, "no line is lost or torn");
}

#[test]
fn what_cannot_be_logged_is_said_at_start() {
    let folder = tempfile::tempdir().unwrap();
    let check = |text: &str| {
        let config = folder.path().join("shardgate.toml");
        std::fs::write(&config, text).unwrap();
        let ended = run(shardgate().arg("serve").arg("--config").arg(config));
        assert_eq!(ended.status, Some(1), "{ended:?}");
        ended.stderr
    };
    let alone = check("[prediction_log]\nfolder = \"log\"\nusers = \"hashed\"\n");
    assert!(alone.contains("`user_key_file` go together"), "{alone}");
    let zero = check("[prediction_log]\nfolder = \"log\"\nkeep_s = 0\n");
    assert!(zero.contains("prediction_log.keep_s: found 0"), "{zero}");
    let none = check("[prediction_log]\nfolder = \"log\"\nsample = 0.0\n");
    assert!(none.contains("prediction_log.sample: found 0, expected a number above 0"), "{none}");
    let small = check("[prediction_log]\nfolder = \"log\"\nmax_bytes = 1000\n");
    assert!(small.contains("max_bytes: found 1000, expected 1048576 or more"), "{small}");
}
