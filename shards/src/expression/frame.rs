//! The values of a block of rows: one column for each step of a program, each with its nulls.
//!
//! All columns are 64 bits a cell, whatever their type: a text is its place in the frame's `text`.
//! A step writes a column behind those that it reads, so that one borrow can be split in two.

use super::program::{Constant, Program};
use super::types::{Type, Value};

/// How many rows a frame holds: as many as a word has bits for their nulls.
pub const BLOCK_ROWS: usize = 64;

/// The place of a column in its frame.
pub(super) type Register = u16;

/// The cells of a block, and a bit for each that is null. What a null cell holds means nothing.
#[derive(Debug, Clone)]
pub(super) struct Column {
    pub(super) cells: [u64; BLOCK_ROWS],
    pub(super) nulls: u64,
}

impl Column {
    const EMPTY: Self = Self { cells: [0; BLOCK_ROWS], nulls: u64::MAX };

    pub(super) fn is_null(&self, row: usize) -> bool {
        self.nulls >> row & 1 == 1
    }
}

/// What a step reads, and the column that it writes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Call {
    pub(super) arguments: [Register; 5],
    pub(super) to: Register,
}

/// A value as a cell holds it.
pub(super) trait Cell: Copy {
    fn bits(self) -> u64;
    fn of(bits: u64) -> Self;
}

impl Cell for bool {
    fn bits(self) -> u64 {
        u64::from(self)
    }
    fn of(bits: u64) -> Self {
        bits != 0
    }
}

impl Cell for i64 {
    fn bits(self) -> u64 {
        self as u64
    }
    fn of(bits: u64) -> Self {
        bits as Self
    }
}

impl Cell for f64 {
    fn bits(self) -> u64 {
        self.to_bits()
    }
    fn of(bits: u64) -> Self {
        Self::from_bits(bits)
    }
}

/// Where a text lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Span {
    pub(super) start: u32,
    pub(super) end: u32,
}

impl Cell for Span {
    fn bits(self) -> u64 {
        u64::from(self.start) << 32 | u64::from(self.end)
    }
    fn of(bits: u64) -> Self {
        Self { start: (bits >> 32) as u32, end: bits as u32 }
    }
}

/// The buffers in which a program computes a block of rows. Reused from block to block.
#[derive(Debug, Clone)]
pub struct Frame {
    pub(super) columns: Vec<Column>,
    /// All texts: first the program's own, then those of the block.
    pub(super) text: Vec<u8>,
    /// A text in the making.
    pub(super) scratch: Vec<u8>,
    constant_bytes: usize,
    pub(super) rows: usize,
}

impl Frame {
    /// Buffers for what `program` computes.
    pub fn new(program: &Program) -> Self {
        let mut frame = Self {
            columns: vec![Column::EMPTY; program.registers()],
            text: Vec::new(),
            scratch: Vec::new(),
            constant_bytes: 0,
            rows: 0,
        };
        for (register, constant) in program.constants() {
            let bits = match constant {
                Constant::Null => continue,
                Constant::Bool(truth) => truth.bits(),
                Constant::Int(number) => number.bits(),
                Constant::Double(bits) => *bits,
                Constant::Text(text) => match frame.keep(text.as_bytes()) {
                    Some(span) => span.bits(),
                    None => continue,
                },
            };
            let column = &mut frame.columns[usize::from(*register)];
            *column = Column { cells: [bits; BLOCK_ROWS], nulls: 0 };
        }
        frame.constant_bytes = frame.text.len();
        frame
    }

    /// Begins a block of `rows` rows, of which nothing is known yet.
    ///
    /// # Panics
    /// When there are more than [`BLOCK_ROWS`].
    pub fn begin(&mut self, program: &Program, rows: usize) {
        assert!(rows <= BLOCK_ROWS, "a block has {BLOCK_ROWS} rows, not {rows}");
        self.rows = rows;
        self.text.truncate(self.constant_bytes);
        for input in program.inputs() {
            self.columns[usize::from(input.register)].nulls = u64::MAX;
        }
    }

    /// Sets the time at which a row's request arrived, in µs since 1970.
    pub fn set_clock(&mut self, program: &Program, row: usize, us: i64) {
        if let Some(register) = program.clock() {
            self.set_bits(register, row, us.bits());
        }
    }

    /// Sets the value of an input of a row, which is of the input's type: `place` is that of
    /// [`Program::inputs`]. One that is not finite is null, as is one of another type.
    pub fn set(&mut self, program: &Program, place: usize, row: usize, value: Value<'_>) {
        let input = &program.inputs()[place];
        let bits = match (input.value_type, value) {
            (Type::Bool, Value::Bool(truth)) => truth.bits(),
            (Type::Int, Value::Int(number)) | (Type::Timestamp, Value::Timestamp(number)) => {
                number.bits()
            }
            (Type::Double, Value::Double(number)) if number.is_finite() => number.bits(),
            (Type::Text, Value::Text(text)) => match self.keep(text.as_bytes()) {
                Some(span) => span.bits(),
                None => return,
            },
            _ => return,
        };
        self.set_bits(input.register, row, bits);
    }

    fn set_bits(&mut self, register: Register, row: usize, bits: u64) {
        let column = &mut self.columns[usize::from(register)];
        column.cells[row] = bits;
        column.nulls &= !(1 << row);
    }

    /// A row's value of an output, by its place in [`Program::outputs`].
    pub fn get(&self, program: &Program, place: usize, row: usize) -> Value<'_> {
        let output = &program.outputs()[place];
        let column = &self.columns[usize::from(output.register)];
        if column.is_null(row) {
            return Value::Null;
        }
        let bits = column.cells[row];
        match output.value_type {
            Type::Bool => Value::Bool(bool::of(bits)),
            Type::Int => Value::Int(i64::of(bits)),
            Type::Double => Value::Double(f64::of(bits)),
            Type::Timestamp => Value::Timestamp(i64::of(bits)),
            Type::Text => Value::Text(self.text_at(Span::of(bits))),
        }
    }

    /// Whether a row's value of an output is true.
    pub fn is_true(&self, program: &Program, place: usize, row: usize) -> bool {
        let column = &self.columns[usize::from(program.outputs()[place].register)];
        !column.is_null(row) && bool::of(column.cells[row])
    }

    /// The bytes of a text.
    pub(super) fn bytes_at(&self, span: Span) -> &[u8] {
        &self.text[span.start as usize..span.end as usize]
    }

    /// A text: what was put in is UTF-8, and no function cuts a letter in two.
    pub(super) fn text_at(&self, span: Span) -> &str {
        str::from_utf8(self.bytes_at(span)).unwrap_or_default()
    }

    /// Keeps a text until the block ends; `None` where a block has 4 GiB of them.
    pub(super) fn keep(&mut self, text: &[u8]) -> Option<Span> {
        let start = u32::try_from(self.text.len()).ok()?;
        let end = u32::try_from(self.text.len() + text.len()).ok()?;
        self.text.extend_from_slice(text);
        Some(Span { start, end })
    }
}
