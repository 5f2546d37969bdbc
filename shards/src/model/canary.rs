//! `[canary]`: a share of the users is scored by another version, always the same users.

use serde::Deserialize;

use crate::fnv::fnv1a;

/// The table `[canary]` of `model.toml`.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Canary {
    /// The version that is tried out.
    pub version: u64,
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
        place(model, 0, user) * 100.0 < self.percent
    }
}

/// Where a user of `model` stands among all, from 0 to 1. Each purpose has an order of its own, so
/// that one's first users are not another's.
pub(super) fn place(model: &str, purpose: u8, user: &str) -> f64 {
    hash(model, purpose, user) as f64 / 2.0_f64.powi(64)
}

/// FNV-1a of both names, then the finish of `SplitMix64`, which spreads what differs in the last
/// bytes alone over all bits. No name of a model has a byte that can be a purpose.
fn hash(model: &str, purpose: u8, user: &str) -> u64 {
    let hash = fnv1a(model.bytes().chain([purpose]).chain(user.bytes()));
    let hash = (hash ^ (hash >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let hash = (hash ^ (hash >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    hash ^ (hash >> 31)
}
