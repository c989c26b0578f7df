//! Classifier-free guidance.

use burn::tensor::Tensor;

use super::error::SampleError;
use super::runs::{Run, joined};
use super::variance::Variance;

/// What the network gave for one step, before guidance.
#[derive(Clone, Debug)]
pub struct Raw {
    /// With the text: `[B, C, H, W]`, or `[B, 2C, H, W]` where the network also predicts its variance.
    pub cond: Tensor<4>,
    /// Without the text, of the same shape; needed where guidance is on.
    pub uncond: Option<Tensor<4>>,
}

/// A guided prediction.
#[derive(Clone, Debug)]
pub struct Guided {
    /// In the network's own prediction space, `[B, C, H, W]`.
    pub prediction: Tensor<4>,
    /// The variance channels of the conditional half, for [`Variance::LearnedRange`] alone.
    pub variance: Option<Tensor<4>>,
}

/// `u + w (c - u)` (eq. 2 of the paper) with `u`, `c` the predictions without and with the text, `w` = `guidance_weight`; for `None`
/// the conditional prediction as it is (w = 1).
///
/// The variance comes from the conditional half and is not guided. Variance channels that `variance` does not use are dropped.
///
/// # Errors
/// [`SampleError::Shape`] where the outputs do not fit `x_t`'s shape `[B, C, H, W]`, or the unconditional one is missing.
pub fn guide<E>(raw: Raw, guidance_weight: Option<f64>, shape: [usize; 4], variance: Variance) -> Result<Guided, SampleError<E>> {
    guide_runs(raw, &[Run { first: 0, len: shape[0], setting: guidance_weight }], shape, variance)
}

/// [`guide`] with a weight for each run of images.
pub(super) fn guide_runs<E>(
    raw: Raw,
    weights: &[Run<Option<f64>>],
    shape: [usize; 4],
    variance: Variance,
) -> Result<Guided, SampleError<E>> {
    let (cond, channels) = split(raw.cond, "output", shape, variance)?;
    let guided = weights.iter().any(|run| run.setting.is_some());
    let prediction = match (guided, raw.uncond) {
        (false, _) => cond,
        (true, Some(uncond)) => {
            let (uncond, _) = split(uncond, "unconditional output", shape, Variance::FixedSmall)?;
            joined(weights.iter().map(|run| extrapolated(run, &cond, &uncond)).collect())
        }
        (true, None) => {
            let wanted = format!("{shape:?}, as guidance is on");
            return Err(SampleError::Shape { what: "unconditional output", found: Vec::new(), wanted });
        }
    };
    Ok(Guided { prediction, variance: channels })
}

/// `u + w (c - u)` of a run's images; `c` itself, to the bit, where there is no weight.
fn extrapolated(run: &Run<Option<f64>>, cond: &Tensor<4>, uncond: &Tensor<4>) -> Tensor<4> {
    let cond = run.of(cond);
    let Some(w) = run.setting else { return cond };
    let uncond = run.of(uncond);
    uncond.clone() + (cond - uncond).mul_scalar(w)
}

/// Prediction and variance channels.
fn split<E>(
    output: Tensor<4>,
    what: &'static str,
    [batch, channels, height, width]: [usize; 4],
    variance: Variance,
) -> Result<(Tensor<4>, Option<Tensor<4>>), SampleError<E>> {
    let learned = variance == Variance::LearnedRange;
    let found = output.dims();
    if found == [batch, channels, height, width] && !learned {
        return Ok((output, None));
    }
    if found == [batch, 2 * channels, height, width] {
        let rest = learned.then(|| output.clone().narrow(1, channels, channels));
        return Ok((output.narrow(1, 0, channels), rest));
    }
    let wanted = format!("[{batch}, {}, {height}, {width}]", if learned { 2 * channels } else { channels });
    Err(SampleError::Shape { what, found: found.to_vec(), wanted })
}
