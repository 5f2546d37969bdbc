#![no_main]

#[path = "../exercise/native.rs"]
mod exercise;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| exercise::run("model.txt", bytes));
