//! How a shard reaches its connections: to wake them, to time them out, to drain them.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::task::Waker;

use slab::Slab;

/// What a connection shares with its shard.
#[derive(Debug, Default)]
pub(crate) struct Link {
    waker: RefCell<Option<Waker>>,
    /// When the connection's present phase has taken too long, in ms of the shard's coarse clock.
    pub(crate) deadline_ms: Cell<u64>,
    /// Set by the sweep when the deadline has passed.
    pub(crate) timed_out: Cell<bool>,
}

impl Link {
    /// Remembers the task to wake.
    pub(crate) fn register(&self, waker: &Waker) {
        let mut slot = self.waker.borrow_mut();
        match &mut *slot {
            Some(known) => known.clone_from(waker),
            None => *slot = Some(waker.clone()),
        }
    }

    fn wake(&self) {
        if let Some(waker) = &*self.waker.borrow() {
            waker.wake_by_ref();
        }
    }
}

/// The open connections of a shard, by number.
#[derive(Debug, Default)]
pub(crate) struct Links {
    open: RefCell<Slab<Rc<Link>>>,
}

impl Links {
    /// Adds a connection.
    pub(crate) fn add(&self) -> (u32, Rc<Link>) {
        let link = Rc::new(Link { deadline_ms: Cell::new(u64::MAX), ..Link::default() });
        let number = self.open.borrow_mut().insert(Rc::clone(&link));
        (number as u32, link)
    }

    /// Removes a connection.
    pub(crate) fn remove(&self, number: u32) {
        self.open.borrow_mut().try_remove(number as usize);
    }

    /// How many are open.
    pub(crate) fn len(&self) -> usize {
        self.open.borrow().len()
    }

    /// Wakes a connection, if it is still open.
    pub(crate) fn wake(&self, number: u32) {
        if let Some(link) = self.open.borrow().get(number as usize) {
            link.wake();
        }
    }

    /// Wakes every connection whose phase has taken too long.
    pub(crate) fn sweep(&self, now_ms: u64) {
        for (_, link) in &*self.open.borrow() {
            if link.deadline_ms.get() <= now_ms && !link.timed_out.replace(true) {
                link.wake();
            }
        }
    }

    /// Wakes every connection, so that each sees that the shard drains.
    pub(crate) fn wake_all(&self) {
        for (_, link) in &*self.open.borrow() {
            link.wake();
        }
    }
}
