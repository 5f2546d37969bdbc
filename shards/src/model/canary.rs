//! `[canary]`: a share of the users is scored by another version, always the same users.

use serde::Deserialize;

/// The table `[canary]` of `model.toml`.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Canary {
    /// The version that is tried out.
    pub version: u32,
    /// The share of the users whom it scores, in percent.
    pub percent: f64,
}

impl Canary {
    /// Whether it scores this user of `model`.
    ///
    /// It depends on nothing but the two names and the share: every shard and every process says
    /// the same, and a greater share keeps the users of a smaller one. Another model's canary
    /// takes other users.
    pub fn takes(&self, model: &str, user: &str) -> bool {
        let place = hash(model, user) as f64 / 2.0_f64.powi(64);
        place * 100.0 < self.percent
    }
}

/// FNV-1a of both names, then the finish of `SplitMix64`, which spreads what differs in the last
/// bytes alone over all bits.
fn hash(model: &str, user: &str) -> u64 {
    let bytes = model.bytes().chain([0]).chain(user.bytes());
    let hash = bytes.fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    let hash = (hash ^ (hash >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let hash = (hash ^ (hash >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    hash ^ (hash >> 31)
}
