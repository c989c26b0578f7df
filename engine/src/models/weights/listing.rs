//! Which files of a folder hold a model's weights.
//!
//! Published folders name them in many ways: one file or shards, with or without an index, a variant such as `fp16` before the shard's
//! number or after `index`. So the folder is listed, and what is there is put together; no name is made by a formula.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::Read;
use std::path::{Component, Path, PathBuf};

use serde::Deserialize;

use super::WeightError;

/// T5-XXL's index has 20 kB.
const MAX_INDEX_BYTES: u64 = 64 << 20;
const MAX_SHARDS: usize = 9999;

/// Files that belong together.
struct Set {
    /// `""`, `fp16`, ...
    variant: String,
    files: BTreeSet<String>,
}

#[derive(Deserialize)]
struct Index {
    weight_map: BTreeMap<String, String>,
}

/// The weights called `stem` in `dir` (`model` for text encoders, `diffusion_pytorch_model` for U-Nets): the files of one variant, full
/// precision before bf16 before fp16. Where no file has that stem, a single other safetensors file will do.
///
/// # Errors
/// [`WeightError::Io`]; [`WeightError::Pickle`] if there is nothing but pickles; [`WeightError::Config`] for no weights, shards that are
/// missing, several files of which none has the stem.
pub fn find_weights(dir: &Path, stem: &str) -> Result<Vec<PathBuf>, WeightError> {
    let names = list(dir)?;
    let mut sets = sets(dir, stem, &names)?;
    sets.sort_by(|a, b| rank(&a.variant).cmp(&rank(&b.variant)));
    let whole = |set: &&Set| set.files.iter().all(|file| names.contains(file));
    if let Some(set) = sets.iter().find(whole) {
        return Ok(set.files.iter().map(|file| dir.join(file)).collect());
    }
    if let Some(set) = sets.first() {
        let missing = set.files.iter().find(|file| !names.contains(*file)).cloned().unwrap_or_default();
        return Err(config(&dir.join(missing), "this shard is missing", "download the model again"));
    }
    lone_file(dir, stem, &names)
}

fn list(dir: &Path) -> Result<BTreeSet<String>, WeightError> {
    let io = |source| WeightError::Io { path: dir.to_owned(), source };
    let mut names = BTreeSet::new();
    for entry in std::fs::read_dir(dir).map_err(io)? {
        // A name that is not Unicode is not one of ours.
        if let Ok(name) = entry.map_err(io)?.file_name().into_string() {
            names.insert(name);
        }
    }
    Ok(names)
}

fn sets(dir: &Path, stem: &str, names: &BTreeSet<String>) -> Result<Vec<Set>, WeightError> {
    let ours: Vec<(&String, Vec<&str>)> = names.iter().filter_map(|n| Some((n, parts_after(n, stem)?))).collect();
    let mut sets = Vec::new();
    for (name, parts) in &ours {
        match parts[..] {
            [.., "json"] if parts.contains(&"index") => {
                sets.push(Set { variant: variant(parts), files: read_index(&dir.join(name))? });
            }
            [.., "safetensors"] if shard(name).is_none() => {
                sets.push(Set { variant: variant(parts), files: BTreeSet::from([(*name).clone()]) });
            }
            _ => (),
        }
    }
    for (name, parts) in ours.iter().filter(|(_, parts)| parts.last() == Some(&"safetensors")) {
        let indexed = sets.iter().any(|set| set.variant == variant(parts));
        if let (Some(files), false) = (shard(name), indexed) {
            sets.push(Set { variant: variant(parts), files });
        }
    }
    sets.retain(|set| !["8bit", "fp8"].iter().any(|quantized| set.variant.contains(quantized)));
    Ok(sets)
}

/// `model.fp16-00001-of-00002.safetensors` after `model`: `fp16`, `safetensors`. `None` if the name does not start so.
fn parts_after<'a>(name: &'a str, stem: &str) -> Option<Vec<&'a str>> {
    let rest = name.strip_prefix(stem)?;
    let (before, after) = shard_at(rest).map_or((rest, ""), |(from, to)| (&rest[..from], &rest[to..]));
    if !(before.is_empty() || before.starts_with('.')) {
        return None; // another stem that starts alike
    }
    Some(before.split('.').chain(after.split('.')).filter(|part| !part.is_empty()).collect())
}

