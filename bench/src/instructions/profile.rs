//! Runs the driver under callgrind and reads what each function spent.

use std::collections::HashMap;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};

use super::Case;
use super::drive::{COUNTED, REQUESTS};

/// Instructions of the counted requests.
#[derive(Debug)]
pub(crate) struct Profile {
    /// Functions and what they spent themselves, most first; what was inlined into a function is
    /// its own.
    functions: Vec<(String, u64)>,
}

/// What a part of the way to an answer is called, and what the names of its functions contain; a
/// function belongs to the first that fits.
const STAGES: [(&str, &[&str]); 9] = [
    ("the recorded clients", &["bench::"]),
    ("features: look-up and join", &["shards::features"]),
    ("model", &["shards::model", "tract"]),
    ("telemetry", &["shards::telemetry", "hdrhistogram", "clock_gettime", "timespec"]),
    ("batch", &["shards::batch"]),
    (
        "HTTP and JSON",
        &[
            "shards::api",
            "shards::http",
            "httparse",
            "memchr",
            "serde_json",
            "serde_core",
            "ryu",
            "zmij",
        ],
    ),
    ("the executor", &["glommio", "io_uring", "futures_lite"]),
    ("memory: allocating, copying", &["malloc", "free", "realloc", "calloc", "mem", "alloc::"]),
    ("everything else", &[""]),
];

impl Profile {
    /// Counts the instructions of one case, of the model in `models` and with the rows of `store`.
    pub(crate) fn take(case: Case, models: &Path, store: &Path, folder: &Path) -> Result<Self> {
        let path = folder.join("callgrind.out");
        let output = Command::new("valgrind")
            .args(["--quiet", "--tool=callgrind", "--collect-atstart=no"])
            .arg(format!("--toggle-collect={COUNTED}"))
            .arg(format!("--callgrind-out-file={}", path.display()))
            .arg(std::env::current_exe()?)
            .args(["drive", "--model", case.model, "--kernel", case.kernel, "--models"])
            .arg(models)
            .arg("--store")
            .arg(store)
            .args(["--connections", &case.connections.to_string()])
            .output()
            .context("valgrind didn't start; sudo apt-get install -y valgrind")?;
        let said = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "the driver ended with {}: {said}", output.status);
        let text = std::fs::read_to_string(&path).with_context(|| path.display().to_string())?;
        let profile = Self::parse(&text);
        ensure!(profile.total() > 0, "callgrind counted nothing in {COUNTED}");
        Ok(profile)
    }

    /// Reads callgrind's format: each line of cost belongs to the function named last, but for
    /// the one after `calls=`, which is the callee's.
    fn parse(text: &str) -> Self {
        let mut names: HashMap<&str, &str> = HashMap::new();
        let mut spent: HashMap<&str, u64> = HashMap::new();
        let mut current = "";
        let mut is_callees = false;
        for line in text.lines() {
            if let Some(function) = line.strip_prefix("fn=") {
                current = number_of(function, &mut names);
            } else if let Some(function) = line.strip_prefix("cfn=") {
                number_of(function, &mut names);
            } else if line.starts_with("calls=") {
                is_callees = true;
            } else if line
                .starts_with(|first: char| "+-*".contains(first) || first.is_ascii_digit())
            {
                let cost = line.split(' ').nth(1).and_then(|cost| cost.parse::<u64>().ok());
                if !std::mem::take(&mut is_callees) {
                    *spent.entry(current).or_default() += cost.unwrap_or(0);
                }
            }
        }
        let named = spent.into_iter().filter(|(_, cost)| *cost > 0);
        let mut functions: Vec<_> = named
            .map(|(number, cost)| ((*names.get(number).unwrap_or(&number)).to_owned(), cost))
            .collect();
        functions.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
        Self { functions }
    }

    fn total(&self) -> u64 {
        self.functions.iter().map(|(_, cost)| cost).sum()
    }

    /// Instructions a request.
    pub(crate) fn per_request(&self) -> f64 {
        self.total() as f64 / REQUESTS as f64
    }

    /// Instructions a request in each part of the way, in the order of the way.
    pub(super) fn stages(&self) -> Vec<(&'static str, f64)> {
        let mut stages = STAGES.map(|(stage, _)| (stage, 0.0));
        for (name, cost) in &self.functions {
            let fits = |(_, parts): &(&str, &[&str])| parts.iter().any(|part| name.contains(part));
            if let Some(place) = STAGES.iter().position(fits) {
                stages[place].1 += *cost as f64 / REQUESTS as f64;
            }
        }
        stages.into()
    }

    /// The functions that spent most themselves, with instructions a request.
    pub(super) fn top(&self, count: usize) -> impl Iterator<Item = (&str, f64)> {
        let top = self.functions.iter().take(count);
        top.map(|(name, cost)| (name.as_str(), *cost as f64 / REQUESTS as f64))
    }
}

/// The number of a function in `(12) its::name`, whose name is given only where it is first seen.
fn number_of<'a>(function: &'a str, names: &mut HashMap<&'a str, &'a str>) -> &'a str {
    let (number, name) = function.split_once(' ').unwrap_or((function, ""));
    if !name.is_empty() {
        names.insert(number, name);
    }
    number
}

#[cfg(test)]
mod tests {
    use super::Profile;

    #[test]
    fn a_function_spends_what_its_lines_say_and_not_what_its_callees_do() {
        let text = "events: Ir\n\nfl=(1) a.rs\nfn=(1) outer\n10 100\nfi=(2) b.rs\n+2 20\n\
            cfn=(2) inner::part\ncalls=3 7\n* 3000\n-1 5\n\nfn=(2)\n7 3000\n\ntotals: 3125\n";
        let profile = Profile::parse(text);
        let expected = [("inner::part".to_owned(), 3000), ("outer".to_owned(), 125)];
        assert_eq!(profile.functions, expected);
        assert_eq!(profile.total(), 3125);
    }
}
