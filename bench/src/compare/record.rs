//! Keeps a run: the exact command and versions, every sample, and what they come to.
//!
//! A folder may be added to: measurements that take long can be made in parts, each with the floor
//! in it, and rounds are counted on.

use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

use super::sample::{HEADER, Sample, read_csv};
use super::{curves, plot, summary};

const FOLDER: &str = "bench/runs";

/// What a folder under `bench/runs/` has so far; nothing, for one that is yet to be made.
#[derive(Debug, Default)]
pub(super) struct Run {
    folder: Option<PathBuf>,
    samples: Vec<Sample>,
    readme: String,
}

impl Run {
    /// Reads what `folder` has.
    pub(super) fn open(folder: &Path) -> Result<Self> {
        let read = |name: &str| {
            let path = folder.join(name);
            fs::read_to_string(&path).with_context(|| format!("can't read {}", path.display()))
        };
        let samples = read_csv(&read("raw.csv")?).context("raw.csv")?;
        Ok(Self { folder: Some(folder.to_owned()), samples, readme: read("README.md")? })
    }

    /// The number of the last round.
    pub(super) fn rounds(&self) -> usize {
        self.samples.iter().map(|sample| sample.round).max().unwrap_or(0)
    }

    /// Writes `README.md`, `raw.csv`, `summary.md`, `summary.svg` and, where requests left by the
    /// clock, `open-loop.svg`, with these samples too. Returns the folder: where none was opened a
    /// new one, `bench/runs/DATE-MACHINE`, and with a number from the second of a day on.
    pub(super) fn add(&mut self, samples: Vec<Sample>) -> Result<PathBuf> {
        let processor = processor()?;
        let cores = std::thread::available_parallelism()?.get();
        let folder = match self.folder.take() {
            Some(folder) => folder,
            None => new_folder(&slug(&format!("{processor} {cores} cores")))?,
        };
        if self.readme.is_empty() {
            self.readme = introduction(&processor, cores)?;
        }
        let rounds = self.rounds();
        self.samples.extend(samples);
        self.readme.push_str(&section(rounds + 1, self.rounds())?);
        fs::write(folder.join("README.md"), &self.readme)?;
        fs::write(folder.join("raw.csv"), raw_csv(&self.samples))?;
        fs::write(folder.join("summary.md"), summary::markdown(&self.samples))?;
        fs::write(folder.join("summary.svg"), plot::svg(&self.samples))?;
        if let Some(picture) = curves::svg(&self.samples) {
            fs::write(folder.join("open-loop.svg"), picture)?;
        }
        Ok(folder)
    }
}

fn new_folder(machine: &str) -> Result<PathBuf> {
    let name = format!("{}-{machine}", said_by("date", &["-u", "+%F"])?);
    let mut folder = Path::new(FOLDER).join(&name);
    let mut number = 1;
    while folder.exists() {
        number += 1;
        folder.set_file_name(format!("{name}-{number}"));
    }
    fs::create_dir_all(&folder)?;
    Ok(folder)
}

fn introduction(processor: &str, cores: usize) -> Result<String> {
    Ok(format!(
        "# A run of `bench compare`\n\n\
         | | |\n|---|---|\n\
         | processor | {processor}, {cores} cores |\n\
         | kernel | {} |\n| compiler | {} |\n| wrk | {} |\n| Python | {} |\n\n\
         `raw.csv` has every measurement, `summary.md` the medians over the rounds with their \
         range, as `summary.svg` draws them, `open-loop.svg` the latencies at fixed rates. A ratio \
         to the floor compares two figures of one round. `bench/servers.toml` and `bench/peers/` \
         at the commit say what ran.\n",
        said_by("uname", &["-sr"])?,
        said_by("rustc", &["--version"])?,
        said_by("sh", &["-c", "wrk -v 2>&1 | head -1"])?,
        said_by("python3", &["--version"])?,
    ))
}

/// What a README says of the rounds from `first` to `last`.
fn section(first: usize, last: usize) -> Result<String> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    Ok(format!(
        "\n## Rounds {first} to {last}\n\n{}, commit {}:\n\n\
         ```sh\ncargo run --release --locked -p bench -- {}\n```\n",
        said_by("date", &["-u", "+%F %T UTC"])?,
        said_by("git", &["describe", "--always", "--dirty"])?,
        arguments.join(" "),
    ))
}

fn raw_csv(samples: &[Sample]) -> String {
    let mut text = format!("{HEADER}\n");
    for sample in samples {
        // Writing to a string can't fail.
        let _ = writeln!(text, "{}", sample.to_csv());
    }
    text
}

fn processor() -> Result<String> {
    let text = fs::read_to_string("/proc/cpuinfo")?;
    let name = text.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    Ok(name.map_or_else(|| "unknown processor".to_owned(), |(_, name)| name.trim().to_owned()))
}

/// The first line that a command prints.
pub(crate) fn said_by(command: &str, arguments: &[&str]) -> Result<String> {
    let output = Command::new(command).args(arguments).output().context(command.to_owned())?;
    ensure!(output.status.success(), "{command} {arguments:?} ended with {}", output.status);
    let text = String::from_utf8_lossy(&output.stdout);
    Ok(text.lines().next().unwrap_or_default().to_owned())
}

/// Lower-case words joined by hyphens.
fn slug(text: &str) -> String {
    let text = text.replace("(R)", "").replace("(TM)", "").to_lowercase();
    let words = text.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
    words.collect::<Vec<_>>().join("-")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_machine_becomes_a_folder_name() {
        assert_eq!(slug("Intel(R) Xeon(R) Processor 2 cores"), "intel-xeon-processor-2-cores");
    }
}
