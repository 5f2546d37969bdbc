//! What each function gives.

use super::{Type, Value, program, run};

const NAMES: [(&str, Type); 10] = [
    ("i", Type::Int),
    ("d", Type::Double),
    ("t", Type::Text),
    ("b", Type::Bool),
    ("at", Type::Timestamp),
    ("ni", Type::Int),
    ("nd", Type::Double),
    ("nt", Type::Text),
    ("nb", Type::Bool),
    ("nat", Type::Timestamp),
];

/// 2026-01-31, a Saturday, 12:30 in UTC.
const AT_US: i64 = 1_769_862_600_000_000;

/// What an expression gives for one row: `i` is 7, `d` 2.5, `b` true, `at` half past twelve on a
/// Saturday, `t` a text, and what begins with `n` null. The clock is 36 hours later.
fn of(text: &str) -> String {
    use Value::{Bool, Double, Int, Null, Text, Timestamp};
    let row = vec![
        Int(7),
        Double(2.5),
        Text("Zürich,CH,"),
        Bool(true),
        Timestamp(AT_US),
        Null,
        Null,
        Null,
        Null,
        Null,
    ];
    let program = program(&NAMES, text).unwrap_or_else(|error| panic!("{error}"));
    let frame = run(&program, &NAMES, &[row], AT_US + 36 * 3_600_000_000);
    match frame.get(&program, 0, 0) {
        Null => "null".to_owned(),
        Double(number) => format!("{number:?}"),
        value => value.to_string(),
    }
}

fn all_of(expected: &[(&str, &str)]) {
    for (text, value) in expected {
        assert_eq!(of(text), *value, "{text}");
    }
}

#[test]
fn arithmetic_is_of_ints_or_doubles_and_never_fails() {
    all_of(&[
        ("i + 1", "8"),
        ("i + 1.0", "8.0"),
        ("i / 2", "3"),
        ("-i / 2", "-3"),
        ("-i % 4", "-3"),
        ("i / 2.0", "3.5"),
        ("d * 2", "5.0"),
        ("1 - 2 - 3", "-4"),
        ("2 + 3 * 4 - 1", "13"),
        ("-(2 + 3)", "-5"),
        ("- - i", "7"),
        ("-d", "-2.5"),
        ("i / 0", "null"),
        ("i % 0", "null"),
        ("d / 0", "null"),
        ("d / 0.0", "null"),
        ("0.0 / 0.0", "null"),
        ("9223372036854775807 + 1", "null"),
        ("-9223372036854775808 - 1", "null"),
        ("-(-9223372036854775808)", "null"),
        ("-9223372036854775808 / -1", "null"),
        ("-9223372036854775808 % -1", "null"),
        ("9223372036854775807 * 2", "null"),
        ("1e308 * 10.0", "null"),
        ("ni + 1", "null"),
        ("d + nd", "null"),
        ("0x10 + 1", "17"),
        (".5 + 1e1", "10.5"),
    ]);
}

#[test]
fn numbers_have_their_functions() {
    all_of(&[
        ("min(3, 1, 2)", "1"),
        ("max(3, 1, 2.5)", "3.0"),
        ("min(d, ni)", "null"),
        ("max(at, at)", "2026-01-31T12:30:00Z"),
        ("abs(-7)", "7"),
        ("abs(-2.5)", "2.5"),
        ("abs(-9223372036854775808)", "null"),
        ("floor(-2.5)", "-3.0"),
        ("ceil(2.1)", "3.0"),
        ("log(1.0)", "0.0"),
        ("log(0.0)", "null"),
        ("log(-1)", "null"),
        ("log1p(0)", "0.0"),
        ("log1p(-1)", "null"),
        ("exp(0)", "1.0"),
        ("exp(1000)", "null"),
        ("sqrt(16)", "4.0"),
        ("sqrt(-1)", "null"),
        ("pow(2, 10)", "1024.0"),
        ("pow(-8, 0.5)", "null"),
        ("pow(0, -1)", "null"),
        ("double('2.50')", "2.5"),
        ("double('inf')", "null"),
        ("double('x')", "null"),
        ("double(b) + double(i)", "8.0"),
        ("int(2.9) + int(-2.9)", "0"),
        ("int(1e19)", "null"),
        ("int('42')", "42"),
        ("int('4.2')", "null"),
        ("int(at)", "1769862600"),
        ("int(b)", "1"),
    ]);
}

#[test]
fn comparisons_are_exact_and_null_has_no_side() {
    all_of(&[
        ("i == 7.0", "true"),
        ("9007199254740993 == 9007199254740992.0", "false"),
        ("9007199254740993 > 9007199254740992.0", "true"),
        ("9223372036854775807 < 9223372036854775808.0", "true"),
        ("-1 < -0.5", "true"),
        ("-0.5 >= 0", "false"),
        ("0.0 == -0.0", "true"),
        ("'a' < 'b' && 'Z' < 'a'", "true"),
        ("at > timestamp('2026-01-31')", "true"),
        ("b == true", "true"),
        ("b != false", "true"),
        ("ni == 7", "null"),
        ("nt != 'x'", "null"),
        ("b && nb", "null"),
        ("nb && false", "false"),
        ("false && nb", "false"),
        ("nb || true", "true"),
        ("b || nb", "true"),
        ("nb || false", "null"),
        ("!nb", "null"),
        ("!b", "false"),
        ("i in [1, 7]", "true"),
        ("i in [1, 7.0]", "true"),
        ("i in []", "false"),
        ("ni in [1]", "null"),
        ("i in [7, ni]", "true"),
        ("i in [8, ni]", "null"),
        ("t in ['x', 'Zürich,CH,']", "true"),
        ("1 < 2 == true", "true"),
    ]);
}

