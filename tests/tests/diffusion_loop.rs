//! The sampling loop: diffusers' toy loops, cancelling, starting in the middle, one pass without guidance, errors instead of panics.

use std::convert::Infallible;
use std::ops::ControlFlow;

use burn::tensor::{Device, Tensor, TensorData};
use imagen_engine::diffusion::{
    CosineSchedule, Draw, NoiseSchedule, Outcome, Predict, Prediction, Raw, Recorded, SampleError, SamplerConfig, Seeded,
    Variance, diffuse, from_diffusers, sample,
};
use imagen_protocol::{SamplerKind, Steps, Threshold};
use imagen_tests::{assert_close, devices, read};
use serde_json::{Value, json};

const TOY: [usize; 4] = [4, 3, 8, 8];

/// diffusers' deterministic sample: 0..n / n in the order (channel, row, column, image); `flipped` runs down from (n - 1) / n.
fn deterministic(flipped: bool, device: &Device) -> Tensor<4> {
    let [batch, channels, height, width] = TOY;
    let n = batch * channels * height * width;
    let size = channels * height * width;
    let value = |i: usize| {
        let position = (i % size) * batch + i / size;
        (if flipped { n - 1 - position } else { position }) as f32 / n as f32
    };
    Tensor::from_data(TensorData::new((0..n).map(value).collect::<Vec<_>>(), TOY), device)
}

/// diffusers' dummy model: x_t t / (t + 1).
struct Toy;

impl Predict for Toy {
    type Error = Infallible;

    fn predict(&mut self, x_t: Tensor<4>, time: f64, _: bool) -> Result<Raw, Infallible> {
        Ok(Raw { cond: x_t.mul_scalar(time / (time + 1.0)), uncond: None })
    }
}

fn toy_config(more: &Value) -> SamplerConfig {
    let mut config = json!({
        "_class_name": "DDIMScheduler", "num_train_timesteps": 1000, "beta_start": 0.0001, "beta_end": 0.02,
        "beta_schedule": "linear", "clip_sample": true,
    });
    let fields = config.as_object_mut().expect("an object");
    fields.extend(more.as_object().expect("an object").clone());
    let mut config = from_diffusers(&config).expect("supported");
    config.steps = Steps::Count(10);
    config
}

fn finish(config: &SamplerConfig, start: Tensor<4>) -> Vec<f32> {
    let outcome = sample(config, &mut Toy, start, &mut Recorded::default(), &mut |_| ControlFlow::Continue(()));
    match outcome.expect("it runs") {
        Outcome::Finished(x) => read(x),
        Outcome::Cancelled => panic!("nobody cancelled"),
    }
}

fn sum(values: &[f32]) -> f64 {
    values.iter().map(|v| f64::from(v.abs())).sum()
}

/// The sums of diffusers' tests/schedulers/test_scheduler_ddim.py.
#[test]
fn diffusion_ddim_toy_loops_of_diffusers() {
    for tested in devices() {
        for (more, expected) in [
            (json!({}), 172.0067),
            (json!({"prediction_type": "v_prediction"}), 52.5302),
            (json!({"set_alpha_to_one": true, "beta_start": 0.01}), 149.8295),
            (json!({"set_alpha_to_one": false, "beta_start": 0.01}), 149.0784),
        ] {
            let ours = sum(&finish(&toy_config(&more), deterministic(false, &tested.device)));
            assert!((ours - expected).abs() < 1e-2, "{more} on {}: {ours}, not {expected}", tested.name);
        }
    }
}

/// The same with noise at step 8 of 10: sampling that starts in the middle.
#[test]
fn diffusion_ddim_toy_loop_from_the_middle() {
    for tested in devices() {
        let config = SamplerConfig { start_step: 8, ..toy_config(&json!({})) };
        let level = config.plan().expect("a plan")[8].from;
        let start = diffuse(deterministic(false, &tested.device), deterministic(true, &tested.device), level);
        let ours = sum(&finish(&config, start));
        assert!((ours - 354.5418).abs() < 1e-2, "{}: {ours}", tested.name);
    }
}

