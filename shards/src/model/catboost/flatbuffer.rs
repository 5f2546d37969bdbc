//! Reads flatbuffers within bounds: every offset, length and table is checked against the bytes,
//! and what is copied out of them in all against a budget, as a hostile file can name one list many
//! times.

use std::cell::Cell;

use crate::model::forest::NativeError;

/// The bytes of one flatbuffer, and how much may still be copied from them.
#[derive(Debug)]
pub(super) struct Buffer<'b> {
    bytes: &'b [u8],
    /// Where the bytes start in the file.
    offset: usize,
    budget: Cell<usize>,
}

/// A table in a buffer.
#[derive(Debug, Clone, Copy)]
pub(super) struct Table<'b> {
    buffer: &'b Buffer<'b>,
    at: usize,
    vtable: usize,
    vtable_length: usize,
}

type Read<T> = Result<T, NativeError>;

impl<'b> Buffer<'b> {
    /// A buffer that starts at byte `offset` of a file.
    pub(super) fn new(bytes: &'b [u8], offset: usize) -> Self {
        // A few lists are shared in honest files; each element takes a byte at least.
        let budget = Cell::new(bytes.len().saturating_mul(8).saturating_add(1 << 16));
        Self { bytes, offset, budget }
    }

    /// The root table.
    pub(super) fn root(&'b self) -> Read<Table<'b>> {
        let at = self.u32(0)? as usize;
        self.table(at)
    }

    fn table(&'b self, at: usize) -> Read<Table<'b>> {
        let back = i64::from(self.u32(at)? as i32);
        let vtable = usize::try_from(at as i64 - back).map_err(|_| self.wrong(at, "a table"))?;
        let vtable_length = usize::from(self.u16(vtable)?);
        Ok(Table { buffer: self, at, vtable, vtable_length })
    }

    fn wrong(&self, at: usize, what: &str) -> NativeError {
        let offset = self.offset.saturating_add(at);
        NativeError::Syntax { offset, reason: format!("expected {what}; the file is damaged") }
    }

    fn take<const N: usize>(&self, at: usize) -> Read<[u8; N]> {
        let end = at.checked_add(N);
        let bytes = end.and_then(|end| self.bytes.get(at..end));
        let bytes = bytes.and_then(|bytes| <[u8; N]>::try_from(bytes).ok());
        bytes.ok_or_else(|| self.wrong(at, "more bytes"))
    }

    fn u16(&self, at: usize) -> Read<u16> {
        Ok(u16::from_le_bytes(self.take(at)?))
    }

    fn u32(&self, at: usize) -> Read<u32> {
        Ok(u32::from_le_bytes(self.take(at)?))
    }

    /// Where the offset at `at` leads.
    fn follow(&self, at: usize) -> Read<usize> {
        let to = at.checked_add(self.u32(at)? as usize);
        to.filter(|to| *to < self.bytes.len()).ok_or_else(|| self.wrong(at, "an offset"))
    }

    /// A list's bytes, of elements of `size` bytes each.
    fn list(&self, at: usize, size: usize) -> Read<&'b [u8]> {
        let length = self.u32(at)? as usize;
        let bytes = length.checked_mul(size);
        let end = bytes.and_then(|bytes| bytes.checked_add(at + 4));
        let list = end.and_then(|end| self.bytes.get(at + 4..end));
        let list = list.ok_or_else(|| self.wrong(at, "a shorter list"))?;
        let left = self.budget.get().checked_sub(list.len());
        self.budget.set(left.ok_or_else(|| self.wrong(at, "fewer references to one list"))?);
        Ok(list)
    }
}

impl<'b> Table<'b> {
    /// Where field `field` is; none if it has its default.
    fn field(&self, field: usize) -> Read<Option<usize>> {
        let entry = 4 + 2 * field;
        if entry + 2 > self.vtable_length {
            return Ok(None);
        }
        let offset = usize::from(self.buffer.u16(self.vtable + entry)?);
        Ok((offset != 0).then_some(self.at + offset))
    }

    pub(super) fn byte(&self, field: usize, default: u8) -> Read<u8> {
        self.field(field)?.map_or(Ok(default), |at| Ok(self.buffer.take::<1>(at)?[0]))
    }

