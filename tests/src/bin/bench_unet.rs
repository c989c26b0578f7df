//! Milliseconds a forward pass of each network of the shipped cascade on the CPU, beside `bench_unet.py` for PyTorch.
//!
//! `bench_unet [batch] [tokens] [pixels a side of the one network to run]`

use std::time::Instant;

use burn::tensor::{Bool, Device, Tensor, TensorData};
use imagen_engine::models::Conditioning;
use imagen_engine::models::imagen::{Unet, UnetConfig};
use imagen_engine::models::weights::{Loader, WeightFiles, WeightSource};
use imagen_tests::{read, repo};

fn main() {
    let number = |i: usize, default| std::env::args().nth(i).map_or(default, |a| a.parse().expect("a number"));
    let (batch, tokens, only) = (number(1, 2), number(2, 16), number(3, 0));
    let folder = repo().join("assets/models/default");
    let card = std::fs::read_to_string(folder.join("card.json")).expect("the shipped cascade");
    let card: serde_json::Value = serde_json::from_str(&card).expect("a card");
    let wanted = |stage: &&serde_json::Value| only == 0 || stage["size"] == only;
    for stage in card["stages"].as_array().expect("stages").iter().filter(wanted) {
        bench(&folder, stage, batch, tokens);
    }
}

fn bench(folder: &std::path::Path, stage: &serde_json::Value, batch: usize, tokens: usize) {
    let device = Device::flex();
    let config = UnetConfig::from_json(&stage["unet"].to_string()).expect("a valid card");
    let files = WeightFiles::open(&[folder.join(stage["weights"].as_str().expect("a name"))]).expect("weights");
    let loader = Loader::new(WeightSource::Files(&files), &device);
    let unet = Unet::load(&config, &loader.root()).expect("the network");
    let (size, text_dim) = (config.common().image_size, config.common().text_dim);
    let batch = if config.common().low_res { 1 } else { batch };
    let picture = |scale: f32| {
        let values = (0..batch * 3 * size * size).map(|i| (i as f32 * 0.37).sin() * scale).collect::<Vec<_>>();
        Tensor::<4>::from_data(TensorData::new(values, [batch, 3, size, size]), &device)
    };
    let text: Vec<f32> = (0..batch * tokens * text_dim).map(|i| (i as f32 * 0.73).sin() * 0.4).collect();
    let conditioning = Conditioning {
        text: Tensor::from_data(TensorData::new(text, [batch, tokens, text_dim]), &device),
        mask: Some(Tensor::<2, Bool>::full([batch, tokens], true, &device)),
        low_res: config.common().low_res.then(|| picture(0.5)),
        aug_level: config.common().low_res.then(|| vec![0.1; batch]),
    };
    let pass = || read(unet.forward(picture(1.0), &vec![500.0; batch], &conditioning));
    let checksum: f64 = pass().iter().map(|v| f64::from(v.abs())).sum();
    let mut times: Vec<f64> = (0..15)
        .map(|_| {
            let start = Instant::now();
            pass();
            start.elapsed().as_secs_f64() * 1e3
        })
        .collect();
    times.sort_by(f64::total_cmp);
    println!("{size}: batch {batch}, median {:.1} ms, best {:.1} ms, |out| sum {checksum:.3}", times[7], times[0]);
}
