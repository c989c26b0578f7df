use burn::tensor::Tensor;

use super::host;
use crate::ops::{conv2d, conv2d_reference};

/// Of fewer channels most of a tile of `conv2d.wgsl` would be empty; burn makes one sum at a time, and reading x is what takes the time then.
const LEAST_CHANNELS: usize = 5;

/// Square convolution with padding kernel / 2.
#[derive(Clone, Debug)]
pub struct Conv2d {
    parts: Vec<Part>,
    stride: usize,
}

/// Some of the output channels.
#[derive(Clone, Debug)]
enum Part {
    /// [c_out, c_in, k, k], f32 or f16; [c_out], f32
    Device(Tensor<4>, Tensor<1>),
    Host(host::Kernel),
}

impl Conv2d {
    /// `parts`: pieces of ([c_out, c_in, k, k], [c_out]), weights f32 or f16, biases f32, in the order of their channels.
    pub fn new(parts: Vec<(Tensor<4>, Tensor<1>)>, stride: usize) -> Self {
        let part = |(weight, bias): (Tensor<4>, Tensor<1>)| match host::Kernel::of(&weight, &bias, stride) {
            Some(kernel) => Part::Host(kernel),
            None => Part::Device(weight, bias),
        };
        Self { parts: parts.into_iter().map(part).collect(), stride }
    }

    /// # Shapes
    /// [B, c_in, H, W] -> [B, c_out, ceil(H / stride), ceil(W / stride)]
    pub fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        if let [part] = self.parts.as_slice() {
            return self.part(part, x);
        }
        Tensor::cat(self.parts.iter().map(|part| self.part(part, x.clone())).collect(), 1)
    }

    fn part(&self, part: &Part, x: Tensor<4>) -> Tensor<4> {
        match part {
            Part::Host(kernel) => kernel.conv2d(x),
            Part::Device(weight, bias) if weight.dims()[0] < LEAST_CHANNELS => {
                conv2d_reference(x, weight.clone(), bias.clone(), self.stride)
            }
            Part::Device(weight, bias) => conv2d(x, weight.clone(), bias.clone(), self.stride),
        }
    }
}