/// The means of diffusers' tests/schedulers/test_scheduler_dpm_multi.py.
#[test]
fn diffusion_dpmpp_toy_loops_of_diffusers() {
    for tested in devices() {
        for (prediction, expected) in [("epsilon", 0.3301), ("v_prediction", 0.2251)] {
            let more = json!({
                "_class_name": "DPMSolverMultistepScheduler", "lower_order_final": false, "prediction_type": prediction,
            });
            let values = finish(&toy_config(&more), deterministic(false, &tested.device));
            let ours = sum(&values) / values.len() as f64;
            assert!((ours - expected).abs() < 1e-4, "{prediction} on {}: {ours}, not {expected}", tested.name);
        }
    }
}

/// Our own model's schedule, with plain thresholding off.
fn cosine(sampler: SamplerKind) -> SamplerConfig {
    let schedule = NoiseSchedule::Cosine(CosineSchedule::new(-12.0, 12.0, -1.0).expect("a schedule"));
    let mut config = SamplerConfig::new(schedule, Prediction::X0);
    config.steps = Steps::Count(6);
    config.sampler = sampler;
    config.threshold = Threshold::None;
    config
}

/// Says always the same picture, and counts what it was asked.
struct Knows {
    x0: Tensor<4>,
    guided: Vec<bool>,
    times: Vec<f64>,
}

impl Knows {
    fn new(device: &Device) -> Self {
        Self { x0: deterministic(true, device), guided: Vec::new(), times: Vec::new() }
    }
}

impl Predict for Knows {
    type Error = Infallible;

    fn predict(&mut self, _: Tensor<4>, time: f64, guided: bool) -> Result<Raw, Infallible> {
        self.guided.push(guided);
        self.times.push(time);
        Ok(Raw { cond: self.x0.clone(), uncond: guided.then(|| self.x0.clone().mul_scalar(0.5)) })
    }
}

const SAMPLERS: [SamplerKind; 3] = [SamplerKind::Ddpm, SamplerKind::Ddim, SamplerKind::Dpmpp2m];

/// A network that knows the picture leads every sampler to it, and each x_t on the way has the level that the plan says.
#[test]
fn diffusion_every_sampler_finds_what_the_network_knows() {
    for tested in devices() {
        for (sampler, eta) in SAMPLERS.into_iter().zip([0.0; 3]).chain([(SamplerKind::Ddim, 0.7)]) {
            let config = SamplerConfig { eta, ..cosine(sampler) };
            let mut knows = Knows::new(&tested.device);
            let x0 = knows.x0.clone();
            let mut noise = Seeded { seed: 7, stage: 64, first_image: 0 };
            let mut levels = Vec::new();
            let start = deterministic(false, &tested.device);
            let outcome = sample(&config, &mut knows, start, &mut noise, &mut |view| {
                let rest = read(view.x_t.clone() - x0.clone().mul_scalar(view.step.to.alpha));
                levels.push((view.step.to.sigma, (sum(&rest.iter().map(|v| v * v).collect::<Vec<_>>()) / 768.0).sqrt()));
                ControlFlow::Continue(())
            });
            let Ok(Outcome::Finished(x)) = outcome else { panic!("{sampler:?} did not finish") };
            assert_close("x0", &read(x), &read(knows.x0.clone()), 1e-6);
            assert_eq!(knows.times, config.plan().expect("a plan").iter().map(|step| step.time).collect::<Vec<_>>());
            let ancestral = sampler == SamplerKind::Ddpm || eta > 0.0;
            for (sigma, spread) in &levels[2..5] {
                let share = spread / sigma;
                assert!(!ancestral || (0.75..1.15).contains(&share), "{sampler:?} {eta}: {spread} at sigma {sigma}");
            }
        }
    }
}

