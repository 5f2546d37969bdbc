//! Reads `model.cbm`: four letters, a flatbuffer with the trees and features, then the tables of
//! CTR features, each a flatbuffer.

use std::collections::HashMap;

use super::ctr::{Combination, CtrBase, CtrFeature, CtrType, Table};
use super::flatbuffer::{self, Buffer};
use super::parts::{CatFeature, FloatFeature, Missing, Parts, Shape, Split, Step, TreeParts};
use super::{DEPTH_MAX, SUMS_MAX, TREES_MAX, json};
use crate::model::forest::NativeError;

/// What a file starts with.
const MAGIC: &[u8] = b"CBM1";
/// The part of a file that holds CTR tables.
const CTR_PART: &str = "static_provider_v1";
/// The bucket of a hash table that is empty.
const EMPTY: u64 = u64::MAX;

/// The model that the bytes are.
pub(super) fn read(bytes: &[u8]) -> Result<Parts, NativeError> {
    let mut stream = Stream { bytes, at: 0 };
    if stream.take(4)? != MAGIC {
        let reason = "expected \"CBM1\", as a CatBoost model starts".to_owned();
        return Err(NativeError::Syntax { offset: 0, reason });
    }
    let (core, offset) = stream.block()?;
    let core = Buffer::new(core, offset);
    let core = core.root()?;
    let version = core.text(0)?;
    if version != "FlabuffersModel_v1" {
        return Err(NativeError::value("FormatVersion", version, "FlabuffersModel_v1"));
    }
    let trees = core.table(1)?;
    let mut parts = features(&trees)?;
    let splits = splits(&trees, &mut parts)?;
    parts.trees = if trees.short_pairs(10)?.is_empty() {
        symmetric(&trees, &parts, &splits)?
    } else {
        any(&trees, &parts, &splits)?
    };
    for entry in core.tables(2)? {
        match entry.text(0)? {
            "params" => parts.loss = json::loss(entry.text(1)?)?,
            "class_params" => parts.classes = json::classes(entry.text(1)?)?,
            _ => {}
        }
    }
    if core.texts(3)?.contains(&CTR_PART) {
        parts.tables = tables(&mut stream)?;
    }
    Ok(parts)
}

/// The blocks of a file.
struct Stream<'b> {
    bytes: &'b [u8],
    at: usize,
}

impl<'b> Stream<'b> {
    fn take(&mut self, length: usize) -> Result<&'b [u8], NativeError> {
        let end = self.at.checked_add(length);
        let taken = end.and_then(|end| self.bytes.get(self.at..end));
        let Some(taken) = taken else {
            let reason = format!("expected {length} more bytes: the file is cut short");
            return Err(NativeError::Syntax { offset: self.at, reason });
        };
        self.at += length;
        Ok(taken)
    }

    fn count(&mut self) -> Result<usize, NativeError> {
        let mut bytes = [0; 4];
        bytes.copy_from_slice(self.take(4)?);
        match u32::from_le_bytes(bytes) {
            u32::MAX => {
                let mut bytes = [0; 8];
                bytes.copy_from_slice(self.take(8)?);
                Ok(u64::from_le_bytes(bytes) as usize)
            }
            count => Ok(count as usize),
        }
    }

    /// A length and as many bytes, with where they start.
    fn block(&mut self) -> Result<(&'b [u8], usize), NativeError> {
        let length = self.count()?;
        Ok((self.take(length)?, self.at - length))
    }
}

fn index(key: &str, index: i32, limit: usize) -> Result<usize, NativeError> {
    let found = usize::try_from(index).ok().filter(|index| *index < limit);
    found.ok_or_else(|| {
        NativeError::value(key, index.to_string(), format!("a number from 0 below {limit}"))
    })
}

