//! DeepFloyd IF as people have it on disk.

use std::path::{Path, PathBuf};

use imagen_engine::runtime::inspect;
use imagen_protocol::{Event, GenerateRequest, ModelInfo, StageOverrides, Steps, Weights};
use imagen_tests::{random, repo};

use crate::runtime::{cpu, finished, pictures, run};

/// Stage folders side by side, the tokenizer beside the encoder.
#[test]
fn deepfloyd_folders_become_a_cascade() {
    let dir = tempfile::tempdir().expect("a folder");
    for part in ["stage1", "stage2", "text_encoder", "tokenizer"] {
        put(part, &dir.path().join(part));
    }
    makes_pictures(dir.path());
}

/// 540 M parameters, a file of zeros: larger than what is loaded whole.
#[test]
fn a_large_text_encoder_is_never_loaded() {
    let dir = tempfile::tempdir().expect("a folder");
    for part in ["stage1", "text_encoder", "tokenizer"] {
        put(part, &dir.path().join(part));
    }
    let folder = dir.path().join("text_encoder");
    let config = r#"{"model_type":"t5","vocab_size":320,"d_model":64,"d_kv":16,"d_ff":58600,"num_layers":48,"num_heads":4,
        "feed_forward_proj":"gated-gelu"}"#;
    std::fs::write(folder.join("config.json"), config).expect("written");
    random::zeros(&folder.join("model.safetensors"), &random::t5([320, 64, 58_600, 4, 16], 48));
    let info = inspect(Some(dir.path())).expect("a model");
    assert!(info.text_encoder.footprint.is_streamed());
    let mut request = GenerateRequest::new("Green Hat house");
    request.model = Some(dir.path().to_owned());
    request.stages.insert(32, StageOverrides { steps: Some(Steps::Count(2)), ..StageOverrides::default() });
    let events = run(&cpu(), 1, request);
    assert!(finished(&events), "{events:?}");
    let reads = events.iter().filter(|e| matches!(e, Event::Loading { part, .. } if part == "text encoder")).count();
    assert!(reads > 90, "told of {reads} hundredths");
    let most = events.iter().filter_map(|event| match event {
        Event::Memory { model_bytes, .. } => Some(*model_bytes),
        _ => None,
    });
    assert_eq!(most.max(), Some(info.stages[0].footprint.at_rest(Weights::Auto)), "the network alone");
}

fn makes_pictures(model: &Path) {
    let mut request = GenerateRequest::new("Green Hat house");
    request.model = Some(model.to_owned());
    for size in [32, 64] {
        request.stages.insert(size, StageOverrides { steps: Some(Steps::Count(3)), ..StageOverrides::default() });
    }
    let events = run(&cpu(), 1, request);
    assert!(finished(&events), "{events:?}");
    assert_eq!(pictures(&events, 32)[0].width(), 32);
    assert_eq!(pictures(&events, 64)[0].width(), 64);
}

fn sizes(info: &ModelInfo) -> Vec<u32> {
    info.stages.iter().map(|s| s.size).collect()
}

/// A stage's repository as it is downloaded: U-Net, scheduler, text encoder and tokenizer in one folder.
#[test]
fn one_folder_of_a_stage_is_a_cascade_of_that_stage() {
    let dir = tempfile::tempdir().expect("a folder");
    put("stage1", dir.path());
    put("text_encoder", &dir.path().join("text_encoder"));
    put("tokenizer", &dir.path().join("tokenizer"));
    let info = inspect(Some(dir.path())).expect("a model");
    assert_eq!(sizes(&info), [32]);
    assert!(info.remarks.iter().any(|r| r.contains("no second stage")), "{:?}", info.remarks);
    // The second stage inside of it.
    put("stage2", &dir.path().join("IF-II-L-v1.0"));
    makes_pictures(dir.path());
}

