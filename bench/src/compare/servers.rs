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
    process: Child,
}

impl Server {
    /// Starts the server and waits until it answers.
    pub(super) fn start(description: Description, places: &Places) -> Result<Self> {
        let port = free_port()?;
        let mut arguments = Vec::new();
        for argument in &description.command {
            arguments.push(
                argument
                    .replace("{port}", &port.to_string())
                    .replace("{admin}", &free_port()?.to_string())
                    .replace("{core}", &places.core.to_string())
                    .replace("{users}", &places.inputs.users_csv.display().to_string())
                    .replace("{store}", &places.inputs.store.display().to_string())
                    .replace("{bench}", &std::env::current_exe()?.display().to_string()),
            );
        }
        // Killed with this process, and pinned; both hold for what the server starts in turn.
        let process = Command::new("setpriv")
            .args(["--pdeathsig", "KILL", "taskset", "-c"])
            .arg(places.core.to_string())
            .args(&arguments)
            .process_group(0)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
            .with_context(|| format!("{arguments:?} didn't start"))?;
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let mut server = Self { description, address, process };
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
            if let Some(status) = self.process.try_wait()? {
                bail!("{} ended with {status}", self.name());
            }
            #[expect(clippy::disallowed_methods, reason = "no shard here: a wait for a process")]
            std::thread::sleep(POLL_INTERVAL);
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

    /// The process group, which holds whatever the server starts.
    pub(super) fn group(&self) -> u32 {
        self.process.id()
    }

    /// Takes the server off its core, which belongs to another one's measurement.
    pub(super) fn pause(&self) -> Result<()> {
        self.signal("STOP")
    }

    pub(super) fn resume(&self) -> Result<()> {
        self.signal("CONT")
    }

    fn signal(&self, signal: &str) -> Result<()> {
        let group = format!("-{}", self.group());
        let status = Command::new("kill").args(["-s", signal, "--", &group]).status()?;
        ensure!(status.success(), "can't send SIG{signal} to {}", self.name());
        Ok(())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Nothing is left to do for a server that is gone already.
        let _ = self.signal("KILL");
        let _ = self.process.wait();
    }
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
