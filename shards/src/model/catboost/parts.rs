//! What both of the library's formats say, before it is made a forest.

use std::collections::HashMap;

use super::ctr::{Combination, CtrFeature, Tables};

/// How a missing number is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Missing {
    /// Greater than no border.
    Least,
    /// Greater than every border.
    Greatest,
}

/// A column of numbers.
#[derive(Debug)]
pub(super) struct FloatFeature {
    /// Its number among those.
    pub(super) index: usize,
    /// Its number among all columns.
    pub(super) flat: usize,
    pub(super) name: String,
    pub(super) borders: Vec<f32>,
    pub(super) missing: Missing,
}

/// A column of categories.
#[derive(Debug)]
pub(super) struct CatFeature {
    pub(super) index: usize,
    pub(super) flat: usize,
    pub(super) name: String,
    /// The texts of categories that trees test for, where the file has them.
    pub(super) texts: Vec<String>,
}

/// A test that trees share: bit 1 where it holds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Split {
    /// The number of a float feature, by its place, is greater than the border.
    Float { place: usize, border: f32 },
    /// The hash of a categorical feature, by its place, is this one.
    OneHot { place: usize, value: i32 },
    /// The value of a CTR feature, by its place, is greater than the border.
    Ctr { place: usize, border: f32 },
}

/// A tree.
#[derive(Debug)]
pub(super) enum Shape {
    /// All nodes of a level make the same test; level `l` is bit `l` of the leaf's number.
    Symmetric(Vec<Split>),
    /// Nodes, the root first.
    Any(Vec<Step>),
}

/// A node of a tree that is not symmetric.
#[derive(Debug, Clone, Copy)]
pub(super) enum Step {
    /// A test, where rows go that fail it, and those that pass.
    Test(Split, usize, usize),
    /// A leaf, by its number in the tree.
    Leaf(usize),
}

/// A tree with its leaves.
#[derive(Debug)]
pub(super) struct TreeParts {
    pub(super) shape: Shape,
    /// For each leaf a value for each sum.
    pub(super) values: Vec<f64>,
    /// The leaves' weights, or nothing.
    pub(super) weights: Vec<f64>,
}

/// A model.
#[derive(Debug)]
pub(super) struct Parts {
    pub(super) sums: usize,
    pub(super) floats: Vec<FloatFeature>,
    pub(super) cats: Vec<CatFeature>,
    pub(super) places: Places,
    pub(super) ctrs: Vec<CtrFeature>,
    pub(super) tables: Tables,
    pub(super) trees: Vec<TreeParts>,
    pub(super) scale: f64,
    pub(super) biases: Vec<f64>,
    /// The loss function's name.
    pub(super) loss: String,
    /// The classes' names.
    pub(super) classes: Vec<String>,
}

/// Where a model's features are among those of their kind, by number.
#[derive(Debug, Default)]
pub(super) struct Places {
    floats: HashMap<usize, usize>,
    cats: HashMap<usize, usize>,
}

impl Places {
    /// The places of these features.
    pub(super) fn of(floats: &[FloatFeature], cats: &[CatFeature]) -> Self {
        let floats = floats.iter().enumerate().map(|(place, feature)| (feature.index, place));
        let cats = cats.iter().enumerate().map(|(place, feature)| (feature.index, place));
        Self { floats: floats.collect(), cats: cats.collect() }
    }
}

impl Parts {
    /// A model of these features, without trees yet.
    pub(super) fn new(floats: Vec<FloatFeature>, cats: Vec<CatFeature>) -> Self {
        Self {
            sums: 0,
            places: Places::of(&floats, &cats),
            floats,
            cats,
            ctrs: Vec::new(),
            tables: Tables::new(),
            trees: Vec::new(),
            scale: 1.0,
            biases: Vec::new(),
            loss: String::new(),
            classes: Vec::new(),
        }
    }

    /// The place of the float feature with number `index`.
    pub(super) fn float(&self, index: usize) -> Option<usize> {
        self.places.floats.get(&index).copied()
    }

    /// The place of the categorical feature with number `index`.
    pub(super) fn cat(&self, index: usize) -> Option<usize> {
        self.places.cats.get(&index).copied()
    }

    /// Whether the features that a combination names are there.
    pub(super) fn knows(&self, combination: &Combination) -> bool {
        combination.cats.iter().all(|index| self.cat(*index).is_some())
            && combination.floats.iter().all(|(index, _)| self.float(*index).is_some())
            && combination.one_hot.iter().all(|(index, _)| self.cat(*index).is_some())
    }
}
