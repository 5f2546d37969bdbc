//! What is said of an expression that cannot be used.

use super::super::{Definition, Name, Program};
use super::{Type, program};

const NAMES: [(&str, Type); 4] = [
    ("amount", Type::Double),
    ("country", Type::Text),
    ("seen", Type::Timestamp),
    ("is_new", Type::Bool),
];

fn fault(text: &str) -> String {
    program(&NAMES, text).expect_err(text).to_string()
}

#[test]
fn an_error_shows_the_place_and_the_types() {
    assert_eq!(
        fault("amount / (country + 1.0)"),
        "expression `tested`, character 19: `+` of (text, double): expected (int, int) or \
         (double, double) or (text, text)\n    amount / (country + 1.0)\n                      ^"
    );
    // Counted in letters, on the line that it is of.
    assert_eq!(
        fault("country == 'Zürich' &&\n  amuont > 1"),
        "expression `tested`, character 26: nothing is named `amuont`; there are `amount`, \
         `country`, `is_new`, `seen`, `tested`\n      amuont > 1\n      ^"
    );
}

#[test]
fn each_fault_says_what_was_expected() {
    for (text, expected) in [
        ("", "character 1: nothing is there"),
        ("  // nothing\n", "nothing is there"),
        ("amount +", "character 9: found the end, expected a value"),
        ("amount amount", "character 8: found `amount`, expected an operator or the end"),
        ("(amount", "found the end, expected `)`"),
        ("amount ? 1", "found the end, expected `:`"),
        ("amount = 1", "found `=`, expected an operator"),
        ("amount # 1", "character 8: `#` means nothing here"),
        ("'abc", "character 1: the text that starts here has no end"),
        ("'a\\q'", "character 3: found `\\\\q`, expected one of"),
        ("'\\ud800'", "expected one of"),
        ("99999999999999999999", "`99999999999999999999` is no number of 64 bits"),
        ("9223372036854775808", "`9223372036854775808` is no number of 64 bits"),
        ("1e999", "is no number of 64 bits"),
        ("12ab", "`12ab` is no number"),
        ("1u", "`1u` is no number"),
        ("amount in country", "expected a list as [1, 2, 3]"),
        ("amount in [1 2]", "found `2`, expected `,` or `]`"),
        ("amount.size", "nothing is named `amount.size`"),
        ("1.size", "character 3: found `size`, expected a function of the value"),
        ("(1).size", "expected a function of the value before the dot"),
        ("sise(country)", "there is no function `sise`; there are `min`"),
        ("log(country)", "`log` of (text): expected (double)"),
        ("log(amount, 2)", "`log` of (double, int): expected (double)"),
        ("min(amount)", "`min` of (double): expected (int, int, …)"),
        ("hours_since(amount)", "`hours_since` of (double): expected (timestamp)"),
        ("amount % 2", "`%` of (double, int): expected (int, int)"),
        ("seen - seen", "`-` of (timestamp, timestamp)"),
        ("amount == country", "`==` of (double, text)"),
        ("amount && is_new", "`&&` of (double, bool): expected (bool, bool)"),
        ("is_new < true", "`<` of (bool, bool)"),
        ("amount ? 1 : 2", "`?:` of (double, int, int)"),
        ("is_new ? 1 : 'a'", "`?:` of (bool, int, text)"),
        ("amount == null", "`null` with `==` is always null: write is_null(…)"),
        ("is_new ? null : null", "`null` with `?:`"),
        ("null", "`null` with `null`"),
        ("tested + 1", "it needs itself: tested → tested"),
    ] {
        let found = fault(text);
        assert!(found.contains(expected), "{text}\n{found}");
    }
}

#[test]
fn what_is_too_large_is_refused() {
    let deep = |count: usize| format!("{}amount{}", "(".repeat(count), ")".repeat(count));
    assert!(program(&NAMES, &deep(150)).is_ok());
    assert!(fault(&deep(250)).contains("more than 200 deep"));
    assert!(fault(&deep(8_000)).contains("more than 200 deep"));
    assert!(fault(&"-".repeat(9_000)).contains("more than 200 deep"));
    assert!(fault(&format!("amount{}", " + amount".repeat(300))).contains("more than 200 deep"));
    assert!(fault(&"1 ? 1 : ".repeat(2_000)).contains("more than 200 deep"));
    assert!(fault(&"x".repeat(20_000)).contains("it has 20000 bytes, 16384 at most"));
    let listed: Vec<_> = (0..3_000).map(|number| number.to_string()).collect();
    assert!(fault(&format!("amount in [{}]", listed.join(","))).contains("more than 8192 steps"));
}

#[test]
fn expressions_read_each_other_in_any_order_but_not_in_circles() {
    let compile = |texts: &[(&'static str, &'static str)]| {
        let definition = |(name, text): &(&'static str, &'static str)| Definition {
            name,
            text,
            is_output: true,
        };
        let names = [Name { name: "x".to_owned(), value_type: Type::Int }];
        Program::compile(&names, &texts.iter().map(definition).collect::<Vec<_>>())
    };
    let program = compile(&[("c", "a + b"), ("b", "a * 2"), ("a", "x + 1")]).expect("a program");
    assert_eq!(
        program.outputs().iter().map(|it| it.name.as_str()).collect::<Vec<_>>(),
        ["c", "b", "a"]
    );
    let error = compile(&[("z", "1"), ("a", "x + b"), ("b", "c"), ("c", "2 * a")]).unwrap_err();
    assert!(
        error
            .to_string()
            .starts_with("expression `a`, character 5: it needs itself: a → b → c → a"),
        "{error}"
    );
}
