//! How tests wait: for as long as a busy machine takes, and never for ever.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// After so long without anything new a test fails. Machines that run tests stand still now and then,
/// for half a minute even.
pub(crate) const PATIENCE: Duration = Duration::from_mins(2);
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// Waits until `condition` holds; fails, naming `what`, if it never does.
pub(crate) fn wait_until(what: &str, condition: impl Fn() -> bool) {
    for _ in 0..PATIENCE.as_millis() / LOOK_EVERY.as_millis() {
        if condition() {
            return;
        }
        pause(LOOK_EVERY);
    }
    panic!("it never came to this: {what}");
}

#[expect(clippy::disallowed_methods, reason = "a test's own thread, no shard's")]
pub(crate) fn pause(duration: Duration) {
    std::thread::sleep(duration);
}

/// Tells the threads of a test that it is over, also where it has failed: its scope waits for them,
/// so it would go on for ever otherwise.
pub(crate) struct Over<'a>(pub(crate) &'a AtomicBool);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Release);
    }
}
