//! The columns: names, types, and the categories of a data frame (since 3.1).

use crate::model::forest::{Category, ColumnKind, ModelColumn, NativeError};
use crate::model::json::{At, Value};

/// The attribute by which `models/export.py` marks a file whose texts it mended.
const WHOLE_TEXTS: &str = "shardgate_whole_texts";

/// The columns of a model.
pub(super) struct Described {
    pub(super) columns: Vec<ModelColumn>,
    /// The names are the data's.
    pub(super) are_named: bool,
}

/// The columns in the library's order; `cats` is what the booster keeps of categories.
pub(super) fn describe(
    learner: &At<'_>,
    cats: Option<&Value>,
    width: usize,
) -> Result<Described, NativeError> {
    let names = texts(learner, "feature_names", width)?;
    let types = texts(learner, "feature_types", width)?;
    let are_named = names.is_some();
    let name = |at: usize| names.as_ref().map_or_else(|| format!("f{at}"), |n| n[at].clone());
    let mut columns: Vec<_> = (0..width).map(|at| ModelColumn::numeric(name(at))).collect();
    let mut lists = categories(cats, width, has_whole_texts(learner))?;
    for (at, column) in columns.iter_mut().enumerate() {
        let list = lists.get_mut(at).map(std::mem::take).unwrap_or_default();
        let is_categorical = types.as_ref().is_some_and(|types| types[at] == "c");
        if is_categorical || !list.is_empty() {
            column.kind = ColumnKind::Categories(list);
        }
    }
    Ok(Described { columns, are_named })
}

/// A text for each column, if the file has any.
fn texts(learner: &At<'_>, key: &str, width: usize) -> Result<Option<Vec<String>>, NativeError> {
    let Some(list) = learner.find(key) else { return Ok(None) };
    let texts: Result<Vec<_>, _> =
        list.list()?.map(|text| text.text().map(str::to_owned)).collect();
    let texts = texts?;
    match texts.len() {
        0 => Ok(None),
        length if length == width => Ok(Some(texts)),
        _ => Err(list.wrong(format!("{width}, one for each column"))),
    }
}

/// The categories of each column: texts lie one after the other as bytes, with where each ends;
/// numbers as they are.
fn categories(
    cats: Option<&Value>,
    width: usize,
    are_whole: bool,
) -> Result<Vec<Vec<Category>>, NativeError> {
    let Some(cats) = cats else { return Ok(Vec::new()) };
    let root = At::root(cats);
    let Some(encodings) = root.find("enc") else { return Ok(Vec::new()) };
    let mut lists = Vec::new();
    for encoding in encodings.list()? {
        let values = encoding.get("values")?;
        lists.push(match encoding.find("offsets") {
            None => values.numbers()?.into_iter().map(Category::Number).collect(),
            Some(offsets) => {
                let bytes: Vec<u8> =
                    values.integers(-128, 255)?.into_iter().map(|byte| byte as u8).collect();
                let ends = offsets.integers(0, bytes.len() as i64)?;
                cut(&bytes, &ends, are_whole)
                    .ok_or_else(|| offsets.wrong("rising places in `values`"))?
            }
        });
    }
    if lists.is_empty() || lists.len() == width {
        Ok(lists)
    } else {
        Err(encodings.wrong(format!("{width}, one for each column")))
    }
}

/// Whether `models/export.py` put whole texts into the file.
fn has_whole_texts(learner: &At<'_>) -> bool {
    let Some(attributes) = learner.find("attributes") else { return false };
    attributes.find(WHOLE_TEXTS).is_some_and(|mark| mark.text().is_ok())
}

/// The texts between these places. Version 3.1 counts their characters and writes as many bytes, so
/// that beyond the first character of several bytes nothing is where it should be, unless the file
/// was mended (`are_whole`).
fn cut(bytes: &[u8], ends: &[i64], are_whole: bool) -> Option<Vec<Category>> {
    let cut = bytes.iter().position(|byte| !byte.is_ascii()).filter(|_| !are_whole);
    let whole = cut.unwrap_or(bytes.len());
    let text = |pair: &[i64]| {
        let (start, end) = (pair[0] as usize, pair[1] as usize);
        let text = str::from_utf8(bytes.get(start..end)?).ok().filter(|_| end <= whole);
        let category = text.map(|text| Category::Text(text.to_owned()));
        Some(category.unwrap_or(Category::Damaged))
    };
    ends.windows(2).map(text).collect()
}

#[cfg(test)]
mod tests {
    use super::{Category, cut};

    #[test]
    fn texts_are_whole_before_the_first_that_the_library_cuts() {
        let text = |text: &str| Category::Text(text.to_owned());
        let all = cut(b"cartv", &[0, 3, 3, 5], false).expect("they rise");
        assert_eq!(all, [text("car"), text(""), text("tv")]);
        // Of "car", "Übung" and "éa" it wrote as many bytes as they have characters.
        let bytes = &"carÜbungéa".as_bytes()[..10];
        let some = cut(bytes, &[0, 3, 8, 10], false).expect("they rise");
        assert_eq!(some, [text("car"), Category::Damaged, Category::Damaged]);
        let all = cut("carÜbungéa".as_bytes(), &[0, 3, 9, 12], true).expect("they rise");
        assert_eq!(all, [text("car"), text("Übung"), text("éa")]);
        assert_eq!(cut(b"cartv", &[0, 3, 1], false), None);
    }
}
