use burn::tensor::{Tensor, module};

/// y = x W + b. W may be split along its output channels where the device cannot bind it whole.
#[derive(Clone, Debug)]
pub struct Linear {
    /// Pieces of [c_in, c_out].
    weights: Vec<Tensor<2>>,
    bias: Option<Tensor<1>>,
}

impl Linear {
    pub fn new(weights: Vec<Tensor<2>>, bias: Option<Tensor<1>>) -> Self {
        Self { weights, bias }
    }

    /// # Shapes
    /// [.., c_in] -> [.., c_out]
    pub fn forward<const D: usize>(&self, x: Tensor<D>) -> Tensor<D> {
        if let [weight] = self.weights.as_slice() {
            return module::linear(x, weight.clone(), self.bias.clone());
        }
        let parts = self.weights.iter().map(|w| module::linear(x.clone(), w.clone(), None)).collect();
        let y = Tensor::cat(parts, D - 1);
        match &self.bias {
            Some(bias) => y + bias.clone().unsqueeze(),
            None => y,
        }
    }
}
