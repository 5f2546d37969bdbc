//! An open-loop sender: requests leave by the clock, whether or not the earlier ones came back.
//!
//! A closed loop (wrk) waits for an answer before it asks again, so a server that stalls is asked
//! less while it stalls, and the stall is counted once instead of for each client it would have hit
//! ("coordinated omission"). Here each request has a time at which it is due, and its latency
//! counts from then, even if all connections were still waiting for earlier answers.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::process::Command;
use std::rc::Rc;
use std::time::{Duration, Instant};
use std::{fs, io};

use anyhow::{Context, Result, anyhow};
use futures_lite::{AsyncReadExt, AsyncWriteExt};
use glommio::net::TcpStream;
use glommio::sync::Semaphore;
use glommio::{LocalExecutorBuilder, Placement};
use hdrhistogram::Histogram;

use crate::command::run_to_end;
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
    /// Take the connection that was unused for longest, as many clients with one each would; else
    /// the one that was used last, as proxies do.
    #[arg(long)]
    pub(crate) spread: bool,
    /// Of so many requests, one asks for reasons; its latency is printed apart from the others'.
    #[arg(long, value_name = "COUNT")]
    pub(crate) explain_every: Option<u64>,
    /// Come before all else on that core, by `chrt`, which takes root: where what the server asks
    /// runs there too, requests would leave late.
    #[arg(long)]
    pub(crate) real_time: bool,
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
    /// The latency of answers with reasons; they are in none of the others.
    explained_us: Histogram<u64>,
    /// The same of answers with status 429 alone.
    pub(crate) shed_latency_us: Histogram<u64>,
    /// Answers with a status other than 200.
    pub(crate) refused: u64,
    /// What arrived in each second from the start on.
    pub(crate) seconds: Vec<Answers>,
    /// Connections that ended before their time.
    pub(crate) broken: u64,
    /// When all were connected and the first request was due.
    pub(crate) start: Instant,
    /// From the start to the last answer.
    pub(crate) elapsed: Duration,
}

/// How many answers arrived, by status.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Answers {
    /// 200.
    pub(crate) good: u64,
    /// 429.
    pub(crate) shed: u64,
    /// Any other.
    pub(crate) other: u64,
}

impl Outcome {
    fn new() -> Result<Self> {
        let histogram = Histogram::new_with_bounds(1, LATENCY_US_MAX, 3)?;
        Ok(Self {
            late_us: histogram.clone(),
            good_latency_us: histogram.clone(),
            explained_us: histogram.clone(),
            shed_latency_us: histogram.clone(),
            latency_us: histogram,
            refused: 0,
            seconds: Vec::new(),
            broken: 0,
            start: Instant::now(),
            elapsed: Duration::ZERO,
        })
    }

    /// Counts an answer with this status, in the second in which it arrived.
    fn record(&mut self, status: u16, second: usize, latency_us: u64, late_us: u64) {
        self.latency_us.saturating_record(latency_us);
        self.late_us.saturating_record(late_us);
        self.refused += u64::from(status != 200);
        if self.seconds.len() <= second {
            self.seconds.resize(second + 1, Answers::default());
        }
        let answers = &mut self.seconds[second];
        match status {
            200 => {
                answers.good += 1;
                self.good_latency_us.saturating_record(latency_us);
            }
            429 => {
                answers.shed += 1;
                self.shed_latency_us.saturating_record(latency_us);
            }
            _ => answers.other += 1,
        }
    }
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
    let explained = &outcome.explained_us;
    if !explained.is_empty() {
        let [p50, p99] = [0.5, 0.99].map(|quantile| explained.value_at_quantile(quantile));
        println!("{} with reasons: p50 {p50} us, p99 {p99} us", explained.len());
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
    if args.real_time {
        come_first()?;
    }
    let connections = connect(&args).await?;
    let outcome = Outcome::new()?;
    let sender = Rc::new(Sender {
        start: outcome.start,
        free: RefCell::new(connections),
        returns: Semaphore::new(u64::from(args.connections)),
        sent: Cell::new(0),
        outcome: RefCell::new(outcome),
    });
    let mut left = u64::from(args.connections);
    for due_ns in due_ns {
        if cut_off.is_some_and(|length| sender.start.elapsed() >= length) {
            break;
        }
        let due = sender.start + Duration::from_nanos(due_ns);
        let early = due.saturating_duration_since(Instant::now());
        if !early.is_zero() {
            glommio::timer::sleep(early).await;
        }
        let Some(connection) = sender.take(args.spread, &mut left).await? else { break };
        let sender = Rc::clone(&sender);
        glommio::spawn_local(async move { sender.send(connection, due).await }).detach();
        glommio::yield_if_needed().await;
    }
    sender.returns.acquire(left).await.map_err(io::Error::from)?;
    let sender = Rc::into_inner(sender).context("a request outlived the run")?;
    let mut outcome = sender.outcome.into_inner();
    outcome.elapsed = sender.start.elapsed();
    Ok(outcome)
}

/// Gives this thread a real-time priority.
fn come_first() -> Result<()> {
    let thread = fs::read_link("/proc/thread-self").context("/proc/thread-self")?;
    let thread = thread.file_name().context("/proc/thread-self names no thread")?;
    run_to_end(Command::new("chrt").args(["--fifo", "--pid", "1"]).arg(thread))
}

/// The connections, and what came back on them.
struct Sender {
    start: Instant,
    /// Those without a request, the one that was used last at the end.
    free: RefCell<VecDeque<Connection>>,
    /// As many as have come back, or broken: one is taken for each that is.
    returns: Semaphore,
    /// How many requests were sent.
    sent: Cell<u64>,
    outcome: RefCell<Outcome>,
}

impl Sender {
    /// A connection without a request, as soon as there is one; `None` where all have broken. `left`
    /// is how many have not.
    async fn take(&self, spread: bool, left: &mut u64) -> io::Result<Option<Connection>> {
        while *left > 0 {
            self.returns.acquire(1).await.map_err(io::Error::from)?;
            let mut free = self.free.borrow_mut();
            let taken = if spread { free.pop_front() } else { free.pop_back() };
            if taken.is_some() {
                return Ok(taken);
            }
            *left -= 1;
        }
        Ok(None)
    }

