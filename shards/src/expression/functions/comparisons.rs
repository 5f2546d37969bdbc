//! Comparisons, and the logic of three values.
//!
//! A comparison with null is null. `&&` and `||` are as in SQL: `false && null` is false and
//! `true || null` is true, whichever side is which; CEL says the same of errors.

use std::cmp::Ordering;

use super::{Function, Overload};
use crate::expression::frame::Cell;
use crate::expression::types::Type::{Bool, Double, Int, Text, Timestamp};

/// How two doubles compare; neither is NaN.
fn doubles(one: f64, other: f64) -> Ordering {
    one.partial_cmp(&other).unwrap_or(Ordering::Equal)
}

/// How an integer compares with a double, exactly: no integer is rounded.
fn int_with_double(one: i64, other: f64) -> Ordering {
    const END: f64 = 9_223_372_036_854_775_808.0;
    if other >= END {
        return Ordering::Less;
    }
    if other < -END {
        return Ordering::Greater;
    }
    let whole = libm::trunc(other);
    one.cmp(&(whole as i64)).then_with(|| doubles(0.0, other - whole))
}

/// The overloads of a comparison that holds for these orders.
macro_rules! comparison {
    ($holds:expr $(, $more:expr)*) => {
        &[
            Overload::new(&[Int, Int], Bool, |frame, call| {
                frame.map2(call, |one: i64, other: i64| Some($holds(one.cmp(&other))));
            }),
            Overload::new(&[Double, Double], Bool, |frame, call| {
                frame.map2(call, |one, other| Some($holds(doubles(one, other))));
            }),
            Overload::new(&[Int, Double], Bool, |frame, call| {
                frame.map2(call, |one, other| Some($holds(int_with_double(one, other))));
            }),
            Overload::new(&[Double, Int], Bool, |frame, call| {
                frame.map2(call, |one, other| Some($holds(int_with_double(other, one).reverse())));
            }),
            Overload::new(&[Text, Text], Bool, |frame, call| {
                frame.read_texts(call, |[one, other]| Some($holds(one.cmp(other))));
            }),
            Overload::new(&[Timestamp, Timestamp], Bool, |frame, call| {
                frame.map2(call, |one: i64, other: i64| Some($holds(one.cmp(&other))));
            }),
            $($more,)*
        ]
    };
}

/// The same of bools, which have no order but are equal or not.
macro_rules! bools {
    ($holds:expr) => {
        Overload::new(&[Bool, Bool], Bool, |frame, call| {
            frame.map2(call, |one: bool, other: bool| Some($holds(one.cmp(&other))));
        })
    };
}

/// Both, where one that is `decisive` is enough.
macro_rules! logic {
    ($decisive:literal) => {
        &[Overload::new(&[Bool, Bool], Bool, |frame, call| {
            frame.map_nulls(call, |values: [Option<u64>; 2]| {
                let decisive = $decisive.bits();
                match values {
                    [Some(bits), _] | [_, Some(bits)] if bits == decisive => Some(decisive),
                    [Some(bits), Some(_)] => Some(bits),
                    _ => None,
                }
            });
        })]
    };
}

pub(super) const FUNCTIONS: &[Function] = &[
    Function::new(
        "<",
        "whether it is less; texts by their letters' numbers",
        comparison!(Ordering::is_lt),
    ),
    Function::new("<=", "whether it is not greater", comparison!(Ordering::is_le)),
    Function::new(">", "whether it is greater", comparison!(Ordering::is_gt)),
    Function::new(">=", "whether it is not less", comparison!(Ordering::is_ge)),
    Function::new(
        "==",
        "whether both are equal; an int and a double by their exact values",
        comparison!(Ordering::is_eq, bools!(Ordering::is_eq)),
    ),
    Function::new(
        "!=",
        "whether they differ",
        comparison!(Ordering::is_ne, bools!(Ordering::is_ne)),
    ),
    Function::new(
        "&&",
        "whether both hold; false if one is false, though the other is null",
        logic!(false),
    )
    .knowing_null(),
    Function::new(
        "||",
        "whether one holds; true if one is true, though the other is null",
        logic!(true),
    )
    .knowing_null(),
    Function::new(
        "!",
        "whether it does not hold",
        &[Overload::new(&[Bool], Bool, |frame, call| {
            frame.map(call, |truth: bool| Some(!truth));
        })],
    ),
];
