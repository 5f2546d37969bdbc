//! Random expressions over random rows give the bits that the reference gives: in a block of any
//! size, at any place.

use super::super::parse::parse;
use super::reference::{Row, Scalar};
use super::{Type, Value, program, run};
use crate::random::Random;

const NAMES: [(&str, Type); 10] = [
    ("i", Type::Int),
    ("j", Type::Int),
    ("d", Type::Double),
    ("e", Type::Double),
    ("t", Type::Text),
    ("u", Type::Text),
    ("b", Type::Bool),
    ("c", Type::Bool),
    ("at", Type::Timestamp),
    ("then", Type::Timestamp),
];

const INTS: [i64; 9] = [0, 1, -1, 7, 24, i64::MAX, i64::MIN, 9_007_199_254_740_993, -3_000_000_000];
const DOUBLES: [f64; 10] =
    [0.0, -0.0, 1.0, -1.5, 0.1, 1e308, -1e-308, 9_007_199_254_740_992.0, 1e19, 52.52];
const TEXTS: [&str; 8] = ["", "a", "a,b", "Straße,ÉCOLE", "-7", "2.5", "2026-01-31", "ab,,c"];
const TIMES: [i64; 5] = [0, 1_769_862_600_000_000, -1, i64::MIN, i64::MAX];
const NOW_US: i64 = 1_769_900_000_000_000;

fn pick<T: Copy>(random: &mut Random, from: &[T]) -> T {
    from[random.below(from.len() as u64) as usize]
}

/// An expression of this type.
fn expression(random: &mut Random, kind: Type, depth: usize) -> String {
    if depth == 0 || random.below(8) == 0 {
        return leaf(random, kind);
    }
    let mut of = |kind| expression(random, kind, depth - 1);
    let (one, other) = (of(kind), of(kind));
    let truth = of(Type::Bool);
    match random.below(8) {
        0 => return format!("({truth} ? {one} : {other})"),
        1 => return format!("coalesce({one}, {other})"),
        _ => {}
    }
    let mut of = |kind| expression(random, kind, depth - 1);
    let (int, double, text, time) =
        (of(Type::Int), of(Type::Double), of(Type::Text), of(Type::Timestamp));
    let number = if random.below(2) == 0 { int.clone() } else { double.clone() };
    match kind {
        Type::Int => match random.below(8) {
            0 => format!("int({text})"),
            1 => format!("size({text})"),
            2 => format!("{}({time})", pick(random, &["hour_of_day", "day_of_week"])),
            3 => format!("{}({one}, {other})", pick(random, &["min", "max"])),
            4 => format!("{}({one})", pick(random, &["abs", "-", "int"])),
            _ => format!("({one} {} {other})", pick(random, &["+", "-", "*", "/", "%"])),
        },
        Type::Double => match random.below(8) {
            0 => format!("double({text})"),
            1 => format!("{}({time})", pick(random, &["hours_since", "days_since"])),
            2 => format!("{}({one}, {number})", pick(random, &["min", "max", "pow"])),
            3 => format!("haversine_km({one}, {other}, {number}, 2.5)"),
            4 => {
                let names = ["abs", "-", "log", "log1p", "exp", "sqrt", "floor", "ceil", "double"];
                format!("{}({one})", pick(random, &names))
            }
            5 => format!("({truth} ? {one} : {number})"),
            _ => format!("({one} {} {number})", pick(random, &["+", "-", "*", "/"])),
        },
        Type::Text => match random.below(5) {
            0 => format!("{}({one})", pick(random, &["lower", "upper"])),
            1 => format!("split_part({one}, ',', {int})"),
            2 => format!("string({int})"),
            3 => format!("concat({one}, {other}, ',')"),
            _ => format!("({one} + {other})"),
        },
        Type::Bool => {
            let sign = pick(random, &["<", "<=", ">", ">=", "==", "!="]);
            match random.below(8) {
                0 => format!("({int} {sign} {number})"),
                1 => format!("({double} {sign} {number})"),
                2 => format!("({text} {sign} {})", expression(random, Type::Text, depth - 1)),
                3 => format!("({time} {sign} then)"),
                4 => format!("{}({text}, u)", pick(random, &["contains", "starts_with"])),
                5 => format!("({number} in [1, 2.5, {double}])"),
                6 => format!("(!{one} || is_null({number}))"),
                _ => format!("({one} {} {other})", pick(random, &["&&", "||", "==", "!="])),
            }
        }
        Type::Timestamp => format!("timestamp({text})"),
    }
}

