//! A new process takes over the listening sockets of the one that serves, which then drains.
//!
//! Both are started with the same `--takeover PATH`. The one that serves listens there and [`offer`]s
//! them; the new one connects and [`ask`]s for them. It is sent the sockets themselves
//! (`SCM_RIGHTS`), so that not one handshake is refused or reset: closing a listener would reset what
//! waits in its queue. When its shards are ready it says so, and the old one answers whether they are
//! its own now; only then does the old one stop accepting. A new process that fails before that
//! leaves the old one as it was, and an old one that ends meanwhile leaves the sockets to the new.
//!
//! [`ask`]: ask::Offer::ask
//! [`offer`]: offer::Bound::offer

pub(crate) mod ask;
pub(crate) mod offer;

/// The most sockets that one message carries (the kernel's limit is 253).
const SOCKETS_MAX: usize = 200;
/// Beside the count of the sockets: somebody else holds them too, so that nobody may close them to
/// new connections.
const HELD_ELSEWHERE: u32 = 1 << 31;

/// What the new process says when its shards are ready.
const READY: u8 = b'R';
/// What the old one answers, when it stops accepting for this one.
const YOURS: u8 = b'Y';
/// What it answers, at any time, when it has stopped for another one.
const TAKEN: u8 = b'T';
