//! How keys are found for a batch: in the cache, in flights of other batches, or by a flight of their
//! own; and how what came is joined.

use std::rc::Rc;
use std::time::Instant;

use super::attempts::{self, Deadlines};
use super::faults::Fault;
use super::flight::{Flight, KeyState};
use super::shared::Inner;
use crate::executor::runtime::spawn;
use crate::failure::{FaultReason, Refusal};
use crate::features::cache::Cached;
use crate::features::join::EntityPlan;
use crate::features::joined::Joined;
use crate::features::requests::{FetchRequests, KEY_BYTES_MAX};
use crate::features::texts::Interner;
use crate::provenance::FeatureStatus;

/// What a batch has asked of a table.
pub(crate) struct Asked {
    pub(super) waiting: Vec<Waiting>,
    pub(super) at: Instant,
}

impl Asked {
    /// When it was asked, and when the last of it had come or was given up.
    pub(crate) fn times(&self) -> (Instant, Instant) {
        let landed = self.waiting.iter().filter_map(|wait| wait.flight.landed_at());
        (self.at, landed.max().map_or(self.at, |last| last.max(self.at)))
    }
}

/// A batch's rows of one key, which wait for a flight.
pub(super) struct Waiting {
    first: u32,
    pub(super) flight: Rc<Flight>,
    index: usize,
}

impl Inner {
    /// Joins what the cache knows; the other keys wait for a flight that has them, or are unknown.
    pub(super) fn serve_known(
        &self,
        plan: &EntityPlan,
        requests: &FetchRequests,
        now: Instant,
        joined: &mut Joined,
        waiting: &mut Vec<Waiting>,
        unknown: &mut Vec<u32>,
    ) {
        let mut cache = self.cache.borrow_mut();
        let texts = self.texts();
        let texts = &*texts.borrow();
        let session = self.session();
        let table_key = &session.table.shape.key;
        let pending = self.pending.borrow();
        let keys = requests.keys(plan.place());
        for &first in keys.distinct() {
            let key = keys.key(first as usize);
            if key.is_empty() || key.len() > KEY_BYTES_MAX {
                join_absent(plan, requests, first, FeatureStatus::Missing, joined);
                continue;
            }
            if !table_key.takes(key) {
                if table_key.has_spellings() {
                    refuse_key(plan, requests, first, table_key.expected_of(key), joined);
                } else {
                    join_absent(plan, requests, first, FeatureStatus::Missing, joined);
                }
                continue;
            }
            match cache.get(key, now) {
                Cached::Fresh(record) => {
                    join_found(
                        plan,
                        requests,
                        first,
                        (record, texts),
                        FeatureStatus::Cached,
                        joined,
                    );
                }
                Cached::FreshMissing => {
                    join_absent(plan, requests, first, FeatureStatus::Missing, joined);
                }
                Cached::Unknown => match pending.find(key) {
                    Some((flight, index)) => waiting.push(Waiting { first, flight, index }),
                    None => unknown.push(first),
                },
            }
        }
        self.count(|counters| counters.keys_coalesced += waiting.len() as u64);
    }

    /// Sends statements for the `unknown` keys.
    pub(super) fn launch(
        self: &Rc<Self>,
        plan: &EntityPlan,
        requests: &FetchRequests,
        now: Instant,
        joined: &mut Joined,
        waiting: &mut Vec<Waiting>,
        unknown: &[u32],
    ) {
        self.bound_texts();
        let session = self.session();
        let cluster = session.session.get_cluster_state();
        let table_key = &session.table.shape.key;
        let asked = requests.keys(plan.place());
        let keys = unknown
            .iter()
            .filter_map(|&first| Some((first, table_key.wire(asked.key(first as usize))?)));
        let mut nowhere = Vec::new();
        let groups = self.router.group(&cluster, keys, now, &mut nowhere);
        self.count(|counters| {
            counters.keys_asked += (unknown.len() - nowhere.len()) as u64;
            counters.keys_refused += nowhere.len() as u64;
        });
        let deadline = self.settings.fetch_deadline();
        let deadlines = Deadlines { group: now + deadline / 2, all: now + deadline };
        for group in groups {
            let keys = group.keys.iter().map(|&first| asked.key(first as usize));
            let flight = Flight::new(keys, Rc::clone(&session), self.texts());
            let flight = Rc::new(flight);
            self.pending.borrow_mut().insert(&flight);
            for (index, &first) in group.keys.iter().enumerate() {
                waiting.push(Waiting { first, flight: Rc::clone(&flight), index });
            }
            let departed = attempts::depart(self, flight, group.target, deadlines);
            spawn(attempts::arrive(Rc::clone(self), departed)).detach();
        }
        self.driver.turn();
        if !nowhere.is_empty() {
            let said = "no node is connected, or none answered lately";
            self.tell(&Fault::new(FaultReason::Connection, said), nowhere.len());
        }
        for first in nowhere {
            self.join_failed(plan, requests, first, joined);
        }
    }

