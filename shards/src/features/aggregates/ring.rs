//! The tiles of an aggregate in a packed row.
//!
//! Its columns stand one behind the other, each of 64 bits: what is shown, the number of the newest tile,
//! and the tiles, each in the place that its number has modulo theirs. A row without an event has a null
//! for the number. A reader that looks at a window sees its tiles alone: those before it are skipped,
//! whether or not an event has cleared them.

use std::ops::Range;

use super::MARK;
use super::declaration::{AggregateFunction, Window};
use super::sketch::{Sketch, place_of};
use crate::features::record::{CellPlace, RecordLayout};
use crate::features::schema::Schema;

const WORD: usize = 8;
const US: i64 = 1_000_000;

/// Where an aggregate is in the rows of a table.
#[derive(Debug, Clone)]
pub(crate) struct Ring {
    window: Window,
    /// The position of the column of the newest tile's number, which events name.
    pub(crate) head: usize,
    shown: CellPlace,
    head_place: CellPlace,
    /// The bytes of the tiles.
    tiles: Range<usize>,
    /// The null bits of the tiles: byte and mask.
    nulls: Vec<(usize, u8)>,
}

impl Ring {
    /// The aggregates of a table with these columns.
    pub(crate) fn all_of(schema: &Schema) -> Vec<Self> {
        let columns = schema.columns();
        let heads = columns.iter().enumerate().filter_map(|(at, column)| {
            let (name, window) = column.name.split_once(MARK)?;
            let window = Window::parse(window)?;
            let first = at.checked_sub(1)?;
            columns[first..].starts_with(&window.columns(name)).then_some((at, window))
        });
        let heads: Vec<_> = heads.collect();
        if heads.is_empty() {
            return Vec::new();
        }
        let layout = RecordLayout::new(schema);
        let ring = |(head, window): (usize, Window)| {
            let words = window.tiles as usize * window.function.words();
            let places = &layout.places()[head + 1..=head + words];
            let start = places[0].offset;
            Self {
                window,
                head,
                shown: layout.places()[head - 1],
                head_place: layout.places()[head],
                tiles: start..start + words * WORD,
                nulls: places.iter().map(|place| (place.null_offset, place.null_mask)).collect(),
            }
        };
        heads.into_iter().map(ring).collect()
    }

    /// Takes an event at this time into a row; one that is too old for any tile is left.
    pub(crate) fn take(&self, record: &mut [u8], at_us: i64, operand: u64) {
        let tiles = self.window.tiles.cast_signed();
        let tile = at_us.div_euclid(self.window.tile_s.cast_signed().saturating_mul(US));
        let newest = if let Some(newest) = self.newest(record) {
            newest
        } else {
            self.begin(record, tile);
            tile
        };
        if tile <= newest.saturating_sub(tiles) {
            return;
        }
        if tile > newest {
            let first = (newest + 1).max(tile.saturating_sub(tiles - 1));
            for passed in first..=tile {
                let at = self.tile(passed);
                record[at].fill(0);
            }
            self.set_newest(record, tile);
        }
        let tile = &mut record[self.tile(tile)];
        match self.window.function {
            AggregateFunction::Distinct => {
                let (place, rank) = place_of(operand);
                tile[place] = tile[place].max(rank);
            }
            AggregateFunction::Count => set(tile, word(tile).wrapping_add(operand)),
            AggregateFunction::Sum => {
                let sum = f64::from_bits(word(tile)) + f64::from_bits(operand);
                // What a log of another version may hold; an event is refused before.
                if sum.is_finite() {
                    set(tile, sum.to_bits());
                }
            }
            AggregateFunction::Max => set(tile, max_word(word(tile), f64::from_bits(operand))),
        }
    }

    /// Writes what is shown at this time into a row.
    pub(crate) fn show(&self, record: &mut [u8], now_us: i64) {
        let value = self.at(record, now_us);
        let Self { shown, .. } = self;
        record[shown.null_offset] &= !shown.null_mask;
        let bits = value.unwrap_or_else(|| {
            record[shown.null_offset] |= shown.null_mask;
            f64::NAN.to_bits()
        });
        record[shown.offset..shown.offset + WORD].copy_from_slice(&bits.to_le_bytes());
    }

    /// The value at this time, as its bits; `None` for the largest of no number.
    fn at(&self, record: &[u8], now_us: i64) -> Option<u64> {
        let tiles = self.window.tiles.cast_signed();
        let now = now_us.div_euclid(self.window.tile_s.cast_signed().saturating_mul(US));
        let window = match self.newest(record) {
            Some(newest) => now.max(newest).saturating_sub(tiles - 1)..now.min(newest) + 1,
            None => 0..0,
        };
        let tiles = window.map(|tile| &record[self.tile(tile)]);
        match self.window.function {
            AggregateFunction::Count => Some(tiles.fold(0, |sum, tile| sum + word(tile))),
            AggregateFunction::Sum => {
                let sum = tiles.fold(0.0, |sum, tile| sum + f64::from_bits(word(tile)));
                Some(sum.clamp(f64::MIN, f64::MAX).to_bits())
            }
            AggregateFunction::Max => {
                let numbers = tiles.map(word).filter(|word| *word != 0).map(number_of_max);
                numbers.reduce(f64::max).map(f64::to_bits)
            }
            AggregateFunction::Distinct => {
                let mut sketch = Sketch::default();
                tiles.for_each(|tile| sketch.merge(tile));
                Some(sketch.estimate())
            }
        }
    }

