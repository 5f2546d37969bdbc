//! The language once more, one value at a time and as plainly as it goes.

use std::collections::HashMap;

use super::super::functions;
use super::super::syntax::{Node, NodeKind};
use super::Type;
use crate::calendar;

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Scalar {
    Null,
    Bool(bool),
    Int(i64),
    Double(f64),
    Text(String),
    Time(i64),
}

use Scalar::{Bool, Double, Int, Null, Text, Time};

pub(super) struct Row<'a> {
    pub(super) values: HashMap<&'a str, Scalar>,
    pub(super) types: HashMap<&'a str, Type>,
    pub(super) now_us: i64,
}

impl Row<'_> {
    /// The type of what a node gives; `None` of null.
    fn kind(&self, node: &Node) -> Option<Type> {
        Some(match &node.kind {
            NodeKind::Null => return None,
            NodeKind::Bool(_) | NodeKind::In { .. } => Type::Bool,
            NodeKind::Int(_) => Type::Int,
            NodeKind::Double(_) => Type::Double,
            NodeKind::Text(_) => Type::Text,
            NodeKind::Name(name) => self.types[name.as_str()],
            NodeKind::Call { function, arguments } => match function.as_str() {
                "+" | "-" | "*" | "/" | "%" | "min" | "max" | "abs" | "coalesce" | "?:" => {
                    let from = usize::from(function == "?:");
                    let kinds: Vec<_> =
                        arguments[from..].iter().filter_map(|it| self.kind(it)).collect();
                    if kinds.contains(&Type::Double) { Type::Double } else { kinds[0] }
                }
                name => functions::find(name).expect("a function").overloads[0].gives,
            },
        })
    }

    pub(super) fn value(&self, node: &Node) -> Scalar {
        match &node.kind {
            NodeKind::Null => Null,
            NodeKind::Bool(truth) => Bool(*truth),
            NodeKind::Int(number) => Int(*number),
            NodeKind::Double(number) => Double(*number),
            NodeKind::Text(text) => Text(text.clone()),
            NodeKind::Name(name) => self.values[name.as_str()].clone(),
            NodeKind::In { value, listed } => {
                let value = self.value(value);
                let each = listed.iter().map(|one| compare("==", &value, &self.value(one)));
                each.fold(Bool(false), |found, one| match (found, one) {
                    (Bool(true), _) | (_, Bool(true)) => Bool(true),
                    (Null, _) | (_, Null) => Null,
                    _ => Bool(false),
                })
            }
            NodeKind::Call { function, arguments } => {
                let values: Vec<_> = arguments.iter().map(|it| self.value(it)).collect();
                let is_double = self.kind(node) == Some(Type::Double);
                self.call(function, &values, is_double)
            }
        }
    }

    fn call(&self, name: &str, values: &[Scalar], is_double: bool) -> Scalar {
        match (name, values) {
            ("&&", [one, other]) => match (one, other) {
                (Bool(false), _) | (_, Bool(false)) => Bool(false),
                (Bool(true), Bool(true)) => Bool(true),
                _ => Null,
            },
            ("||", [one, other]) => match (one, other) {
                (Bool(true), _) | (_, Bool(true)) => Bool(true),
                (Bool(false), Bool(false)) => Bool(false),
                _ => Null,
            },
            ("?:", [condition, one, other]) => match condition {
                Bool(true) => widened(one, is_double),
                Bool(false) => widened(other, is_double),
                _ => Null,
            },
            ("coalesce", _) => {
                let first = values.iter().find(|it| **it != Null);
                first.map_or(Null, |it| widened(it, is_double))
            }
            ("is_null", [value]) => Bool(*value == Null),
            _ if values.contains(&Null) => Null,
            ("<" | "<=" | ">" | ">=" | "==" | "!=", [one, other]) => compare(name, one, other),
            ("min" | "max", _) => {
                let values = values.iter().map(|it| widened(it, is_double));
                let sign = if name == "min" { "<" } else { ">" };
                values
                    .reduce(
                        |best, one| {
                            if compare(sign, &one, &best) == Bool(true) { one } else { best }
                        },
                    )
                    .expect("a value")
            }
            ("concat", _) => values
                .iter()
                .cloned()
                .reduce(|one, other| self.call("+", &[one, other], false))
                .expect("a value"),
            _ => self.simple(name, values, is_double),
        }
    }

    fn simple(&self, name: &str, values: &[Scalar], is_double: bool) -> Scalar {
        let values: Vec<_> = values.iter().map(|it| widened(it, is_double)).collect();
        let finite = |number: f64| if number.is_finite() { Double(number) } else { Null };
        let int = |number: Option<i64>| number.map_or(Null, Int);
        match (name, values.as_slice()) {
            (_, [Null, ..] | [_, Null]) => Null,
            ("+", [Int(a), Int(b)]) => int(a.checked_add(*b)),
            ("-", [Int(a), Int(b)]) => int(a.checked_sub(*b)),
            ("*", [Int(a), Int(b)]) => int(a.checked_mul(*b)),
            ("/", [Int(a), Int(b)]) => int(a.checked_div(*b)),
            ("%", [Int(a), Int(b)]) => int(a.checked_rem(*b)),
            ("+", [Double(a), Double(b)]) => finite(a + b),
            ("-", [Double(a), Double(b)]) => finite(a - b),
            ("*", [Double(a), Double(b)]) => finite(a * b),
            ("/", [Double(a), Double(b)]) => finite(a / b),
            ("pow", [Double(a), Double(b)]) => finite(libm::pow(*a, *b)),
            ("-", [Int(a)]) => int(a.checked_neg()),
            ("-", [Double(a)]) => Double(-a),
            ("abs", [Int(a)]) => int(a.checked_abs()),
            ("abs", [Double(a)]) => Double(a.abs()),
            ("floor", [Double(a)]) => Double(a.floor()),
            ("ceil", [Double(a)]) => Double(a.ceil()),
            ("log", [Double(a)]) => finite(libm::log(*a)),
            ("log1p", [Double(a)]) => finite(libm::log1p(*a)),
            ("exp", [Double(a)]) => finite(libm::exp(*a)),
            ("sqrt", [Double(a)]) => finite(a.sqrt()),
            ("!", [Bool(a)]) => Bool(!a),
            ("+", [Text(a), Text(b)]) if a.len() + b.len() > 4_096 => Null,
            ("+", [Text(a), Text(b)]) => Text(format!("{a}{b}")),
            ("lower", [Text(a)]) => Text(a.chars().flat_map(char::to_lowercase).collect()),
            ("upper", [Text(a)]) => Text(a.chars().flat_map(char::to_uppercase).collect()),
            ("contains", [Text(a), Text(b)]) => Bool(a.contains(b.as_str())),
            ("starts_with", [Text(a), Text(b)]) => Bool(a.starts_with(b.as_str())),
            ("size", [Text(a)]) => Int(a.chars().count() as i64),
            ("split_part", [Text(a), Text(b), Int(place)]) => {
                let mut parts = a.split(b.as_str());
                let part = (*place > 0 && !b.is_empty()).then(|| parts.nth(*place as usize - 1));
                part.flatten().map_or(Null, |part| Text(part.to_owned()))
            }
            ("double", [Text(a)]) => a.parse().map_or(Null, finite),
            ("double", [Double(a)]) => Double(*a),
            ("int", [Int(a)]) => Int(*a),
            ("int", [Double(a)]) if a.abs() < 9.2e18 => Int(*a as i64),
            ("int", [Double(a)]) if a.abs() > 9.3e18 => Null,
            ("int", [Text(a)]) => int(a.parse().ok()),
            ("string", [Int(a)]) => Text(a.to_string()),
            ("string", [Double(a)]) => Text(a.to_string()),
            ("now", []) => Time(self.now_us),
            ("hours_since", [Time(a)]) => self.since(*a, 3_600_000_000.0),
            ("days_since", [Time(a)]) => self.since(*a, 86_400_000_000.0),
            ("hour_of_day", [Time(a)]) => Int(a.div_euclid(3_600_000_000).rem_euclid(24)),
            ("day_of_week", [Time(a)]) => Int((a.div_euclid(86_400_000_000) + 4).rem_euclid(7)),
            ("timestamp", [Text(a)]) => calendar::parse_us(a).map_or(Null, Time),
            ("haversine_km", [Double(a), Double(b), Double(c), Double(d)]) => {
                functions::haversine_km([*a, *b, *c, *d]).map_or(Null, Double)
            }
            other => panic!("{other:?}"),
        }
    }

    fn since(&self, then: i64, unit: f64) -> Scalar {
        self.now_us.checked_sub(then).map_or(Null, |us| Double(us as f64 / unit))
    }
}