    pub(super) fn int(&self, field: usize, default: i32) -> Read<i32> {
        self.field(field)?.map_or(Ok(default), |at| Ok(self.buffer.u32(at)? as i32))
    }

    pub(super) fn float(&self, field: usize, default: f32) -> Read<f32> {
        let float = |at| Ok(f32::from_bits(self.buffer.u32(at)?));
        self.field(field)?.map_or(Ok(default), float)
    }

    pub(super) fn double(&self, field: usize, default: f64) -> Read<f64> {
        let double = |at| Ok(f64::from_le_bytes(self.buffer.take(at)?));
        self.field(field)?.map_or(Ok(default), double)
    }

    /// A table that must be there.
    pub(super) fn table(&self, field: usize) -> Read<Table<'b>> {
        match self.field(field)? {
            Some(at) => self.buffer.table(self.buffer.follow(at)?),
            None => Err(self.buffer.wrong(self.at, "a table that is missing")),
        }
    }

    /// A list of tables.
    pub(super) fn tables(&self, field: usize) -> Read<Vec<Table<'b>>> {
        let Some(at) = self.field(field)? else { return Ok(Vec::new()) };
        let at = self.buffer.follow(at)?;
        let count = self.buffer.list(at, 4)?.len() / 4;
        let table = |place: usize| self.buffer.table(self.buffer.follow(at + 4 + 4 * place)?);
        (0..count).map(table).collect()
    }

    /// A text, or nothing.
    pub(super) fn text(&self, field: usize) -> Read<&'b str> {
        let Some(at) = self.field(field)? else { return Ok("") };
        self.text_at(at)
    }

    fn text_at(&self, at: usize) -> Read<&'b str> {
        let at = self.buffer.follow(at)?;
        let bytes = self.buffer.list(at, 1)?;
        std::str::from_utf8(bytes).map_err(|_| self.buffer.wrong(at, "a text"))
    }

    /// A list of texts.
    pub(super) fn texts(&self, field: usize) -> Read<Vec<&'b str>> {
        let Some(at) = self.field(field)? else { return Ok(Vec::new()) };
        let at = self.buffer.follow(at)?;
        let count = self.buffer.list(at, 4)?.len() / 4;
        (0..count).map(|place| self.text_at(at + 4 + 4 * place)).collect()
    }

    /// A list of bytes.
    pub(super) fn bytes(&self, field: usize) -> Read<&'b [u8]> {
        match self.field(field)? {
            Some(at) => self.buffer.list(self.buffer.follow(at)?, 1),
            None => Ok(&[]),
        }
    }

    /// A list of elements of `N` bytes, each made something else.
    fn elements<const N: usize, T>(
        &self,
        field: usize,
        element: impl Fn([u8; N]) -> T,
    ) -> Read<Vec<T>> {
        let Some(at) = self.field(field)? else { return Ok(Vec::new()) };
        let list = self.buffer.list(self.buffer.follow(at)?, N)?;
        Ok(list.as_chunks::<N>().0.iter().map(|bytes| element(*bytes)).collect())
    }

    pub(super) fn ints(&self, field: usize) -> Read<Vec<i32>> {
        self.elements(field, i32::from_le_bytes)
    }

    pub(super) fn floats(&self, field: usize) -> Read<Vec<f32>> {
        self.elements(field, f32::from_le_bytes)
    }

    pub(super) fn doubles(&self, field: usize) -> Read<Vec<f64>> {
        self.elements(field, f64::from_le_bytes)
    }

    /// A list of pairs of 16-bit numbers.
    pub(super) fn short_pairs(&self, field: usize) -> Read<Vec<[u16; 2]>> {
        self.elements(field, |[a, b, c, d]: [u8; 4]| {
            [u16::from_le_bytes([a, b]), u16::from_le_bytes([c, d])]
        })
    }

    /// A list of pairs of 32-bit words.
    pub(super) fn word_pairs(&self, field: usize) -> Read<Vec<[u32; 2]>> {
        self.elements(field, |bytes: [u8; 8]| {
            let wide = u64::from_le_bytes(bytes);
            [wide as u32, (wide >> 32) as u32]
        })
    }
}
