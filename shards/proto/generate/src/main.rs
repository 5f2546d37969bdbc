//! Writes the messages of `shards/src/grpc/messages/` and the description of all services beside
//! them, from the files of `shards/proto/`. `scripts/protos` runs it.
//!
//! It reads the files itself, without protoc.

use std::error::Error;
use std::path::Path;

use prost::Message;

const FILES: [&str; 5] = [
    "inference/grpc_service.proto",
    "grpc/health/v1/health.proto",
    "grpc/reflection/v1/reflection.proto",
    "grpc/reflection/v1alpha/reflection.proto",
    "shardgate/v1/predict.proto",
];

fn main() -> Result<(), Box<dyn Error>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let out = root.join("../src/grpc/messages");
    let mut files = protox::compile(FILES, [&root])?;
    let mut config = prost_build::Config::new();
    config
        .out_dir(&out)
        .bytes([
            ".inference.ModelInferRequest.raw_input_contents",
            ".inference.ModelInferResponse.raw_output_contents",
            ".inference.InferTensorContents.bytes_contents",
            ".grpc.reflection.v1.FileDescriptorResponse",
        ])
        .btree_map(["."]);
    config.compile_fds(files.clone())?;
    // The same messages as those of v1.
    std::fs::remove_file(out.join("grpc.reflection.v1alpha.rs"))?;
    // Of use to the compiler only: comments and places make it five times as large.
    for file in &mut files.file {
        file.source_code_info = None;
    }
    std::fs::write(out.join("descriptors.bin"), files.encode_to_vec())?;
    Ok(())
}
