use burn::tensor::{Tensor, TensorData};

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

/// 2 pi in two parts: the first has so few bits that its multiples up to 2^16 are exact in f32.
const TAU_HIGH: f64 = 6.28125;
const TAU_LOW: f64 = std::f64::consts::TAU - TAU_HIGH;

impl Sinusoid {
    pub fn new(width: usize) -> Self {
        Self { width, cos_first: true, freq_shift: 0.0 }
    }

    /// # Shapes
    /// [B] -> [B, width]
    pub fn forward(&self, t: Tensor<1>) -> Tensor<2> {
        let half = self.width / 2;
        let freqs = Tensor::<1>::from_data(TensorData::new(self.frequencies(), [half]), &t.device());
        let angles = t.unsqueeze_dim::<2>(1) * freqs.unsqueeze_dim::<2>(0);
        // A GPU's sin and cos are only exact near zero, and t reaches 1000.
        let turns = (angles.clone() / std::f64::consts::TAU).round();
        let angles = angles - turns.clone() * TAU_HIGH - turns * TAU_LOW;
        let (cos, sin) = (angles.clone().cos(), angles.sin());
        Tensor::cat(if self.cos_first { vec![cos, sin] } else { vec![sin, cos] }, 1)
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
    pub fn forward(&self, t: Tensor<1>) -> Tensor<2> {
        let h = self.linear_1.forward(self.sinusoid.forward(t));
        self.linear_2.forward(self.activation.forward(h))
    }
}
