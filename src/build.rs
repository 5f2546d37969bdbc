//! Has the linker lead two of glommio's calls of liburing to `shards/src/executor/rings.rs`, and the
//! calls by which the CQL driver makes and reads its connections to
//! `shards/src/features/scylla/watch.rs`, in all that is linked of each package.

fn main() {
    // Whatever changes this file is compiled anew in any case.
    println!("cargo:rerun-if-changed=Cargo.toml");
    for call in ["__sys_io_uring_setup", "io_uring_wait_cqes", "connect", "recv"] {
        println!("cargo:rustc-link-arg=-Wl,--wrap={call}");
    }
}
