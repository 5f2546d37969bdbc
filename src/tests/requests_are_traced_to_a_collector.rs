//! `[otlp]`: recorded requests reach a collector as spans, of which a trace can be made: those whose
//! caller recorded its own, and a share of the others.

use crate::support::collector::{Collector, Span, below, roots};
use crate::support::{Client, Launch, import, models, post_to, run, shardgate, store, wait_until};

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const CALLER: &str = "00f067aa0ba902b7";

fn hex(bytes: &[u8]) -> String {
    let digits = |byte: &u8| [byte >> 4, byte & 15].map(|digit| char::from_digit(digit.into(), 16));
    bytes.iter().flat_map(digits).flatten().collect()
}

fn ask(client: &mut Client, path: &str, fields: &str, body: &str) -> u16 {
    client.ask(post_to(path, fields, body)).status
}

fn names(spans: &[&Span]) -> Vec<String> {
    spans.iter().map(|span| span.name.clone()).collect()
}

#[test]
fn a_callers_flag_decides_and_its_span_is_the_parent() {
    let collector = Collector::start(200);
    let gateway = Launch::demo().config(&collector.config(0.0)).start();
    let mut client = gateway.client();
    let user = "{\"user_id\": \"user-001\"}";
    let of = |flags: &str| format!("traceparent: 00-{TRACE}-{CALLER}-{flags}\r\n");
    assert_eq!(ask(&mut client, "/predict", &of("00"), user), 200);
    assert_eq!(ask(&mut client, "/predict", "", user), 200);
    let state = "tracestate: vendor=a1,other=b2\r\n";
    assert_eq!(ask(&mut client, "/predict", &(of("01") + state), user), 200);
    assert_eq!(ask(&mut client, "/predict/none", &of("01"), "{}"), 404);
    assert_eq!(ask(&mut client, "/v2/models/demo-logistic/infer", &of("03"), "{"), 400);

    let spans = collector.spans(3);
    let requests: Vec<_> = roots(&spans).collect();
    let found: Vec<_> = requests
        .iter()
        .map(|span| (span.name.as_str(), span.attribute("http.response.status_code")))
        .collect();
    let said = |status: &str| Some(status.to_owned());
    let expected = [
        ("POST /predict", said("200")),
        ("POST /predict/{model}", said("404")),
        ("POST /v2/models/{model}/infer", said("400")),
    ];
    assert_eq!(found, expected);
    for span in &spans {
        assert_eq!(hex(&span.trace_id), TRACE);
        assert!(span.id.len() == 8 && span.start_ns <= span.end_ns, "{span:?}");
        assert!(span.status.is_none() && span.flags & 1 == 1);
    }
    for span in &requests {
        assert_eq!(hex(&span.parent_span_id), CALLER);
        assert_eq!(span.flags & 0x300, 0x300, "its parent is remote");
    }
    assert_eq!(requests[0].trace_state, "vendor=a1,other=b2");
    assert_eq!(requests[0].attribute("shardgate.model.name").as_deref(), Some("demo-logistic"));
    assert_eq!(requests[0].attribute("shardgate.rows").as_deref(), Some("1"));
    let parts = below(&spans, requests[0]);
    assert_eq!(names(&parts), ["queue", "features", "model", "write"]);
    assert_eq!(parts[1].attribute("shardgate.entity").as_deref(), Some("user"));
    assert_eq!(parts[1].attribute("shardgate.features").as_deref(), Some("stored"));
    let mut last_ns = requests[0].start_ns;
    for part in parts {
        assert!(last_ns <= part.start_ns && part.end_ns <= requests[0].end_ns, "{part:?}");
        assert_eq!((part.kind, part.flags & 0x300), (1, 0x100));
        last_ns = part.end_ns;
    }
    assert_eq!(names(&below(&spans, requests[1])), ["write"], "nothing was computed for it");
    assert_eq!(collector.rest(), [], "nothing else is recorded");
}

#[test]
fn a_share_of_the_others_is_recorded_and_the_process_is_named() {
    let collector = Collector::start(200);
    let gateway = Launch::demo().config(&collector.config(1.0)).start();
    let mut client = gateway.client();
    for _ in 0..3 {
        assert_eq!(ask(&mut client, "/predict", "", "{\"user_id\": \"user-001\"}"), 200);
    }
    let posted = collector.next();
    assert!(posted.head.starts_with("post /v1/traces http/1.1\r\n"), "{}", posted.head);
    for field in ["content-type: application/x-protobuf\r\n", "x-team: fraud\r\n"] {
        assert!(posted.head.contains(field), "{}", posted.head);
    }
    let [all] = &*posted.export.resource_spans else { panic!("{:?}", posted.export) };
    let resource = all.resource.as_ref().expect("a resource");
    assert_eq!(resource.attribute("service.name").as_deref(), Some("risk"));
    assert_eq!(resource.attribute("service.version").as_deref(), Some(env!("CARGO_PKG_VERSION")));
    let traces: Vec<_> = roots(&all.scope_spans[0].spans).collect();
    for span in &traces {
        assert_eq!((span.trace_id.len(), span.parent_span_id.len()), (16, 0));
        assert!(span.trace_state.is_empty());
    }

    // The latency's histogram names a trace, in the one format that has a place for it.
    let scrape = |accept: &str| {
        let request = format!("GET /metrics HTTP/1.1\r\nhost: a\r\naccept: {accept}\r\n\r\n");
        Client::connect(gateway.admin).ask(request).body
    };
    let named = scrape("application/openmetrics-text;version=1.0.0");
    let exemplars = named.lines().filter(|line| line.contains(" # {trace_id=\""));
    let exemplars: Vec<_> = exemplars.collect();
    assert!(!exemplars.is_empty(), "{named}");
    for line in exemplars {
        let bucket = "http_server_request_duration_seconds_bucket{";
        assert!(line.starts_with(bucket), "{line}");
    }
    assert!(!scrape("text/plain").contains("trace_id"));
}

