//! One tree: arrays of its branches and leaves, made nodes.

use super::zero::ZeroColumns;
use super::{Section, ZERO};
use crate::model::forest::{Forest, LinearLeaf, NativeError, Node, Test, Tree};

/// The most leaves of a tree.
const LEAVES_MAX: usize = 1 << 22;

/// The bits of `decision_type`.
const CATEGORICAL: u8 = 1;
const DEFAULT_LEFT: u8 = 2;
const MISSING_SHIFT: u8 = 2;

/// The missing types of `decision_type`.
const MISSING_NONE: u8 = 0;
const MISSING_ZERO: u8 = 1;
const MISSING_NAN: u8 = 2;

/// The arrays of a tree's branches.
struct Arrays {
    columns: Vec<u32>,
    thresholds: Vec<f64>,
    decisions: Vec<u8>,
    left: Vec<i64>,
    right: Vec<i64>,
    covers: Vec<f64>,
    leaf_covers: Vec<f64>,
    /// The set of each categorical branch, by the number in its threshold.
    sets: Vec<u32>,
}

/// Adds a tree of which all leaves add to `sum`.
pub(super) fn add(
    forest: &mut Forest,
    section: &Section<'_>,
    sum: u32,
    zeros: &mut ZeroColumns,
) -> Result<(), NativeError> {
    let leaves = section.number::<usize>("num_leaves")?;
    if leaves == 0 || leaves > LEAVES_MAX {
        let expected = format!("1 to {LEAVES_MAX}");
        return Err(section.wrong("num_leaves", &leaves.to_string(), &expected));
    }
    let values: Vec<f64> = section.numbers("leaf_value", leaves)?;
    let branches = leaves - 1;
    let arrays = Arrays::read(forest, section, branches, leaves)?;
    let mut linear = linear_parts(section, leaves, forest.columns)?.into_iter();
    let mut tree = Tree { nodes: Vec::with_capacity(branches + leaves) };
    for at in 0..branches {
        let node = arrays.node(section, at, forest.columns, zeros)?;
        tree.nodes.push(node);
    }
    for (leaf, value) in values.into_iter().enumerate() {
        let cover = arrays.leaf_covers.get(leaf).copied().unwrap_or(0.0);
        let mut node = forest.leaf(sum, value, cover);
        if let Some(part) = linear.next()
            && let Node::Leaf { linear, .. } = &mut node
        {
            *linear = Some(forest.linear.len() as u32);
            forest.linear.push(part);
        }
        tree.nodes.push(node);
    }
    forest.trees.push(tree);
    Ok(())
}

impl Arrays {
    fn read(
        forest: &mut Forest,
        section: &Section<'_>,
        branches: usize,
        leaves: usize,
    ) -> Result<Self, NativeError> {
        let covers = |count: &str, weight: &str, length| match section.has(count) {
            true => section.numbers(count, length),
            false if section.has(weight) => section.numbers(weight, length),
            false => Ok(Vec::new()),
        };
        // A tree of one leaf has no cover in the file, or one number too few.
        let known = if branches == 0 { 0 } else { leaves };
        Ok(Self {
            columns: section.numbers("split_feature", branches)?,
            thresholds: section.numbers("threshold", branches)?,
            decisions: section.numbers("decision_type", branches)?,
            left: section.numbers("left_child", branches)?,
            right: section.numbers("right_child", branches)?,
            covers: covers("internal_count", "internal_weight", branches)?,
            leaf_covers: covers("leaf_count", "leaf_weight", known)?,
            sets: sets(forest, section)?,
        })
    }

    fn node(
        &self,
        section: &Section<'_>,
        at: usize,
        columns: usize,
        zeros: &mut ZeroColumns,
    ) -> Result<Node, NativeError> {
        let column = self.columns[at];
        if column as usize >= columns {
            let expected = format!("columns 0 to {}", columns.saturating_sub(1));
            return Err(section.wrong("split_feature", &column.to_string(), &expected));
        }
        let (decision, threshold) = (self.decisions[at], self.thresholds[at]);
        let (yes, no) = (self.child(section, at, true)?, self.child(section, at, false)?);
        let cover = self.covers.get(at).copied().unwrap_or(0.0);
        if decision & CATEGORICAL != 0 {
            let set = usize::try_from(threshold as i64).ok().and_then(|set| self.sets.get(set));
            let Some(&set) = set.filter(|_| threshold.fract() == 0.0) else {
                let expected = format!("a category set from 0 below num_cat={}", self.sets.len());
                return Err(section.wrong("threshold", &threshold.to_string(), &expected));
            };
            let test = Test::Member(set);
            return Ok(Node::Split { column, test, missing_is_yes: false, yes, no, cover });
        }
        let default_left = decision & DEFAULT_LEFT != 0;
        let (column, missing_is_yes) = match (decision >> MISSING_SHIFT) & 3 {
            // NaN is read as zero.
            MISSING_NONE => (column, 0.0 <= threshold),
            MISSING_ZERO => (zeros.copy_of(column), default_left),
            MISSING_NAN => (column, default_left),
            _ => {
                let expected = "a missing type of 0 (None), 1 (Zero) or 2 (NaN) in bits 2 and 3";
                return Err(section.wrong("decision_type", &decision.to_string(), expected));
            }
        };
        let test = Test::AtMost(without_tiny(threshold));
        Ok(Node::Split { column, test, missing_is_yes, yes, no, cover })
    }

