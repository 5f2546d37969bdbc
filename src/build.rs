//! Has the linker lead liburing's set-up of a ring to `serve/ring_flags.rs`. `bench` is built by
//! this too, so that the floor and the loads have rings like the gateway's.

fn main() {
    // Whatever changes this file is compiled anew in any case.
    println!("cargo:rerun-if-changed=Cargo.toml");
    println!("cargo:rustc-link-arg-bins=-Wl,--wrap=io_uring_queue_init_params");
}
