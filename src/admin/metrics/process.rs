//! The process's figures, from `/proc/self`.

use std::fs;

use super::text::{Exposition, Kind};

/// Ticks of `/proc`'s clock in a second: a constant of Linux's interface to programs.
const TICKS_PER_S: f64 = 100.0;
/// Bytes of a page on every machine that the gateway is built for.
const PAGE_BYTES: u64 = 4_096;

/// Writes them; where `/proc` does not say, nothing.
pub(super) fn write(text: &mut Exposition) {
    if let Some(stat) = read_stat("/proc/self/stat") {
        text.family("process_cpu_seconds_total", Kind::Counter, "CPU time, user and system.");
        text.value(&[], stat.cpu_s);
        text.family("process_threads", Kind::Gauge, "Threads.");
        text.count(&[], stat.threads);
        text.family("process_virtual_memory_bytes", Kind::Gauge, "Virtual memory.");
        text.count(&[], stat.virtual_bytes);
        text.family("process_resident_memory_bytes", Kind::Gauge, "Resident memory.");
        text.count(&[], stat.resident_bytes);
        if let Some(boot_s) = boot_time_s() {
            let help = "Start, in seconds since 1970.";
            text.family("process_start_time_seconds", Kind::Gauge, help);
            text.value(&[], boot_s + stat.start_s);
        }
    }
    if let Some(open) = open_files() {
        text.family("process_open_fds", Kind::Gauge, "Open file descriptors.");
        text.count(&[], open);
    }
    if let Some(limit) = open_files_max() {
        text.family("process_max_fds", Kind::Gauge, "File descriptors that may be open.");
        text.count(&[], limit);
    }
}

/// CPU time of one thread in seconds; `None` where the kernel does not say.
pub(crate) fn thread_cpu_s(thread_id: u64) -> Option<f64> {
    let folder = format!("/proc/self/task/{thread_id}");
    // The scheduler's own account is in ns; without it, ticks have to do.
    let exact = fs::read_to_string(format!("{folder}/schedstat")).ok();
    let exact = exact.and_then(|line| line.split(' ').next()?.parse::<u64>().ok());
    match exact {
        Some(running_ns) if running_ns > 0 => Some(running_ns as f64 / 1e9),
        _ => read_stat(&format!("{folder}/stat")).map(|stat| stat.cpu_s),
    }
}

struct Stat {
    cpu_s: f64,
    threads: u64,
    start_s: f64,
    virtual_bytes: u64,
    resident_bytes: u64,
}

fn read_stat(path: &str) -> Option<Stat> {
    parse_stat(&fs::read_to_string(path).ok()?)
}

/// Reads the fields behind the name, which is in parentheses and may hold anything (proc(5)).
fn parse_stat(line: &str) -> Option<Stat> {
    let (_, fields) = line.rsplit_once(") ")?;
    let fields: Vec<&str> = fields.split_ascii_whitespace().collect();
    // proc(5) numbers the fields from 1; the state, its third, is the first here.
    let field = |number: usize| fields.get(number - 3)?.parse::<u64>().ok();
    Some(Stat {
        cpu_s: (field(14)? + field(15)?) as f64 / TICKS_PER_S,
        threads: field(20)?,
        start_s: field(22)? as f64 / TICKS_PER_S,
        virtual_bytes: field(23)?,
        resident_bytes: field(24)? * PAGE_BYTES,
    })
}

fn boot_time_s() -> Option<f64> {
    let stat = fs::read_to_string("/proc/stat").ok()?;
    stat.lines().find_map(|line| line.strip_prefix("btime "))?.parse().ok()
}

/// How many files are open. The folder's size says so since Linux 6.2; to list 15,000 takes some 6 ms
/// of a core that may be a shard's.
fn open_files() -> Option<u64> {
    match fs::metadata("/proc/self/fd").ok()?.len() {
        0 => listed_files(),
        open => Some(open),
    }
}

fn listed_files() -> Option<u64> {
    Some(fs::read_dir("/proc/self/fd").ok()?.count() as u64)
}

fn open_files_max() -> Option<u64> {
    let limits = fs::read_to_string("/proc/self/limits").ok()?;
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"))?;
    line.split_ascii_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use std::fs::File;

    use super::{listed_files, open_files, parse_stat, read_stat};

    #[test]
    fn files_are_counted_as_a_list_of_them_would_be() {
        let open = |_| File::open("/proc/self/stat").expect("Linux");
        let files: Vec<File> = (0..500).map(open).collect();
        for count in [open_files, listed_files] {
            let counted = count().expect("Linux");
            assert!((500..1_000).contains(&counted), "{counted}");
        }
        drop(files);
    }

    #[test]
    fn a_name_with_parentheses_does_not_shift_the_fields() {
        let numbers = (4..=52).map(|number| number.to_string()).collect::<Vec<_>>().join(" ");
        let stat = parse_stat(&format!("7 (a) b) R {numbers}")).expect("well-formed");
        assert!((stat.cpu_s - 0.29).abs() < 1e-9);
        assert_eq!((stat.threads, stat.virtual_bytes), (20, 23));
        assert!(parse_stat("7 (a").is_none());
    }

    #[test]
    fn this_process_has_a_thread() {
        assert!(read_stat("/proc/self/stat").expect("Linux").threads >= 1);
    }
}
