//! Wrong calls that it takes a model, or the engine, to refuse. Damaged models are made from the default one in a folder of the test's.

#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used, reason = "a broken fixture is a failed test")]

mod common;

use std::fs;
use std::path::{Path, PathBuf};

use common::{Case, check_all, fails_with, imagen};

/// Refused from the model's card: no engine is started.
#[rustfmt::skip]
const SETTINGS: &[Case] = &[
    (&["generate", "--out", "a"], 2, "there is no prompt; give one"),
    (&["generate", "x", "--guidance", "nan"], 2, "guidance of stage 64 is NaN: give a number from 0 to 100"),
    (&["generate", "x", "--guidance", "256=inf"], 2, "guidance of stage 256 is inf: give a number from"),
    (&["generate", "x", "--guidance", "-1"], 2, "guidance of stage 64 is -1: give a number from"),
    (&["generate", "x", "--steps", "0"], 2, "steps of stage 64 is 0: give a number from 1 to 1000"),
    (&["generate", "x", "--steps", "1024=1001"], 2, "steps of stage 1024 is 1001: give a number from"),
    (&["generate", "x", "--steps", "512=3"], 2, "stage is 512: give one of this model's: 64, 256, 1024"),
    (&["generate", "x", "--until", "128"], 2, "stage is 128: give one of this model's"),
    (&["generate", "x", "--count", "0"], 2, "count is 0: give a whole number from 1 to 64"),
    (&["generate", "x", "--count", "65"], 2, "count is 65: give a whole number from 1 to 64"),
    (&["generate", "x", "--aug-level", "64=0.1"], 2, "aug-level of stage 64 is 0.1: give it only to stages"),
    (&["generate", "x", "--aug-level", "2"], 2, "aug-level of stage 256 is 2: give a number from 0 to 1"),
    (&["generate", "x", "--sampler", "ddim", "--eta", "-0.5"], 2, "eta of stage 64 is -0.5: give a number from 0 to 1"),
    (&["generate", "x", "--sampler", "ddpm", "--eta", "0.5"], 2, "eta is not used by any stage: give it with --sampler ddim"),
    (&["generate", "x", "--threshold", "dynamic", "--percentile", "0"], 2, "percentile of stage 64 is 0: give a number from"),
    (&["generate", "x", "--threshold", "dynamic", "--cap", "0.5"], 2, "cap of stage 64 is 0.5: give a number from 1"),
    (&["generate", "x", "--threshold", "static", "--cap", "2"], 2, "cap is not used by any stage: give it with --threshold dynamic"),
    (&["compare", "x", "--stage", "128"], 2, "stage is 128: give one of this model's"),
    (&["compare", "x", "--guidance", "1,nan"], 2, "guidance of stage 64 of column 2 is NaN"),
    (&["compare", "x", "--stage", "256", "--until", "64"], 2, "stage is 256: give one that runs"),
    // Output that cannot be.
    (&["generate", "x", "--out", "{dir}/taken.png/a"], 1, "cannot be written to"),
    (&["generate", "x", "--until", "64", "--out", "{dir}/mine"], 1, "exists; give another --out, or --force"),
    (&["generate", "x", "--save-steps", "{dir}/taken.png", "--out", "{dir}/a"], 1, "cannot be written to"),
    (&["compare", "x", "--out", "{dir}/taken.png"], 1, "exists; give another --out, or --force"),
    // Pictures that cannot be an input.
    (&["generate", "x", "--from", "{dir}/missing.png"], 1, "cannot be read"),
    (&["generate", "x", "--from", "{dir}/taken.png"], 1, "is no PNG, JPEG or WebP picture; give one of these"),
    (&["generate", "x", "--from", "{dir}/huge.png"], 1, "give one of at most 16384 x 16384"),
    (&["generate", "x", "--from", "{dir}/small.png"], 1, "give one of at least 64 x 64"),
    (&["generate", "x", "--from", "{dir}/cut.png"], 1, "give a whole PNG, JPEG or WebP picture"),
    (&["generate", "x", "--from", "{dir}/fine.png", "--until", "64"], 1, "no stage comes after it"),
];

