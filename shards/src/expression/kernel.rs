//! Steps over a block of rows: each takes a function of single values and has it compute a column.
//!
//! Null in gives null out, and so does a function that has no value: nothing here fails.

use super::frame::{Call, Cell, Frame, Span};

/// The longest text that a function makes, in bytes; a longer one is null.
pub(super) const TEXT_BYTES_MAX: usize = 4_096;

/// A number, unless it is none: division by zero, a domain left or an overflow.
#[inline]
pub(super) fn finite(number: f64) -> Option<f64> {
    number.is_finite().then_some(number)
}

impl Frame {
    /// The same column again.
    pub(super) fn copy(&mut self, call: Call) {
        let (before, after) = self.columns.split_at_mut(usize::from(call.to));
        after[0].clone_from(&before[usize::from(call.arguments[0])]);
    }

    #[inline]
    pub(super) fn map<A: Cell, R: Cell>(&mut self, call: Call, compute: impl Fn(A) -> Option<R>) {
        let (before, after) = self.columns.split_at_mut(usize::from(call.to));
        let one = &before[usize::from(call.arguments[0])];
        let to = &mut after[0];
        let mut nulls = one.nulls;
        let cells = to.cells.iter_mut().zip(&one.cells).take(self.rows).enumerate();
        for (row, (cell, one)) in cells {
            match compute(A::of(*one)) {
                Some(value) => *cell = value.bits(),
                None => nulls |= 1 << row,
            }
        }
        to.nulls = nulls;
    }

    #[inline]
    pub(super) fn map2<A: Cell, B: Cell, R: Cell>(
        &mut self,
        call: Call,
        compute: impl Fn(A, B) -> Option<R>,
    ) {
        let (before, after) = self.columns.split_at_mut(usize::from(call.to));
        let [one, other] = [0, 1].map(|at| &before[usize::from(call.arguments[at])]);
        let to = &mut after[0];
        let mut nulls = one.nulls | other.nulls;
        let cells = to.cells.iter_mut().zip(&one.cells).zip(&other.cells);
        for (row, ((cell, one), other)) in cells.take(self.rows).enumerate() {
            match compute(A::of(*one), B::of(*other)) {
                Some(value) => *cell = value.bits(),
                None => nulls |= 1 << row,
            }
        }
        to.nulls = nulls;
    }

    #[inline]
    pub(super) fn map4<A: Cell, R: Cell>(
        &mut self,
        call: Call,
        compute: impl Fn([A; 4]) -> Option<R>,
    ) {
        let (before, after) = self.columns.split_at_mut(usize::from(call.to));
        let from = [0, 1, 2, 3].map(|at| &before[usize::from(call.arguments[at])]);
        let to = &mut after[0];
        let mut nulls = from.iter().fold(0, |nulls, column| nulls | column.nulls);
        for row in 0..self.rows {
            match compute(from.map(|column| A::of(column.cells[row]))) {
                Some(value) => to.cells[row] = value.bits(),
                None => nulls |= 1 << row,
            }
        }
        to.nulls = nulls;
    }

    /// The same with values or without: for what knows what null means. Cells are passed as bits.
    #[inline]
    pub(super) fn map_nulls<const COUNT: usize>(
        &mut self,
        call: Call,
        compute: impl Fn([Option<u64>; COUNT]) -> Option<u64>,
    ) {
        let (before, after) = self.columns.split_at_mut(usize::from(call.to));
        let from: [_; COUNT] = std::array::from_fn(|at| &before[usize::from(call.arguments[at])]);
        let to = &mut after[0];
        let mut nulls = 0;
        for row in 0..self.rows {
            let values = from.map(|it| (!it.is_null(row)).then_some(it.cells[row]));
            match compute(values) {
                Some(bits) => to.cells[row] = bits,
                None => nulls |= 1 << row,
            }
        }
        to.nulls = nulls;
    }

    /// A value of the texts in the first `COUNT` arguments.
    #[inline]
    pub(super) fn read_texts<const COUNT: usize, R: Cell>(
        &mut self,
        call: Call,
        compute: impl Fn([&str; COUNT]) -> Option<R>,
    ) {
        let (before, after) = self.columns.split_at_mut(usize::from(call.to));
        let from: [_; COUNT] = std::array::from_fn(|at| &before[usize::from(call.arguments[at])]);
        let to = &mut after[0];
        let mut nulls = from.iter().fold(0, |nulls, column| nulls | column.nulls);
        let text = |bits| {
            let Span { start, end } = Span::of(bits);
            str::from_utf8(&self.text[start as usize..end as usize]).unwrap_or_default()
        };
        for row in 0..self.rows {
            if nulls >> row & 1 == 1 {
                continue;
            }
            match compute(from.map(|column| text(column.cells[row]))) {
                Some(value) => to.cells[row] = value.bits(),
                None => nulls |= 1 << row,
            }
        }
        to.nulls = nulls;
    }

    /// A text that `write` makes of the first `COUNT` arguments, which are given by their bits; null
    /// where it says false or makes one that is too long.
    pub(super) fn write_text<const COUNT: usize>(
        &mut self,
        call: Call,
        write: impl Fn(&Self, [u64; COUNT], &mut Vec<u8>) -> bool,
    ) {
        let from: [usize; COUNT] = std::array::from_fn(|at| usize::from(call.arguments[at]));
        let mut nulls = from.iter().fold(0, |nulls, at| nulls | self.columns[*at].nulls);
        let mut scratch = std::mem::take(&mut self.scratch);
        for row in 0..self.rows {
            if nulls >> row & 1 == 1 {
                continue;
            }
            scratch.clear();
            let values = from.map(|at| self.columns[at].cells[row]);
            let is_text = write(self, values, &mut scratch) && scratch.len() <= TEXT_BYTES_MAX;
            match is_text.then(|| self.keep(&scratch)).flatten() {
                Some(span) => self.columns[usize::from(call.to)].cells[row] = span.bits(),
                None => nulls |= 1 << row,
            }
        }
        self.scratch = scratch;
        self.columns[usize::from(call.to)].nulls = nulls;
    }
}
