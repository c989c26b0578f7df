use burn::tensor::{DType, Tensor, module};

use super::host;

/// Weights as they are computed with: f16 at rest becomes f32 for one use.
fn ready<const D: usize>(weights: &Tensor<D>) -> Tensor<D> {
    let weights = weights.clone();
    if weights.dtype() == DType::F32 { weights } else { weights.cast(DType::F32) }
}

/// y = x W + b. W may be split along its output channels where the device cannot bind it whole.
#[derive(Clone, Debug)]
pub struct Linear(Weights);

#[derive(Clone, Debug)]
enum Weights {
    Device {
        /// Pieces of [c_in, c_out], f32 or f16.
        parts: Vec<Tensor<2>>,
        bias: Option<Tensor<1>>,
    },
    Host(host::Matrix),
}

impl Linear {
    /// `weights`: pieces of [c_in, c_out], f32 or f16, in the order of their output channels; `bias` is f32.
    pub fn new(weights: Vec<Tensor<2>>, bias: Option<Tensor<1>>) -> Self {
        if let [weight] = weights.as_slice()
            && let Some(matrix) = host::Matrix::of(weight, bias.as_ref())
        {
            return Self(Weights::Host(matrix));
        }
        Self(Weights::Device { parts: weights, bias })
    }

    /// # Shapes
    /// [.., c_in] -> [.., c_out]
    pub fn forward<const D: usize>(&self, x: Tensor<D>) -> Tensor<D> {
        let (parts, bias) = match &self.0 {
            Weights::Host(matrix) => return matrix.forward(x),
            Weights::Device { parts, bias } => (parts, bias),
        };
        if let [weight] = parts.as_slice() {
            return module::linear(x, ready(weight), bias.clone());
        }
        let y = Tensor::cat(parts.iter().map(|w| module::linear(x.clone(), ready(w), None)).collect(), D - 1);
        match bias {
            Some(bias) => y + bias.clone().unsqueeze(),
            None => y,
        }
    }
}
