//! Unknown users, unknown cells and old rows: defaults, statuses and refusals, as the model says.

use shards::failure::Refusal;
use shards::features::embedded::EmbeddedReader;
use shards::features::inputs::{
    FeaturePolicies, InputColumn, NanMeaning, OnExpired, OnMissing, OutOfRange, Source,
};
use shards::features::join::JoinPlan;
use shards::features::{FetchRequests, Fetched, Joined};
use shards::provenance::FeatureStatus::{self, Missing, Stored};

use crate::stores::{WRITTEN_US, column, fetch, plan_of, row, store_of};

const CSV: &str = "user_id,a,b,last_updated\nfull,1,2,\nnull,,2,\nnan,NaN,2,\nold,1,2,1000\n";

fn column_with(name: &str, default: f64, nan: NanMeaning) -> InputColumn {
    InputColumn { default, nan, range: Some((-10.0, 10.0)), ..column(name) }
}

#[test]
fn unknown_users_and_cells_take_the_defaults() {
    let (_folder, store) = store_of(CSV);
    let reader = EmbeddedReader::new(&store).unwrap();
    let columns = [column_with("a", 7.0, NanMeaning::Default), column("b")];
    let plan = plan_of(&reader, &columns, &FeaturePolicies::default());
    let keys = ["nobody", "full", "null", "nan", "", &"k".repeat(600)];
    let joined = fetch(&reader, &plan, &keys);
    for (at, cells, status, defaulted) in [
        (0, [7.0, 0.0], Missing, 0),
        (1, [1.0, 2.0], Stored, 0),
        (2, [7.0, 2.0], Stored, 1),
        (3, [7.0, 2.0], Stored, 1),
        (4, [7.0, 0.0], Missing, 0),
        (5, [7.0, 0.0], Missing, 0),
    ] {
        let outcome = joined.outcomes[at];
        assert_eq!(row(&joined, at), cells, "{}", keys[at]);
        assert_eq!((outcome.status, outcome.defaulted), (status, defaulted), "{}", keys[at]);
        assert_eq!(outcome.refusal, None);
    }
    assert_eq!(joined.defaulted_by_column, [2, 0]);
}

#[test]
fn one_refused_row_leaves_the_others_of_its_batch() {
    let (_folder, store) = store_of(CSV);
    let reader = EmbeddedReader::new(&store).unwrap();
    let columns = [column_with("a", 7.0, NanMeaning::Reject), column("b")];
    let policies = FeaturePolicies { on_missing: OnMissing::Reject, ..Default::default() };
    let plan = plan_of(&reader, &columns, &policies);
    let joined = fetch(&reader, &plan, &["full", "null", "nobody", "full"]);
    let refusals: Vec<_> = joined.outcomes.iter().map(|outcome| outcome.refusal).collect();
    let null = Refusal::StoredNotANumber { column: 0 };
    assert_eq!(refusals, [None, Some(null), Some(Refusal::UnknownUser { entity: 0 }), None]);
    assert_eq!((row(&joined, 0), row(&joined, 3)), (vec![1.0, 2.0], vec![1.0, 2.0]));
}

#[test]
fn nan_is_passed_on_where_the_model_reads_it() {
    let (_folder, store) = store_of(CSV);
    let reader = EmbeddedReader::new(&store).unwrap();
    let columns = [column_with("a", 7.0, NanMeaning::Missing)];
    let policies = FeaturePolicies { max_defaulted_columns: Some(0), ..Default::default() };
    let joined =
        fetch(&reader, &plan_of(&reader_of(&store), &columns, &policies), &["null", "nan"]);
    assert!(row(&joined, 0)[0].is_nan() && row(&joined, 1)[0].is_nan());
    assert!(joined.outcomes.iter().all(|outcome| outcome.refusal.is_none()));

    let columns = [column_with("a", 7.0, NanMeaning::Default)];
    let plan = plan_of(&reader, &columns, &policies);
    let refusal = fetch(&reader, &plan, &["null"]).outcomes[0].refusal;
    assert_eq!(refusal, Some(too_many(Some(0), 1, 0)));
}

fn too_many(entity: Option<u8>, found: u32, allowed: u32) -> Refusal {
    Refusal::TooManyDefaulted { entity, found, allowed }
}

#[test]
fn every_column_on_its_default_counts_whatever_the_reason() {
    let (_folder, store) = store_of(CSV);
    let reader = EmbeddedReader::new(&store).unwrap();
    let amount = InputColumn { source: Source::Request, ..column("amount") };
    let columns = [column_with("a", 7.0, NanMeaning::Default), column("b"), amount];
    let ask = |allowed, keys: &[&str], amount: f64| {
        let policies = FeaturePolicies {
            max_defaulted_columns: Some(allowed),
            max_age_s: Some(60),
            on_expired: OnExpired::Default,
            ..Default::default()
        };
        let plan = plan_of(&reader, &columns, &policies);
        let mut requests = FetchRequests::new(1);
        for key in keys {
            requests.push(key.as_bytes(), &[amount]);
        }
        let mut joined = Joined::new(&plan);
        assert_eq!(reader.fetch(&plan, &requests, WRITTEN_US, &mut joined), Fetched::Joined);
        joined.outcomes.iter().map(|outcome| outcome.refusal).collect::<Vec<_>>()
    };
    // A null cell, a user who is not known, and a row that is too old.
    let found = ask(0, &["full", "null", "nobody", "old"], 1.0);
    let both = Some(too_many(Some(0), 2, 0));
    assert_eq!(found, [None, Some(too_many(Some(0), 1, 0)), both, both]);
    // And a field that the request does not give.
    let found = ask(1, &["full", "null", "nobody"], f64::NAN);
    assert_eq!(found, [None, Some(too_many(None, 2, 1)), Some(too_many(None, 3, 1))]);
    assert_eq!(ask(3, &["nobody", "old"], f64::NAN), [None, None]);
}

