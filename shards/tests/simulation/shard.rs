//! A shard in virtual time: one thread that reads, decides, submits, computes and writes.
//!
//! The store works on all batches that are in flight at once. What a batch takes changes as others
//! come and go: it is done when the shares of its time that have passed, each of the time that it
//! takes beside the others in flight, add up to one.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};

use shards::batch::{BatchPolicy, Decision, Estimates, InFlightBatches, Load, QueueView, demand};

use super::costs::{Costs, Drawn};
use crate::random::Random;

/// The rows that a shard lets wait, as its default is.
const QUEUE_ROWS_MAX: usize = 4_096;
/// From an answer to the client's next request: the loopback, and the client's own work.
const CLIENT_NS: f64 = 30_000.0;

/// One in so many requests is not counted, the first ones: a shard that has just started knows
/// nothing yet of what its batches cost, and one that serves for days is what is to be compared.
const NOT_COUNTED: usize = 10;

/// Who sends.
#[derive(Debug, Clone)]
pub(crate) enum Source<'a> {
    /// Requests that come at these times.
    Open(&'a [u64]),
    /// So many clients, each with one request at a time, for so many requests in all.
    Closed { clients: usize, requests: usize },
}

impl Source<'_> {
    fn requests(&self) -> usize {
        match self {
            Self::Open(times) => times.len(),
            Self::Closed { requests, .. } => *requests,
        }
    }
}

/// What came of a run.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Outcome {
    /// Answers a second.
    pub(crate) throughput: f64,
    /// The 99th percentile of the time from arrival to answer, in µs.
    pub(crate) p99_us: f64,
    /// The median, in µs.
    pub(crate) p50_us: f64,
    /// Rows a batch in the mean.
    pub(crate) rows: f64,
}

impl Outcome {
    /// The means of all numbers.
    pub(crate) fn mean(outcomes: &[Self]) -> Self {
        let count = outcomes.len() as f64;
        let zero = Self { throughput: 0.0, p99_us: 0.0, p50_us: 0.0, rows: 0.0 };
        outcomes.iter().fold(zero, |mean, one| Self {
            throughput: mean.throughput + one.throughput / count,
            p99_us: mean.p99_us + one.p99_us / count,
            p50_us: mean.p50_us + one.p50_us / count,
            rows: mean.rows + one.rows / count,
        })
    }
}

/// What happens at a time of its own.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Event {
    Arrived,
    Fetched { number: usize },
}

#[derive(Debug)]
struct Batch {
    started_ns: u64,
    others: usize,
    /// Batches in flight at its start, itself among them, and those that its queue would have made.
    demand: usize,
    arrived_ns: Vec<u64>,
    /// How its computation lies among those recorded.
    quantile: f64,
}

/// A batch that the store works on.
#[derive(Debug)]
struct Fetch {
    number: usize,
    cost: Drawn,
    /// The share of its time that is left.
    left: f64,
}

struct Shard<'a> {
    costs: &'a Costs,
    seed: u64,
    now_ns: u64,
    /// When open-loop requests come, those that have come taken off the front.
    coming_ns: &'a [u64],
    events: BinaryHeap<Reverse<(u64, Event)>>,
    queue: VecDeque<u64>,
    /// Rows that have been taken.
    taken: u64,
    batches: Vec<Option<Batch>>,
    fetches: Vec<Fetch>,
    /// Up to when the store's work is accounted for.
    worked_ns: u64,
    in_flight: InFlightBatches,
    known: Estimates,
    /// Of the answers that count, which came from `counted_from_ns` on.
    latencies_ns: Vec<u64>,
    counted_from_ns: u64,
    /// Answers that are yet to come until they count.
    not_counted: usize,
    /// Requests that closed-loop clients have yet to send.
    to_send: usize,
    client: Random,
}