/// All but the trees.
fn features(trees: &flatbuffer::Table<'_>) -> Result<Parts, NativeError> {
    let sums = trees.int(0, 1)?.max(0) as usize;
    if sums == 0 || sums > SUMS_MAX {
        let expected = format!("1 to {SUMS_MAX}");
        return Err(NativeError::value("ApproxDimension", sums.to_string(), expected));
    }
    let limit = super::COLUMNS_MAX;
    if !trees.tables(12)?.is_empty()
        || !trees.tables(13)?.is_empty()
        || !trees.tables(18)?.is_empty()
    {
        return Err(NativeError::unsupported(
            "features of text or embeddings",
            "train without them, or serve the model by its own library (backend = \"remote\")",
        ));
    }
    let mut floats = Vec::new();
    for feature in trees.tables(5)? {
        let has_nans = feature.byte(0, 0)? != 0;
        floats.push(FloatFeature {
            index: index("FloatFeatures.Index", feature.int(1, -1)?, limit)?,
            flat: index("FloatFeatures.FlatIndex", feature.int(2, -1)?, limit)?,
            borders: feature.floats(3)?,
            name: feature.text(4)?.to_owned(),
            missing: match feature.byte(5, 0)? {
                2 if has_nans => Missing::Greatest,
                _ => Missing::Least,
            },
        });
    }
    let mut cats = Vec::new();
    for feature in trees.tables(4)? {
        cats.push(CatFeature {
            index: index("CatFeatures.Index", feature.int(0, -1)?, limit)?,
            flat: index("CatFeatures.FlatIndex", feature.int(1, -1)?, limit)?,
            name: feature.text(2)?.to_owned(),
            texts: Vec::new(),
        });
    }
    let bias = trees.double(15, 0.0)?;
    let biases = trees.doubles(16)?;
    let biases = match biases.len() {
        0 if sums == 1 => vec![bias],
        0 => vec![0.0; sums],
        length if length == sums => biases,
        length => {
            let found = format!("{length} values");
            return Err(NativeError::value("MultiBias", found, format!("{sums}")));
        }
    };
    let scale = trees.double(14, 1.0)?;
    let mut parts = Parts { sums, scale, biases, ..Parts::new(floats, cats) };
    for feature in trees.tables(7)? {
        let feature = ctr(&feature)?;
        if !parts.knows(&feature.base.combination) {
            let found = "a feature that the model does not have";
            return Err(NativeError::value("CtrFeatures", found, "features of the model"));
        }
        parts.ctrs.push(feature);
    }
    Ok(parts)
}

fn base(table: &flatbuffer::Table<'_>) -> Result<CtrBase, NativeError> {
    let combination = table.table(0)?;
    let limit = super::COLUMNS_MAX;
    let cat = |at: &i32| index("CatFeatures", *at, limit);
    let cats: Result<_, _> = combination.ints(0)?.iter().map(cat).collect();
    let float = |pair: &[u32; 2]| {
        Ok((index("FloatSplits.Index", pair[0] as i32, limit)?, f32::from_bits(pair[1])))
    };
    let floats: Result<_, NativeError> = combination.word_pairs(1)?.iter().map(float).collect();
    let one_hot =
        |pair: &[u32; 2]| Ok((index("OneHotSplits.Index", pair[0] as i32, limit)?, pair[1] as i32));
    let one_hot: Result<_, NativeError> = combination.word_pairs(2)?.iter().map(one_hot).collect();
    let combination = Combination { cats: cats?, floats: floats?, one_hot: one_hot? };
    Ok(CtrBase { combination, kind: table.byte(1, 0)?, classifier: table.int(2, 0)? })
}

fn ctr(feature: &flatbuffer::Table<'_>) -> Result<CtrFeature, NativeError> {
    let ctr = feature.table(0)?;
    let base = base(&ctr.table(0)?)?;
    let kind = match base.kind {
        0 => CtrType::Borders,
        1 => CtrType::Buckets,
        2 | 3 => CtrType::Mean,
        4 | 5 => CtrType::Counter,
        other => return Err(NativeError::value("CtrType", other.to_string(), "0 to 5")),
    };
    Ok(CtrFeature {
        base,
        kind,
        target_border: index("TargetBorderIdx", ctr.int(1, 0)?, 1 << 16)?,
        prior: (ctr.float(2, 0.0)?, ctr.float(3, 1.0)?),
        shift: ctr.float(4, 0.0)?,
        scale: ctr.float(5, 1.0)?,
        borders: feature.floats(1)?,
    })
}

