//! The columns: names, types, and the categories of a data frame (since 3.1).

use crate::model::forest::{Category, ColumnKind, ModelColumn, NativeError};
use crate::model::json::{At, Value};

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
    let mut lists = categories(cats, width)?;
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
fn categories(cats: Option<&Value>, width: usize) -> Result<Vec<Vec<Category>>, NativeError> {
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
                cut(&bytes, &ends).ok_or_else(|| offsets.wrong("rising places in `values`"))?
            }
        });
    }
    if lists.is_empty() || lists.len() == width {
        Ok(lists)
    } else {
        Err(encodings.wrong(format!("{width}, one for each column")))
    }
}

/// The texts between these places. They are places of characters where the library counted these
/// instead of bytes: then the last one is not where the bytes end.
fn cut(bytes: &[u8], ends: &[i64]) -> Option<Vec<Category>> {
    let characters = str::from_utf8(bytes).ok().filter(|text| {
        let last = ends.last().map_or(0, |last| *last as usize);
        last != bytes.len() && last == text.chars().count()
    });
    let starts: Option<Vec<usize>> =
        characters.map(|text| text.char_indices().map(|(at, _)| at).chain([bytes.len()]).collect());
    let place = |end: i64| match &starts {
        Some(starts) => starts.get(end as usize).copied(),
        None => Some(end as usize),
    };
    let text = |pair: &[i64]| {
        let text = bytes.get(place(pair[0])?..place(pair[1])?)?;
        Some(Category::Text(String::from_utf8_lossy(text).into_owned()))
    };
    ends.windows(2).map(text).collect()
}

#[cfg(test)]
mod tests {
    use super::{Category, cut};

    #[test]
    fn texts_are_cut_by_bytes_or_by_characters() {
        let texts = |ends: &[i64]| {
            let text = |category| match category {
                Category::Text(text) => text,
                other => panic!("{other:?} is no text"),
            };
            let cut = cut("carÜbungtv".as_bytes(), ends)?;
            Some(cut.into_iter().map(text).collect::<Vec<_>>())
        };
        let expected = Some(["car", "Übung", "tv"].map(str::to_owned).to_vec());
        assert_eq!(texts(&[0, 3, 9, 11]), expected);
        assert_eq!(texts(&[0, 3, 8, 10]), expected);
        assert_eq!(texts(&[0, 9, 3, 11]), None);
        assert_eq!(texts(&[0, 8, 3, 10]), None);
        assert_eq!(cut(b"", &[0, 0]), Some(vec![Category::Text(String::new())]));
    }
}
