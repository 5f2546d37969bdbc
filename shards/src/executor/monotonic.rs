//! The monotonic clock as a number: a difference of two `Instant`s costs five times its reading, and
//! each request reads it several times.

#![allow(unsafe_code)]

/// Nanoseconds of the machine's monotonic clock, as those of `Instant`.
pub(super) fn now_ns() -> u64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the pointer is to a `timespec` of this frame, which the call fills in. It fails for no
    // clock but one that the kernel lacks, and then leaves the zeros.
    unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &raw mut time) };
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::now_ns;

    #[test]
    fn it_goes_as_instants_do() {
        let (before_ns, start) = (now_ns(), Instant::now());
        while start.elapsed().as_micros() < 200 {}
        let (gone_ns, most) = (now_ns() - before_ns, start.elapsed());
        assert!(gone_ns >= 200_000, "{gone_ns}");
        assert!(u128::from(gone_ns) <= most.as_nanos() + 50_000_000, "{gone_ns} of {most:?}");
    }
}
