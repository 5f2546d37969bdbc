//! Runs wrk, pinned, with `scripts/wrk/random_users.lua`, and reads what it prints.

use std::net::SocketAddr;
use std::process::Command;

use anyhow::{Context, Result, ensure};

use super::sample::Figures;

const SCRIPT: &str = "scripts/wrk/random_users.lua";

/// Loads the server at `address` in a closed loop.
pub(super) fn run(
    address: SocketAddr,
    connections: u32,
    seconds: u64,
    users: u64,
    core: usize,
) -> Result<Figures> {
    let output = Command::new("taskset")
        .args(["-c", &core.to_string(), "wrk", "--latency", "-t1", "-s", SCRIPT])
        .args([format!("-c{connections}"), format!("-d{seconds}s"), format!("http://{address}")])
        .args(["--", &users.to_string()])
        .output()
        .context("wrk didn't start; sudo apt-get install -y wrk")?;
    let text = String::from_utf8_lossy(&output.stdout);
    ensure!(output.status.success(), "wrk: {text}{}", String::from_utf8_lossy(&output.stderr));
    parse(&text).with_context(|| format!("wrk printed what wasn't expected:\n{text}"))
}

fn parse(text: &str) -> Option<Figures> {
    let after = |label: &str| {
        text.lines().find_map(|line| line.trim_start().strip_prefix(label)).map(str::trim)
    };
    let refused = after("Non-2xx or 3xx responses:").map_or(Some(0), |n| n.parse().ok())?;
    let broken = after("Socket errors:").map_or(Some(0), sum_of_numbers)?;
    Some(Figures {
        requests_per_second: after("Requests/sec:")?.parse().ok()?,
        p50_us: microseconds(after("50%")?)?,
        p99_us: microseconds(after("99%")?)?,
        p999_us: microseconds(after("99.9%")?)?,
        errors: refused + broken,
    })
}

/// The sum in "connect 0, read 3, write 0, timeout 2".
fn sum_of_numbers(text: &str) -> Option<u64> {
    text.split(", ").map(|part| part.split_once(' ')?.1.parse::<u64>().ok()).sum()
}

fn microseconds(text: &str) -> Option<f64> {
    let unit = text.find(|c: char| c.is_ascii_alphabetic())?;
    let scale = match &text[unit..] {
        "us" => 1.0,
        "ms" => 1e3,
        "s" => 1e6,
        "m" => 60e6,
        _ => return None,
    };
    Some(text[..unit].parse::<f64>().ok()? * scale)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PRINTED: &str = "  Latency Distribution
     50%  447.00us
     75%  632.00us
     90%  801.00us
     99%    6.15ms
  342068 requests in 4.01s, 43.71MB read
  Socket errors: connect 0, read 3, write 0, timeout 2
  Non-2xx or 3xx responses: 10
Requests/sec:  85399.68
Transfer/sec:     10.91MB
   99.9%  7012.00us
";

    #[test]
    fn every_figure_is_found() {
        let expected = Figures {
            requests_per_second: 85_399.68,
            p50_us: 447.0,
            p99_us: 6150.0,
            p999_us: 7012.0,
            errors: 15,
        };
        assert_eq!(parse(PRINTED), Some(expected));
    }

    #[test]
    fn a_run_without_errors_has_none() {
        let clean: Vec<_> =
            PRINTED.lines().filter(|l| !l.contains("errors") && !l.contains("Non-2xx")).collect();
        assert_eq!(parse(&clean.join("\n")).map(|figures| figures.errors), Some(0));
    }
}
