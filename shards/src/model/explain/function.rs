//! A margin as a function of a row: trees, or a linear function.

use super::linear::LinearOutline;
use super::outline::{Node, Origins, Outline};

/// What makes a margin of a row of cells.
#[derive(Debug, Clone)]
pub(in crate::model) enum Function {
    /// A sum of trees.
    Trees(Outline),
    /// A weighted sum of columns.
    Linear(LinearOutline),
}

impl Function {
    /// `factor` times as much, plus `term`.
    pub(in crate::model) fn scale(&mut self, factor: f64, term: f64) {
        match self {
            Self::Trees(outline) => {
                outline.base = outline.base * factor + term;
                for node in outline.trees.iter_mut().flat_map(|tree| &mut tree.nodes) {
                    if let Node::Leaf(value) = node {
                        *value *= factor;
                    }
                }
            }
            Self::Linear(outline) => {
                outline.constant = outline.constant * factor + term;
                for weight in &mut outline.weights {
                    *weight *= factor;
                }
            }
        }
    }

    /// The sum of two functions of the same kind, which read the same rows.
    pub(in crate::model) fn joined(self, other: Self) -> Result<Self, ()> {
        match (self, other) {
            (Self::Trees(mut one), Self::Trees(other)) => {
                if one.columns != other.columns || one.is_single != other.is_single {
                    return Err(());
                }
                one.base += other.base;
                one.trees.extend(other.trees);
                Ok(Self::Trees(one))
            }
            (Self::Linear(mut one), Self::Linear(other)) => {
                if one.weights.len() != other.weights.len() {
                    return Err(());
                }
                one.constant += other.constant;
                for (weight, more) in one.weights.iter_mut().zip(&other.weights) {
                    *weight += more;
                }
                Ok(Self::Linear(one))
            }
            _ => Err(()),
        }
    }

    /// For each of `width` columns, whether it has a say.
    pub(in crate::model) fn columns_read(&self, width: usize) -> Vec<bool> {
        let mut read = vec![false; width];
        match self {
            Self::Trees(outline) => {
                for node in outline.trees.iter().flat_map(|tree| &tree.nodes) {
                    if let Node::Branch { column, .. } = node
                        && let Some(read) = read.get_mut(*column as usize)
                    {
                        *read = true;
                    }
                }
            }
            Self::Linear(outline) => {
                for (read, weight) in read.iter_mut().zip(&outline.weights) {
                    *read = weight.abs() > 0.0;
                }
            }
        }
        read
    }

    /// Says what its columns were made of.
    pub(super) fn set_origins(&mut self, origins: Origins) {
        match self {
            Self::Trees(outline) => {
                outline.columns = origins.of.len();
                outline.origins = Some(origins);
            }
            Self::Linear(outline) => outline.origins = Some(origins),
        }
    }
}
