//! A replayed day of card transactions: before each one, a model has of its card what `DuckDB` counts
//! (`tests/velocity/make.py` makes the day and the counts). Exact at the granularity of tiles: a window has
//! all of its time, and at most a tile more.

use std::path::Path;

use shards::features::aggregates::{Aggregate, AggregateFunction, Event, EventValue};
use shards::features::column::ColumnType;
use shards::features::embedded::{
    ChangeBatch, ChangeWriter, Committed, Durability, EmbeddedReader, EmbeddedStore, EmbeddedWriter,
};
use shards::features::inputs::{FeaturePolicies, InputColumn};
use shards::features::schema::Schema;

use crate::stores::{fetch_at, plan_of, row};

fn aggregate(
    name: &str,
    function: AggregateFunction,
    value: &str,
    window: (&str, &str),
) -> Aggregate {
    Aggregate {
        name: name.to_owned(),
        entity: "card".to_owned(),
        function,
        value: (!value.is_empty()).then(|| value.to_owned()),
        window: window.0.to_owned(),
        tile: Some(window.1.to_owned()),
        on_predict: false,
    }
}

fn aggregates() -> Vec<Aggregate> {
    let (hour, day) = (("1h", "5m"), ("1d", "1h"));
    vec![
        aggregate("count_1h", AggregateFunction::Count, "", hour),
        aggregate("sum_1h", AggregateFunction::Sum, "cents", hour),
        aggregate("max_24h", AggregateFunction::Max, "cents", day),
        aggregate("distinct_24h", AggregateFunction::Distinct, "merchant", day),
    ]
}

/// A store whose table has the columns of these aggregates alone.
fn table(folder: &Path, aggregates: &[Aggregate]) -> EmbeddedStore {
    let store = EmbeddedStore::open_or_create(folder).unwrap();
    let all: Vec<_> = aggregates.iter().collect();
    let schema = Schema::new(Aggregate::missing_columns(&all, None).unwrap()).unwrap();
    EmbeddedWriter::begin(&store, &schema, false).and_then(EmbeddedWriter::commit).unwrap();
    store
}

/// Merges the log into the table's file, as an import of nothing.
fn merge(store: &EmbeddedStore) {
    let schema = store.schema().unwrap().unwrap();
    EmbeddedWriter::begin(store, &schema, false).and_then(EmbeddedWriter::commit).unwrap();
}

fn column(name: &str) -> InputColumn {
    let column_type = match name {
        "sum_1h" | "max_24h" => ColumnType::Double,
        _ => ColumnType::Bigint,
    };
    InputColumn { name: name.to_owned(), column_type, ..InputColumn::default() }
}

#[test]
fn a_replayed_day_has_what_duckdb_counts() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/velocity/day.csv");
    let day = std::fs::read_to_string(&path)
        .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let folder = tempfile::tempdir().unwrap();
    let aggregates = aggregates();
    let store = table(folder.path(), &aggregates);
    let schema = store.schema().unwrap().unwrap();
    let mut writer = ChangeWriter::open(&store).unwrap();
    let reader = EmbeddedReader::new(&store).unwrap();
    let columns: Vec<_> = aggregates.iter().map(|it| column(&it.name)).collect();
    let plan = plan_of(&reader, &columns, &FeaturePolicies::default());
    let (mut rows, mut squares, mut compared) = (0, 0.0, 0.0);
    for line in day.lines().skip(1) {
        let cells: Vec<_> = line.split(',').collect();
        let [at, card, cents, merchant, count, sum, max, distinct, exact, exact_and_tile] =
            cells[..]
        else {
            panic!("{line}");
        };
        let number = |text: &str| text.parse::<f64>().unwrap_or(0.0);
        let at_us: i64 = at.parse().unwrap();
        let found = row(&fetch_at(&reader, &plan, &[card], at_us), 0);
        assert_eq!(found[..3], [number(count), number(sum), number(max)], "{line}");
        assert!(
            number(exact) <= found[0] && found[0] <= number(exact_and_tile),
            "{line}: {found:?}"
        );
        if number(distinct) > 0.0 {
            let error = found[3] / number(distinct) - 1.0;
            // Four times the standard error that is said, and what rounding to a whole number is.
            assert!(error.abs() < 0.36 + 1.0 / number(distinct), "{line}: {found:?}");
            squares += error * error;
            compared += 1.0;
        }
        let mut batch = ChangeBatch::new(&schema);
        let fields = [
            ("cents", EventValue::Number(number(cents))),
            ("merchant", EventValue::Text(merchant)),
        ];
        let event = Event { at_us, fields: &fields };
        event.put(&schema, &aggregates, card.as_bytes(), at_us, &mut batch).unwrap();
        let written = writer.commit(&[batch], Durability::System).unwrap();
        assert_eq!(written, [Committed::Written]);
        rows += 1;
        if rows % 900 == 0 {
            merge(&store);
        }
    }
    assert!(rows == 4_000 && compared > 3_000.0);
    let deviation = f64::sqrt(squares / compared);
    assert!(deviation < 0.09, "{deviation}");
    // A day and an hour later nothing of it is left, though nothing was written.
    let late = fetch_at(&reader, &plan, &["card-00"], 1_780_086_400_000_000 + 90_000_000_000);
    assert_eq!(row(&late, 0), [0.0; 4]);
}

#[test]
fn an_import_leaves_counters_as_they_are() {
    let folder = tempfile::tempdir().unwrap();
    let aggregates = aggregates();
    let store = table(folder.path(), &aggregates);
    let mut writer = ChangeWriter::open(&store).unwrap();
    let schema = store.schema().unwrap().unwrap();
    let at_us = 1_780_000_000_000_000;
    let mut batch = ChangeBatch::new(&schema);
    let fields = [("cents", EventValue::Number(250.0)), ("merchant", EventValue::Text("m"))];
    Event { at_us, fields: &fields }.put(&schema, &aggregates, b"c", at_us, &mut batch).unwrap();
    writer.commit(&[batch], Durability::System).unwrap();
    crate::stores::import(&store, "user_id,limit:double\nc,1000\n").unwrap();
    let reader = EmbeddedReader::new(&store).unwrap();
    let columns = [
        column("count_1h"),
        column("sum_1h"),
        InputColumn {
            name: "limit".to_owned(),
            column_type: ColumnType::Double,
            ..InputColumn::default()
        },
    ];
    let plan = plan_of(&reader, &columns, &FeaturePolicies::default());
    assert_eq!(row(&fetch_at(&reader, &plan, &["c"], at_us + 1), 0), [1.0, 250.0, 1_000.0]);
}
