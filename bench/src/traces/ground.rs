//! What a gateway stands on: what it asks, and the files that it reads.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use super::TracesArgs;
use crate::compare::{
    Description, Inputs, Places, Process, Server, free_port, wait_until_it_listens,
};

const FOLDER: &str = ".cache/bench/traces";
const GATEWAY: &str = "target/release/shardgate";
const MODEL: &str = "credit-risk";
/// Nothing that was fetched is kept: each batch asks.
const CONFIG: &str = "bench/uncached.toml";

/// What a gateway asks for features or scores.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Backing {
    /// Nobody: features are at hand, the model is its own.
    Embedded,
    /// `bench cql-stub` for features.
    Cql,
    /// Another gateway for scores, by the Open Inference Protocol; features are at hand.
    Remote,
}

impl Backing {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Embedded => "embedded",
            Self::Cql => "CQL",
            Self::Remote => "remote model",
        }
    }
}

/// What all gateways of a backing share; what was started for them is ended on drop.
#[derive(Debug)]
pub(super) struct Ground {
    places: Places,
    /// As `--models` and `--store` take them.
    models: String,
    store: String,
    delay_us: u64,
    /// What they ask, and the relay before it.
    _beside: Vec<Process>,
}

impl Ground {
    /// Starts what gateways of this backing ask, on the client's core.
    pub(super) fn start(backing: Backing, args: &TracesArgs, inputs: &Inputs) -> Result<Self> {
        fs::create_dir_all(FOLDER).with_context(|| format!("can't make {FOLDER}"))?;
        let embedded = format!("embedded:{}", inputs.store.display());
        let bench = std::env::current_exe()?.display().to_string();
        let server = free_address()?;
        let listen = server.to_string();
        let command = match backing {
            Backing::Embedded => Vec::new(),
            Backing::Cql => {
                let users = inputs.users_csv.display().to_string();
                words(&[&bench, "cql-stub", "--listen", &listen, "--users", &users])
            }
            Backing::Remote => {
                let (core, admin) = (args.client_core.to_string(), free_address()?.to_string());
                let mut command = words(&[GATEWAY, "serve", "--listen", &listen]);
                command.extend(words(&["--admin", &admin, "--cores", &core, "--models", "models"]));
                command.extend(words(&["--model", MODEL, "--store", &embedded, "--log", "error"]));
                command
            }
        };
        let mut beside = Vec::new();
        let mut asked = server;
        if !command.is_empty() {
            beside.push(start(&command, args.client_core, server)?);
            if args.delay_us > 0 {
                asked = free_address()?;
                let [near, far] = [asked.to_string(), listen];
                let delay_us = args.delay_us.to_string();
                let relay = [&bench, "relay", "--listen", &near, "--to", &far, "--delay-us"];
                let command = [words(&relay), vec![delay_us]].concat();
                beside.push(start(&command, args.client_core, asked)?);
            }
        }
        let models = match backing {
            Backing::Remote => remote_models(asked)?.display().to_string(),
            Backing::Embedded | Backing::Cql => "models".to_owned(),
        };
        let store = match backing {
            Backing::Cql => format!("scylla://{asked}/bench"),
            Backing::Embedded | Backing::Remote => embedded,
        };
        let places = Places {
            core: args.server_core,
            client_core: args.client_core,
            inputs: inputs.clone(),
            cassandra_users: 0,
        };
        let delay_us = if beside.is_empty() { 0 } else { args.delay_us };
        Ok(Self { places, models, store, delay_us, _beside: beside })
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
            "backend = \"remote\"\nurl = \"http://127.0.0.1:80/v2/models/credit-risk\"\n";
        let found: toml::Table = toml::from_str(&remote).unwrap();
        let expected: toml::Table = toml::from_str(&format!(
            "{expected}[remote]\ninput = \"input\"\n[[columns]]\nname = \"age\"\n"
        ))
        .unwrap();
        assert_eq!(found, expected);
    }
}