/// The tests that trees name by number: of floats, then of categories, then of CTR values.
fn splits(trees: &flatbuffer::Table<'_>, parts: &mut Parts) -> Result<Vec<Split>, NativeError> {
    let mut splits = Vec::new();
    for (place, feature) in parts.floats.iter().enumerate() {
        splits.extend(feature.borders.iter().map(|&border| Split::Float { place, border }));
    }
    for feature in trees.tables(6)? {
        let cat = index("OneHotFeatures.Index", feature.int(0, -1)?, super::COLUMNS_MAX)?;
        let Some(place) = parts.cat(cat) else {
            let expected = "a categorical feature";
            return Err(NativeError::value("OneHotFeatures.Index", cat.to_string(), expected));
        };
        parts.cats[place].texts = feature.texts(2)?.into_iter().map(str::to_owned).collect();
        splits.extend(feature.ints(1)?.into_iter().map(|value| Split::OneHot { place, value }));
    }
    for (place, feature) in parts.ctrs.iter().enumerate() {
        splits.extend(feature.borders.iter().map(|&border| Split::Ctr { place, border }));
    }
    Ok(splits)
}

fn split_of(splits: &[Split], at: i32) -> Result<Split, NativeError> {
    Ok(splits[index("TreeSplits", at, splits.len())?])
}

/// Trees of which each level makes one test.
fn symmetric(
    trees: &flatbuffer::Table<'_>,
    parts: &Parts,
    splits: &[Split],
) -> Result<Vec<TreeParts>, NativeError> {
    let (sizes, numbers) = (trees.ints(2)?, trees.ints(1)?);
    let (values, weights) = (trees.doubles(8)?, trees.doubles(9)?);
    check_count(sizes.len())?;
    let (mut numbers, mut values, mut weights) =
        (numbers.as_slice(), values.as_slice(), weights.as_slice());
    let mut made = Vec::with_capacity(sizes.len());
    for size in sizes {
        let depth = index("TreeSizes", size, DEPTH_MAX + 1)?;
        let levels = cut(&mut numbers, depth, "TreeSplits")?;
        let levels: Result<_, _> = levels.iter().map(|at| split_of(splits, *at)).collect();
        let leaves = 1 << depth;
        let of_tree = if weights.is_empty() { 0 } else { leaves };
        made.push(TreeParts {
            shape: Shape::Symmetric(levels?),
            values: cut(&mut values, leaves * parts.sums, "LeafValues")?.to_vec(),
            weights: cut(&mut weights, of_tree, "LeafWeights")?.to_vec(),
        });
    }
    Ok(made)
}

fn check_count(trees: usize) -> Result<(), NativeError> {
    if trees > TREES_MAX { Err(NativeError::too_many("trees", trees, TREES_MAX)) } else { Ok(()) }
}

/// Takes the first `length` of a list.
fn cut<'v, T>(list: &mut &'v [T], length: usize, key: &str) -> Result<&'v [T], NativeError> {
    let Some((first, rest)) = list.split_at_checked(length) else {
        let found = format!("{} values where the trees need more", list.len());
        return Err(NativeError::value(key, found, format!("{length} for the next tree")));
    };
    *list = rest;
    Ok(first)
}

