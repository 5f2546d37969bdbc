//! What stops a start is said in one line on the standard error, with exit status 1; and what does
//! not stop it doesn't.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};

use crate::support::gateway::store;
use crate::support::{Ended, Launch, import, models, run, seccomp, shardgate, wait_until};

/// `serve` with one flag changed from what would work; logs are off, so that only the error shows.
fn serve(change: impl FnOnce(&mut Command)) -> Ended {
    let folder = tempfile::tempdir().unwrap();
    import(&models().join("demo-logistic/features.csv"), folder.path());
    let mut command = shardgate();
    command
        .args(["--log", "off"])
        .env("SHARDGATE_LISTEN", "127.0.0.1:0")
        .env("SHARDGATE_ADMIN", "127.0.0.1:0")
        .env("SHARDGATE_MODELS", models())
        .env("SHARDGATE_MODEL", "demo-logistic")
        .env("SHARDGATE_STORE", store(folder.path()));
    change(&mut command);
    run(&mut command)
}

fn refused(change: impl FnOnce(&mut Command), said: &[&str]) {
    let ended = serve(change);
    assert_eq!(ended.status, Some(1), "{ended:?}");
    assert_eq!(ended.stdout, "");
    assert!(ended.stderr.starts_with("shardgate: "), "{}", ended.stderr);
    assert_eq!(ended.stderr.lines().count(), 1, "{}", ended.stderr);
    assert!(ended.stderr.matches("os error").count() <= 1, "said twice: {}", ended.stderr);
    for text in said {
        assert!(ended.stderr.contains(text), "no `{text}` in: {}", ended.stderr);
    }
}

#[test]
fn an_address_in_use() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    refused(|command| _ = command.args(["--listen", &address]), &[&address, "in use"]);
}

#[test]
fn an_address_that_another_gateway_listens_on() {
    // Its socket has SO_REUSEPORT: a bind that does not look would silently share the port.
    let first = Launch::demo().start();
    let address = first.address.to_string();
    refused(|command| _ = command.args(["--listen", &address]), &[&address, "in use"]);
    assert_eq!(first.client().predict("{\"user_id\": \"user-001\"}").status, 200);
}

#[test]
fn an_address_that_another_gateway_took_while_this_one_was_loading() {
    let free = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = free.local_addr().unwrap().to_string();
    drop(free);
    // A first run whose bundled features come from a pipe: it waits there, its sockets bound.
    let clone = tempfile::tempdir().unwrap();
    let model = clone.path().join("models/demo-logistic");
    std::fs::create_dir_all(model.join("1")).unwrap();
    for file in ["model.toml", "1/model.onnx"] {
        std::fs::copy(models().join("demo-logistic").join(file), model.join(file)).unwrap();
    }
    let pipe = model.join("features.csv");
    let made = Command::new("mkfifo").arg(&pipe).status().unwrap();
    assert!(made.success());
    let mut command = shardgate();
    command
        .current_dir(clone.path())
        .args(["--listen", &address, "--admin", "127.0.0.1:0", "--log", "off"])
        .args(["--model", "demo-logistic"]);
    let first = std::thread::spawn(move || run(&mut command));
    // This waits until the first one reads.
    let mut features = std::fs::File::create(&pipe).unwrap();
    let second = Launch::demo().listen(&address).start();
    let csv = std::fs::read(models().join("demo-logistic/features.csv")).unwrap();
    features.write_all(&csv).unwrap();
    drop(features);
    let ended = first.join().unwrap();
    assert_eq!(ended.status, Some(1), "{ended:?}");
    assert!(ended.stderr.contains(&format!("cannot listen on {address}")), "{}", ended.stderr);
    assert_eq!(second.client().predict("{\"user_id\": \"user-001\"}").status, 200);
}

#[test]
fn an_address_that_is_free_again_within_a_second_is_no_reason() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let launch = Launch::demo()
        .listen(&address.to_string())
        .with(|command| _ = command.args(["--log", "info"]));
    let (mut command, _folder) = launch.into_command();
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let mut said = BufReader::new(child.stderr.take().unwrap()).lines();
    let told = said.find(|line| line.as_ref().unwrap().contains("tried again for a second"));
    assert!(told.is_some(), "it ended: {:?}", child.wait());
    drop(taken);
    wait_until("it listens", || std::net::TcpStream::connect(address).is_ok());
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn an_address_that_another_process_begins_to_listen_on() {
    let free = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = free.local_addr().unwrap();
    drop(free);
    let name = format!("shardgate-listens-{address}");
    let name = std::os::unix::net::SocketAddr::from_abstract_name(name).unwrap();
    let _claim = std::os::unix::net::UnixListener::bind_addr(&name).unwrap();
    let own = format!("process {} begins to listen there", std::process::id());
    let address = address.to_string();
    refused(|command| _ = command.args(["--listen", &address]), &[&address, &own]);
}

