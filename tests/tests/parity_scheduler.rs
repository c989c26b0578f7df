//! The scheduler cases of ../shared/parity: diffusers' own trajectories, step by step, on both devices.

use std::convert::Infallible;
use std::ops::ControlFlow;

use burn::tensor::{Device, Tensor, TensorData};
use imagen_engine::diffusion::{Draw, Outcome, Predict, Raw, Recorded, SamplerConfig, Variance, from_diffusers, sample};
use imagen_protocol::{SamplerKind, Steps};
use imagen_tests::{HostTensor, ParityCase, TestDevice, assert_close, devices, parity_cases, read, read_json, read_safetensors};

const TOLERANCE: f32 = 2e-4;

/// The i-th block of a tensor whose first dimension counts steps.
fn at(stacked: &HostTensor, i: usize) -> TensorData {
    let shape = stacked.shape[1..].to_vec();
    let size: usize = shape.iter().product();
    TensorData::new(stacked.f32()[i * size..(i + 1) * size].to_vec(), shape)
}

/// Gives the recorded model outputs, whatever x_t is, and notes the times it was asked for.
struct Replay<'a> {
    outputs: &'a HostTensor,
    times: Vec<f64>,
}

impl Predict for Replay<'_> {
    type Error = Infallible;

    fn predict(&mut self, x_t: Tensor<4>, time: f64, guided: bool) -> Result<Raw, Infallible> {
        assert!(!guided, "the recorded outputs are guided already");
        let cond = Tensor::from_data(at(self.outputs, self.times.len()), &x_t.device());
        self.times.push(time);
        Ok(Raw { cond, uncond: None })
    }
}

fn config_of(case: &ParityCase) -> SamplerConfig {
    let scheduler = read_json(&case.path.join("scheduler_config.json"));
    let mut config = from_diffusers(&scheduler).expect("a scheduler that is supported");
    config.steps = Steps::Count(u32::try_from(case.meta["steps"].as_u64().expect("steps")).expect("few steps"));
    let sampler = match case.meta["sampler"].as_str() {
        Some("ddpm") => SamplerKind::Ddpm,
        Some("ddim") => SamplerKind::Ddim,
        Some("dpmpp-2m") => SamplerKind::Dpmpp2m,
        other => panic!("{}: unknown sampler {other:?}", case.name()),
    };
    assert_eq!(config.sampler, sampler, "{}", case.name());
    assert_eq!(config.variance == Variance::LearnedRange, sampler == SamplerKind::Ddpm, "{}", case.name());
    config
}

/// Runs one case; returns the largest scaled error over its steps.
fn run(case: &ParityCase, device: &Device) -> f32 {
    let config = config_of(case);
    let io = read_safetensors(&case.path.join("io.safetensors"));
    let mut noise = Recorded::default();
    if let Some(noises) = io.get("noises") {
        (0..noises.shape[0]).for_each(|i| noise.record(Draw::Step(i), at(noises, i)));
    }
    let mut replay = Replay { outputs: &io["model_outputs"], times: Vec::new() };
    let (mut worst, mut seen) = (0.0_f32, 0);
    let outcome = sample(&config, &mut replay, io["start"].tensor(device), &mut noise, &mut |view| {
        let what = format!("{} step {}", case.name(), view.index);
        let expected = at(&io["samples"], view.index).try_to_vec::<f32>().expect("f32");
        worst = worst.max(assert_close(&what, &read(view.x_t.clone()), &expected, TOLERANCE));
        seen += 1;
        ControlFlow::Continue(())
    });
    assert!(matches!(outcome.expect("the case runs"), Outcome::Finished(_)), "{}", case.name());
    assert_eq!(replay.times, io["timesteps"].values, "{}: timesteps", case.name());
    assert_eq!(seen, io["samples"].shape[0], "{}: steps", case.name());
    worst
}

#[test]
fn parity_scheduler() {
    let cases = parity_cases("scheduler");
    for TestDevice { name, device } in devices() {
        for case in &cases {
            let worst = run(case, &device);
            println!("{:<40} {name:<40} {worst:.2e}", case.name());
        }
    }
}
