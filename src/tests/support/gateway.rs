//! The real binary as a child process, its standard streams read as they come.

use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, channel};

use tempfile::TempDir;

use super::patience::PATIENCE;

/// The models that are bundled with the gateway.
pub(crate) fn models() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("models")
}

/// The binary, with nothing of this process's environment that could configure it.
pub(crate) fn shardgate() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_shardgate"));
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("SHARDGATE_") {
            command.env_remove(name);
        }
    }
    command
}

/// What came of a command that ended by itself.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) status: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// Runs a command to its end.
pub(crate) fn run(command: &mut Command) -> Ended {
    let output = command.stdin(Stdio::null()).output().expect("the binary runs");
    Ended {
        status: output.status.code(),
        stdout: String::from_utf8(output.stdout).expect("UTF-8"),
        stderr: String::from_utf8(output.stderr).expect("UTF-8"),
    }
}

/// Imports a CSV file into the store in `folder` through the binary.
pub(crate) fn import(csv: &Path, folder: &Path) {
    let ended = run(shardgate().arg("import").arg(csv).args(["--store", &store(folder)]));
    assert_eq!(ended.status, Some(0), "{ended:?}");
}

/// The address of the embedded store in `folder`.
pub(crate) fn store(folder: &Path) -> String {
    format!("embedded:{}", folder.display())
}

/// A gateway about to be started.
pub(crate) struct Launch {
    command: Command,
    folder: TempDir,
}

impl Launch {
    /// `demo-logistic` on its bundled users, in a store of its own, on one core and a free port.
    pub(crate) fn demo() -> Self {
        Self::of("demo-logistic")
    }

    /// A bundled model on its bundled users.
    pub(crate) fn of(model: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        import(&models().join(model).join("features.csv"), &folder.path().join("store"));
        let store = store(&folder.path().join("store"));
        Self::new(model, &store, folder)
    }

    /// A bundled model on a store that is there.
    pub(crate) fn on_store(model: &str, store: &str) -> Self {
        Self::new(model, store, tempfile::tempdir().unwrap())
    }

    /// `serve` on one core and free ports, started in a folder that is empty but for what the test
    /// puts there.
    pub(crate) fn bare() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut command = shardgate();
        let first = core_affinity::get_core_ids().expect("cores")[0].id;
        command
            .args(["serve", "--admin", "127.0.0.1:0", "--listen", "127.0.0.1:0"])
            .env("SHARDGATE_CORES", first.to_string())
            .current_dir(folder.path());
        Self { command, folder }
    }

    fn new(model: &str, store: &str, folder: TempDir) -> Self {
        let mut command = shardgate();
        let first = core_affinity::get_core_ids().expect("cores")[0].id;
        command
            .args(["serve", "--admin", "127.0.0.1:0"])
            .env("SHARDGATE_LISTEN", "127.0.0.1:0")
            .env("SHARDGATE_MODELS", models())
            .env("SHARDGATE_CORES", first.to_string())
            .args(["--model", model])
            .args(["--store", store]);
        Self { command, folder }
    }

    /// Its configuration file.
    pub(crate) fn config(mut self, text: &str) -> Self {
        let path = self.folder.path().join("shardgate.toml");
        std::fs::write(&path, text).unwrap();
        self.command.arg("--config").arg(path);
        self
    }

    /// Listens on this address rather than a free one.
    pub(crate) fn listen(self, address: &str) -> Self {
        self.with(|command| _ = command.args(["--listen", address]))
    }

    /// Imports these rows beside the bundled ones.
    pub(crate) fn import(self, csv: &str) -> Self {
        let path = self.folder.path().join("more.csv");
        std::fs::write(&path, csv).unwrap();
        import(&path, &self.folder.path().join("store"));
        self
    }

    /// Changes the command that starts it.
    pub(crate) fn with(mut self, change: impl FnOnce(&mut Command)) -> Self {
        change(&mut self.command);
        self
    }

    /// Has a shell start it, by a script in which `"$0" "$@"` is the command.
    pub(crate) fn through_a_shell(mut self, script: &str) -> Self {
        let mut shell = Command::new("bash");
        shell.args(["-c", script]).arg(self.command.get_program()).args(self.command.get_args());
        for (name, value) in self.command.get_envs() {
            match value {
                Some(value) => shell.env(name, value),
                None => shell.env_remove(name),
            };
        }
        self.command = shell;
        self
    }

    /// The folder of its store.
    pub(crate) fn store(&self) -> PathBuf {
        self.folder.path().join("store")
    }

    /// The command that starts it, and the folder of its files.
    pub(crate) fn into_command(self) -> (Command, TempDir) {
        (self.command, self.folder)
    }

    /// Starts it and waits until it serves.
    pub(crate) fn start(mut self) -> Gateway {
        let mut child = self
            .command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the binary starts");
        let stdout = lines_of(child.stdout.take().unwrap());
        let stderr = lines_of(child.stderr.take().unwrap());
        let Ok(line) = stdout.recv_timeout(PATIENCE) else {
            let _ = child.kill();
            panic!("it does not serve: {:?}", stderr.iter().collect::<Vec<_>>());
        };
        let address = line
            .split_once("://")
            .and_then(|(_, rest)| rest.split_once(',')?.0.parse().ok())
            .unwrap_or_else(|| panic!("no address: {line}"));
        let Ok(line) = stdout.recv_timeout(PATIENCE) else {
            let _ = child.kill();
            panic!("it does not say where operators are served");
        };
        let admin = line
            .split_once("://")
            .and_then(|(_, rest)| rest.strip_suffix('/')?.parse().ok())
            .unwrap_or_else(|| panic!("no address: {line}"));
        Gateway { address, admin, child, stdout, stderr, folder: self.folder }
    }
}

