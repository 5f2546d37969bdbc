//! The functions and operators of the language: one entry of a table each, by what they are about.
//!
//! An entry has a line for people, which the manual's table is held to, and an overload for each
//! choice of types. The compiler finds the overload, widens ints to doubles where only that fits,
//! and makes a step of it.

mod choices;
mod comparisons;
mod numbers;
mod places;
mod texts;
mod times;

#[cfg(test)]
pub(super) use places::haversine_km;

use super::frame::{Call, Frame};
use super::types::Type;

/// How an overload computes a block.
pub(super) type Kernel = fn(&mut Frame, Call);

/// A function or an operator.
#[derive(Debug)]
pub(super) struct Function {
    /// How it is called, or its sign.
    pub(super) name: &'static str,
    /// What it gives, in one line.
    pub(super) about: &'static str,
    /// Whether it takes two values or more: of three it is that of the first two, and the third.
    pub(super) is_folded: bool,
    /// Whether null among its values does not make it null.
    pub(super) knows_null: bool,
    pub(super) overloads: &'static [Overload],
}

/// A choice of types.
#[derive(Debug)]
pub(super) struct Overload {
    pub(super) takes: &'static [Type],
    pub(super) gives: Type,
    /// Whether it takes the time of the request besides.
    pub(super) reads_clock: bool,
    pub(super) kernel: Kernel,
}

impl Overload {
    const fn new(takes: &'static [Type], gives: Type, kernel: Kernel) -> Self {
        Self { takes, gives, reads_clock: false, kernel }
    }
}

impl Function {
    const fn new(name: &'static str, about: &'static str, overloads: &'static [Overload]) -> Self {
        Self { name, about, is_folded: false, knows_null: false, overloads }
    }

    const fn folded(self) -> Self {
        Self { is_folded: true, ..self }
    }

    const fn knowing_null(self) -> Self {
        Self { knows_null: true, ..self }
    }

    /// Whether it is written between or before its values.
    pub(super) fn is_operator(&self) -> bool {
        !self.name.starts_with(|letter: char| letter.is_ascii_alphabetic())
    }

    /// The types that it takes, for people.
    pub(super) fn signatures(&self) -> String {
        let more = if self.is_folded { ", …" } else { "" };
        let signature = |overload: &Overload| format!("({}{more})", words(overload.takes));
        self.overloads.iter().map(signature).collect::<Vec<_>>().join(" or ")
    }
}

/// Types with commas between them.
fn words(types: &[Type]) -> String {
    types.iter().map(|it| it.as_str()).collect::<Vec<_>>().join(", ")
}

/// All of them, by what they are about.
pub(super) const GROUPS: [(&str, &[Function]); 6] = [
    ("numbers", numbers::FUNCTIONS),
    ("comparisons and truth", comparisons::FUNCTIONS),
    ("choices and null", choices::FUNCTIONS),
    ("times", times::FUNCTIONS),
    ("places", places::FUNCTIONS),
    ("texts", texts::FUNCTIONS),
];

/// The function of this name.
pub(super) fn find(name: &str) -> Option<&'static Function> {
    all().find(|function| function.name == name)
}

/// Every function and operator.
pub(super) fn all() -> impl Iterator<Item = &'static Function> {
    GROUPS.iter().flat_map(|(_, functions)| functions.iter())
}
