//! What a gateway stands on: what it asks, and the files that it reads.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use super::TracesArgs;
use crate::compare::{
    Description, Inputs, Node, Places, Process, Server, free_port, wait_until_it_listens,
};

const FOLDER: &str = ".cache/bench/traces";
const GATEWAY: &str = "target/release/shardgate";
const MODEL: &str = "bench-credit-numeric";
/// Nothing that was fetched is kept: each batch asks.
const CONFIG: &str = "bench/uncached.toml";

/// What a gateway asks for features or scores.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Backing {
    /// Nobody: features are at hand, the model is its own.
    Embedded,
    /// `bench cql-stub` for features.
    Cql,
    /// A real node for features, started for this.
    Cassandra,
    /// Another gateway for scores, by the Open Inference Protocol; features are at hand.
    Remote,
}

impl Backing {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Embedded => "embedded",
            Self::Cql => "CQL",
            Self::Cassandra => "Cassandra",
            Self::Remote => "remote model",
        }
    }

    /// How long it has to be busy until it does as well as it will.
    pub(super) const fn warm_up_seconds(self) -> u64 {
        match self {
            // Its virtual machine compiles what is run often: after a minute it does four times as
            // much as in the first seconds.
            Self::Cassandra => 60,
            _ => 0,
        }
    }
}

/// What a gateway asks, and the relay before it; ended on drop.
#[derive(Debug)]
struct BackingServer {
    address: SocketAddr,
    _processes: Vec<Process>,
    _node: Option<Node>,
}

impl BackingServer {
    /// Starts it on the client's core; `None` where the case has none.
    fn start(
        backing: Backing,
        args: &TracesArgs,
        inputs: &Inputs,
        embedded: &str,
    ) -> Result<Option<Self>> {
        let core = args.client_core;
        let bench = std::env::current_exe()?.display().to_string();
        let mut address =
            if backing == Backing::Cassandra { Node::ADDRESS } else { free_address()? };
        let listen = address.to_string();
        let (mut processes, mut node) = (Vec::new(), None);
        match backing {
            Backing::Embedded => return Ok(None),
            Backing::Cassandra => node = Some(Node::start(core, &inputs.users_csv)?),
            Backing::Cql => {
                let users = inputs.users_csv.display().to_string();
                let stub = words(&[&bench, "cql-stub", "--listen", &listen, "--users", &users]);
                processes.push(start(&stub, core, address)?);
            }
            Backing::Remote => {
                let (cores, admin) = (core.to_string(), free_address()?.to_string());
                let mut command = words(&[GATEWAY, "serve", "--listen", &listen]);
                command.extend(words(&["--admin", &admin, "--cores", &cores]));
                command.extend(words(&["--models", "models", "--model", MODEL]));
                command.extend(words(&["--store", embedded, "--log", "error"]));
                processes.push(start(&command, core, address)?);
            }
        }
        if args.delay_us > 0 {
            address = free_address()?;
            let [near, delay_us] = [address.to_string(), args.delay_us.to_string()];
            let relay = [&bench, "relay", "--listen", &near, "--to", &listen];
            let relay = [words(&relay), words(&["--delay-us", &delay_us])].concat();
            processes.push(start(&relay, core, address)?);
        }
        Ok(Some(Self { address, _processes: processes, _node: node }))
    }
}

/// What all gateways of a backing share.
#[derive(Debug)]
pub(super) struct Ground {
    places: Places,
    /// As `--models` and `--store` take them.
    models: String,
    store: String,
    delay_us: u64,
    _backing: Option<BackingServer>,
}

impl Ground {
    /// Starts what gateways of this backing ask, on the client's core.
    pub(super) fn start(backing: Backing, args: &TracesArgs, inputs: &Inputs) -> Result<Self> {
        fs::create_dir_all(FOLDER).with_context(|| format!("can't make {FOLDER}"))?;
        let embedded = format!("embedded:{}", inputs.store.display());
        let backing_server = BackingServer::start(backing, args, inputs, &embedded)?;
        let (mut models, mut store) = ("models".to_owned(), embedded);
        if let Some(BackingServer { address, .. }) = backing_server {
            match backing {
                Backing::Remote => models = remote_models(address)?.display().to_string(),
                _ => store = format!("scylla://{address}/bench"),
            }
        }
        let places = Places {
            core: args.server_core,
            client_core: args.client_core,
            inputs: inputs.clone(),
            cassandra_users: 0,
        };
        let delay_us = if backing_server.is_some() { args.delay_us } else { 0 };
        Ok(Self { places, models, store, delay_us, _backing: backing_server })
    }

