//! Arithmetic, and what makes a number of another value.
//!
//! Whatever is not exact in IEEE 754 itself is computed by the `libm` crate, in Rust: the system's
//! library takes another way on another CPU, and its last bits differ.

use super::{Function, Overload};
use crate::expression::kernel::finite;
use crate::expression::types::Type::{Bool, Double, Int, Text, Timestamp};

const US_PER_SECOND: i64 = 1_000_000;

/// The integer that a number is without its fraction, where 64 bits hold it.
fn truncated(number: f64) -> Option<i64> {
    const END: f64 = 9_223_372_036_854_775_808.0;
    (-END..END).contains(&number).then_some(number as i64)
}

/// Doubles to a double.
macro_rules! double {
    ($compute:expr) => {
        Overload::new(&[Double], Double, |frame, call| {
            frame.map(call, |number: f64| finite($compute(number)));
        })
    };
}

/// Two values of a type to one that may not be.
macro_rules! two {
    ($kind:ident, $value:ty, $compute:expr) => {
        Overload::new(&[$kind, $kind], $kind, |frame, call| {
            frame.map2(call, |one: $value, other: $value| $compute(one, other));
        })
    };
}

/// The lesser or the greater of two.
macro_rules! extreme {
    ($sign:tt) => {
        &[
            two!(Int, i64, |one, other| Some(if other $sign one { other } else { one })),
            two!(Double, f64, |one, other| Some(if other $sign one { other } else { one })),
            two!(Timestamp, i64, |one, other| Some(if other $sign one { other } else { one })),
        ]
    };
}

pub(super) const FUNCTIONS: &[Function] = &[
    Function::new(
        "+",
        "the sum; of texts, one behind the other",
        &[
            two!(Int, i64, i64::checked_add),
            two!(Double, f64, |one, other| finite(one + other)),
            Overload::new(&[Text, Text], Text, super::texts::concat),
        ],
    ),
    Function::new(
        "-",
        "the difference; before a single number, its negative",
        &[
            two!(Int, i64, i64::checked_sub),
            two!(Double, f64, |one, other| finite(one - other)),
            Overload::new(&[Int], Int, |frame, call| frame.map(call, i64::checked_neg)),
            double!(|number: f64| -number),
        ],
    ),
    Function::new(
        "*",
        "the product",
        &[two!(Int, i64, i64::checked_mul), two!(Double, f64, |one, other| finite(one * other))],
    ),
    Function::new(
        "/",
        "the quotient; of ints without its fraction; by zero null",
        &[two!(Int, i64, i64::checked_div), two!(Double, f64, |one, other| finite(one / other))],
    ),
    Function::new(
        "%",
        "what a division of ints leaves, with the dividend's sign; by zero null",
        &[two!(Int, i64, i64::checked_rem)],
    ),
    Function::new("min", "the least of the values; null if one of them is", extreme!(<)).folded(),
    Function::new("max", "the greatest of the values; null if one of them is", extreme!(>))
        .folded(),
    Function::new(
        "abs",
        "the number without its sign",
        &[
            Overload::new(&[Int], Int, |frame, call| frame.map(call, i64::checked_abs)),
            double!(f64::abs),
        ],
    ),
    Function::new(
        "floor",
        "the greatest whole number that is not above, as a double",
        &[double!(libm::floor)],
    ),
    Function::new(
        "ceil",
        "the least whole number that is not below, as a double",
        &[double!(libm::ceil)],
    ),
    Function::new("log", "the natural logarithm; null of 0 and below", &[double!(libm::log)]),
    Function::new(
        "log1p",
        "log(1 + x), exact for small x; null of -1 and below",
        &[double!(libm::log1p)],
    ),
    Function::new("exp", "e to the power of x; null where it is too great", &[double!(libm::exp)]),
    Function::new("sqrt", "the square root; null below 0", &[double!(libm::sqrt)]),
    Function::new(
        "pow",
        "x to the power of y; null where that is not a finite real number",
        &[two!(Double, f64, |one, other| finite(libm::pow(one, other)))],
    ),
    Function::new(
        "double",
        "as a double: of an int, of the digits of a text, 1 or 0 of a bool",
        &[
            double!(|number: f64| number),
            Overload::new(&[Int], Double, |frame, call| {
                frame.map(call, |number: i64| Some(number as f64));
            }),
            Overload::new(&[Bool], Double, |frame, call| {
                frame.map(call, |truth: bool| Some(f64::from(u8::from(truth))));
            }),
            Overload::new(&[Text], Double, |frame, call| {
                frame.read_texts(call, |[text]| text.parse().ok().and_then(finite));
            }),
        ],
    ),
    Function::new(
        "int",
        "as an int: of a double without its fraction, of the digits of a text, 1 or 0 of a bool, \
         seconds since 1970 of a timestamp",
        &[
            Overload::new(&[Int], Int, |frame, call| frame.map(call, |number: i64| Some(number))),
            Overload::new(&[Double], Int, |frame, call| frame.map(call, truncated)),
            Overload::new(&[Bool], Int, |frame, call| {
                frame.map(call, |truth: bool| Some(i64::from(truth)));
            }),
            Overload::new(&[Text], Int, |frame, call| {
                frame.read_texts(call, |[text]| text.parse::<i64>().ok());
            }),
            Overload::new(&[Timestamp], Int, |frame, call| {
                frame.map(call, |us: i64| Some(us.div_euclid(US_PER_SECOND)));
            }),
        ],
    ),
];
