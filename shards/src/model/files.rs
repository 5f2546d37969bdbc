//! The files that a version's directory may hold: one of them, in the format that its name says.

use std::path::{Path, PathBuf};

use super::forest::{self, NativeError, NativeModel, ReadNative, Trained};
use super::manifest::Manifest;
use super::scorer::LoadOptions;
use super::{bounded, catboost, lightgbm, xgboost};
use crate::fnv::fnv1a;

/// The format of a model's file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileFormat {
    /// ONNX.
    Onnx,
    /// `LightGBM`'s text.
    LightGbm,
    /// `XGBoost`'s JSON.
    XgboostJson,
    /// `XGBoost`'s UBJSON.
    XgboostUbjson,
    /// `CatBoost`'s binary format.
    CatBoost,
    /// `CatBoost`'s JSON.
    CatBoostJson,
}

/// Each file's name and format.
pub const MODEL_FILES: [(&str, FileFormat); 6] = [
    ("model.onnx", FileFormat::Onnx),
    ("model.txt", FileFormat::LightGbm),
    ("model.json", FileFormat::XgboostJson),
    ("model.ubj", FileFormat::XgboostUbjson),
    ("model.cbm", FileFormat::CatBoost),
    ("model.cbm.json", FileFormat::CatBoostJson),
];

impl FileFormat {
    /// Whether a file's name says its format.
    pub fn is_named(path: &Path) -> bool {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        MODEL_FILES.iter().any(|(file, _)| {
            file.strip_prefix("model").is_some_and(|ending| name.ends_with(ending))
        })
    }

    /// The format that a file's name says; ONNX where it says nothing.
    pub fn of(path: &Path) -> Self {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let ends = |ending: &str| name.ends_with(ending);
        if ends(".txt") {
            Self::LightGbm
        } else if ends(".cbm.json") {
            Self::CatBoostJson
        } else if ends(".json") {
            Self::XgboostJson
        } else if ends(".ubj") {
            Self::XgboostUbjson
        } else if ends(".cbm") {
            Self::CatBoost
        } else {
            Self::Onnx
        }
    }
}

/// The model files that `directory` holds, in the order of [`MODEL_FILES`].
pub(super) fn files_in(directory: &Path) -> Vec<PathBuf> {
    let paths = MODEL_FILES.iter().map(|(name, _)| directory.join(name));
    paths.filter(|path| path.is_file()).collect()
}

/// Reads a file of a library's own format.
pub(super) fn load(
    path: &Path,
    manifest: &Manifest,
    options: &LoadOptions,
) -> Result<ReadNative, NativeError> {
    let format = FileFormat::of(path);
    let bytes = bounded::read(path, options.limits.file_bytes_max)?;
    let hash = fnv1a(bytes.iter().copied());
    let trained = parse(format, &bytes)?;
    drop(bytes);
    if let Some(columns) = &manifest.columns {
        let named: Vec<_> = columns.iter().map(|column| column.name.as_str()).collect();
        forest::check_columns(&trained.columns, trained.columns_are_named, &named)?;
    }
    let explains = manifest.explain.is_some();
    NativeModel::build(trained, &manifest.output, options.kernel, hash, explains)
}

/// What a file's bytes say.
fn parse(format: FileFormat, bytes: &[u8]) -> Result<Trained, NativeError> {
    match format {
        FileFormat::LightGbm => lightgbm::parse(bytes),
        FileFormat::XgboostJson => xgboost::parse_json(bytes),
        FileFormat::XgboostUbjson => xgboost::parse_ubjson(bytes),
        FileFormat::CatBoost => catboost::parse_binary(bytes),
        FileFormat::CatBoostJson => catboost::parse_json(bytes),
        FileFormat::Onnx => Err(NativeError::unsupported("ONNX", "load it as an ONNX file")),
    }
}
