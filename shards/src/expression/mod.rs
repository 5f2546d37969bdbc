//! Expressions over the columns of a request, in a subset of CEL's syntax.
//!
//! [`Program::compile`] reads them once: [`token`] and [`parse`] make a tree of each, [`compile`]
//! finds names and types and makes steps of the trees, each from one entry of the table in
//! [`functions`]. A [`Frame`] then has the columns of a block of 64 rows, and [`Program::run`]
//! computes step by step over all of them, without allocating.
//!
//! The language is total: whatever has no value is null, and nothing fails at run time. Bits depend
//! on nothing but the values: see `functions`. The manual has it for those who write it:
//! `src/manual/expressions.md`.
//!
//! What is *not* here: where values come from and what becomes of them (`features`, `batch`), and
//! the clock, which whoever asks passes in.

mod compile;
mod error;
mod frame;
mod functions;
mod kernel;
mod parse;
mod program;
mod syntax;
mod token;
mod types;

pub use error::{ExpressionError, Fault};
pub use frame::{BLOCK_ROWS, Frame};
pub use program::{Definition, Name, Port, Program};
pub use types::{Type, Value};

/// The names that an expression reads, each as often as it does.
///
/// # Errors
/// It is none.
pub fn names(definition: Definition<'_>) -> Result<Vec<String>, ExpressionError> {
    let Definition { name, text, .. } = definition;
    let tree = parse::parse(text).map_err(|(at, fault)| {
        let (name, text) = (name.to_owned(), text.to_owned());
        ExpressionError { name, text, at, fault: Box::new(fault) }
    })?;
    let mut names = Vec::new();
    tree.names(&mut |name, _| names.push(name.to_owned()));
    Ok(names)
}

/// A function or operator for people: its name, the types that it takes, and what it gives.
pub type TableRow = (&'static str, String, &'static str);

/// Every function and operator for people, in groups.
pub fn table() -> Vec<(&'static str, Vec<TableRow>)> {
    let row = |it: &functions::Function| (it.name, it.signatures(), it.about);
    let groups = functions::GROUPS.iter();
    groups.map(|(group, all)| (*group, all.iter().map(row).collect())).collect()
}

#[cfg(test)]
mod tests;
