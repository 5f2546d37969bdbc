//! `bench overload`: goodput and memory of a running server, from a load that it can answer to
//! several times that.
//!
//! The load is open: requests leave by the clock on many connections, so that those which wait for
//! an answer do not keep the next from leaving. Goodput is what was answered with 200; everything
//! else is to be refused at once, so that the latency of a 429 is told beside that of an answer.
//! Both count from the time at which the request was due.
//!
//! Answers count in the second in which they arrive, after a warm-up and not after the last request:
//! else a queue would count as answered that was only filled, or drained when the load had gone.
//!
//! A machine that others share is now slower, now faster, by more than what is looked for. So the
//! rates take turns for some rounds, and what is said of a rate in the end are its shares of the best
//! of each round: of the goodput, and of the part of its time that the shard gave the model. The
//! latter leaves out how fast the machine was, as what is not the model's time is what refusals and
//! all else took.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow};
use hdrhistogram::Histogram;

use crate::compare::Spread;
use crate::metrics;
use crate::open_loop::{self, Answers, OpenLoopArgs, SenderArgs};

/// Between two looks at what the server has counted.
const READING_PAUSE: Duration = Duration::from_millis(100);

/// What is sent where.
#[derive(Debug, clap::Args)]
pub(crate) struct OverloadArgs {
    /// Address of the server.
    #[arg(long, default_value = "127.0.0.1:8888")]
    server: SocketAddr,
    /// Its process, whose memory is looked at.
    #[arg(long)]
    pid: u32,
    /// Its admin port, which says how much of its time the model had; it is to have one shard.
    #[arg(long, default_value = "127.0.0.1:9888")]
    admin: SocketAddr,
    /// Requests per second, one after the other.
    #[arg(long, value_delimiter = ',', required = true)]
    rates: Vec<u32>,
    /// How often each rate has its turn.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,
    /// Connections, each with at most one request on its way.
    #[arg(long, default_value_t = 8_192)]
    connections: u32,
    /// Seconds of each rate in which answers count.
    #[arg(long, default_value_t = 8)]
    seconds: u64,
    /// Seconds of each rate before that, in which queues fill.
    #[arg(long, default_value_t = 2)]
    warm_up_seconds: u64,
    /// Users are drawn from user-0000001 to this one.
    #[arg(long, default_value_t = 1_000_000)]
    users: u64,
    /// Core that the sender is pinned to.
    #[arg(long, default_value_t = 1)]
    core: usize,
    /// How long each answer is worth having, in milliseconds, as the requests say.
    #[arg(long)]
    deadline_ms: Option<u32>,
    /// Take the connection that was unused for longest, as many clients with one each would; else
    /// the one that was used last, as proxies do.
    #[arg(long)]
    spread: bool,
}

/// What a rate is compared by.
#[derive(Debug, Clone, Copy)]
struct Achieved {
    /// Good answers a second.
    good: f64,
    /// The part of the time that the model had.
    model: f64,
}

/// Sends at each rate, and prints a table of them and one of their shares of the best.
pub(crate) fn run(args: &OverloadArgs) -> Result<()> {
    println!(
        "| offered/s | 200/s | 429/s | others/s | the model's time | p50 of 200 | p99 of 200 \
         | p50 of 429 | p99 of 429 | p99 of all | left late, p99 | broken | memory |"
    );
    println!("|---|---|---|---|---|---|---|---|---|---|---|---|---|");
    let mut rounds: Vec<Vec<Achieved>> = Vec::new();
    for _ in 0..args.rounds {
        let round: Result<_> = args.rates.iter().map(|rate| send(args, *rate)).collect();
        rounds.push(round?);
    }
    println!(
        "\n| offered/s | goodput, of the round's best | the model's time, of the round's most |"
    );
    println!("|---|---|---|");
    for (place, rate) in args.rates.iter().enumerate() {
        let good = shares(&rounds, place, |achieved| achieved.good);
        println!("| {rate} | {good} | {} |", shares(&rounds, place, |achieved| achieved.model));
    }
    Ok(())
}

/// What the rate at a place had of the best in each round: the median, the least and the most.
fn shares(rounds: &[Vec<Achieved>], place: usize, of: fn(&Achieved) -> f64) -> String {
    let share =
        |round: &Vec<Achieved>| of(&round[place]) / round.iter().map(of).fold(0.0, f64::max);
    Spread::of(rounds.iter().map(share)).text(2)
}

