//! The texts of a column that a model knows, each with the number that stands for it in the matrix.
//!
//! A model makes them from its file when it is loaded; the join looks each text up once, and
//! operators compute on the numbers. A text has one code in all columns of a model.

use std::sync::Arc;

use hashbrown::HashMap;

use crate::fnv::{fnv1a, fnv1a_more};

/// The categories of one column of a model.
#[derive(Debug, Clone)]
pub struct Categories {
    kind: Kind,
    unknown: Option<f64>,
    missing: Option<f64>,
}

/// How a text becomes a code.
#[derive(Debug, Clone)]
enum Kind {
    /// By a table.
    Listed {
        codes: HashMap<Arc<[u8]>, f64>,
        /// The first text of each code, by its bits.
        texts: HashMap<u64, Arc<[u8]>>,
        /// Categories that are numbers, by the bits of their values.
        numbers: HashMap<u64, f64>,
        /// A sum over the texts and numbers, in whatever order they come.
        fingerprint: u64,
        /// The same over texts and numbers with their codes.
        coded: u64,
    },
    /// By a function that knows every text; whole numbers stand for themselves.
    Hashed(fn(&[u8]) -> f64),
}

/// The bits by which a number is found: one for both zeros.
fn bits(number: f64) -> u64 {
    (number + 0.0).to_bits()
}

