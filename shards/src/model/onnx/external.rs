//! Weights that lie in a file beside the model's: `PyTorch` writes them so. They are read into the
//! graph, within the same bound as the model's file.

use std::collections::HashMap;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Component, Path, PathBuf};

use tract_onnx::pb::tensor_proto::DataLocation;
use tract_onnx::pb::{GraphProto, TensorProto};

use super::error::OnnxError;
use crate::fnv::fnv1a_more;
use crate::model::{FileError, bounded};

/// The files beside a model's.
pub(super) struct Beside<'p> {
    folder: &'p Path,
    files: HashMap<String, (File, u64)>,
    bytes_max: u64,
    /// What the model's file has, and what was read besides.
    bytes: u64,
    /// FNV-1a of all that was read.
    pub(super) hash: u64,
}

impl<'p> Beside<'p> {
    /// Those beside the file at `path`, of which so many bytes were read and have this hash.
    pub(super) fn new(path: &'p Path, bytes: u64, hash: u64, bytes_max: u64) -> Self {
        let folder = path.parent().unwrap_or(Path::new(""));
        Self { folder, files: HashMap::new(), bytes_max, bytes, hash }
    }

    /// Reads the weights of a graph that lie elsewhere.
    pub(super) fn read(&mut self, graph: &mut GraphProto) -> Result<(), OnnxError> {
        let elsewhere =
            |tensor: &&mut TensorProto| tensor.data_location == Some(DataLocation::External as i32);
        for tensor in graph.initializer.iter_mut().filter(elsewhere) {
            self.read_one(tensor)?;
        }
        Ok(())
    }

    fn read_one(&mut self, tensor: &mut TensorProto) -> Result<(), OnnxError> {
        let wrong = |reason: String| OnnxError::Tensor { tensor: tensor.name.clone(), reason };
        let entry = |key: &str| {
            tensor.external_data.iter().find(|entry| entry.key == key).map(|it| it.value.as_str())
        };
        let number = |key: &str| match entry(key) {
            None => Ok(None),
            Some(text) => text.parse::<u64>().map(Some).map_err(|_| {
                wrong(format!("the `{key}` of its data is `{text}`, which is no count of bytes"))
            }),
        };
        let location = entry("location").unwrap_or_default().to_owned();
        let (offset, length) = (number("offset")?.unwrap_or(0), number("length")?);
        if !self.files.contains_key(&location) {
            let opened = self.open(&location).map_err(&wrong)?;
            self.files.insert(location.clone(), opened);
        }
        let (file, size) = &self.files[&location];
        let length = length.unwrap_or(size.saturating_sub(offset));
        if offset.checked_add(length).is_none_or(|end| end > *size) {
            return Err(wrong(format!(
                "its data are {length} bytes at {offset} of `{location}`, which has {size}"
            )));
        }
        self.bytes = self.bytes.saturating_add(length);
        bounded::ensure_within(self.bytes, self.bytes_max)?;
        let mut cells = vec![0; length as usize];
        file.read_exact_at(&mut cells, offset).map_err(FileError::from)?;
        self.hash = fnv1a_more(self.hash, cells.iter().copied());
        tensor.raw_data = cells;
        tensor.data_location = None;
        tensor.external_data.clear();
        Ok(())
    }

    /// A file in the model's own folder, and its size.
    fn open(&self, location: &str) -> Result<(File, u64), String> {
        let path = Path::new(location);
        let is_below =
            !location.is_empty() && path.components().all(|it| matches!(it, Component::Normal(_)));
        if !is_below {
            return Err(format!(
                "its data are in `{location}`, which is no file beside the model's"
            ));
        }
        let unread = |error: std::io::Error| {
            format!(
                "its data are in `{location}` beside the model's file, which cannot be read: {error}"
            )
        };
        let folder = if self.folder == Path::new("") { Path::new(".") } else { self.folder };
        let folder = folder.canonicalize().map_err(unread)?;
        let found: PathBuf = folder.join(path).canonicalize().map_err(unread)?;
        if !found.starts_with(&folder) {
            return Err(format!(
                "its data are in `{location}`, which leads out of the model's folder"
            ));
        }
        let file = File::open(&found).map_err(unread)?;
        let known = file.metadata().map_err(unread)?;
        if !known.is_file() {
            return Err(format!("its data are in `{location}`, which is no file"));
        }
        Ok((file, known.len()))
    }
}
