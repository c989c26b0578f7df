//! Memory and time of a large U-Net on the CPU with its weights as f32 and as f16: DeepFloyd's IF-I-M by its published config, with random
//! weights that are written to a temporary f16 file. Each way runs in a process of its own, whose peak the system tells (Linux).
//!
//! `bench_memory [config.json] [pixels] [passes]`

use std::cell::Cell;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use burn::tensor::{Device, Tensor, TensorData, f16};
use imagen_engine::models::deepfloyd::UnetConfig;
use imagen_engine::models::weights::{Loader, WeightFiles, WeightSource};
use imagen_engine::models::{Conditioning, NetworkConfig};
use imagen_engine::runtime::footprint;
use imagen_protocol::Weights;
use imagen_tests::{random, read, repo};

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let arg = |i: usize| args.get(i).map(String::as_str);
    if let [weights, file, config, size, passes] = &args[..] {
        let number = |text: &str| text.parse().expect("a number");
        return measure(weights == "f16", Path::new(file), &network(Path::new(config)), number(size), number(passes));
    }
    let config = arg(0).map_or_else(|| repo().join("tests/fixtures/deepfloyd/IF-I-M.json"), PathBuf::from);
    let (size, passes) = (arg(1).unwrap_or("64"), arg(2).unwrap_or("3"));
    let dir = tempfile::tempdir().expect("a folder");
    let file = dir.path().join("random.safetensors");
    let loader = Loader::new(WeightSource::Describe, &Device::flex());
    network(&config).load(&loader.root()).expect("described");
    random::write(&file, &loader.layout(), |_, value| f16::from_f32(value));
    println!("{} M parameters, {size} x {size} pixels, guided", loader.parameters() / 1_000_000);
    for weights in ["f32", "f16"] {
        let program = std::env::current_exe().expect("this program");
        let status = Command::new(program).arg(weights).args([&file, &config]).args([size, passes]).status();
        assert!(status.expect("it starts").success(), "{weights} failed");
    }
}

fn network(config: &Path) -> NetworkConfig {
    let text = std::fs::read_to_string(config).expect("a config");
    NetworkConfig::DeepFloyd(UnetConfig::from_json(&text).expect("a supported config"))
}

/// A line of /proc/self/status in MB.
fn status(name: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix(name));
    line.and_then(|l| l.trim_start_matches(':').split_whitespace().next()?.parse::<u64>().ok()).unwrap_or(0) * 1024 / 1_000_000
}

fn measure(half: bool, file: &Path, config: &NetworkConfig, size: usize, passes: usize) {
    let device = Device::flex();
    let peak = Cell::new(0);
    let look = || peak.set(peak.get().max(status("RssAnon")));
    let files = WeightFiles::open(&[file]).expect("weights");
    let watch = |_| {
        look();
        ControlFlow::Continue(())
    };
    let start = Instant::now();
    let loader = Loader::new(WeightSource::Files(&files), &device).with_half(half).with_progress(&watch);
    let network = config.load(&loader.root()).expect("loads");
    loader.finish().expect("every tensor is used");
    // As the engine does: a stage's file is closed when its network is loaded.
    drop(files);
    let loading = start.elapsed().as_secs_f64();
    look();
    let (at_rest, whole) = (status("RssAnon"), status("VmHWM"));
    // The system's peak from here on is that of the passes.
    std::fs::write("/proc/self/clear_refs", "5").expect("a Linux with its own peak reset");
    let wave = |n: usize, step: f32| (0..n).map(|i| (i as f32 * step).sin()).collect::<Vec<f32>>();
    let x = Tensor::<4>::from_data(TensorData::new(wave(6 * size * size, 0.37), [2, 3, size, size]), &device);
    let text = wave(2 * 77 * config.text_dim(), 0.73);
    let conditioning = Conditioning {
        text: Tensor::from_data(TensorData::new(text, [2, 77, config.text_dim()]), &device),
        mask: None,
        low_res: config.low_res().then(|| x.clone()),
        aug_level: config.low_res().then(|| vec![100.0; 2]),
    };
    let mut best = f64::MAX;
    let mut sum = 0.0;
    for _ in 0..passes {
        let start = Instant::now();
        sum = read(network.forward(x.clone(), &[500.0; 2], &conditioning)).iter().map(|v| f64::from(v.abs())).sum();
        best = best.min(start.elapsed().as_secs_f64());
    }
    let weights = if half { Weights::F16 } else { Weights::F32 };
    let told = footprint(config, u32::try_from(size).expect("a picture"), true).expect("described").running(weights) / 1_000_000;
    let name = if half { "f16" } else { "f32" };
    println!(
        "{name}: loading {loading:.1} s, {} MB at most ({whole} MB with the file's pages); {at_rest} MB at rest",
        peak.get()
    );
    println!("     a pass {best:.2} s at best, {} MB at most, {told} MB told; |out| sum {sum:.3}", status("VmHWM"));
}
