//! The texts of a column that a model knows, each with the number that stands for it in the matrix.
//!
//! A model makes them from its file when it is loaded; the join looks each text up once, and
//! operators compute on the numbers.

use hashbrown::HashMap;

/// The categories of one column of a model.
#[derive(Debug, Clone, PartialEq)]
pub struct Categories {
    codes: HashMap<Box<[u8]>, f64>,
    unknown: f64,
    missing: f64,
}

impl Categories {
    /// The texts with their codes; `unknown` is the code of every other text. Codes are whole numbers
    /// that the matrix's precision holds, `unknown` may be NaN. A text that comes twice has its first
    /// code.
    pub fn new<'a>(texts: impl IntoIterator<Item = (&'a str, f64)>, unknown: f64) -> Self {
        let mut codes = HashMap::new();
        for (text, code) in texts {
            codes.entry(text.as_bytes().into()).or_insert(code);
        }
        Self { codes, unknown, missing: f64::NAN }
    }

    /// The same for a model that reads a missing value as `code` instead of NaN.
    #[must_use]
    pub fn with_missing(self, code: f64) -> Self {
        Self { missing: code, ..self }
    }

    /// The code of a text; `None` where training never saw it.
    pub fn code(&self, text: &[u8]) -> Option<f64> {
        self.codes.get(text).copied()
    }

    /// The code of a text that training never saw.
    pub fn unknown(&self) -> f64 {
        self.unknown
    }

    /// The code of a value that is missing.
    pub fn missing(&self) -> f64 {
        self.missing
    }

    /// The texts with their codes, in the order of the codes.
    pub fn texts(&self) -> Vec<(&str, f64)> {
        let text = |bytes| str::from_utf8(bytes).unwrap_or_default();
        let mut texts: Vec<_> = self.codes.iter().map(|(it, code)| (text(it), *code)).collect();
        texts.sort_by(|one, other| one.1.total_cmp(&other.1).then_with(|| one.0.cmp(other.0)));
        texts
    }
}

#[cfg(test)]
mod tests {
    use super::Categories;

    #[test]
    fn a_text_has_its_first_code_and_any_other_text_none() {
        let known = Categories::new([("car", 1.0), ("", 0.0), ("Zürich", 2.0), ("car", 5.0)], -1.0);
        assert_eq!(known.code("car".as_bytes()), Some(1.0));
        assert_eq!(known.code("Zürich".as_bytes()), Some(2.0));
        assert_eq!(known.code(b""), Some(0.0));
        assert_eq!(known.code(b"Car"), None);
        assert_eq!(known.unknown().to_bits(), (-1.0_f64).to_bits());
        assert!(known.missing().is_nan());
        assert_eq!(known.clone().with_missing(7.0).missing().to_bits(), 7.0_f64.to_bits());
        assert_eq!(known.texts(), [("", 0.0), ("car", 1.0), ("Zürich", 2.0)]);
    }
}
