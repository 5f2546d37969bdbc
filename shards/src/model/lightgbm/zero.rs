//! Columns in which zero means missing: trees read a copy of theirs where such cells are NaN.

use super::ZERO;
use crate::model::forest::{Derive, Preparation};

/// Which columns need such a copy, found while trees are read.
#[derive(Debug)]
pub(super) struct ZeroColumns {
    width: usize,
    /// Each column's copy among all columns that trees read.
    copies: Vec<Option<u32>>,
    sources: Vec<u32>,
}

impl ZeroColumns {
    pub(super) fn new(width: usize) -> Self {
        Self { width, copies: vec![None; width], sources: Vec::new() }
    }

    /// The column to read instead of `column`.
    pub(super) fn copy_of(&mut self, column: u32) -> u32 {
        let Some(copy) = self.copies.get_mut(column as usize) else { return column };
        *copy.get_or_insert_with(|| {
            self.sources.push(column);
            (self.width + self.sources.len() - 1) as u32
        })
    }

    /// How many columns trees read from.
    pub(super) fn columns(&self) -> usize {
        self.width + self.sources.len()
    }

    /// What makes the copies; none if there are none.
    pub(super) fn preparation(self) -> Option<Preparation> {
        if self.sources.is_empty() {
            return None;
        }
        Some(Box::new(ZeroIsMissing { width: self.width, sources: self.sources }))
    }
}

#[derive(Debug, Clone)]
struct ZeroIsMissing {
    width: usize,
    sources: Vec<u32>,
}

impl Derive for ZeroIsMissing {
    fn columns(&self) -> usize {
        self.width + self.sources.len()
    }

    fn sources(&self, prepared: usize) -> Vec<u32> {
        let copied = prepared.checked_sub(self.width).and_then(|copy| self.sources.get(copy));
        vec![copied.copied().unwrap_or(prepared as u32)]
    }

    fn derive(&mut self, cells: &[f64], prepared: &mut [f64]) {
        let (same, copies) = prepared.split_at_mut(self.width);
        same.copy_from_slice(cells);
        for (copy, source) in copies.iter_mut().zip(&self.sources) {
            let cell = cells[*source as usize];
            *copy = if (-ZERO..=ZERO).contains(&cell) { f64::NAN } else { cell };
        }
    }
}