/// Sends at one rate, and prints its line.
fn send(args: &OverloadArgs, rate: u32) -> Result<Achieved> {
    let sender = SenderArgs {
        server: args.server,
        // One that sends less than once a second says little of the rate.
        connections: args.connections.min(rate),
        users: args.users,
        core: args.core,
        deadline_ms: args.deadline_ms,
        spread: args.spread,
        explain_every: None,
        real_time: false,
    };
    let seconds = args.warm_up_seconds + args.seconds;
    let sent = AtomicBool::new(false);
    let (outcome, readings) = std::thread::scope(|scope| {
        let reader = scope.spawn(|| model_readings(args.admin, &sent));
        let outcome = open_loop::send(&OpenLoopArgs { rate, seconds, cut_off: true, sender });
        sent.store(true, Ordering::Relaxed);
        (outcome, reader.join())
    });
    let outcome = outcome?;
    let readings = readings.map_err(|_| anyhow!("the reader of metrics panicked"))??;
    let counted = outcome.seconds.iter().skip(args.warm_up_seconds as usize);
    let counted: Vec<_> = counted.take(args.seconds as usize).collect();
    let per_second = |count: fn(&Answers) -> u64| {
        counted.iter().map(|answers| count(answers)).sum::<u64>() as f64 / args.seconds as f64
    };
    let from = outcome.start + Duration::from_secs(args.warm_up_seconds);
    let achieved = Achieved {
        good: per_second(|answers| answers.good),
        model: model_share(&readings, from, from + Duration::from_secs(args.seconds)),
    };
    let (good, shed) = (&outcome.good_latency_us, &outcome.shed_latency_us);
    println!(
        "| {rate} | {:.0} | {:.0} | {:.0} | {:.1} % | {} | {} | {} | {} | {} | {} | {} | {:.1} MiB |",
        achieved.good,
        per_second(|answers| answers.shed),
        per_second(|answers| answers.other),
        achieved.model * 100.0,
        quantile(good, 0.5),
        quantile(good, 0.99),
        quantile(shed, 0.5),
        quantile(shed, 0.99),
        quantile(&outcome.latency_us, 0.99),
        quantile(&outcome.late_us, 0.99),
        outcome.broken,
        memory_mib(args.pid)?,
    );
    Ok(achieved)
}

/// How many seconds the model has been computed, at some times until all was sent.
#[expect(clippy::disallowed_methods, reason = "no shard here: a thread beside the sender")]
fn model_readings(admin: SocketAddr, sent: &AtomicBool) -> Result<Vec<(Instant, f64)>> {
    let mut readings = Vec::new();
    while !sent.load(Ordering::Relaxed) {
        let text = metrics::read(admin)?;
        let phases = metrics::samples(&text, "shardgate_batch_seconds_total");
        let model = phases.filter(|(labels, _)| labels.contains("phase=\"model\""));
        readings.push((Instant::now(), model.map(|(_, seconds)| seconds).sum()));
        std::thread::sleep(READING_PAUSE);
    }
    Ok(readings)
}

/// The part of the time that the model had, by the readings between two times.
fn model_share(readings: &[(Instant, f64)], from: Instant, to: Instant) -> f64 {
    let within: Vec<_> = readings.iter().filter(|(at, _)| (from..=to).contains(at)).collect();
    let [(first, before), .., (last, after)] = within.as_slice() else { return f64::NAN };
    (after - before) / (*last - *first).as_secs_f64()
}

/// A quantile in ms; a dash where there was no such answer.
fn quantile(latency_us: &Histogram<u64>, at: f64) -> String {
    match latency_us.len() {
        0 => "–".to_owned(),
        _ => format!("{:.1} ms", latency_us.value_at_quantile(at) as f64 / 1e3),
    }
}

/// Resident memory of a process.
fn memory_mib(pid: u32) -> Result<f64> {
    let path = format!("/proc/{pid}/status");
    let status = std::fs::read_to_string(&path).with_context(|| format!("can't read {path}"))?;
    let kib = status
        .lines()
        .find_map(|line| {
            line.strip_prefix("VmRSS:")?.trim().strip_suffix(" kB")?.parse::<f64>().ok()
        })
        .with_context(|| format!("{path} has no VmRSS"))?;
    Ok(kib / 1_024.0)
}
