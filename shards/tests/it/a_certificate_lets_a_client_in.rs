//! The name of a client's certificate is a key: it says which models its client may ask, and what
//! for.

use rcgen::{CertificateParams, DnType, SanType};

use crate::support::tls::{Authority, BOTH, LONE, Pair, ask, config, connect, identity};
use crate::support::{Setup, post, post_to};

const KEYS: &str = "[[keys]]\nname = \"scoring\"\nsubject = \"uri:spiffe://bank/scoring\"\n\
    models = [\"credit-risk\"]\n\
    [[keys]]\nname = \"branch\"\nsubject = \"dns:Branch.Bank.Test\"\nmay = [\"predict\"]\n\
    [[keys]]\nname = \"named\"\nsubject = \"cn:batch job\"\nmodels = [\"other\"]\n";

fn with(authority: &Authority, change: impl FnOnce(&mut CertificateParams)) -> Pair {
    authority.sign_with("client.test", change)
}

#[test]
fn each_for_its_models_and_what_it_may_do() {
    let authority = Authority::new();
    let pair = authority.sign("gateway.test");
    let served = Setup::of("credit-risk")
        .encrypted(identity(&pair, Some(&authority)))
        .with_keys(KEYS)
        .serve();
    let scoring = with(&authority, |params| {
        let name = "spiffe://bank/scoring".try_into().unwrap();
        params.subject_alt_names.push(SanType::URI(name));
    });
    let branch = authority.sign("branch.bank.test");
    let named = with(&authority, |params| {
        params.distinguished_name.push(DnType::CommonName, "batch job");
    });
    let stranger = authority.sign("elsewhere.test");
    let lone = post(&LONE.replace("user-001", "applicant-0001"));
    let explained = post("{\"user_id\": \"applicant-0001\", \"explain\": true}");
    let status = |own: &Pair, request: &[u8]| -> u16 {
        let mut stream = connect(served.address, &config(&authority, Some(own), BOTH));
        let body = ask(&mut stream, request).expect("an answer");
        let said = serde_json::from_str::<serde_json::Value>(&body).expect("JSON");
        match said.get("error").and_then(|error| error.as_str()) {
            None => 200,
            Some(error) if error.contains("a key is needed") => 401,
            Some(_) => 403,
        }
    };
    for (own, asks, asks_reasons) in
        [(&scoring, 200, 200), (&branch, 200, 403), (&named, 403, 403), (&stranger, 401, 401)]
    {
        assert_eq!((status(own, &lone), status(own, &explained)), (asks, asks_reasons));
    }
    // A key that is sent goes before the certificate.
    assert_eq!(status(&scoring, &post_to("/predict", "x-api-key: wrong\r\n", LONE)), 403);
    let keys = served.shared.telemetry.keys().expect("counted");
    assert_eq!(keys.admitted.get(0).get(), 2);
    assert_eq!((keys.admitted.get(1).get(), keys.refused.get(2).get()), (2, 2));
}
