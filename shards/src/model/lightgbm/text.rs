//! The sections of a model's text.

use std::str::FromStr;

use crate::model::forest::NativeError;

/// Lines of `key=value`; a line without `=` is a key without a value.
#[derive(Debug, Default)]
pub(super) struct Section<'t> {
    /// The line of the file on which the section starts, from 1.
    pub(super) line: usize,
    /// Each line's number, key and value.
    lines: Vec<(usize, &'t str, &'t str)>,
}

/// A model's text, cut into sections.
#[derive(Debug, Default)]
pub(super) struct ModelText<'t> {
    pub(super) header: Section<'t>,
    pub(super) trees: Vec<Section<'t>>,
    /// `[key: value]` lines after the trees.
    pub(super) parameters: Vec<(&'t str, &'t str)>,
    /// The line after `pandas_categorical:`, with its number.
    pub(super) pandas_categorical: Option<(usize, &'t str)>,
}

impl<'t> ModelText<'t> {
    /// Cuts the text; its last tree is followed by `end of trees`, or it is cut short.
    pub(super) fn split(text: &'t str) -> Result<Self, NativeError> {
        let mut model = Self::default();
        let mut lines = text.lines().enumerate().map(|(at, line)| (at + 1, line.trim_end()));
        match lines.next() {
            Some((_, "tree")) => {}
            Some((line, found)) => {
                return Err(NativeError::line(line, "tree", found, "`tree`: a LightGBM model"));
            }
            None => return Err(NativeError::line(1, "tree", "nothing", "a LightGBM model")),
        }
        let mut section = Section { line: 1, lines: Vec::new() };
        let mut is_tree = false;
        let mut ended = false;
        let mut last = 1;
        for (at, line) in lines.by_ref() {
            last = at;
            ended = line == "end of trees";
            if !ended && line.is_empty() {
                continue;
            }
            if ended || line.starts_with("Tree=") {
                let next = Section { line: at, lines: Vec::new() };
                let whole = std::mem::replace(&mut section, next);
                if is_tree {
                    model.trees.push(whole);
                } else {
                    model.header = whole;
                }
                is_tree = true;
            }
            if ended {
                break;
            }
            let (key, value) = line.split_once('=').unwrap_or((line, ""));
            section.lines.push((at, key, value));
        }
        if !ended {
            let found = "the end of the file";
            return Err(NativeError::line(last, "end of trees", found, "more: it is cut short"));
        }
        for (at, line) in lines {
            if let Some(list) = line.strip_prefix("pandas_categorical:") {
                model.pandas_categorical = Some((at, list.trim()));
            } else if let Some(inside) = line.strip_prefix('[')
                && let Some((key, value)) = inside.trim_end_matches(']').split_once(':')
            {
                model.parameters.push((key.trim(), value.trim()));
            }
        }
        Ok(model)
    }

    /// The value of a parameter of training, if the file has it.
    pub(super) fn parameter(&self, key: &str) -> Option<&'t str> {
        self.parameters.iter().find(|(known, _)| *known == key).map(|(_, value)| *value)
    }
}

impl<'t> Section<'t> {
    fn find(&self, key: &str) -> Option<(usize, &'t str)> {
        let line = self.lines.iter().find(|(_, known, _)| *known == key)?;
        Some((line.0, line.2))
    }

    /// Whether a line has this key.
    pub(super) fn has(&self, key: &str) -> bool {
        self.find(key).is_some()
    }

    /// The value of a key that must be there.
    pub(super) fn text(&self, key: &str) -> Result<&'t str, NativeError> {
        let missing =
            || NativeError::line(self.line, key, "no such line in the section", "one line");
        self.find(key).map(|(_, value)| value).ok_or_else(missing)
    }

    /// An error about the line of a key.
    pub(super) fn wrong(&self, key: &str, found: &str, expected: &str) -> NativeError {
        let line = self.find(key).map_or(self.line, |(line, _)| line);
        NativeError::line(line, key, format!("`{found}`"), expected)
    }

    /// The number of a key that must be there.
    pub(super) fn number<T: FromStr>(&self, key: &str) -> Result<T, NativeError> {
        let text = self.text(key)?;
        text.trim().parse().map_err(|_| self.wrong(key, text, "a number"))
    }

    /// A list of `length` numbers, separated by spaces; the key must be there unless `length` is 0.
    pub(super) fn numbers<T: FromStr>(
        &self,
        key: &str,
        length: usize,
    ) -> Result<Vec<T>, NativeError> {
        if length == 0 {
            return Ok(Vec::new());
        }
        let numbers = self.any_numbers(key)?;
        if numbers.len() != length {
            let found = format!("{} numbers", numbers.len());
            return Err(self.wrong(key, &found, &format!("{length}")));
        }
        Ok(numbers)
    }

    /// A list of numbers, separated by spaces.
    pub(super) fn any_numbers<T: FromStr>(&self, key: &str) -> Result<Vec<T>, NativeError> {
        let mut numbers = Vec::new();
        for word in self.text(key)?.split_ascii_whitespace() {
            let number = word.parse().map_err(|_| self.wrong(key, word, "numbers"))?;
            numbers.push(number);
        }
        Ok(numbers)
    }
}
