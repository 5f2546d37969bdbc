//! Rows that requests write to a cluster's table: some columns stay as they are, the later of two writes
//! stays, a removed row is gone, and what is no row of the table is refused whole.

use std::collections::BTreeMap;

use serde_json::Value;
use shards::features::embedded::ChangeBatch;
use shards::features::scylla::{CqlWriter, ScyllaSettings};
use shards::features::stored::StoredRow;
use shards::features::written_rows::{LineForm, WrittenTable, put_lines};

use crate::cql::{keyspace, node};

const TABLE: &str = "CREATE TABLE cql_written.user_profiles (user_id text PRIMARY KEY, a double, n bigint, \
    t text, last_updated timestamp)";

fn batch(writer: &CqlWriter, lines: &str) -> ChangeBatch {
    let schema = writer.schema();
    let mut batch = ChangeBatch::new(schema);
    let table = WrittenTable { schema, aggregates: &[], key_parts: None, now_us: 0 };
    put_lines(table, &LineForm::default(), lines.as_bytes(), &mut batch).unwrap();
    batch
}

fn cells(settings: &ScyllaSettings, key: &str) -> Option<BTreeMap<String, Value>> {
    let addresses = settings.resolve().unwrap();
    let row = StoredRow::in_table(settings, addresses, key).unwrap();
    row.map(|row| row.cells.into_iter().collect())
}

#[test]
fn the_table_has_what_was_written_last() {
    keyspace(node(), "cql_written", &[TABLE]);
    let settings = crate::cql::settings(node(), "cql_written");
    let mut writer = CqlWriter::open(settings.clone(), settings.resolve().unwrap()).unwrap();
    let write = |writer: &mut CqlWriter, lines: &str| {
        let batch = batch(writer, lines);
        assert_eq!(writer.write(&[batch]), [Ok(())]);
    };
    write(
        &mut writer,
        "{\"key\":\"u\",\"a\":1.5,\"n\":9007199254740993,\"t\":\"x\"}\n{\"key\":\"v\",\"a\":2}",
    );
    // Many writes of one cell at a time: the last of them stays.
    let many: Vec<_> = (0..500)
        .map(|number| batch(&writer, &format!("{{\"key\":\"u\",\"a\":{number}}}")))
        .collect();
    assert!(writer.write(&many).iter().all(Result::is_ok));
    let found = cells(&settings, "u").unwrap();
    assert_eq!(
        (&found["a"], &found["n"], &found["t"]),
        (&Value::from(499.0), &Value::from(9_007_199_254_740_993_i64), &Value::from("x"),)
    );
    write(&mut writer, "{\"key\":\"u\",\"t\":null}\n{\"key\":\"v\",\"removed\":true}");
    assert_eq!(cells(&settings, "u").unwrap()["t"], Value::Null);
    assert_eq!(cells(&settings, "v"), None);
}
