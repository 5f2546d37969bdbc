//! A text of the store is the code that the model has for it, whatever code the store has.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::sync::Arc;

use proptest::prelude::*;
use shards::failure::Refusal;
use shards::features::Categories;
use shards::features::column::ColumnType;
use shards::features::embedded::{EmbeddedReader, EmbeddedStore};
use shards::features::import::{OnBadRow, import_embedded};
use shards::features::inputs::{
    FeaturePolicies, InputColumn, NanMeaning, Source, TextInput, UnknownText,
};
use shards::features::join::{JoinError, JoinPlan, ModelInputs};
use shards::features::{FetchRequests, Fetched, Joined, Precision};

use crate::stores::{Heard, WRITTEN_US, column, fetch, import, options, row, store_of};

fn text(name: &str) -> InputColumn {
    InputColumn { column_type: ColumnType::Text, ..column(name) }
}

fn plan_with(
    reader: &EmbeddedReader,
    columns: &[InputColumn],
    categories: &[Option<Arc<Categories>>],
) -> Result<JoinPlan, JoinError> {
    let (inputs, policies) = (ModelInputs::Columns(columns), FeaturePolicies::default());
    JoinPlan::bind(inputs, &reader.schema(), &policies, Precision::F64)?.with_categories(categories)
}

fn purposes() -> Arc<Categories> {
    Arc::new(Categories::new([("car", 5.0), ("", 6.0), ("Zürich", 7.0)], -1.0))
}

/// The code of each user's only column, and what the join counted.
fn codes(reader: &EmbeddedReader, column: InputColumn, keys: &[&str]) -> (Vec<f64>, Joined) {
    let plan = plan_with(reader, &[column], &[Some(purposes())]).unwrap();
    let joined = fetch(reader, &plan, keys);
    ((0..keys.len()).map(|at| row(&joined, at)[0]).collect(), joined)
}

/// How many texts of a column were none of its categories.
fn unknown(joined: &Joined, column: u32) -> usize {
    joined.unknown_cells.iter().filter(|cell| cell.1 == column).count()
}

#[test]
fn a_text_is_known_or_not_and_may_be_missing() {
    let csv = "user_id,a:text\nu,car\nv,Zürich\nw,boat\nx,\ny,\"car\"\n";
    let (_folder, store) = store_of(csv);
    let reader = EmbeddedReader::new(&store).unwrap();
    let keys = ["u", "v", "w", "x", "y", "nobody"];
    let (found, joined) = codes(&reader, text("a"), &keys);
    assert_eq!(found[..3], [5.0, 7.0, -1.0]);
    assert!(found[3].is_nan() && found[5].is_nan(), "missing, as the library has it");
    assert_eq!(found[4].to_bits(), 5.0_f64.to_bits());
    assert_eq!((unknown(&joined, 0), joined.defaulted_by_column[0]), (1, 1));

    let with = |input: TextInput, nan| InputColumn { text: input, nan, ..text("a") };
    let default = TextInput { default: Some("car".to_owned()), ..TextInput::default() };
    let (found, _) = codes(&reader, with(default, NanMeaning::Default), &keys);
    assert_eq!(found, [5.0, 7.0, -1.0, 5.0, 5.0, 5.0]);
    let missing = TextInput { unknown: UnknownText::Missing, ..TextInput::default() };
    let (found, joined) = codes(&reader, with(missing, NanMeaning::Missing), &keys);
    assert!(found[2].is_nan() && found[3].is_nan());
    assert_eq!((unknown(&joined, 0), joined.defaulted_by_column[0]), (1, 0));
    let reject = TextInput { unknown: UnknownText::Reject, ..TextInput::default() };
    let (_, joined) = codes(&reader, with(reject, NanMeaning::Reject), &keys);
    let refusals: Vec<_> = joined.outcomes.iter().map(|outcome| outcome.refusal).collect();
    assert_eq!(refusals[2], Some(Refusal::StoredUnknownText { column: 0 }));
    assert_eq!(refusals[3], Some(Refusal::StoredNotANumber { column: 0 }));
    assert_eq!([refusals[0], refusals[1], refusals[4]], [None; 3]);
}

