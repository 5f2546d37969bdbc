//! What the command line can be asked to do, a file each: its arguments and what they run.

pub(crate) mod import;
