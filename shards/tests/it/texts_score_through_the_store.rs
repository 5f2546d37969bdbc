//! The models of `tests/texts` score texts as their libraries do when the texts come from a store's
//! file, and when a request gives them: unknown, missing and empty ones too.

use shards::features::column::{CellValue, ColumnType};
use shards::features::embedded::{EmbeddedReader, EmbeddedStore, EmbeddedWriter};
use shards::features::inputs::{FeaturePolicies, InputColumn, NanMeaning, Source};
use shards::features::join::{JoinPlan, ModelInputs};
use shards::features::schema::{Schema, StoreColumn};
use shards::features::{FeatureMatrix, FetchRequests, Fetched, Joined};
use shards::model::Model;
use shards::model::trees::KernelChoice;

use crate::text_models::{Fixture, MISSING, fixtures};

fn columns_of(model: &Model) -> Vec<InputColumn> {
    let column = |at: usize| {
        let is_text = model.categories().get(at).is_some_and(Option::is_some);
        let integers = model.integers().get(at).copied().flatten();
        let column_type = match (is_text, integers) {
            (true, _) => ColumnType::Text,
            (false, Some(_)) => ColumnType::Bigint,
            (false, None) => ColumnType::Double,
        };
        let default = integers.map_or(0.0, |range| range.low);
        let (name, nan) = (format!("column {at}"), NanMeaning::Missing);
        InputColumn { name, column_type, default, nan, ..InputColumn::default() }
    };
    (0..model.columns()).map(column).collect()
}

/// A cell as its column's type has it.
fn value(cell: &str, column_type: ColumnType) -> CellValue<'_> {
    match column_type {
        _ if cell == MISSING => CellValue::Null,
        ColumnType::Text => CellValue::Text(cell),
        ColumnType::Bigint => CellValue::Bigint(cell.parse().expect("an integer")),
        _ => CellValue::Double(cell.parse().expect("a number")),
    }
}

/// The scores of the rows that `requests` asks for; `None` where a row is refused or has none.
fn scores(
    model: &mut Model,
    reader: &EmbeddedReader,
    columns: &[InputColumn],
    ask: impl FnOnce(&JoinPlan, &mut FetchRequests),
) -> Vec<Option<f64>> {
    let (inputs, policies) = (ModelInputs::Columns(columns), FeaturePolicies::default());
    let plan = JoinPlan::bind(inputs, &reader.schema(), &policies, model.precision())
        .and_then(|plan| plan.with_integers(model.integers()))
        .and_then(|plan| plan.with_categories(model.categories()))
        .expect("it fits");
    let mut requests = FetchRequests::new(plan.request_fields().len());
    ask(&plan, &mut requests);
    let mut joined = Joined::new(&plan);
    assert_eq!(reader.fetch(&plan, &requests, 0, &mut joined), Fetched::Joined);
    let mut found = Vec::new();
    let mut alone = FeatureMatrix::new(plan.columns(), model.precision());
    for (row, outcome) in joined.outcomes.iter().enumerate() {
        alone.reset(1);
        (0..plan.columns()).for_each(|at| alone.set(0, at, joined.matrix.get(row, at)));
        let mut score = Vec::new();
        let scored = outcome.refusal.is_none() && model.score(&alone, &mut score).is_ok();
        found.push(score.first().copied().filter(|score| scored && score.is_finite()));
    }
    found
}

fn check_both(fixture: &Fixture) {
    let mut model = fixture.load(KernelChoice::Auto).unwrap();
    let mut columns = columns_of(&model);
    let stored = columns
        .iter()
        .map(|column| StoreColumn { name: column.name.clone(), column_type: column.column_type });
    let schema = Schema::new(stored.collect()).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let store = EmbeddedStore::open_or_create(folder.path()).unwrap();
    let mut writer = EmbeddedWriter::begin(&store, &schema, false).unwrap();
    for (user, row) in fixture.rows.iter().enumerate() {
        let cells = row.iter().zip(&columns).map(|(cell, column)| value(cell, column.column_type));
        writer.put(user.to_string().as_bytes(), 0, &cells.collect::<Vec<_>>()).unwrap();
    }
    writer.commit().unwrap();
    let reader = EmbeddedReader::new(&store).unwrap();
    let by_store = scores(&mut model, &reader, &columns, |_, requests| {
        (0..fixture.rows.len()).for_each(|user| requests.push(user.to_string().as_bytes(), &[]));
    });

    for column in &mut columns {
        column.source = Source::Request;
    }
    let by_request = scores(&mut model, &reader, &columns, |plan, requests| {
        for row in &fixture.rows {
            let cell = |(field, cell): (&shards::features::join::RequestField, &String)| {
                if cell == MISSING {
                    return f64::NAN;
                }
                let number = |fault| field.number(cell.parse().map_err(|_| fault)?);
                field.text(cell).or_else(number).expect("a cell of its type")
            };
            let cells: Vec<f64> = plan.request_fields().iter().zip(row).map(cell).collect();
            requests.push(b"0", &cells);
        }
    });
    for (how, found) in [("the store", by_store), ("the request", by_request)] {
        assert_eq!(fixture.compare(&found), Ok(()), "{} from {how}", fixture.name);
    }
}

#[test]
fn german_applicants_as_they_come() {
    let german = fixtures(|name| name.starts_with("german-"));
    assert!(german.len() >= 5 && german.iter().all(|it| it.rows.len() >= 1_000));
    german.iter().for_each(check_both);
}

#[test]
fn every_encoder() {
    let others = fixtures(|name| !name.starts_with("german-"));
    assert!(others.len() >= 20);
    others.iter().for_each(check_both);
}
