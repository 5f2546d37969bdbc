//! Lines for people on the standard streams, which somebody may stop reading: `check | head`.

use std::fmt::Arguments;
use std::io::{ErrorKind, Write};
use std::sync::atomic::{AtomicBool, Ordering};

/// Whether a line was lost that somebody may wait for.
static CUT_OFF: AtomicBool = AtomicBool::new(false);

/// Prints a line on the standard output, as `println!` and without its panic.
macro_rules! say {
    ($($line:tt)*) => { $crate::output::line(format_args!($($line)*)) };
}

/// Prints a line on the standard error, as `eprintln!` and without its panic.
macro_rules! complain {
    ($($line:tt)*) => { $crate::output::error_line(format_args!($($line)*)) };
}

pub(crate) use {complain, say};

/// Prints a line on the standard output.
///
/// Where nobody reads any more the command goes on: its work and its exit status still count. Where
/// the line is lost for another reason, as on a full disk, that is said, and [`is_cut_off`].
pub(crate) fn line(line: Arguments<'_>) {
    let Err(error) = writeln!(std::io::stdout(), "{line}") else { return };
    if error.kind() != ErrorKind::BrokenPipe && !CUT_OFF.swap(true, Ordering::Relaxed) {
        complain!("shardgate: the output cannot be written: {error}");
    }
}

/// Prints a line on the standard error. Where nobody reads it there is nobody to tell.
pub(crate) fn error_line(line: Arguments<'_>) {
    let _ = writeln!(std::io::stderr(), "{line}");
}

/// Whether what was printed is not whole, though somebody reads it.
pub(crate) fn is_cut_off() -> bool {
    CUT_OFF.load(Ordering::Relaxed)
}
