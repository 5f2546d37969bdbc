//! Reads models as `CatBoost` writes them: its binary format (`model.cbm`), or its JSON
//! (`model.cbm.json`).
//!
//! `binary` (through `flatbuffer`) and `json` read the two formats into the same [`Parts`];
//! `trees` makes a forest of these, symmetric trees unfolded; `prepare` makes what trees test of a
//! row's cells: `hash` hashes categories as the library does, `ctr` looks up what training counted
//! for them. `objective` is the output's transform. Numbers are compared in 32 bits and summed in
//! 64, as in the library.
//!
//! Categories are whole numbers, which the library hashes as their decimal texts, or texts, each of
//! which is fed as the code that holds its hash. What is *not* here: features of text and of
//! embeddings.

mod binary;
mod ctr;
mod flatbuffer;
mod hash;
mod json;
mod objective;
mod parts;
mod prepare;
mod trees;

use self::parts::Parts;
use super::forest::{
    Category, ColumnKind, ModelColumn, NativeError, Preparation, Program, Trained,
};
use crate::features::Precision;

/// What a file may hold; more is refused before memory is taken.
const TREES_MAX: usize = 1 << 16;
const COLUMNS_MAX: usize = 1 << 16;
const SUMS_MAX: usize = 4_096;
const DEPTH_MAX: usize = 16;
const NODES_MAX: usize = 1 << 24;

/// The hash by which a `CatBoost` model knows the category that `text` names: what its categorical
/// columns ([`ColumnKind::Hashed`]) are made of before trees see them.
pub fn category_hash(text: &str) -> u32 {
    hash::category(text.as_bytes())
}

/// The code of a category that is a text, which holds its hash.
pub(in crate::model) fn category_code(text: &[u8]) -> f64 {
    hash::code(text)
}

/// What the bytes of a `model.cbm` say.
pub(super) fn parse_binary(bytes: &[u8]) -> Result<Trained, NativeError> {
    assemble(binary::read(bytes)?)
}

/// What the bytes of a `model.cbm.json` say.
pub(super) fn parse_json(bytes: &[u8]) -> Result<Trained, NativeError> {
    assemble(json::read(&super::json::parse(bytes)?)?)
}

fn assemble(mut parts: Parts) -> Result<Trained, NativeError> {
    let columns = columns(&parts)?;
    let needs_preparation = !parts.cats.is_empty();
    let objective = objective::of(&parts.loss, parts.sums);
    let forest = trees::plant(&parts, columns.len(), needs_preparation)?;
    let preparation: Option<Preparation> = if needs_preparation {
        let prepare = prepare::Prepare::new(&mut parts).map_err(|feature| {
            let key = format!("CTR feature {feature}");
            NativeError::value(key, "no table or column for it", "one in the file")
        })?;
        Some(Box::new(prepare))
    } else {
        None
    };
    let columns_are_named =
        columns.iter().enumerate().any(|(at, column)| column.name != at.to_string());
    Ok(Trained {
        library: "CatBoost".to_owned(),
        columns,
        columns_are_named,
        unknown: None,
        // A category's code may need more than the 24 bits that numbers are cut to.
        input: if needs_preparation { Precision::F64 } else { Precision::F32 },
        preparation,
        program: Program::Forest(forest),
        labels: parts.classes,
        objective,
    })
}

/// All columns, by their flat numbers.
fn columns(parts: &Parts) -> Result<Vec<ModelColumn>, NativeError> {
    let flats = parts.floats.iter().map(|feature| feature.flat);
    let flats: Vec<_> = flats.chain(parts.cats.iter().map(|feature| feature.flat)).collect();
    let width = flats.iter().max().map_or(0, |last| last.saturating_add(1));
    if width > COLUMNS_MAX {
        return Err(NativeError::too_many("columns", width, COLUMNS_MAX));
    }
    let mut columns: Vec<_> = (0..width).map(|at| ModelColumn::numeric(at.to_string())).collect();
    let mut seen = vec![false; width];
    for flat in flats {
        if std::mem::replace(&mut seen[flat], true) {
            let found = format!("column {flat} twice");
            return Err(NativeError::value("features", found, "each column once"));
        }
    }
    for feature in parts.floats.iter().filter(|feature| !feature.name.is_empty()) {
        columns[feature.flat].name.clone_from(&feature.name);
    }
    for feature in &parts.cats {
        let column = &mut columns[feature.flat];
        if !feature.name.is_empty() {
            column.name.clone_from(&feature.name);
        }
        let known = feature.texts.iter().map(|text| Category::Text(text.clone()));
        column.kind = ColumnKind::Hashed(known.collect());
    }
    Ok(columns)
}