/// The lines of a stream, as they come.
fn lines_of(stream: impl Read + Send + 'static) -> Receiver<String> {
    let (sender, lines) = channel();
    std::thread::spawn(move || {
        for line in BufReader::new(stream).lines() {
            if line.is_ok_and(|line| sender.send(line).is_ok()) {
                continue;
            }
            break;
        }
    });
    lines
}

/// A gateway that serves; dropping it kills it.
pub(crate) struct Gateway {
    pub(crate) address: SocketAddr,
    /// Where it serves operators.
    pub(crate) admin: SocketAddr,
    child: Child,
    stdout: Receiver<String>,
    stderr: Receiver<String>,
    folder: TempDir,
}

impl Gateway {
    pub(crate) fn client(&self) -> super::Client {
        super::Client::connect(self.address)
    }

    /// The folder of its store.
    pub(crate) fn store(&self) -> PathBuf {
        self.folder.path().join("store")
    }

    pub(crate) fn id(&self) -> libc::pid_t {
        libc::pid_t::try_from(self.child.id()).unwrap()
    }

    /// The thread of its first shard.
    pub(crate) fn shard_thread(&self) -> libc::pid_t {
        let tasks = format!("/proc/{}/task", self.id());
        let named = std::fs::read_dir(tasks).unwrap().map(|task| task.unwrap().path());
        let mut shards = named.filter(|task| {
            std::fs::read_to_string(task.join("comm")).is_ok_and(|name| name.trim() == "shard-00")
        });
        let mut threads: Vec<libc::pid_t> = shards
            .by_ref()
            .map(|task| task.file_name().unwrap().to_str().unwrap().parse().unwrap())
            .collect();
        threads.sort_unstable();
        // The shard's own thread came first; others that its executor started took over its name.
        threads[0]
    }

    pub(crate) fn signal(&self, signal: libc::c_int) {
        // SAFETY: a plain system call; the child has not been waited for, so the id is its own.
        assert_eq!(unsafe { libc::kill(self.id(), signal) }, 0);
    }

    /// Waits for a line on its standard error that contains `text`.
    pub(crate) fn wait_for_line(&self, text: &str) -> String {
        self.lines_to(text).pop().expect("the line")
    }

    /// Waits for a line on its standard error that contains `text`; returns those before it, too.
    pub(crate) fn lines_to(&self, text: &str) -> Vec<String> {
        let mut seen = Vec::new();
        while let Ok(line) = self.stderr.recv_timeout(PATIENCE) {
            let is_it = line.contains(text);
            seen.push(line);
            if is_it {
                return seen;
            }
        }
        panic!("`{text}` was not said, but: {seen:#?}");
    }

    /// The next line on its standard output, after those that say where it serves.
    pub(crate) fn next_line(&self) -> Option<String> {
        self.stdout.recv_timeout(PATIENCE).ok()
    }

    /// Waits for its end; returns its status and what it said that was not read before.
    pub(crate) fn wait(mut self) -> (ExitStatus, Vec<String>) {
        let status = self.child.wait().expect("it was started");
        (status, self.stderr.iter().collect())
    }

    /// Tells it to stop and waits for its end.
    pub(crate) fn stop(self) -> (ExitStatus, Vec<String>) {
        self.signal(libc::SIGTERM);
        self.wait()
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
