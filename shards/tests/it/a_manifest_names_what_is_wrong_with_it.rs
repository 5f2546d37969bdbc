//! `model.toml`: what it may say, and the message for each thing that it may not.

use std::path::Path;

use shards::features::inputs::{NanMeaning, OnMissing, Source, UnknownText};
use shards::model::manifest::{ClassChoice, Manifest};

fn parse(text: &str) -> Result<Manifest, String> {
    Manifest::parse(text, Path::new("risk/model.toml")).map_err(|error| error.to_string())
}

/// The message of a manifest that must be refused; it names the file.
fn refusal(text: &str) -> String {
    let message = parse(text).expect_err("it must be refused");
    assert!(message.starts_with("risk/model.toml: "), "{message}");
    message
}

#[test]
fn everything_can_be_said() {
    let manifest = parse(
        r#"
        description = "Probability of default"
        version = 3
        [metadata]
        owner = "risk"
        [output]
        tensor = "probabilities"
        class = "bad"
        [policies]
        on_missing = "reject"
        [[columns]]
        name = "age"
        type = "int"
        source = "request"
        default = 40
        range = [18, 120]
        nan = "missing"
        quantiles = [20.0, 30.0, 40.0]
        "#,
    )
    .expect("it is well-formed");
    assert_eq!(manifest.version, Some(3));
    assert_eq!(manifest.metadata["owner"], "risk");
    assert_eq!(manifest.output.class, Some(ClassChoice::Label("bad".to_owned())));
    assert_eq!(manifest.policies.on_missing, OnMissing::Reject);
    let columns = manifest.columns.expect("it has a column");
    assert_eq!((columns[0].source, columns[0].nan), (Source::Request, NanMeaning::Missing));
    assert_eq!(columns[0].range, Some((18.0, 120.0)));
}

#[test]
fn nothing_has_to_be_said() {
    assert_eq!(parse(""), Ok(Manifest::default()));
}

#[test]
fn an_unknown_key_is_named_with_those_there_are() {
    let message = refusal("versoin = 1");
    assert!(message.contains("line 1"), "{message}");
    assert!(
        message.contains("unknown field `versoin`, expected one of `description`"),
        "{message}"
    );
}

#[test]
fn a_value_of_the_wrong_type_is_named_with_what_was_expected() {
    let message = refusal("version = \"new\"");
    assert!(message.contains("version = \"new\""), "{message}");
    assert!(message.contains("expected u64"), "{message}");
    let message = refusal("[output]\nclass = 1.5");
    assert!(
        message.contains("expected a class index (integer from 0) or a class label"),
        "{message}"
    );
    let message = refusal("[output]\nclass = -1");
    assert!(message.contains("invalid value: integer `-1`"), "{message}");
    let message = refusal("[[columns]]\nname = \"a\"\nnan = \"drop\"");
    assert!(message.contains("unknown variant `drop`, expected one of `default`"), "{message}");
}

#[test]
fn a_value_that_makes_no_sense_is_named_with_its_key() {
    let column = "[[columns]]\nname = \"age\"\n";
    for (text, problem) in [
        ("version = 0".to_owned(), "key `version`: found 0, expected a version from 1"),
        (
            "[canary]\nversion = 2\npercent = 101".to_owned(),
            "key `canary.percent`: found 101, expected 0 to 100",
        ),
        (
            "version = 2\n[canary]\nversion = 2\npercent = 5".to_owned(),
            "key `canary.version`: found 2, expected another version",
        ),
        (
            "[shadow]\nversion = 2\npercent = -1".to_owned(),
            "key `shadow.percent`: found -1, expected 0 to 100",
        ),
        (
            "[canary]\nversion = 2\npercent = 5\n[shadow]\nversion = 2\npercent = 5".to_owned(),
            "key `shadow.version`: found 2, expected another version than the canary's",
        ),
        ("columns = []".to_owned(), "key `columns`: found [], expected at least one column"),
        (
            format!("{column}range = [2, 1]"),
            "key `columns[0].range (column `age`)`: found [2, 1], expected [lowest, highest]",
        ),
        (
            format!("{column}range = [1, 2]"),
            "key `columns[0].default (column `age`)`: found 0, expected a value inside `range`",
        ),
        (
            format!("{column}default = nan"),
            "found nan, expected a number, unless `nan = \"missing\"`",
        ),
        (
            format!("{column}quantiles = [2.0, 1.0]"),
            "key `columns[0].quantiles (column `age`)`: found [2.0, 1.0], expected finite numbers",
        ),
        (
            format!("{column}{column}"),
            "key `columns[1].name (column `age`)`: found age, expected a name that no other",
        ),
        ("[[columns]]\nname = \"\"".to_owned(), "found \"\", expected a name"),
    ] {
        let message = refusal(&text);
        assert!(message.contains(problem), "{message}\nexpected: {problem}");
    }
}