#[test]
fn an_address_that_is_not_here() {
    refused(|command| _ = command.args(["--listen", "192.0.2.1:1"]), &["192.0.2.1:1"]);
}

#[test]
fn a_core_that_is_not_there() {
    refused(|command| _ = command.args(["--cores", "4095"]), &["cores: core 4095 is not one"]);
}

#[test]
fn a_store_without_a_column_of_the_model() {
    refused(
        |command| _ = command.env("SHARDGATE_MODEL", "credit-risk"),
        &[
            "model `credit-risk`",
            "`status_of_existing_checking_account` is not in the store",
            "feature_1",
        ],
    );
}

#[test]
fn a_store_that_is_not_there() {
    let nowhere = tempfile::tempdir().unwrap();
    let address = store(&nowhere.path().join("none"));
    refused(
        |command| _ = command.args(["--store", &address]),
        &["no feature store here", "shardgate import"],
    );
}

#[test]
fn a_model_that_is_not_there() {
    refused(|command| _ = command.args(["--model", "none"]), &["`none`"]);
    refused(|command| _ = command.args(["--models", "/nowhere"]), &["/nowhere"]);
    refused(|command| _ = command.args(["--model", "a,a"]), &["`a`"]);
}

#[test]
fn a_model_whose_file_is_larger_than_the_limit() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("shardgate.toml");
    std::fs::write(&path, "max_model_file_bytes = 100\n").unwrap();
    let file = models().join("demo-logistic/1/model.onnx");
    let size = std::fs::metadata(&file).unwrap().len();
    let said = [
        &*file.display().to_string(),
        &format!("{size} bytes or more"),
        "max_model_file_bytes = 100",
    ];
    refused(|command| _ = command.arg("--config").arg(&path), &said);
}

#[test]
fn a_configuration_that_is_broken() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("broken.toml");
    let shown = path.display().to_string();
    refused(|command| _ = command.arg("--config").arg(&path), &[&shown, "cannot be read"]);
    for (text, said) in [
        ("listen = ", "line 1"),
        ("\nlisten = 8888", "line 2"),
        ("listen = \"localhost\"", "line 1"),
        ("lissten = \"127.0.0.1:1\"", "`lissten`"),
        ("[http]\nhead_bytes_max = -1", "line 2"),
        ("[batch]\nmax_batch_size = 0", "batch.max_batch_size: found 0"),
        ("[http]\nmax_pipelined_requests = 0", "http.max_pipelined_requests: found 0"),
        ("max_refusal_percent = 0", "max_refusal_percent: found 0, expected a whole number from 1"),
        ("max_refusal_percent = 101", "max_refusal_percent: found 101"),
        ("cores = \"4-2\"", "`4-2`"),
        ("cores = 2", "line 1"),
        ("store = \"redis://localhost\"", "redis"),
        ("log_format = \"xml\"", "xml"),
        ("admin = \"127.0.0.1:1\"", ", expected a table, as in [admin]"),
    ] {
        std::fs::write(&path, text).unwrap();
        let clear = |command: &mut Command| {
            command.env_remove("SHARDGATE_MODEL").arg("--config").arg(&path);
        };
        refused(clear, &[&shown, said]);
    }
    std::fs::write(&path, "model = []").unwrap();
    let clear = |command: &mut Command| {
        command.env_remove("SHARDGATE_MODEL").arg("--config").arg(&path);
    };
    refused(clear, &["model: found none"]);
}

#[test]
fn too_little_locked_memory() {
    let without = |command: &mut Command| {
        let none = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
        // SAFETY: the child calls setrlimit between fork and exec: it is async-signal-safe.
        unsafe {
            command.pre_exec(move || {
                match libc::setrlimit(libc::RLIMIT_MEMLOCK, &raw const none) {
                    0 => Ok(()),
                    _ => Err(std::io::Error::last_os_error()),
                }
            });
        }
    };
    refused(without, &["too little locked memory", "ulimit -l", "LimitMEMLOCK"]);
}

