//! Serving needs to read the store's file, and nothing else: not the end of an import, not the right
//! to write, not a store of this version's format.

use std::fs::{self, TryLockError};
use std::io::Write;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use crate::support::gateway::store;
use crate::support::{Launch, models, run, shardgate, wait_until};

const USER: &str = "{\"user_id\": \"user-001\"}";
const CSV: &str = "user_id,feature_1,feature_2,feature_3\nuser-001,9,9,9\n";

/// Starts an import that has read some rows and waits for more.
fn import_that_waits(folder: &Path) -> Child {
    let import = import_that_reads(folder);
    wait_until("the import writes", || folder.join("features.store.new").exists());
    import
}

/// The same for one that writes nothing before it has read everything, as it is to find out types.
fn import_that_reads(folder: &Path) -> Child {
    let mut import = shardgate()
        .args(["import", "-", "--store", &store(folder)])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("the binary starts");
    import.stdin.as_mut().unwrap().write_all(CSV.as_bytes()).unwrap();
    let is_locked = || {
        let lock = fs::File::open(folder.join("import.lock"));
        lock.is_ok_and(|lock| matches!(lock.try_lock(), Err(TryLockError::WouldBlock)))
    };
    wait_until("the import has its turn", is_locked);
    import
}

#[test]
fn an_import_holds_nobody_up() {
    let launch = Launch::demo();
    let folder = launch.store();
    let mut import = import_that_waits(&folder);
    let gateway = launch.start();
    let mut client = gateway.client();
    let before = client.predict(USER).score();
    let checked = run(shardgate()
        .args(["check", "--model", "demo-logistic", "--store", &store(&folder)])
        .arg("--models")
        .arg(models()));
    assert_eq!(checked.status, Some(0), "{checked:?}");
    drop(import.stdin.take());
    assert!(import.wait().unwrap().success());
    assert!((client.predict(USER).score() - before).abs() > 1e-6);
    let again = import_that_waits(&folder);
    assert_eq!(gateway.stop().0.code(), Some(0));
    kill(again);
}

/// One waits for the other and says so; one that is killed holds up nobody and leaves the store.
#[test]
fn imports_come_one_after_the_other() {
    let launch = Launch::demo();
    let folder = launch.store();
    let before = fs::read(folder.join("features.store")).unwrap();
    let first = import_that_waits(&folder);
    let csv = folder.join("rows.csv");
    fs::write(&csv, CSV).unwrap();
    let mut second = shardgate()
        .arg("import")
        .arg(&csv)
        .args(["--store", &store(&folder)])
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the binary starts");
    let mut said = std::io::BufReader::new(second.stderr.take().unwrap());
    let mut line = String::new();
    std::io::BufRead::read_line(&mut said, &mut line).unwrap();
    assert!(line.contains("another import is under way: waiting for its end"), "{line}");
    assert_eq!(fs::read(folder.join("features.store")).unwrap(), before);
    kill(first);
    assert!(second.wait().unwrap().success());
    assert!(fs::read(folder.join("features.store")).unwrap() != before);
    assert!(!folder.join("features.store.new").exists());
}

fn kill(mut import: Child) {
    import.kill().unwrap();
    import.wait().unwrap();
}

/// The default store is made by the first `serve`, unless an import is just making it.
#[test]
fn a_stop_is_obeyed_while_the_default_store_is_imported() {
    let folder = tempfile::tempdir().unwrap();
    let import = import_that_reads(&folder.path().join(".cache/features"));
    let mut gateway = shardgate()
        .current_dir(folder.path())
        .args(["serve", "--admin", "127.0.0.1:0", "--listen", "127.0.0.1:0"])
        .arg("--models")
        .arg(models())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the binary starts");
    let mut lines =
        std::io::BufRead::lines(std::io::BufReader::new(gateway.stderr.take().unwrap()));
    let said = lines.find(|line| line.as_ref().is_ok_and(|line| line.contains("under way")));
    assert!(said.is_some(), "it does not say what it waits for");
    // SAFETY: a plain system call; the child has not been waited for, so the id is its own.
    assert_eq!(unsafe { libc::kill(gateway.id().cast_signed(), libc::SIGTERM) }, 0);
    assert_eq!(gateway.wait().unwrap().code(), Some(0));
    kill(import);
}

/// Starts the gateway in mounts of its own, in which a script was run before: as root, or as root of a
/// user namespace.
fn in_mounts(launch: Launch, script: &str) -> Launch {
    let (read, own) = ("unshare -m", "unshare -rm");
    // SAFETY: it has no argument and cannot fail.
    let unshare = if unsafe { libc::geteuid() } == 0 { read } else { own };
    launch
        .through_a_shell(&format!("{unshare} bash -c '{script}; exec \"$0\" \"$@\"' \"$0\" \"$@\""))
}

fn may_mount() -> bool {
    let tried = Command::new("bash").args(["-c", "unshare -m true || unshare -rm true"]).output();
    tried.is_ok_and(|output| output.status.success())
}

#[test]
fn a_store_that_may_not_be_written_is_served() {
    if !may_mount() {
        eprintln!("no mounts of one's own here: not tried");
        return;
    }
    let launch = Launch::demo();
    let folder = launch.store();
    let before = fs::read_dir(&folder).unwrap().count();
    let script = format!(
        "mount --bind {0} {0} && mount -o remount,ro,bind {0} && ! touch {0}/x 2>/dev/null",
        folder.display()
    );
    let gateway = in_mounts(launch, &script).start();
    let mut client = gateway.client();
    let first = client.predict(USER).score();
    // From outside of its mounts it is written, as by another user.
    let mut import = import_that_waits(&folder);
    drop(import.stdin.take());
    assert!(import.wait().unwrap().success());
    assert!((client.predict(USER).score() - first).abs() > 1e-6, "it sees what others write");
    let after = fs::read_dir(&folder).unwrap().count();
    assert_eq!(after, before);
    assert_eq!(gateway.stop().0.code(), Some(0));
}

/// Its rows have no checksums, and an import of some rows would be a store of these alone.
#[test]
fn a_store_of_an_earlier_version_is_named_and_not_read() {
    let launch = Launch::demo();
    let folder = launch.store();
    fs::remove_dir_all(&folder).unwrap();
    fs::create_dir(&folder).unwrap();
    fs::write(folder.join("data.mdb"), [0; 8_192]).unwrap();
    let csv = folder.join("rows.csv");
    fs::write(&csv, CSV).unwrap();
    let import = || {
        let mut import = shardgate();
        import.arg("import").arg(&csv).args(["--store", &store(&folder)]);
        import
    };
    let mut check = shardgate();
    check.args(["check", "--model", "demo-logistic", "--store", &store(&folder)]);
    let mut serve = shardgate();
    serve.args(["serve", "--model", "demo-logistic", "--store", &store(&folder)]);
    serve.args(["--admin", "127.0.0.1:0", "--listen", "127.0.0.1:0"]);
    for mut command in [import(), check, serve] {
        let ended = run(command.env("SHARDGATE_MODELS", models()));
        assert_eq!(ended.status, Some(1), "{ended:?}");
        let said = format!("{}{}", ended.stdout, ended.stderr);
        assert!(said.contains("an earlier version made this store"), "{said}");
        assert!(said.contains("import all features again with --replace"), "{said}");
    }
    assert!(!folder.join("features.store").exists());
    assert_eq!(run(import().arg("--replace")).status, Some(0));
    let gateway = launch.start();
    assert_eq!(gateway.client().predict(USER).field("x-features"), Some("stored"));
    assert_eq!(gateway.stop().0.code(), Some(0));
}
