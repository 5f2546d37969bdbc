//! One tree: parallel arrays, made nodes.

use super::{NODES_MAX, SUMS_MAX};
use crate::model::forest::{Forest, LeafWeight, NativeError, Node, Test, Tree};
use crate::model::json::At;

/// The most values of leaves.
const WEIGHTS_MAX: usize = 1 << 25;

/// The arrays of a tree, all of the same length.
struct Arrays {
    left: Vec<i64>,
    right: Vec<i64>,
    columns: Vec<i64>,
    conditions: Vec<f64>,
    default_left: Vec<f64>,
    covers: Vec<f64>,
    /// The set of each categorical node.
    sets: Vec<Option<u32>>,
    /// The values of a leaf of several targets, and how a leaf finds its own.
    vectors: Option<Vectors>,
}

struct Vectors {
    targets: usize,
    values: Vec<f64>,
    /// The values are the leaves' alone, and a leaf's place among them is its right child.
    of_leaves: bool,
}

/// Adds a tree of which all leaves add to sum `group`, or to all sums if leaves are vectors.
pub(super) fn add(forest: &mut Forest, tree: &At<'_>, group: u32) -> Result<(), NativeError> {
    let arrays = Arrays::read(forest, tree)?;
    let mut nodes = Vec::with_capacity(arrays.left.len());
    for at in 0..arrays.left.len() {
        let node = if arrays.left[at] == -1 {
            arrays.leaf(forest, tree, at, group)?
        } else {
            arrays.split(forest, tree, at)?
        };
        nodes.push(node);
    }
    forest.trees.push(Tree { nodes });
    Ok(())
}

impl Arrays {
    fn read(forest: &mut Forest, tree: &At<'_>) -> Result<Self, NativeError> {
        let left = tree.get("left_children")?.integers(-1, NODES_MAX as i64)?;
        let count = left.len();
        let whole = |key: &'static str, low: i64, high: i64| {
            let found = tree.get(key)?;
            let numbers = found.integers(low, high)?;
            let expected = || format!("{count} numbers, as many as `left_children`");
            if numbers.len() == count { Ok(numbers) } else { Err(found.wrong(expected())) }
        };
        let covers = match tree.find("sum_hessian") {
            Some(covers) => covers.numbers_of(count)?,
            // Trees of several targets had none before 3.2.
            None => vec![0.0; count],
        };
        Ok(Self {
            right: whole("right_children", -1, NODES_MAX as i64)?,
            columns: whole("split_indices", 0, i64::from(u32::MAX))?,
            conditions: tree.get("split_conditions")?.numbers_of(count)?,
            default_left: tree.get("default_left")?.numbers_of(count)?,
            sets: sets(forest, tree, count)?,
            vectors: vectors(forest, tree, count)?,
            covers,
            left,
        })
    }

    fn leaf(
        &self,
        forest: &mut Forest,
        tree: &At<'_>,
        at: usize,
        group: u32,
    ) -> Result<Node, NativeError> {
        let cover = self.covers[at];
        let Some(vectors) = &self.vectors else {
            return Ok(forest.leaf(group, f64::from(self.conditions[at] as f32), cover));
        };
        let place = if vectors.of_leaves { usize::try_from(self.right[at]).ok() } else { Some(at) };
        let start = place.and_then(|place| place.checked_mul(vectors.targets));
        let values = start.and_then(|start| vectors.values.get(start..start + vectors.targets));
        let Some(values) = values else {
            let expected = format!("{} values for leaf {at}", vectors.targets);
            return Err(tree.wrong(expected));
        };
        if forest.weights.len() > WEIGHTS_MAX {
            return Err(NativeError::too_many("leaf values", forest.weights.len(), WEIGHTS_MAX));
        }
        let first = forest.weights.len() as u32;
        for (sum, value) in (0..).zip(values) {
            forest.weights.push(LeafWeight { sum, value: f64::from(*value as f32) });
        }
        Ok(Node::Leaf { first, count: vectors.targets as u32, linear: None, cover })
    }

    fn split(&self, forest: &Forest, tree: &At<'_>, at: usize) -> Result<Node, NativeError> {
        let column = self.columns[at];
        if column as usize >= forest.columns {
            let expected = format!("columns 0 to {}", forest.columns.saturating_sub(1));
            let path = format!("{}.split_indices[{at}]", tree.path());
            return Err(NativeError::value(path, column.to_string(), expected));
        }
        let (left, right) = (self.left[at], self.right[at]);
        let nodes = self.left.len() as i64;
        if left >= nodes || !(0..nodes).contains(&right) {
            let path = format!("{}, node {at}", tree.path());
            let found = format!("children {left} and {right}");
            return Err(NativeError::value(path, found, format!("0 to {}", nodes - 1)));
        }
        let default_left = self.default_left[at] != 0.0;
        let (column, cover) = (column as u32, self.covers[at]);
        let (left, right) = (left as u32, right as u32);
        Ok(match self.sets[at] {
            // A category in the set goes right.
            Some(set) => Node::Split {
                column,
                test: Test::Member(set),
                missing_is_yes: !default_left,
                yes: right,
                no: left,
                cover,
            },
            None => Node::Split {
                column,
                test: Test::Less(f64::from(self.conditions[at] as f32)),
                missing_is_yes: default_left,
                yes: left,
                no: right,
                cover,
            },
        })
    }
}

