//! The paper's U-Nets against PyTorch's: tiny random ones, and the shipped cascade.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use burn::tensor::{Device, Tensor};
use imagen_engine::models::imagen::{Unet, UnetConfig};
use imagen_engine::models::weights::{Loader, WeightFiles, WeightSource};
use imagen_engine::models::{Conditioning, ConfigError, InputError};
use imagen_tests::{assert_close, devices, read_safetensors, repo, unets};

const TOLERANCE: f32 = 1e-4;

fn fixtures() -> Vec<PathBuf> {
    let folder = repo().join("tests/fixtures/unet");
    let files = std::fs::read_dir(&folder).expect("the fixtures are there").map(|e| e.expect("readable").path());
    let mut cards: Vec<_> = files.filter(|p| p.extension().is_some_and(|e| e == "json")).collect();
    cards.sort();
    assert!(cards.len() >= 4, "base and efficient, patch 1 and 2");
    cards
}

fn card(path: &Path) -> String {
    std::fs::read_to_string(path).expect("a card")
}

fn load_fixture(path: &Path, device: &Device) -> Unet {
    let config = UnetConfig::from_json(&card(path)).expect("a valid card");
    let files = WeightFiles::open(&[path.with_extension("weights.safetensors")]).expect("weights");
    let loader = Loader::new(WeightSource::Files(&files), device);
    let unet = Unet::load(&config, &loader.root()).expect("every tensor is there");
    loader.finish().expect("every tensor is used");
    unet
}

#[test]
fn tiny_networks_agree_with_pytorch() {
    for path in fixtures() {
        let case = read_safetensors(&path.with_extension("safetensors"));
        for on in devices() {
            let unet = load_fixture(&path, &on.device);
            let ours = unets::run(&unet, unets::inputs(&case, "", &on.device));
            let what = format!("{} on {}", path.file_stem().expect("a name").to_string_lossy(), on.name);
            println!("{what}: {:.2e}", assert_close(&what, &ours, &case["out"].f32(), TOLERANCE));
        }
    }
}

#[test]
fn shipped_networks_agree_with_pytorch() {
    let folder = repo().join("assets/models/default");
    let card: serde_json::Value = serde_json::from_str(&card(&folder.join("card.json"))).expect("the cascade's card");
    let golden = read_safetensors(&folder.join("golden.safetensors"));
    let stages = card["stages"].as_array().expect("stages");
    assert_eq!(stages.len(), 3);
    for on in devices() {
        for stage in stages {
            let error = shipped_stage(&folder, stage, &golden, &on.device, &on.name);
            println!("{} on {}: {error:.2e}", stage["weights"], on.name);
        }
    }
}

fn shipped_stage(
    folder: &Path,
    stage: &serde_json::Value,
    golden: &BTreeMap<String, imagen_tests::HostTensor>,
    device: &Device,
    on: &str,
) -> f32 {
    let config = UnetConfig::from_json(&stage["unet"].to_string()).expect("a valid card");
    let weights = stage["weights"].as_str().expect("a file name");
    let files = WeightFiles::open(&[folder.join(weights)]).expect("weights");
    let loader = Loader::new(WeightSource::Files(&files), device);
    let unet = Unet::load(&config, &loader.root()).expect("every tensor is there");
    loader.finish().expect("every tensor is used");
    let prefix = format!("{}.", weights.trim_end_matches(".safetensors"));
    let ours = unets::run(&unet, unets::inputs(golden, &prefix, device));
    assert_close(&format!("{weights} on {on}"), &ours, &golden[&format!("{prefix}out")].f32(), TOLERANCE)
}

/// The fixture's card with one field replaced.
fn broken(name: &str, field: &str, value: serde_json::Value) -> ConfigError {
    let path = repo().join(format!("tests/fixtures/unet/{name}.json"));
    let mut edited: serde_json::Value = serde_json::from_str(&card(&path)).expect("a card");
    if value.is_null() {
        edited.as_object_mut().expect("an object").remove(field);
    } else {
        edited[field] = value;
    }
    UnetConfig::from_json(&edited.to_string()).expect_err(&format!("{field} is refused"))
}

