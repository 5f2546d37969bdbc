//! The rows of a batch, as the model reads them: row-major, in the precision of its input.

/// The floating-point type of a model's input tensor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Precision {
    /// 32-bit floats.
    #[default]
    F32,
    /// 64-bit floats.
    F64,
}

/// The cells of a matrix, row-major: cell (row, column) is at `row * columns + column`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Cells<'a> {
    /// Cells of a model that reads 32-bit floats.
    F32(&'a [f32]),
    /// Cells of a model that reads 64-bit floats.
    F64(&'a [f64]),
}

/// A cell of the matrix; a stored value is rounded to it once.
pub(crate) trait MatrixCell: Copy {
    fn from_float(value: f32) -> Self;
    fn from_double(value: f64) -> Self;
    fn from_integer(value: i64) -> Self;
}

impl MatrixCell for f32 {
    fn from_float(value: f32) -> Self {
        value
    }
    fn from_double(value: f64) -> Self {
        value as Self
    }
    fn from_integer(value: i64) -> Self {
        value as Self
    }
}

impl MatrixCell for f64 {
    fn from_float(value: f32) -> Self {
        Self::from(value)
    }
    fn from_double(value: f64) -> Self {
        value
    }
    fn from_integer(value: i64) -> Self {
        value as Self
    }
}

/// The cells of one row, to be written.
pub(crate) enum RowMut<'a> {
    F32(&'a mut [f32]),
    F64(&'a mut [f64]),
}

#[derive(Debug, Clone)]
enum Buffer {
    F32(Vec<f32>),
    F64(Vec<f64>),
}

/// A batch's features: `rows × columns`, row-major. The buffer is reused from batch to batch.
#[derive(Debug, Clone)]
pub struct FeatureMatrix {
    rows: usize,
    columns: usize,
    buffer: Buffer,
}

impl FeatureMatrix {
    /// An empty matrix for rows of `columns` cells.
    pub fn new(columns: usize, precision: Precision) -> Self {
        let buffer = match precision {
            Precision::F32 => Buffer::F32(Vec::new()),
            Precision::F64 => Buffer::F64(Vec::new()),
        };
        Self { rows: 0, columns, buffer }
    }

    /// Makes it `rows` rows, all cells NaN; keeps what is allocated.
    pub fn reset(&mut self, rows: usize) {
        self.rows = rows;
        match &mut self.buffer {
            Buffer::F32(cells) => {
                cells.clear();
                cells.resize(rows * self.columns, f32::NAN);
            }
            Buffer::F64(cells) => {
                cells.clear();
                cells.resize(rows * self.columns, f64::NAN);
            }
        }
    }

    /// How many rows it holds.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// How many cells a row has.
    pub fn columns(&self) -> usize {
        self.columns
    }

    /// All cells, row-major.
    pub fn cells(&self) -> Cells<'_> {
        match &self.buffer {
            Buffer::F32(cells) => Cells::F32(cells),
            Buffer::F64(cells) => Cells::F64(cells),
        }
    }

    /// Sets a cell; the value is rounded to the matrix's precision.
    pub fn set(&mut self, row: usize, column: usize, value: f64) {
        let at = row * self.columns + column;
        match &mut self.buffer {
            Buffer::F32(cells) => cells[at] = value as f32,
            Buffer::F64(cells) => cells[at] = value,
        }
    }

    /// A cell's value.
    pub fn get(&self, row: usize, column: usize) -> f64 {
        let at = row * self.columns + column;
        match &self.buffer {
            Buffer::F32(cells) => f64::from(cells[at]),
            Buffer::F64(cells) => cells[at],
        }
    }

    /// The cells of `row`.
    pub fn row(&self, row: usize) -> Cells<'_> {
        let span = row * self.columns..(row + 1) * self.columns;
        match &self.buffer {
            Buffer::F32(cells) => Cells::F32(&cells[span]),
            Buffer::F64(cells) => Cells::F64(&cells[span]),
        }
    }

    /// The cells of `row`, to be written.
    pub(crate) fn row_mut(&mut self, row: usize) -> RowMut<'_> {
        let span = row * self.columns..(row + 1) * self.columns;
        match &mut self.buffer {
            Buffer::F32(cells) => RowMut::F32(&mut cells[span]),
            Buffer::F64(cells) => RowMut::F64(&mut cells[span]),
        }
    }

    /// The precision of its cells.
    pub fn precision(&self) -> Precision {
        match &self.buffer {
            Buffer::F32(_) => Precision::F32,
            Buffer::F64(_) => Precision::F64,
        }
    }

    /// Makes it a copy of these rows of `other`, which has the same columns and precision.
    pub(crate) fn copy_rows(&mut self, other: &Self, rows: &[usize]) {
        fn copy<T: Copy>(to: &mut Vec<T>, from: &[T], columns: usize, rows: &[usize]) {
            to.clear();
            for row in rows {
                to.extend_from_slice(&from[row * columns..(row + 1) * columns]);
            }
        }
        match (&mut self.buffer, &other.buffer) {
            (Buffer::F32(to), Buffer::F32(from)) => copy(to, from, other.columns, rows),
            (Buffer::F64(to), Buffer::F64(from)) => copy(to, from, other.columns, rows),
            // A batch's matrices are all made of one plan; a model refuses any other.
            (own, _) => *own = other.buffer.clone(),
        }
        (self.rows, self.columns) = (rows.len(), other.columns);
    }

    /// Copies row `from` onto row `to`.
    pub fn copy_row(&mut self, from: usize, to: usize) {
        let columns = self.columns;
        let source = from * columns..(from + 1) * columns;
        match &mut self.buffer {
            Buffer::F32(cells) => cells.copy_within(source, to * columns),
            Buffer::F64(cells) => cells.copy_within(source, to * columns),
        }
    }
}