/// Trees of nodes with steps to their children; a step of 0 ends in the node's own leaf.
fn any(
    trees: &flatbuffer::Table<'_>,
    parts: &Parts,
    splits: &[Split],
) -> Result<Vec<TreeParts>, NativeError> {
    let (sizes, numbers) = (trees.ints(2)?, trees.ints(1)?);
    let (steps, leaf_ids) = (trees.short_pairs(10)?, trees.ints(11)?);
    let (values, weights) = (trees.doubles(8)?, trees.doubles(9)?);
    check_count(sizes.len())?;
    if steps.len() != numbers.len() || leaf_ids.len() != numbers.len() {
        let found = format!("{} steps and {} leaf ids", steps.len(), leaf_ids.len());
        let expected = format!("{} of both, as many as TreeSplits", numbers.len());
        return Err(NativeError::value("NonSymmetricStepNodes", found, expected));
    }
    let mut made = Vec::with_capacity(sizes.len());
    let (mut numbers, mut steps, mut leaf_ids) =
        (numbers.as_slice(), steps.as_slice(), leaf_ids.as_slice());
    for size in sizes {
        let size = index("TreeSizes", size, numbers.len() + 1)?;
        let numbers = cut(&mut numbers, size, "TreeSplits")?;
        let steps = cut(&mut steps, size, "NonSymmetricStepNodes")?;
        let leaf_ids = cut(&mut leaf_ids, size, "NonSymmetricNodeIdToLeafId")?;
        let mut tree =
            TreeParts { shape: Shape::Any(Vec::new()), values: Vec::new(), weights: Vec::new() };
        let mut nodes = Vec::with_capacity(size);
        // Leaves of nodes that also test something follow all nodes.
        let mut extra = Vec::new();
        for (at, [left, right]) in steps.iter().enumerate() {
            let mut add_leaf = || {
                let start = leaf_ids[at] as u32 as usize;
                let end = start.checked_add(parts.sums);
                let Some(leaf) = end.and_then(|end| values.get(start..end)) else {
                    let expected = format!("a place among {} values", values.len());
                    let key = "NonSymmetricNodeIdToLeafId";
                    return Err(NativeError::value(key, start.to_string(), expected));
                };
                tree.values.extend_from_slice(leaf);
                tree.weights.push(weights.get(start / parts.sums).copied().unwrap_or(0.0));
                Ok(Step::Leaf(tree.weights.len() - 1))
            };
            if (*left, *right) == (0, 0) {
                nodes.push(add_leaf()?);
                continue;
            }
            let mut child = |step: u16| {
                if step == 0 {
                    extra.push(add_leaf()?);
                    Ok(size + extra.len() - 1)
                } else {
                    Ok::<_, NativeError>(at + usize::from(step))
                }
            };
            let (fails, passes) = (child(*left)?, child(*right)?);
            if fails.max(passes) >= size + extra.len() {
                let found = format!("a step beyond the {size} nodes of a tree");
                return Err(NativeError::value("NonSymmetricStepNodes", found, "a step inside"));
            }
            nodes.push(Step::Test(split_of(splits, numbers[at])?, fails, passes));
        }
        nodes.extend(extra);
        tree.shape = Shape::Any(nodes);
        made.push(tree);
    }
    Ok(made)
}

/// The CTR tables after the trees.
fn tables(stream: &mut Stream<'_>) -> Result<Vec<Table>, NativeError> {
    let count = stream.count()?;
    let mut tables = Vec::new();
    for _ in 0..count {
        let (block, offset) = stream.block()?;
        let block = Buffer::new(block, offset);
        let table = block.root()?;
        let places: HashMap<u64, u32> = table
            .bytes(1)?
            .as_chunks::<12>()
            .0
            .iter()
            .map(|bucket| {
                let (hash, place) = bucket.split_at(8);
                let hash = hash.iter().rev().fold(0, |hash, byte| hash << 8 | u64::from(*byte));
                let place = place.iter().rev().fold(0, |at, byte| at << 8 | u32::from(*byte));
                (hash, place)
            })
            .filter(|(hash, _)| *hash != EMPTY)
            .collect();
        let counts = table.bytes(2)?.as_chunks::<4>().0;
        tables.push(Table {
            base: base(&table.table(0)?)?,
            places,
            counts: counts.iter().map(|bytes| u32::from_le_bytes(*bytes)).collect(),
            denominator: table.int(3, 0)?,
            classes: index("TargetClassesCount", table.int(4, 0)?, 1 << 16)?,
        });
    }
    Ok(tables)
}