    /// How much longer an answer of what is asked takes; 0 where nobody is asked.
    pub(super) fn delay_us(&self) -> u64 {
        self.delay_us
    }

    /// Starts a gateway with this fixed window, or with the adaptive one.
    pub(super) fn gateway(&self, window_us: Option<u64>) -> Result<Server> {
        let (name, batch) = match window_us {
            Some(us) => {
                (format!("fixed-{us}"), format!("policy = \"fixed\"\nmax_delay_us = {us}\n"))
            }
            None => ("adaptive".to_owned(), "policy = \"adaptive\"\n".to_owned()),
        };
        let config = Path::new(FOLDER).join(format!("{name}.toml"));
        let rest = fs::read_to_string(CONFIG).context(CONFIG)?;
        fs::write(&config, format!("{rest}\n[batch]\n{batch}"))
            .with_context(|| format!("can't write {}", config.display()))?;
        let config = config.display().to_string();
        let mut command = words(&[GATEWAY, "serve", "--config", &config, "--log", "error"]);
        command.extend(words(&["--listen", "127.0.0.1:{port}", "--admin", "127.0.0.1:{admin}"]));
        command.extend(words(&["--cores", "{core}", "--models", &self.models, "--model", MODEL]));
        command.extend(words(&["--store", &self.store]));
        Server::start(Description::new(name, command), &self.places)
    }
}

fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(ToString::to_string).collect()
}

fn free_address() -> Result<SocketAddr> {
    Ok(SocketAddr::from((Ipv4Addr::LOCALHOST, free_port()?)))
}

fn start(command: &[String], core: usize, address: SocketAddr) -> Result<Process> {
    let process = Process::start(command, core)?;
    wait_until_it_listens(address)?;
    Ok(process)
}

/// Writes a repository whose one model is the bundled one, computed by the server at `address`.
fn remote_models(address: SocketAddr) -> Result<PathBuf> {
    let bundled = Path::new("models").join(MODEL).join("model.toml");
    let text = fs::read_to_string(&bundled).with_context(|| bundled.display().to_string())?;
    let folder = Path::new(FOLDER).join("remote-models");
    let model = folder.join(MODEL);
    fs::create_dir_all(&model).with_context(|| format!("can't make {}", model.display()))?;
    fs::write(model.join("model.toml"), remote_manifest(&text, address)?)?;
    Ok(folder)
}

/// The manifest of a local model, as one of the same model at `address`.
fn remote_manifest(text: &str, address: SocketAddr) -> Result<String> {
    let mut manifest: toml::Table = toml::from_str(text).context("model.toml")?;
    let url = format!("http://{address}/v2/models/{MODEL}");
    manifest.insert("backend".to_owned(), "remote".into());
    manifest.insert("url".to_owned(), url.into());
    let remote = toml::Table::from_iter([("input".to_owned(), "input".into())]);
    manifest.insert("remote".to_owned(), remote.into());
    // A gateway's answer has one score a row.
    manifest.remove("output");
    Ok(toml::to_string(&manifest)?)
}

#[cfg(test)]
mod tests {
    use super::remote_manifest;

    #[test]
    fn a_remote_model_has_the_columns_of_the_local_one() {
        let local = "[output]\ntensor = \"p\"\n[[columns]]\nname = \"age\"\n";
        let remote = remote_manifest(local, "127.0.0.1:80".parse().unwrap()).unwrap();
        let expected =
            "backend = \"remote\"\nurl = \"http://127.0.0.1:80/v2/models/bench-credit-numeric\"\n";
        let found: toml::Table = toml::from_str(&remote).unwrap();
        let expected: toml::Table = toml::from_str(&format!(
            "{expected}[remote]\ninput = \"input\"\n[[columns]]\nname = \"age\"\n"
        ))
        .unwrap();
        assert_eq!(found, expected);
    }
}
