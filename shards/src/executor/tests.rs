//! An executor goes on, wherever the system takes the CPU away from it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

use super::{PREEMPT, make};

const SIGNAL: libc::c_int = libc::SIGURG;
const TIMES: u32 = 2_000;
/// Long enough for any machine: what hangs here would hang for ever.
const PATIENCE: Duration = Duration::from_mins(1);

/// Keeps the thread that it comes to from its work until the preempt timer has fired.
extern "C" fn take_away(_: libc::c_int) {
    let since = Instant::now();
    while since.elapsed() < PREEMPT + PREEMPT / 4 {}
}

/// Has the signal lead to [`take_away`].
fn install() {
    // SAFETY: all zeros are a `sigaction` without flags and with an empty mask; the handler may be
    // run at any point of any thread, as it reads the clock and nothing else.
    unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        action.sa_sigaction = take_away as extern "C" fn(libc::c_int) as libc::sighandler_t;
        assert_eq!(libc::sigaction(SIGNAL, &raw const action, std::ptr::null_mut()), 0);
    }
}

#[test]
fn one_that_loses_the_cpu_at_any_moment_misses_no_timer() {
    install();
    let (sender, thread) = channel();
    let (timers, stopped) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)));
    let (counted, stop) = (Arc::clone(&timers), Arc::clone(&stopped));
    let sleeping = std::thread::spawn(move || {
        // SAFETY: a plain system call.
        sender.send(unsafe { libc::gettid() }).expect("the test waits");
        make("sleepy").expect("io_uring").run(async {
            // One timer at a time: nothing else would wake an executor that slept through it.
            while !stop.load(Ordering::Relaxed) {
                glommio::timer::sleep(Duration::from_micros(1)).await;
                counted.fetch_add(1, Ordering::Relaxed);
            }
        });
    });
    let thread = thread.recv().expect("it says so first");
    for time in 0..TIMES {
        // Each time at another point of the executor's round.
        let (moment, since) = (Duration::from_nanos(u64::from(time) * 31 % 20_000), Instant::now());
        while since.elapsed() < moment {}
        // SAFETY: a plain system call, of a thread that this test joins.
        unsafe { libc::syscall(libc::SYS_tgkill, libc::getpid(), thread, SIGNAL) };
        let (seen, since) = (timers.load(Ordering::Relaxed), Instant::now());
        // More than the timer that the signal met, and the one that the executor was about to set.
        while timers.load(Ordering::Relaxed) < seen + 3 {
            assert!(since.elapsed() < PATIENCE, "it sleeps with a task that is ready");
            std::thread::yield_now();
        }
    }
    stopped.store(true, Ordering::Relaxed);
    sleeping.join().expect("no panic");
}
