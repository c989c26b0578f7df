use burn::tensor::ops::ConvOptions;
use burn::tensor::{Tensor, module};

use super::host;

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
            if host::is_host(&x) {
                return host::conv2d(x.clone(), w.clone(), b.clone(), self.stride);
            }
            module::conv2d(x.clone(), w.clone(), Some(b.clone()), options())
        };
        if let [part] = self.parts.as_slice() {
            return conv(part);
        }
        Tensor::cat(self.parts.iter().map(conv).collect(), 1)
    }
}
