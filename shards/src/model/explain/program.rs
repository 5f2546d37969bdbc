//! A tree as the steps of its branches, with their constants at each point of a quadrature.

use super::outline::{Node, SplitTest, TreeOutline};
use super::quadrature::Quadrature;

/// No branch.
const NONE: u32 = u32::MAX;

/// Where a branch leads.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Way {
    /// To the step of this number, which is greater than that of the branch.
    Step(u32),
    /// To a leaf of this value.
    Leaf(f64),
}

/// What rows do at a branch whose column was tested before on the path.
#[derive(Debug, Clone, Copy)]
pub(super) struct Before {
    /// The last step that tested it.
    pub(super) step: u32,
    /// Whether this path takes that step's `yes`.
    pub(super) took_yes: bool,
}

/// Where a column's cells are read from and its contributions go to.
#[derive(Debug, Clone, Copy)]
pub(super) struct Places {
    /// The place among the columns that are read.
    pub(super) column: u32,
    /// What is known or unknown together has the same number.
    pub(super) player: u32,
    /// The place among the columns that contributions go to.
    pub(super) credit: u32,
}

/// A branch.
#[derive(Debug, Clone)]
pub(super) struct Step {
    /// The place of its column among the columns that are read.
    pub(super) column: u32,
    /// What is known or unknown together.
    player: u32,
    /// The place that its contributions go to.
    pub(super) credit: u32,
    pub(super) test: SplitTest,
    pub(super) nan_is_yes: bool,
    pub(super) yes: Way,
    pub(super) no: Way,
    /// The share of training rows at the branch that passed.
    pub(super) share: f64,
    pub(super) before: Option<Before>,
    /// Where its constants start, see [`TreeProgram::constants`].
    pub(super) constants: u32,
}

/// A tree made ready to be explained.
#[derive(Debug, Clone)]
pub(super) struct TreeProgram {
    /// Parents come before their children. None for a tree that is a leaf.
    pub(super) steps: Vec<Step>,
    /// Of each step, for each point: the weight of `yes` where the row passes, and where it does
    /// not. Where the column was tested before, that holds for rows that passed that test too, and
    /// the derivatives of both follow.
    pub(super) constants: Vec<f64>,
    /// How many points the quadrature has.
    pub(super) points: usize,
    /// How many constants a list has: as many as there are points, and what fills a register.
    pub(super) stride: usize,
    /// The mean of the tree over the training rows.
    pub(super) mean: f64,
}

impl TreeProgram {
    /// The outline has been checked.
    pub(super) fn new(outline: &TreeOutline, place: impl Fn(u32) -> Places) -> Self {
        let mut layout = Layout::default();
        layout.lay_out(outline, place);
        let points = points_for(layout.columns_max);
        let mut program = Self {
            mean: mean_of(outline),
            steps: layout.steps,
            constants: Vec::new(),
            points,
            stride: stride_for(points),
        };
        program.fill_constants(&Quadrature::of(points), &layout.passed);
        program
    }

    /// `passed` is, of each step, the share of training rows that passed the tests of its column
    /// before it on the path.
    fn fill_constants(&mut self, rule: &Quadrature, passed: &[f64]) {
        for (step, &passed) in self.steps.iter_mut().zip(passed) {
            step.constants = self.constants.len() as u32;
            let share = step.share * passed;
            // With t for rows that pass: the weight of rows that come here, and of those that go on.
            let here = |t: f64| t + passed * (1.0 - t);
            let on = |passes: f64, t: f64| passes * t + share * (1.0 - t);
            let slope = |passes: f64, t: f64| {
                ((passes - share) * here(t) - on(passes, t) * (1.0 - passed)) / here(t).powi(2)
            };
            let filling = std::iter::repeat_n(0.0, self.stride - self.points);
            for passes in [1.0, 0.0] {
                let weights = rule.points.iter().map(|t| on(passes, *t) / here(*t));
                self.constants.extend(weights.chain(filling.clone()));
            }
            if step.before.is_some() {
                for passes in [1.0, 0.0] {
                    let slopes = rule.points.iter().map(|t| slope(passes, *t));
                    self.constants.extend(slopes.chain(filling.clone()));
                }
            }
        }
    }
}

