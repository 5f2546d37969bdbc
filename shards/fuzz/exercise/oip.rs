//! Bodies of inference requests and of answers, JSON and binary.

use shards::api::infer::{request, rows};
use shards::features::Precision;
use shards::features::entities::{Entity, RequestKeys};
use shards::features::inputs::{FeaturePolicies, IntegerRange};
use shards::features::join::RequestField;
use shards::model::Signature;
use shards::model::manifest::ScoreOutput;
use shards::model::remote::message::{self, RequestTag};

/// Reads the bytes behind the first two as either; those two say where the JSON ends, if anywhere.
pub(crate) fn run(bytes: &[u8]) {
    let Some((length, body)) = bytes.split_first_chunk::<2>() else { return };
    let length = usize::from(u16::from_le_bytes(*length));
    let json_bytes = (length != usize::from(u16::MAX)).then_some(length);
    if let Ok(request) = request::parse(body, json_bytes) {
        let columns = vec!["a".to_owned(), "b".to_owned()];
        let signature = Signature {
            fields: Vec::new(),
            description: String::new(),
            matrix: "input".to_owned(),
            columns,
            precision: Precision::F32,
            integers: vec![None, Some(IntegerRange::new(0.0, 9.0))],
            texts: Vec::new(),
        };
        let fields = [RequestField { name: "b".to_owned(), ..RequestField::default() }];
        let user = Entity::user(&FeaturePolicies::default());
        let other = Entity { key: vec!["a".to_owned(), "c".to_owned()], ..user.clone() };
        for keys in [RequestKeys::default(), RequestKeys::of(&[user, other])] {
            if let Ok(parsed) = rows::ParsedInfer::of(&request, &signature, &fields, &keys, 8) {
                let mut made = shards::batch::Rows::default();
                parsed.fill(0, &mut made);
                assert_eq!(made.len(), parsed.rows());
            }
        }
    }
    let mut scores = Vec::new();
    let (sent, wanted) = (RequestTag(0), ScoreOutput::default());
    if message::read_scores(body, json_bytes, sent, 2, &wanted, &mut scores).is_ok() {
        assert_eq!(scores.len(), 2);
    }
}
