//! An ensemble as explanations read it: tests, leaf values, and how many rows took each branch.

/// A test of one column.
#[derive(Debug, Clone, PartialEq)]
pub enum SplitTest {
    /// `x <= threshold`.
    AtMost(f64),
    /// `x == value`.
    Equal(f64),
    /// The category that `x` is cut to towards zero is in the set.
    InSet {
        /// Bit `x % 64` of word `x / 64` says whether category `x` is in.
        words: Box<[u64]>,
        /// The least cell that may be in a set.
        least: f64,
    },
    /// `x` is one of these numbers, which are sorted by [`f64::total_cmp`]; none is −0.
    AnyOf(Box<[f64]>),
}

impl SplitTest {
    /// Whether a cell that is not NaN passes.
    #[expect(clippy::float_cmp, reason = "the test is an exact comparison")]
    pub(in crate::model) fn passes(&self, cell: f64) -> bool {
        match self {
            Self::AtMost(threshold) => cell <= *threshold,
            Self::Equal(value) => cell == *value,
            Self::InSet { words, least } => {
                // The cast cuts towards zero and saturates: what is too large is in no set.
                let category = cell as u64;
                let word = words.get((category / 64) as usize);
                cell >= *least && word.is_some_and(|word| word >> (category % 64) & 1 == 1)
            }
            // Adding zero makes one of the two zeros.
            Self::AnyOf(numbers) => {
                numbers.binary_search_by(|number| number.total_cmp(&(cell + 0.0))).is_ok()
            }
        }
    }
}

/// A node of a tree.
#[derive(Debug, Clone, PartialEq)]
pub enum Node {
    /// Rows that pass the test go to `yes`.
    Branch {
        /// The column that it reads, from 0.
        column: u32,
        /// The test.
        test: SplitTest,
        /// Whether NaN goes to `yes`.
        nan_is_yes: bool,
        /// The node where rows go that pass.
        yes: u32,
        /// The node where the others go.
        no: u32,
    },
    /// What it adds to the margin.
    Leaf(f64),
}

/// A tree, and the weight of the training rows that reached each node.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct TreeOutline {
    /// The first is the root; children come after their parents.
    pub nodes: Vec<Node>,
    /// One a node, not negative.
    pub covers: Vec<f64>,
}

/// What the columns that trees read were made of.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Origins {
    /// Of each column that trees may read, its place in `shared`.
    pub of: Vec<u32>,
    /// Columns that share a contribution equally; most often one.
    pub shared: Vec<Vec<u32>>,
    /// How many columns there are that contributions go to.
    pub columns: usize,
    /// Whether columns of the same origin are known or unknown together. Else each has its own
    /// Shapley value, and these are added up.
    pub are_joint: bool,
}

/// An ensemble whose margin is `base` plus the value of one leaf of each tree.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Outline {
    /// How many columns a row has.
    pub columns: usize,
    /// What its columns were made of; none where contributions are of the columns themselves.
    pub origins: Option<Origins>,
    /// The margin without any tree.
    pub base: f64,
    /// The trees.
    pub trees: Vec<TreeOutline>,
    /// Whether cells are rounded to 32 bits before they are compared.
    pub is_single: bool,
}

/// Why an outline cannot be explained.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum OutlineError {
    /// The covers don't tell how training rows were shared out.
    #[error(
        "tree {tree}, node {node}: its cover is {found}, expected a finite number that is not \
         negative, for the share of training rows that took each branch"
    )]
    Cover {
        /// The tree, from 0.
        tree: usize,
        /// The node, from 0.
        node: usize,
        /// Its cover.
        found: f64,
    },
    /// A node's child isn't one that follows it.
    #[error("tree {tree}, node {node}: child {child} is not one of the {nodes} nodes after it")]
    Child {
        /// The tree, from 0.
        tree: usize,
        /// The node, from 0.
        node: usize,
        /// The child.
        child: u32,
        /// How many nodes the tree has.
        nodes: usize,
    },
    /// A column was made of nothing, or of a column that there is not.
    #[error("what column {column} was made of is not among the {columns} columns")]
    Origin {
        /// The column, from 0.
        column: usize,
        /// How many columns there are.
        columns: usize,
    },
    /// A test reads a column that rows don't have.
    #[error("tree {tree}, node {node}: it reads column {column}, rows have {columns}")]
    Column {
        /// The tree, from 0.
        tree: usize,
        /// The node, from 0.
        node: usize,
        /// The column, from 0.
        column: u32,
        /// How many columns a row has.
        columns: usize,
    },
}