/// Refused by the engine: models that are not what they seem, adapters that are not there. `{dir}/NAME` is made by `damaged`.
#[rustfmt::skip]
const MODELS: &[Case] = &[
    (&["generate", "x", "--device", "gpu:99"], 1, "imagen devices"),
    (&["generate", "x", "--model", "{dir}/nowhere"], 1, "nowhere"),
    (&["generate", "x", "--model", "{dir}/empty-folder"], 1, "empty-folder"),
    (&["generate", "x", "--model", "{dir}/a-file"], 1, "a-file"),
    (&["models", "{dir}/nowhere"], 1, "nowhere"),
    (&["models", "{dir}/unknown-field"], 1, "surprise"),
    (&["generate", "x", "--model", "{dir}/unknown-field"], 1, "surprise"),
    (&["generate", "x", "--model", "{dir}/card-not-json"], 1, "card.json"),
    (&["generate", "x", "--model", "{dir}/unknown-family"], 1, "card.json"),
    (&["generate", "x", "--model", "{dir}/missing-weights", "--device", "cpu", "--until", "64"], 1, "base.safetensors"),
    (&["generate", "x", "--model", "{dir}/empty-weights", "--device", "cpu", "--until", "64"], 1, "base.safetensors"),
    (&["generate", "x", "--model", "{dir}/truncated-weights", "--device", "cpu", "--until", "64"], 1, "base.safetensors"),
    (&["generate", "x", "--model", "{dir}/lying-header", "--device", "cpu", "--until", "64"], 1, "base.safetensors"),
    (&["generate", "x", "--model", "{dir}/wrong-shape", "--device", "cpu", "--until", "64"], 1, "base.safetensors"),
    (&["generate", "x", "--model", "{dir}/wrong-dtype", "--device", "cpu", "--until", "64"], 1, "base.safetensors"),
    (&["generate", "x", "--model", "{dir}/foreign-tensor", "--device", "cpu", "--until", "64"], 1, "base.safetensors"),
    (&["generate", "x", "--model", "{dir}/pickle", "--device", "cpu", "--until", "64"], 1, "pickle"),
    (&["generate", "x", "--model", "{dir}/no-tokenizer", "--device", "cpu", "--until", "64"], 1, "tokenizer"),
    (&["generate", "x", "--model", "{dir}/no-special-token", "--device", "cpu", "--until", "64"], 1, "it contradicts itself"),
];

fn default_model() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../assets/models/default")
}

/// The default model, file by file, in a new folder.
fn copy_model(to: &Path) {
    fn copy(from: &Path, to: &Path) {
        fs::create_dir_all(to).expect("a folder");
        for entry in fs::read_dir(from).expect("the default model is there").map(|e| e.expect("an entry")) {
            let target = to.join(entry.file_name());
            if entry.path().is_dir() {
                copy(&entry.path(), &target);
            } else if fs::hard_link(entry.path(), &target).is_err() {
                fs::copy(entry.path(), &target).expect("copied");
            }
        }
    }
    copy(&default_model(), to);
}

/// Puts other bytes in a file's place, leaving the linked original alone.
fn replace(file: &Path, bytes: &[u8]) {
    let _ = fs::remove_file(file);
    fs::write(file, bytes).expect("written");
}

fn change_card(model: &Path, change: impl Fn(&mut serde_json::Value)) {
    let path = model.join("card.json");
    let mut card = serde_json::from_slice(&fs::read(&path).expect("a card")).expect("JSON");
    change(&mut card);
    replace(&path, card.to_string().as_bytes());
}

/// The weights with another header, the tensors' bytes as they were.
fn change_header(model: &Path, change: impl Fn(&mut serde_json::Map<String, serde_json::Value>)) {
    let path = model.join("base.safetensors");
    let bytes = fs::read(&path).expect("weights");
    let length = usize::try_from(u64::from_le_bytes(bytes[..8].try_into().expect("8 bytes"))).expect("a length");
    let mut header = serde_json::from_slice(&bytes[8..8 + length]).expect("a header");
    change(&mut header);
    let mut text = serde_json::Value::Object(header).to_string().into_bytes();
    text.resize(text.len().next_multiple_of(8), b' ');
    let mut new = (text.len() as u64).to_le_bytes().to_vec();
    new.extend(text);
    new.extend(&bytes[8 + length..]);
    replace(&path, &new);
}

/// The first tensor of rank 2 or more, its shape turned round: as many bytes, another meaning.
fn turn_a_shape(header: &mut serde_json::Map<String, serde_json::Value>) {
    let shapes = header.values_mut().filter_map(|t| t.get_mut("shape")).filter_map(serde_json::Value::as_array_mut);
    let mut uneven = shapes.filter(|s| s.len() > 1 && s.first() != s.last());
    uneven.next().expect("a tensor that is not square").reverse();
}

