//! DeepFloyd IF's U-Nets against diffusers: recorded outputs, and the layouts of the published checkpoints.

use std::collections::BTreeMap;
use std::path::Path;

use burn::tensor::{Device, Tensor, f16};
use imagen_engine::models::deepfloyd::{Unet, UnetConfig};
use imagen_engine::models::weights::{Loader, WeightFiles, WeightSource};
use imagen_engine::models::{Conditioning, ConfigError};
use imagen_tests::{HostTensor, assert_close, devices, parity_cases, read, read_json, read_safetensors, repo};

const TOLERANCE: f32 = 5e-4;

const WEIGHTS: &str = "diffusion_pytorch_model.safetensors";

fn load(folder: &Path, device: &Device) -> Unet {
    load_from(folder, &folder.join(WEIGHTS), device, false)
}

fn load_from(folder: &Path, weights: &Path, device: &Device, half: bool) -> Unet {
    let config = std::fs::read_to_string(folder.join("config.json")).expect("a config");
    let config = UnetConfig::from_json(&config).expect("a supported config");
    let files = WeightFiles::open(&[weights]).expect("weights");
    let loader = Loader::new(WeightSource::Files(&files), device).with_half(half);
    let unet = Unet::load(&config, &loader.root()).expect("every tensor is there");
    loader.finish().expect("every tensor is used");
    unet
}

/// diffusers takes x_t and the low-resolution picture in one tensor; ours are apart.
fn run(unet: &Unet, io: &BTreeMap<String, HostTensor>, device: &Device) -> Vec<f32> {
    let sample: Tensor<4> = io["sample"].tensor(device);
    let aug_level = io.get("noise_level").map(HostTensor::f32);
    let (x_t, low_res) = if aug_level.is_some() {
        let mut halves = sample.chunk(2, 1).into_iter();
        (halves.next().expect("two halves"), halves.next())
    } else {
        (sample, None)
    };
    let conditioning = Conditioning { text: io["encoder_hidden_states"].tensor(device), mask: None, low_res, aug_level };
    unet.check(x_t.dims(), &conditioning).expect("the case fits the network");
    read(unet.forward(x_t, &io["timestep"].f32(), &conditioning))
}

#[test]
fn recorded_passes_agree_with_diffusers() {
    for case in parity_cases("if-unet") {
        let io = read_safetensors(&case.path.join("io.safetensors"));
        for on in devices() {
            let unet = load(&case.path.join(case.meta["unet"].as_str().expect("a path")), &on.device);
            let what = format!("{} on {}", case.name(), on.name);
            let error = assert_close(&what, &run(&unet, &io, &on.device), &io["out"].f32(), TOLERANCE);
            println!("{what}: {error:.2e}");
        }
    }
}

/// A published fp16 checkpoint is these numbers, and f16 at rest must not change what it computes.
#[test]
fn a_checkpoint_in_f16_gives_the_same_values_at_rest_as_f16() {
    let dir = tempfile::tempdir().expect("a folder");
    for case in parity_cases("if-unet") {
        let io = read_safetensors(&case.path.join("io.safetensors"));
        let folder = case.path.join(case.meta["unet"].as_str().expect("a path"));
        let path = dir.path().join(format!("{}.safetensors", case.name()));
        let all = read_safetensors(&folder.join(WEIGHTS));
        let shapes = all.iter().map(|(name, tensor)| (name.clone(), tensor.shape.clone())).collect();
        let mut values = all.values().flat_map(HostTensor::f32);
        imagen_tests::random::write(&path, &shapes, |_, _| f16::from_f32(values.next().expect("as many values")));
        for on in devices() {
            let [half, full] = [true, false].map(|half| run(&load_from(&folder, &path, &on.device, half), &io, &on.device));
            let what = format!("{} on {}", case.name(), on.name);
            assert!(half == full, "{what}: f16 at rest gives other values");
            println!("{what}: {:.2e} from the f32 checkpoint", assert_close(&what, &full, &io["out"].f32(), 2e-2));
        }
    }
}

/// The config of a published checkpoint (tests/fixtures/deepfloyd).
fn published(name: &str) -> serde_json::Value {
    read_json(&repo().join(format!("tests/fixtures/deepfloyd/{name}.json")))
}

