//! The columns: their names, which hold categories, and the categories of a pandas data frame.

use super::Section;
use super::text::ModelText;
use crate::model::forest::{Category, ColumnKind, ModelColumn, NativeError};
use crate::model::json::{self, Value};

/// The columns in the library's order.
pub(super) fn describe(
    header: &Section<'_>,
    model: &ModelText<'_>,
    width: usize,
) -> Result<Vec<ModelColumn>, NativeError> {
    let names: Vec<&str> = header.text("feature_names")?.split_ascii_whitespace().collect();
    if names.len() != width {
        let found = format!("{} names", names.len());
        return Err(header.wrong(
            "feature_names",
            &found,
            &format!("{width}, max_feature_idx + 1"),
        ));
    }
    let mut columns: Vec<_> = names.into_iter().map(ModelColumn::numeric).collect();
    let categorical = categorical(header, model, width);
    let mut lists = pandas_categories(model, categorical.len())?.into_iter();
    for column in categorical {
        columns[column].kind = ColumnKind::Categories(lists.next().unwrap_or_default());
    }
    Ok(columns)
}

/// Whether the names are the data's: not all of them the library's `Column_0`, `Column_1`, ….
pub(super) fn are_named(columns: &[ModelColumn]) -> bool {
    columns.iter().enumerate().any(|(at, column)| column.name != format!("Column_{at}"))
}

/// The columns that hold categories: those that were said to in training, and those of which the
/// file lists the values (`1:2:0`) instead of a range (`[0:2]`).
fn categorical(header: &Section<'_>, model: &ModelText<'_>, width: usize) -> Vec<usize> {
    let said = model.parameter("categorical_feature").unwrap_or_default();
    let said: Vec<usize> = said.split(',').filter_map(|at| at.trim().parse().ok()).collect();
    let infos = header.text("feature_infos").unwrap_or_default();
    let is_list = |info: &str| !info.starts_with('[') && info != "none";
    let listed = infos.split_ascii_whitespace().enumerate().filter(|(_, info)| is_list(info));
    let mut columns: Vec<usize> = listed.map(|(at, _)| at).chain(said).collect();
    columns.retain(|at| *at < width);
    columns.sort_unstable();
    columns.dedup();
    columns
}

/// The categories of each categorical column, in order. None are known where the data frame had
/// another number of such columns than the model: which list is whose is not in the file then.
fn pandas_categories(
    model: &ModelText<'_>,
    columns: usize,
) -> Result<Vec<Vec<Category>>, NativeError> {
    let Some((line, text)) = model.pandas_categorical else { return Ok(Vec::new()) };
    let wrong = |found: &str| {
        NativeError::line(line, "pandas_categorical", found, "a list of lists of categories")
    };
    let value = json::parse(text.as_bytes()).map_err(|error| wrong(&error.to_string()))?;
    let lists = match &value {
        Value::Null => return Ok(Vec::new()),
        Value::List(lists) => lists.as_slice(),
        Value::Numbers(numbers) if numbers.is_empty() => &[],
        _ => return Err(wrong(text)),
    };
    if lists.len() != columns {
        return Ok(Vec::new());
    }
    lists.iter().map(|list| categories(list).ok_or_else(|| wrong(text))).collect()
}

/// A list of categories; none if it is no list of single values.
fn categories(list: &Value) -> Option<Vec<Category>> {
    match list {
        Value::Numbers(numbers) => {
            Some(numbers.iter().map(|number| Category::Number(*number)).collect())
        }
        Value::List(values) => values
            .iter()
            .map(|value| match value {
                Value::Text(text) => Some(Category::Text(text.clone())),
                Value::Number(number) => Some(Category::Number(*number)),
                Value::Bool(value) => Some(Category::Bool(*value)),
                _ => None,
            })
            .collect(),
        _ => None,
    }
}
