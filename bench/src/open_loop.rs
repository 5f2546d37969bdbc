//! An open-loop sender: requests leave by the clock, whether or not the earlier ones came back.
//!
//! A closed loop (wrk) waits for an answer before it asks again, so a server that stalls is asked
//! less while it stalls, and the stall is counted once instead of for each client it would have hit
//! ("coordinated omission"). Here each request has a time at which it is due, and its latency
//! counts from then, even if all connections were still waiting for earlier answers.

use std::cell::RefCell;
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow};
use futures_lite::{AsyncReadExt, AsyncWriteExt};
use glommio::net::TcpStream;
use glommio::{LocalExecutorBuilder, Placement};
use hdrhistogram::Histogram;

use crate::generate::user_id;
use crate::random::Random;

const LATENCY_US_MAX: u64 = 60_000_000;
/// How many connections are begun at once; a listener's queue holds more.
const CONNECTING_MAX: usize = 256;
const ANSWER_BYTES_MAX: usize = 16 * 1024;

/// What is sent where, how often and for how long.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct OpenLoopArgs {
    /// Requests per second, over all connections.
    #[arg(long)]
    pub(crate) rate: u32,
    /// Length of the run in seconds.
    #[arg(long, default_value_t = 10)]
    pub(crate) seconds: u64,
    /// Leave out what is still due at the end of the run.
    #[arg(long)]
    pub(crate) cut_off: bool,
    /// Who sends.
    #[command(flatten)]
    pub(crate) sender: SenderArgs,
}

/// Who sends, whenever a request is due.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct SenderArgs {
    /// Address of the server.
    #[arg(long, default_value = "127.0.0.1:8888")]
    pub(crate) server: SocketAddr,
    /// Connections, each with at most one request on its way.
    #[arg(long, default_value_t = 64)]
    pub(crate) connections: u32,
    /// Users are drawn from user-0000001 to this one.
    #[arg(long, default_value_t = 1_000_000)]
    pub(crate) users: u64,
    /// Core that the sender is pinned to.
    #[arg(long, default_value_t = 1)]
    pub(crate) core: usize,
    /// How long each answer is worth having, in milliseconds, as the request says.
    #[arg(long)]
    pub(crate) deadline_ms: Option<u32>,
}

/// What came back.
#[derive(Debug)]
pub(crate) struct Outcome {
    /// From the time a request was due to the end of its answer, in microseconds.
    pub(crate) latency_us: Histogram<u64>,
    /// From the time a request was due to its leaving: the sender's own part of the above, or the
    /// wait for a connection.
    pub(crate) late_us: Histogram<u64>,
    /// The latency of answers with status 200 alone.
    pub(crate) good_latency_us: Histogram<u64>,
    /// The same of answers with status 429 alone.
    pub(crate) shed_latency_us: Histogram<u64>,
    /// Answers with a status other than 200.
    pub(crate) refused: u64,
    /// Connections that ended before their time.
    pub(crate) broken: u64,
    /// From the start to the last answer.
    pub(crate) elapsed: Duration,
}

/// Sends, and prints what came back.
pub(crate) fn run(args: &OpenLoopArgs) -> Result<()> {
    let outcome = send(args)?;
    let latency = &outcome.latency_us;
    println!(
        "{} of {} answers in {} s, {} not 200, {} connections broken",
        latency.len(),
        u64::from(args.rate) * args.seconds,
        args.seconds,
        outcome.refused,
        outcome.broken,
    );
    for quantile in [0.5, 0.9, 0.99, 0.999, 1.0] {
        println!("p{:<5} {:>8} us", quantile * 100.0, latency.value_at_quantile(quantile));
    }
    Ok(())
}

/// Sends at a fixed rate.
pub(crate) fn send(args: &OpenLoopArgs) -> Result<Outcome> {
    let rate = u64::from(args.rate);
    let due_ns = (0..rate * args.seconds).map(move |number| number * 1_000_000_000 / rate);
    let cut_off = args.cut_off.then(|| Duration::from_secs(args.seconds));
    send_at(&args.sender, due_ns, cut_off)
}

/// Sends when requests are due, in ns from the start and ascending, on a pinned executor of its
/// own; waits for the last answer. What is still due after `cut_off` is left out.
pub(crate) fn send_at(
    args: &SenderArgs,
    due_ns: impl Iterator<Item = u64> + Send + 'static,
    cut_off: Option<Duration>,
) -> Result<Outcome> {
    let args = args.clone();
    LocalExecutorBuilder::new(Placement::Fixed(args.core))
        .name("open-loop")
        .preempt_timer(Duration::from_millis(1))
        .spawn(move || send_all(args, due_ns, cut_off))
        .and_then(glommio::ExecutorJoinHandle::join)
        .map_err(|error| anyhow!("the sender didn't run: {error}"))?
}

