//! The boosters: trees (`gbtree`), trees with weights (`dart`) and linear weights (`gblinear`).

use super::tree;
use super::{NODES_MAX, TREES_MAX};
use crate::features::Precision;
use crate::model::forest::{Forest, Linear, NativeError, Program};
use crate::model::json::{At, Value};

/// What the learner says about sums.
pub(super) struct Sums {
    /// The base margin of each.
    pub(super) bases: Vec<f32>,
    /// It is added after all trees, not before.
    pub(super) base_is_last: bool,
    /// How many rounds of boosting count; all of them if none.
    pub(super) rounds_max: Option<usize>,
}

/// A booster, read.
pub(super) struct Booster {
    pub(super) program: Program,
    /// The categories of a data frame's columns, as the file keeps them.
    pub(super) categories: Option<Value>,
}

/// The booster of a model of `width` columns.
pub(super) fn read(booster: &At<'_>, width: usize, sums: &Sums) -> Result<Booster, NativeError> {
    let name = booster.get("name")?;
    match name.text()? {
        "gbtree" => {
            let model = booster.get("model")?;
            // Since 3.4 the weights lie in the model, and the booster is called gbtree.
            let weights = model.find("weight_drop").map(|weights| weights.numbers()).transpose()?;
            trees(&model, width, sums, weights.as_deref())
        }
        "dart" => {
            let (inner, weights) = (booster.get("gbtree")?, booster.get("weight_drop")?);
            trees(&inner.get("model")?, width, sums, Some(&weights.numbers()?))
        }
        "gblinear" => linear(&booster.get("model")?, width, sums),
        _ => Err(name.wrong("\"gbtree\", \"dart\" or \"gblinear\"")),
    }
}

fn linear(model: &At<'_>, width: usize, sums: &Sums) -> Result<Booster, NativeError> {
    let groups = sums.bases.len();
    let weights = model.get("weights")?.numbers_of((width + 1) * groups)?;
    let (weights, biases) = weights.split_at(width * groups);
    // The library adds the cells to the bias plus the base score: the first one's for all sums.
    let start = sums.bases.first().copied().unwrap_or(0.0);
    let starts = biases.iter().map(|bias| *bias as f32 + start);
    let linear = Linear {
        starts: starts.collect(),
        weights: weights.iter().map(|weight| *weight as f32).collect(),
    };
    Ok(Booster { program: Program::Linear(linear), categories: None })
}

fn trees(
    model: &At<'_>,
    width: usize,
    sums: &Sums,
    weights: Option<&[f64]>,
) -> Result<Booster, NativeError> {
    let mut forest = Forest::new(Precision::F32, width, sums.bases.len());
    let bases = sums.bases.iter().map(|base| f64::from(*base)).collect();
    if sums.base_is_last {
        forest.biases = bases;
    } else {
        forest.starts = bases;
    }
    let groups = model.get("tree_info")?;
    let groups_of = groups.integers(0, sums.bases.len() as i64 - 1)?;
    let trees = model.get("trees")?;
    let count = trees.list()?.count();
    if count > TREES_MAX {
        return Err(NativeError::too_many("trees", count, TREES_MAX));
    }
    if groups_of.len() != count {
        return Err(groups.wrong(format!("{count}, one for each tree")));
    }
    if let Some(weights) = weights
        && weights.len() != count
    {
        let found = format!("{} weights", weights.len());
        return Err(NativeError::value(
            "weight_drop",
            found,
            format!("{count}, one for each tree"),
        ));
    }
    let used = trees_used(model, sums, count)?;
    let mut nodes = 0;
    for ((place, tree), group) in trees.list()?.enumerate().zip(groups_of).take(used) {
        let first_weight = forest.weights.len();
        let weight = weights.map(|weights| weights[place] as f32);
        tree::add(&mut forest, &tree, group as u32)?;
        if let Some(weight) = weight {
            weigh(&mut forest, first_weight, weight);
        }
        nodes += forest.trees.last().map_or(0, |tree| tree.nodes.len());
        if nodes > NODES_MAX {
            return Err(NativeError::too_many("nodes", nodes, NODES_MAX));
        }
    }
    let categories = model.find("cats").map(|cats| cats.value().clone());
    Ok(Booster { program: Program::Forest(forest), categories })
}

/// Weighs the leaves of the last tree, whose weights start at `first`.
fn weigh(forest: &mut Forest, first: usize, weight: f32) {
    for leaf in &mut forest.weights[first..] {
        leaf.value = f64::from(leaf.value as f32 * weight);
    }
}

/// How many trees count: those of the first rounds, where early stopping says so.
fn trees_used(model: &At<'_>, sums: &Sums, count: usize) -> Result<usize, NativeError> {
    let Some(rounds) = sums.rounds_max else { return Ok(count) };
    if let Some(ends) = model.find("iteration_indptr") {
        let ends = ends.integers(0, count as i64)?;
        return Ok(ends.get(rounds).map_or(count, |end| *end as usize));
    }
    let param = model.get("gbtree_model_param")?;
    let parallel = match param.find("num_parallel_tree") {
        Some(parallel) => parallel.count(TREES_MAX)?.max(1),
        None => 1,
    };
    Ok(rounds.saturating_mul(parallel).saturating_mul(sums.bases.len()).min(count))
}
