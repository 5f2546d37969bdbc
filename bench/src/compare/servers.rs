//! The servers: started, each after the program that it asks, paused and resumed.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use serde::Deserialize;

use super::node::{self, Node};
use super::prepare::Inputs;
use super::process::Process;
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
pub(crate) struct Description {
    pub(super) name: String,
    command: Vec<String>,
    /// A program that it asks, which runs on the client's core.
    #[serde(default)]
    beside: Vec<String>,
    /// Whether its answers carry the model's score.
    #[serde(default = "yes")]
    scores: bool,
    /// Whether it fetches the features from the node.
    #[serde(default)]
    pub(super) cassandra: bool,
    /// Seconds of load before the first round, until what a server keeps is there.
    #[serde(default = "fill_seconds_default")]
    pub(super) fill_seconds: u64,
}

impl Description {
    /// One that asks nobody who has to be started or paused with it.
    pub(crate) fn new(name: String, command: Vec<String>) -> Self {
        Self {
            name,
            command,
            beside: Vec::new(),
            scores: true,
            cassandra: false,
            fill_seconds: fill_seconds_default(),
        }
    }
}

fn fill_seconds_default() -> u64 {
    3
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
pub(crate) struct Places {
    pub(crate) core: usize,
    pub(crate) client_core: usize,
    pub(crate) inputs: Inputs,
    /// How many users the node has.
    pub(crate) cassandra_users: u64,
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
pub(crate) struct Server {
    description: Description,
    address: SocketAddr,
    /// Requests ask for one of so many.
    users: u64,
    process: Process,
    /// The program that it asks.
    beside: Option<Process>,
}

impl Server {
    /// Starts the server, after the program that it asks, and waits until it answers.
    pub(crate) fn start(description: Description, places: &Places) -> Result<Self> {
        let (port, admin, beside_port) = (free_port()?, free_port()?, free_port()?);
        let fill_in = |argument: &String| {
            anyhow::Ok(
                argument
                    .replace("{port}", &port.to_string())
                    .replace("{admin}", &admin.to_string())
                    .replace("{beside}", &beside_port.to_string())
                    .replace("{core}", &places.core.to_string())
                    .replace("{client}", &places.client_core.to_string())
                    .replace("{users}", &places.inputs.users_csv.display().to_string())
                    .replace("{store}", &places.inputs.store.display().to_string())
                    .replace("{cassandra}", &node::store())
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
        let users =
            if description.cassandra { places.cassandra_users } else { places.inputs.users };
        let mut server = Self { description, address, users, process, beside };
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
            if let Some(status) = self.process.ended()? {
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
        /// Some frameworks answer batches only, of one here.
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Answers {
            One(Answer),
            List([Answer; 1]),
        }
        let body = self.ask(user).with_context(|| format!("asking {} for {user}", self.name()))?;
        let answers: Answers = serde_json::from_str(&body).with_context(|| body.clone())?;
        let (Answers::One(answer) | Answers::List([answer])) = answers;
        ensure!(answer.user_id == user, "{} answered for {}", self.name(), answer.user_id);
        Ok(answer.score)
    }

    pub(crate) fn name(&self) -> &str {
        &self.description.name
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(super) fn description(&self) -> &Description {
        &self.description
    }

    /// How many users there are to be asked for.
    pub(crate) fn users(&self) -> u64 {
        self.users
    }

    /// What its processes have used.
    pub(crate) fn usage(&self) -> Result<Usage> {
        self.process.usage()
    }

    /// What has been used by the program that it asks, or by the node if it asks that; `None` where
    /// it asks nobody.
    pub(super) fn usage_beside(&self, node: Option<&Node>) -> Result<Option<Usage>> {
        match self.own(node) {
            Some(node) => node.usage().map(Some),
            None => self.beside.as_ref().map(Process::usage).transpose(),
        }
    }

    /// Takes the server, and the node if it asks that, off the core that belongs to another one's
    /// measurement. A program of its own that it asks has nothing to do then.
    pub(crate) fn pause(&self, node: Option<&Node>) -> Result<()> {
        self.process.signal("STOP")?;
        self.own(node).map_or(Ok(()), Node::pause)
    }

    pub(crate) fn resume(&self, node: Option<&Node>) -> Result<()> {
        self.own(node).map_or(Ok(()), Node::resume)?;
        self.process.signal("CONT")
    }

    /// The node, if this server asks it.
    fn own<'node>(&self, node: Option<&'node Node>) -> Option<&'node Node> {
        node.filter(|_| self.description.cassandra)
    }
}

/// Waits until connections to `address` are accepted.
pub(crate) fn wait_until_it_listens(address: SocketAddr) -> Result<()> {
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

/// A port that nothing listens on now.
pub(crate) fn free_port() -> Result<u16> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port())
}
