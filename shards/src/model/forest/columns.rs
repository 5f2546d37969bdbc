//! The columns that a model's file describes.

/// A value of a category, as the library's own data frame held it.
#[derive(Debug, Clone, PartialEq)]
pub enum Category {
    /// A text.
    Text(String),
    /// A number.
    Number(f64),
    /// `true` or `false`.
    Bool(bool),
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
}
