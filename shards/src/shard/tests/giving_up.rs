//! When rows that wait leave the queue without being computed.

use super::*;

/// Rows that wait, with these deadlines.
fn rows(lane: &Lane, deadlines_ns: [u64; 4]) -> [RowId; 4] {
    deadlines_ns.map(|deadline_ns| {
        queue(lane, &Terms { deadline_ns, ..TERMS }).expect("in time, as far as can be told")
    })
}

const LATE: RowState = RowState::Done(Err(RowFailure::DeadlineUnreachable { predicted_us: 1_000 }));

#[test]
fn what_a_batch_would_answer_too_late_leaves_its_place_to_others() {
    with_lane(row_by_row, |lane| async move {
        learn_a_millisecond_a_row(&lane);
        let rows = rows(&lane, [2_000_000, u64::MAX, 3_000_000, 20_000_000]);
        let mut woken = Vec::new();
        lane.give_up(2, 2_500_000, 3_500_000, |connection| woken.push(connection));
        assert_eq!(rows.map(|id| state(&lane, id) == LATE), [true, false, true, false]);
        assert_eq!((woken.as_slice(), lane.waiting_rows()), (&[CONNECTION; 2][..], 2));
        let mut batch = Vec::new();
        lane.take(2, &mut batch);
        assert_eq!(batch, [rows[1], rows[3]]);
        let index = RowFailure::DeadlineUnreachable { predicted_us: 0 }.reason_index();
        assert_eq!(lane.counters().rows_failed[index].get(), 2);
    });
}

#[test]
fn none_is_given_up_without_another_to_take_its_place() {
    with_lane(row_by_row, |lane| async move {
        learn_a_millisecond_a_row(&lane);
        let rows = rows(&lane, [2_000_000, 3_000_000, 4_000_000, 5_000_000]);
        let late = |count| {
            // All would be late, by an estimate that is too high.
            lane.give_up(count, 99_000_000, 100_000_000, |_| ());
            rows.map(|id| state(&lane, id) == LATE)
        };
        assert_eq!(late(4), [false; 4]);
        assert_eq!(late(3), [true, false, false, false]);
        assert_eq!(late(1), [true, true, true, false]);
    });
}

#[test]
fn whatever_a_row_leaves_for_makes_room_for_one() {
    with_lane(row_by_row, |lane| async move {
        learn_a_millisecond_a_row(&lane);
        let rows = rows(&lane, [2_000_000, 3_000_000, u64::MAX, u64::MAX]);
        lane.expire(2_000_000, |_| ());
        lane.give_up(2, 2_500_000, 3_500_000, |_| ());
        lane.release(rows[2]);
        lane.take(1, &mut Vec::new());
        assert_eq!([lane.departed_rows(), lane.departed_rows()], [4, 0]);
    });
}

#[test]
fn a_deadline_that_passes_while_a_row_waits_is_not_noticed_late() {
    with_endless_batch(
        |_| (),
        |shard, lane| async move {
            let mut late_ns = u64::MAX;
            for _ in 0..20 {
                let now_ns = shard.context.clock.now_ns();
                let deadline_ns = now_ns + 5_000_000;
                let id = queue(&lane, &Terms { now_ns, deadline_ns, ..TERMS }).expect("room");
                while state(&lane, id) == RowState::Waiting {
                    sleep(Duration::from_micros(50)).await;
                }
                assert_eq!(state(&lane, id), RowState::Done(Err(RowFailure::DeadlineExceeded)));
                late_ns = late_ns.min(shard.context.clock.now_ns() - deadline_ns);
                lane.release(id);
            }
            assert!(late_ns < 500_000, "at best {late_ns} ns late");
        },
    );
}

#[test]
fn what_one_of_two_versions_refuses_is_refused_as_a_whole() {
    let settings = |settings: &mut ShardSettings| settings.queue_rows_max = 4;
    with_endless_batch(settings, |shard, lane| async move {
        let telemetry = shard.context.telemetry.add_lane(lane.telemetry().facts.clone());
        let canary = Lane::new(lane.settings.clone(), telemetry);
        let refuse =
            |rows: usize, canarys: usize| refuse_all([(&lane, rows), (&canary, canarys)], &TERMS);
        let failed = |lane: &Lane| lane.counters().rows_failed.iter().map(Counter::get).sum();
        (0..3).for_each(|_| _ = queue_row(&lane));
        assert_eq!(refuse(0, 3), None, "nothing is asked of the full one");
        assert_eq!(refuse(2, 3), Some(RowFailure::Overloaded));
        assert_eq!((failed(&lane), failed(&canary)), (2_u64, 3_u64));
        assert_eq!((lane.waiting_rows(), canary.waiting_rows()), (3, 0));
    });
}