impl Categories {
    /// The texts with their codes; `unknown` is the code of every other text. Codes are whole numbers
    /// that the matrix's precision holds, `unknown` may be NaN. A text that comes twice has its first
    /// code. A missing value is NaN.
    pub fn new<'a>(texts: impl IntoIterator<Item = (&'a str, f64)>, unknown: f64) -> Self {
        let (mut codes, mut first) = (HashMap::new(), HashMap::new());
        let (mut fingerprint, mut coded) = (0_u64, 0_u64);
        for (text, code) in texts {
            let text: Arc<[u8]> = text.as_bytes().into();
            let code = *codes.entry(Arc::clone(&text)).or_insert_with(|| {
                let hash = fnv1a(text.iter().copied());
                fingerprint = fingerprint.wrapping_add(hash);
                coded = coded.wrapping_add(fnv1a_more(hash, bits(code).to_le_bytes()));
                code
            });
            first.entry(bits(code)).or_insert(text);
        }
        let numbers = HashMap::new();
        let kind = Kind::Listed { codes, texts: first, numbers, fingerprint, coded };
        Self { kind, unknown: Some(unknown), missing: Some(f64::NAN) }
    }

    /// Every text by what `code` makes of it, which never fails. A whole number stands for itself. A
    /// missing value has no code.
    pub fn hashed(code: fn(&[u8]) -> f64) -> Self {
        Self { kind: Kind::Hashed(code), unknown: None, missing: None }
    }

    /// The same with categories that are numbers, each with its code: [`Self::number`] finds them.
    #[must_use]
    pub fn with_numbers(mut self, values: impl IntoIterator<Item = (f64, f64)>) -> Self {
        if let Kind::Listed { numbers, fingerprint, coded, .. } = &mut self.kind {
            for (value, code) in values {
                numbers.entry(bits(value)).or_insert_with(|| {
                    let hash = fnv1a(bits(value).to_le_bytes());
                    *fingerprint = fingerprint.wrapping_add(hash);
                    *coded = coded.wrapping_add(fnv1a_more(hash, bits(code).to_le_bytes()));
                    code
                });
            }
        }
        self
    }

    /// The same for a model that reads a missing value as `code`, or has no answer for it (`None`).
    #[must_use]
    pub fn with_missing(self, code: Option<f64>) -> Self {
        Self { missing: code, ..self }
    }

    /// The same for a model that reads texts which it doesn't know as `code`, or has no answer for
    /// them (`None`).
    #[must_use]
    pub fn with_unknown(self, code: Option<f64>) -> Self {
        Self { unknown: code, ..self }
    }

    /// The code of a text; `None` where training never saw it.
    pub fn code(&self, text: &[u8]) -> Option<f64> {
        match &self.kind {
            Kind::Listed { codes, .. } => codes.get(text).copied(),
            Kind::Hashed(code) => Some(code(text)),
        }
    }

    /// The text that has this code, the first one where several have; `None` where none has, and of
    /// categories that are hashed.
    pub fn text(&self, code: f64) -> Option<&str> {
        let Kind::Listed { texts, .. } = &self.kind else { return None };
        str::from_utf8(texts.get(&bits(code))?).ok()
    }

    /// Whether a text or number that is unknown to one of them is unknown to the other.
    pub(crate) fn knows_the_same(&self, other: &Self) -> bool {
        match (&self.kind, &other.kind) {
            (
                Kind::Listed { codes, numbers, fingerprint, .. },
                Kind::Listed { codes: others, numbers: other_numbers, fingerprint: theirs, .. },
            ) => {
                (codes.len(), numbers.len(), fingerprint)
                    == (others.len(), other_numbers.len(), theirs)
            }
            _ => self.hashes_as(other),
        }
    }

    /// Whether every text and number has the same code in both.
    pub(crate) fn reads_as(&self, other: &Self) -> bool {
        match (&self.kind, &other.kind) {
            (Kind::Listed { coded, .. }, Kind::Listed { coded: theirs, .. }) => {
                self.knows_the_same(other) && coded == theirs
            }
            _ => self.hashes_as(other),
        }
    }

    /// The same for another shard: no count of who holds a text is shared with this one.
    #[must_use]
    pub(crate) fn of_another_shard(&self) -> Self {
        let mut own = self.clone();
        if let Kind::Listed { codes, texts, .. } = &mut own.kind {
            *codes = codes.iter().map(|(text, code)| (Arc::from(&text[..]), *code)).collect();
            for text in texts.values_mut() {
                if let Some((copy, _)) = codes.get_key_value(text) {
                    *text = Arc::clone(copy);
                }
            }
        }
        own
    }

    /// Whether both hash texts, by the same function.
    pub(crate) fn hashes_as(&self, other: &Self) -> bool {
        match (&self.kind, &other.kind) {
            (Kind::Hashed(own), Kind::Hashed(others)) => std::ptr::fn_addr_eq(*own, *others),
            _ => false,
        }
    }

    /// The code of a category that is a number; `None` where training never saw it, and of every
    /// number where the categories are texts.
    pub fn number(&self, value: f64) -> Option<f64> {
        match &self.kind {
            Kind::Listed { numbers, .. } => numbers.get(&bits(value)).copied(),
            Kind::Hashed(_) => (value.fract() == 0.0).then_some(value),
        }
    }

    /// Whether some of the categories are numbers.
    pub fn takes_numbers(&self) -> bool {
        match &self.kind {
            Kind::Listed { numbers, .. } => !numbers.is_empty(),
            Kind::Hashed(_) => true,
        }
    }

    /// The code of a text that training never saw; `None` where the model's own library fails on
    /// one: its row has no score.
    pub fn unknown(&self) -> Option<f64> {
        self.unknown
    }

    /// The code of a value that is missing; `None` where the model's own library fails on one, or its
    /// file doesn't say what it makes of it: the row has no score.
    pub fn missing(&self) -> Option<f64> {
        self.missing
    }

    /// The texts with their codes, in the order of the codes; none of categories that are hashed.
    pub fn texts(&self) -> Vec<(&str, f64)> {
        let Kind::Listed { codes, .. } = &self.kind else { return Vec::new() };
        let text = |bytes| str::from_utf8(bytes).unwrap_or_default();
        let mut texts: Vec<_> = codes.iter().map(|(it, code)| (text(it), *code)).collect();
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
        assert_eq!(known.unknown(), Some(-1.0));
        assert_eq!(known.number(1.0), None);
        assert!(known.missing().is_some_and(f64::is_nan));
        assert_eq!(known.clone().with_missing(Some(7.0)).missing(), Some(7.0));
        assert_eq!(known.clone().with_unknown(None).unknown(), None);
        assert_eq!(known.texts(), [("", 0.0), ("car", 1.0), ("Zürich", 2.0)]);
        assert_eq!([1.0, -0.0, 2.0].map(|it| known.text(it)), ["car", "", "Zürich"].map(Some));
        assert_eq!([5.0, -1.0, f64::NAN].map(|it| known.text(it)), [None; 3]);
    }

    #[test]
    fn tables_of_the_same_texts_know_the_same() {
        let table = |texts: &[(&'static str, f64)]| Categories::new(texts.iter().copied(), -1.0);
        let one = table(&[("car", 0.0), ("boat", 1.0)]);
        assert!(one.knows_the_same(&table(&[("boat", 7.0), ("car", 3.0), ("car", 4.0)])));
        for other in [table(&[("car", 0.0)]), table(&[("car", 0.0), ("boot", 1.0)])] {
            assert!(!one.knows_the_same(&other) && !other.knows_the_same(&one));
        }
        assert!(!one.knows_the_same(&one.clone().with_numbers([(1.0, 0.0)])));
        let hashed = Categories::hashed(|text| text.len() as f64);
        assert!(hashed.knows_the_same(&hashed.clone()) && !hashed.knows_the_same(&one));
    }

    /// As the lanes of two versions have, which each have their own table.
    #[test]
    fn tables_of_the_same_codes_read_the_same() {
        let table = |texts: &[(&'static str, f64)]| Categories::new(texts.iter().copied(), -1.0);
        let one = table(&[("car", 0.0), ("boat", 1.0)]);
        let same = table(&[("boat", 1.0), ("car", -0.0), ("boat", 7.0)]);
        assert!(
            one.reads_as(&same) && same.reads_as(&one) && one.reads_as(&one.of_another_shard())
        );
        for other in
            [&[("car", 1.0), ("boat", 0.0)][..], &[("car", 0.0)], &[("car", 0.0), ("b", 1.0)]]
        {
            assert!(!one.reads_as(&table(other)), "{other:?}");
        }
        let numbers = |code| one.clone().with_numbers([(1.0, code)]);
        assert!(numbers(0.0).reads_as(&numbers(0.0)));
        assert!(!numbers(0.0).reads_as(&numbers(1.0)) && !numbers(0.0).reads_as(&one));
    }

    #[test]
    fn another_shard_holds_its_own_texts() {
        let one = Categories::new([("car", 0.0), ("boat", 0.0), ("", 2.0)], -1.0);
        let other = one.of_another_shard();
        assert_eq!(one.texts(), other.texts());
        assert_eq!(one.text(0.0), other.text(0.0));
        let addresses = |known: &Categories| -> Vec<_> {
            known.texts().iter().map(|(text, _)| text.as_ptr()).collect()
        };
        // The empty text has no bytes, and so no address of its own.
        assert!(addresses(&one)[..2].iter().all(|it| !addresses(&other)[..2].contains(it)));
    }

    #[test]
    fn a_number_is_found_by_its_value() {
        let known = Categories::new([("10", 0.0), ("0", 1.0)], f64::NAN)
            .with_numbers([(10.0, 0.0), (0.0, 1.0)]);
        assert_eq!([known.number(10.0), known.number(-0.0)], [Some(0.0), Some(1.0)]);
        assert_eq!([known.number(10.5), known.number(f64::NAN)], [None, None]);
        assert_eq!(known.code(b"10"), Some(0.0));
    }

    #[test]
    fn a_text_that_is_hashed_is_always_known() {
        let hashed = Categories::hashed(|text| text.len() as f64);
        assert_eq!([hashed.code(b"abc"), hashed.number(12.0)], [Some(3.0), Some(12.0)]);
        assert_eq!([hashed.unknown(), hashed.missing(), hashed.number(0.5)], [None; 3]);
        assert!(hashed.texts().is_empty());
    }
}
