//! What weights and passes take: f16 at rest, encoders a block at a time, and the figures that `imagen models` tells.

use std::cell::Cell;
use std::ops::ControlFlow;
use std::path::Path;

use burn::tensor::{Device, Tensor, TensorData, bf16, f16};
use imagen_engine::models::deepfloyd::UnetConfig;
use imagen_engine::models::text::{TextModel, Tokens};
use imagen_engine::models::weights::{Counts, Loader, WeightFiles, WeightSource};
use imagen_engine::models::{Conditioning, NetworkConfig};
use imagen_engine::runtime::{OpenDevice, adapters, footprint, open_device};
use imagen_protocol::{AdapterKind, DeviceChoice, Event, GenerateRequest, Weights};
use imagen_tests::random::{Shapes, t5, write};
use imagen_tests::{assert_close, devices, parity_cases, read, repo};
use safetensors::tensor::{Dtype, TensorView};

use crate::runtime::{cpu, pictures, request, run};

/// A device of its own: what other tests do on the shared one is not counted.
fn own_gpu() -> OpenDevice {
    let usable = adapters().into_iter().find(|a| a.unusable.is_none() && a.kind != AdapterKind::Other);
    open_device(DeviceChoice::Gpu(usable.expect("an adapter").index)).expect("it opens")
}

fn in_use(device: &Device) -> u64 {
    device.memory_pool_usage().expect("the backend tells").bytes_in_use
}

/// A linear layer of 37 x 150 and a convolution of 20 x 9, on inputs of their own.
fn layers(files: &WeightFiles, device: &Device, half: bool, limit: Option<u64>) -> (Vec<f32>, Vec<f32>, Counts) {
    let loader = Loader::new(WeightSource::Files(files), device).with_half(half).with_max_binding_bytes(limit);
    let linear = loader.root().at("linear").linear(37, 150, true).expect("a linear layer");
    let conv = loader.root().at("conv").conv2d(9, 20, 3, 1).expect("a convolution");
    let wave = |n: usize| (0..n).map(|i| (i as f32 * 0.37).sin()).collect::<Vec<f32>>();
    let x = Tensor::<2>::from_data(TensorData::new(wave(11 * 37), [11, 37]), device);
    let image = Tensor::<4>::from_data(TensorData::new(wave(9 * 25), [1, 9, 5, 5]), device);
    (read(linear.forward(x)), read(conv.forward(image)), loader.counts())
}

const SHAPES: [(&str, &[usize]); 4] =
    [("linear.weight", &[150, 37]), ("linear.bias", &[150]), ("conv.weight", &[20, 9, 3, 3]), ("conv.bias", &[20])];

#[test]
fn weights_of_an_f16_file_are_the_same_numbers_at_rest_as_f16() {
    let dir = tempfile::tempdir().expect("a folder");
    let shapes: Shapes = SHAPES.iter().map(|(name, shape)| (name.to_string(), shape.to_vec())).collect();
    let path = dir.path().join("layers.safetensors");
    // The smallest, subnormal and largest numbers that f16 has are among them.
    let edges = [1, 0x3ff, 0x400, 0x8001, 0x3c00].map(f16::from_bits);
    write(&path, &shapes, |i, random| edges.get(i).copied().unwrap_or(f16::from_f32(random)));
    let files = WeightFiles::open(&[&path]).expect("opens");
    for on in devices() {
        let (linear, conv, full) = layers(&files, &on.device, false, None);
        // The limits split the weights.
        for limit in [None, Some(5000)] {
            let half = layers(&files, &on.device, true, limit);
            let whole = layers(&files, &on.device, false, limit);
            assert_eq!((&half.0, &half.1), (&whole.0, &whole.1), "{}, limit {limit:?}", on.name);
            assert_eq!(half.2.bytes, whole.2.bytes - 2 * whole.2.matrices, "{}", on.name);
        }
        assert_eq!((full.parameters, full.matrices, full.largest), (7340, 7170, 5550));
        assert!(linear.iter().chain(&conv).any(|v| v.abs() > 0.1));
    }
}

