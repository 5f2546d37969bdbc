//! A model's columns as its own file has them, and as a request is to give them.

use super::Model;
use crate::features::column::ColumnType;
use crate::features::inputs::{InputColumn, NanMeaning, Source, TextInput};

/// The names of a model's columns, in order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FileColumns {
    /// The names.
    pub names: Vec<String>,
    /// Whether the file has them; otherwise they were made up.
    pub are_named: bool,
}

impl FileColumns {
    /// Of tensors with these names and widths. One of a single column names it; the columns of a
    /// wider one are called `f0`, `f1`, …, with the tensor's name before them where there are others.
    pub(super) fn of_inputs(inputs: &[String], widths: &[usize]) -> Self {
        let mut names = Vec::with_capacity(widths.iter().sum());
        for (input, width) in inputs.iter().zip(widths) {
            match (*width, inputs.len()) {
                (1, _) => names.push(input.clone()),
                (width, 1) => names.extend((0..width).map(|column| format!("f{column}"))),
                (width, _) => names.extend((0..width).map(|column| format!("{input}.f{column}"))),
            }
        }
        Self { names, are_named: widths.iter().all(|width| *width == 1) }
    }
}

impl Model {
    /// The columns of the model's own file, each as a field of a request.
    ///
    /// A request may leave a field out where the model's library takes a missing value: numbers and
    /// categories of a library's own file, texts of any file that says what a missing one is. A field
    /// whose name was made up, and a number of an ONNX file, has to be given.
    pub fn request_columns(&self) -> Vec<InputColumn> {
        let FileColumns { names, are_named } = self.file_columns();
        let is_native = !self.model_columns().is_empty();
        let column = |(place, name): (usize, String)| {
            let categories = self.categories().get(place).and_then(Option::as_deref);
            let takes_missing = match categories {
                Some(known) => known.missing().is_some(),
                None => is_native,
            };
            let is_integer = self.integers().get(place).is_some_and(Option::is_some);
            let is_text =
                categories.is_some_and(|known| !known.takes_numbers() || known.texts().is_empty());
            // Never a stand-in, as a missing value is passed on or refused: it is what a request may
            // look like.
            let example = categories.and_then(|known| {
                known.texts().first().map(|(text, _)| (*text).to_owned()).filter(|_| is_text)
            });
            InputColumn {
                name,
                column_type: if is_text { ColumnType::Text } else { ColumnType::Double },
                source: Source::Request,
                // A tensor of integers holds no NaN.
                default: if is_integer { 0.0 } else { f64::NAN },
                nan: if is_integer { NanMeaning::Reject } else { NanMeaning::Missing },
                required: !(are_named && takes_missing),
                text: TextInput { default: example, ..TextInput::default() },
                ..InputColumn::default()
            }
        };
        names.into_iter().enumerate().map(column).collect()
    }
}
