//! Explains tree ensembles, in the instructions that the CPU has.

use super::alone::{self, LoneRoom, LoneTree};
#[cfg(target_arch = "x86_64")]
use super::avx2::{self, Avx2};
#[cfg(target_arch = "x86_64")]
use super::avx512::{self, Avx512};
use super::block::{self, Room};
use super::outline::{Outline, OutlineError};
use super::program::{Places, TreeProgram};
use super::quadrature::Quadrature;
use super::wide::{Lanes, Portable, ROWS, Wide};
use crate::features::Cells;
use crate::model::trees::KernelChoice;

/// Rows that are explained one by one: a block of eight costs as much as these.
const LONE_ROWS_MAX: usize = 2;

/// Blocks that a tree's constants are used for while they are at hand.
const BLOCKS_MAX: usize = 8;

/// Exact Shapley values of an ensemble's margin, against the rows that it was trained on: the
/// path-dependent values of `shap.TreeExplainer` (Lundberg et al. 2020, algorithm 1).
///
/// A row's contributions have the same bits in any batch, at any position and on any CPU.
#[derive(Debug, Clone)]
pub struct TreeExplainer {
    /// The columns that the trees read, ascending.
    read: Vec<u32>,
    columns: usize,
    /// The columns that share each sum.
    credited: Vec<Vec<u32>>,
    /// How many columns there are that they may go to.
    width: usize,
    is_single: bool,
    base: f64,
    trees: Vec<TreeProgram>,
    /// By how many points a tree has.
    rules: Vec<Quadrature>,
    instructions: Instructions,
    room: Room,
    cells: Vec<Lanes>,
    sums: Vec<Lanes>,
    lone_trees: Vec<LoneTree>,
    lone_room: LoneRoom,
    lone_cells: Vec<f64>,
    lone_sums: Vec<f64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Instructions {
    Portable,
    #[cfg(target_arch = "x86_64")]
    Avx2,
    #[cfg(target_arch = "x86_64")]
    Avx512,
}

impl TreeExplainer {
    /// Makes ready what explaining needs.
    ///
    /// # Errors
    /// The outline is no forest, or its covers don't say how training rows were shared out.
    pub fn new(outline: &Outline, kernel: KernelChoice) -> Result<Self, OutlineError> {
        outline.check()?;
        let read = distinct(outline.trees.iter().flat_map(columns_of));
        let credited = outline.credits_read();
        let places = |column: u32| Places {
            column: place_in(&read, column),
            player: outline.player_of(column),
            credit: place_in(&credited, outline.credit_of(column)),
        };
        let mut trees: Vec<_> =
            outline.trees.iter().map(|tree| TreeProgram::new(tree, places)).collect();
        let base = outline.base + trees.iter().map(|tree| tree.mean).sum::<f64>();
        trees.retain(|tree| !tree.steps.is_empty());
        let points_max = trees.iter().map(|tree| tree.points).max().unwrap_or(0);
        Ok(Self {
            columns: outline.columns,
            is_single: outline.is_single,
            base,
            room: Room::for_all(&trees),
            lone_trees: trees.iter().map(LoneTree::new).collect(),
            lone_room: LoneRoom::for_all(&trees),
            lone_cells: vec![0.0; read.len()],
            lone_sums: vec![0.0; credited.len()],
            trees,
            rules: (0..=points_max).map(Quadrature::of).collect(),
            instructions: Instructions::of(kernel),
            cells: Vec::new(),
            sums: Vec::new(),
            width: outline.credited(),
            credited: credited.iter().map(|credit| outline.shared_by(*credit)).collect(),
            read,
        })
    }

    /// The mean margin of the training rows: a row's margin is this plus its contributions.
    pub fn base(&self) -> f64 {
        self.base
    }

    /// How many columns a row has.
    pub fn columns(&self) -> usize {
        self.columns
    }

    /// How many contributions a row has: one for each column, or one for each that the columns were
    /// made of.
    pub fn width(&self) -> usize {
        self.width
    }