/// The layers' file, each tensor's bytes made by `bytes` from its place.
fn layers_file(dir: &Path, dtype: Dtype, bytes: impl Fn(usize, usize) -> Vec<u8>) -> WeightFiles {
    let path = dir.join("layers.safetensors");
    let data: Vec<Vec<u8>> = SHAPES
        .iter()
        .enumerate()
        .map(|(at, (_, shape))| (0..shape.iter().product()).flat_map(|i| bytes(at, i)).collect())
        .collect();
    let view = |(shape, data)| TensorView::new(dtype, <[usize]>::to_vec(shape), data).expect("a view");
    let views = SHAPES.iter().zip(&data).map(|((name, shape), data)| (*name, view((shape, data))));
    std::fs::write(&path, safetensors::serialize(views, None).expect("serializes")).expect("written");
    WeightFiles::open(&[path]).expect("opens")
}

#[test]
fn what_f16_cannot_hold_stays_f32() {
    let dir = tempfile::tempdir().expect("a folder");
    let value = |tensor, i| if (tensor, i) == (0, 3) { 65_600.0_f32 } else { 0.1 };
    let files = layers_file(dir.path(), Dtype::F32, |tensor, i| value(tensor, i).to_le_bytes().into());
    let (linear, conv, full) = layers(&files, &Device::flex(), false, None);
    let (linear_half, conv_half, half) = layers(&files, &Device::flex(), true, None);
    assert_eq!(linear, linear_half, "its largest value is out of range");
    assert_eq!(half.bytes, full.bytes - 2 * 1620, "the convolution's weights are in range");
    // 0.1 is rounded by 2.4e-5.
    assert!(conv != conv_half);
    assert_close("rounded weights", &conv_half, &conv, 1e-4);
}

/// f16 has more digits than bf16, so values of a usual size are not rounded.
#[test]
fn weights_of_a_bf16_file_are_the_same_numbers_as_f16() {
    let dir = tempfile::tempdir().expect("a folder");
    let value = |i: usize| bf16::from_f32(((i as f32) * 0.7).sin() + 2.0);
    let files = layers_file(dir.path(), Dtype::BF16, |_, i| value(i).to_le_bytes().into());
    let (full, half) = (layers(&files, &Device::flex(), false, None), layers(&files, &Device::flex(), true, None));
    assert_eq!((full.0, full.1), (half.0, half.1));
    assert_eq!(half.2.bytes, full.2.bytes - 2 * half.2.matrices);
}

/// A T5 of 12 blocks with random weights, its folder and its tokens.
fn encoder(dir: &Path) -> (TextModel, Tokens) {
    let config = r#"{"model_type":"t5","vocab_size":300,"d_model":128,"d_kv":32,"d_ff":512,"num_layers":12,"num_heads":4,
        "feed_forward_proj":"gated-gelu"}"#;
    std::fs::write(dir.join("config.json"), config).expect("written");
    let shapes = t5([300, 128, 512, 4, 32], 12);
    write(&dir.join("model.safetensors"), &shapes, |_, random| f16::from_f32(random));
    let ids = vec![(0..40).map(|i| i * 7 % 300).collect(), vec![5; 40]];
    (TextModel::open(dir).expect("opens"), Tokens { max_tokens: 40, mask: vec![vec![true; 40]; 2], ids, counts: vec![40; 2] })
}

#[test]
fn a_streamed_encoder_says_the_same_and_holds_one_block() {
    let dir = tempfile::tempdir().expect("a folder");
    let (model, tokens) = encoder(dir.path());
    let info = model.info().expect("info");
    let block = info.block.expect("a T5 has blocks");
    assert_eq!(block, 4 * 128 * 128 + 3 * 512 * 128 + 2 * 128);
    for (half, bytes) in [(false, 4), (true, 2)] {
        let gpu = own_gpu();
        let before = in_use(&gpu.device);
        let peak = Cell::new(0);
        let watch = |_| {
            peak.set(peak.get().max(in_use(&gpu.device) - before));
            ControlFlow::Continue(())
        };
        let loader = model.loader(&gpu.device).with_half(half).with_progress(&watch);
        let streamed = read(model.stream(loader, &tokens).expect("streams").states);
        // A block, and states and position bias, which are far smaller than two blocks here.
        let most = (bytes * block) + info.activations * 80 + (1 << 20);
        assert!(
            peak.get() > bytes * block / 2 && peak.get() < most,
            "{} bytes at most, a block has {}",
            peak.get(),
            bytes * block
        );
        let whole = model.load(model.loader(&gpu.device).with_half(half)).expect("loads");
        assert!(whole.bytes() >= 12 * bytes * block && in_use(&gpu.device) - before > most);
        assert!(streamed == read(whole.encode(&tokens).expect("encodes").states), "half {half}: other states on the GPU");
        let flex = model.loader(&Device::flex()).with_half(half);
        let streamed = read(model.stream(flex, &tokens).expect("streams").states);
        let whole = model.load(model.loader(&Device::flex()).with_half(half)).expect("loads");
        assert!(streamed == read(whole.encode(&tokens).expect("encodes").states), "half {half}: other states on the CPU");
    }
}

