//! Connection handles: the shard wakes, times out, evicts and drains connections by them.

use std::cell::{Cell, OnceCell, RefCell};
use std::cmp::Reverse;
use std::collections::{HashMap, VecDeque};
use std::net::IpAddr;
use std::os::fd::RawFd;
use std::rc::Rc;
use std::task::Waker;

use slab::Slab;

use super::eviction::{ClientWait, EvictionOrder, IdleLimitsMs};
use crate::executor::readiness::ready_for;
use crate::tls::PeerNames;

/// How long a client may be slow before memory that others need is taken from it, in ms.
const SLOW_MS_MIN: u64 = 250;
/// How long a connection waits to be read, in ns, before its client may have gone away. A shorter
/// wait isn't worth a look: reading sees the end of the stream.
pub(crate) const UNREAD_NS_MIN: u64 = 100_000_000;

/// How many candidates for eviction are found at a time: looking at all connections takes longer
/// than accepting one.
const CANDIDATES_MAX: usize = 256;

/// The part of a connection that its shard reaches.
#[derive(Debug)]
pub(crate) struct ConnectionHandle {
    waker: RefCell<Option<Waker>>,
    /// Whether the shard woke it, and not its socket.
    pub(crate) is_called: Cell<bool>,
    /// When the connection's present phase has taken too long, in ms of the shard's coarse clock.
    pub(crate) deadline_ms: Cell<u64>,
    /// Set by the sweep when the deadline has passed.
    pub(crate) timed_out: Cell<bool>,
    /// How much memory the connection keeps, in bytes.
    pub(crate) kept_bytes: Cell<usize>,
    /// Since when it has waited for its client to take a response or to send the rest of a request,
    /// in ms of the shard's coarse clock. `u64::MAX` where it does not.
    pub(crate) slow_since_ms: Cell<u64>,
    /// Since when it has waited for a request, in ms of the shard's coarse clock; `u64::MAX` where
    /// it does not.
    pub(crate) idle_since_ms: Cell<u64>,
    /// Whether a request has ever come.
    pub(crate) has_asked: Cell<bool>,
    /// Whether it was told to end, as another connection needs its place.
    is_evicted: Cell<bool>,
    /// The address of its client, where connections are counted by that.
    address: Cell<Option<IpAddr>>,
    /// Since when it waits to be read, in ns of the shard's clock, if it does.
    pub(crate) unread_since_ns: Cell<Option<u64>>,
    /// The client's socket, where it is known.
    pub(crate) socket: Cell<Option<RawFd>>,
    /// Whether nothing is read from the client for now.
    pub(crate) is_deaf: Cell<bool>,
    /// Set by the sweep when the client of a connection that reads nothing has gone away.
    pub(crate) is_gone: Cell<bool>,
    /// How much memory it was told to give back, in bytes.
    cut_bytes: Cell<usize>,
    /// The names of its client's certificate, where it has shown one.
    pub(crate) certificate: OnceCell<PeerNames>,
}

impl Default for ConnectionHandle {
    fn default() -> Self {
        Self {
            waker: RefCell::default(),
            is_called: Cell::default(),
            deadline_ms: Cell::new(u64::MAX),
            timed_out: Cell::default(),
            kept_bytes: Cell::default(),
            slow_since_ms: Cell::new(u64::MAX),
            idle_since_ms: Cell::new(u64::MAX),
            has_asked: Cell::default(),
            is_evicted: Cell::default(),
            address: Cell::default(),
            unread_since_ns: Cell::default(),
            socket: Cell::default(),
            is_deaf: Cell::default(),
            is_gone: Cell::default(),
            cut_bytes: Cell::default(),
            certificate: OnceCell::new(),
        }
    }
}

impl ConnectionHandle {
    /// The names of its client's certificate; none where it has shown none.
    pub(crate) fn certificate_names(&self) -> &[Box<str>] {
        self.certificate.get().map_or(&[], PeerNames::all)
    }

    /// Remembers the task to wake.
    pub(crate) fn register(&self, waker: &Waker) {
        let mut slot = self.waker.borrow_mut();
        match &mut *slot {
            Some(known) => known.clone_from(waker),
            None => *slot = Some(waker.clone()),
        }
    }

    /// Whether the connection is to give back the memory that it keeps.
    pub(crate) fn is_cut(&self) -> bool {
        self.cut_bytes.get() > 0
    }

