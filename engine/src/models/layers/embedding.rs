use burn::tensor::{Device, Tensor, TensorData};

use super::{Activation, Linear};
use crate::models::weights::{Params, WeightError};

/// Sinusoidal features of a number: cos(t f_i) and sin(t f_i), f_i = 10000^(-i / (width / 2 - freq_shift)).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sinusoid {
    /// Even.
    pub width: usize,
    /// [cos | sin] if true, [sin | cos] if not.
    pub cos_first: bool,
    pub freq_shift: f64,
}

impl Sinusoid {
    pub fn new(width: usize) -> Self {
        Self { width, cos_first: true, freq_shift: 0.0 }
    }

    /// Computed on the host: a GPU's sin and cos are only exact near zero and t reaches 1000, and one that fuses t f_i into them
    /// has other last bits than the networks were trained with.
    ///
    /// # Shapes
    /// [B] -> [B, width]
    pub fn forward(&self, t: &[f32], device: &Device) -> Tensor<2> {
        let freqs = self.frequencies();
        let row = |&t: &f32| {
            let angles: Vec<f32> = freqs.iter().map(|f| t * f).collect();
            let (cos, sin) = (angles.iter().map(|a| a.cos()), angles.iter().map(|a| a.sin()));
            if self.cos_first { cos.chain(sin).collect::<Vec<_>>() } else { sin.chain(cos).collect() }
        };
        let values: Vec<f32> = t.iter().flat_map(row).collect();
        Tensor::from_data(TensorData::new(values, [t.len(), 2 * freqs.len()]), device)
    }

    /// In f32 and in this order, as the networks were trained: t is up to 1000, so the last bit counts.
    fn frequencies(&self) -> Vec<f32> {
        let half = self.width / 2;
        let scale = -(10_000_f64.ln()) as f32;
        (0..half).map(|i| (scale * i as f32 / (half as f64 - self.freq_shift) as f32).exp()).collect()
    }
}

/// Sinusoid -> linear -> activation -> linear.
#[derive(Clone, Debug)]
pub struct TimeEmbedding {
    sinusoid: Sinusoid,
    linear_1: Linear,
    linear_2: Linear,
    activation: Activation,
}

impl TimeEmbedding {
    /// # Errors
    /// [`WeightError`]: missing, another shape, not finite.
    pub fn load(params: &Params<'_, '_>, sinusoid: Sinusoid, width: usize, activation: Activation) -> Result<Self, WeightError> {
        let linear_1 = params.at("linear_1").linear(sinusoid.width, width, true)?;
        let linear_2 = params.at("linear_2").linear(width, width, true)?;
        Ok(Self { sinusoid, linear_1, linear_2, activation })
    }

    /// # Shapes
    /// [B] -> [B, width]
    pub fn forward(&self, t: &[f32], device: &Device) -> Tensor<2> {
        let h = self.linear_1.forward(self.sinusoid.forward(t, device));
        self.linear_2.forward(self.activation.forward(h))
    }
}
