//! `check`, `models`, `--help`, `man` and `--version` say what they are asked, and a first run fills its
//! own store.

use crate::support::gateway::store;
use crate::support::{Client, Ended, import, models, run, shardgate};

fn check(arguments: &[&str]) -> Ended {
    run(shardgate().arg("check").arg("--models").arg(models()).args(arguments))
}

#[test]
fn check_finds_nothing_wrong_with_what_is_bundled() {
    let folder = tempfile::tempdir().unwrap();
    import(&models().join("credit-risk/features.csv"), folder.path());
    let ended = check(&["--model", "credit-risk", "--store", &store(folder.path())]);
    assert_eq!(ended.status, Some(0), "{ended:?}");
    assert!(ended.stdout.lines().all(|line| line.starts_with("ok ")), "{}", ended.stdout);
    let score = "score = P(class \"bad\")";
    for said in ["usable", "1000 users, 18 columns", "model credit-risk", score, "1000 rows"] {
        assert!(ended.stdout.contains(said), "no `{said}` in: {}", ended.stdout);
    }
}

#[test]
fn check_says_all_that_is_wrong_at_once() {
    let folder = tempfile::tempdir().unwrap();
    import(&models().join("demo-logistic/features.csv"), folder.path());
    let target = store(folder.path());
    let ended = check(&[
        "--model",
        "credit-risk,none,demo-logistic",
        "--store",
        &target,
        "--cores",
        "4095",
    ]);
    assert_eq!(ended.status, Some(1), "{ended:?}");
    let wrong: Vec<_> = ended.stdout.lines().filter(|line| line.starts_with("wrong ")).collect();
    assert_eq!(wrong.len(), 3, "{}", ended.stdout);
    assert!(wrong[0].contains("core 4095"));
    assert!(
        wrong[1].contains("credit-risk")
            && wrong[1].contains("status_of_existing_checking_account")
    );
    assert!(wrong[2].contains("none"));
    assert!(ended.stdout.contains("ok     model demo-logistic with the store"));
}

#[test]
fn check_counts_the_values_that_the_model_rounds() {
    let folder = tempfile::tempdir().unwrap();
    let csv = folder.path().join("users.csv");
    let rows = "user_id,feature_1:double,feature_2:bigint,feature_3\n\
                a,0.5,16777216,0.1\nb,0.1,16777217,0.1\nc,0.3,16777218,0.1\n";
    std::fs::write(&csv, rows).unwrap();
    let target = folder.path().join("store");
    import(&csv, &target);
    let repository = folder.path().join("models");
    let model = repository.join("demo-logistic");
    std::fs::create_dir_all(model.join("1")).unwrap();
    let bundled = models().join("demo-logistic");
    std::fs::copy(bundled.join("1/model.onnx"), model.join("1/model.onnx")).unwrap();
    let manifest = "[output]\ntensor = \"probabilities\"\nclass = 1\n\
                    [[columns]]\nname = \"feature_1\"\ntype = \"double\"\n\
                    [[columns]]\nname = \"feature_2\"\ntype = \"bigint\"\n\
                    [[columns]]\nname = \"feature_3\"\n";
    std::fs::write(model.join("model.toml"), manifest).unwrap();
    let ended = run(shardgate()
        .args(["check", "--model", "demo-logistic", "--store", &store(&target), "--models"])
        .arg(&repository));
    assert_eq!(ended.status, Some(0), "{ended:?}");
    let warned: Vec<_> = ended.stdout.lines().filter(|line| line.starts_with("warn ")).collect();
    assert_eq!(warned.len(), 2, "{}", ended.stdout);
    assert!(warned[0].contains("`feature_1`: 2 of 3 users"), "{}", warned[0]);
    assert!(warned[1].contains("`feature_2`: 1 of 3 users"), "{}", warned[1]);
}

