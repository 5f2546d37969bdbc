//! Runs the driver's futures on a tokio runtime that a task of the shard's executor turns.
//!
//! A turn runs what is ready on the runtime and polls its sockets and timers once, without
//! blocking. That poll may make more tasks ready, so while anything is in flight there is a next
//! turn, after the shard's other tasks had theirs. A store that does not answer keeps the core
//! turning for a fetch deadline at most: then its breaker is open, and nothing is in flight.
//!
//! Roads not taken: waiting for the runtime's epoll descriptor loses wake-ups, as tokio consumes
//! readiness in turns that were made for other reasons.

use std::cell::{Cell, RefCell};
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use tokio::sync::oneshot;

use super::frames::FrameLimit;
use super::watch;
use crate::executor::runtime::{sleep, spawn, yield_to_rings};

/// How often the runtime is turned while nothing is in flight: keep-alives, reconnects, metadata.
const IDLE_TURN: Duration = Duration::from_millis(5);

/// A tokio runtime of one shard.
#[derive(Debug)]
pub(super) struct Driver {
    runtime: tokio::runtime::Runtime,
    /// What frames of nodes may take.
    limit: Option<FrameLimit>,
    in_flight: Cell<usize>,
    idle: RefCell<Option<Waker>>,
    stopped: Cell<bool>,
}

/// The future was dropped by the runtime: the shard is stopping, or it panicked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Ended;

/// Counts as in flight until it is dropped.
#[derive(Debug)]
struct InFlight(Rc<Driver>);

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.in_flight.set(self.0.in_flight.get() - 1);
    }
}

/// A future on its way on the runtime. Dropping it lets the future run on, unheard.
#[derive(Debug)]
pub(super) struct Running<T> {
    receiver: oneshot::Receiver<T>,
    /// Keeps the runtime turning, where that is called for.
    _in_flight: Option<InFlight>,
}

impl<T> Future for Running<T> {
    type Output = Result<T, Ended>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.receiver).poll(context).map_err(|_| Ended)
    }
}

impl Driver {
    /// Makes the runtime and starts the task that turns it, on the calling thread's executor. It
    /// ends after [`Self::stop`].
    pub(super) fn start(limit: Option<FrameLimit>) -> std::io::Result<Rc<Self>> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_io()
            .enable_time()
            .max_blocking_threads(1)
            .build()?;
        let driver = Rc::new(Self {
            runtime,
            limit,
            in_flight: Cell::new(0),
            idle: RefCell::new(None),
            stopped: Cell::new(false),
        });
        spawn(Rc::clone(&driver).keep_turning()).detach();
        Ok(driver)
    }

    /// Starts `future` on the runtime; the result is its own, brought back to the calling task.
    pub(super) fn run<F>(self: &Rc<Self>, future: F) -> Running<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send,
    {
        let running = self.run_aside(future);
        self.in_flight.set(self.in_flight.get() + 1);
        self.wake();
        Running { _in_flight: Some(InFlight(Rc::clone(self))), ..running }
    }

    /// The same for a future that no request waits for: the core may idle meanwhile.
    pub(super) fn run_aside<F>(&self, future: F) -> Running<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send,
    {
        let (sender, receiver) = oneshot::channel();
        self.runtime.spawn(async move {
            // Nobody waits for it any more where this fails.
            let _ = sender.send(future.await);
        });
        Running { receiver, _in_flight: None }
    }

    /// One turn, now: what was spawned since the last goes on the wire.
    pub(super) fn turn(&self) {
        watch::watched(self.limit, || self.runtime.block_on(tokio::task::yield_now()));
        watch::tell();
    }

    /// Ends the task that turns the runtime.
    pub(super) fn stop(&self) {
        self.stopped.set(true);
        self.wake();
    }

    fn wake(&self) {
        if let Some(waker) = self.idle.take() {
            waker.wake();
        }
    }

    async fn keep_turning(self: Rc<Self>) {
        while !self.stopped.get() {
            self.turn();
            if self.in_flight.get() == 0 {
                futures_lite::future::or(self.work(), sleep(IDLE_TURN)).await;
            } else {
                // Yielding the queue, not only the task, lets the executor poll its own I/O.
                yield_to_rings().await;
            }
        }
    }

    /// Ready when something is in flight, or the driver was stopped.
    fn work(&self) -> impl Future<Output = ()> {
        std::future::poll_fn(|context| {
            if self.in_flight.get() > 0 || self.stopped.get() {
                return Poll::Ready(());
            }
            *self.idle.borrow_mut() = Some(context.waker().clone());
            Poll::Pending
        })
    }
}