    pub(super) fn join_landed(
        &self,
        plan: &EntityPlan,
        requests: &FetchRequests,
        wait: &Waiting,
        joined: &mut Joined,
    ) {
        let (state, record) = wait.flight.result(wait.index);
        match state {
            KeyState::Found => {
                let found = (&*record, &*wait.flight.texts().borrow());
                join_found(plan, requests, wait.first, found, FeatureStatus::Stored, joined);
            }
            KeyState::Missing => {
                join_absent(plan, requests, wait.first, FeatureStatus::Missing, joined);
            }
            KeyState::Pending | KeyState::Failed => {
                self.join_failed(plan, requests, wait.first, joined);
            }
        }
    }

    /// Joins the last known record, where there is one and the model takes it, or none.
    fn join_failed(
        &self,
        plan: &EntityPlan,
        requests: &FetchRequests,
        first: u32,
        joined: &mut Joined,
    ) {
        self.count(|counters| counters.keys_failed += 1);
        let cache = self.cache.borrow();
        let stale = plan
            .accepts_stale()
            .then(|| {
                let key = requests.keys(plan.place()).key(first as usize);
                cache.get_stale(key, Instant::now())
            })
            .flatten();
        match stale {
            Some(record) => {
                let texts = self.texts();
                let found = (record, &*texts.borrow());
                join_found(plan, requests, first, found, FeatureStatus::Stale, joined);
            }
            None => join_absent(plan, requests, first, FeatureStatus::Error, joined),
        }
    }

    /// Keeps what a flight brought, and forgets that its keys are in flight.
    pub(super) fn landed(&self, flight: &Rc<Flight>) {
        if self.session_for(flight).is_none() {
            return;
        }
        self.pending.borrow_mut().remove(flight);
        // The codes of a flight that departed before the texts were forgotten are not those of now.
        if !Rc::ptr_eq(flight.texts(), &self.texts()) {
            return;
        }
        let now = Instant::now();
        let mut cache = self.cache.borrow_mut();
        for index in 0..flight.len() {
            if flight.is_forgotten(index) {
                continue;
            }
            let (state, record) = flight.result(index);
            match state {
                KeyState::Found => cache.put(flight.key(index), Some(&record), now),
                KeyState::Missing => cache.put(flight.key(index), None, now),
                KeyState::Pending | KeyState::Failed => {}
            }
        }
    }
}

fn join_found(
    plan: &EntityPlan,
    requests: &FetchRequests,
    first: u32,
    (record, texts): (&[u8], &Interner),
    status: FeatureStatus,
    joined: &mut Joined,
) {
    for row in requests.keys(plan.place()).rows_like(first) {
        // Its records are not in a file that could be damaged.
        let _: bool = plan.join_found(record, texts, status, requests.cells(row), row, joined);
    }
}

/// Refuses the rows of a text that is no key of the table's type.
fn refuse_key(
    plan: &EntityPlan,
    requests: &FetchRequests,
    first: u32,
    expected: &'static str,
    joined: &mut Joined,
) {
    let (place, entity) = (plan.place(), plan.place() as u8);
    let refusal = Refusal::KeyNotOfType { entity, expected };
    for row in requests.keys(plan.place()).rows_like(first) {
        joined.refuse(place, row, FeatureStatus::Missing, refusal);
    }
}

fn join_absent(
    plan: &EntityPlan,
    requests: &FetchRequests,
    first: u32,
    status: FeatureStatus,
    joined: &mut Joined,
) {
    for row in requests.keys(plan.place()).rows_like(first) {
        plan.join_absent(status, requests.cells(row), row, joined);
    }
}