    /// How much memory is kept for its client, times for how long the client has been slow.
    fn burden(&self, now_ms: u64) -> Option<u64> {
        let slow_ms = now_ms.checked_sub(self.slow_since_ms.get())?;
        let is_burden = slow_ms >= SLOW_MS_MIN && self.kept_bytes.get() > 0 && !self.is_cut();
        is_burden.then(|| slow_ms.saturating_mul(self.kept_bytes.get() as u64))
    }

    /// When it is evicted; `None` where it isn't.
    fn eviction_order(&self, now_ms: u64, limits_ms: IdleLimitsMs) -> Option<EvictionOrder> {
        let waits = ClientWait {
            idle_since_ms: self.idle_since_ms.get(),
            slow_since_ms: self.slow_since_ms.get(),
            has_asked: self.has_asked.get(),
        };
        if self.is_evicted.get() { None } else { waits.eviction_order(now_ms, limits_ms) }
    }

    /// Whether there is something to read from its client, and not only the end; true where its
    /// socket is not known.
    pub(crate) fn has_sent(&self) -> bool {
        let events = libc::POLLIN | libc::POLLRDHUP;
        self.socket.get().is_none_or(|socket| ready_for(socket, events) == libc::POLLIN)
    }

    /// Whether its client has ended its stream, or the connection is broken.
    fn has_ended(&self) -> bool {
        self.socket.get().is_some_and(|socket| ready_for(socket, libc::POLLRDHUP) != 0)
    }

    fn wake(&self) {
        self.is_called.set(true);
        if let Some(waker) = &*self.waker.borrow() {
            waker.wake_by_ref();
        }
    }
}

/// The open connections of a shard, by number.
#[derive(Debug, Default)]
pub(crate) struct ConnectionHandles {
    open: RefCell<Slab<Rc<ConnectionHandle>>>,
    /// How much memory connections were told to give back and still keep, in bytes.
    leaving_bytes: Cell<usize>,
    /// When slow clients were last looked for, in ms of the shard's coarse clock.
    cut_ms: Cell<u64>,
    /// How many were evicted and have not ended yet.
    evicting: Cell<usize>,
    /// The next ones to evict, by number and order, and when they were looked for.
    candidates: RefCell<VecDeque<(u32, EvictionOrder)>>,
    candidates_ms: Cell<Option<u64>>,
    /// How many there are of each address, where that is counted.
    by_address: RefCell<HashMap<IpAddr, usize>>,
}

impl ConnectionHandles {
    /// Adds a connection.
    pub(crate) fn add(&self) -> (u32, Rc<ConnectionHandle>) {
        let handle = Rc::new(ConnectionHandle::default());
        let number = self.open.borrow_mut().insert(Rc::clone(&handle));
        (number as u32, handle)
    }

    /// The handle of a connection, if it is open.
    pub(crate) fn get(&self, number: u32) -> Option<Rc<ConnectionHandle>> {
        self.open.borrow().get(number as usize).cloned()
    }

    /// Removes a connection.
    pub(crate) fn remove(&self, number: u32) {
        if let Some(handle) = self.open.borrow_mut().try_remove(number as usize) {
            self.given_back(&handle);
            self.cancel_eviction(&handle);
            if let Some(address) = handle.address.get() {
                self.leave(address);
            }
        }
    }

    /// Counts a connection by its client's address.
    pub(crate) fn count_address(&self, handle: &ConnectionHandle, address: IpAddr) {
        handle.address.set(Some(address));
        *self.by_address.borrow_mut().entry(address).or_default() += 1;
    }