    /// Writes `rows × width` contributions, row-major; `cells` are `rows × columns`.
    pub fn explain(&mut self, cells: Cells<'_>, rows: usize, contributions: &mut [f64]) {
        assert_eq!(contributions.len(), rows * self.width, "one contribution a column");
        contributions.fill(0.0);
        let mut first = 0;
        while first < rows {
            let count = (rows - first).min(BLOCKS_MAX * ROWS);
            if count <= LONE_ROWS_MAX {
                (first..rows).for_each(|row| self.explain_one(cells, row, contributions));
                return;
            }
            self.explain_some(cells, first, count);
            self.write(first, count, contributions);
            first += count;
        }
    }

    /// A row by itself.
    fn explain_one(&mut self, cells: Cells<'_>, row: usize, contributions: &mut [f64]) {
        for (cell, column) in self.lone_cells.iter_mut().zip(&self.read) {
            *cell = cell_at(cells, row * self.columns + *column as usize, self.is_single);
        }
        self.lone_sums.fill(0.0);
        let Self { trees, lone_trees, rules, lone_cells, lone_sums, lone_room, .. } = self;
        let (row_trees, instructions) =
            (LoneTrees { trees, alone: lone_trees, rules, cells: lone_cells }, self.instructions);
        match instructions {
            Instructions::Portable => row_trees.add(lone_room, lone_sums),
            // SAFETY: `Instructions::of` found that the CPU has them.
            #[cfg(target_arch = "x86_64")]
            Instructions::Avx2 => unsafe { add_one_avx2(&row_trees, lone_room, lone_sums) },
            // SAFETY: as above.
            #[cfg(target_arch = "x86_64")]
            Instructions::Avx512 => unsafe { add_one_avx512(&row_trees, lone_room, lone_sums) },
        }
        let own = &mut contributions[row * self.width..][..self.width];
        for (sum, columns) in self.lone_sums.iter().zip(&self.credited) {
            for column in columns {
                own[*column as usize] += sum / columns.len() as f64;
            }
        }
    }

    /// Computes the sums of rows `first..first + count`.
    fn explain_some(&mut self, cells: Cells<'_>, first: usize, count: usize) {
        let (blocks, width) = (count.div_ceil(ROWS), self.read.len());
        self.cells.clear();
        self.cells.resize(blocks * width, Lanes::default());
        self.sums.clear();
        self.sums.resize(blocks * self.credited.len(), Lanes::default());
        for row in 0..count {
            for (place, column) in self.read.iter().enumerate() {
                let at = (first + row) * self.columns + *column as usize;
                let cell = cell_at(cells, at, self.is_single);
                self.cells[row / ROWS * width + place].0[row % ROWS] = cell;
            }
        }
        if width > 0 {
            self.add_trees();
        }
    }

    fn add_trees(&mut self) {
        let Self { trees, rules, cells, sums, room, instructions, .. } = self;
        let (read, credited) = (self.read.len(), self.credited.len());
        let blocks = Blocks { trees, rules, cells, read, credited };
        match instructions {
            // SAFETY: plain arrays need no feature.
            Instructions::Portable => unsafe { blocks.add::<Portable>(room, sums) },
            // SAFETY: `Instructions::of` found that the CPU has them.
            #[cfg(target_arch = "x86_64")]
            Instructions::Avx2 => unsafe { add_avx2(&blocks, room, sums) },
            // SAFETY: as above.
            #[cfg(target_arch = "x86_64")]
            Instructions::Avx512 => unsafe { add_avx512(&blocks, room, sums) },
        }
    }

