//! The servers: started in a process group each, pinned, paused and resumed, and ended on drop.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use serde::Deserialize;

use super::prepare::Inputs;
use super::usage::Usage;
use crate::generate::user_id;

const START_TIMEOUT: Duration = Duration::from_mins(3);
const ANSWER_TIMEOUT: Duration = Duration::from_secs(5);
const POLL_INTERVAL: Duration = Duration::from_millis(50);
const SCORES_COMPARED: u64 = 100;
const SCORE_DIFFERENCE_MAX: f64 = 1e-5;

/// A server as `bench/servers.toml` describes it.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Description {
    pub(super) name: String,
    command: Vec<String>,
    /// A program that it asks, which runs on the client's core.
    #[serde(default)]
    beside: Vec<String>,
    /// Whether its answers carry the model's score.
    #[serde(default = "yes")]
    scores: bool,
}

fn yes() -> bool {
    true
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct List {
    server: Vec<Description>,
}

/// Where servers run and what they read.
#[derive(Debug)]
pub(super) struct Places {
    pub(super) core: usize,
    pub(super) client_core: usize,
    pub(super) inputs: Inputs,
}

/// The servers of the list at `path` that `wanted` names, or all if it names none.
pub(super) fn read_list(path: &Path, wanted: &[String]) -> Result<Vec<Description>> {
    let text = std::fs::read_to_string(path)
        .with_context(|| format!("can't read the list of servers {}", path.display()))?;
    let list: List = toml::from_str(&text).with_context(|| path.display().to_string())?;
    for name in wanted {
        let known = list.server.iter().any(|server| server.name == *name);
        ensure!(known, "{} has no server '{name}'", path.display());
    }
    let wants = |name: &String| wanted.is_empty() || wanted.contains(name);
    Ok(list.server.into_iter().filter(|server| wants(&server.name)).collect())
}

/// A running server.
#[derive(Debug)]
pub(super) struct Server {
    description: Description,
    address: SocketAddr,
    process: Process,
    /// The program that it asks.
    beside: Option<Process>,
}

impl Server {
    /// Starts the server, after the program that it asks, and waits until it answers.
    pub(super) fn start(description: Description, places: &Places) -> Result<Self> {
        let (port, admin, beside_port) = (free_port()?, free_port()?, free_port()?);
        let fill_in = |argument: &String| {
            anyhow::Ok(
                argument
                    .replace("{port}", &port.to_string())
                    .replace("{admin}", &admin.to_string())
                    .replace("{beside}", &beside_port.to_string())
                    .replace("{core}", &places.core.to_string())
                    .replace("{users}", &places.inputs.users_csv.display().to_string())
                    .replace("{store}", &places.inputs.store.display().to_string())
                    .replace("{bench}", &std::env::current_exe()?.display().to_string()),
            )
        };
        let filled_in =
            |command: &[String]| command.iter().map(fill_in).collect::<Result<Vec<_>>>();
        let beside = if description.beside.is_empty() {
            None
        } else {
            let beside = Process::start(&filled_in(&description.beside)?, places.client_core)?;
            wait_until_it_listens(SocketAddr::from((Ipv4Addr::LOCALHOST, beside_port)))?;
            Some(beside)
        };
        let process = Process::start(&filled_in(&description.command)?, places.core)?;
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let mut server = Self { description, address, process, beside };
        server.wait_until_it_answers()?;
        Ok(server)
    }

    fn wait_until_it_answers(&mut self) -> Result<()> {
        let start = Instant::now();
        loop {
            match self.ask(&user_id(1)) {
                Ok(_) => return Ok(()),
                Err(error) if start.elapsed() > START_TIMEOUT => {
                    return Err(error.context(format!("{} doesn't answer", self.name())));
                }
                Err(_) => {}
            }
            if let Some(status) = self.process.child.try_wait()? {
                bail!("{} ended with {status}", self.name());
            }
            pause_a_little();
        }
    }

    /// The body of the answer for one user, over a connection of its own.
    fn ask(&self, user: &str) -> Result<String> {
        let mut stream = TcpStream::connect(self.address)?;
        let body = format!("{{\"user_id\": \"{user}\"}}");
        write!(
            stream,
            "POST /predict HTTP/1.1\r\nHost: bench\r\nConnection: close\r\n\
             Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        )?;
        stream.set_read_timeout(Some(ANSWER_TIMEOUT))?;
        let mut answer = Vec::new();
        let mut chunk = [0; 4096];
        loop {
            // The floor doesn't close the connection: its answer ends with its JSON object.
            let read = stream.read(&mut chunk)?;
            answer.extend_from_slice(&chunk[..read]);
            if read == 0 || answer.trim_ascii_end().ends_with(b"}") {
                break;
            }
        }
        let answer = String::from_utf8(answer)?;
        ensure!(answer.starts_with("HTTP/1.1 200"), "{} answered {answer}", self.name());
        let (_, body) = answer.split_once("\r\n\r\n").context("an answer without a body")?;
        Ok(body.to_owned())
    }

    fn score(&self, user: &str) -> Result<f64> {
        #[derive(Deserialize)]
        struct Answer {
            user_id: String,
            score: f64,
        }
        let body = self.ask(user).with_context(|| format!("asking {} for {user}", self.name()))?;
        let answer: Answer = serde_json::from_str(&body).with_context(|| body.clone())?;
        ensure!(answer.user_id == user, "{} answered for {}", self.name(), answer.user_id);
        Ok(answer.score)
    }

    pub(super) fn name(&self) -> &str {
        &self.description.name
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    /// What its processes have used.
    pub(super) fn usage(&self) -> Result<Usage> {
        Usage::of_group(self.process.group())
    }

    /// What the program that it asks has used; nothing where there is none.
    pub(super) fn usage_beside(&self) -> Result<Usage> {
        self.beside.as_ref().map_or(Ok(Usage::default()), |beside| Usage::of_group(beside.group()))
    }

    /// Takes the server off its core, which belongs to another one's measurement. The program that
    /// it asks has nothing to do then.
    pub(super) fn pause(&self) -> Result<()> {
        self.process.signal("STOP")
    }

    pub(super) fn resume(&self) -> Result<()> {
        self.process.signal("CONT")
    }
}

/// A process with whatever it starts, pinned to a core and killed with this process.
#[derive(Debug)]
struct Process {
    child: Child,
}

impl Process {
    fn start(arguments: &[String], core: usize) -> Result<Self> {
        let child = Command::new("setpriv")
            .args(["--pdeathsig", "KILL", "taskset", "-c"])
            .arg(core.to_string())
            .args(arguments)
            .process_group(0)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
            .with_context(|| format!("{arguments:?} didn't start"))?;
        Ok(Self { child })
    }

    /// The process group, which holds whatever it starts.
    fn group(&self) -> u32 {
        self.child.id()
    }

    fn signal(&self, signal: &str) -> Result<()> {
        let group = format!("-{}", self.group());
        let status = Command::new("kill").args(["-s", signal, "--", &group]).status()?;
        ensure!(status.success(), "can't send SIG{signal} to the process group {group}");
        Ok(())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Nothing is left to do for a process that is gone already.
        let _ = self.signal("KILL");
        let _ = self.child.wait();
    }
}

fn wait_until_it_listens(address: SocketAddr) -> Result<()> {
    let start = Instant::now();
    while let Err(error) = TcpStream::connect(address) {
        ensure!(start.elapsed() < START_TIMEOUT, "nothing listens on {address}: {error}");
        pause_a_little();
    }
    Ok(())
}

#[expect(clippy::disallowed_methods, reason = "no shard here: a wait for a process")]
fn pause_a_little() {
    std::thread::sleep(POLL_INTERVAL);
}

/// Fails unless all servers with scores give the same ones to the same users.
pub(super) fn check_same_scores(servers: &[Server], users: u64) -> Result<()> {
    let mut scoring = servers.iter().filter(|server| server.description.scores);
    let Some(first) = scoring.next() else { return Ok(()) };
    for other in scoring {
        for number in 1..=users.min(SCORES_COMPARED) {
            let user = user_id(number);
            let (expected, found) = (first.score(&user)?, other.score(&user)?);
            ensure!(
                (expected - found).abs() <= SCORE_DIFFERENCE_MAX,
                "{user}: {} says {expected}, {} says {found}",
                first.name(),
                other.name()
            );
        }
    }
    Ok(())
}

fn free_port() -> Result<u16> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port())
}