/// The sets of categories that nodes test for.
fn sets(forest: &mut Forest, tree: &At<'_>, count: usize) -> Result<Vec<Option<u32>>, NativeError> {
    let mut sets = vec![None; count];
    let Some(types) = tree.find("split_type") else { return Ok(sets) };
    let types = types.numbers_of(count)?;
    if types.iter().all(|kind| *kind == 0.0) {
        return Ok(sets);
    }
    let limit = i64::from(u32::MAX);
    let members = tree.get("categories")?.integers(0, 1 << 25)?;
    let nodes = tree.get("categories_nodes")?;
    let nodes_of = nodes.integers(0, count as i64 - 1)?;
    let starts = tree.get("categories_segments")?.integers(0, limit)?;
    let sizes = tree.get("categories_sizes")?.integers(0, limit)?;
    if starts.len() != nodes_of.len() || sizes.len() != nodes_of.len() {
        return Err(nodes.wrong("as many as `categories_segments` and `categories_sizes`"));
    }
    for ((node, start), size) in nodes_of.iter().zip(starts).zip(sizes) {
        let Some(members) = members.get(start as usize..(start + size) as usize) else {
            return Err(nodes.wrong("segments that lie in `categories`"));
        };
        let set = forest.sets.add_members(members.iter().map(|member| *member as u32));
        let set = set.ok_or_else(|| NativeError::too_many("categories", members.len(), 1 << 29))?;
        sets[*node as usize] = Some(set);
    }
    match types.iter().zip(&sets).position(|(kind, set)| (*kind != 0.0) != set.is_some()) {
        None => Ok(sets),
        Some(at) => {
            let found = format!("node {at} with and without categories");
            Err(NativeError::value(nodes.path(), found, "the nodes of `split_type` 1"))
        }
    }
}

/// The values of leaves of several targets.
fn vectors(forest: &Forest, tree: &At<'_>, count: usize) -> Result<Option<Vectors>, NativeError> {
    let param = tree.get("tree_param")?;
    let size = param.get("size_leaf_vector")?;
    // 0 and 1 are the same: one value.
    let targets = size.count(SUMS_MAX)?.max(1);
    if targets == 1 {
        return Ok(None);
    }
    if targets != forest.sums() {
        return Err(size.wrong(format!("{}, one for each target", forest.sums())));
    }
    if let Some(values) = tree.find("leaf_weights") {
        return Ok(Some(Vectors { targets, values: values.numbers()?, of_leaves: true }));
    }
    let values = tree.get("base_weights")?.numbers_of(count * targets)?;
    Ok(Some(Vectors { targets, values, of_leaves: false }))
}