impl Outline {
    /// How many columns contributions go to.
    pub fn credited(&self) -> usize {
        self.origins.as_ref().map_or(self.columns, |origins| origins.columns)
    }

    /// Columns whose contributions go to the same columns have the same number.
    pub(super) fn credit_of(&self, column: u32) -> u32 {
        self.origins.as_ref().map_or(column, |origins| origins.of[column as usize])
    }

    /// The columns that share the contributions of number `credit`.
    pub(super) fn shared_by(&self, credit: u32) -> Vec<u32> {
        self.origins
            .as_ref()
            .map_or(vec![credit], |origins| origins.shared[credit as usize].clone())
    }

    /// What is known or unknown together with `column`: columns of the same number.
    pub(super) fn player_of(&self, column: u32) -> u32 {
        match &self.origins {
            Some(origins) if origins.are_joint => origins.of[column as usize],
            _ => column,
        }
    }

    /// The numbers of what columns that are read are credited to, ascending; see
    /// [`Outline::shared_by`].
    pub(super) fn credits_read(&self) -> Vec<u32> {
        let nodes = self.trees.iter().flat_map(|tree| &tree.nodes);
        let mut credits: Vec<_> = nodes
            .filter_map(|node| match node {
                Node::Branch { column, .. } => Some(self.credit_of(*column)),
                Node::Leaf(_) => None,
            })
            .collect();
        credits.sort_unstable();
        credits.dedup();
        credits
    }

    /// Checks that children follow their parents, each with one parent, that columns exist, and
    /// that covers are shares.
    pub(super) fn check(&self) -> Result<(), OutlineError> {
        self.check_shape()?;
        for (tree, outline) in self.trees.iter().enumerate() {
            for node in 0..outline.nodes.len() {
                let found = outline.covers.get(node).copied().unwrap_or(f64::NAN);
                if !found.is_finite() || found < 0.0 {
                    return Err(OutlineError::Cover { tree, node, found });
                }
            }
        }
        Ok(())
    }

    /// Checks all but the covers.
    pub(super) fn check_shape(&self) -> Result<(), OutlineError> {
        if let Some(Origins { of, shared, columns, .. }) = &self.origins {
            let is_there = |column: usize| {
                let shared = of.get(column).and_then(|place| shared.get(*place as usize));
                shared.is_some_and(|shared| {
                    !shared.is_empty() && shared.iter().all(|it| (*it as usize) < *columns)
                })
            };
            if let Some(column) = (0..self.columns).find(|column| !is_there(*column)) {
                return Err(OutlineError::Origin { column, columns: *columns });
            }
        }
        self.trees.iter().enumerate().try_for_each(|(tree, outline)| self.check_tree(tree, outline))
    }

    fn check_tree(&self, tree: usize, outline: &TreeOutline) -> Result<(), OutlineError> {
        let nodes = outline.nodes.len();
        let mut is_child = vec![false; nodes];
        for (node, what) in outline.nodes.iter().enumerate() {
            let Node::Branch { column, yes, no, .. } = what else { continue };
            if *column as usize >= self.columns {
                let (column, columns) = (*column, self.columns);
                return Err(OutlineError::Column { tree, node, column, columns });
            }
            for child in [*yes, *no] {
                let place = child as usize;
                if place <= node || place >= nodes || std::mem::replace(&mut is_child[place], true)
                {
                    return Err(OutlineError::Child { tree, node, child, nodes });
                }
            }
        }
        Ok(())
    }
}