    fn newest(&self, record: &[u8]) -> Option<i64> {
        if self.head_place.is_null(record) {
            return None;
        }
        let number = word(self.head_place.bytes(record)).cast_signed();
        // What a damaged or foreign number would do to arithmetic is nothing.
        (-(1 << 60)..1 << 60).contains(&number).then_some(number)
    }

    fn set_newest(&self, record: &mut [u8], tile: i64) {
        let CellPlace { offset, null_offset, null_mask, .. } = self.head_place;
        record[null_offset] &= !null_mask;
        record[offset..offset + WORD].copy_from_slice(&tile.to_le_bytes());
    }

    fn begin(&self, record: &mut [u8], tile: i64) {
        self.set_newest(record, tile);
        record[self.tiles.clone()].fill(0);
        for (at, mask) in &self.nulls {
            record[*at] &= !mask;
        }
    }

    /// The bytes of the tile of this number.
    fn tile(&self, number: i64) -> Range<usize> {
        let length = self.window.function.words() * WORD;
        let slot = number.rem_euclid(self.window.tiles.cast_signed()) as usize;
        let start = self.tiles.start + slot * length;
        start..start + length
    }
}

/// The largest number of a tile is its bits, all of them turned, so that 0 is no number.
fn number_of_max(word: u64) -> f64 {
    f64::from_bits(!word)
}

fn max_word(word: u64, number: f64) -> u64 {
    let before = (word != 0).then(|| number_of_max(word));
    !before.map_or(number, |before| before.max(number)).to_bits()
}

fn word(bytes: &[u8]) -> u64 {
    let mut word = [0; WORD];
    word.copy_from_slice(&bytes[..WORD]);
    u64::from_le_bytes(word)
}

fn set(bytes: &mut [u8], word: u64) {
    bytes[..WORD].copy_from_slice(&word.to_le_bytes());
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{Ring, US, word};
    use crate::features::aggregates::{Aggregate, AggregateFunction};
    use crate::features::column::CellValue;
    use crate::features::record::RecordLayout;
    use crate::features::schema::Schema;
    use crate::features::texts::Interner;

    fn table() -> (Vec<Ring>, Vec<u8>) {
        let aggregate = |function: AggregateFunction| Aggregate {
            name: function.as_str().to_owned(),
            entity: "card".to_owned(),
            function,
            value: (function != AggregateFunction::Count).then(|| "amount".to_owned()),
            window: "60s".to_owned(),
            tile: Some("10s".to_owned()),
            on_predict: false,
        };
        let all = AggregateFunction::ALL.map(aggregate);
        let columns = Aggregate::missing_columns(&all.each_ref(), None).unwrap();
        let schema = Schema::new(columns).unwrap();
        let mut record = Vec::new();
        let nulls = vec![CellValue::Null; schema.columns().len()];
        let layout = RecordLayout::new(&schema);
        layout.encode(0, &nulls, &mut Interner::default(), &mut record).unwrap();
        (Ring::all_of(&schema), record)
    }

    fn shown(rings: &[Ring], record: &mut [u8], now_s: i64) -> (u64, f64, Option<f64>, u64) {
        for ring in rings {
            ring.show(record, now_s * US);
        }
        let bits = |at: usize| word(rings[at].shown.bytes(record));
        let max = (!rings[2].shown.is_null(record)).then(|| f64::from_bits(bits(2)));
        (bits(0), f64::from_bits(bits(1)), max, bits(3))
    }

    proptest! {
        #[test]
        fn a_window_has_its_tiles_exactly(
            events in prop::collection::vec((0..400_i64, -50..50_i32), 0..40),
            looks in prop::collection::vec(0..500_i64, 1..5),
        ) {
            let (rings, mut record) = table();
            let mut newest = i64::MIN;
            let mut kept: Vec<(i64, i32)> = Vec::new();
            for (at_s, amount) in events {
                let number = f64::from(amount).to_bits();
                for (ring, operand) in rings.iter().zip([1, number, number, u64::from(amount.unsigned_abs()) << 57]) {
                    ring.take(&mut record, at_s * US, operand);
                }
                newest = newest.max(at_s / 10);
                if at_s / 10 > newest - 7 {
                    kept.push((at_s, amount));
                }
            }
            for now_s in looks {
                // From the start of the tile that the window begins in; what newer events pushed out
                // is gone.
                let last = now_s / 10;
                let seen: Vec<_> = kept
                    .iter()
                    .filter(|(at_s, _)| (last - 6..=last).contains(&(at_s / 10)) && at_s / 10 > newest - 7)
                    .map(|(_, amount)| *amount)
                    .collect();
                let (count, sum, max, distinct) = shown(&rings, &mut record, now_s);
                prop_assert_eq!(count, seen.len() as u64);
                prop_assert_eq!(sum.to_bits(), f64::from(seen.iter().sum::<i32>()).to_bits());
                prop_assert_eq!(max, seen.iter().max().map(|it| f64::from(*it)));
                let different = seen.iter().map(|it| it.unsigned_abs() & 0x7f).collect::<std::collections::HashSet<_>>();
                prop_assert!(distinct.abs_diff(different.len() as u64) <= 1 + different.len() as u64 / 3);
            }
        }
    }
}
