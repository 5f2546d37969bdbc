//! The texts of a row's request that expressions read: a cell is a number, and has none.

/// Texts by their request field. The buffers are reused from row to row.
#[derive(Debug, Clone, Default)]
pub struct RequestTexts {
    bytes: String,
    /// The field, and where its text lies.
    fields: Vec<(u32, u32, u32)>,
}

impl RequestTexts {
    /// The most bytes that are kept for the next row.
    const KEPT_BYTES_MAX: usize = 4_096;

    /// Keeps the text of a field; of two for one the last counts.
    pub fn push(&mut self, field: usize, text: &str) {
        let start = self.bytes.len() as u32;
        self.bytes.push_str(text);
        self.fields.push((field as u32, start, self.bytes.len() as u32));
    }

    /// The text of a field.
    pub fn get(&self, field: usize) -> Option<&str> {
        let (_, start, end) = self.fields.iter().rev().find(|it| it.0 as usize == field)?;
        self.bytes.get(*start as usize..*end as usize)
    }

    /// Forgets all of them, and keeps what is allocated.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.fields.clear();
    }

    /// Gives back what few rows need.
    pub(crate) fn shrink(&mut self) {
        if self.bytes.capacity() > Self::KEPT_BYTES_MAX {
            *self = Self::default();
        }
    }

    /// Makes it a copy of another row's.
    pub fn copy_from(&mut self, other: &Self) {
        self.clear();
        self.bytes.push_str(&other.bytes);
        self.fields.extend_from_slice(&other.fields);
    }
}