/// Runs `decide` against `source` until everything is answered or refused.
pub(crate) fn run(
    costs: &Costs,
    source: &Source<'_>,
    seed: u64,
    decide: impl Fn(u64, QueueView, Load, &Estimates) -> Decision,
) -> Outcome {
    let mut shard = Shard {
        costs,
        seed,
        now_ns: 0,
        coming_ns: &[],
        events: BinaryHeap::new(),
        queue: VecDeque::new(),
        taken: 0,
        batches: Vec::new(),
        fetches: Vec::new(),
        worked_ns: 0,
        in_flight: InFlightBatches::default(),
        known: Estimates::default(),
        latencies_ns: Vec::new(),
        counted_from_ns: 0,
        not_counted: source.requests() / NOT_COUNTED,
        to_send: 0,
        client: Random::new(!seed),
    };
    match source {
        Source::Open(times) => shard.coming_ns = times,
        Source::Closed { clients, requests } => {
            shard.to_send = *requests;
            for _ in 0..*clients {
                shard.send_next();
            }
        }
    }
    shard.serve(decide);
    shard.outcome()
}

impl Shard<'_> {
    fn serve(&mut self, decide: impl Fn(u64, QueueView, Load, &Estimates) -> Decision) {
        let mut wake_ns = None;
        loop {
            let moved = self.take_events();
            let due = wake_ns.is_some_and(|time| time <= self.now_ns);
            if moved || due || !self.queue.is_empty() {
                wake_ns = None;
                let oldest_ns = self.queue.front().copied().unwrap_or(0);
                let view = QueueView { rows: self.queue.len(), oldest_ns };
                match decide(self.now_ns, view, self.in_flight.load(), &self.known) {
                    Decision::Run { rows } => {
                        self.start(rows);
                        continue;
                    }
                    Decision::WaitUntil { time_ns } => wake_ns = Some(time_ns),
                    Decision::Sleep | Decision::WaitForCompletion => {}
                }
            }
            let event = self.events.peek().map(|Reverse((time, _))| *time);
            let coming = self.coming_ns.first().copied();
            let fetched = self.next_fetched().map(|(time, _)| self.costs.fetched_ns(time));
            let next = event.into_iter().chain(coming).chain(fetched).chain(wake_ns).min();
            let Some(next) = next else { return };
            self.now_ns = self.now_ns.max(next);
        }
    }

    /// Does everything that is ready: one turn of the loop. What becomes ready meanwhile waits
    /// for the next one.
    fn take_events(&mut self) -> bool {
        let turn_ns = self.now_ns;
        self.work(turn_ns);
        let mut moved = false;
        while let [time_ns, rest @ ..] = self.coming_ns
            && *time_ns <= turn_ns
        {
            self.coming_ns = rest;
            self.read(*time_ns);
            moved = true;
        }
        while self.events.peek().is_some_and(|Reverse((time, _))| *time <= turn_ns)
            && let Some(Reverse((time_ns, event))) = self.events.pop()
        {
            moved = true;
            match event {
                Event::Arrived => self.read(time_ns),
                Event::Fetched { number } => self.finish(number),
            }
        }
        moved
    }

    fn read(&mut self, time_ns: u64) {
        self.now_ns += self.costs.read_ns;
        if self.queue.len() < QUEUE_ROWS_MAX {
            self.known.arrivals.observe(1, self.now_ns);
            self.in_flight.arrive(1);
            self.queue.push_back(time_ns);
        } else {
            self.send_next();
        }
    }

    fn start(&mut self, rows: usize) {
        let waiting = self.queue.len();
        let arrived_ns: Vec<u64> = self.queue.drain(..rows.min(self.queue.len())).collect();
        let started_ns = self.now_ns;
        let (each_batch, each_row) = self.costs.submit_ns;
        self.now_ns += each_batch + each_row * arrived_ns.len() as u64;
        let number = self.batches.len();
        let others = self.in_flight.start(started_ns);
        let demand = demand(others, waiting, &BatchPolicy::default());
        let count = arrived_ns.len();
        let (fetch, compute) = self.luck(count);
        self.batches.push(Some(Batch {
            started_ns,
            others,
            demand,
            arrived_ns,
            quantile: compute,
        }));
        match &self.costs.fetch {
            Some(costs) => {
                let cost = costs.draw(count, fetch);
                self.work(self.now_ns);
                self.fetches.push(Fetch { number, cost, left: 1.0 });
            }
            None => self.finish(number),
        }
    }

    /// How a batch that is taken now lies among the times recorded. It is its first row's luck,
    /// whatever the policy: so policies are held against each other on the same luck.
    fn luck(&mut self, rows: usize) -> (f64, f64) {
        let mut random = Random::new(self.seed ^ self.taken.wrapping_mul(0xD6E8_FEB8_6659_FD93));
        self.taken += rows as u64;
        (random.unit(), random.unit())
    }

    /// Which of the store's batches is done next, and when, if no other comes before.
    fn next_fetched(&self) -> Option<(u64, usize)> {
        let together = self.fetches.len();
        let ends = self.fetches.iter().enumerate().map(|(place, fetch)| {
            (self.worked_ns + (fetch.left * fetch.cost.time_ns(together)) as u64, place)
        });
        ends.min()
    }

    /// Accounts for the store's work until `until_ns`.
    fn work(&mut self, until_ns: u64) {
        while let Some((end_ns, place)) = self.next_fetched().filter(|(end, _)| *end <= until_ns) {
            self.pass(end_ns);
            let number = self.fetches.remove(place).number;
            self.events.push(Reverse((self.costs.fetched_ns(end_ns), Event::Fetched { number })));
        }
        self.pass(until_ns);
    }

    /// Lets the store work until `until_ns` on the batches that it has.
    fn pass(&mut self, until_ns: u64) {
        let passed_ns = until_ns.saturating_sub(self.worked_ns) as f64;
        let together = self.fetches.len();
        for fetch in &mut self.fetches {
            let time_ns = fetch.cost.time_ns(together).max(1.0);
            fetch.left = (fetch.left - passed_ns / time_ns).max(0.0);
        }
        self.worked_ns = self.worked_ns.max(until_ns);
    }

    fn finish(&mut self, number: usize) {
        let Some(batch) = self.batches[number].take() else { return };
        let count = batch.arrived_ns.len();
        let fetched_ns = self.now_ns;
        self.now_ns += self.costs.compute.draw(count, batch.quantile).time_ns(1) as u64;
        let estimates = &mut self.known;
        let fetch_ns = fetched_ns - batch.started_ns;
        let others_mean = self.in_flight.others_mean(batch.started_ns, fetched_ns);
        estimates.fetch.observe(count, batch.others, fetch_ns);
        estimates.contention.observe(count, batch.demand, others_mean, fetch_ns);
        estimates.compute.observe(count, 0, self.now_ns - fetched_ns);
        self.in_flight.end(batch.started_ns, self.now_ns);
        for arrived_ns in batch.arrived_ns {
            self.now_ns += self.costs.write_ns;
            if self.not_counted > 0 {
                self.not_counted -= 1;
                self.counted_from_ns = self.now_ns;
            } else {
                self.latencies_ns.push(self.now_ns - arrived_ns);
            }
            self.send_next();
        }
    }

    fn send_next(&mut self) {
        if self.to_send > 0 {
            self.to_send -= 1;
            let time_ns = self.now_ns + self.client.exponential_ns(CLIENT_NS);
            self.events.push(Reverse((time_ns, Event::Arrived)));
        }
    }

    fn outcome(mut self) -> Outcome {
        let answered = self.latencies_ns.len();
        self.latencies_ns.sort_unstable();
        let quantile = |share: f64| {
            self.latencies_ns[((answered as f64 * share) as usize).min(answered - 1)] as f64 / 1e3
        };
        Outcome {
            throughput: answered as f64 / ((self.now_ns - self.counted_from_ns) as f64 / 1e9),
            p99_us: quantile(0.99),
            p50_us: quantile(0.5),
            rows: self.taken as f64 / self.batches.len() as f64,
        }
    }
}
