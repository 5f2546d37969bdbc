//! Keeps a run: the exact command and versions, every sample, and the summary.

use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

use super::{Load, Sample};

const FOLDER: &str = "bench/runs";

/// Writes `bench/runs/DATE-MACHINE/{README.md,raw.csv,summary.md,summary.svg}`; a second run of a
/// day gets a number. Returns the folder.
pub(super) fn write(samples: &[Sample], summary: &str, plot: &str) -> Result<PathBuf> {
    let processor = processor()?;
    let cores = std::thread::available_parallelism()?;
    let machine = slug(&format!("{processor} {cores} cores"));
    let name = format!("{}-{machine}", said_by("date", &["-u", "+%F"])?);
    let mut folder = Path::new(FOLDER).join(&name);
    let mut number = 1;
    while folder.exists() {
        number += 1;
        folder.set_file_name(format!("{name}-{number}"));
    }
    fs::create_dir_all(&folder)?;
    fs::write(folder.join("README.md"), readme(&processor, cores.get())?)?;
    fs::write(folder.join("raw.csv"), raw_csv(samples))?;
    fs::write(folder.join("summary.md"), summary)?;
    fs::write(folder.join("summary.svg"), plot)?;
    Ok(folder)
}

fn readme(processor: &str, cores: usize) -> Result<String> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    Ok(format!(
        "# A run of `bench compare`\n\n\
         ```\ncargo run --release -p bench -- {}\n```\n\n\
         | | |\n|---|---|\n\
         | when | {} |\n| commit | {} |\n| processor | {processor}, {cores} cores |\n\
         | kernel | {} |\n| compiler | {} |\n| wrk | {} |\n\n\
         `raw.csv` has every measurement, `summary.md` the medians over the rounds with their \
         range, as `summary.svg` draws them; `bench/servers.toml` and `bench/peers/` at that commit say what ran.\n",
        arguments.join(" "),
        said_by("date", &["-u", "+%F %T UTC"])?,
        said_by("git", &["describe", "--always", "--dirty"])?,
        said_by("uname", &["-sr"])?,
        said_by("rustc", &["--version"])?,
        said_by("sh", &["-c", "wrk -v 2>&1 | head -1"])?,
    ))
}

fn raw_csv(samples: &[Sample]) -> String {
    let mut text = String::from(
        "round,server,connections,rate,requests_per_second,p50_us,p99_us,errors,\
         user_us_per_request,system_us_per_request,beside_us_per_request,memory_mib\n",
    );
    for sample in samples {
        let (connections, rate) = match sample.load {
            Load::Closed { connections } => (connections.to_string(), String::new()),
            Load::Open { rate } => (String::new(), rate.to_string()),
        };
        let figures = &sample.figures;
        // Writing to a string can't fail.
        let _ = writeln!(
            text,
            "{},{},{connections},{rate},{:.1},{:.1},{:.1},{},{:.3},{:.3},{:.3},{:.1}",
            sample.round + 1,
            sample.server,
            figures.requests_per_second,
            figures.p50_us,
            figures.p99_us,
            figures.errors,
            sample.user_us,
            sample.system_us,
            sample.beside_us,
            sample.memory_mib,
        );
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