/// How many points a tree has whose paths test at most so many players' columns: there is code
/// for some numbers, and more points than needed are as exact.
fn points_for(columns_max: usize) -> usize {
    match columns_max.div_ceil(2).max(1) {
        few @ ..=8 => few,
        some @ ..=16 => some.next_multiple_of(4),
        many => many.next_multiple_of(super::block::CHUNK),
    }
}

/// How many numbers are computed for so many points of a lone row.
fn stride_for(points: usize) -> usize {
    if points > 8 { points } else { points.next_power_of_two().max(2) }
}

/// The mean of a tree over its training rows.
fn mean_of(outline: &TreeOutline) -> f64 {
    let mut means = vec![0.0; outline.nodes.len()];
    for (place, node) in outline.nodes.iter().enumerate().rev() {
        means[place] = match node {
            Node::Leaf(value) => *value,
            Node::Branch { yes, no, .. } => {
                let share = share_of_yes(outline, *yes, *no);
                share * means[*yes as usize] + (1.0 - share) * means[*no as usize]
            }
        };
    }
    means.first().copied().unwrap_or(0.0)
}

/// The share of a branch's training rows that went to `yes`; half where no row came.
fn share_of_yes(outline: &TreeOutline, yes: u32, no: u32) -> f64 {
    let [yes, no] = [yes, no].map(|child| outline.covers[child as usize]);
    if yes + no > 0.0 { yes / (yes + no) } else { 0.5 }
}

/// What is known of the way to a node.
#[derive(Debug, Clone, Copy)]
struct OpenNode {
    node: u32,
    /// The step of its parent, and whether it is that step's `yes`.
    parent: u32,
    is_yes: bool,
    /// How many distinct columns are tested before it.
    columns: usize,
}

#[derive(Debug, Default)]
struct Layout {
    steps: Vec<Step>,
    /// Of each step, its parent and whether it is the parent's `yes`.
    parents: Vec<(u32, bool)>,
    passed: Vec<f64>,
    columns_max: usize,
}

impl Layout {
    /// Lays the branches out in preorder.
    fn lay_out(&mut self, outline: &TreeOutline, place: impl Fn(u32) -> Places) {
        let mut open = vec![OpenNode { node: 0, parent: NONE, is_yes: false, columns: 0 }];
        while let Some(at) = open.pop() {
            let Some(node) = outline.nodes.get(at.node as usize) else { continue };
            let number = self.steps.len() as u32;
            let (way, step) = match node {
                Node::Leaf(value) => (Way::Leaf(*value), None),
                Node::Branch { column, test, nan_is_yes, yes, no } => {
                    let Places { column, player, credit } = place(*column);
                    let before = self.last_test(at, player);
                    let step = Step {
                        column,
                        player,
                        credit,
                        test: test.clone(),
                        nan_is_yes: *nan_is_yes,
                        yes: Way::Leaf(0.0),
                        no: Way::Leaf(0.0),
                        share: share_of_yes(outline, *yes, *no),
                        before,
                        constants: 0,
                    };
                    let columns = at.columns + usize::from(before.is_none());
                    self.columns_max = self.columns_max.max(columns);
                    for (node, is_yes) in [(*no, false), (*yes, true)] {
                        open.push(OpenNode { node, parent: number, is_yes, columns });
                    }
                    (Way::Step(number), Some(step))
                }
            };
            if let Some(parent) = self.steps.get_mut(at.parent as usize) {
                *(if at.is_yes { &mut parent.yes } else { &mut parent.no }) = way;
            }
            if let Some(step) = step {
                self.passed.push(self.share_passed(step.before));
                self.steps.push(step);
                self.parents.push((at.parent, at.is_yes));
            }
        }
    }

    /// The last step on the way to `at` that tests a column of `player`.
    fn last_test(&self, at: OpenNode, player: u32) -> Option<Before> {
        let (mut step, mut took_yes) = (at.parent, at.is_yes);
        while let Some(known) = self.steps.get(step as usize) {
            if known.player == player {
                return Some(Before { step, took_yes });
            }
            (step, took_yes) = self.parents[step as usize];
        }
        None
    }

    /// The share of training rows that passed all tests of a column up to `before`.
    fn share_passed(&self, before: Option<Before>) -> f64 {
        let Some(Before { step, took_yes }) = before else { return 1.0 };
        let share = self.steps[step as usize].share;
        self.passed[step as usize] * if took_yes { share } else { 1.0 - share }
    }
}
