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
            Self::Gelu => activation::gelu(x),
        }
    }
}

/// x * sigmoid(x), the paper's swish.
pub fn silu<const D: usize>(x: Tensor<D>) -> Tensor<D> {
    Activation::Silu.forward(x)
}