    /// A child's place among the nodes: leaves have negative numbers and follow the branches.
    fn child(&self, section: &Section<'_>, at: usize, left: bool) -> Result<u32, NativeError> {
        let (key, children) =
            if left { ("left_child", &self.left) } else { ("right_child", &self.right) };
        let branches = self.columns.len() as i64;
        let child = children[at];
        let place = if child >= 0 { child } else { branches.saturating_add(!child) };
        let is_there = child < branches && place <= 2 * branches;
        if is_there {
            Ok(place as u32)
        } else {
            let expected = format!("branches to {} or leaves from -{}", branches - 1, branches + 1);
            Err(section.wrong(key, &child.to_string(), &expected))
        }
    }
}

/// The threshold that gives each cell the branch that the library gives it: it reads cells from
/// `-ZERO` to `ZERO` as 0.
fn without_tiny(threshold: f64) -> f64 {
    if (-ZERO..0.0).contains(&threshold) {
        (-ZERO).next_down()
    } else if (0.0..ZERO).contains(&threshold) {
        ZERO
    } else {
        threshold
    }
}

/// The sets that the tree's categorical branches ask for, in the order of their numbers.
fn sets(forest: &mut Forest, section: &Section<'_>) -> Result<Vec<u32>, NativeError> {
    let count = if section.has("num_cat") { section.number::<usize>("num_cat")? } else { 0 };
    if count == 0 {
        return Ok(Vec::new());
    }
    if count > LEAVES_MAX {
        return Err(section.wrong("num_cat", &count.to_string(), "fewer sets than leaves"));
    }
    let bounds: Vec<usize> = section.numbers("cat_boundaries", count + 1)?;
    let words: Vec<u32> = section.any_numbers("cat_threshold")?;
    let mut sets = Vec::with_capacity(count);
    for pair in bounds.windows(2) {
        let Some(set) = words.get(pair[0]..pair[1]) else {
            let found = format!("{} {}", pair[0], pair[1]);
            let expected = format!("rising places in `cat_threshold`, which has {}", words.len());
            return Err(section.wrong("cat_boundaries", &found, &expected));
        };
        let added = forest.sets.add(set);
        sets.push(added.ok_or_else(|| {
            NativeError::too_many("words of category sets", words.len(), 1 << 24)
        })?);
    }
    Ok(sets)
}

/// The linear functions of a tree's leaves, one for each, or none at all.
fn linear_parts(
    section: &Section<'_>,
    leaves: usize,
    columns: usize,
) -> Result<Vec<LinearLeaf>, NativeError> {
    let is_linear = section.has("is_linear") && section.number::<u8>("is_linear")? != 0;
    if !is_linear {
        return Ok(Vec::new());
    }
    let constants: Vec<f64> = section.numbers("leaf_const", leaves)?;
    let counts: Vec<usize> = section.numbers("num_features", leaves)?;
    let total = counts.iter().try_fold(0_usize, |total, count| total.checked_add(*count));
    let read: Vec<u32> = section.any_numbers("leaf_features")?;
    let coefficients: Vec<f64> = section.any_numbers("leaf_coeff")?;
    if total != Some(read.len()) || read.len() != coefficients.len() {
        let found = format!("{} columns and {} coefficients", read.len(), coefficients.len());
        return Err(section.wrong("num_features", &found, "as many of both as its numbers add to"));
    }
    if let Some(column) = read.iter().find(|column| **column as usize >= columns) {
        let expected = format!("columns 0 to {}", columns.saturating_sub(1));
        return Err(section.wrong("leaf_features", &column.to_string(), &expected));
    }
    let mut terms = read.into_iter().zip(coefficients);
    let part = |(constant, count): (f64, usize)| LinearLeaf {
        constant,
        terms: terms.by_ref().take(count).collect(),
    };
    Ok(constants.into_iter().zip(counts).map(part).collect())
}
