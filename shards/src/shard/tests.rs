//! What a shard does between batches, seen from inside: no socket, no load, no chance.

mod evicting;
mod giving_up;
mod reading;
mod simulated;

use std::io::Write;
use std::net::TcpStream;
use std::path::Path;

use super::*;
use crate::batch::{Cost, Lane, RowId, RowState, Terms, Window, refuse_all};
use crate::executor;
use crate::failure::RowFailure;
use crate::features::column::ColumnType;
use crate::features::embedded::{EmbeddedStore, EmbeddedWriter};
use crate::features::schema::{Schema, StoreColumn};
use crate::http::statuses::status_of;
use crate::model::repository::Repository;
use crate::priority::Priority;
use crate::telemetry::Counter;

fn setup(folder: &Path) -> ShardSetup {
    let names = ["feature_1", "feature_2", "feature_3"]
        .map(|name| StoreColumn { name: name.to_owned(), column_type: ColumnType::Float });
    let store = EmbeddedStore::open_or_create(folder).expect("a store");
    let schema = Schema::new(names.into()).expect("columns");
    EmbeddedWriter::begin(&store, &schema, false).and_then(EmbeddedWriter::commit).unwrap();
    let models = Path::new(env!("CARGO_MANIFEST_DIR")).join("../models");
    ShardSetup {
        settings: ShardSettings::default(),
        models: vec![Repository::new(models).find("demo-logistic", None).expect("bundled")],
        load: LoadOptions::default(),
        loads: Arc::default(),
        store: StoreSource::Embedded(store),
        keys: None,
        tls: None,
        shared: Arc::default(),
    }
}

/// What rows are admitted by that are nothing special.
const TERMS: Terms = Terms { now_ns: 0, deadline_ns: u64::MAX, priority: Priority::Normal };
/// Later than any test lasts.
const DEADLINE_NS: u64 = 1 << 60;
/// The connection that the rows are for.
const CONNECTION: u32 = 7;

fn queue(lane: &Lane, terms: &Terms) -> Result<RowId, RowFailure> {
    let id = lane.rows.borrow_mut().insert(CONNECTION);
    lane.rows.borrow_mut().get_mut(id).key.push_str("user");
    lane.admit(id, terms).map(|()| id)
}

fn queue_row(lane: &Lane) -> RowId {
    queue(lane, &TERMS).expect("there is room")
}

async fn outcome(lane: &Lane, id: RowId) -> RowState {
    loop {
        sleep(Duration::from_millis(1)).await;
        let state = lane.rows.borrow().get(id).state;
        if matches!(state, RowState::Done(_)) {
            return state;
        }
    }
}

#[test]
#[expect(clippy::await_holding_refcell_ref, reason = "what is lent out makes the batch panic")]
fn a_panic_fails_its_batch_with_500_and_the_next_is_scored() {
    let folder = tempfile::tempdir().unwrap();
    let setup = setup(folder.path());
    let executor = executor::make("test").expect("io_uring");
    executor.run(async {
        let shard = Shard::open(setup).await.expect("it opens");
        let lane = shard.state.lanes.lane(None).expect("a model");
        // The batch finds its histograms lent out, which panics in the middle of it.
        let lent = lane.histograms.borrow_mut();
        let (first, second) = (queue_row(&lane), queue_row(&lane));
        for id in [first, second] {
            let failed = RowState::Done(Err(RowFailure::Panicked));
            assert_eq!(outcome(&lane, id).await, failed);
        }
        drop(lent);
        assert_eq!(status_of(RowFailure::Panicked), 500);
        assert_eq!(lane.counters().batches_panicked.get(), 1);
        let next = queue_row(&lane);
        assert!(matches!(outcome(&lane, next).await, RowState::Done(Ok(_))));
    });
}

/// Opens a shard with these settings and gives its lane to `test`.
fn with_lane<F: Future<Output = ()>>(
    change: impl FnOnce(&mut ShardSettings),
    test: impl FnOnce(Rc<Lane>) -> F,
) {
    with_shard(change, |shard| test(shard.lanes.lane(None).expect("a model")));
}

