//! Why a store does not fit a model.

use crate::expression::ExpressionError;
use crate::features::column::ColumnType;
use crate::features::inputs::IntegerRange;

/// A store that does not fit a model.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum JoinError {
    /// An expression or a rule cannot be used.
    #[error(transparent)]
    Expression(#[from] ExpressionError),
    /// An aggregate that counts scored requests takes a text.
    #[error(
        "an aggregate with `on_predict` takes the request's field `{field}`, which is text: it takes \
         numbers, and keys of entities; send events, or take `on_predict` away"
    )]
    NotedText {
        /// The field.
        field: String,
    },
    /// The store has no column that the model names.
    #[error(
        "the model's input column `{column}` is not in the store, which has {}",
        listed(available)
    )]
    ColumnMissing {
        /// The model's column.
        column: String,
        /// The store's columns.
        available: Vec<String>,
    },
    /// There is no store, and the model reads a column of one.
    #[error(
        "the model's input column `{column}` is one of a feature store, and there is none: say where \
         it is with --store, or set `source = \"request\"` in model.toml"
    )]
    NoStore {
        /// The model's column.
        column: String,
    },
    /// The store has no table of an entity.
    #[error(
        "entity `{entity}`: the store has no table `{table}`: import it with `--table {table}`, or \
         create it in the cluster's keyspace"
    )]
    NoTable {
        /// The entity.
        entity: String,
        /// Its table.
        table: String,
    },
    /// The table of an entity can't be read.
    #[error("entity `{entity}`: the table `{table}` can't be read: {reason}")]
    TableUnread {
        /// The entity.
        entity: String,
        /// Its table.
        table: String,
        /// What the store said.
        reason: String,
    },
    /// The key of an entity's table has another number of columns than the entity has fields.
    #[error(
        "entity `{entity}`: its `key` has {found} fields in model.toml, and the key of its table has \
         {expected} columns: name a field for each, in the table's order"
    )]
    KeyParts {
        /// The entity.
        entity: String,
        /// How many fields it has.
        found: usize,
        /// How many columns the table's key has.
        expected: usize,
    },
    /// An entity names the fields of its key in another order than its table has them.
    #[error(
        "entity `{entity}`: its `key` is {found} in model.toml, and that of its table {expected}: the \
         order is the table's"
    )]
    KeyOrder {
        /// The entity.
        entity: String,
        /// Its fields.
        found: String,
        /// The columns of the table's key.
        expected: String,
    },
    /// The store has the column that the model names, and its type is not read.
    #[error(
        "the model's input column `{column}` is {found} in the store, which is not read: store it as \
         {}, or leave it out of model.toml",
        ColumnType::words()
    )]
    ColumnUnread {
        /// The column.
        column: String,
        /// Its type, as the store writes it.
        found: String,
    },
    /// A model without columns and a store some of whose columns are not read: which of them the
    /// model means can't be known.
    #[error(
        "the model does not name its columns, and `{column}` of the store is {found}, which is not \
         read: name the columns in model.toml, or in `columns` of [features.scylla]"
    )]
    UnnamedUnread {
        /// The first of the store's columns that are not read.
        column: String,
        /// Its type, as the store writes it.
        found: String,
    },
    /// The store's column can't be read as the type that the model declares.
    #[error(
        "column `{column}` is {found} in the store and the model declares it as {expected}: \
         set `type = \"{found}\"` in model.toml or store it as {expected}"
    )]
    ColumnType {
        /// The column.
        column: String,
        /// Its type in the store.
        found: ColumnType,
        /// The type that the model declares.
        expected: ColumnType,
    },
    /// A column of text of a model that knows no texts.
    #[error(
        "column `{column}` is {found}, and the model reads numbers there: leave the column out, store \
         what the model was trained on, or give its texts as `categories` in model.toml"
    )]
    TextForNumber {
        /// The column.
        column: String,
        /// Its type.
        found: ColumnType,
    },
    /// A column of numbers of a model that reads texts there.
    #[error(
        "column `{column}` is {found}, and the model reads texts there: set `type = \"text\"` in \
         model.toml and store the texts that it was trained on"
    )]
    NumberForText {
        /// The column.
        column: String,
        /// Its type.
        found: ColumnType,
    },
    /// Categories in `model.toml` of a column whose categories the model's own file has.
    #[error(
        "column `{column}`: the model's own file has its categories: leave `categories` out of \
         model.toml"
    )]
    CategoriesTwice {
        /// The column.
        column: String,
    },
    /// A default that is none of the categories.
    #[error("column `{column}`: default `{default}` is none of the texts that the model knows")]
    DefaultUnknown {
        /// The column.
        column: String,
        /// Its default.
        default: String,
    },
    /// A share of the training data for what is none of the categories.
    #[error(
        "column `{column}`: `shares` names `{text}`, which is none of the texts that the model knows"
    )]
    ShareUnknown {
        /// The column.
        column: String,
        /// The text.
        text: String,
    },
    /// The store's column holds floats, and the model's tensor integers.
    #[error(
        "column `{column}` is {found} in the store and the model's tensor holds integers: store it \
         as bigint, int or boolean"
    )]
    NotIntegers {
        /// The column.
        column: String,
        /// Its type in the store.
        found: ColumnType,
    },
    /// A default that the model's tensor of integers does not hold.
    #[error(
        "column `{column}`: default {default} is none of the integers from {} to {} that the \
         model's tensor holds", range.low, range.high
    )]
    DefaultNotInteger {
        /// The column.
        column: String,
        /// Its default.
        default: f64,
        /// What the tensor holds.
        range: IntegerRange,
    },
    /// A model without columns and a store of another width.
    #[error(
        "the model reads {expected} columns without naming them and the store has {found} \
         (first without a match: `{column}`)"
    )]
    Width {
        /// How many columns the store has.
        found: usize,
        /// How many columns the model reads.
        expected: usize,
        /// The first of the store's columns that the model does not read, or of the model's
        /// positions that the store does not fill.
        column: String,
    },
    /// A model without columns that was bound to other columns before: which of them is which of its
    /// inputs nobody can tell.
    #[error(
        "the model reads columns without naming them, and column {position} of the store is `{found}` \
         where it was `{expected}`: name them under `[[columns]]` in model.toml"
    )]
    Renamed {
        /// The column's position, from 1.
        position: usize,
        /// Its name in the store.
        found: String,
        /// The name that it had when the model was loaded.
        expected: String,
    },
}

/// The first of many names: a store may have thousands of columns.
fn listed(names: &[String]) -> String {
    const NAMES_MAX: usize = 20;
    let (first, rest) = names.split_at(names.len().min(NAMES_MAX));
    let more = if rest.is_empty() { String::new() } else { format!(" and {} more", rest.len()) };
    format!("{}{more}", first.join(", "))
}
