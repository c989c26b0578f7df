use burn::tensor::{Tensor, activation};

use super::host;

/// The non-linearities of the supported networks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Activation {
    /// x * sigmoid(x), the paper's swish.
    Silu,
    /// x * Phi(x) with the exact error function.
    Gelu,
}

impl Activation {
    /// # Shapes
    /// any -> the same
    pub fn forward<const D: usize>(self, x: Tensor<D>) -> Tensor<D> {
        if host::is_host(&x) {
            return host::activate(x, self);
        }
        match self {
            Self::Silu => activation::silu(x),
            Self::Gelu => gelu(x),
        }
    }
}

/// erfc(z) = t exp(-z^2 + sum c_i t^i), t = 1 / (1 + z / 2), for z >= 0: a fit of degree 9 within 8e-8 of the logarithm. The tail keeps its
/// relative precision, which forms with 1 - erf lose; burn's own `gelu` on a GPU is such a form, off by up to 2e-7.
pub(super) const ERFC: [f32; 10] = [
    -1.265_508_8,
    0.999_954_6,
    0.374_595_52,
    0.095_180_28,
    -0.184_787_8,
    0.283_216_58,
    -1.149_971_2,
    1.507_080_3,
    -0.833_257_15,
    0.173_497_78,
];

/// x Phi(x) = max(x, 0) - |x| erfc(|x| / sqrt 2) / 2.
fn gelu<const D: usize>(x: Tensor<D>) -> Tensor<D> {
    let size = x.clone().abs();
    let z = size.clone() * std::f64::consts::FRAC_1_SQRT_2;
    let t = (z.clone() * 0.5 + 1.0).recip();
    let last = t.clone() * ERFC[9];
    let poly = ERFC[1..9].iter().rev().fold(last, |sum, &c| (sum + c) * t.clone()) + ERFC[0];
    let tail = (poly - z.clone() * z).exp() * t * 0.5;
    activation::relu(x) - size * tail
}

/// x * sigmoid(x), the paper's swish.
pub fn silu<const D: usize>(x: Tensor<D>) -> Tensor<D> {
    Activation::Silu.forward(x)
}
