//! The stand-in for a node, asked by the driver itself. Apart from it, as it is a part of other
//! packages' tests, which lack the driver.

use std::net::TcpListener;

use scylla::client::session_builder::SessionBuilder;

use crate::cql_stub::Stub;

type Found = (String, scylla::value::CqlTimestamp, Option<f32>, i32);

#[test]
fn a_driver_reads_the_rows_of_the_csv() {
    let folder = tempfile::tempdir().unwrap();
    let csv = folder.path().join("users.csv");
    std::fs::write(&csv, "user_id,a,b:int\nx,0.5,-7\ny,,2\n").unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let stub = Stub::of(&csv, "bench", listener).unwrap();
    std::thread::spawn(move || stub.serve());

    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let session = SessionBuilder::new().known_node_addr(address).build().await.unwrap();
        let select = "SELECT user_id, last_updated, a, \"b\" FROM bench.user_profiles";
        let group = session.prepare(format!("{select} WHERE user_id IN ?")).await.unwrap();
        let single = session.prepare(format!("{select} WHERE user_id = ?")).await.unwrap();
        let found = session.execute_unpaged(&group, (vec!["y", "nobody", "x"],)).await.unwrap();
        let found = found.into_rows_result().unwrap();
        let rows: Vec<_> = found.rows::<Found>().unwrap().map(Result::unwrap).collect();
        let told: Vec<_> = rows.iter().map(|row| (row.0.as_str(), row.2, row.3)).collect();
        assert_eq!(told, [("y", None, 2), ("x", Some(0.5), -7)]);
        let found = session.execute_unpaged(&single, ("x",)).await.unwrap();
        assert_eq!(found.into_rows_result().unwrap().single_row::<Found>().unwrap().3, -7);
        let other = "SELECT b FROM bench.user_profiles WHERE user_id = ?";
        assert!(session.prepare(other).await.is_err());
    });
}