/// Opens a shard with these settings and gives it to `test`.
fn with_shard<F: Future<Output = ()>>(
    change: impl FnOnce(&mut ShardSettings),
    test: impl FnOnce(Rc<ShardState>) -> F,
) {
    let folder = tempfile::tempdir().unwrap();
    let mut setup = setup(folder.path());
    change(&mut setup.settings);
    let executor = executor::make("test").expect("io_uring");
    executor.run(async {
        let shard = Shard::open(setup).await.expect("it opens");
        test(shard.state).await;
    });
}

/// The same, with a batch in flight that never ends: whatever is queued waits for it.
fn with_endless_batch<F: Future<Output = ()>>(
    change: impl FnOnce(&mut ShardSettings),
    test: impl FnOnce(Rc<ShardState>, Rc<Lane>) -> F,
) {
    let settings = |settings: &mut ShardSettings| {
        settings.batch.window = Window::Fixed;
        settings.batch.delay_us_max = 60_000_000;
        change(settings);
    };
    with_shard(settings, |shard| {
        let lane = shard.lanes.lane(None).expect("a model");
        lane.in_flight.borrow_mut().start(0);
        test(shard, lane)
    });
}

fn state(lane: &Lane, id: RowId) -> RowState {
    lane.rows.borrow().get(id).state
}

#[test]
fn rows_that_nobody_waits_for_leave_a_batch_between_its_slices() {
    with_lane(
        |_| (),
        |lane| async move {
            for batch in 0..500 {
                // As if the model were slow: a row takes twice as long as a slice is to last.
                let rows = batch % 8 + 1;
                lane.estimates.borrow_mut().compute.observe(rows, 0, rows as u64 * 1_000_000);
            }
            let rows: Vec<RowId> = (0..8_u64)
                .map(|row| {
                    let deadline_ns = if row == 5 { DEADLINE_NS } else { u64::MAX };
                    queue(&lane, &Terms { deadline_ns, ..TERMS }).expect("there is room")
                })
                .collect();
            while state(&lane, rows[7]) == RowState::Waiting {
                futures_lite::future::yield_now().await;
            }
            // The batch is in flight, a row at a time.
            lane.expire(DEADLINE_NS, |_| ());
            lane.release(rows[6]);
            let expired = RowState::Done(Err(RowFailure::DeadlineExceeded));
            assert_eq!(state(&lane, rows[5]), expired, "its client is answered at once");
            assert_eq!(state(&lane, rows[7]), RowState::Running, "it was ended before its batch");
            for index in [0, 1, 2, 3, 4, 7] {
                let scored = outcome(&lane, rows[index]).await;
                assert!(matches!(scored, RowState::Done(Ok(_))), "{index}: {scored:?}");
            }
            assert_eq!(lane.rows.borrow().len(), 7, "the row of a client that went away is freed");
            lane.release(rows[5]);
            assert_eq!(lane.rows.borrow().len(), 6, "the batch does not hold it any more");
            assert_eq!(lane.counters().batches.get(), 1);
        },
    );
}

#[test]
fn a_row_that_waits_is_ended_when_its_deadline_passes() {
    with_lane(
        |_| (),
        |lane| async move {
            let admit = |deadline_ns| queue(&lane, &Terms { deadline_ns, ..TERMS });
            let rows = [500, u64::MAX, 900, 1_000].map(|deadline| admit(deadline).unwrap());
            let mut woken = Vec::new();
            lane.expire(499, |connection| woken.push(connection));
            assert_eq!((lane.waiting_rows(), woken.len()), (4, 0));
            lane.expire(900, |connection| woken.push(connection));
            assert_eq!((lane.waiting_rows(), woken), (2, vec![CONNECTION; 2]));
            let expired = RowState::Done(Err(RowFailure::DeadlineExceeded));
            assert_eq!(rows.map(|id| state(&lane, id) == expired), [true, false, true, false]);
            lane.expire(1_000, |_| ());
            assert_eq!((lane.waiting_rows(), lane.counters().queue_rows.get()), (1, 1));
        },
    );
}

/// Waits until `condition` holds.
async fn until(what: &str, condition: impl Fn() -> bool) {
    for _ in 0..5_000 {
        if condition() {
            return;
        }
        sleep(Duration::from_millis(1)).await;
    }
    panic!("it never came to this: {what}");
}

