//! Reads `model.cbm.json`, and the JSON that the binary format keeps in its texts. CTR tables are
//! read from the binary format alone.

use super::parts::{CatFeature, FloatFeature, Missing, Parts, Shape, Split, Step, TreeParts};
use super::{COLUMNS_MAX, DEPTH_MAX, NODES_MAX, SUMS_MAX, TREES_MAX};
use crate::model::forest::NativeError;
use crate::model::json::{self, At, Value};

/// The loss function's name in the text of `params`.
pub(super) fn loss(text: &str) -> Result<String, NativeError> {
    let value = json::parse(text.as_bytes())?;
    let root = At::root(&value);
    let Some(loss) = root.find("loss_function") else { return Ok(String::new()) };
    Ok(loss.get("type")?.text()?.to_owned())
}

/// The classes' names in the text of `class_params`.
pub(super) fn classes(text: &str) -> Result<Vec<String>, NativeError> {
    classes_of(&At::root(&json::parse(text.as_bytes())?))
}

fn classes_of(params: &At<'_>) -> Result<Vec<String>, NativeError> {
    let Some(names) = params.find("class_names") else { return Ok(Vec::new()) };
    if let Ok(numbers) = names.numbers() {
        return Ok(numbers.iter().map(f64::to_string).collect());
    }
    let name = |name: At<'_>| match name.value() {
        Value::Text(text) => Ok(text.clone()),
        _ => Ok(name.number()?.to_string()),
    };
    names.list()?.map(name).collect()
}

/// The model that a file's value is.
pub(super) fn read(value: &Value) -> Result<Parts, NativeError> {
    let root = At::root(value);
    let info = root.get("features_info")?;
    if info.find("ctrs").is_some() {
        return Err(NativeError::unsupported(
            "categorical features with CTR tables in JSON",
            "save the model in CatBoost's binary format, as model.cbm",
        ));
    }
    if info.find("text_features").is_some() || info.find("embedding_features").is_some() {
        return Err(NativeError::unsupported(
            "features of text or embeddings",
            "train without them, or serve the model by its own library (backend = \"remote\")",
        ));
    }
    let (floats, cats) = (floats(&info)?, cats(&info)?);
    let mut parts = Parts::new(floats, cats);
    if let Some(model) = root.find("model_info") {
        if let Some(params) = model.find("params")
            && let Some(loss) = params.find("loss_function")
        {
            loss.get("type")?.text()?.clone_into(&mut parts.loss);
        }
        if let Some(params) = model.find("class_params") {
            parts.classes = classes_of(&params)?;
        }
    }
    scale(&root, &mut parts)?;
    let (key, is_symmetric) = match root.find("oblivious_trees") {
        Some(_) => ("oblivious_trees", true),
        None => ("trees", false),
    };
    let trees = root.get(key)?;
    let count = trees.list()?.count();
    if count > TREES_MAX {
        return Err(NativeError::too_many("trees", count, TREES_MAX));
    }
    let mut nodes = 0;
    for tree in trees.list()? {
        let tree =
            if is_symmetric { symmetric(&tree, &parts)? } else { any(&tree, &parts, &mut nodes)? };
        parts.trees.push(tree);
    }
    Ok(parts)
}

/// `scale_and_bias`: `[1, [0]]`, or `[1, 0]` in early versions. It says how many sums there are.
fn scale(root: &At<'_>, parts: &mut Parts) -> Result<(), NativeError> {
    let pair = root.get("scale_and_bias")?;
    let expected = "a scale and a list of biases";
    if let Ok(numbers) = pair.numbers() {
        let [scale, bias] = numbers.as_slice() else { return Err(pair.wrong(expected)) };
        (parts.scale, parts.biases) = (*scale, vec![*bias]);
    } else {
        let members: Vec<_> = pair.list()?.collect();
        let [scale, biases] = members.as_slice() else { return Err(pair.wrong(expected)) };
        (parts.scale, parts.biases) = (scale.number()?, biases.numbers()?);
    }
    parts.sums = parts.biases.len();
    if parts.sums == 0 || parts.sums > SUMS_MAX {
        return Err(pair.wrong(format!("1 to {SUMS_MAX} biases")));
    }
    Ok(())
}

/// A feature's name: `feature_id`, or `feature_name` in early versions.
fn name(feature: &At<'_>) -> Result<String, NativeError> {
    let name = feature.find("feature_id").or_else(|| feature.find("feature_name"));
    name.map_or(Ok(String::new()), |name| Ok(name.text()?.to_owned()))
}

fn floats(info: &At<'_>) -> Result<Vec<FloatFeature>, NativeError> {
    let mut floats = Vec::new();
    let Some(features) = info.find("float_features") else { return Ok(floats) };
    for feature in features.list()? {
        let has_nans = feature.get("has_nans")?.number()? != 0.0;
        let treatment = feature.find("nan_value_treatment");
        let treatment = treatment.map_or(Ok("AsIs"), |text| text.text())?;
        floats.push(FloatFeature {
            index: feature.get("feature_index")?.count(COLUMNS_MAX)?,
            flat: feature.get("flat_feature_index")?.count(COLUMNS_MAX)?,
            name: name(&feature)?,
            borders: Vec::new(),
            missing: match treatment {
                "AsTrue" if has_nans => Missing::Greatest,
                _ => Missing::Least,
            },
        });
    }
    Ok(floats)
}

