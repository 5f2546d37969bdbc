//! What chooses between values, and what knows null.

use super::{Function, Kernel, Overload};
use crate::expression::frame::Cell;
use crate::expression::types::Type::{Bool, Double, Int, Text, Timestamp};

const CHOOSE: Kernel = |frame, call| {
    frame.map_nulls(
        call,
        |[condition, one, other]: [Option<u64>; 3]| {
            if bool::of(condition?) { one } else { other }
        },
    );
};

const FIRST: Kernel = |frame, call| {
    frame.map_nulls(call, |[one, other]: [Option<u64>; 2]| one.or(other));
};

const IS_NULL: Kernel = |frame, call| {
    frame.map_nulls(call, |[value]: [Option<u64>; 1]| Some(value.is_none().bits()));
};

pub(super) const FUNCTIONS: &[Function] = &[
    Function::new(
        "?:",
        "`c ? a : b`: a where c is true, b where it is false, null where it is null",
        &[
            Overload::new(&[Bool, Bool, Bool], Bool, CHOOSE),
            Overload::new(&[Bool, Int, Int], Int, CHOOSE),
            Overload::new(&[Bool, Double, Double], Double, CHOOSE),
            Overload::new(&[Bool, Text, Text], Text, CHOOSE),
            Overload::new(&[Bool, Timestamp, Timestamp], Timestamp, CHOOSE),
        ],
    )
    .knowing_null(),
    Function::new(
        "coalesce",
        "the first of the values that is not null",
        &[
            Overload::new(&[Bool, Bool], Bool, FIRST),
            Overload::new(&[Int, Int], Int, FIRST),
            Overload::new(&[Double, Double], Double, FIRST),
            Overload::new(&[Text, Text], Text, FIRST),
            Overload::new(&[Timestamp, Timestamp], Timestamp, FIRST),
        ],
    )
    .folded()
    .knowing_null(),
    Function::new(
        "is_null",
        "whether the value is null",
        &[
            Overload::new(&[Bool], Bool, IS_NULL),
            Overload::new(&[Int], Bool, IS_NULL),
            Overload::new(&[Double], Bool, IS_NULL),
            Overload::new(&[Text], Bool, IS_NULL),
            Overload::new(&[Timestamp], Bool, IS_NULL),
        ],
    )
    .knowing_null(),
];