#[test]
fn each_entity_has_a_span_of_its_own() {
    let folder = tempfile::tempdir().expect("a folder");
    let model = folder.path().join("models/demo");
    std::fs::create_dir_all(model.join("1")).expect("a folder");
    let demo = models().join("demo-logistic");
    std::fs::copy(demo.join("1/model.onnx"), model.join("1/model.onnx")).expect("copied");
    let manifest = std::fs::read_to_string(demo.join("model.toml")).expect("a manifest");
    let of_merchant = "name = \"feature_3\"\nentity = \"merchant\"";
    let manifest = manifest.replace("name = \"feature_3\"", of_merchant)
        + "\n[[entities]]\nname = \"merchant\"\nkey = \"merchant_id\"\ntable = \"merchants\"\n";
    std::fs::write(model.join("model.toml"), manifest).expect("written");
    let users = folder.path().join("store");
    import(&demo.join("features.csv"), &users);
    let csv = folder.path().join("merchants.csv");
    std::fs::write(&csv, "merchant_id,feature_3:float\nm-1,0.5\n").expect("written");
    let table = ["--table", "merchants", "--key", "merchant_id"];
    let ended =
        run(shardgate().arg("import").arg(&csv).args(["--store", &store(&users)]).args(table));
    assert_eq!(ended.status, Some(0), "{ended:?}");

    let collector = Collector::start(200);
    let launch = Launch::on_store("demo", &store(&users)).config(&collector.config(1.0));
    let repository = folder.path().join("models");
    let gateway = launch.with(|command| _ = command.env("SHARDGATE_MODELS", repository)).start();
    let body = "{\"user_id\": \"user-001\", \"merchant_id\": \"m-2\"}";
    ask(&mut gateway.client(), "/predict", "", body);
    let spans = collector.spans(1);
    let request = roots(&spans).next().expect("a request");
    let parts = below(&spans, request);
    let entities = parts.iter().filter_map(|part| {
        Some((part.attribute("shardgate.entity")?, part.attribute("shardgate.features")?))
    });
    let expected = [("user", "stored"), ("merchant", "missing")];
    let expected = expected.map(|(name, status)| (name.to_owned(), status.to_owned()));
    assert_eq!(entities.collect::<Vec<_>>(), expected);
    let mut ids: Vec<_> = spans.iter().map(|span| &span.id).collect();
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), spans.len());
}

#[test]
fn an_explanation_has_a_span() {
    let collector = Collector::start(200);
    let gateway = Launch::of("credit-risk").config(&collector.config(1.0)).start();
    let body = "{\"user_id\": \"applicant-0001\", \"explain\": 2}";
    assert_eq!(ask(&mut gateway.client(), "/predict", "", body), 200);
    let spans = collector.spans(1);
    let parts = below(&spans, roots(&spans).next().expect("a request"));
    assert_eq!(names(&parts), ["queue", "features", "model", "explain", "write"]);
}

#[test]
fn a_collector_that_hangs_costs_spans_and_nothing_else() {
    const REQUESTS: usize = 12_000;
    const AT_ONCE: usize = 50;
    let collector = Collector::start(0);
    let gateway = Launch::demo().config(&collector.config(1.0)).start();
    let mut client = gateway.client();
    let request = post_to("/predict", "", "{\"user_id\": \"user-001\"}");
    for _ in 0..REQUESTS / AT_ONCE {
        client.send(request.repeat(AT_ONCE));
        for _ in 0..AT_ONCE {
            assert_eq!(client.receive().status, 200);
        }
    }
    let counted = |name: &str| counted(gateway.admin, name);
    let (recorded, dropped) =
        (counted("shardgate_spans_recorded_total"), counted("shardgate_spans_dropped_total"));
    assert_eq!((recorded + dropped) as usize, REQUESTS);
    assert!(dropped > 0.0, "the buffers are bounded");
}

#[test]
fn what_a_collector_refuses_is_counted_and_said_once() {
    let collector = Collector::start(400);
    let gateway = Launch::demo().config(&collector.config(1.0)).start();
    let mut client = gateway.client();
    for _ in 0..3 {
        assert_eq!(ask(&mut client, "/predict", "", "{\"user_id\": \"user-001\"}"), 200);
        collector.next();
    }
    let lost = "shardgate_spans_exported_total{result=\"lost\"}";
    wait_until("all are counted", || counted(gateway.admin, lost) >= 3.0);
    let (status, lines) = gateway.stop();
    assert_eq!(status.code(), Some(0));
    let said = lines.iter().filter(|line| line.contains("the collector does not take spans"));
    assert_eq!(said.count(), 1, "{lines:?}");
}

#[test]
fn what_was_answered_last_is_sent_before_the_end() {
    let collector = Collector::start(200);
    let slow = collector.config(1.0).replace("interval_ms = 20", "interval_ms = 3600000");
    let gateway = Launch::demo().config(&slow).start();
    assert_eq!(ask(&mut gateway.client(), "/predict", "", "{\"user_id\": \"user-001\"}"), 200);
    let (status, lines) = gateway.stop();
    assert_eq!(status.code(), Some(0), "{lines:?}");
    assert_eq!(roots(&collector.rest()).count(), 1);
}

/// The sum of a metric's values.
fn counted(admin: std::net::SocketAddr, name: &str) -> f64 {
    let request = "GET /metrics HTTP/1.1\r\nhost: a\r\n\r\n";
    let page = Client::connect(admin).ask(request).body;
    let lines = page.lines().filter(|line| line.starts_with(name));
    lines.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).sum()
}