    /// Whether the next request is the one of so many that asks for reasons.
    fn is_one_of(&self, every: u64) -> bool {
        let number = self.sent.get();
        self.sent.set(number + 1);
        number.is_multiple_of(every)
    }

    /// Sends a request that was due, and records what came of it.
    async fn send(self: Rc<Self>, mut connection: Connection, due: Instant) {
        let late_us = due.elapsed().as_micros() as u64;
        let is_explained = connection.explain_every.is_some_and(|every| self.is_one_of(every));
        let asked = connection.ask(is_explained).await;
        let latency_us = due.elapsed().as_micros() as u64;
        let mut outcome = self.outcome.borrow_mut();
        match asked {
            Ok(200) if is_explained => {
                outcome.explained_us.saturating_record(latency_us);
                self.free.borrow_mut().push_back(connection);
            }
            Ok(status) => {
                let second = self.start.elapsed().as_secs() as usize;
                outcome.record(status, second, latency_us, late_us);
                self.free.borrow_mut().push_back(connection);
            }
            Err(_) => outcome.broken += 1,
        }
        self.returns.signal(1);
    }
}

/// Connects, many at a time: a server may close those that are idle while the rest are made.
async fn connect(args: &SenderArgs) -> Result<VecDeque<Connection>> {
    let mut connections = VecDeque::new();
    let deadline = args.deadline_ms.map(|limit_ms| format!("x-deadline-ms: {limit_ms}\r\n"));
    while connections.len() < args.connections as usize {
        let count = CONNECTING_MAX.min(args.connections as usize - connections.len());
        let server = args.server;
        let connecting: Vec<_> =
            (0..count).map(|_| glommio::spawn_local(TcpStream::connect(server))).collect();
        for stream in connecting {
            let stream = stream.await.map_err(io::Error::from);
            let stream = stream.with_context(|| format!("can't connect to {server}"))?;
            stream.set_nodelay(true).map_err(io::Error::from)?;
            connections.push_back(Connection {
                stream,
                random: Random::new(connections.len() as u64),
                users: args.users,
                fields: deadline.clone().unwrap_or_default(),
                explain_every: args.explain_every,
                answer: vec![0; ANSWER_BYTES_MAX],
            });
        }
    }
    Ok(connections)
}

struct Connection {
    stream: TcpStream,
    random: Random,
    users: u64,
    /// Further header lines.
    fields: String,
    explain_every: Option<u64>,
    answer: Vec<u8>,
}

impl Connection {
    /// Asks for a random user's score, and its reasons if `is_explained`; returns the status of the answer.
    async fn ask(&mut self, is_explained: bool) -> io::Result<u16> {
        let user = user_id(1 + self.random.below(self.users));
        let option = if is_explained { ", \"explain\": 4" } else { "" };
        let body = format!("{{\"user_id\": \"{user}\"{option}}}");
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
