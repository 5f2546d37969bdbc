//! `shardgate init`: a `model.toml` to edit, made of what a model's own file says.

mod manifest_text;

use std::fs::{self, OpenOptions};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use clap::Args;
use shards::model::manifest::{ClassChoice, MANIFEST_FILE, Manifest, ScoreOutput};
use shards::model::{FileFormat, LoadOptions, LoneFile, MODEL_FILES, Model};

use self::manifest_text::{Sketch, manifest_text};
use crate::config::ensure_model_file;
use crate::output::{complain, say};

/// Write a model.toml to edit for a model's file: its columns, their types and categories, its classes.
#[derive(Debug, Args)]
pub(crate) struct InitArguments {
    /// The model's file (.onnx, .txt, .json, .ubj, .cbm, .cbm.json).
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// What the model is called [default: the file's name without its ending].
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// The repository in which to make NAME/model.toml and NAME/1/ with a copy of FILE; without one
    /// model.toml is printed.
    #[arg(long, value_name = "DIR")]
    output: Option<PathBuf>,
}

/// Prints `model.toml`, or makes the model's directory in a repository.
pub(crate) fn run(arguments: &InitArguments) -> anyhow::Result<()> {
    let path = &arguments.file;
    ensure_model_file(path)?;
    let load = LoadOptions::default();
    let file = LoneFile::new(path, arguments.name.as_deref())
        .with_context(|| format!("{}: --name gives it another name", path.display()))?;
    let (model, output) = load_any_output(&file, load)?;
    let text = manifest_text(&Sketch::of(&model, path, &output));
    // What a file calls its columns may be what no `model.toml` can say: a name that comes twice.
    Manifest::parse(&text, path).context("the file's columns cannot be those of a model.toml")?;
    match &arguments.output {
        None => {
            say!("{}", text.trim_end());
            Ok(())
        }
        Some(repository) => write(repository, &file, &text),
    }
}

/// The model by the first output that it can be loaded with. It may need a choice that only people
/// can make; then any will do to learn the rest.
fn load_any_output(file: &LoneFile, load: LoadOptions) -> anyhow::Result<(Model, ScoreOutput)> {
    let margin = || Some("margin".to_owned());
    let first = || Some(ClassChoice::Index(0));
    let mut refusal = None;
    for (tensor, class) in [(None, None), (None, first()), (margin(), None), (margin(), first())] {
        let output = ScoreOutput::of(tensor, class);
        let manifest = Manifest { output: output.clone(), ..Manifest::default() };
        match Model::load(&file.directory(manifest), &load) {
            Ok(model) => return Ok((model, output)),
            Err(error) if error.is_of_output() => _ = refusal.get_or_insert(error),
            Err(error) => return Err(refusal.unwrap_or(error).into()),
        }
    }
    match refusal {
        Some(error) => Err(error.into()),
        None => bail!("{}: no output can be the score", file.path().display()),
    }
}

/// Makes `REPOSITORY/NAME/model.toml` and `REPOSITORY/NAME/1/` with a copy of the file.
fn write(repository: &Path, file: &LoneFile, text: &str) -> anyhow::Result<()> {
    let folder = repository.join(file.name());
    let version = folder.join("1");
    if folder.exists() {
        bail!("{}: is there already, and is not overwritten", folder.display());
    }
    fs::create_dir_all(&version)
        .with_context(|| format!("{}: cannot be made", version.display()))?;
    let copy = version.join(name_of(file.path()));
    fs::copy(file.path(), &copy)
        .with_context(|| format!("{}: cannot be written", copy.display()))?;
    let manifest = folder.join(MANIFEST_FILE);
    let written = OpenOptions::new().write(true).create_new(true).open(&manifest);
    match written.and_then(|mut opened| opened.write_all(text.as_bytes())) {
        Ok(()) => {}
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            bail!("{}: is there already, and is not overwritten", manifest.display())
        }
        Err(error) => {
            return Err(error).context(format!("{}: cannot be written", manifest.display()));
        }
    }
    complain!("shardgate: wrote {} and {}", manifest.display(), copy.display());
    say!("shardgate serve --models {} --model {}", repository.display(), file.name());
    Ok(())
}

/// What a version's directory calls such a file.
fn name_of(path: &Path) -> &'static str {
    let format = FileFormat::of(path);
    let name = MODEL_FILES.iter().find(|(_, known)| *known == format);
    name.map_or(MODEL_FILES[0].0, |(name, _)| name)
}
