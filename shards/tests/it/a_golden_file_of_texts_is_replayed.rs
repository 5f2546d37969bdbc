//! Recorded predictions of a model of text columns are replayed from the texts themselves, and a
//! text that the model has no answer for is named with its line and column.

use std::fs;
use std::path::Path;

use crate::text_models::{Fixture, MISSING};
use shards::features::FeatureMatrix;
use shards::model::golden::{self, GoldenError};
use shards::model::repository::Repository;
use shards::model::trees::KernelChoice;
use shards::model::{LoadOptions, Model};

const HEADER: &str = "age,amount,purpose,country,score\n";

#[test]
fn by_the_texts_that_its_columns_know() {
    let fixture = Fixture::of("onehot-ignore");
    let mut model = fixture.load(KernelChoice::Auto).expect("it loads");
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("golden.csv");
    let mut writer = csv::Writer::from_path(&file).expect("a file");
    writer.write_record(HEADER.trim().split(',')).expect("a header");
    for (row, score) in fixture.rows.iter().zip(&fixture.scores) {
        let score = score.expect("it scores all").to_string();
        let cells = row.iter().map(|cell| if cell == MISSING { "" } else { cell });
        // An empty cell is the empty text here, which the purposes know.
        if row[2] != MISSING {
            writer.write_record(cells.chain([score.as_str()])).expect("a row");
        }
    }
    writer.flush().expect("it is written");
    let report = golden::replay(&mut model, &file, "score").expect("it is replayed");
    assert!(report.agrees() && report.rows > 50, "{report:?}");
}

#[test]
fn a_text_without_an_answer_is_named() {
    let mut model = Fixture::of("onehot-error").load(KernelChoice::Auto).expect("it loads");
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("golden.csv");
    let rows = "40,10.5,car,NL,0.5\n40,10.5,car,XX,0.5\n";
    fs::write(&file, format!("{HEADER}{rows}")).expect("it is written");
    let error = golden::replay(&mut model, &file, "score").expect_err("XX is no country");
    assert!(
        matches!(&error, GoldenError::Text { line: 3, column, found, .. }
        if column == "country" && found == "XX"),
        "{error}"
    );
}

#[test]
fn by_the_categories_of_its_model_toml() {
    let folder = tempfile::tempdir().expect("a folder");
    let model = folder.path().join("risk");
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("../models/demo-logistic/1/model.onnx");
    fs::create_dir_all(model.join("1")).expect("a folder");
    fs::copy(source, model.join("1/model.onnx")).expect("a model");
    let column = |name: &str| format!("[[columns]]\nname = \"{name}\"\n");
    let (first, second, third) = (column("a"), column("b"), column("c"));
    let texts = "type = \"text\"\ncategories = [\"NL\", \"DE\"]\ndefault = \"DE\"\n";
    let output = "[output]\ntensor = \"probabilities\"\nclass = 1\n";
    fs::write(model.join("model.toml"), format!("{output}{first}{second}{texts}{third}"))
        .expect("it is written");
    let directory = Repository::new(folder.path()).find("risk", None).expect("it is there");
    let mut model = Model::load(&directory, &LoadOptions::default()).expect("it loads");
    let mut features = FeatureMatrix::new(3, model.precision());
    features.reset(1);
    [0.5, 1.0, -0.25].into_iter().enumerate().for_each(|(at, cell)| features.set(0, at, cell));
    let mut scores = Vec::new();
    model.score(&features, &mut scores).expect("a score");
    let file = folder.path().join("golden.csv");
    let rows = format!("0.5,DE,-0.25,{0}\n0.5,,-0.25,{0}\n", scores[0]);
    fs::write(&file, format!("a,b,c,score\n{rows}")).expect("it is written");
    let report = golden::replay(&mut model, &file, "score").expect("it is replayed");
    assert!(report.agrees() && report.rows == 2, "{report:?}");
}
