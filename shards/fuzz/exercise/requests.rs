//! Bytes from a client: the requests in them, and the rows that their bodies ask for.
//!
//! The first byte says how the rest is cut; however it is cut, the same requests come out.

use std::sync::Arc;

use shards::api::predict::{self, PredictTerms};
use shards::batch::Rows;
use shards::features::Categories;
use shards::features::entities::{Entity, RequestKeys};
use shards::features::inputs::FeaturePolicies;
use shards::features::join::RequestField;
use shards::http1::HttpLimits;
use shards::http1::reader::{RequestReader, Step};
use shards::model::answer::Answers;

const FIELDS: [&str; 2] = ["amount", "term"];
const ARRAY_ROWS_MAX: usize = 8;

/// What a request was read as.
#[derive(Debug, PartialEq)]
struct Found {
    method: String,
    path: String,
    keep_alive: bool,
    body: Option<Vec<u8>>,
}

/// Reads all requests, whole and in pieces, and parses their bodies.
pub(crate) fn run(bytes: &[u8]) {
    let Some((cut, wire)) = bytes.split_first() else { return };
    let (whole, refused) = read(wire, wire.len().max(1));
    let in_pieces = read(wire, 1 + usize::from(*cut) % 32);
    assert_eq!(in_pieces, (whole, refused));
    for request in &in_pieces.0 {
        if let Some(body) = &request.body {
            parse(body);
        }
    }
    parse(wire);
}

/// The requests in `wire`, arriving `piece` bytes at a time, and whether the rest was refused.
fn read(wire: &[u8], piece: usize) -> (Vec<Found>, bool) {
    let limits = HttpLimits {
        target_bytes_max: 40,
        head_bytes_max: 200,
        body_bytes_max: 100,
        ..HttpLimits::default()
    };
    let mut reader = RequestReader::default();
    let mut found = Vec::new();
    let mut arrived = Vec::new();
    for piece in wire.chunks(piece) {
        arrived.extend_from_slice(piece);
        while !arrived.is_empty() {
            match reader.next(&arrived, &limits) {
                Ok(Step::Request { head, body, taken }) => {
                    assert!(taken > 0 && taken <= arrived.len());
                    found.push(Found {
                        method: head.method.to_owned(),
                        path: head.path.to_owned(),
                        keep_alive: head.keep_alive,
                        body: body.map(<[u8]>::to_vec),
                    });
                    arrived.drain(..taken);
                }
                Ok(Step::Skip { taken }) => {
                    assert!(taken > 0);
                    arrived.drain(..taken);
                }
                Ok(Step::More { spent, .. }) => {
                    arrived.drain(spent);
                    // A head, and what is no whole body or line of a chunk or trailer.
                    assert!(arrived.len() <= 200 + 100 + 8_192);
                    break;
                }
                Err(_) => return (found, true),
            }
        }
    }
    (found, false)
}

/// A body leaves as many rows as it asked for, or none.
fn parse(body: &[u8]) {
    let known = Arc::new(Categories::new([("a", 0.0), ("b", 1.0)], f64::NAN));
    let fields = FIELDS.map(|name| RequestField {
        name: name.to_owned(),
        categories: (name == FIELDS[0]).then(|| Arc::clone(&known)),
        ..RequestField::default()
    });
    let user = Entity::user(&FeaturePolicies::default());
    let other = Entity { key: vec!["merchant".to_owned(), FIELDS[0].to_owned()], ..user.clone() };
    for keys in [RequestKeys::default(), RequestKeys::of(&[user, other])] {
        parse_with(body, &fields, &keys);
    }
}

fn parse_with(body: &[u8], fields: &[RequestField], keys: &RequestKeys) {
    let answers = Answers::default();
    let terms = PredictTerms {
        fields,
        keys,
        needs_user: true,
        answers: &answers,
        array_rows_max: ARRAY_ROWS_MAX,
    };
    let mut rows = Rows::default();
    match predict::parse(body, terms, 0, &mut rows) {
        Err(_) => assert!(rows.is_empty()),
        Ok(parsed) => {
            let mut left = Some(parsed.first);
            let mut count = 0;
            while let Some(id) = left {
                left = rows.get(id).next;
                rows.remove(id);
                count += 1;
            }
            assert!(rows.is_empty() && count <= ARRAY_ROWS_MAX);
            assert!(parsed.is_array || count == 1);
        }
    }
}