fn variant(parts: &[&str]) -> String {
    let kept: Vec<&str> = parts.iter().copied().filter(|p| !["safetensors", "index", "json"].contains(p)).collect();
    kept.join(".")
}

fn rank(variant: &str) -> (u8, &str) {
    let order = match variant {
        "" => 0,
        "fp32" => 1,
        "bf16" => 2,
        "fp16" => 3,
        _ => 4,
    };
    (order, variant)
}

/// Where `-00001-of-00002` lies in a name.
fn shard_at(name: &str) -> Option<(usize, usize)> {
    let of = name.rfind("-of-")?;
    let digits = |text: &str| text.bytes().take_while(u8::is_ascii_digit).count();
    let after = digits(&name[of + 4..]);
    let before = name[..of].bytes().rev().take_while(u8::is_ascii_digit).count();
    let from = of.checked_sub(before + 1)?;
    let whole = after > 0 && before > 0 && name.as_bytes().get(from) == Some(&b'-');
    whole.then_some((from, of + 4 + after))
}

/// The names of all shards that `name` is one of.
fn shard(name: &str) -> Option<BTreeSet<String>> {
    let (from, to) = shard_at(name)?;
    let (number, count) = name[from + 1..to].split_once("-of-")?;
    let shards: usize = count.parse().ok().filter(|n| (1..=MAX_SHARDS).contains(n))?;
    let width = number.len();
    Some((1..=shards).map(|i| format!("{}-{i:0width$}-of-{count}{}", &name[..from], &name[to..])).collect())
}

fn read_index(path: &Path) -> Result<BTreeSet<String>, WeightError> {
    let mut text = Vec::new();
    let read = File::open(path).and_then(|f| f.take(MAX_INDEX_BYTES).read_to_end(&mut text));
    read.map_err(|source| WeightError::Io { path: path.to_owned(), source })?;
    let index: Index =
        serde_json::from_slice(&text).map_err(|e| config(path, &format!("not an index of shards ({e})"), "download it again"))?;
    let files: BTreeSet<String> = index.weight_map.into_values().collect();
    // An index must not lead out of its folder.
    let plain = |file: &String| matches!(Path::new(file).components().collect::<Vec<_>>()[..], [Component::Normal(_)]);
    match files.iter().find(|file| !plain(file)) {
        Some(file) => Err(config(path, &format!("shard {file:?} is not a file of this folder"), "download the model again")),
        None if files.is_empty() => Err(config(path, "an index without shards", "download the model again")),
        None => Ok(files),
    }
}

fn lone_file(dir: &Path, stem: &str, names: &BTreeSet<String>) -> Result<Vec<PathBuf>, WeightError> {
    let ends = |name: &str, extension: &str| Path::new(name).extension().is_some_and(|e| e.eq_ignore_ascii_case(extension));
    let files: Vec<&String> = names.iter().filter(|name| ends(name, "safetensors")).collect();
    let pickle = names.iter().find(|name| ["bin", "ckpt", "pt", "pth", "pkl"].iter().any(|p| ends(name, p)));
    match (files[..].as_ref(), pickle) {
        ([file], _) => Ok(vec![dir.join(file)]),
        ([], Some(pickle)) => Err(WeightError::Pickle { path: dir.join(pickle) }),
        ([], None) => {
            Err(config(dir, "no safetensors file here", &format!("put {stem}.safetensors here, or its shards with their index")))
        }
        (_, _) => Err(config(
            dir,
            "several safetensors files, none of which is the model's by its name",
            &format!("leave one, or name it {stem}.safetensors"),
        )),
    }
}

fn config(path: &Path, problem: &str, remedy: &str) -> WeightError {
    WeightError::Config { path: path.to_owned(), problem: problem.into(), remedy: remedy.into() }
}