#[test]
fn a_card_that_cannot_be_built_is_refused_by_name() {
    use serde_json::json;
    for (name, field, value) in [
        ("base", "kind", json!("diffusion")),
        ("base", "width", json!(0)),
        ("base", "width", json!(5)),
        ("base", "width", json!(1_u64 << 40)),
        ("base", "groups", json!(3)),
        ("base", "head_dim", json!(3)),
        ("base", "patch", json!(0)),
        ("base", "patch", json!(3)),
        ("base", "pool_heads", json!(3)),
        ("base", "image_size", json!(17)),
        ("base", "channel_mult", json!([])),
        ("base", "channel_mult", json!([1, 0])),
        ("base", "channel_mult", json!(null)),
        ("base", "num_res_blocks", json!([1])),
        ("base", "num_res_blocks", json!([1, 1_000_000_000])),
        ("base", "attn_resolutions", json!([5])),
        ("base", "blocks", json!([])),
        ("efficient", "blocks", json!([])),
        ("efficient", "blocks", json!([{"channels": 6, "stride": 0, "num_res_blocks": 1, "attention": "none"}])),
        ("efficient", "blocks", json!([{"channels": 6, "stride": 2, "num_res_blocks": 1, "attention": "cross"}])),
        ("efficient", "channel_mult", json!([1])),
    ] {
        let error = broken(name, field, value.clone());
        assert!(matches!(error, ConfigError::Field { .. }), "{field} = {value}: {error:?}");
    }
    let unknown =
        broken("efficient", "blocks", json!([{"channels": 6, "stride": 2, "num_res_blocks": 1, "attention": "linear"}]));
    assert!(unknown.to_string().contains("linear"), "{unknown}");
    let extra = broken("base", "dropout", json!(0.1));
    assert!(matches!(&extra, ConfigError::Json(m) if m.contains("dropout")), "{extra}");
}

#[test]
fn inputs_that_do_not_fit_are_refused() {
    let device = Device::flex();
    let path = repo().join("tests/fixtures/unet/efficient.json");
    let unet = load_fixture(&path, &device);
    let (_, _, good) = unets::inputs(&read_safetensors(&path.with_extension("safetensors")), "", &device);
    assert_eq!(unet.check([2, 3, 16, 8], &good), Ok(()));
    let shape = |x, c: &Conditioning| assert!(matches!(unet.check(x, c), Err(InputError::Shape { .. })), "{x:?}");
    shape([2, 3, 16, 9], &good);
    shape([2, 4, 16, 8], &good);
    shape([1, 3, 16, 8], &good);
    shape([2, 3, 0, 8], &good);
    shape([2, 3, 16, 8], &Conditioning { text: Tensor::zeros([2, 5, 7], &device), ..good.clone() });
    shape([2, 3, 16, 8], &Conditioning { text: Tensor::zeros([2, 4, 6], &device), ..good.clone() });
    shape([2, 3, 16, 8], &Conditioning { low_res: Some(Tensor::zeros([2, 3, 8, 8], &device)), ..good.clone() });
    shape([2, 3, 16, 8], &Conditioning { aug_level: Some(vec![0.0]), ..good.clone() });
    let without = Conditioning { low_res: None, ..good.clone() };
    assert_eq!(unet.check([2, 3, 16, 8], &without), Err(InputError::Missing("low_res")));
    let without = Conditioning { aug_level: None, ..good };
    assert_eq!(unet.check([2, 3, 16, 8], &without), Err(InputError::Missing("aug_level")));
}

#[test]
fn the_mask_hides_what_it_covers() {
    let device = Device::flex();
    for path in fixtures() {
        let case = read_safetensors(&path.with_extension("safetensors"));
        let unet = load_fixture(&path, &device);
        let (x, time, c) = unets::inputs(&case, "", &device);
        let hidden = c.mask.clone().expect("a mask").bool_not().unsqueeze_dim::<3>(2).expand(c.text.dims());
        let other = Conditioning { text: c.text.clone().mask_fill(hidden, 9.0), ..c.clone() };
        let all = Conditioning { mask: None, ..other.clone() };
        let expected = case["out"].f32();
        assert_close("padding replaced", &unets::run(&unet, (x.clone(), time.clone(), other)), &expected, TOLERANCE);
        let seen = unets::run(&unet, (x, time, all));
        let change = seen.iter().zip(&expected).fold(0.0_f32, |m, (a, b)| m.max((a - b).abs()));
        assert!(change > 1e-3, "{}: without a mask the padding is seen, changed by {change}", path.display());
    }
}