fn leaf(random: &mut Random, kind: Type) -> String {
    let named: Vec<_> = NAMES.iter().filter(|(_, it)| *it == kind).map(|(name, _)| name).collect();
    match (kind, random.below(3)) {
        (Type::Int, 0) => format!("({})", pick(random, &INTS)),
        (Type::Double, 0) => format!("({:?})", pick(random, &DOUBLES)),
        (Type::Text, 0) => format!("'{}'", pick(random, &TEXTS)),
        (Type::Timestamp, 0) => "now()".to_owned(),
        _ => (*pick(random, &named)).to_owned(),
    }
}

fn value(random: &mut Random, kind: Type) -> Value<'static> {
    if random.below(6) == 0 {
        return Value::Null;
    }
    match kind {
        Type::Bool => Value::Bool(random.below(2) == 0),
        Type::Int if random.below(2) == 0 => Value::Int(random.below(2_000) as i64 - 1_000),
        Type::Int => Value::Int(pick(random, &INTS)),
        Type::Double if random.below(2) == 0 => {
            Value::Double((random.below(2_000_000) as f64 - 1e6) / 7e3)
        }
        Type::Double => Value::Double(pick(random, &DOUBLES)),
        Type::Text => Value::Text(pick(random, &TEXTS)),
        Type::Timestamp => Value::Timestamp(pick(random, &TIMES)),
    }
}

fn scalar(value: Value<'_>) -> Scalar {
    match value {
        Value::Null => Scalar::Null,
        Value::Bool(truth) => Scalar::Bool(truth),
        Value::Int(number) => Scalar::Int(number),
        Value::Double(number) => Scalar::Double(number),
        Value::Text(text) => Scalar::Text(text.to_owned()),
        Value::Timestamp(us) => Scalar::Time(us),
    }
}

fn is_same(one: &Scalar, other: &Scalar) -> bool {
    match (one, other) {
        (Scalar::Double(one), Scalar::Double(other)) => one.to_bits() == other.to_bits(),
        _ => one == other,
    }
}

#[test]
fn a_block_gives_what_the_reference_gives_row_by_row() {
    let mut random = Random::new(11);
    let mut known = 0;
    for round in 0..1_500 {
        let kind = pick(&mut random, &Type::ALL);
        let text = expression(&mut random, kind, 1 + round % 4);
        let program = program(&NAMES, &text).unwrap_or_else(|error| panic!("{error}"));
        let tree = parse(&text).expect("it was read before");
        let count = pick(&mut random, &[1, 2, 7, 63, 64]);
        let mut row = || NAMES.iter().map(|(_, kind)| value(&mut random, *kind)).collect();
        let rows: Vec<Vec<Value<'_>>> = (0..count).map(|_| row()).collect();
        let frame = run(&program, &NAMES, &rows, NOW_US);
        for (place, row) in rows.iter().enumerate() {
            let values = NAMES.iter().zip(row).map(|((name, _), value)| (*name, scalar(*value)));
            let (values, types) = (values.collect(), NAMES.into_iter().collect());
            let expected = Row { values, types, now_us: NOW_US }.value(&tree);
            let found = scalar(frame.get(&program, 0, place));
            assert!(is_same(&found, &expected), "{text}\n{row:?}\n{found:?} {expected:?}");
            known += usize::from(found != Scalar::Null);
            if place % 9 == 0 {
                let alone = run(&program, &NAMES, std::slice::from_ref(row), NOW_US);
                assert!(is_same(&scalar(alone.get(&program, 0, 0)), &expected), "alone: {text}");
            }
        }
    }
    assert!(known > 10_000, "{known} values are not null");
}