/// The files of the default model are f16.
#[test]
fn the_default_model_makes_the_same_picture_with_half_the_weights() {
    let engine = cpu();
    let mut made = Vec::new();
    for (job, weights) in [(1, Weights::Auto), (2, Weights::F16)] {
        let events = run(&engine, job, GenerateRequest { weights, ..request(&[(64, 2)]) });
        let bytes = events.iter().filter_map(|event| match event {
            Event::Memory { model_bytes, .. } => Some(*model_bytes),
            _ => None,
        });
        made.push((pictures(&events, 64), bytes.max().expect("told")));
    }
    assert!(made[0].0 == made[1].0, "other pictures");
    assert!(made[1].1 * 10 < made[0].1 * 6, "{} bytes, {} as f16", made[0].1, made[1].1);
}

/// DeepFloyd's own networks by their published configs: the first stage's largest is for cards of 12 GB and machines of 16.
#[test]
fn deepfloyds_networks_fit() {
    for (name, size, halved, most) in
        [("IF-I-M", 64, false, 1.7), ("IF-I-L", 64, true, 2.3), ("IF-I-XL", 64, true, 10.0), ("IF-II-L", 256, true, 4.5)]
    {
        let path = repo().join(format!("tests/fixtures/deepfloyd/{name}.json"));
        let config = UnetConfig::from_json(&std::fs::read_to_string(path).expect("a config")).expect("a supported config");
        let part = footprint(&NetworkConfig::DeepFloyd(config), size, true).expect("described");
        let told = part.running(Weights::Auto) as f64 / 1e9;
        println!("{name}: {told:.2} GB, {:.2} GB as f32; {:?}", part.running(Weights::F32) as f64 / 1e9, part);
        assert_eq!(Weights::Auto.halve(&part), halved, "{name}");
        assert!(told < most && told > most / 2.0, "{name}: {told} GB");
    }
}

/// How far apart `imagen models' figure and what burn reserves may be: burn rounds each tensor up to slices of its pages.
const FACTOR: f64 = 2.0;

#[test]
fn the_memory_told_is_the_memory_taken() {
    for case in parity_cases("if-unet") {
        let folder = case.path.join(case.meta["unet"].as_str().expect("a path"));
        let config = std::fs::read_to_string(folder.join("config.json")).expect("a config");
        let config = NetworkConfig::DeepFloyd(UnetConfig::from_json(&config).expect("a supported config"));
        let files = WeightFiles::open(&[folder.join("diffusion_pytorch_model.safetensors")]).expect("weights");
        // Large enough for activations to count, and for pages not to.
        let size = 64;
        for weights in [Weights::F32, Weights::F16] {
            let gpu = own_gpu();
            let part = footprint(&config, size, true).expect("described");
            let loader = Loader::new(WeightSource::Files(&files), &gpu.device).with_half(weights.halve(&part));
            let network = config.load(&loader.root()).expect("loads");
            let bytes = loader.counts().bytes;
            assert_eq!(bytes, part.at_rest(weights));
            let loaded = in_use(&gpu.device);
            let low_res = config.low_res();
            let picture = || Tensor::<4>::ones([2, 3, size as usize, size as usize], &gpu.device);
            let conditioning = Conditioning {
                text: Tensor::ones([2, 77, config.text_dim()], &gpu.device),
                mask: None,
                low_res: low_res.then(picture),
                aug_level: low_res.then(|| vec![100.0; 2]),
            };
            let out = network.forward(picture(), &[500.0; 2], &conditioning);
            assert!(read(out).iter().all(|v| v.is_finite()));
            let reserved = gpu.device.memory_pool_usage().expect("told").bytes_reserved;
            let told = part.running(weights);
            println!("{} {weights:?}: at rest {bytes}, in use {loaded}; told {told}, reserved {reserved}", case.name());
            assert!(loaded >= bytes && (loaded as f64) < FACTOR * bytes as f64, "{loaded} bytes for weights of {bytes}");
            let ratio = reserved as f64 / told as f64;
            assert!(ratio > 1.0 / FACTOR && ratio < FACTOR, "{reserved} bytes reserved, {told} told");
        }
    }
}