#[test]
fn what_a_library_has_no_answer_to_is_refused() {
    let (_folder, store) = store_of("user_id,a:text\nu,car\nw,boat\nx,\n");
    let reader = EmbeddedReader::new(&store).unwrap();
    let known = Categories::new([("car", 0.0)], 0.0).with_unknown(None).with_missing(None);
    let plan = plan_with(&reader, &[text("a")], &[Some(Arc::new(known))]).unwrap();
    let joined = fetch(&reader, &plan, &["u", "w", "x"]);
    let refusals: Vec<_> = joined.outcomes.iter().map(|outcome| outcome.refusal).collect();
    let unknown = Refusal::StoredUnknownText { column: 0 };
    let missing = Refusal::StoredNotANumber { column: 0 };
    assert_eq!(refusals, [None, Some(unknown), Some(missing)]);
}

#[test]
fn numbers_and_texts_are_not_taken_for_each_other() {
    let csv = "user_id,a:text,b:int,c:uuid\nu,car,3,00112233-4455-6677-8899-aabbccddeeff\n";
    let (_folder, store) = store_of(csv);
    let reader = EmbeddedReader::new(&store).unwrap();
    let refused = |column: InputColumn, categories: Option<Arc<Categories>>| {
        plan_with(&reader, &[column], &[categories]).unwrap_err()
    };
    let error = refused(column("a"), None);
    assert!(matches!(error, JoinError::ColumnType { found: ColumnType::Text, .. }), "{error}");
    let error = refused(text("a"), None);
    assert!(matches!(error, JoinError::TextForNumber { .. }), "{error}");
    let error = refused(text("b"), Some(purposes()));
    assert!(matches!(error, JoinError::ColumnType { found: ColumnType::Int, .. }), "{error}");
    let int = InputColumn { column_type: ColumnType::Int, ..column("b") };
    let error = refused(int.clone(), Some(purposes()));
    assert!(matches!(error, JoinError::NumberForText { .. }), "{error}");
    let listed = TextInput { categories: Some(Vec::new()), ..TextInput::default() };
    let error = refused(InputColumn { text: listed, ..text("a") }, Some(purposes()));
    assert!(matches!(error, JoinError::CategoriesTwice { .. }), "{error}");
    let default = TextInput { default: Some("boat".to_owned()), ..TextInput::default() };
    let error = refused(InputColumn { text: default, ..text("a") }, Some(purposes()));
    assert!(matches!(error, JoinError::DefaultUnknown { .. }), "{error}");
    let shares = [("boat".to_owned(), 0.5)].into();
    let shares = TextInput { shares, ..TextInput::default() };
    let error = refused(InputColumn { text: shares, ..text("a") }, Some(purposes()));
    assert!(matches!(error, JoinError::ShareUnknown { .. }), "{error}");

    // Categories that are numbers are found by number, and a UUID by its text.
    let numbers = Categories::new([("3", 9.0)], -1.0).with_numbers([(3.0, 9.0)]);
    let uuid = Categories::new([("00112233-4455-6677-8899-aabbccddeeff", 4.0)], -1.0);
    let columns = [int, text("c")];
    let known = [Some(Arc::new(numbers)), Some(Arc::new(uuid))];
    let plan = plan_with(&reader, &columns, &known).unwrap();
    assert_eq!(row(&fetch(&reader, &plan, &["u"]), 0), [9.0, 4.0]);
}

#[test]
fn a_plan_goes_on_with_the_texts_of_another_file() {
    let (_folder, store) = store_of("user_id,a:text\nu,car\nv,boat\n");
    let reader = EmbeddedReader::new(&store).unwrap();
    let plan = plan_with(&reader, &[text("a")], &[Some(purposes())]).unwrap();
    let found = |keys: &[&str]| {
        let joined = fetch(&reader, &plan, keys);
        (0..keys.len()).map(|at| row(&joined, at)[0]).collect::<Vec<_>>()
    };
    assert_eq!(found(&["u", "v"]), [5.0, -1.0]);
    // Rows that stay have other codes in the new file than before.
    import(&store, "user_id,a:text\nw,plane\nx,Zürich\nv,car\n").unwrap();
    assert_eq!(found(&["u", "v", "w", "x"]), [5.0, 5.0, -1.0, 7.0]);
    let replaced = "user_id,a:text\nu,Zürich\nv,car\n";
    let options = options(OnBadRow::Fatal, true);
    import_embedded(&store, replaced.as_bytes(), &options, &mut Heard::default()).unwrap();
    assert_eq!(found(&["u", "v"]), [7.0, 5.0]);
}

