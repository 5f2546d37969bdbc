//! `bench driver`: how many instructions the gateway executes for a request, counted by callgrind.
//!
//! Counts don't depend on the machine's load, so a change of a percent is seen where a change of
//! time would drown in noise. The whole server runs under valgrind, answers a fixed sequence of
//! requests, and ends; a short and a long run differ by the requests alone, so start, model and
//! store cancel out. Only user code is counted, and valgrind knows no AVX-512: the trees are
//! scored by the AVX2 kernel.

use std::fmt::Write as _;
use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;

use anyhow::{Context, Result, ensure};

use crate::generate::user_id;
use crate::prepare::{self, Inputs};
use crate::random::Random;
use crate::servers::{self, Places, Server};

const BASELINE: &str = "bench/instructions.md";
const COUNTS: &str = ".cache/bench/callgrind.out";
const USERS: u64 = 10_000;
const CONNECTIONS: usize = 64;
const SHORT_ROUNDS: usize = 20;
const ROUNDS: usize = 160;
const GROWTH_PERCENT_MAX: f64 = 5.0;
const ANSWER_BYTES_MAX: usize = 4096;

/// What is done with the count.
#[derive(Debug, clap::Args)]
pub(crate) struct DriverArgs {
    /// Take the count as the new baseline, for this reason.
    #[arg(long, value_name = "REASON")]
    update: Option<String>,
    /// The server to count in, by its name in bench/servers.toml; only shardgate has a baseline.
    #[arg(long, default_value = "shardgate")]
    server: String,
}

/// Counts, and compares with the baseline.
pub(crate) fn run(args: &DriverArgs) -> Result<()> {
    let inputs = prepare::inputs(USERS)?;
    let short = count(&args.server, &inputs, SHORT_ROUNDS)?;
    let long = count(&args.server, &inputs, SHORT_ROUNDS + ROUNDS)?;
    let requests = (ROUNDS * CONNECTIONS) as f64;
    let found = (long as f64 - short as f64) / requests;
    println!("{}: {found:.0} instructions a request, over {requests:.0} requests", args.server);
    if args.server != "shardgate" {
        return Ok(());
    }
    let text = fs::read_to_string(BASELINE).context(BASELINE)?;
    if let Some(reason) = &args.update {
        return update(text, found, reason);
    }
    let expected = last_count(&text).with_context(|| format!("{BASELINE} has no count"))?;
    let growth = (found / expected - 1.0) * 100.0;
    println!("the baseline is {expected:.0}: {growth:+.1} %");
    ensure!(
        growth <= GROWTH_PERCENT_MAX,
        "{growth:.1} % more than the baseline; where that has a good reason: \
         cargo run --release -p bench -- driver --update REASON"
    );
    Ok(())
}

/// Instructions of a server's whole life, in which it answers `rounds` rounds of requests.
fn count(server: &str, inputs: &Inputs, rounds: usize) -> Result<u64> {
    let callgrind = ["valgrind", "--quiet", "--tool=callgrind"].map(str::to_owned);
    let under = [&callgrind[..], &[format!("--callgrind-out-file={COUNTS}")]].concat();
    let places = Places { core: 0, inputs: inputs.clone() };
    let description = servers::read_list(&[server.to_owned()])?.remove(0);
    let server = Server::start(description, &places, &under)?;
    ask(&server, rounds)?;
    server.stop()?;
    let text = fs::read_to_string(COUNTS).context(COUNTS)?;
    let total = text.lines().find_map(|line| line.strip_prefix("totals: ")?.trim().parse().ok());
    total.with_context(|| format!("{COUNTS} has no total"))
}

/// In each round all connections ask for a user, then all read their answers.
fn ask(server: &Server, rounds: usize) -> Result<()> {
    let mut streams = Vec::new();
    for _ in 0..CONNECTIONS {
        let stream = TcpStream::connect(server.address())?;
        stream.set_nodelay(true)?;
        streams.push(stream);
    }
    let mut random = Random::new(1);
    let mut answer = vec![0; ANSWER_BYTES_MAX];
    for _ in 0..rounds {
        for stream in &mut streams {
            let body = format!("{{\"user_id\": \"{}\"}}", user_id(1 + random.below(USERS)));
            let length = body.len();
            let request = format!(
                "POST /predict HTTP/1.1\r\nHost: bench\r\nContent-Type: application/json\r\n\
                 Content-Length: {length}\r\n\r\n{body}"
            );
            stream.write_all(request.as_bytes())?;
        }
        for stream in &mut streams {
            let mut filled = 0;
            while !answer[..filled].ends_with(b"}") {
                let read = stream.read(&mut answer[filled..])?;
                ensure!(read > 0, "the server ended a connection, or an answer has no end");
                filled += read;
            }
            ensure!(answer.starts_with(b"HTTP/1.1 200"), "{}", answer[..filled].escape_ascii());
        }
    }
    Ok(())
}

/// The count in the last line of the baseline's table.
fn last_count(text: &str) -> Option<f64> {
    text.lines().rev().find_map(|line| line.split('|').nth(1)?.trim().parse().ok())
}

fn update(mut text: String, found: f64, reason: &str) -> Result<()> {
    // Writing to a string can't fail.
    let _ = writeln!(text, "| {found:.0} | {reason} |");
    fs::write(BASELINE, text).context(BASELINE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_baseline_is_the_last_line_of_the_table() {
        let text = "# Title\n\n| instructions | why |\n|---|---|\n| 900 | a |\n| 850 | b |\n";
        assert_eq!(last_count(text), Some(850.0));
        assert_eq!(last_count("| instructions | why |\n|---|---|\n"), None);
    }
}
