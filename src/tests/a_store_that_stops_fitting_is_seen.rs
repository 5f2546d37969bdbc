//! A store whose columns do not fit the model any more: `/readyz`, the log, `/metrics` and the live
//! page say so, once for each change, and that it fits again, with or without requests.

use crate::support::gateway::store;
use crate::support::{Client, Gateway, Launch, run, shardgate, wait_until};
use serde_json::Value;

const USER: &str = "{\"user_id\": \"user-001\"}";

/// Replaces what the gateway's store has.
fn replace(gateway: &Gateway, csv: &str) {
    let path = gateway.store().with_extension("csv");
    std::fs::write(&path, csv).unwrap();
    let target = store(&gateway.store());
    let ended = run(shardgate().arg("import").arg(&path).args(["--store", &target, "--replace"]));
    assert_eq!(ended.status, Some(0), "{ended:?}");
}

fn get(gateway: &Gateway, path: &str) -> (u16, String) {
    let request = format!("GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n");
    let answer = Client::connect(gateway.admin).ask(request);
    (answer.status, answer.body)
}

/// The first status that the live page is sent.
fn page_status(gateway: &Gateway) -> Value {
    use std::io::{BufRead, BufReader, Write};
    let mut stream = std::net::TcpStream::connect(gateway.admin).unwrap();
    stream.write_all(b"GET /events HTTP/1.1\r\nhost: localhost\r\n\r\n").unwrap();
    let mut lines = BufReader::new(stream).lines().map_while(Result::ok);
    lines.find(|line| line == "event: status").expect("a status");
    let data = lines.next().expect("its data");
    serde_json::from_str(data.strip_prefix("data: ").unwrap()).unwrap()
}

#[test]
fn an_operator_hears_it_once_and_that_it_is_over() {
    let cores: Vec<_> = core_affinity::get_core_ids().expect("cores");
    let cores: Vec<_> = cores.iter().take(2).map(|core| core.id.to_string()).collect();
    let gateway =
        Launch::demo().with(|command| _ = command.env("SHARDGATE_CORES", cores.join(","))).start();
    let expected = gateway.client().predict(USER).score();
    // Nobody asks meanwhile: the shards notice by themselves.
    replace(&gateway, "user_id,feature_1,feature_2,score\nuser-001,0.5,1.2,-0.8\n");
    wait_until("it is not ready", || get(&gateway, "/readyz").0 == 503);
    let said: Value = serde_json::from_str(&get(&gateway, "/readyz").1).unwrap();
    assert_eq!((&said["ready"], &said["reasons"]["models"]), (&false.into(), &"unfit".into()));
    let unfit = said["reasons"]["unfit"].as_array().expect("models");
    assert_eq!((unfit.len(), &unfit[0]["model"]), (1, &"demo-logistic".into()), "{said}");
    assert!(unfit[0]["reason"].as_str().unwrap().contains("`feature_3` is not in the store"));
    let line = gateway.wait_for_line("ERROR");
    assert!(line.contains("`feature_3`") && line.contains("demo-logistic"), "{line}");
    let metric = "shardgate_model_unfit{shard=\"0\",model=\"demo-logistic\",version=\"1\"}";
    wait_until("every shard counts it", || {
        let scraped = get(&gateway, "/metrics").1;
        let values = scraped.lines().filter(|line| line.starts_with("shardgate_model_unfit{"));
        values.clone().count() == cores.len() && values.clone().all(|line| line.ends_with(" 1"))
    });
    assert!(get(&gateway, "/metrics").1.contains(metric));
    assert_eq!(page_status(&gateway)["unfit"][0]["model"], "demo-logistic");
    for _ in 0..20 {
        assert_eq!(gateway.client().predict(USER).status, 503);
    }

    replace(&gateway, "user_id,feature_3,feature_1,feature_2\nuser-001,-0.8,0.5,1.2\n");
    for _ in 0..20 {
        let answer = gateway.client().predict(USER);
        assert_eq!(answer.score().to_bits(), expected.to_bits());
    }
    wait_until("it is ready", || get(&gateway, "/readyz").0 == 200);
    let lines = gateway.lines_to("the store fits the model again");
    assert!(!lines.iter().any(|line| line.contains("ERROR")), "one for the change: {lines:?}");
    assert_eq!(page_status(&gateway)["unfit"], serde_json::json!([]));
    let (status, rest) = gateway.stop();
    assert_eq!(status.code(), Some(0));
    assert!(!rest.iter().any(|line| line.contains("ERROR")), "{rest:?}");
}