/// The cache of Hugging Face: files are links into `blobs`, old revisions stay, and other models lie beside.
#[test]
fn the_cache_of_the_hub_is_a_cascade() {
    let dir = tempfile::tempdir().expect("a folder");
    let hub = dir.path().join("hub");
    let first = hub.join("models--DeepFloyd--IF-I-XL-v1.0");
    let parts = [("stage1", ""), ("text_encoder", "text_encoder"), ("tokenizer", "tokenizer")];
    let main = snapshot(&first, "ac9a2b8", &parts);
    snapshot(&first, "0000old", &parts);
    std::fs::create_dir_all(first.join("refs")).expect("a folder");
    std::fs::write(first.join("refs/main"), "ac9a2b8").expect("written");
    snapshot(&hub.join("models--DeepFloyd--IF-II-L-v1.0"), "beef", &[("stage2", "")]);
    let other = hub.join("models--someone--another-model/snapshots/1/unet");
    std::fs::create_dir_all(&other).expect("a folder");
    std::fs::write(other.join("config.json"), "{\"_class_name\": \"UNet2DConditionModel\"}").expect("written");
    std::fs::create_dir_all(hub.join(".locks")).expect("a folder");

    let info = inspect(Some(&hub)).expect("a model");
    assert_eq!((sizes(&info), info.name.as_str(), info.remarks.len()), (vec![32, 64], "DeepFloyd IF", 0), "{:?}", info.remarks);
    assert!(info.stages[0].path.starts_with(&main), "the revision that refs/main names: {:?}", info.stages[0].path);
    for one in [&first, &main] {
        let info = inspect(Some(one)).expect("one repository, and one snapshot");
        assert_eq!((sizes(&info), info.name.as_str()), (vec![32], "DeepFloyd/IF-I-XL-v1.0"));
    }
    makes_pictures(&hub);
}

/// A revision of a repository in the cache, each file a link to its blob.
fn snapshot(repository: &Path, revision: &str, parts: &[(&str, &str)]) -> PathBuf {
    let at = repository.join("snapshots").join(revision);
    for (part, folder) in parts {
        put(part, &at.join(folder));
    }
    let blobs = repository.join("blobs");
    std::fs::create_dir_all(&blobs).expect("a folder");
    link_files(&at, &blobs);
    at
}

fn link_files(folder: &Path, blobs: &Path) {
    for entry in std::fs::read_dir(folder).expect("a folder").collect::<Vec<_>>() {
        let path = entry.expect("readable").path();
        if path.is_dir() {
            link_files(&path, blobs);
        } else if cfg!(unix) {
            let blob = blobs.join(format!("{:03}", std::fs::read_dir(blobs).expect("a folder").count()));
            std::fs::rename(&path, &blob).expect("moved");
            #[cfg(unix)]
            std::os::unix::fs::symlink(&blob, &path).expect("a link");
        }
    }
}

/// A part of the small cascade; configs of stages get the size that it was recorded with.
pub fn put(part: &str, to: &Path) {
    let fixtures = repo().join("tests/fixtures/parity");
    let from = if part == "tokenizer" { fixtures.join("tokenizer/tokenizer") } else { fixtures.join("if-cascade").join(part) };
    copy(&from, to);
    match part {
        "stage1" => set_sample_size(&to.join("unet/config.json"), 32),
        "stage2" => set_sample_size(&to.join("unet/config.json"), 64),
        _ => {}
    }
}

/// The fixtures' configs name other sizes than the cascade was recorded with.
fn set_sample_size(path: &Path, size: u32) {
    let text = std::fs::read_to_string(path).expect("a config");
    let mut config: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    config["sample_size"] = size.into();
    std::fs::write(path, config.to_string()).expect("written");
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).expect("a folder");
    for entry in std::fs::read_dir(from).expect("a fixture") {
        let path = entry.expect("readable").path();
        let target = to.join(path.file_name().expect("a name"));
        if path.is_dir() {
            copy(&path, &target);
        } else {
            std::fs::copy(&path, &target).expect("a copy");
        }
    }
}
