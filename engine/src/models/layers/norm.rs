use burn::tensor::{Tensor, module};

use super::{Activation, host};

/// (x - mean) / sqrt(var + eps) over each group's channels and positions, then scale and shift a channel.
#[derive(Clone, Debug)]
pub struct GroupNorm {
    weight: Tensor<1>,
    bias: Tensor<1>,
    groups: usize,
    eps: f64,
}

/// h -> h * (1 + scale) + shift, one scale and one shift an image and channel: how the embedding steers a residual block.
#[derive(Clone, Debug)]
pub struct Modulation {
    /// [B, C]
    pub scale: Tensor<2>,
    /// [B, C]
    pub shift: Tensor<2>,
}

impl Modulation {
    /// # Shapes
    /// [B, 2 C], scales first
    pub fn new(both: Tensor<2>) -> Self {
        let [batch, width] = both.dims();
        let half = width / 2;
        let scale = both.clone().slice([0..batch, 0..half]);
        Self { scale, shift: both.slice([0..batch, half..width]) }
    }
}

impl GroupNorm {
    pub fn new(weight: Tensor<1>, bias: Tensor<1>, groups: usize, eps: f64) -> Self {
        Self { weight, bias, groups, eps }
    }

    /// # Shapes
    /// [B, C, ..] -> [B, C, ..]
    pub fn forward<const D: usize>(&self, x: Tensor<D>) -> Tensor<D> {
        self.normalise(x, None, None)
    }

    /// Normalise, modulate, activate: the three steps before each convolution, in as few passes over `x` as the device allows.
    ///
    /// # Shapes
    /// [B, C, ..] -> [B, C, ..]
    pub fn activate<const D: usize>(&self, x: Tensor<D>, modulation: Option<Modulation>, activation: Activation) -> Tensor<D> {
        self.normalise(x, modulation, Some(activation))
    }

    fn normalise<const D: usize>(
        &self,
        x: Tensor<D>,
        modulation: Option<Modulation>,
        activation: Option<Activation>,
    ) -> Tensor<D> {
        let (scale, shift) = self.affine(modulation);
        if host::is_host(&x) {
            let params = host::NormParams { groups: self.groups, eps: self.eps, scale, shift, activation };
            return host::normalise(x, params);
        }
        let y = self.composed(x, scale, shift);
        match activation {
            Some(activation) => activation.forward(y),
            None => y,
        }
    }

    /// weight, bias and modulation as one scale and one shift, both [B or 1, C].
    fn affine(&self, modulation: Option<Modulation>) -> (Tensor<2>, Tensor<2>) {
        let (weight, bias) = (self.weight.clone().unsqueeze_dim::<2>(0), self.bias.clone().unsqueeze_dim::<2>(0));
        match modulation {
            None => (weight, bias),
            Some(Modulation { scale, shift }) => {
                let gain = scale + 1.0;
                (weight * gain.clone(), bias * gain + shift)
            }
        }
    }

    fn composed<const D: usize>(&self, x: Tensor<D>, scale: Tensor<2>, shift: Tensor<2>) -> Tensor<D> {
        let shape = x.dims();
        let per_group = shape.iter().skip(1).product::<usize>() / self.groups;
        let x: Tensor<3> = x.reshape([shape[0], self.groups, per_group]);
        let x = x.clone() - x.mean_dim(2);
        let variance = (x.clone() * x.clone()).mean_dim(2);
        let x: Tensor<D> = (x / (variance + self.eps).sqrt()).reshape(shape);
        let channel = |t: Tensor<2>| {
            let mut shape = [1; D];
            [shape[0], shape[1]] = t.dims();
            t.reshape(shape)
        };
        x * channel(scale) + channel(shift)
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