/// As a double where that is what is computed.
fn widened(value: &Scalar, is_double: bool) -> Scalar {
    match value {
        Int(number) if is_double => Double(*number as f64),
        value => value.clone(),
    }
}

fn compare(sign: &str, one: &Scalar, other: &Scalar) -> Scalar {
    // A double of 64 bits and an integer are both exact in 128.
    let order = match (one, other) {
        (Null, _) | (_, Null) => return Null,
        (Int(a), Double(b)) => mixed(*a, *b),
        (Double(a), Int(b)) => mixed(*b, *a).reverse(),
        (Double(a), Double(b)) => a.partial_cmp(b).expect("not NaN"),
        (Int(a), Int(b)) | (Time(a), Time(b)) => a.cmp(b),
        (Text(a), Text(b)) => a.cmp(b),
        (Bool(a), Bool(b)) => a.cmp(b),
        other => panic!("{other:?}"),
    };
    Bool(match sign {
        "<" => order.is_lt(),
        "<=" => order.is_le(),
        ">" => order.is_gt(),
        ">=" => order.is_ge(),
        "==" => order.is_eq(),
        _ => order.is_ne(),
    })
}

fn mixed(int: i64, double: f64) -> std::cmp::Ordering {
    // Beyond 2^100 no integer is near.
    let clipped = double.clamp(-1e30, 1e30);
    let below = clipped.floor() as i128;
    i128::from(int).cmp(&below).then(0.0_f64.partial_cmp(&clipped.fract().abs()).expect("not NaN"))
}