#[test]
fn diffusion_guidance_of_1_is_one_pass() {
    let device = Device::flex();
    for (weight, guided) in [(1.0, false), (1.35, true), (0.0, true)] {
        let config = SamplerConfig { guidance_weight: weight, ..cosine(SamplerKind::Ddim) };
        let mut knows = Knows::new(&device);
        let start = deterministic(false, &device);
        let outcome = sample(&config, &mut knows, start, &mut Recorded::default(), &mut |_| ControlFlow::Continue(()));
        let Ok(Outcome::Finished(x)) = outcome else { panic!("it did not finish") };
        assert_eq!(knows.guided, [guided; 6], "w = {weight}");
        // u + w (c - u) with u = c / 2.
        let expected = knows.x0.clone().mul_scalar(0.5 + 0.5 * weight);
        assert_close("guided", &read(x), &read(expected), 1e-6);
    }
}

#[test]
fn diffusion_observer_sees_every_step_and_may_cancel() {
    let device = Device::flex();
    for stop in 0..6 {
        let mut seen = Vec::new();
        let (mut knows, mut noise) = (Knows::new(&device), Seeded { seed: 1, stage: 64, first_image: 0 });
        let start = deterministic(false, &device);
        let outcome = sample(&cosine(SamplerKind::Ddpm), &mut knows, start, &mut noise, &mut |view| {
            assert_eq!((view.count, view.x0_hat.dims(), view.s.dims(), view.clipped.dims()), (6, TOY, [4], [4]));
            seen.push(view.index);
            if view.index == stop { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        });
        assert!(matches!(outcome, Ok(Outcome::Cancelled)));
        assert_eq!(seen, (0..=stop).collect::<Vec<_>>());
        assert_eq!(knows.times.len(), stop + 1, "no step after the cancel");
    }
}

#[test]
fn diffusion_thresholding_acts_at_each_step() {
    for tested in devices() {
        let device = &tested.device;
        let config = SamplerConfig { threshold: Threshold::Dynamic { percentile: 0.9, cap: None }, ..cosine(SamplerKind::Ddim) };
        let mut knows = Knows::new(device);
        knows.x0 = knows.x0.mul_scalar(4.0);
        let mut bounds = Vec::new();
        let start = deterministic(false, device);
        let outcome = sample(&config, &mut knows, start, &mut Recorded::default(), &mut |view| {
            bounds.extend(read(view.s.clone()));
            assert!(read(view.clipped.clone()).iter().all(|share| (share - 0.1).abs() < 0.02));
            assert!(read(view.x0_hat.clone()).iter().all(|v| v.abs() <= 1.0));
            ControlFlow::Continue(())
        });
        assert!(matches!(outcome, Ok(Outcome::Finished(_))));
        assert_eq!(bounds.len(), 24);
        assert!(bounds.iter().all(|s| (s - 3.6).abs() < 0.02), "{bounds:?}");
    }
}

/// DDIM's choice of eps matters where thresholding clips, and only there.
#[test]
fn diffusion_recompute_eps_matters_where_it_clips() {
    let device = Device::flex();
    let run = |recompute_eps, scale: f64| {
        let config = SamplerConfig { recompute_eps, threshold: Threshold::Static, ..cosine(SamplerKind::Ddim) };
        let mut knows = Knows::new(&device);
        knows.x0 = knows.x0.mul_scalar(scale);
        let mut second = Vec::new();
        let start = deterministic(false, &device);
        let outcome = sample(&config, &mut knows, start, &mut Recorded::default(), &mut |view| {
            if view.index == 2 {
                second = read(view.x_t.clone());
            }
            ControlFlow::Continue(())
        });
        assert!(outcome.is_ok());
        second
    };
    assert_close("inside the range", &run(true, 0.9), &run(false, 0.9), 1e-5);
    let far = run(true, 5.0).iter().zip(run(false, 5.0)).fold(0.0_f32, |m, (a, b)| m.max((a - b).abs()));
    assert!(far > 0.05, "{far}");
}

#[test]
fn diffusion_same_seed_same_picture_on_a_device() {
    for tested in devices() {
        let run = || {
            let mut noise = Seeded { seed: 11, stage: 64, first_image: 3 };
            let start = deterministic(false, &tested.device);
            let config =
                SamplerConfig { prediction: Prediction::Eps, variance: Variance::FixedLarge, ..cosine(SamplerKind::Ddpm) };
            let config = SamplerConfig { threshold: Threshold::Static, ..config };
            match sample(&config, &mut Toy, start, &mut noise, &mut |_| ControlFlow::Continue(())) {
                Ok(Outcome::Finished(x)) => read(x),
                other => panic!("{other:?}"),
            }
        };
        assert_eq!(run(), run(), "{}", tested.name);
    }
}

#[test]
fn diffusion_bad_settings_are_errors() {
    let device = Device::flex();
    let base = || cosine(SamplerKind::Ddim);
    let dynamic = |percentile, cap| Threshold::Dynamic { percentile, cap };
    let mut bad = vec![
        (SamplerConfig { eta: 1.5, ..base() }, "eta"),
        (SamplerConfig { clip_range: 0.0, ..base() }, "clip range"),
        (SamplerConfig { threshold: dynamic(0.0, None), ..base() }, "percentile"),
        (SamplerConfig { threshold: dynamic(0.9, Some(0.5)), ..base() }, "cap"),
        (SamplerConfig { steps: Steps::Count(0), ..base() }, "steps"),
        (SamplerConfig { steps: Steps::Named("smart50".into()), ..base() }, "steps"),
        (SamplerConfig { start_step: 6, ..base() }, "start step"),
        (SamplerConfig { start_step: usize::MAX, ..base() }, "start step"),
        (SamplerConfig { lambda_min_clipped: f64::INFINITY, ..base() }, "lambda_min_clipped"),
    ];
    for x in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        bad.push((SamplerConfig { eta: x, ..base() }, "eta"));
        bad.push((SamplerConfig { guidance_weight: x, ..base() }, "guidance"));
        bad.push((SamplerConfig { clip_range: x, ..base() }, "clip range"));
        bad.push((SamplerConfig { threshold: dynamic(x, None), ..base() }, "percentile"));
        bad.push((SamplerConfig { threshold: dynamic(0.9, Some(x)), ..base() }, "cap"));
    }
    bad.push((SamplerConfig { lambda_min_clipped: f64::NAN, ..base() }, "lambda_min_clipped"));
    for (config, word) in bad {
        let mut knows = Knows::new(&device);
        let start = deterministic(false, &device);
        let outcome = sample(&config, &mut knows, start, &mut Recorded::default(), &mut |_| ControlFlow::Continue(()));
        let Err(error @ SampleError::Config(_)) = outcome else { panic!("{word}: {outcome:?}") };
        assert!(error.to_string().contains(word) && !error.to_string().contains('\n'), "{error}");
        assert!(knows.times.is_empty(), "{word}: refused before the first step");
    }
}

#[test]
fn diffusion_missing_noise_and_a_failing_network_are_errors() {
    let device = Device::flex();
    let start = || deterministic(false, &device);
    let outcome = sample(&cosine(SamplerKind::Ddpm), &mut Knows::new(&device), start(), &mut Recorded::default(), &mut |_| {
        ControlFlow::Continue(())
    });
    assert!(
        matches!(outcome, Err(SampleError::Noise(ref e)) if e.to_string().contains(&format!("{:?}", Draw::Step(0)))),
        "{outcome:?}"
    );

    struct Fails;
    impl Predict for Fails {
        type Error = String;
        fn predict(&mut self, _: Tensor<4>, _: f64, _: bool) -> Result<Raw, String> {
            Err("the device is lost".into())
        }
    }
    let outcome =
        sample(&cosine(SamplerKind::Ddim), &mut Fails, start(), &mut Recorded::default(), &mut |_| ControlFlow::Continue(()));
    assert_eq!(outcome.expect_err("it fails").to_string(), "the device is lost");
}
