//! Trees as their own library trained them, whichever library that was.
//!
//! `model::lightgbm`, `model::xgboost` and `model::catboost` each read one file format into a
//! [`Trained`]: a [`Forest`] (or a linear model), its [`columns`](ModelColumn), its classes and its
//! [`Objective`]. Nothing that a file says is lost on the way: thresholds are 64 bits wide,
//! categories are bit sets ([`CategorySets`]), missing values have their side at each node, and
//! each node has its cover count. `trees` makes kernels of it; `native` is the model that is served.
//!
//! What is *not* here: any file format, and how rows are walked.

mod columns;
mod error;
mod linear;
mod native;
mod objective;
mod prepare;
mod sets;
mod trained;

pub use columns::{Category, ColumnKind, ModelColumn};
pub use error::NativeError;
pub(in crate::model) use linear::Linear;
pub(in crate::model) use native::{NativeModel, ReadNative, check_columns};
pub use objective::{Curve, Joint, Link, Objective};
pub(in crate::model) use prepare::{Derive, Preparation, PreparedRows};
pub use sets::CategorySets;
pub(in crate::model) use trained::{Program, Trained};

use crate::features::Precision;

/// A test of one column.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Test {
    /// `x <= t`
    AtMost(f64),
    /// `x < t`
    Less(f64),
    /// `x == t`
    Equal(f64),
    /// `x` is in this one of the forest's [`CategorySets`].
    Member(u32),
}

/// A node of a tree. Cover is what the library counted in training: rows, or the sum of weights
/// or hessians where it keeps no count; 0 where the file says nothing.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Node {
    /// A test and where it leads.
    Split {
        /// The column of a prepared row.
        column: u32,
        /// What is asked.
        test: Test,
        /// A missing value (NaN) goes to `yes`.
        missing_is_yes: bool,
        /// The node for rows that pass, by its place in the tree.
        yes: u32,
        /// The node for the others.
        no: u32,
        /// Its cover.
        cover: f64,
    },
    /// A leaf.
    Leaf {
        /// The first of its weights among the forest's.
        first: u32,
        /// How many weights it has.
        count: u32,
        /// Its linear part among the forest's, which takes the weight's place.
        linear: Option<u32>,
        /// Its cover.
        cover: f64,
    },
}

/// A tree: its nodes, the root first.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Tree {
    /// The nodes; each but the root is one node's child. Nodes that none leads to are ignored.
    pub nodes: Vec<Node>,
}

/// What a leaf adds to one sum.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LeafWeight {
    /// The sum, from 0.
    pub sum: u32,
    /// What is added.
    pub value: f64,
}

/// A leaf that is a linear function of the row; its weight's value counts where a cell is missing.
#[derive(Debug, Clone, PartialEq)]
pub struct LinearLeaf {
    /// The constant.
    pub constant: f64,
    /// Columns and their coefficients, in the order in which they are added.
    pub terms: Vec<(u32, f64)>,
}

/// A forest as its library computes it.
#[derive(Debug, Clone, PartialEq)]
pub struct Forest {
    /// What cells are compared and leaves summed in.
    pub precision: Precision,
    /// Columns of a prepared row.
    pub columns: usize,
    /// The trees, in the order in which they are added.
    pub trees: Vec<Tree>,
    /// The weights of all leaves.
    pub weights: Vec<LeafWeight>,
    /// The linear parts of leaves.
    pub linear: Vec<LinearLeaf>,
    /// The sets of categories that nodes test for.
    pub sets: CategorySets,
    /// Where each sum starts: as many as there are sums.
    pub starts: Vec<f64>,
    /// What each sum is divided by at the end, to make a prediction of it; the margin is not.
    pub divisor: f64,
    /// What is added to each sum at the end: as many as there are sums.
    pub biases: Vec<f64>,
}

impl Forest {
    /// A forest without trees, for a parser to fill.
    pub fn new(precision: Precision, columns: usize, sums: usize) -> Self {
        Self {
            precision,
            columns,
            trees: Vec::new(),
            weights: Vec::new(),
            linear: Vec::new(),
            sets: CategorySets::default(),
            starts: vec![0.0; sums],
            divisor: 1.0,
            biases: vec![0.0; sums],
        }
    }

    /// How many sums a row has.
    pub fn sums(&self) -> usize {
        self.biases.len()
    }

    /// Adds a leaf's only weight and returns the leaf.
    pub fn leaf(&mut self, sum: u32, value: f64, cover: f64) -> Node {
        let first = self.weights.len() as u32;
        self.weights.push(LeafWeight { sum, value });
        Node::Leaf { first, count: 1, linear: None, cover }
    }
}