/// FNV-1a over "name AxBxC\n" for each tensor in order.
fn fingerprint(layout: &BTreeMap<String, Vec<usize>>) -> u64 {
    let line = |(name, shape): (&String, &Vec<usize>)| {
        let shape: Vec<_> = shape.iter().map(usize::to_string).collect();
        format!("{name} {}\n", shape.join("x"))
    };
    let text: String = layout.iter().map(line).collect();
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |h, b| (h ^ u64::from(b)).wrapping_mul(0x100_0000_01b3))
}

#[test]
fn published_checkpoints_have_our_layout() {
    let layouts = read_json(&repo().join("tests/fixtures/deepfloyd/layouts.json"));
    let device = Device::flex();
    for (name, parameters) in
        [("IF-I-XL", 4_304_695_110), ("IF-I-L", 935_365_830), ("IF-I-M", 371_605_830), ("IF-II-L", 1_243_277_190_u64)]
    {
        let config = UnetConfig::from_json(&published(name).to_string()).expect("a supported config");
        let loader = Loader::new(WeightSource::Describe, &device);
        Unet::load(&config, &loader.root()).expect("describing needs no file");
        assert_eq!(loader.parameters(), parameters, "{name}");
        let layout = loader.layout();
        assert_eq!(Some(layout.len() as u64), layouts[name]["tensors"].as_u64(), "{name}: number of tensors");
        assert_eq!(
            Some(format!("{:016x}", fingerprint(&layout)).as_str()),
            layouts[name]["fnv1a64"].as_str(),
            "{name}: names and shapes"
        );
    }
}

#[test]
fn what_is_not_supported_is_named() {
    use serde_json::json;
    for (field, value) in [
        ("act_fn", json!("mish")),
        ("time_embedding_act_fn", json!("relu")),
        ("class_embed_type", json!("identity")),
        ("encoder_hid_dim_type", json!("image_proj")),
        ("addition_embed_type", json!("text_image")),
        ("cross_attention_norm", json!("layer_norm")),
        ("resnet_time_scale_shift", json!("default")),
        ("mid_block_type", json!("UNetMidBlock2DCrossAttn")),
        ("down_block_types", json!(["DownBlock2D", "DownBlock2D", "DownBlock2D", "DownBlock2D"])),
        ("up_block_types", json!(["ResnetUpsampleBlock2D"])),
        ("layers_per_block", json!([3, 3])),
        ("layers_per_block", json!(0)),
        ("layers_per_block", json!(1_000_000)),
        ("attention_head_dim", json!(0)),
        ("attention_head_dim", json!(60)),
        ("block_out_channels", json!([])),
        ("block_out_channels", json!([192, 384, 576, 770])),
        ("block_out_channels", json!([192, 384, 576, 1_u64 << 40])),
        ("norm_num_groups", json!(0)),
        ("norm_eps", json!(0.0)),
        ("cross_attention_dim", json!(770)),
        ("addition_embed_type_num_heads", json!(60)),
        ("resnet_out_scale_factor", json!(0.0)),
        ("conv_in_kernel", json!(4)),
        ("freq_shift", json!(96)),
        ("time_embedding_type", json!("fourier")),
        ("center_input_sample", json!(true)),
        ("num_class_embeds", json!(1000)),
        ("dual_cross_attention", json!(true)),
        ("a_new_field", json!(1)),
    ] {
        let mut config = published("IF-I-M");
        config[field] = value.clone();
        let error = UnetConfig::from_json(&config.to_string()).expect_err(field);
        assert!(matches!(error, ConfigError::Field { .. }), "{field} = {value}: {error:?}");
        let word = field.trim_end_matches("_types").trim_end_matches("_norm");
        assert!(error.to_string().contains(word), "{field} = {value}: {error}");
    }
    let mut config = published("IF-I-M");
    config.as_object_mut().expect("an object").remove("norm_eps");
    let missing = UnetConfig::from_json(&config.to_string()).expect_err("norm_eps is needed");
    assert!(matches!(&missing, ConfigError::Json(m) if m.contains("norm_eps")), "{missing}");
}