#[test]
fn choices_know_null() {
    all_of(&[
        ("b ? 1 : 2", "1"),
        ("b ? 1 : 2.0", "1.0"),
        ("nb ? 1 : 2", "null"),
        ("!b ? 'x' : nt", "null"),
        ("b ? null : 1", "null"),
        ("false ? 1 : true ? 2 : 3", "2"),
        ("coalesce(ni, i)", "7"),
        ("coalesce(nd, i)", "7.0"),
        ("coalesce(nd, ni, 3)", "3.0"),
        ("coalesce(nt, 'none')", "none"),
        ("coalesce(nat, at)", "2026-01-31T12:30:00Z"),
        ("is_null(nd)", "true"),
        ("is_null(d / 0.0)", "true"),
        ("is_null(d)", "false"),
        ("is_null(nt) && is_null(nb) && is_null(nat) && is_null(ni)", "true"),
    ]);
}

#[test]
fn times_are_counted_from_the_requests_arrival() {
    all_of(&[
        ("now()", "2026-02-02T00:30:00Z"),
        ("hours_since(at)", "36.0"),
        ("days_since(at)", "1.5"),
        ("hours_since(now())", "0.0"),
        ("hours_since(timestamp('2026-02-02T01:00:00Z'))", "-0.5"),
        ("hour_of_day(at)", "12"),
        ("day_of_week(at)", "6"),
        ("day_of_week(timestamp('2026-02-01'))", "0"),
        ("hour_of_day(timestamp('1969-12-31T23:00:00Z'))", "23"),
        ("day_of_week(timestamp('1969-12-31T23:00:00Z'))", "3"),
        ("timestamp('yesterday')", "null"),
        ("hours_since(nat)", "null"),
    ]);
}

#[test]
fn places_have_a_distance_and_a_hash() {
    // Geohash of the reference page of geohash.org, and the distance of Berlin and Paris.
    all_of(&[
        ("geohash(57.64911, 10.40744, 11)", "u4pruydqqvj"),
        ("geohash(42.6, -5.6, 5)", "ezs42"),
        ("geohash(42.6, -5.6, 0)", "null"),
        ("geohash(91, 0, 5)", "null"),
        ("haversine_km(52.5, 13.4, 52.5, 13.4)", "0.0"),
        ("int(haversine_km(52.52, 13.405, 48.8566, 2.3522))", "877"),
        ("int(haversine_km(0, 0, 0, 180))", "20015"),
        ("haversine_km(0, 0, 0, 181)", "null"),
        ("haversine_km(nd, 0, 0, 1)", "null"),
    ]);
}

#[test]
fn texts_are_cut_and_joined() {
    all_of(&[
        ("lower(t)", "zürich,ch,"),
        ("upper('straße')", "STRASSE"),
        ("t + '!'", "Zürich,CH,!"),
        ("concat('a', 'b', 'c')", "abc"),
        ("concat('a', nt)", "null"),
        ("split_part(t, ',', 1)", "Zürich"),
        ("split_part(t, ',', 2)", "CH"),
        ("split_part(t, ',', 3)", ""),
        ("split_part(t, ',', 4)", "null"),
        ("split_part(t, ',', 0)", "null"),
        ("split_part(t, '', 1)", "null"),
        ("contains(t, 'ür')", "true"),
        ("t.contains('x')", "false"),
        ("t.startsWith('Z') && starts_with(t, 'Zü') && t.endsWith(',')", "true"),
        ("size('Zürich')", "6"),
        ("string(1.0) + string(0.1) + string(1e21)", "10.11000000000000000000000"),
        ("string(-7) + string(true) + string(at)", "-7true2026-01-31T12:30:00Z"),
    ]);
    assert_eq!(of(r"r'\d' + '\u00e9\x41\101'"), "\\déAA");
    let long = "x".repeat(3_000);
    assert_eq!(of(&format!("size('{long}')")), "3000");
    assert_eq!(of(&format!("'{long}' + '{long}'")), "null");
}

#[test]
fn names_may_be_quoted_or_have_dots() {
    let names = [("a-b", Type::Int), ("user.age", Type::Int), ("in", Type::Int)];
    let program = program(&names, "`a-b` + user.age // the rest\n + `in`").expect("a program");
    let frame = run(&program, &names, &[vec![Value::Int(1), Value::Int(2), Value::Int(4)]], 0);
    assert_eq!(frame.get(&program, 0, 0), Value::Int(7));
}

#[test]
fn the_manual_has_every_function() {
    let manual = include_str!("../../../../src/manual/expressions.md");
    for (group, functions) in super::super::table() {
        for (name, ..) in functions {
            let written = format!("`{}`", name.replace('|', "\\|"));
            assert!(manual.contains(&written), "{group}: {written}");
        }
    }
}