/// A client of `shard`.
fn connect(shard: &Rc<ShardState>) -> TcpStream {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let client = TcpStream::connect(listener.local_addr().expect("an address"));
    listener::accept_rest(&[listener], &shard.front);
    client.expect("a connection")
}

/// A request with further header `fields`, each with its line end.
fn request(fields: &str) -> String {
    format!(
        "POST /predict HTTP/1.1\r\nhost: a\r\n{fields}content-length: 16\r\n\r\n\
         {{\"user_id\": \"1\"}}"
    )
}

#[test]
fn a_client_is_seen_to_go_away_behind_more_requests_than_are_taken() {
    let settings = |settings: &mut ShardSettings| settings.http.pipelined_requests_max = 4;
    with_endless_batch(settings, |shard, lane| async move {
        let hundred = request("").repeat(100);
        // What is read beyond the requests that are taken shows the end; where there is far more,
        // the sweep looks for it.
        for (hundreds, sweeps) in [(1, false), (20, true)] {
            let mut client = connect(&shard);
            for _ in 0..hundreds {
                client.write_all(hundred.as_bytes()).expect("sent");
                sleep(Duration::from_millis(1)).await;
            }
            until("they wait", || lane.waiting_rows() == 4).await;
            client.shutdown(std::net::Shutdown::Write).expect("ended");
            until("it is seen", || {
                shard.front.handles.sweep(0, sweeps);
                lane.waiting_rows() == 0 && shard.front.handles.len() == 0
            })
            .await;
        }
    });
}

#[test]
fn rows_whose_clients_went_away_cost_little_and_are_never_many() {
    with_lane(
        |_| (),
        |lane| async move {
            let stays = [queue_row(&lane), queue_row(&lane)];
            for _ in 0..10_000 {
                lane.release(queue_row(&lane));
                assert_eq!(lane.counters().queue_rows.get(), 2);
            }
            assert!(lane.rows.borrow().len() < 100, "{}", lane.rows.borrow().len());
            lane.release(stays[0]);
            let last = queue_row(&lane);
            let mut batch = Vec::new();
            lane.take(1, &mut batch);
            assert_eq!((batch.as_slice(), lane.waiting_rows()), (&stays[1..], 1));
            lane.take(9, &mut batch);
            assert_eq!((batch.as_slice(), lane.waiting_rows()), (&[stays[1], last][..], 0));
        },
    );
}

/// Batches of one row, which may wait for 10 ms.
fn row_by_row(settings: &mut ShardSettings) {
    settings.queue_us_max = 10_000;
    settings.batch.batch_rows_max = 1;
}

/// Has the lane know that a row takes 1 ms, also while rows wait.
fn learn_a_millisecond_a_row(lane: &Lane) {
    let mut known = lane.estimates.borrow_mut();
    for _ in 0..100 {
        known.fetch.observe(1, 0, 400_000);
        known.compute.observe(1, 0, 600_000);
    }
    known.drain.observe(1, 1, 0);
    known.drain.observe(1, 0, 1_000_000);
}

#[test]
fn what_is_predicted_to_be_late_is_refused_unless_nothing_is_under_way() {
    with_lane(row_by_row, |lane| async move {
        learn_a_millisecond_a_row(&lane);
        let admit = |deadline_ns, priority| {
            queue(&lane, &Terms { now_ns: 0, deadline_ns, priority }).map(|_| ())
        };
        // nothing is in flight: the estimate may be out of date, so it is tried.
        assert_eq!(admit(1, Priority::Normal), Ok(()));
        let unreachable = Err(RowFailure::DeadlineUnreachable { predicted_us: 2_000 });
        assert_eq!(admit(1_999_000, Priority::Normal), unreachable);
        assert_eq!(admit(2_000_000, Priority::Normal), Ok(()));
        // Three, with 1 ms each: the low ones may wait for half of 10 ms, the others longer.
        for _ in 2..6 {
            assert_eq!(admit(u64::MAX, Priority::Normal), Ok(()));
        }
        assert_eq!(admit(u64::MAX, Priority::Low), Err(RowFailure::Overloaded));
        for _ in 6..10 {
            assert_eq!(admit(u64::MAX, Priority::Normal), Ok(()));
        }
        assert_eq!(admit(u64::MAX, Priority::Normal), Err(RowFailure::Overloaded));
        assert_eq!(admit(u64::MAX, Priority::High), Ok(()));
        assert_eq!(admit(u64::MAX, Priority::High), Err(RowFailure::Overloaded));
    });
}