#[test]
fn a_system_that_does_not_allow_io_uring() {
    for (call, name) in [
        (libc::SYS_io_uring_setup, "`io_uring_setup`"),
        (libc::SYS_io_uring_enter, "`io_uring_enter`"),
        (libc::SYS_io_uring_register, "`io_uring_register`"),
    ] {
        for (error, shown) in [(libc::EPERM, "(EPERM)"), (libc::ENOSYS, "(ENOSYS)")] {
            let deny = |command: &mut Command| seccomp::deny(command, &[(call, error)]);
            refused(deny, &["io_uring is not allowed", "seccomp filter refuses", name, shown]);
        }
    }
}

/// A group of the first version's quotas; removed with its last process.
struct Group(std::path::PathBuf);

impl Group {
    /// One of a core and a half; `None` where this process may make none.
    fn make() -> Option<Self> {
        let path = format!("/sys/fs/cgroup/cpu/shardgate-test-{}", std::process::id());
        std::fs::create_dir(&path).ok()?;
        let group = Self(path.into());
        std::fs::write(group.0.join("cpu.cfs_period_us"), "100000").ok()?;
        std::fs::write(group.0.join("cpu.cfs_quota_us"), "150000").ok()?;
        Some(group)
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir(&self.0);
    }
}

#[test]
fn a_quota_of_less_than_a_core_a_shard_is_warned_of() {
    let cores = core_affinity::get_core_ids().expect("cores").len();
    let Some(group) = Group::make().filter(|_| cores > 1) else { return };
    let join = format!("echo $$ >{}/cgroup.procs; exec \"$0\" \"$@\"", group.0.display());
    let gateway = Launch::demo()
        .with(|command| _ = command.env("SHARDGATE_CORES", "all").args(["--log", "info"]))
        .through_a_shell(&join)
        .start();
    let line = gateway.wait_for_line("more shards than the CPU quota has cores");
    for said in ["--cores all", "quota_cores=1.5", "cpu.cfs_quota_us", "--cores to 1 of them"] {
        assert!(line.contains(said), "no `{said}`: {line}");
    }
    assert_eq!(gateway.stop().0.code(), Some(0));
}

#[test]
fn locked_memory_that_no_shard_needs_is_left_to_the_others() {
    let gateway = Launch::demo().start();
    let status = std::fs::read_to_string(format!("/proc/{}/status", gateway.id())).unwrap();
    let pinned = status.lines().find_map(|line| line.strip_prefix("VmPin:")).expect("Linux");
    let pinned: u64 = pinned.trim().trim_end_matches(" kB").parse().unwrap();
    assert!(pinned < 1_024, "{pinned} KiB beside its rings");
}

#[test]
fn a_wrong_flag_is_shown_how_to_do_better() {
    let ended = run(shardgate().args(["--cores", "two"]));
    assert_eq!(ended.status, Some(2));
    assert!(ended.stderr.contains("expected `all` or a list like `0,2-5`"), "{}", ended.stderr);
}

#[test]
fn nobody_reads_its_output_and_it_serves_all_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    import(&models().join("demo-logistic/features.csv"), folder.path());
    let (closed, writer) = std::io::pipe().unwrap();
    drop(closed);
    let mut child = shardgate()
        .args(["--listen", &address.to_string(), "--admin", "127.0.0.1:0"])
        .args(["--model", "demo-logistic", "--store", &store(folder.path()), "--models"])
        .arg(models())
        .stdout(writer.try_clone().unwrap())
        .stderr(writer)
        .spawn()
        .unwrap();
    let answer = loop {
        if let Ok(stream) = std::net::TcpStream::connect(address) {
            break crate::support::Client::from(stream).predict("{\"user_id\": 1}");
        }
        assert!(child.try_wait().unwrap().is_none(), "it ended");
        std::thread::park_timeout(std::time::Duration::from_millis(10));
    };
    assert_eq!(answer.status, 200);
    for _ in 0..10 {
        // SAFETY: a plain system call; the child has not been waited for, so the id is its own.
        unsafe { libc::kill(child.id() as libc::pid_t, libc::SIGUSR1) };
        assert_eq!(
            crate::support::Client::connect(address).predict("{\"user_id\": 1}").status,
            200,
            "a report that nobody reads must not end it"
        );
    }
    // SAFETY: as above.
    unsafe { libc::kill(child.id() as libc::pid_t, libc::SIGTERM) };
    assert_eq!(child.wait().unwrap().code(), Some(0));
}