#[test]
fn a_column_of_text_says_what_its_texts_mean() {
    let manifest = parse(
        r#"
        [[columns]]
        name = "purpose"
        type = "text"
        default = "car"
        unknown = "reject"
        categories = ["boat", "car"]
        shares = { car = 0.6, boat = 0.4000001 }
        "#,
    );
    let text = &manifest.expect("it is well-formed").columns.expect("it has a column")[0].text;
    assert!((text.shares["boat"] - 0.400_000_1).abs() < 1e-12);
    assert_eq!((text.default.as_deref(), text.unknown), (Some("car"), UnknownText::Reject));
    assert_eq!(text.categories.as_deref(), Some(["boat".to_owned(), "car".to_owned()].as_slice()));
}

#[test]
fn keys_that_do_not_go_together_are_named_with_their_column() {
    for (keys, problem) in [
        ("default = \"car\"", "`default` of column `a`, which is float: expected a number"),
        ("type = \"text\"\ndefault = 1", "`default` of column `a`, which is text: expected a text"),
        ("type = \"text\"\nrange = [0, 1]", "`range` of column `a`"),
        ("type = \"uuid\"\nquantiles = [1.0]", "`quantiles` of column `a`"),
        ("unknown = \"model\"", "`unknown` of column `a`, which is float: expected `type"),
        ("shares = { car = 0.5 }", "`shares` of column `a`, which is float: expected `type"),
        ("type = \"text\"\nshares = { car = -0.1 }", "`shares` of column `a`"),
        ("type = \"text\"\nshares = { car = nan }", "`shares` of column `a`"),
        ("type = \"text\"\nshares = { car = 0.6, tv = 0.41 }", "that add up to 1 or less"),
        ("categories = []", "`categories` of column `a`"),
        ("required = true", "`required` of column `a`, which is float: expected `source"),
        ("range = [0, 1]\nout_of_range = \"clip\"", "`out_of_range` of column `a`"),
        ("source = \"request\"\nout_of_range = \"clip\"", "expected `range` beside it"),
        ("unknwon = 1", "unknown field `unknwon`, expected one of `name`"),
    ] {
        let message = refusal(&format!("[[columns]]\nname = \"a\"\n{keys}"));
        assert!(message.contains(problem), "{message}\nexpected: {problem}");
    }
}

#[test]
fn shares_of_scores_are_twenty_and_sum_to_one() {
    let output = |shares: &[&str]| format!("[output]\nshares = [{}]", shares.join(", "));
    let even = ["0.05"; 20];
    let manifest = parse(&output(&even)).expect("they are well-formed");
    assert_eq!(manifest.output.shares, [0.05; 20]);
    let refused = |shares: &[&str], found: &str| {
        let message = refusal(&output(shares));
        for part in ["`output.shares`", found, "20 numbers from 0 up that sum to 1"] {
            assert!(message.contains(part), "{message}");
        }
    };
    refused(&even[1..], "19 numbers");
    let mut shares = even;
    shares[3] = "0.06";
    refused(&shares, "a sum of 1.01");
    (shares[3], shares[4]) = ("-0.05", "0.15");
    refused(&shares, "-0.05");
    shares[3] = "nan";
    refused(&shares, "NaN");
}