fn damaged(dir: &Path) {
    let model = |name: &str| {
        let path = dir.join(name);
        copy_model(&path);
        path
    };
    fs::create_dir(dir.join("empty-folder")).expect("made");
    fs::write(dir.join("a-file"), "x").expect("written");
    change_card(&model("unknown-field"), |card| card["surprise"] = 1.into());
    change_card(&model("unknown-family"), |card| card["family"] = "dalle".into());
    replace(&model("card-not-json").join("card.json"), b"{\"family\":");
    fs::remove_file(model("missing-weights").join("base.safetensors")).expect("removed");
    replace(&model("empty-weights").join("base.safetensors"), b"");
    let weights = fs::read(default_model().join("base.safetensors")).expect("weights");
    replace(&model("truncated-weights").join("base.safetensors"), &weights[..weights.len() / 2]);
    replace(&model("lying-header").join("base.safetensors"), &[&u64::MAX.to_le_bytes()[..], b"{}"].concat());
    change_header(&model("wrong-shape"), turn_a_shape);
    change_header(&model("wrong-dtype"), |header| {
        for tensor in header.values_mut().filter(|t| t["dtype"] == "F16") {
            tensor["dtype"] = "I16".into();
        }
    });
    change_header(&model("foreign-tensor"), |header| {
        let name = header.keys().find(|k| *k != "__metadata__").expect("a tensor").clone();
        let tensor = header.remove(&name).expect("it was found");
        header.insert("foreign.weight".into(), tensor);
    });
    // A zip with a pickle inside begins so.
    let pickle = model("pickle");
    fs::remove_file(pickle.join("base.safetensors")).expect("removed");
    fs::write(pickle.join("base.pt"), b"PK\x03\x04archive/data.pkl").expect("written");
    change_card(&pickle, |card| card["stages"][0]["weights"] = "base.pt".into());
    let tokenizer = model("no-special-token").join("text_encoder/tokenizer.json");
    let mut json: serde_json::Value = serde_json::from_slice(&fs::read(&tokenizer).expect("a tokenizer")).expect("JSON");
    json["post_processor"]["special_tokens"] = serde_json::json!({});
    replace(&tokenizer, json.to_string().as_bytes());
    fs::remove_file(model("no-tokenizer").join("text_encoder/tokenizer.json")).expect("removed");
}

fn write_pictures(dir: &Path) {
    fs::write(dir.join("taken.png"), "not a picture").expect("written");
    fs::write(dir.join("mine-64.png"), "precious").expect("written");
    image::RgbImage::new(40, 80).save(dir.join("small.png")).expect("saved");
    image::RgbImage::new(80, 80).save(dir.join("fine.png")).expect("saved");
    let fine = fs::read(dir.join("fine.png")).expect("read");
    fs::write(dir.join("cut.png"), &fine[..fine.len() - 30]).expect("written");
    let mut huge = Vec::new();
    let mut encoder = png::Encoder::new(&mut huge, 100_000, 100_000);
    encoder.set_color(png::ColorType::Rgb);
    drop(encoder.write_header().expect("a header"));
    fs::write(dir.join("huge.png"), &huge).expect("written");
}

#[test]

fn wrong_settings_and_paths_are_refused_before_the_work() {
    let dir = tempfile::tempdir().expect("a folder");
    write_pictures(dir.path());
    check_all(dir.path(), SETTINGS);
}

#[test]

fn damaged_models_and_missing_adapters_are_refused() {
    // Beside the binary, so that models can be linked and need not be copied.
    let dir = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a folder");
    damaged(dir.path());
    check_all(dir.path(), MODELS);
}

/// A limit on file sizes stands for a full disk: the write fails halfway, and nothing of the file may remain.
#[cfg(unix)]
#[test]

fn a_full_disk_leaves_no_half_written_file() {
    let dir = tempfile::tempdir().expect("a folder");
    let binary = env!("CARGO_BIN_EXE_imagen");
    // 1 block of 512 bytes; without the trap the signal would end the program.
    let script =
        format!("trap '' XFSZ; ulimit -f 1; exec '{binary}' generate x --seed 1 --steps 2 --until 64 --device cpu --out a");
    let output = std::process::Command::new("sh").args(["-c", &script]).current_dir(dir.path()).output().expect("sh runs");
    fails_with(&output, 1, "not written").expect("one line");
    assert_eq!(fs::read_dir(dir.path()).expect("there").count(), 0);
}

/// An empty prompt is the unconditional one, and a prompt that is too long is cut and said: neither is an error.
#[test]

fn an_empty_and_an_endless_prompt_make_pictures() {
    let dir = tempfile::tempdir().expect("a folder");
    let long = "apple ".repeat(500);
    for (prompt, name, remark) in [("", "empty", ""), (long.as_str(), "long", "the rest is not seen")] {
        let line = ["generate", prompt, "--seed", "1", "--steps", "1", "--until", "64", "--device", "cpu", "--out", name];
        let output = imagen(dir.path()).args(line).output().expect("it runs");
        let err = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success() && err.contains(remark), "{err}");
        assert!(dir.path().join(format!("{name}-64.png")).is_file());
    }
}