#[test]
fn check_replays_what_a_library_predicted_of_its_own_file() {
    let folder = tempfile::tempdir().unwrap();
    let native = models().with_file_name("shards").join("tests/native/lightgbm-4.6.0-regression");
    let golden = std::fs::read_to_string(native.join("golden.csv")).unwrap();
    let model = folder.path().join("models/score");
    std::fs::create_dir_all(model.join("1")).unwrap();
    std::fs::copy(native.join("model.txt"), model.join("1/model.txt")).unwrap();
    // Users and their features for the store: the golden rows.
    let header = "user_id,x0:double,x1:double,x2:double,x3:double,c0:double,c1:double";
    let cells = |line: &str| line.split(',').take(6).collect::<Vec<_>>().join(",");
    let rows = golden.lines().skip(1).filter(|line| !line.contains("inf"));
    let users: Vec<_> =
        rows.enumerate().map(|(at, line)| format!("u{at},{}", cells(line))).collect();
    let csv = folder.path().join("users.csv");
    std::fs::write(&csv, format!("{header}\n{}\n", users.join("\n"))).unwrap();
    let target = folder.path().join("store");
    import(&csv, &target);
    let check = |golden: &str| {
        std::fs::write(model.join("golden.csv"), golden).unwrap();
        run(shardgate()
            .args(["check", "--model", "score", "--store", &store(&target), "--models"])
            .arg(folder.path().join("models")))
    };
    let golden = golden.replacen("score_0", "score", 1);
    let ended = check(&golden);
    assert_eq!(ended.status, Some(0), "{ended:?}");
    for said in ["6 columns", "LightGBM v4", "40 rows, largest difference 0.0e0", "every column"] {
        assert!(ended.stdout.contains(said), "no `{said}` in: {}", ended.stdout);
    }
    // Each score with another digit in front.
    let header = golden.lines().next().unwrap();
    let changed = |line: &str| {
        let (cells, score) = line.rsplit_once(',').unwrap();
        format!("{cells},1{}", score.trim_start_matches('-'))
    };
    let rows: Vec<_> = golden.lines().skip(1).map(changed).collect();
    let ended = check(&format!("{header}\n{}\n", rows.join("\n")));
    assert_eq!(ended.status, Some(1), "{ended:?}");
}

#[test]
fn models_are_shown_as_a_table() {
    let ended = run(shardgate()
        .arg("models")
        .args(["--model", "credit-risk,demo-logistic", "--models"])
        .arg(models()));
    assert_eq!(ended.status, Some(0), "{ended:?}");
    let lines: Vec<_> = ended.stdout.lines().collect();
    assert_eq!(lines.len(), 3, "{}", ended.stdout);
    for (line, (model, columns)) in
        lines[1..].iter().zip([("credit-risk", 18), ("demo-logistic", 3)])
    {
        let cells: Vec<_> = line.split_whitespace().collect();
        assert_eq!(cells[..2], [model, "1"], "{line}");
        assert!(cells.contains(&columns.to_string().as_str()), "{line}");
        assert!(line.ends_with("model.onnx"), "{line}");
    }
}

#[test]
fn help_names_every_command_and_flag() {
    let ended = run(shardgate().arg("--help"));
    assert_eq!((ended.status, ended.stderr.as_str()), (Some(0), ""));
    for said in [
        "serve",
        "import",
        "check",
        "models",
        "--config",
        "--listen",
        "--admin",
        "--cores",
        "--models",
        "--model",
        "--store",
        "SHARDGATE_LISTEN",
        "embedded:DIR",
        "127.0.0.1:8888",
    ] {
        assert!(ended.stdout.contains(said), "no `{said}` in: {}", ended.stdout);
    }
    for command in ["serve", "import", "check", "models"] {
        let ended = run(shardgate().args([command, "--help"]));
        assert_eq!(ended.status, Some(0), "{command}");
        assert!(ended.stdout.contains("Usage: shardgate"), "{}", ended.stdout);
    }
    let version = run(shardgate().arg("--version")).stdout;
    assert_eq!(version.trim(), format!("shardgate {}", env!("CARGO_PKG_VERSION")));
}

