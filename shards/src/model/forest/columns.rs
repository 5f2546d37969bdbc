//! The columns that a model's file describes.

use crate::features::Categories;
use crate::model::catboost;

/// A value of a category, as the library's own data frame held it.
#[derive(Debug, Clone, PartialEq)]
pub enum Category {
    /// A text.
    Text(String),
    /// A number.
    Number(f64),
    /// `true` or `false`.
    Bool(bool),
    /// A text that the file doesn't hold whole.
    Damaged,
}

/// What a column's cells are.
#[derive(Debug, Clone, PartialEq)]
pub enum ColumnKind {
    /// Numbers; NaN is a missing value.
    Numeric,
    /// Codes: 0 stands for the first of these categories, and so on. NaN is a missing value, and a
    /// code beyond the last one is a category that training never saw. The list is empty where the
    /// file names no categories: then the cells are the codes that training was given.
    Categories(Vec<Category>),
    /// Texts or whole numbers that the model knows by their hash alone (`CatBoost`). The categories
    /// listed are those that the file names; there may be others.
    Hashed(Vec<Category>),
}

/// One column of a model, in the file's order.
#[derive(Debug, Clone, PartialEq)]
pub struct ModelColumn {
    /// Its name in training; made up by the library where the data had none.
    pub name: String,
    /// What its cells are.
    pub kind: ColumnKind,
}

impl ModelColumn {
    /// A column of numbers.
    pub fn numeric(name: impl Into<String>) -> Self {
        Self { name: name.into(), kind: ColumnKind::Numeric }
    }

    /// The categories that its cells stand for; `None` of a column of numbers, and of one whose
    /// categories the file doesn't name: their codes are fed as they are. `unknown` is the code of any
    /// other category, where the library has one for it.
    pub(in crate::model) fn categories(&self, unknown: Option<f64>) -> Option<Categories> {
        let listed = match &self.kind {
            ColumnKind::Categories(listed) if !listed.is_empty() => listed,
            ColumnKind::Hashed(_) => return Some(Categories::hashed(catboost::category_code)),
            _ => return None,
        };
        let coded = || listed.iter().zip(0_u32..).map(|(it, code)| (it, f64::from(code)));
        let texts: Vec<_> = coded()
            .flat_map(|(category, code)| category.texts().into_iter().map(move |it| (it, code)))
            .collect();
        let numbers = coded().filter_map(|(category, code)| Some((category.number()?, code)));
        let texts = texts.iter().map(|(text, code)| (text.as_str(), *code));
        let categories = Categories::new(texts, f64::NAN);
        Some(categories.with_numbers(numbers).with_unknown(unknown))
    }
}

impl Category {
    /// The texts that name it.
    fn texts(&self) -> Vec<String> {
        match self {
            Self::Text(text) => vec![text.clone()],
            Self::Number(number) if number.fract() == 0.0 => {
                vec![format!("{number}"), format!("{number:.1}")]
            }
            Self::Number(number) => vec![format!("{number}")],
            Self::Bool(true) => vec!["True".to_owned(), "true".to_owned()],
            Self::Bool(false) => vec!["False".to_owned(), "false".to_owned()],
            Self::Damaged => Vec::new(),
        }
    }

    /// The number that it is, `true` and `false` as 1 and 0.
    fn number(&self) -> Option<f64> {
        match self {
            Self::Text(_) | Self::Damaged => None,
            Self::Number(number) => Some(*number),
            Self::Bool(value) => Some(f64::from(u8::from(*value))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn column(kind: ColumnKind) -> ModelColumn {
        ModelColumn { name: "c".to_owned(), kind }
    }

    #[test]
    fn a_category_is_found_as_its_library_prints_it() {
        let listed = [
            Category::Text("car".to_owned()),
            Category::Number(10.0),
            Category::Number(-0.5),
            Category::Bool(true),
        ];
        let column = column(ColumnKind::Categories(listed.to_vec()));
        let known = column.categories(None).expect("categories");
        let codes = ["car", "10", "10.0", "-0.5", "True", "true", "False", "10.5"];
        let codes = codes.map(|text| known.code(text.as_bytes()));
        let expected =
            [Some(0.0), Some(1.0), Some(1.0), Some(2.0), Some(3.0), Some(3.0), None, None];
        assert_eq!(codes, expected);
        let numbers = [10.0, -0.5, 1.0, 0.0].map(|number| known.number(number));
        assert_eq!(numbers, [Some(1.0), Some(2.0), Some(3.0), None]);
        assert_eq!(known.unknown(), None);
        assert!(known.missing().is_some_and(f64::is_nan));
    }

    #[test]
    fn codes_without_categories_are_numbers() {
        assert!(column(ColumnKind::Numeric).categories(None).is_none());
        assert!(column(ColumnKind::Categories(Vec::new())).categories(None).is_none());
        let hashed = column(ColumnKind::Hashed(Vec::new())).categories(None).expect("all texts");
        assert_eq!(hashed.missing(), None);
        assert!(hashed.code(b"").is_some());
    }
}
