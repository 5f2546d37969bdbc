//! Why a model file's tree ensemble is refused.

/// What is wrong with a tree ensemble. Trees and nodes are named by the ids that the file gives.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum EnsembleError {
    /// Two arrays that go together have different lengths.
    #[error("`{attribute}` has {found} values, expected {expected}, as many as `{like}`")]
    Length {
        /// The attribute of the wrong length.
        attribute: &'static str,
        /// Its length.
        found: usize,
        /// The length it should have.
        expected: usize,
        /// The attribute that sets the length.
        like: &'static str,
    },
    /// The ensemble has no nodes at all.
    #[error("`nodes_treeids` is empty: an ensemble needs at least one tree")]
    Empty,
    /// More of something than is allowed.
    #[error("found {found} {what}, at most {limit} are allowed")]
    TooMany {
        /// What there is too much of.
        what: &'static str,
        /// How many there are.
        found: usize,
        /// How many are allowed.
        limit: usize,
    },
    /// The ensemble has no class or no target.
    #[error("found no class label or target, expected at least one")]
    NoOutput,
    /// Two nodes of a tree have the same id.
    #[error("tree {tree}: node {node} is there twice")]
    DuplicateNode {
        /// The tree's id.
        tree: i64,
        /// The node's id.
        node: i64,
    },
    /// A child that does not exist.
    #[error("tree {tree}, node {node}: its {side} child is node {child}, which is not there")]
    NoSuchChild {
        /// The tree's id.
        tree: i64,
        /// The parent's id.
        node: i64,
        /// `true` or `false`.
        side: &'static str,
        /// The id that the parent names.
        child: i64,
    },
    /// A node with two parents, a root with a parent, or a cycle.
    #[error("tree {tree}: node {node} is reached twice; every node but the root has one parent")]
    SharedChild {
        /// The tree's id.
        tree: i64,
        /// The node's id.
        node: i64,
    },
    /// Nodes that no path from the root reaches.
    #[error("tree {tree}: {found} of its {expected} nodes are reached from its root, node {root}")]
    Unreachable {
        /// The tree's id.
        tree: i64,
        /// The root's id.
        root: i64,
        /// How many nodes were reached.
        found: usize,
        /// How many nodes the tree has.
        expected: usize,
    },
    /// A tree deeper than allowed.
    #[error("tree {tree} is deeper than {limit} branches")]
    TooDeep {
        /// The tree's id.
        tree: i64,
        /// The allowed depth.
        limit: usize,
    },
    /// A node reads a column that cannot exist.
    #[error("tree {tree}, node {node}: reads column {column}, expected 0 to {limit}")]
    Column {
        /// The tree's id.
        tree: i64,
        /// The node's id.
        node: i64,
        /// The column's number.
        column: i64,
        /// The highest column allowed.
        limit: usize,
    },
    /// A threshold that is NaN or that the model's precision cannot hold.
    #[error("tree {tree}, node {node}: threshold {threshold} is not a {precision} number")]
    Threshold {
        /// The tree's id.
        tree: i64,
        /// The node's id.
        node: i64,
        /// The threshold.
        threshold: f64,
        /// `32-bit` or `64-bit`.
        precision: &'static str,
    },
    /// A leaf weight or base value that is not finite or that the precision cannot hold.
    #[error("`{attribute}`[{index}] is {value}, expected a finite {precision} number")]
    Number {
        /// The attribute's name.
        attribute: &'static str,
        /// The position in it.
        index: usize,
        /// The value.
        value: f64,
        /// `32-bit` or `64-bit`.
        precision: &'static str,
    },
    /// The greatest sum that a row could reach is not a finite number.
    #[error("the leaf weights can sum up to {found}, more than a {precision} number holds")]
    Overflow {
        /// The greatest sum of magnitudes.
        found: f64,
        /// `32-bit` or `64-bit`.
        precision: &'static str,
    },
    /// A leaf weight for a node that is not there or is not a leaf.
    #[error("weight {index} belongs to node {node} of tree {tree}, which is not a leaf there")]
    NotALeaf {
        /// The position among the weights.
        index: usize,
        /// The tree's id.
        tree: i64,
        /// The node's id.
        node: i64,
    },
    /// A leaf weight for a class or target that is not there.
    #[error("weight {index} belongs to class or target {output}, expected 0 to {limit}")]
    NoSuchOutput {
        /// The position among the weights.
        index: usize,
        /// The class or target it names.
        output: i64,
        /// The highest one there is.
        limit: usize,
    },
    /// A number of base values that the operator does not define.
    #[error("`base_values` has {found} values, expected {expected}")]
    BaseValues {
        /// How many there are.
        found: usize,
        /// What is allowed.
        expected: String,
    },
    /// A combination that no runtime defines.
    #[error("post_transform PROBIT is not defined for a two-class model with one class's weights")]
    BinaryProbit,
}
