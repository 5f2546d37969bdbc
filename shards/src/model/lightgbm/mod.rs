//! Reads models as `LightGBM` writes them: text, one `key=value` a line (`model.txt`).
//!
//! [`text`](self::text) splits the file into its header, trees and what follows them; `tree` makes
//! nodes of a tree's arrays, `objective` the output's transform, `columns` the columns and their
//! categories. Sums are in 64 bits, in the order of the trees, as in the library.

mod columns;
mod objective;
mod text;
mod tree;
mod zero;

use self::text::{ModelText, Section};
use super::forest::{Forest, NativeError, Program, Trained};
use crate::features::Precision;

/// What a file may hold; more is refused before memory is taken.
const TREES_MAX: usize = 1 << 16;
const COLUMNS_MAX: usize = 1 << 16;

/// The largest number that the library reads as zero, as it spells it: `1e-35` of 32 bits.
const ZERO: f64 = 1e-35_f32 as f64;

/// What the bytes of a `model.txt` say.
pub(super) fn parse(bytes: &[u8]) -> Result<Trained, NativeError> {
    let text = std::str::from_utf8(bytes).map_err(|error| NativeError::Syntax {
        offset: error.valid_up_to(),
        reason: "not UTF-8, as LightGBM's text is".to_owned(),
    })?;
    let model = ModelText::split(text)?;
    let header = &model.header;
    let version = header.text("version")?;
    if !matches!(version, "v2" | "v3" | "v4") {
        return Err(header.wrong("version", version, "v2, v3 or v4 (LightGBM 2.1 and later)"));
    }
    let columns = header.number::<usize>("max_feature_idx")?.saturating_add(1);
    let sums = header.number::<usize>("num_tree_per_iteration")?;
    if columns > COLUMNS_MAX {
        return Err(NativeError::too_many("columns", columns, COLUMNS_MAX));
    }
    if model.trees.len() > TREES_MAX {
        return Err(NativeError::too_many("trees", model.trees.len(), TREES_MAX));
    }
    if sums == 0 || sums > 4_096 {
        return Err(header.wrong("num_tree_per_iteration", &sums.to_string(), "1 to 4096"));
    }
    if !model.trees.len().is_multiple_of(sums) {
        let found = format!("{} trees", model.trees.len());
        return Err(header.wrong("num_tree_per_iteration", &found, "a multiple of it"));
    }
    let mut forest = Forest::new(Precision::F64, columns, sums);
    // Cells are cut towards zero, and what is then below zero is in no set.
    forest.sets.least = (-1.0_f64).next_up();
    let mut zeros = zero::ZeroColumns::new(columns);
    for (place, section) in model.trees.iter().enumerate() {
        let sum = (place % sums) as u32;
        tree::add(&mut forest, section, sum, &mut zeros)?;
    }
    if header.has("average_output") {
        forest.divisor = ((model.trees.len() / sums).max(1)) as f64;
    }
    let described = columns::describe(header, &model, columns)?;
    forest.columns = zeros.columns();
    Ok(Trained {
        library: format!("LightGBM {version}"),
        columns_are_named: columns::are_named(&described),
        // As a data frame's category that isn't among those of training: missing.
        unknown: Some(f64::NAN),
        columns: described,
        input: Precision::F64,
        preparation: zeros.preparation(),
        program: Program::Forest(forest),
        labels: Vec::new(),
        objective: objective::parse(header, sums)?,
    })
}
