//! From a row's cells to what trees test: numbers of 32 bits, categories' hashes and CTR values.

use super::ctr::{self, CtrFeature, Table};
use super::hash;
use super::parts::{Missing, Parts};
use crate::model::forest::Derive;

/// Whole numbers that 64-bit floats hold are below this.
const EXACT_MAX: f64 = 9_007_199_254_740_992.0;

/// Makes prepared columns: floats, then categories' hashes, then CTR values.
#[derive(Debug, Clone)]
pub(super) struct Prepare {
    /// The column of each float feature.
    floats: Vec<usize>,
    /// The column of each categorical feature.
    cats: Vec<usize>,
    ctrs: Vec<Ctr>,
    tables: Vec<Table>,
    /// The hash of each categorical feature of the row; none of one that is missing.
    hashes: Vec<Option<i32>>,
}

#[derive(Debug, Clone)]
struct Ctr {
    feature: CtrFeature,
    /// The place of its table.
    table: usize,
    /// The places of the categorical features that it combines.
    cats: Vec<usize>,
    /// Places of float features, borders, and whether a missing one is greater.
    floats: Vec<(usize, f32, bool)>,
    /// Places of categorical features, and hashes.
    one_hot: Vec<(usize, i32)>,
}

impl Prepare {
    /// Takes the CTR features and tables out of `parts`; says which feature has no table.
    pub(super) fn new(parts: &mut Parts) -> Result<Self, usize> {
        let features = std::mem::take(&mut parts.ctrs);
        let tables = std::mem::take(&mut parts.tables);
        let mut ctrs = Vec::with_capacity(features.len());
        for (at, feature) in features.into_iter().enumerate() {
            let table = tables.iter().position(|table| table.base == feature.base).ok_or(at)?;
            let combination = &feature.base.combination;
            let cat = |index: &usize| parts.cat(*index);
            let cats: Option<Vec<_>> = combination.cats.iter().map(cat).collect();
            let float = |(index, border): &(usize, f32)| {
                let place = parts.float(*index)?;
                Some((place, *border, parts.floats[place].missing == Missing::Greatest))
            };
            let floats: Option<Vec<_>> = combination.floats.iter().map(float).collect();
            let one_hot = |(index, value): &(usize, i32)| Some((parts.cat(*index)?, *value));
            let one_hot: Option<Vec<_>> = combination.one_hot.iter().map(one_hot).collect();
            let (cats, floats) = (cats.ok_or(at)?, floats.ok_or(at)?);
            ctrs.push(Ctr { feature, table, cats, floats, one_hot: one_hot.ok_or(at)? });
        }
        Ok(Self {
            floats: parts.floats.iter().map(|feature| feature.flat).collect(),
            cats: parts.cats.iter().map(|feature| feature.flat).collect(),
            ctrs,
            tables,
            hashes: vec![None; parts.cats.len()],
        })
    }
}

/// The hash of a categorical cell: a whole number, hashed as its decimal text, or the code of a
/// text. Another one stands for no category.
fn hash_of_cell(cell: f64) -> Option<i32> {
    let is_whole = cell.fract() == 0.0 && cell.abs() < EXACT_MAX;
    let hash = if is_whole { Some(hash::number(cell as i64)) } else { hash::of_code(cell) };
    hash.map(u32::cast_signed)
}

impl Ctr {
    /// The columns that the library credits it to: of what it combines, those of categories.
    fn sources(&self, cats: &[usize]) -> Vec<usize> {
        self.cats.iter().map(|place| cats[*place]).collect()
    }

    fn value(&self, table: &Table, floats: &[f64], hashes: &[Option<i32>]) -> f32 {
        let known = self.cats.iter().all(|place| hashes[*place].is_some());
        let cats = self.cats.iter().map(|place| hashes[*place].unwrap_or(0));
        let tests = self.floats.iter().map(|(place, border, missing_is_greater)| {
            let cell = floats[*place];
            cell > f64::from(*border) || (*missing_is_greater && cell.is_nan())
        });
        let one_hot = self.one_hot.iter().map(|(place, value)| hashes[*place] == Some(*value));
        let hash = known.then(|| ctr::hash_of(cats, tests.chain(one_hot)));
        self.feature.of(table, hash)
    }
}

impl Derive for Prepare {
    fn columns(&self) -> usize {
        self.floats.len() + self.cats.len() + self.ctrs.len()
    }

    fn sources(&self, prepared: usize) -> Vec<u32> {
        let (floats, cats) = (self.floats.len(), self.cats.len());
        let mut sources = if prepared < floats {
            vec![self.floats[prepared]]
        } else if prepared < floats + cats {
            vec![self.cats[prepared - floats]]
        } else {
            self.ctrs[prepared - floats - cats].sources(&self.cats)
        };
        sources.sort_unstable();
        sources.dedup();
        sources.into_iter().map(|column| column as u32).collect()
    }

    fn derive(&mut self, cells: &[f64], prepared: &mut [f64]) {
        let (floats, rest) = prepared.split_at_mut(self.floats.len());
        for (prepared, column) in floats.iter_mut().zip(&self.floats) {
            *prepared = f64::from(cells[*column] as f32);
        }
        let (cats, ctrs) = rest.split_at_mut(self.cats.len());
        for ((prepared, hash), column) in cats.iter_mut().zip(&mut self.hashes).zip(&self.cats) {
            *hash = hash_of_cell(cells[*column]);
            *prepared = hash.map_or(f64::NAN, f64::from);
        }
        for (prepared, ctr) in ctrs.iter_mut().zip(&self.ctrs) {
            *prepared = f64::from(ctr.value(&self.tables[ctr.table], floats, &self.hashes));
        }
    }
}
