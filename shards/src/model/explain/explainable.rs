//! What explanations are made of, before it is known which rows stand for the average one.

use super::outline::{Origins, Outline};
use super::trees::TreeExplainer;
use super::{ExplainError, Explainer};
use crate::model::forest::{ModelColumn, Preparation};
use crate::model::trees::Ensemble;

/// A model's margin in the form that explanations are made of.
#[derive(Debug, Clone)]
pub(in crate::model) struct Explainable {
    outline: Outline,
    preparation: Option<Preparation>,
}

impl Explainable {
    /// Of output `output` of a library's own trees. `preparation` makes the rows that trees read.
    pub(in crate::model) fn of_forest(
        ensemble: &Ensemble,
        output: usize,
        preparation: Option<&Preparation>,
        columns: &[ModelColumn],
    ) -> Result<Self, ExplainError> {
        let mut outline = ensemble.outline(output)?;
        outline.columns = preparation.map_or(columns.len(), |it| it.columns());
        if let Some(preparation) = preparation {
            outline.origins = Some(origins(preparation, columns.len()));
        }
        Ok(Self { outline, preparation: preparation.cloned() })
    }

    /// The explainer whose average row is that of the trees' own covers.
    pub(in crate::model) fn by_covers(self) -> Result<Explainer, ExplainError> {
        let has_covers = |tree: &super::TreeOutline| {
            tree.nodes.len() < 2 || tree.covers.first().is_some_and(|cover| *cover > 0.0)
        };
        if !self.outline.trees.iter().all(has_covers) {
            return Err(ExplainError::NoCovers);
        }
        let trees = TreeExplainer::new(&self.outline)?;
        Ok(Explainer::new(trees, self.preparation))
    }
}

/// Which columns each prepared one is made of. Those that are made of the same ones are known or
/// unknown together, and those made of several share what they contribute: so do `LightGBM` and
/// `CatBoost`, which know of no other columns.
fn origins(preparation: &Preparation, columns: usize) -> Origins {
    let mut shared: Vec<Vec<u32>> = (0..columns as u32).map(|column| vec![column]).collect();
    let of = (0..preparation.columns()).map(|prepared| {
        let sources = preparation.sources(prepared);
        let known = shared.iter().position(|known| *known == sources);
        known.unwrap_or_else(|| {
            shared.push(sources);
            shared.len() - 1
        }) as u32
    });
    let of = of.collect();
    Origins { of, shared, columns, are_joint: true }
}