/// Fills so many rows of one request for `lane`; gives back the first.
fn fill(lane: &Lane, count: usize) -> RowId {
    let mut rows = lane.rows.borrow_mut();
    let ids: Vec<RowId> = (0..count).map(|_| rows.insert(CONNECTION)).collect();
    for pair in ids.windows(2) {
        rows.get_mut(pair[0]).next = Some(pair[1]);
    }
    ids[0]
}

#[test]
fn rows_of_one_request_are_let_in_as_they_would_be_one_by_one() {
    with_lane(row_by_row, |lane| async move {
        learn_a_millisecond_a_row(&lane);
        // The first is tried; the fourth would be done after 4 ms.
        let terms = Terms { deadline_ns: 3_900_000, ..TERMS };
        assert_eq!(lane.refuse(&terms, 9), None, "nothing is in flight");
        lane.admit_each(fill(&lane, 9), &terms);
        assert_eq!((lane.waiting_rows(), lane.rows.borrow().len()), (3, 9));
        let unreachable = RowFailure::DeadlineUnreachable { predicted_us: 5_000 };
        assert_eq!(lane.refuse(&Terms { deadline_ns: 4_999_000, ..TERMS }, 2), Some(unreachable));
        // Nine tenths of 10 ms are for normal ones: a tenth row would wait so long.
        assert_eq!(lane.refuse(&TERMS, 7), None);
        assert_eq!(lane.refuse(&TERMS, 8), Some(RowFailure::Overloaded));
        lane.admit_each(fill(&lane, 20), &TERMS);
        assert_eq!(lane.waiting_rows(), 10);
        let failed: u64 = lane.counters().rows_failed.iter().map(Counter::get).sum();
        assert_eq!(failed, 6 + 2 + 8 + 13);
    });
}

#[test]
fn what_cannot_be_done_after_the_slices_that_are_left_is_refused_at_once() {
    with_lane(
        |_| (),
        |lane| async move {
            for batch in 0..500 {
                let rows = batch % 8 + 1;
                lane.estimates.borrow_mut().compute.observe(rows, 0, rows as u64 * 1_000_000);
            }
            let rows: Vec<RowId> = (0..8).map(|_| queue_row(&lane)).collect();
            while state(&lane, rows[7]) == RowState::Waiting {
                futures_lite::future::yield_now().await;
            }
            assert_eq!(lane.waiting_rows(), 0, "all are in a batch that computes row by row");
            let admit = |deadline_ns| queue(&lane, &Terms { deadline_ns, ..TERMS });
            let Err(RowFailure::DeadlineUnreachable { predicted_us }) = admit(5_000_000) else {
                panic!("some ms of its rows are left");
            };
            assert!((5_001..9_000).contains(&predicted_us), "{predicted_us}");
            assert!(admit(9_000_000).is_ok());
            outcome(&lane, rows[7]).await;
            // What is computed is waited for no more; how long a row takes was an invention.
            lane.estimates.borrow_mut().compute = Cost::default();
            assert!(admit(5_000_000).is_ok());
        },
    );
}

#[test]
fn a_bound_on_the_wait_never_keeps_rows_out_of_a_batch_that_has_room() {
    let settings = |settings: &mut ShardSettings| settings.queue_us_max = 10_000;
    with_lane(settings, |lane| async move {
        {
            // A server takes 100 ms, whatever the size; eight batches of two rows are with it.
            let mut known = lane.estimates.borrow_mut();
            for batch in 0..100 {
                known.fetch.observe(2, 7, 100_000_000);
                known.drain.observe(2, 1, batch * 12_500_000);
            }
            for start_ns in 0..8 {
                lane.in_flight.borrow_mut().start(start_ns);
            }
        }
        let admitted = (0..200).take_while(|_| queue(&lane, &TERMS).is_ok()).count();
        assert_eq!(admitted, 64, "the next batch is full, and the one after it would wait 12.5 ms");
    });
}