#[test]
fn manual_pages_and_completions_name_what_help_names() {
    let folder = tempfile::tempdir().unwrap();
    let pages = folder.path().join("man1");
    assert_eq!(run(shardgate().arg("man").arg(&pages)).status, Some(0));
    let page = |name: &str| std::fs::read_to_string(pages.join(name)).expect("a page");
    let main = page("shardgate.1");
    assert!(main.starts_with(".ie") || main.contains(".TH shardgate 1"), "{main}");
    for (name, said) in [
        ("shardgate.1", "SHARDGATE_"),
        ("shardgate-serve.1", "takeover"),
        ("shardgate-import.1", "last_updated"),
        ("shardgate-replay.1", "to the last bit"),
    ] {
        assert!(page(name).contains(said), "no `{said}` in {name}");
    }
    let completions = run(shardgate().args(["completions", "bash"]));
    assert_eq!(completions.status, Some(0), "{completions:?}");
    assert!(completions.stdout.contains("replay"), "{}", completions.stdout);
}

#[test]
fn with_nothing_given_it_fills_its_own_store_and_says_what_to_try() {
    // A folder that looks like a fresh clone: the bundled models and nothing else.
    let clone = tempfile::tempdir().unwrap();
    std::os::unix::fs::symlink(models(), clone.path().join("models")).unwrap();
    for run in ["the first", "the second"] {
        let mut child = shardgate()
            .current_dir(clone.path())
            .env("SHARDGATE_LISTEN", "127.0.0.1:0")
            .env("SHARDGATE_ADMIN", "127.0.0.1:0")
            .stdout(std::process::Stdio::piped())
            .stderr(std::process::Stdio::null())
            .spawn()
            .unwrap();
        let mut output = std::io::BufReader::new(child.stdout.take().unwrap());
        let mut lines = String::new();
        for _ in 0..4 {
            std::io::BufRead::read_line(&mut output, &mut lines).unwrap();
        }
        let address = lines.split_once("http://").unwrap().1.split_once(',').unwrap().0;
        let line = lines.lines().nth(2).expect("a line to try");
        let score = lines.lines().last().expect("a line for the model");
        assert_eq!(score, "model credit-risk/1: score = P(class \"bad\")");
        assert!(line.contains(&format!("curl -i http://{address}/predict -d '")), "{lines}");
        let body = line.split('\'').nth(1).expect("a body");
        let answer = Client::connect(address.parse().unwrap()).predict(body);
        assert_eq!((answer.status, answer.field("x-features")), (200, Some("stored")), "{run}");
        // SAFETY: a plain system call; the child has not been waited for, so the id is its own.
        unsafe { libc::kill(child.id() as libc::pid_t, libc::SIGTERM) };
        assert_eq!(child.wait().unwrap().code(), Some(0), "{run}");
        assert!(clone.path().join(".cache/features/features.store").exists());
    }
}

#[test]
fn a_class_that_has_a_name_is_the_score_only_with_a_word() {
    let folder = tempfile::tempdir().unwrap();
    let csv = folder.path().join("users.csv");
    std::fs::write(&csv, "user_id,f0,f1,f2,f3,f4,f5\na,1,2,3,4,5,6\n").unwrap();
    let target = folder.path().join("store");
    import(&csv, &target);
    let model = folder.path().join("models/risk");
    std::fs::create_dir_all(model.join("1")).unwrap();
    let zoo = models().join("../shards/tests/zoo/logistic-binary-zipmap-strings/model.onnx");
    std::fs::copy(zoo, model.join("1/model.onnx")).unwrap();
    let ask = |command: &str| {
        let repository = folder.path().join("models");
        let target = store(&target);
        run(shardgate()
            .args([command, "--model", "risk", "--store", &target, "--models"])
            .arg(&repository))
        .stdout
    };
    // Labels are in the order of their letters: bad comes before good.
    let (checked, listed) = (ask("check"), ask("models"));
    assert!(checked.contains("score = P(class \"good\")"), "{checked}");
    let warned = checked.lines().find(|line| line.starts_with("warn ")).expect("a warning");
    assert!(warned.contains("only because that class comes second"), "{warned}");
    assert!(listed.contains("P(class \"good\")"), "{listed}");
    std::fs::write(model.join("model.toml"), "[output]\nclass = \"bad\"\n").unwrap();
    let checked = ask("check");
    assert!(checked.contains("score = P(class \"bad\")"), "{checked}");
    assert!(!checked.contains("warn "), "{checked}");
}
