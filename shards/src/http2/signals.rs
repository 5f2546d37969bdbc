//! Which streams have something new. `h2` wakes whoever last asked for more of a stream, within the
//! connection's own poll: so a waker needs only to note that, for the connection to look.
//!
//! All of it happens on one thread; the atomics are what the type of wakers asks for.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Wake, Waker};

/// Whether something is new.
#[derive(Debug, Default)]
pub(super) struct News(AtomicBool);

impl News {
    /// Whether something is new since the last call.
    pub(super) fn take(&self) -> bool {
        // No other thread writes it.
        let is_new = self.0.load(Ordering::Relaxed);
        if is_new {
            self.0.store(false, Ordering::Relaxed);
        }
        is_new
    }

    /// Notes that something is new.
    pub(super) fn note(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Whether something is new.
    pub(super) fn is_there(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

impl Wake for News {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.note();
    }
}

/// The news of one stream, which are some of its connection's.
#[derive(Debug)]
pub(super) struct StreamNews {
    own: News,
    of_any: Arc<News>,
}

impl StreamNews {
    /// The news of a stream, and its waker.
    pub(super) fn new(of_any: &Arc<News>) -> (Arc<Self>, Waker) {
        let this = Arc::new(Self { own: News::default(), of_any: Arc::clone(of_any) });
        let waker = Waker::from(Arc::clone(&this));
        (this, waker)
    }

    /// Whether something is new since the last call.
    pub(super) fn take(&self) -> bool {
        self.own.take()
    }
}

impl Wake for StreamNews {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.own.note();
        self.of_any.note();
    }
}
