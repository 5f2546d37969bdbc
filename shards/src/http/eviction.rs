//! Which connection is evicted where a shard has as many as it may.
//!
//! Silent connections must not keep all others out until they time out. An idle connection costs
//! its client a new one at most. One that is being answered is never evicted.
//!
//! What is *not* here: which connections are let in (`listener`), and how one is told (`handles`).

use std::net::{IpAddr, Ipv6Addr};

/// How long a client may do nothing before its connection may be evicted, in ms: it may just be
/// about to send a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct IdleLimitsMs {
    /// Of a connection without any request yet, since it was accepted.
    pub(crate) silent: u64,
    /// Of one that was answered, or whose client is slow to send a request or to take an answer.
    pub(crate) idle: u64,
    /// From when on one without any request goes before all others.
    pub(crate) head: u64,
}

/// The wait of a connection for its client, since when in ms of the shard's coarse clock;
/// `u64::MAX` where it does not wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ClientWait {
    /// For a request that it may never send.
    pub(crate) idle_since_ms: u64,
    /// For the rest of a request, or for the client to take a response.
    pub(crate) slow_since_ms: u64,
    /// Whether a request has ever come.
    pub(crate) has_asked: bool,
}

/// The order of eviction: the lesser goes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum EvictionOrder {
    /// No request came, for long.
    Silent { since_ms: u64 },
    /// It waits for a request, or was accepted a moment ago.
    Idle { since_ms: u64 },
    /// A request or a response is on its way, slowly.
    Slow { since_ms: u64 },
}

impl ClientWait {
    /// When the connection is evicted; `None` where it isn't.
    pub(crate) fn eviction_order(
        self,
        now_ms: u64,
        limits_ms: IdleLimitsMs,
    ) -> Option<EvictionOrder> {
        let Self { idle_since_ms, slow_since_ms, has_asked } = self;
        if let Some(idle_ms) = now_ms.checked_sub(idle_since_ms) {
            let (since_ms, is_silent) = (idle_since_ms, !has_asked);
            let least_ms = if is_silent { limits_ms.silent } else { limits_ms.idle };
            return match idle_ms {
                _ if is_silent && idle_ms >= limits_ms.head => {
                    Some(EvictionOrder::Silent { since_ms })
                }
                _ if idle_ms >= least_ms => Some(EvictionOrder::Idle { since_ms }),
                _ => None,
            };
        }
        let slow_ms = now_ms.checked_sub(slow_since_ms)?;
        (slow_ms >= limits_ms.idle).then_some(EvictionOrder::Slow { since_ms: slow_since_ms })
    }
}

/// The address that a connection is counted by. A client of IPv6 mostly has all 2^64 that begin
/// alike.
pub(crate) fn counted_address(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => address.into(),
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0).into()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{ClientWait, EvictionOrder, IdleLimitsMs, counted_address};

    const PATIENCE: IdleLimitsMs = IdleLimitsMs { silent: 250, idle: 1_000, head: 10_000 };
    const NEVER: u64 = u64::MAX;

    fn eviction_order(
        has_asked: bool,
        idle_since_ms: u64,
        slow_since_ms: u64,
    ) -> Option<EvictionOrder> {
        ClientWait { idle_since_ms, slow_since_ms, has_asked }.eviction_order(20_000, PATIENCE)
    }

    #[test]
    fn silent_connections_go_first_and_then_the_longest_idle() {
        let turns = [
            eviction_order(false, 5_000, NEVER),
            eviction_order(false, 10_000, NEVER),
            eviction_order(true, 1_000, NEVER),
            eviction_order(false, 10_001, NEVER),
            eviction_order(true, 19_000, NEVER),
            eviction_order(false, 19_750, NEVER),
            eviction_order(true, NEVER, 2_000),
            eviction_order(false, NEVER, 19_000),
        ];
        assert!(turns.iter().all(Option::is_some), "{turns:?}");
        assert!(turns.is_sorted(), "{turns:?}");
    }

    #[test]
    fn one_that_may_be_about_to_ask_or_is_answered_stays() {
        for turn in [
            eviction_order(false, 19_751, NEVER),
            eviction_order(true, 19_001, NEVER),
            eviction_order(true, NEVER, 19_001),
            eviction_order(true, NEVER, NEVER),
            eviction_order(false, 20_001, NEVER),
        ] {
            assert_eq!(turn, None);
        }
    }

    #[test]
    fn an_address_of_ipv6_counts_by_its_network() {
        for (address, counted) in [
            ("10.1.2.3", "10.1.2.3"),
            ("::ffff:10.1.2.3", "10.1.2.3"),
            ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::"),
        ] {
            let read = |text: &str| text.parse().expect("an address");
            assert_eq!(counted_address(read(address)), read(counted));
        }
    }
}
