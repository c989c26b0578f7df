//! The sampling loop: predict, guide, x0_hat, threshold, step, observe.

use std::ops::ControlFlow;

use burn::tensor::Tensor;
use imagen_protocol::SamplerKind;

use super::error::SampleError;
use super::guidance::guide_runs;
use super::parameterization::eps_of;
use super::samplers::{ddim, ddpm, dpmpp};
use super::threshold::keep_runs_in_range;
use super::{Deviation, Draw, Guided, Level, NoiseSource, Raw, SamplerConfig, Step};

/// A network, as sampling sees it.
pub trait Predict {
    type Error;

    /// One step's predictions.
    ///
    /// `time` is the network's time input: 1000 t in continuous time, the timestep in discrete time. `guided` asks for the
    /// unconditional prediction too; without it `uncond` is not looked at.
    ///
    /// # Shapes
    /// `x_t`: `[B, C, H, W]`; see [`Raw`] for the outputs.
    ///
    /// # Errors
    /// The network's own.
    fn predict(&mut self, x_t: Tensor<4>, time: f64, guided: bool) -> Result<Raw, Self::Error>;
}

/// One finished step, on the device: reading it back is the observer's choice.
#[derive(Debug)]
pub struct StepView<'a> {
    /// From 0, counted over the whole plan even where sampling started in its middle.
    pub index: usize,
    /// Steps of the whole plan.
    pub count: usize,
    pub step: Step,
    /// The picture after this step, `[B, C, H, W]`.
    pub x_t: &'a Tensor<4>,
    /// The predicted picture before thresholding, `[B, C, H, W]`.
    pub raw_x0_hat: &'a Tensor<4>,
    /// The predicted picture after thresholding, `[B, C, H, W]`.
    pub x0_hat: &'a Tensor<4>,
    /// The bound that thresholding found for each image, `[B]`.
    pub s: &'a Tensor<1>,
    /// The share of values that thresholding clipped in each image, `[B]`, in [0, 1].
    pub clipped: &'a Tensor<1>,
}

/// How sampling ended.
#[derive(Clone, Debug)]
pub enum Outcome {
    /// x_s of the last step, `[B, C, H, W]`.
    Finished(Tensor<4>),
    /// The observer broke off.
    Cancelled,
}

/// Takes `x_start` through all steps of `config`, from `config.start_step` on.
///
/// `observe` is called after every step and may break off. Nothing is read back from the device here.
///
/// # Shapes
/// `x_start`: `[B, C, H, W]`, noise N(0, 1) for a whole run, else an x_t of the first step's level.
///
/// # Errors
/// A setting out of range, a network that fails or whose outputs have another shape, noise that is not there.
pub fn sample<P: Predict>(
    config: &SamplerConfig,
    predict: &mut P,
    x_start: Tensor<4>,
    noise: &mut dyn NoiseSource,
    observe: &mut dyn FnMut(StepView<'_>) -> ControlFlow<()>,
) -> Result<Outcome, SampleError<P::Error>> {
    let plan = config.plan()?;
    let (weights, thresholds) = config.runs(x_start.dims()[0])?;
    let guided = weights.iter().any(|run| run.setting.is_some());
    let (mut x_t, mut before) = (x_start, None);
    for (index, step) in plan.iter().enumerate().skip(config.start_step) {
        let raw = predict.predict(x_t.clone(), step.time, guided).map_err(SampleError::Predict)?;
        let predicted = guide_runs(raw, &weights, x_t.dims(), config.variance)?;
        let raw_x0_hat = config.prediction.x0_hat(&x_t, &predicted.prediction, step.from);
        let kept = keep_runs_in_range(&raw_x0_hat, &thresholds, config.clip_range);
        let position = Position { step, index, count: plan.len(), before: before.as_ref() };
        let (mean, deviation) = advance(config, position, &x_t, &kept.x0_hat, predicted);
        x_t = if deviation.is_none() {
            mean
        } else {
            let z = noise.draw(Draw::Step(index), mean.dims(), &mean.device())?;
            deviation.spread(mean, z)
        };
        let (x_t, raw_x0_hat, x0_hat, s, clipped) = (&x_t, &raw_x0_hat, &kept.x0_hat, &kept.s, &kept.clipped);
        if observe(StepView { index, count: plan.len(), step: *step, x_t, raw_x0_hat, x0_hat, s, clipped }).is_break() {
            return Ok(Outcome::Cancelled);
        }
        before = Some((kept.x0_hat, step.from));
    }
    Ok(Outcome::Finished(x_t))
}

/// Where in a run a step is.
struct Position<'a> {
    step: &'a Step,
    index: usize,
    count: usize,
    /// x0_hat of the step before, and the level it started from.
    before: Option<&'a (Tensor<4>, Level)>,
}

/// x_s without its fresh noise, and the deviation of that noise.
fn advance(
    config: &SamplerConfig,
    at: Position<'_>,
    x_t: &Tensor<4>,
    x0_hat: &Tensor<4>,
    guided: Guided,
) -> (Tensor<4>, Deviation) {
    let step = at.step;
    match config.sampler {
        SamplerKind::Ddpm => (ddpm::mean(x_t, x0_hat, step), config.variance.deviation(step, guided.variance)),
        SamplerKind::Ddim => {
            let eps = if config.recompute_eps {
                eps_of(x_t, x0_hat, step.from)
            } else {
                config.prediction.eps(x_t, &guided.prediction, step.from)
            };
            (ddim::mean(x0_hat, &eps, step, config.eta), ddim::deviation(step, config.eta))
        }
        SamplerKind::Dpmpp2m => {
            let lowered = dpmpp::is_lowered(at.index, at.count, config.lower_order_final);
            let before = at.before.filter(|_| !lowered);
            (dpmpp::step(x_t, x0_hat, before, step), Deviation::Fixed(0.0))
        }
    }
}
