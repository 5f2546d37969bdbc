//! Of every model of the zoo that can be explained, the mean margin and the contributions of each
//! golden row make its score; the others are refused by the name of the node that is in the way.

use std::collections::BTreeMap;
use std::fs;

use serde::Deserialize;
use shards::model::explain::ExplainSettings;
use shards::model::manifest::Manifest;
use shards::model::trees::KernelChoice;

use crate::contributions_match_the_libraries::contributions;
use crate::native_models::load_as;
use crate::zoo_models::{folder, output_of, score};

#[derive(Deserialize)]
struct Zoo {
    models: Vec<Entry>,
}

#[derive(Deserialize)]
struct Entry {
    name: String,
    /// None of a model that is refused.
    #[serde(default)]
    scores: usize,
}

/// Those that are refused, by the beginning of their names, and what the reason says.
const REFUSED: &[(&str, &str)] = &[
    ("ada-boost-", "is neither a tree ensemble nor a linear function"),
    ("binarizer-logistic-double", "`Less`"),
    ("calibrated-sigmoid-multi", "`Not`"),
    ("calibrated-sigmoid-", "`Sum` (Sum) is neither"),
    ("logistic-binary-double", "`NormalizerNorm` (Div) is neither"),
    ("mlp-", "(MatMul) is made of the columns"),
    ("normalizer-", "(Normalizer) is made of the columns"),
    ("one-hot-ignore-logistic-double", "`NormalizerNorm` (Div) is neither"),
    ("one-hot-network", "(MatMul) is made of the columns"),
    ("pca-logistic", "(MatMul) is made of the columns"),
    ("polynomial-ridge", "a graph that needs tract"),
    ("standard-scaler-logistic-double", "`NormalizerNorm` (Div) is neither"),
    ("svc-", "is neither a tree ensemble nor a linear function"),
    ("svr-", "(SVMRegressor) is neither"),
    ("torch-mlp-", "(Gemm) is made of the columns"),
];

/// What is said of kinds that are no sum of trees, and no linear function.
const GENERAL: [&str; 2] =
    ["is neither a tree ensemble nor a linear function", "is made of the columns"];

/// A model of two classes that has a margin for each of them.
const TWO_MARGINS: &str = "xgboost-two-classes-softprob";

/// The largest difference between a score and the one that its margin makes; trees of 32 bits sum
/// in these.
const ALLOWED: f64 = 2e-5;

/// The cells of the golden rows.
fn golden_rows(name: &str) -> Vec<Vec<f64>> {
    let mut reader = csv::Reader::from_path(folder(name).join("golden.csv")).expect("rows");
    let header = reader.headers().expect("a header").clone();
    let width = header.iter().filter(|name| !name.starts_with("score")).count();
    let number =
        |text: &str| if text.is_empty() { f64::NAN } else { text.parse().expect("a number") };
    let rows = reader.records().map(|row| row.expect("a row"));
    rows.map(|row| row.iter().take(width).map(number).collect()).collect()
}

/// The margins and scores of each class of each row.
type Explained = (Vec<Vec<f64>>, Vec<Vec<f64>>);

fn explained(entry: &Entry) -> Result<Explained, String> {
    let rows = golden_rows(&entry.name);
    let (mut margins, mut scores) = (vec![Vec::new(); rows.len()], vec![Vec::new(); rows.len()]);
    let classes = if entry.name == TWO_MARGINS { 2 } else { entry.scores };
    for class in 0..classes {
        let class = (classes > 1).then_some(class);
        let background = Some("golden.csv".to_owned());
        let manifest = Manifest {
            output: output_of(&entry.name, class),
            explain: Some(ExplainSettings { background, ..ExplainSettings::default() }),
            ..Manifest::default()
        };
        let path = folder(&entry.name).join("model.onnx");
        let mut model = load_as(&path, manifest, KernelChoice::Auto)?;
        let found = contributions(&mut model, &rows);
        for (row, (found, one)) in found.iter().zip(score(&mut model, &rows)).enumerate() {
            margins[row].push(found.iter().sum::<f64>());
            scores[row].push(one);
        }
    }
    Ok((margins, scores))
}

/// What may make scores of a row's margins.
type Link = fn(&[f64]) -> Vec<f64>;
const LINKS: [(&str, Link); 5] = [
    ("identity", |margins| margins.to_vec()),
    ("logistic", |margins| margins.iter().map(|margin| logistic(*margin)).collect()),
    ("exponential", |margins| margins.iter().map(|margin| margin.exp()).collect()),
    ("softmax", |margins| shares(margins.iter().map(|margin| margin.exp()).collect())),
    ("one against others", |margins| {
        shares(margins.iter().map(|margin| logistic(*margin)).collect())
    }),
];

fn logistic(margin: f64) -> f64 {
    1.0 / (1.0 + (-margin).exp())
}

fn shares(values: Vec<f64>) -> Vec<f64> {
    let sum: f64 = values.iter().sum();
    values.into_iter().map(|value| value / sum).collect()
}

/// The first link that makes the scores of all rows.
fn link_of((margins, scores): &Explained) -> Option<&'static str> {
    let fits = |link: fn(&[f64]) -> Vec<f64>| {
        margins.iter().zip(scores).all(|(margins, scores)| {
            link(margins).iter().zip(scores).all(|(found, score)| {
                (found.is_nan() && score.is_nan())
                    || (found - score).abs() <= ALLOWED * score.abs().max(1.0)
            })
        })
    };
    LINKS.iter().find(|(_, link)| fits(*link)).map(|(name, _)| *name)
}

#[test]
fn each_of_them() {
    let index = fs::read_to_string(folder("zoo.toml")).expect("the index");
    let zoo: Zoo = toml::from_str(&index).expect("an index");
    let (mut problems, mut links) = (Vec::new(), BTreeMap::<_, usize>::new());
    for entry in zoo.models.iter().filter(|entry| entry.scores > 0) {
        let reason = REFUSED.iter().find(|(name, _)| entry.name.starts_with(name));
        match (explained(entry), reason) {
            (Ok(found), None) => match link_of(&found) {
                Some(link) => *links.entry(link).or_default() += 1,
                None => problems.push(format!(
                    "{}: {:?} does not make {:?}",
                    entry.name, found.0[0], found.1[0]
                )),
            },
            (Err(why), Some((_, reason))) if why.contains(reason) => {
                *links.entry("refused").or_default() += 1;
            }
            // Of other kinds it is enough that the reason says which.
            (Err(why), None) if GENERAL.iter().any(|reason| why.contains(reason)) => {
                *links.entry("refused").or_default() += 1;
            }
            (Ok(_), Some(_)) => problems.push(format!("{}: is explained", entry.name)),
            (Err(why), _) => problems.push(format!("{}: {why}", entry.name)),
        }
    }
    println!("{links:?}");
    assert!(problems.is_empty(), "{}:\n{}", problems.len(), problems.join("\n"));
    let explained = links.iter().filter(|(link, _)| **link != "refused");
    assert!(explained.map(|(_, count)| count).sum::<usize>() > 80, "{links:?}");
}