fn cats(info: &At<'_>) -> Result<Vec<CatFeature>, NativeError> {
    let mut cats = Vec::new();
    let Some(features) = info.find("categorical_features") else { return Ok(cats) };
    for feature in features.list()? {
        cats.push(CatFeature {
            index: feature.get("feature_index")?.count(COLUMNS_MAX)?,
            flat: feature.get("flat_feature_index")?.count(COLUMNS_MAX)?,
            name: name(&feature)?,
            texts: match feature.find("string_values") {
                Some(texts) => {
                    let texts: Result<_, _> =
                        texts.list()?.map(|text| text.text().map(str::to_owned)).collect();
                    texts?
                }
                None => Vec::new(),
            },
        });
    }
    Ok(cats)
}

fn split(split: &At<'_>, parts: &Parts) -> Result<Split, NativeError> {
    let kind = split.get("split_type")?;
    match kind.text()? {
        "FloatFeature" => {
            let feature = split.get("float_feature_index")?;
            let place = parts.float(feature.count(COLUMNS_MAX)?);
            let place = place.ok_or_else(|| feature.wrong("a feature of `float_features`"))?;
            let border = split.get("border")?.number()? as f32;
            Ok(Split::Float { place, border })
        }
        "OneHotFeature" => {
            let feature = split.get("cat_feature_index")?;
            let place = parts.cat(feature.count(COLUMNS_MAX)?);
            let place = place.ok_or_else(|| feature.wrong("one of `categorical_features`"))?;
            let value = split.get("value")?;
            let number = value.number()?;
            if number.fract() != 0.0 || number.abs() > f64::from(u32::MAX) {
                return Err(value.wrong("a hash of 32 bits"));
            }
            // Written with a sign or without.
            Ok(Split::OneHot { place, value: number as i64 as i32 })
        }
        _ => Err(kind.wrong("\"FloatFeature\" or \"OneHotFeature\"; save as model.cbm")),
    }
}

fn symmetric(tree: &At<'_>, parts: &Parts) -> Result<TreeParts, NativeError> {
    let splits = match tree.find("splits") {
        Some(splits) => {
            let levels: Result<Vec<_>, _> =
                splits.list()?.map(|level| split(&level, parts)).collect();
            let levels = levels?;
            if levels.len() > DEPTH_MAX {
                return Err(splits.wrong(format!("at most {DEPTH_MAX}")));
            }
            levels
        }
        None => Vec::new(),
    };
    let leaves = 1 << splits.len();
    let weights = tree.find("leaf_weights").map(|weights| weights.numbers_of(leaves));
    Ok(TreeParts {
        values: tree.get("leaf_values")?.numbers_of(leaves * parts.sums)?,
        weights: weights.transpose()?.unwrap_or_default(),
        shape: Shape::Symmetric(splits),
    })
}

/// Walks a tree of nested nodes, without recursion.
fn any(tree: &At<'_>, parts: &Parts, nodes: &mut usize) -> Result<TreeParts, NativeError> {
    let mut made =
        TreeParts { shape: Shape::Any(Vec::new()), values: Vec::new(), weights: Vec::new() };
    let mut steps: Vec<Step> = Vec::new();
    // A node's value, and where its parent notes its place: which step, and which side.
    let mut pending: Vec<(&Value, Option<(usize, bool)>)> = vec![(tree.value(), None)];
    while let Some((value, parent)) = pending.pop() {
        *nodes += 1;
        if *nodes > NODES_MAX {
            return Err(NativeError::too_many("nodes", *nodes, NODES_MAX));
        }
        let (node, place) = (At::root(value), steps.len());
        if let Some(test) = node.find("split") {
            let child = |key: &'static str| {
                let expected = "a node: a split has two";
                value.member(key).ok_or_else(|| NativeError::value(key, "nothing", expected))
            };
            let (left, right) = (child("left")?, child("right")?);
            steps.push(Step::Test(split(&test, parts)?, 0, 0));
            pending.push((right, Some((place, true))));
            pending.push((left, Some((place, false))));
        } else {
            let leaf = node.get("value")?;
            match leaf.value() {
                Value::Number(number) if parts.sums == 1 => made.values.push(*number),
                _ => made.values.extend(leaf.numbers_of(parts.sums)?),
            }
            let weight = node.find("weight").map(|weight| weight.number()).transpose()?;
            made.weights.push(weight.unwrap_or(0.0));
            steps.push(Step::Leaf(made.weights.len() - 1));
        }
        if let Some((parent, passes)) = parent
            && let Step::Test(_, left, right) = &mut steps[parent]
        {
            *(if passes { right } else { left }) = place;
        }
    }
    made.shape = Shape::Any(steps);
    Ok(made)
}
