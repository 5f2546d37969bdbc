//! Whatever a row holds comes back from its record, and reaches the matrix as its columns say.

use proptest::prelude::*;
use shards::features::column::{CellValue, ColumnType};
use shards::features::embedded::{EmbeddedReader, EmbeddedStore, EmbeddedWriter};
use shards::features::inputs::{FeaturePolicies, InputColumn, NanMeaning};
use shards::features::join::{JoinPlan, ModelInputs};
use shards::features::record::RecordLayout;
use shards::features::schema::{Schema, StoreColumn};
use shards::features::texts::Interner;
use shards::features::{FetchRequests, Fetched, Joined, Precision};

#[derive(Debug, Clone)]
struct Case {
    cell: CellValue<'static>,
    column: InputColumn,
}

fn cell() -> impl Strategy<Value = (ColumnType, CellValue<'static>)> {
    prop_oneof![
        any::<f32>().prop_map(|value| (ColumnType::Float, CellValue::Float(value))),
        (-2.0..2.0_f32).prop_map(|value| (ColumnType::Float, CellValue::Float(value))),
        any::<f64>().prop_map(|value| (ColumnType::Double, CellValue::Double(value))),
        any::<i32>().prop_map(|value| (ColumnType::Int, CellValue::Int(value))),
        any::<i64>().prop_map(|value| (ColumnType::Bigint, CellValue::Bigint(value))),
        any::<bool>().prop_map(|value| (ColumnType::Boolean, CellValue::Boolean(value))),
        any::<i16>().prop_map(|value| (ColumnType::Smallint, CellValue::Smallint(value))),
        any::<i8>().prop_map(|value| (ColumnType::Tinyint, CellValue::Tinyint(value))),
        any::<f64>().prop_map(|value| (ColumnType::Decimal, CellValue::Decimal(value))),
        any::<i64>().prop_map(|value| (ColumnType::Varint, CellValue::Varint(value))),
        any::<i64>().prop_map(|value| (ColumnType::Timestamp, CellValue::Timestamp(value))),
        any::<i32>().prop_map(|value| (ColumnType::Date, CellValue::Date(value))),
    ]
}

fn case() -> impl Strategy<Value = Case> {
    let range = prop_oneof![Just(None), (-2.0..0.0, 0.0..2.0).prop_map(Some)];
    (cell(), prop::bool::weighted(0.2), range, any::<bool>(), -9.0..9.0).prop_map(
        |((column_type, cell), null, range, missing, default)| Case {
            cell: if null { CellValue::Null } else { cell },
            column: InputColumn {
                name: String::new(),
                column_type,
                default,
                range,
                nan: if missing { NanMeaning::Missing } else { NanMeaning::Default },
                ..InputColumn::default()
            },
        },
    )
}

fn floats() -> impl Strategy<Value = Vec<Case>> {
    let float = case().prop_filter("a float", |case| case.column.column_type == ColumnType::Float);
    prop::collection::vec(float, 1..40)
}

fn schema_of(cases: &mut [Case]) -> Schema {
    let columns = cases.iter_mut().enumerate().map(|(at, case)| {
        case.column.name = format!("column {at}");
        StoreColumn { name: case.column.name.clone(), column_type: case.column.column_type }
    });
    Schema::new(columns.collect()).unwrap()
}

/// The value that a model is to see, said as plainly as can be.
fn expected(case: &Case) -> f64 {
    let value = match case.cell {
        CellValue::Null | CellValue::Text(_) | CellValue::Uuid(_) => f64::NAN,
        CellValue::Float(value) => f64::from(value),
        CellValue::Double(value) | CellValue::Decimal(value) => value,
        CellValue::Int(value) | CellValue::Date(value) => f64::from(value),
        CellValue::Bigint(value) | CellValue::Varint(value) | CellValue::Timestamp(value) => {
            value as f64
        }
        CellValue::Boolean(value) => f64::from(u8::from(value)),
        CellValue::Smallint(value) => f64::from(value),
        CellValue::Tinyint(value) => f64::from(value),
    };
    let (low, high) = case.column.range.unwrap_or((f64::NEG_INFINITY, f64::INFINITY));
    match case.column.nan {
        NanMeaning::Missing if value.is_nan() => value,
        _ if value >= low && value <= high => value,
        _ => case.column.default,
    }
}

fn check(mut cases: Vec<Case>, precision: Precision) -> Result<(), TestCaseError> {
    let schema = schema_of(&mut cases);
    let cells: Vec<_> = cases.iter().map(|case| case.cell).collect();
    let layout = RecordLayout::new(&schema);
    let mut record = Vec::new();
    let mut texts = Interner::default();
    layout.encode(-5, &cells, &mut texts, &mut record).unwrap();
    let read = layout.read(&record, &texts).unwrap();
    prop_assert_eq!(read.last_updated_us(), -5);
    for (read, packed) in read.cells().zip(&cells) {
        // Debug tells NaN from null and compares equal to itself.
        prop_assert_eq!(format!("{read:?}"), format!("{packed:?}"));
    }

    let folder = tempfile::tempdir().unwrap();
    let store = EmbeddedStore::open_or_create(folder.path()).unwrap();
    let mut writer = EmbeddedWriter::begin(&store, &schema, false).unwrap();
    writer.put(b"user", -5, &cells).unwrap();
    writer.commit().unwrap();
    let columns: Vec<_> = cases.iter().map(|case| case.column.clone()).collect();
    let reader = EmbeddedReader::new(&store).unwrap();
    let inputs = ModelInputs::Columns(&columns);
    let plan =
        JoinPlan::bind(inputs, &reader.schema(), &FeaturePolicies::default(), precision).unwrap();
    let mut requests = FetchRequests::new(0);
    requests.push(b"user", &[]);
    let mut joined = Joined::new(&plan);
    prop_assert_eq!(reader.fetch(&plan, &requests, 0, &mut joined), Fetched::Joined);
    for (at, case) in cases.iter().enumerate() {
        let (found, expected) = (joined.matrix.get(0, at), expected(case));
        let same = match precision {
            Precision::F32 => (found as f32).to_bits() == (expected as f32).to_bits(),
            Precision::F64 => found.to_bits() == expected.to_bits(),
        };
        prop_assert!(same || (found.is_nan() && expected.is_nan()), "{case:?}: {found}");
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn rows_of_any_types(cases in prop::collection::vec(case(), 1..40)) {
        check(cases.clone(), Precision::F32)?;
        check(cases, Precision::F64)?;
    }

    #[test]
    fn rows_of_floats(cases in floats()) {
        check(cases.clone(), Precision::F32)?;
        check(cases, Precision::F64)?;
    }
}
