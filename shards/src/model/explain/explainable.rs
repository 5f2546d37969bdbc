//! What explanations are made of, before it is known which rows stand for the average one.

use super::outline::{Node, Origins, Outline};
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
            outline.origins = Some(origins(&outline, preparation, columns)?);
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

/// Which column each prepared one is made of. Those of several are refused where trees read them.
fn origins(
    outline: &Outline,
    preparation: &Preparation,
    columns: &[ModelColumn],
) -> Result<Origins, ExplainError> {
    let mut of = vec![0; outline.columns];
    let nodes = outline.trees.iter().flat_map(|tree| &tree.nodes);
    let mut is_read = vec![false; outline.columns];
    for node in nodes {
        if let Node::Branch { column, .. } = node {
            is_read[*column as usize] = true;
        }
    }
    for (prepared, origin) in of.iter_mut().enumerate() {
        let sources = preparation.sources(prepared);
        if let [first, _, ..] = sources[..]
            && is_read[prepared]
        {
            let name = |column: &usize| columns[*column].name.clone();
            let what = format!("what it counts for combinations of `{}`", columns[first].name);
            return Err(ExplainError::Mixed { what, columns: sources.iter().map(name).collect() });
        }
        *origin = sources.first().map_or(0, |source| *source as u32);
    }
    Ok(Origins { of, columns: columns.len(), are_joint: true })
}