async fn send_all(
    args: SenderArgs,
    due_ns: impl Iterator<Item = u64> + 'static,
    cut_off: Option<Duration>,
) -> Result<Outcome> {
    let histogram = Histogram::new_with_bounds(1, LATENCY_US_MAX, 3)?;
    let outcome = Rc::new(RefCell::new(Outcome {
        late_us: histogram.clone(),
        good_latency_us: histogram.clone(),
        shed_latency_us: histogram.clone(),
        latency_us: histogram,
        refused: 0,
        broken: 0,
        elapsed: Duration::ZERO,
    }));
    let streams = connect(&args).await?;
    let deadline = args.deadline_ms.map(|limit_ms| format!("x-deadline-ms: {limit_ms}\r\n"));
    let start = Instant::now();
    let end = cut_off.map(|length| start + length);
    let schedule = Rc::new(Schedule { start, end, due_ns: RefCell::new(due_ns) });
    let senders: Vec<_> = (0..args.connections)
        .zip(streams)
        .map(|(index, stream)| {
            let (outcome, schedule) = (Rc::clone(&outcome), Rc::clone(&schedule));
            let mut connection = Connection {
                stream,
                random: Random::new(u64::from(index)),
                users: args.users,
                fields: deadline.clone().unwrap_or_default(),
                answer: vec![0; ANSWER_BYTES_MAX],
            };
            glommio::spawn_local(async move {
                if connection.send_by_the_clock(&schedule, &outcome).await.is_err() {
                    outcome.borrow_mut().broken += 1;
                }
            })
        })
        .collect();
    for sender in senders {
        sender.await;
    }
    outcome.borrow_mut().elapsed = start.elapsed();
    Rc::into_inner(outcome).map(RefCell::into_inner).context("a sender outlived the run")
}

/// When requests are due. Whichever connection is free takes the next one.
struct Schedule<I> {
    start: Instant,
    /// Nothing is sent any more.
    end: Option<Instant>,
    /// From the start.
    due_ns: RefCell<I>,
}

impl<I: Iterator<Item = u64>> Schedule<I> {
    fn next_due(&self) -> Option<Instant> {
        if self.end.is_some_and(|end| Instant::now() >= end) {
            return None;
        }
        let due_ns = self.due_ns.borrow_mut().next()?;
        Some(self.start + Duration::from_nanos(due_ns))
    }
}

/// Connects, many at a time: a server may close those that are idle while the rest are made.
async fn connect(args: &SenderArgs) -> Result<Vec<TcpStream>> {
    let mut streams = Vec::new();
    while streams.len() < args.connections as usize {
        let count = CONNECTING_MAX.min(args.connections as usize - streams.len());
        let server = args.server;
        let connecting: Vec<_> =
            (0..count).map(|_| glommio::spawn_local(TcpStream::connect(server))).collect();
        for stream in connecting {
            let stream = stream.await.map_err(io::Error::from);
            streams.push(stream.with_context(|| format!("can't connect to {server}"))?);
        }
    }
    Ok(streams)
}

struct Connection {
    stream: TcpStream,
    random: Random,
    users: u64,
    /// Further header lines.
    fields: String,
    answer: Vec<u8>,
}

impl Connection {
    async fn send_by_the_clock<I: Iterator<Item = u64>>(
        &mut self,
        schedule: &Schedule<I>,
        outcome: &RefCell<Outcome>,
    ) -> io::Result<()> {
        self.stream.set_nodelay(true).map_err(io::Error::from)?;
        while let Some(due) = schedule.next_due() {
            let early = due.saturating_duration_since(Instant::now());
            if !early.is_zero() {
                glommio::timer::sleep(early).await;
            }
            let late_us = due.elapsed().as_micros() as u64;
            let status = self.ask().await?;
            let latency_us = due.elapsed().as_micros() as u64;
            let mut outcome = outcome.borrow_mut();
            outcome.latency_us.saturating_record(latency_us);
            outcome.late_us.saturating_record(late_us);
            outcome.refused += u64::from(status != 200);
            match status {
                200 => outcome.good_latency_us.saturating_record(latency_us),
                429 => outcome.shed_latency_us.saturating_record(latency_us),
                _ => {}
            }
        }
        Ok(())
    }

    /// Asks for a random user's score; returns the status of the answer.
    async fn ask(&mut self) -> io::Result<u16> {
        let body = format!("{{\"user_id\": \"{}\"}}", user_id(1 + self.random.below(self.users)));
        let (length, fields) = (body.len(), &self.fields);
        let request = format!(
            "POST /predict HTTP/1.1\r\nHost: bench\r\nContent-Type: application/json\r\n{fields}\
             Content-Length: {length}\r\n\r\n{body}"
        );
        self.stream.write_all(request.as_bytes()).await?;
        let mut filled = 0;
        loop {
            let read = self.stream.read(&mut self.answer[filled..]).await?;
            if read == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            filled += read;
            if let Some(status) = whole_answer(&self.answer[..filled])? {
                return Ok(status);
            }
        }
    }
}

/// The status of an answer with a stated length; `None` while some of its bytes are missing.
fn whole_answer(input: &[u8]) -> io::Result<Option<u16>> {
    let mut headers = [httparse::EMPTY_HEADER; 32];
    let mut response = httparse::Response::new(&mut headers);
    let httparse::Status::Complete(head) = response.parse(input).map_err(io::Error::other)? else {
        return Ok(None);
    };
    let length: usize = response
        .headers
        .iter()
        .find(|header| header.name.eq_ignore_ascii_case("content-length"))
        .and_then(|header| std::str::from_utf8(header.value).ok()?.parse().ok())
        .ok_or_else(|| io::Error::other("an answer without its length"))?;
    Ok(if input.len() >= head + length { response.code } else { None })
}