    fn leave(&self, address: IpAddr) {
        let mut counts = self.by_address.borrow_mut();
        if let Some(count) = counts.get_mut(&address) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&address);
            }
        }
    }

    /// How many connections there are of an address.
    pub(crate) fn of_address(&self, address: IpAddr) -> usize {
        self.by_address.borrow().get(&address).copied().unwrap_or_default()
    }

    /// Tells the connection whose turn it is to end; false where there is none. A request that it
    /// has sent by then is still answered.
    pub(crate) fn evict(&self, now_ms: u64, limits_ms: IdleLimitsMs) -> bool {
        loop {
            let next = self.candidates.borrow_mut().pop_front();
            let Some((number, turn)) = next else {
                // Once a tick: time goes on by ticks.
                if self.candidates_ms.replace(Some(now_ms)) == Some(now_ms) {
                    return false;
                }
                self.find_candidates(now_ms, limits_ms);
                continue;
            };
            if let Some(handle) = self.open.borrow().get(number as usize)
                && handle.eviction_order(now_ms, limits_ms) == Some(turn)
                && !handle.has_sent()
            {
                handle.is_evicted.set(true);
                self.evicting.set(self.evicting.get() + 1);
                handle.deadline_ms.set(0);
                handle.wake();
                return true;
            }
        }
    }

    fn find_candidates(&self, now_ms: u64, limits_ms: IdleLimitsMs) {
        let open = self.open.borrow();
        let turn = |(number, handle): (usize, &Rc<ConnectionHandle>)| {
            Some((handle.eviction_order(now_ms, limits_ms)?, number as u32))
        };
        let mut found: Vec<(EvictionOrder, u32)> = open.iter().filter_map(turn).collect();
        if found.len() > CANDIDATES_MAX {
            found.select_nth_unstable(CANDIDATES_MAX);
            found.truncate(CANDIDATES_MAX);
        }
        found.sort_unstable();
        let mut candidates = self.candidates.borrow_mut();
        candidates.clear();
        candidates.extend(found.into_iter().map(|(turn, number)| (number, turn)));
    }

    /// Counts a connection as evicted no more: a request has come meanwhile, or it has ended.
    pub(crate) fn cancel_eviction(&self, handle: &ConnectionHandle) {
        if handle.is_evicted.replace(false) {
            self.evicting.set(self.evicting.get() - 1);
        }
    }

    /// How many are open and not evicted.
    pub(crate) fn staying(&self) -> usize {
        self.len() - self.evicting.get()
    }

    /// Notes that a connection has given back the memory that it was told to.
    pub(crate) fn given_back(&self, handle: &ConnectionHandle) {
        self.leaving_bytes.set(self.leaving_bytes.get() - handle.cut_bytes.replace(0));
    }

    /// How much memory is about to be given back, in bytes.
    pub(crate) fn leaving_bytes(&self) -> usize {
        self.leaving_bytes.get()
    }

    /// Cuts off clients that are slow to take responses or to send requests, until so many bytes
    /// are given back. Those come first for which most is kept for longest. Looks for them once a
    /// tick at most.
    pub(crate) fn cut_slow(&self, excess_bytes: usize, now_ms: u64) {
        if self.cut_ms.replace(now_ms) == now_ms {
            return;
        }
        let open = self.open.borrow();
        let burdens = open.iter().filter_map(|(_, handle)| Some((handle.burden(now_ms)?, handle)));
        let mut slow: Vec<(u64, &Rc<ConnectionHandle>)> = burdens.collect();
        slow.sort_unstable_by_key(|(burden, _)| Reverse(*burden));
        let mut left_bytes = excess_bytes;
        for (_, handle) in slow {
            if left_bytes == 0 {
                return;
            }
            let kept_bytes = handle.kept_bytes.get();
            handle.cut_bytes.set(kept_bytes);
            self.leaving_bytes.set(self.leaving_bytes.get() + kept_bytes);
            left_bytes = left_bytes.saturating_sub(kept_bytes);
            handle.wake();
        }
    }

    /// How many are open.
    pub(crate) fn len(&self) -> usize {
        self.open.borrow().len()
    }

    /// Wakes a connection, if it is still open.
    pub(crate) fn wake(&self, number: u32) {
        if let Some(handle) = self.open.borrow().get(number as usize) {
            handle.wake();
        }
    }

    /// Has a waiting connection read its request. False where it waits no more or, with
    /// `end_is_gone`, its client has ended its stream during a long wait.
    pub(crate) fn call(&self, number: u32, now_ns: u64, end_is_gone: bool) -> bool {
        let open = self.open.borrow();
        let Some(handle) = open.get(number as usize) else { return false };
        let Some(unread_since_ns) = handle.unread_since_ns.get() else { return false };
        let may_be_gone = now_ns.saturating_sub(unread_since_ns) >= UNREAD_NS_MIN;
        handle.is_gone.set(end_is_gone && may_be_gone && handle.has_ended());
        handle.wake();
        !handle.is_gone.get()
    }

    /// Wakes every connection whose phase has taken too long, and, where `end_is_gone`, those whose
    /// clients have ended their stream behind what is not read from it yet.
    pub(crate) fn sweep(&self, now_ms: u64, end_is_gone: bool) {
        for (_, handle) in &*self.open.borrow() {
            if end_is_gone && handle.is_deaf.get() && handle.has_ended() {
                handle.is_gone.set(true);
                handle.wake();
            }
            if handle.deadline_ms.get() <= now_ms && !handle.timed_out.replace(true) {
                handle.wake();
            }
        }
    }

    /// Wakes every connection, so that each sees that the shard drains.
    pub(crate) fn wake_all(&self) {
        for (_, handle) in &*self.open.borrow() {
            handle.wake();
        }
    }
}
