//! Which requests are recorded, and the spans that wait for the process.

use std::cell::{Cell, RefCell};
use std::hash::{BuildHasher, Hasher, RandomState};

use super::{RequestSpan, SpanSettings, SpanSlot, SpanStart};
use crate::origin::TraceParent;

/// The bits of a trace's id that decide whether it is recorded: those at its end, which W3C Trace
/// Context has be random.
const DECIDING_BITS: u32 = 56;
/// The flag of a caller that recorded its span.
const SAMPLED: u8 = 1;

/// Records requests of one shard.
#[derive(Debug)]
pub(crate) struct Tracer {
    /// A trace whose deciding bits are this or more is recorded.
    threshold: u64,
    waiting_max: usize,
    /// The state of the random numbers.
    random: Cell<u64>,
    waiting: RefCell<Vec<RequestSpan>>,
}

impl Tracer {
    pub(crate) fn new(settings: SpanSettings) -> Self {
        let all = (1_u64 << DECIDING_BITS) as f64;
        // The standard library's keys come from the system's random numbers.
        let seed = RandomState::new().build_hasher().finish();
        Self {
            threshold: ((1.0 - settings.ratio.clamp(0.0, 1.0)) * all).round() as u64,
            waiting_max: settings.waiting_max,
            random: Cell::new(seed),
            waiting: RefCell::default(),
        }
    }

    /// Whether a request of this `parent` is recorded, and then by which span.
    #[inline]
    pub(crate) fn begin(
        &self,
        parent: Option<TraceParent>,
        state: Option<&str>,
        name: &'static str,
    ) -> Option<Box<SpanStart>> {
        let (trace_id, parent_id) = match parent {
            Some(parent) if parent.flags & SAMPLED == 0 => return None,
            Some(parent) => (parent.trace_id, parent.parent_id),
            None => {
                let low = self.draw();
                if low & ((1 << DECIDING_BITS) - 1) < self.threshold {
                    return None;
                }
                let mut trace_id = [0; 16];
                trace_id[..8].copy_from_slice(&self.draw().to_be_bytes());
                trace_id[8..].copy_from_slice(&low.to_be_bytes());
                (trace_id, [0; 8])
            }
        };
        let state = parent.and(state).map(Box::from);
        let span_id = self.draw().max(1).to_be_bytes();
        Some(Box::new(SpanStart { trace_id, span_id, parent_id, state, name }))
    }

    /// Another span of the same parent and name.
    pub(crate) fn beside(&self, span: &SpanStart) -> SpanStart {
        SpanStart { span_id: self.draw().max(1).to_be_bytes(), ..span.clone() }
    }

    /// Keeps a request that is over; false where there is no room for it.
    pub(crate) fn end(&self, span: RequestSpan) -> bool {
        let mut waiting = self.waiting.borrow_mut();
        let has_room = waiting.len() < self.waiting_max;
        if has_room {
            waiting.push(span);
        }
        has_room
    }

    /// Leaves what waits to the process, where that has taken what came before.
    pub(crate) fn hand_over(&self, slot: &SpanSlot) {
        slot.offer(&mut self.waiting.borrow_mut());
    }

    /// Leaves all that waits to the process: there will be no more.
    pub(crate) fn close(&self, slot: &SpanSlot) {
        slot.close(&mut self.waiting.borrow_mut());
    }

    /// `SplitMix64` (Steele, Lea, Flood 2014).
    fn draw(&self) -> u64 {
        let state = self.random.get().wrapping_add(0x9e37_79b9_7f4a_7c15);
        self.random.set(state);
        let mut bits = state;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits ^ (bits >> 31)
    }
}

impl SpanStart {
    /// The parent of whatever the request has done elsewhere.
    pub(crate) fn as_parent(&self, parent: Option<TraceParent>) -> TraceParent {
        let flags = parent.map_or(0, |parent| parent.flags) | SAMPLED;
        TraceParent { trace_id: self.trace_id, parent_id: self.span_id, flags }
    }
}

#[cfg(test)]
mod tests {
    use super::{SpanSettings, Tracer};
    use crate::origin::TraceParent;

    fn tracer(ratio: f64) -> Tracer {
        Tracer::new(SpanSettings { ratio, waiting_max: 1 })
    }

    fn parent(flags: u8) -> TraceParent {
        TraceParent { trace_id: [7; 16], parent_id: [9; 8], flags }
    }

    #[test]
    fn a_callers_word_counts_before_the_share() {
        assert_eq!(tracer(1.0).begin(Some(parent(0)), None, "x"), None);
        let span = tracer(0.0).begin(Some(parent(1)), Some("a=b"), "x").expect("recorded");
        assert_eq!((span.trace_id, span.parent_id), ([7; 16], [9; 8]));
        assert_eq!(span.state.as_deref(), Some("a=b"));
        assert_ne!(span.span_id, [9; 8]);
        let onwards = span.as_parent(Some(parent(3)));
        assert_eq!(
            (onwards.trace_id, onwards.parent_id, onwards.flags),
            ([7; 16], span.span_id, 3)
        );
    }

    #[test]
    fn without_a_caller_a_share_is_recorded_which_the_trace_decides() {
        for (ratio, least, most) in [(0.0, 0, 0), (0.01, 800, 1_200), (1.0, 100_000, 100_000)] {
            let tracer = tracer(ratio);
            let mut recorded = 0;
            for _ in 0..100_000 {
                let Some(span) = tracer.begin(None, Some("a=b"), "x") else { continue };
                recorded += 1;
                assert_eq!((span.parent_id, span.state.as_deref()), ([0; 8], None));
                let low = u64::from_be_bytes(span.trace_id[8..].try_into().expect("8 bytes"));
                let share = (low & ((1 << 56) - 1)) as f64 / (1_u64 << 56) as f64;
                assert!(share >= 1.0 - ratio - 1e-9, "{ratio} {share}");
            }
            assert!((least..=most).contains(&recorded), "{ratio}: {recorded}");
        }
    }
}