fn reader_of(store: &shards::features::embedded::EmbeddedStore) -> EmbeddedReader {
    EmbeddedReader::new(store).unwrap()
}

#[test]
fn an_old_row_is_used_replaced_or_refused() {
    let (_folder, store) = store_of(CSV);
    let reader = EmbeddedReader::new(&store).unwrap();
    for (on_expired, cells, refusal) in [
        (OnExpired::Use, Some([1.0, 2.0]), None),
        (OnExpired::Default, Some([0.0, 0.0]), None),
        (OnExpired::Reject, None, Some(Refusal::Expired { entity: 0 })),
    ] {
        let policies = FeaturePolicies { on_expired, max_age_s: Some(60), ..Default::default() };
        let plan = plan_of(&reader, &[column("a"), column("b")], &policies);
        let joined = fetch(&reader, &plan, &["old", "full"]);
        assert_eq!(joined.outcomes[0].status, FeatureStatus::Expired);
        assert_eq!(joined.outcomes[0].refusal, refusal);
        assert_eq!(joined.outcomes[1].status, FeatureStatus::Stored);
        if let Some(cells) = cells {
            assert_eq!(row(&joined, 0), cells);
        }
    }
}

#[test]
fn request_fields_join_the_stored_cells() {
    let (_folder, store) = store_of(CSV);
    let reader = EmbeddedReader::new(&store).unwrap();
    let amount = |nan| InputColumn { source: Source::Request, ..column_with("amount", 5.0, nan) };
    let ask = |plan: &JoinPlan, asked: &[(&str, f64)]| {
        let mut requests = FetchRequests::new(plan.request_fields().len());
        for (key, value) in asked {
            requests.push(key.as_bytes(), &[*value]);
        }
        let mut joined = Joined::new(plan);
        assert_eq!(reader.fetch(plan, &requests, WRITTEN_US, &mut joined), Fetched::Joined);
        joined
    };
    let columns = [column("a"), amount(NanMeaning::Default), column("b")];
    let plan = plan_of(&reader_of(&store), &columns, &FeaturePolicies::default());
    assert_eq!(plan.request_fields()[0].name, "amount");
    let asked =
        [("full", 3.0), ("nobody", 4.0), ("full", -3.0), ("full", f64::NAN), ("full", 11.0)];
    let joined = ask(&plan, &asked);
    assert_eq!(joined.keys_fetched, 2, "a user who asks twice is fetched once");
    assert_eq!(row(&joined, 0), [1.0, 3.0, 2.0]);
    assert_eq!(row(&joined, 1), [0.0, 4.0, 0.0]);
    assert_eq!(row(&joined, 2), [1.0, -3.0, 2.0]);
    assert_eq!(row(&joined, 3), [1.0, 5.0, 2.0]);
    assert_eq!(joined.outcomes[4].refusal, Some(Refusal::RequestOutOfRange { column: 1 }));
    assert_eq!(joined.defaulted_by_column, [0, 1, 0], "a field that is not given is counted");

    for (out_of_range, [low, high]) in
        [(OutOfRange::Clip, [-10.0, 10.0]), (OutOfRange::Default, [5.0, 5.0])]
    {
        let column = InputColumn { out_of_range, ..amount(NanMeaning::Default) };
        let plan = plan_of(&reader_of(&store), &[column], &FeaturePolicies::default());
        let joined = ask(&plan, &[("full", -11.0), ("full", 1e300), ("full", 9.0)]);
        let found: Vec<f64> = (0..3).map(|at| row(&joined, at)[0]).collect();
        assert_eq!(found, [low, high, 9.0]);
        assert!(joined.outcomes.iter().all(|outcome| outcome.refusal.is_none()));
    }
    let required = InputColumn { required: true, ..amount(NanMeaning::Default) };
    let plan = plan_of(&reader_of(&store), &[required], &FeaturePolicies::default());
    let joined = ask(&plan, &[("full", f64::NAN), ("full", 1.0)]);
    let refusal = Refusal::RequestFieldRequired { column: 0 };
    assert_eq!(joined.outcomes[0].refusal, Some(refusal));
    assert_eq!(joined.outcomes[1].refusal, None);

    let plan =
        plan_of(&reader_of(&store), &[amount(NanMeaning::Reject)], &FeaturePolicies::default());
    let refusal = ask(&plan, &[("full", f64::NAN)]).outcomes[0].refusal;
    assert_eq!(refusal, Some(Refusal::RequestFieldMissing { column: 0 }));
}
