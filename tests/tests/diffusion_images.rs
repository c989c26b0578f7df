//! Guidance and threshold that differ from image to image of a batch.

use std::convert::Infallible;
use std::ops::ControlFlow;

use burn::tensor::{Device, Tensor, TensorData};
use imagen_engine::diffusion::{
    CosineSchedule, Draw, ImageSettings, NoiseSchedule, NoiseSource, Outcome, Predict, Prediction, Raw, SampleError,
    SamplerConfig, Seeded, SeededColumns, sample,
};
use imagen_protocol::{SamplerKind, Steps, Threshold};
use imagen_tests::{TestDevice, assert_close, devices, read};

const SIZE: usize = 3 * 8 * 8;

/// Says x_t back, louder without the text; where a row is not guided, its unconditional prediction is not a number.
struct Echo {
    /// Of each row: whether it is guided.
    guided: Vec<bool>,
}

impl Predict for Echo {
    type Error = Infallible;

    fn predict(&mut self, x_t: Tensor<4>, _: f64, guided: bool) -> Result<Raw, Infallible> {
        assert_eq!(guided, self.guided.iter().any(|g| *g));
        let factors: Vec<f32> = self.guided.iter().map(|g| if *g { 0.5 } else { f32::NAN }).collect();
        let factors = Tensor::from_data(TensorData::new(factors, [x_t.dims()[0], 1, 1, 1]), &x_t.device());
        Ok(Raw { cond: x_t.clone().mul_scalar(1.75), uncond: guided.then(|| x_t * factors) })
    }
}

fn config(sampler: SamplerKind) -> SamplerConfig {
    let schedule = NoiseSchedule::Cosine(CosineSchedule::new(-12.0, 12.0, -1.0).expect("a schedule"));
    let mut config = SamplerConfig::new(schedule, Prediction::X0);
    (config.steps, config.sampler) = (Steps::Count(4), sampler);
    config
}

fn settings() -> [ImageSettings; 6] {
    let dynamic = Threshold::Dynamic { percentile: 0.9, cap: Some(1.5) };
    [
        (1.0, dynamic),
        (3.0, dynamic),
        (3.0, Threshold::Static),
        (1.0, Threshold::None),
        (1.0, Threshold::None),
        (2.0, Threshold::PAPER),
    ]
    .map(|(guidance_weight, threshold)| ImageSettings { guidance_weight, threshold })
}

/// The end, and s and |raw x0_hat| of every step.
fn run(config: &SamplerConfig, rows: &[ImageSettings], first_image: u32, device: &Device) -> (Vec<f32>, Vec<Vec<f32>>) {
    let mut noise = Seeded { seed: 3, stage: 64, first_image };
    let start = noise.draw(Draw::Start, [rows.len(), 3, 8, 8], device).expect("noise");
    let mut echo = Echo { guided: rows.iter().map(|row| row.guidance_weight > 1.0).collect() };
    let mut seen = Vec::new();
    let outcome = sample(config, &mut echo, start, &mut noise, &mut |view| {
        seen.push(read(view.s.clone()));
        seen.push(read(view.raw_x0_hat.clone()));
        ControlFlow::Continue(())
    });
    let Ok(Outcome::Finished(x)) = outcome else { panic!("it did not finish") };
    (read(x), seen)
}

/// To the bit on the CPU. A GPU's fused kernels multiply and add in one rounding or in two, as the batch falls.
fn same(on: &TestDevice, what: &str, ours: &[f32], expected: &[f32]) {
    if on.name == "flex" {
        assert_eq!(ours, expected, "{what}");
    } else {
        assert_close(what, ours, expected, 1e-5);
    }
}

#[test]
fn diffusion_each_image_has_the_result_of_a_run_of_its_own() {
    for tested in devices() {
        for sampler in [SamplerKind::Ddpm, SamplerKind::Ddim, SamplerKind::Dpmpp2m] {
            let joined = SamplerConfig { images: settings().to_vec(), ..config(sampler) };
            let (x, seen) = run(&joined, &settings(), 0, &tested.device);
            assert!(x.iter().all(|v| v.is_finite()), "an image without guidance is the conditional prediction itself");
            for (i, own) in settings().into_iter().enumerate() {
                let alone = SamplerConfig { guidance_weight: own.guidance_weight, threshold: own.threshold, ..config(sampler) };
                let (x_alone, seen_alone) = run(&alone, &[own], u32::try_from(i).expect("small"), &tested.device);
                let what = format!("image {i}, {sampler:?} on {}", tested.name);
                same(&tested, &what, &x[i * SIZE..(i + 1) * SIZE], &x_alone);
                for (all, one) in seen.iter().zip(&seen_alone) {
                    same(&tested, &what, &all[i * one.len()..(i + 1) * one.len()], one);
                }
            }
        }
    }
}

#[test]
fn diffusion_images_without_guidance_are_one_pass() {
    let rows = settings().map(|row| ImageSettings { guidance_weight: 1.0, ..row });
    let config = SamplerConfig { guidance_weight: 5.0, images: rows.to_vec(), ..config(SamplerKind::Ddim) };
    // The network asserts that nobody asks it for an unconditional prediction.
    let (x, _) = run(&config, &rows, 0, &Device::flex());
    assert!(x.iter().all(|v| v.is_finite()));
}

#[test]
fn diffusion_settings_of_images_are_checked_before_the_first_step() {
    let device = Device::flex();
    let bad = ImageSettings { guidance_weight: f64::NAN, threshold: Threshold::None };
    for (images, word) in
        [(settings()[..2].to_vec(), "images is 2: give settings for each of the batch's 3"), (vec![bad; 3], "guidance")]
    {
        let mut noise = Seeded { seed: 0, stage: 64, first_image: 0 };
        let start = noise.draw(Draw::Start, [3, 3, 8, 8], &device).expect("noise");
        let config = SamplerConfig { images, ..config(SamplerKind::Ddim) };
        let outcome = sample(&config, &mut Echo { guided: vec![] }, start, &mut noise, &mut |_| ControlFlow::Continue(()));
        let Err(error @ SampleError::Config(_)) = outcome else { panic!("{word}: {outcome:?}") };
        assert!(error.to_string().contains(word), "{error}");
    }
}

#[test]
fn diffusion_noise_of_columns_is_that_of_their_candidates() {
    let device = Device::flex();
    let draw = |source: &mut dyn NoiseSource, rows| read(source.draw(Draw::Step(1), [rows, 3, 8, 8], &device).expect("noise"));
    // Candidates 5 and 6 in three columns; the group begins in the middle of the first column.
    let columns = draw(&mut SeededColumns { seed: 9, stage: 64, first_image: 5, count: 2, first_row: 1 }, 5);
    for (row, candidate) in [6, 5, 6, 5, 6].into_iter().enumerate() {
        let alone = draw(&mut Seeded { seed: 9, stage: 64, first_image: candidate }, 1);
        assert_eq!(columns[row * SIZE..(row + 1) * SIZE], alone, "row {row}");
    }
}
