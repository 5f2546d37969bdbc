//! An open-loop sender: requests leave by the clock, whether or not the earlier ones came back.
//!
//! A closed loop (wrk) waits for an answer before it asks again, so a server that stalls is asked
//! less while it stalls, and the stall is counted once instead of for each client it would have hit
//! ("coordinated omission"). Here each request has a time at which it is due, and its latency
//! counts from then, even if its connection was still waiting for an earlier answer.

use std::cell::RefCell;
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, ensure};
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
    /// Address of the server.
    #[arg(long, default_value = "127.0.0.1:8888")]
    pub(crate) server: SocketAddr,
    /// Requests per second, over all connections.
    #[arg(long)]
    pub(crate) rate: u32,
    /// Connections, each with at most one request on its way.
    #[arg(long, default_value_t = 64)]
    pub(crate) connections: u32,
    /// Length of the run in seconds.
    #[arg(long, default_value_t = 10)]
    pub(crate) seconds: u64,
    /// Users are drawn from user-0000001 to this one.
    #[arg(long, default_value_t = 1_000_000)]
    pub(crate) users: u64,
    /// Core that the sender is pinned to.
    #[arg(long, default_value_t = 1)]
    pub(crate) core: usize,
    /// How long each answer is worth having, in milliseconds, as the request says.
    #[arg(long)]
    pub(crate) deadline_ms: Option<u32>,
    /// Leave out what is still due at the end of the run.
    #[arg(long)]
    pub(crate) cut_off: bool,
}

/// What came back.
#[derive(Debug)]
pub(crate) struct Outcome {
    /// From the time a request was due to the end of its answer, in microseconds.
    pub(crate) latency_us: Histogram<u64>,
    /// The same of answers with status 200 alone.
    pub(crate) good_latency_us: Histogram<u64>,
    /// The same of answers with status 429 alone.
    pub(crate) shed_latency_us: Histogram<u64>,
    /// Answers with a status other than 200.
    pub(crate) refused: u64,
    /// Connections that ended before their time.
    pub(crate) broken: u64,
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

/// Sends on a pinned executor of its own and waits for the end of the run.
pub(crate) fn send(args: &OpenLoopArgs) -> Result<Outcome> {
    ensure!(args.rate >= args.connections, "a rate below one request a second per connection");
    let args = args.clone();
    LocalExecutorBuilder::new(Placement::Fixed(args.core))
        .name("open-loop")
        .preempt_timer(Duration::from_millis(1))
        .spawn(move || send_all(args))
        .and_then(glommio::ExecutorJoinHandle::join)
        .map_err(|error| anyhow!("the sender didn't run: {error}"))?
}

async fn send_all(args: OpenLoopArgs) -> Result<Outcome> {
    let histogram = Histogram::new_with_bounds(1, LATENCY_US_MAX, 3)?;
    let outcome = Rc::new(RefCell::new(Outcome {
        good_latency_us: histogram.clone(),
        shed_latency_us: histogram.clone(),
        latency_us: histogram,
        refused: 0,
        broken: 0,
    }));
    let streams = connect(&args).await?;
    let interval = Duration::from_secs(1) / args.rate * args.connections;
    let deadline = args.deadline_ms.map(|limit_ms| format!("x-deadline-ms: {limit_ms}\r\n"));
    let start = Instant::now();
    let senders: Vec<_> = (0..args.connections)
        .zip(streams)
        .map(|(index, stream)| {
            let outcome = Rc::clone(&outcome);
            let mut connection = Connection {
                stream,
                random: Random::new(u64::from(index)),
                users: args.users,
                fields: deadline.clone().unwrap_or_default(),
                answer: vec![0; ANSWER_BYTES_MAX],
                cut_off: args.cut_off,
            };
            // Spread over the interval, so that connections don't send in step.
            let first = start + Duration::from_secs(1) / args.rate * index;
            let end = start + Duration::from_secs(args.seconds);
            glommio::spawn_local(async move {
                if connection.send_by_the_clock(first, interval, end, &outcome).await.is_err() {
                    outcome.borrow_mut().broken += 1;
                }
            })
        })
        .collect();
    for sender in senders {
        sender.await;
    }
    Rc::into_inner(outcome).map(RefCell::into_inner).context("a sender outlived the run")
}

/// Connects, many at a time: a server may close those that are idle while the rest are made.
async fn connect(args: &OpenLoopArgs) -> Result<Vec<TcpStream>> {
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
    cut_off: bool,
}

impl Connection {
    async fn send_by_the_clock(
        &mut self,
        first: Instant,
        interval: Duration,
        end: Instant,
        outcome: &RefCell<Outcome>,
    ) -> io::Result<()> {
        self.stream.set_nodelay(true).map_err(io::Error::from)?;
        let mut due = first;
        while due < end && !(self.cut_off && Instant::now() >= end) {
            let early = due.saturating_duration_since(Instant::now());
            if !early.is_zero() {
                glommio::timer::sleep(early).await;
            }
            let status = self.ask().await?;
            let latency_us = due.elapsed().as_micros() as u64;
            let mut outcome = outcome.borrow_mut();
            outcome.latency_us.saturating_record(latency_us);
            outcome.refused += u64::from(status != 200);
            match status {
                200 => outcome.good_latency_us.saturating_record(latency_us),
                429 => outcome.shed_latency_us.saturating_record(latency_us),
                _ => {}
            }
            drop(outcome);
            due += interval;
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