    fn write(&self, first: usize, count: usize, contributions: &mut [f64]) {
        let credited = self.credited.len();
        for row in 0..count {
            let own = &mut contributions[(first + row) * self.width..][..self.width];
            for (place, columns) in self.credited.iter().enumerate() {
                let sum = self.sums[row / ROWS * credited + place].0[row % ROWS];
                for column in columns {
                    own[*column as usize] += sum / columns.len() as f64;
                }
            }
        }
    }
}

impl Instructions {
    /// Those of a kernel, as far as the CPU has them: all give the same bits.
    fn of(kernel: KernelChoice) -> Self {
        #[cfg(target_arch = "x86_64")]
        {
            let (any, two) = (KernelChoice::Auto, KernelChoice::Avx2);
            if [any, KernelChoice::Avx512].contains(&kernel) && avx512::is_available() {
                return Self::Avx512;
            }
            if [any, two, KernelChoice::Avx512].contains(&kernel) && avx2::is_available() {
                return Self::Avx2;
            }
        }
        Self::Portable
    }
}

/// A cell as trees of this precision compare it.
pub(super) fn cell_at(cells: Cells<'_>, at: usize, is_single: bool) -> f64 {
    match cells {
        Cells::F32(cells) => f64::from(cells[at]),
        Cells::F64(cells) if is_single => f64::from(cells[at] as f32),
        Cells::F64(cells) => cells[at],
    }
}

/// One row, and the trees to run for it.
struct LoneTrees<'a> {
    trees: &'a [TreeProgram],
    alone: &'a [LoneTree],
    rules: &'a [Quadrature],
    cells: &'a [f64],
}

impl LoneTrees<'_> {
    /// Adds the contributions of every tree to `sums`.
    #[inline(always)]
    fn add(&self, room: &mut LoneRoom, sums: &mut [f64]) {
        for (tree, lone) in self.trees.iter().zip(self.alone) {
            alone::add_tree(tree, lone, &self.rules[tree.points], self.cells, room, sums);
        }
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
fn add_one_avx2(row: &LoneTrees<'_>, room: &mut LoneRoom, sums: &mut [f64]) {
    row.add(room, sums);
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512dq")]
fn add_one_avx512(row: &LoneTrees<'_>, room: &mut LoneRoom, sums: &mut [f64]) {
    row.add(room, sums);
}

/// Some blocks of rows, and the trees to run for them.
struct Blocks<'a> {
    trees: &'a [TreeProgram],
    rules: &'a [Quadrature],
    cells: &'a [Lanes],
    /// How many columns are read.
    read: usize,
    /// How many columns contributions go to.
    credited: usize,
}

impl Blocks<'_> {
    /// Adds the contributions of every tree to `sums`.
    ///
    /// # Safety
    /// As for [`Wide`].
    #[inline(always)]
    unsafe fn add<W: Wide>(&self, room: &mut Room, sums: &mut [Lanes]) {
        for tree in self.trees {
            let rule = &self.rules[tree.points];
            let blocks = self.cells.chunks_exact(self.read);
            for (cells, sums) in blocks.zip(sums.chunks_exact_mut(self.credited)) {
                // SAFETY: as promised to this function.
                unsafe { block::add_tree::<W>(tree, rule, cells, room, sums) };
            }
        }
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
fn add_avx2(blocks: &Blocks<'_>, room: &mut Room, sums: &mut [Lanes]) {
    // SAFETY: this function has the features.
    unsafe { blocks.add::<Avx2>(room, sums) }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512dq")]
fn add_avx512(blocks: &Blocks<'_>, room: &mut Room, sums: &mut [Lanes]) {
    // SAFETY: this function has the features.
    unsafe { blocks.add::<Avx512>(room, sums) }
}

fn columns_of(tree: &super::outline::TreeOutline) -> impl Iterator<Item = u32> + '_ {
    tree.nodes.iter().filter_map(|node| match node {
        super::outline::Node::Branch { column, .. } => Some(*column),
        super::outline::Node::Leaf(_) => None,
    })
}

/// The distinct ones, ascending.
fn distinct(columns: impl Iterator<Item = u32>) -> Vec<u32> {
    let mut columns: Vec<_> = columns.collect();
    columns.sort_unstable();
    columns.dedup();
    columns
}

fn place_in(columns: &[u32], column: u32) -> u32 {
    columns.partition_point(|known| *known < column) as u32
}
