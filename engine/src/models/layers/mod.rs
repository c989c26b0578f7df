//! Layers whose maths and layout all families share.

use burn::tensor::module;
use burn::tensor::ops::{ConvOptions, PaddedConvOptions};
use burn::tensor::{Tensor, activation};

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

/// Square convolution with padding kernel / 2.
#[derive(Clone, Debug)]
pub struct Conv2d {
    /// Pieces of ([c_out, c_in, k, k], [c_out]).
    parts: Vec<(Tensor<4>, Tensor<1>)>,
    kernel: usize,
    stride: usize,
}

impl Conv2d {
    pub fn new(parts: Vec<(Tensor<4>, Tensor<1>)>, kernel: usize, stride: usize) -> Self {
        Self { parts, kernel, stride }
    }

    /// # Shapes
    /// [B, c_in, H, W] -> [B, c_out, ceil(H / stride), ceil(W / stride)]
    pub fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        let padding = self.kernel / 2;
        let options = || ConvOptions::new([self.stride; 2], [padding; 2], [1, 1], 1);
        let conv = |(w, b): &(Tensor<4>, Tensor<1>)| {
            let options: PaddedConvOptions<2> = options().into();
            module::conv2d(x.clone(), w.clone(), Some(b.clone()), options)
        };
        if let [part] = self.parts.as_slice() {
            return conv(part);
        }
        Tensor::cat(self.parts.iter().map(conv).collect(), 1)
    }
}

/// (x - mean) / sqrt(var + eps) over each group's channels and positions, then scale and shift a channel.
#[derive(Clone, Debug)]
pub struct GroupNorm {
    weight: Tensor<1>,
    bias: Tensor<1>,
    groups: usize,
    eps: f64,
}

impl GroupNorm {
    pub fn new(weight: Tensor<1>, bias: Tensor<1>, groups: usize, eps: f64) -> Self {
        Self { weight, bias, groups, eps }
    }

    /// # Shapes
    /// [B, C, ..] -> [B, C, ..]
    pub fn forward<const D: usize>(&self, x: Tensor<D>) -> Tensor<D> {
        let shape = x.dims();
        let per_group = shape.iter().skip(1).product::<usize>() / self.groups;
        let x: Tensor<3> = x.reshape([shape[0], self.groups, per_group]);
        let x = x.clone() - x.mean_dim(2);
        let variance = (x.clone() * x.clone()).mean_dim(2);
        let x: Tensor<D> = (x / (variance + self.eps).sqrt()).reshape(shape);
        let mut channel = [1; D];
        channel[1] = shape[1];
        x * self.weight.clone().reshape(channel) + self.bias.clone().reshape(channel)
    }
}

/// Normalises the last axis, then scales and shifts.
#[derive(Clone, Debug)]
pub struct LayerNorm {
    weight: Tensor<1>,
    bias: Tensor<1>,
    eps: f64,
}

impl LayerNorm {
    pub fn new(weight: Tensor<1>, bias: Tensor<1>, eps: f64) -> Self {
        Self { weight, bias, eps }
    }

    /// # Shapes
    /// [.., C] -> [.., C]
    pub fn forward<const D: usize>(&self, x: Tensor<D>) -> Tensor<D> {
        module::layer_norm(x, self.weight.clone(), Some(self.bias.clone()), self.eps)
    }
}

/// x * sigmoid(x), the paper's swish.
pub fn silu<const D: usize>(x: Tensor<D>) -> Tensor<D> {
    activation::silu(x)
}
