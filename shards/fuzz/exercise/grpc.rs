//! Bytes of a stream of gRPC: the messages in them, as each method reads them, and the tensors of
//! inference requests.
//!
//! The first byte says how the rest is cut; however it is cut, the same messages come out.

use prost::Message;
use shards::api::infer::rows::ParsedInfer;
use shards::batch::Rows;
use shards::features::Precision;
use shards::features::entities::RequestKeys;
use shards::grpc::framing::{MessageReader, frame};
use shards::grpc::messages::inference::{ModelInferRequest, ModelMetadataRequest};
use shards::grpc::messages::prediction::PredictRequest;
use shards::grpc::messages::reflection::ServerReflectionRequest;
use shards::grpc::read_tensors;
use shards::model::Signature;

const MESSAGE_BYTES_MAX: usize = 4_096;
const ROWS_MAX: usize = 8;

/// Reads all messages, whole and in pieces, and each as the methods do.
pub(crate) fn run(bytes: &[u8]) {
    let Some((cut, stream)) = bytes.split_first() else { return };
    let whole = read(stream, stream.len().max(1));
    assert_eq!(read(stream, 1 + usize::from(*cut) % 32), whole);
    for message in &whole.0 {
        let mut framed = Vec::new();
        frame(&mut framed, |out| out.extend_from_slice(message));
        assert!(stream.windows(framed.len()).any(|window| window == framed));
        decode(message);
    }
    decode(stream);
}

/// The messages in `stream`, arriving `piece` bytes at a time, and whether the rest was refused.
fn read(stream: &[u8], piece: usize) -> (Vec<Vec<u8>>, bool) {
    let (mut reader, mut found) = (MessageReader::default(), Vec::new());
    for piece in stream.chunks(piece) {
        reader.push(piece.to_vec().into());
        reader.settle();
        loop {
            match reader.next(MESSAGE_BYTES_MAX) {
                Ok(Some(message)) => found.push(message.to_vec()),
                Ok(None) => break,
                Err(_) => return (found, true),
            }
        }
    }
    (found, false)
}

fn decode(message: &[u8]) {
    let _ = PredictRequest::decode(message);
    let _ = ModelMetadataRequest::decode(message);
    let _ = ServerReflectionRequest::decode(message);
    let Ok(infer) = ModelInferRequest::decode(message) else { return };
    let signature = Signature {
        fields: Vec::new(),
        description: String::new(),
        matrix: "input".to_owned(),
        columns: vec!["a".to_owned(), "b".to_owned()],
        precision: Precision::F32,
        integers: vec![None, None],
        texts: Vec::new(),
    };
    let keys = RequestKeys::default();
    let Ok(request) = read_tensors(&infer, &|name| name == "user_id") else { return };
    if let Ok(parsed) = ParsedInfer::of(&request, &signature, &[], &keys, ROWS_MAX) {
        let mut made = Rows::default();
        parsed.fill(0, &mut made);
        assert_eq!(made.len(), parsed.rows());
    }
}