/// Texts that a table and a column have in common, more or less often.
fn texts() -> impl Strategy<Value = String> {
    prop_oneof!["[a-c]{0,2}", "\\PC{1,8}", Just("é".to_owned()), Just("x".repeat(10_000))]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn a_code_is_that_of_the_text(
        known in prop::collection::vec(texts(), 0..12),
        stored in prop::collection::vec(prop::collection::vec(texts(), 2), 1..40),
        given in prop::collection::vec(texts(), 1..8),
    ) {
        let mut codes = HashMap::new();
        let listed = known.iter().zip(0_u32..).map(|(text, code)| {
            codes.entry(text.clone()).or_insert(f64::from(code));
            (text.as_str(), f64::from(code))
        });
        let categories = Arc::new(Categories::new(listed, -7.0));
        let code = |text: &str| codes.get(text).copied().unwrap_or(-7.0);
        // In two imports, so that the second keeps rows of the first.
        let folder = tempfile::tempdir().unwrap();
        let store = EmbeddedStore::open_or_create(folder.path()).unwrap();
        for half in [0, 1] {
            let mut csv = "user_id,a:text,b:text\n".to_owned();
            for (user, cells) in stored.iter().enumerate().filter(|(user, _)| user % 2 == half) {
                let cells = [0, 1].map(|at| cells[at].replace('"', "\"\""));
                writeln!(csv, "user-{user},\"{}\",\"{}\"", cells[0], cells[1]).unwrap();
            }
            if csv.lines().count() > 1 {
                import(&store, &csv).unwrap();
            }
        }
        let reader = EmbeddedReader::new(&store).unwrap();
        let request = InputColumn { source: Source::Request, ..text("c") };
        let columns = [text("b"), request, text("a")];
        let all = [0; 3].map(|_| Some(Arc::clone(&categories)));
        let plan = plan_with(&reader, &columns, &all).unwrap();
        let field = &plan.request_fields()[0];
        let mut requests = FetchRequests::new(1);
        for (user, text) in (0..stored.len()).zip(given.iter().cycle()) {
            requests.push(format!("user-{user}").as_bytes(), &[field.text(text).unwrap()]);
        }
        let mut joined = Joined::new(&plan);
        for _ in 0..2 {
            let fetched = reader.fetch(&plan, &requests, WRITTEN_US, &mut joined);
            prop_assert_eq!(fetched, Fetched::Joined);
            for ((user, cells), text) in stored.iter().enumerate().zip(given.iter().cycle()) {
                let stored = |text: &str| match text {
                    "" => f64::NAN,
                    text => code(text),
                };
                let expected = [stored(&cells[1]), code(text), stored(&cells[0])];
                for (found, expected) in row(&joined, user).into_iter().zip(expected) {
                    let same = found.to_bits() == expected.to_bits();
                    prop_assert!(same || (found.is_nan() && expected.is_nan()), "{found} {expected}");
                }
            }
        }
    }
}

/// A row of floats in the model's order is copied as it is where no cell becomes a code.
#[test]
fn a_float_among_categories_of_numbers_becomes_its_code() {
    let (_folder, store) = store_of("user_id,a:float,b:float\nu,20,0.5\nv,30,0.5\n");
    let reader = EmbeddedReader::new(&store).unwrap();
    let known = Categories::new([("10", 0.0), ("20", 1.0)], -1.0);
    let known = Arc::new(known.with_numbers([(10.0, 0.0), (20.0, 1.0)]));
    let columns = [column("a"), column("b")];
    let (inputs, policies) = (ModelInputs::Columns(&columns), FeaturePolicies::default());
    let plan = JoinPlan::bind(inputs, &reader.schema(), &policies, Precision::F32)
        .and_then(|plan| plan.with_categories(&[Some(known), None]))
        .unwrap();
    let joined = fetch(&reader, &plan, &["u", "v"]);
    assert_eq!((row(&joined, 0), row(&joined, 1)), (vec![1.0, 0.5], vec![-1.0, 0.5]));
}
