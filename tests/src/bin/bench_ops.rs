//! Our kernels against burn's own operations, on the same device in the same run: `bench_ops [--large]`. Prints a table.

use std::time::{Duration, Instant};

use burn::tensor::ops::AttentionModuleOptions;
use burn::tensor::{Device, Distribution, Tensor, module};
use imagen_engine::ops;
use imagen_protocol::Threshold;
use imagen_tests::{TestDevice, devices};

/// Each side runs at least this long and this often.
const TIME: Duration = Duration::from_millis(600);
const RUNS: u32 = 3;

/// B, heads, Lq, Lk, d.
const ATTENTION: [[usize; 5]; 4] =
    [[2, 8, 64, 64 + 77, 64], [2, 8, 256, 256 + 77, 64], [1, 4, 1024, 1024, 64], [1, 8, 256, 256, 32]];
const ATTENTION_LARGE: [[usize; 5]; 2] = [[2, 8, 1024, 1024 + 77, 64], [1, 8, 4096, 4096 + 77, 64]];
/// B, c_in, side, c_out, kernel.
const CONV: [[usize; 5]; 6] =
    [[2, 64, 16, 64, 3], [2, 192, 8, 192, 3], [1, 64, 64, 64, 3], [1, 128, 32, 128, 1], [1, 19, 256, 16, 3], [1, 16, 256, 3, 3]];
const CONV_LARGE: [[usize; 5]; 2] = [[2, 192, 64, 192, 3], [1, 128, 256, 128, 3]];
const THRESHOLD: [[usize; 4]; 3] = [[1, 3, 64, 64], [4, 3, 256, 256], [1, 3, 1024, 1024]];

fn main() {
    let large = std::env::args().any(|arg| arg == "--large");
    println!("| device | op | shape | ours, ms | burn's, ms | burn's / ours | largest difference |");
    println!("| --- | --- | --- | --- | --- | --- | --- |");
    for device in devices() {
        let cases = ATTENTION.iter().chain(if large { &ATTENTION_LARGE[..] } else { &[] });
        for shape in cases {
            attention(&device, *shape);
        }
        for shape in CONV.iter().chain(if large { &CONV_LARGE[..] } else { &[] }) {
            convolution(&device, *shape);
        }
        for shape in THRESHOLD {
            threshold(&device, shape);
        }
    }
}

fn attention(device: &TestDevice, [batch, heads, queries, keys, d]: [usize; 5]) {
    let random = |length| Tensor::<4>::random([batch, heads, length, d], Distribution::Normal(0.0, 1.0), &device.device);
    let (q, k, v) = (random(queries), random(keys), random(keys));
    let scale = 1.0 / (d as f32).sqrt();
    let ours = || ops::attention(q.clone(), k.clone(), v.clone(), ops::AttentionOptions::scaled(scale));
    let options = || AttentionModuleOptions { scale: Some(f64::from(scale)), ..Default::default() };
    let burns = || module::attention_fallback(q.clone(), k.clone(), v.clone(), None, None, options());
    row(device, "attention", &format!("{batch} x {heads} x {queries} x {keys} x {d}"), ours, burns);
}

fn convolution(device: &TestDevice, [batch, c_in, side, c_out, kernel]: [usize; 5]) {
    let random = |shape| Tensor::<4>::random(shape, Distribution::Normal(0.0, 1.0), &device.device);
    let (x, weight) = (random([batch, c_in, side, side]), random([c_out, c_in, kernel, kernel]) * 0.05);
    let bias = Tensor::<1>::random([c_out], Distribution::Normal(0.0, 1.0), &device.device);
    let ours = || ops::conv2d(x.clone(), weight.clone(), bias.clone(), 1);
    let burns = || ops::conv2d_reference(x.clone(), weight.clone(), bias.clone(), 1);
    row(device, "convolution", &format!("{batch} x {c_in} x {side} x {side} -> {c_out}, {kernel} x {kernel}"), ours, burns);
}

fn threshold(device: &TestDevice, shape: [usize; 4]) {
    let x0_hat = Tensor::<4>::random(shape, Distribution::Normal(0.0, 1.0), &device.device);
    let rule = Threshold::Dynamic { percentile: 0.995, cap: None };
    let ours = || ops::threshold(x0_hat.clone(), &rule).x0_hat;
    let burns = || by_sorting(x0_hat.clone(), 0.995);
    row(device, "threshold", &format!("{shape:?}"), ours, burns);
}

/// Dynamic thresholding as it is usually written.
fn by_sorting(x0_hat: Tensor<4>, percentile: f64) -> Tensor<4> {
    let [batch, channels, height, width] = x0_hat.dims();
    let n = channels * height * width;
    let position = percentile * (n - 1) as f64;
    let sorted = x0_hat.clone().abs().reshape([batch, n]).sort(1);
    let low = sorted.clone().narrow(1, position.floor() as usize, 1);
    let high = sorted.narrow(1, position.ceil() as usize, 1);
    let s = (low.clone() + (high - low) * position.fract()).clamp_min(1.0).reshape([batch, 1, 1, 1]);
    x0_hat
        .min_pair(s.clone().expand([batch, channels, height, width]))
        .max_pair(s.clone().neg().expand([batch, channels, height, width]))
        / s
}

fn row(device: &TestDevice, op: &str, shape: &str, ours: impl Fn() -> Tensor<4>, burns: impl Fn() -> Tensor<4>) {
    let difference = match (ours() - burns()).abs().max().try_into_scalar::<f32>() {
        Ok(difference) => format!("{difference:.1e}"),
        Err(error) => format!("failed: {error}"),
    };
    let (ours, burns) = (time(&device.device, ours), time(&device.device, burns));
    let ratio = burns / ours;
    println!("| {} | {op} | {shape} | {ours:.2} | {burns:.2} | {ratio:.2} | {difference} |", device.name);
}

/// Milliseconds of a run, the mean of several after one that compiles.
fn time(device: &Device, run: impl Fn() -> Tensor<4>) -> f64 {
    let finish = |x: Tensor<4>| {
        drop(x.narrow(0, 0, 1).narrow(1, 0, 1).narrow(2, 0, 1).try_into_data());
        device.sync().ok();
    };
    finish(run());
    let start = Instant::now();
    let mut runs = 0;
    while runs < RUNS || start.elapsed() < TIME {
        finish(run());
        runs += 1;
    }
    start.elapsed().as_secs_f64() * 1e3 / f64::from(runs)
}
