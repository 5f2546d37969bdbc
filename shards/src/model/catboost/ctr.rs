//! CTR features: numbers that stand for a category, or a combination of categories, by what
//! training counted for it.

use std::collections::HashMap;

use super::hash;

/// What a CTR counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum CtrType {
    /// Rows with a target above a border, among all rows.
    Borders,
    /// Rows with a target in one class, among all rows.
    Buckets,
    /// The mean of a target.
    Mean,
    /// Rows, among a fixed number.
    Counter,
}

/// The categories, and the tests of other columns, that are counted together.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Combination {
    /// Categorical features, by number.
    pub(super) cats: Vec<usize>,
    /// Float features and borders.
    pub(super) floats: Vec<(usize, f32)>,
    /// Categorical features and hashes.
    pub(super) one_hot: Vec<(usize, i32)>,
}

/// Which table a CTR feature reads.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct CtrBase {
    pub(super) combination: Combination,
    /// The type as the file numbers it.
    pub(super) kind: u8,
    pub(super) classifier: i32,
}

/// A CTR feature.
#[derive(Debug, Clone)]
pub(super) struct CtrFeature {
    pub(super) base: CtrBase,
    pub(super) kind: CtrType,
    pub(super) target_border: usize,
    pub(super) prior: (f32, f32),
    pub(super) shift: f32,
    pub(super) scale: f32,
    pub(super) borders: Vec<f32>,
}

/// What training counted for each combination of categories.
#[derive(Debug, Clone)]
pub(super) struct Table {
    pub(super) base: CtrBase,
    /// The place of each hash among the counts.
    pub(super) places: HashMap<u64, u32>,
    /// The counts, 32 bits each; of a mean a sum of 32-bit floats and a count.
    pub(super) counts: Vec<u32>,
    pub(super) denominator: i32,
    pub(super) classes: usize,
}

/// The tables of a model.
pub(super) type Tables = Vec<Table>;

impl CtrFeature {
    /// The value for counts of what is asked for among all.
    fn value(&self, good: f32, total: f32) -> f32 {
        ((good + self.prior.0) / (total + self.prior.1) + self.shift) * self.scale
    }

    /// The value of rows whose combination has this hash; none is a category never seen.
    pub(super) fn of(&self, table: &Table, hash: Option<u64>) -> f32 {
        let place = hash.and_then(|hash| table.places.get(&hash)).map(|place| *place as usize);
        let counts = |width: usize| {
            let start = place?.checked_mul(width)?;
            table.counts.get(start..start.checked_add(width)?)
        };
        match self.kind {
            CtrType::Mean => match counts(2) {
                Some(&[sum, count]) => self.value(f32::from_bits(sum), count as i32 as f32),
                _ => self.value(0.0, 0.0),
            },
            CtrType::Counter => {
                let count = counts(1).map_or(0, |count| count[0] as i32);
                self.value(count as f32, table.denominator as f32)
            }
            CtrType::Buckets => match counts(table.classes) {
                Some(classes) => {
                    let good = classes.get(self.target_border).copied().unwrap_or(0);
                    self.value(good as i32 as f32, total(classes) as f32)
                }
                None => self.value(0.0, 0.0),
            },
            CtrType::Borders => match counts(table.classes) {
                Some(classes) => {
                    // Two classes have one border, whatever the feature says.
                    let border = if classes.len() > 2 { self.target_border } else { 0 };
                    let good = classes.get(border + 1..).unwrap_or_default();
                    self.value(total(good) as f32, total(classes) as f32)
                }
                None => self.value(0.0, 0.0),
            },
        }
    }
}

fn total(counts: &[u32]) -> i32 {
    counts.iter().fold(0_i32, |total, count| total.wrapping_add(*count as i32))
}

/// The hash of a combination, from its categories' hashes and what its tests say.
pub(super) fn hash_of(cats: impl Iterator<Item = i32>, tests: impl Iterator<Item = bool>) -> u64 {
    let hash = cats.fold(0, |hash, cat| hash::combine(hash, i64::from(cat) as u64));
    tests.fold(hash, |hash, test| hash::combine(hash, u64::from(test)))
}
