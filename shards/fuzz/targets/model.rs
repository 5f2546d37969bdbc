#![no_main]

#[path = "../exercise/model.rs"]
mod exercise;

libfuzzer_sys::fuzz_target!(
    init: {
        // The gateway catches what tract panics on; libFuzzer's hook would end the process first.
        // A panic that nothing catches still ends it.
        std::panic::set_hook(Box::new(|_| {}));
    },
    |bytes: &[u8]| exercise::run(bytes)
);
