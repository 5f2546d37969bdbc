//! What is to be said of a file that was read: what was chosen for it, and what of it is not as it
//! was written.

use std::fmt;

use super::cell::CellRules;
use super::decode::Encoding;
use super::repeats::KEYS_MAX;

/// How many columns and words are named; the rest are only counted.
const NAMED_MAX: usize = 8;

/// One thing to be said of a file that was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ImportNote {
    /// No column is called as keys are, so the first one was taken.
    KeyColumn {
        /// Its name.
        name: String,
    },
    /// The columns are separated by something else than commas.
    Delimiter {
        /// By what.
        found: char,
    },
    /// The file was compressed.
    Compressed {
        /// By what.
        by: &'static str,
    },
    /// A byte-order mark says that the file is in another encoding than UTF-8.
    Encoding {
        /// Which one.
        found: Encoding,
    },
    /// Cells are enclosed by something else than double quotes.
    Quote {
        /// By what.
        found: char,
    },
    /// Numbers have a comma before their fraction.
    DecimalComma,
    /// Columns that were not asked for.
    Ignored {
        /// Their names.
        columns: Vec<String>,
    },
    /// Cells of columns of text that other programs write for "not known", kept as they are.
    KeptWords(Vec<WordCount>),
    /// The store and the file have different columns, which are merged by key.
    Merged {
        /// The columns that only the file has.
        added: Vec<String>,
        /// How many only the store has.
        kept: usize,
    },
    /// Words that stand for a value: `NA`, `True`.
    Words(Vec<WordCount>),
    /// Keys that occur more than once. The last row of each is the one that stays.
    Repeated {
        /// How many rows have a key that an earlier row has.
        rows: u64,
        /// The line of the first of them, from 1.
        line: u64,
        /// Its key.
        key: String,
        /// Whether there were too many keys to remember all of them.
        is_partial: bool,
    },
    /// Numbers that a float column does not hold as they are written.
    Rounded {
        /// Columns, each with how many.
        columns: Vec<(String, u64)>,
        /// The first of them.
        first: RoundedCell,
    },
}

/// How often a word stood for a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WordCount {
    /// The word.
    pub word: String,
    /// What it was taken for.
    pub meaning: &'static str,
    /// How many cells.
    pub cells: u64,
    /// The line of the first one, from 1.
    pub line: u64,
    /// The column of the first one.
    pub column: String,
}

/// A number and what became of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoundedCell {
    /// The line, from 1.
    pub line: u64,
    /// The column's name.
    pub column: String,
    /// The cell.
    pub text: String,
    /// The number that is kept.
    pub kept: String,
}

impl fmt::Display for ImportNote {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::KeyColumn { name } => write!(
                formatter,
                "no column is called user_id: the keys are those of the first one, `{name}`; \
                 --key names another"
            ),
            Self::Delimiter { found: '\t' } => {
                formatter.write_str("the columns are separated by tabs")
            }
            Self::Delimiter { found } => {
                write!(formatter, "the columns are separated by `{found}`")
            }
            Self::Compressed { by } => write!(formatter, "the file is compressed by {by}"),
            Self::Encoding { found } => {
                write!(formatter, "the file is {found}, by its first bytes")
            }
            Self::Quote { found } => write!(formatter, "cells are enclosed by `{found}`"),
            Self::DecimalComma => formatter.write_str(
                "numbers have a decimal comma: `1,5` is 1.5; --decimal . says that they have not",
            ),
            Self::Ignored { columns } => {
                let count = columns.len();
                write!(formatter, "{count} columns are left out: {}", listed(columns))
            }
            Self::KeptWords(words) => {
                formatter.write_str("in columns of text these are kept as they are:")?;
                for (place, word) in words.iter().take(NAMED_MAX).enumerate() {
                    let WordCount { word, cells, line, column, .. } = word;
                    let comma = if place == 0 { "" } else { "," };
                    write!(
                        formatter,
                        "{comma} `{word}` in {cells} cells (first: line {line}, `{column}`)"
                    )?;
                }
                let word = words.first().map_or("NA", |word| &word.word);
                write!(formatter, "; --null {word} says that it is not known")
            }
            Self::Merged { added, kept } => {
                if !added.is_empty() {
                    let count = added.len();
                    write!(formatter, "{count} columns are new: {}; ", listed(added))?;
                    formatter.write_str("rows that the file does not have get null there")?;
                }
                if *kept > 0 {
                    let and = if added.is_empty() { "" } else { "; " };
                    write!(
                        formatter,
                        "{and}{kept} columns of the store are not in the file: rows keep their \
                         values there, and new rows get null"
                    )?;
                }
                Ok(())
            }
            Self::Words(words) => {
                formatter.write_str("words that are taken for a value:")?;
                for (place, word) in words.iter().take(NAMED_MAX).enumerate() {
                    let WordCount { word, meaning, cells, line, column } = word;
                    let comma = if place == 0 { "" } else { "," };
                    write!(
                        formatter,
                        "{comma} `{word}` for {meaning} in {cells} cells (first: line {line}, `{column}`)"
                    )?;
                }
                Ok(())
            }
            Self::Repeated { rows, line, key, is_partial } => {
                write!(
                    formatter,
                    "{rows} rows have a key that an earlier row has (first: line {line}, `{key}`): \
                     of each key the last row counts"
                )?;
                match is_partial {
                    true => write!(formatter, "; looked at for the first {KEYS_MAX} keys only"),
                    false => Ok(()),
                }
            }
            Self::Rounded { columns, first } => {
                let cells: u64 = columns.iter().map(|(_, cells)| cells).sum();
                let name = &columns.first().map_or(&first.column, |(name, _)| name);
                write!(formatter, "{cells} numbers have more digits than float (32 bits) keeps:")?;
                for (place, (name, cells)) in columns.iter().take(NAMED_MAX).enumerate() {
                    let comma = if place == 0 { "" } else { "," };
                    write!(formatter, "{comma} `{name}` {cells}")?;
                }
                let RoundedCell { line, column, text, kept } = first;
                write!(
                    formatter,
                    " (first: line {line}, `{column}`, {text} is kept as {kept}); `{name}:double` in \
                     the header keeps them, for a model.toml that says type = \"double\" of it"
                )
            }
        }
    }
}

