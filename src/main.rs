//! The `shardgate` binary.

fn main() {}
