//! The layers of `shards/src`: arrows between its folders go down only, so that there is no circle.
//! One codec serves both ports and the client of remote models.

use std::fs;
use std::path::{Path, PathBuf};

/// From the ground up; a folder, or a file beside `lib.rs`, imports only what stands before it.
const LAYERS: [&str; 31] = [
    "facts",
    "mutation",
    "priority",
    "provenance",
    "origin",
    "credentials",
    "failure",
    "escape",
    "fnv",
    "calendar",
    "expression",
    "breaker",
    "crossing",
    "executor",
    "tensors",
    "http1",
    "tls",
    "telemetry",
    "keys",
    "features",
    "journal",
    "spans",
    "context",
    "model",
    "batch",
    "api",
    "grpc",
    "http",
    "http2",
    "shard",
    "lib",
];

/// Folders that do not know one that stands below them.
const STRANGERS: [(&str, &str); 4] =
    [("api", "http1"), ("batch", "http1"), ("features", "http1"), ("grpc", "http1")];

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

fn place(layer: &str) -> usize {
    let place = LAYERS.iter().position(|known| *known == layer);
    place.unwrap_or_else(|| panic!("`{layer}` stands in no layer: put it where it belongs"))
}

/// The top-level modules that a text names after `crate::`.
fn imports(text: &str) -> impl Iterator<Item = &str> {
    let code = text.lines().filter(|line| !line.trim_start().starts_with("//"));
    let named = code.flat_map(|line| line.split("crate::").skip(1));
    named.map(|rest| {
        let end = rest.find(|letter: char| !(letter.is_alphanumeric() || letter == '_'));
        &rest[..end.unwrap_or(rest.len())]
    })
}

#[test]
fn arrows_go_down() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut found = Vec::new();
    sources(&root, &mut found);
    assert!(found.len() > 200, "{}", found.len());
    let mut forbidden = Vec::new();
    for path in found {
        let inside = path.strip_prefix(&root).expect("below the root");
        let first = inside.iter().next().expect("a name").to_string_lossy();
        let own = first.strip_suffix(".rs").unwrap_or(&first);
        // Tests may take what they test with.
        if inside.iter().any(|part| part == "tests" || part == "tests.rs") {
            continue;
        }
        let text = fs::read_to_string(&path).expect("text");
        let text = text.split("#[cfg(test)]").next().unwrap_or_default();
        for import in imports(text) {
            // Groups and macros have no name here; a group of several folders is not how we import.
            if import.is_empty() || import == own {
                continue;
            }
            if place(import) >= place(own) || STRANGERS.contains(&(own, import)) {
                forbidden.push(format!("{} imports `{import}`", inside.display()));
            }
        }
    }
    assert!(forbidden.is_empty(), "{forbidden:#?}");
}

#[test]
fn heads_are_read_by_one_codec() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut found = Vec::new();
    for folder in ["src", "../src"] {
        sources(&root.join(folder), &mut found);
    }
    found.retain(|path| fs::read_to_string(path).expect("text").contains("httparse::"));
    assert_eq!(found, [root.join("src/http1/raw.rs")]);
}

#[test]
fn only_the_executor_names_the_runtime() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut found = Vec::new();
    sources(&root, &mut found);
    let names_it = |path: &PathBuf| {
        let inside = path.strip_prefix(&root).expect("below the root");
        let is_seam = inside.starts_with("executor");
        !is_seam && fs::read_to_string(path).expect("text").contains("glommio")
    };
    found.retain(names_it);
    assert!(found.is_empty(), "{found:#?}");
}