/// Names for people, the first of them where they are many.
fn listed(names: &[String]) -> String {
    let named: Vec<_> = names.iter().take(NAMED_MAX).map(|name| format!("`{name}`")).collect();
    let more = if names.len() > NAMED_MAX { ", …" } else { "" };
    format!("{}{more}", named.join(", "))
}

/// Counts while a file is read.
#[derive(Debug, Default)]
pub(super) struct NoteTaker {
    words: Vec<WordCount>,
    kept: Vec<WordCount>,
    /// By the column's position in the schema.
    rounded: Vec<u64>,
    first_rounded: Option<RoundedCell>,
    repeated_rows: u64,
    first_repeated: Option<(u64, String)>,
}

impl NoteTaker {
    /// For files of so many columns.
    pub(super) fn new(columns: usize) -> Self {
        Self { rounded: vec![0; columns], ..Self::default() }
    }

    pub(super) fn word(&mut self, word: &str, meaning: &'static str, line: u64, name: &str) {
        count(&mut self.words, word, meaning, line, name);
    }

    /// Counts a cell of text that is kept, where it is a word for "not known".
    pub(super) fn kept(&mut self, rules: &CellRules, text: &[u8], line: u64, name: &str) {
        // The longest of these words has four letters.
        if text.len() <= 4
            && let Ok(text) = std::str::from_utf8(text)
            && rules.is_kept_word(text)
        {
            count(&mut self.kept, text, "itself", line, name);
        }
    }

    pub(super) fn rounded(&mut self, column: usize, cell: impl FnOnce() -> RoundedCell) {
        self.rounded[column] += 1;
        self.first_rounded.get_or_insert_with(cell);
    }

    pub(super) fn repeated(&mut self, line: u64, key: &[u8]) {
        self.repeated_rows += 1;
        self.first_repeated.get_or_insert_with(|| (line, super::cell::shown(key)));
    }

    /// What there is to be said; `names` are the schema's columns.
    pub(super) fn notes<'a>(
        &self,
        names: impl Iterator<Item = &'a str>,
        is_partial: bool,
    ) -> Vec<ImportNote> {
        let mut notes = Vec::new();
        if !self.words.is_empty() {
            notes.push(ImportNote::Words(self.words.clone()));
        }
        if !self.kept.is_empty() {
            notes.push(ImportNote::KeptWords(self.kept.clone()));
        }
        let repeated = self.first_repeated.clone();
        if let Some((line, key)) = repeated.or(is_partial.then(|| (0, String::new()))) {
            notes.push(ImportNote::Repeated { rows: self.repeated_rows, line, key, is_partial });
        }
        if let Some(first) = self.first_rounded.clone() {
            let counted = names.zip(&self.rounded).filter(|(_, cells)| **cells > 0);
            let columns = counted.map(|(name, cells)| (name.to_owned(), *cells)).collect();
            notes.push(ImportNote::Rounded { columns, first });
        }
        notes
    }
}

fn count(words: &mut Vec<WordCount>, word: &str, meaning: &'static str, line: u64, name: &str) {
    let known = words.iter_mut().find(|known| known.word == word && known.meaning == meaning);
    if let Some(known) = known {
        known.cells += 1;
        return;
    }
    let (word, column) = (word.to_owned(), name.to_owned());
    words.push(WordCount { word, meaning, cells: 1, line, column });
}
