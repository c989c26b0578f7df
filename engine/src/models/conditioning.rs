//! What a U-Net is told beside x_t and the time, for both families.

use burn::tensor::{Bool, Tensor};

/// Text, and for super-resolution the low-resolution picture.
#[derive(Clone, Debug)]
pub struct Conditioning {
    /// [B, L, text_dim]: token states of the frozen encoder.
    pub text: Tensor<3>,
    /// [B, L], true where there is a token; `None` attends to every position. DeepFloyd's networks see every position anyway.
    pub mask: Option<Tensor<2, Bool>>,
    /// [B, C, H, W]: the augmented low-resolution picture, enlarged to the size of x_t.
    pub low_res: Option<Tensor<4>>,
    /// [B]: how much noise `low_res` has, as the network was trained to hear it: in [0, 1] for imagen, the timestep for DeepFloyd.
    pub aug_level: Option<Vec<f32>>,
}

impl Conditioning {
    /// Of a part of the batch.
    pub fn rows(&self, start: usize, len: usize) -> Self {
        Self {
            text: self.text.clone().narrow(0, start, len),
            mask: self.mask.as_ref().map(|mask| mask.clone().narrow(0, start, len)),
            low_res: self.low_res.as_ref().map(|low_res| low_res.clone().narrow(0, start, len)),
            aug_level: self.aug_level.as_ref().map(|levels| levels.iter().skip(start).take(len).copied().collect()),
        }
    }
}

/// The input does not fit the network.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InputError {
    #[error("{what} is {found:?}, the network takes {expected}; choose another size or another model")]
    Shape { what: &'static str, found: Vec<usize>, expected: String },
    #[error("this stage needs {0}; it follows another stage or takes a picture")]
    Missing(&'static str),
}

/// What a network expects, for [`check_inputs`].
pub(crate) struct Expected {
    pub channels: usize,
    pub text_dim: usize,
    pub low_res: bool,
    pub aug_level: bool,
    /// Width and height must be multiples of it.
    pub multiple: usize,
}

/// Whether `x` and `conditioning` fit together and fit the network.
pub(crate) fn check_inputs(x: [usize; 4], c: &Conditioning, expected: &Expected) -> Result<(), InputError> {
    let fail = |what, found: &[usize], expected: String| Err(InputError::Shape { what, found: found.to_vec(), expected });
    let [batch, channels, height, width] = x;
    let m = expected.multiple;
    if channels != expected.channels || [height, width].iter().any(|&n| n == 0 || !n.is_multiple_of(m)) {
        return fail("x_t", &x, format!("[B, {}, H, W] with H and W multiples of {m}", expected.channels));
    }
    let text = c.text.dims();
    if text[0] != batch || text[1] == 0 || text[2] != expected.text_dim {
        return fail("text", &text, format!("[{batch}, L, {}]", expected.text_dim));
    }
    if let Some(mask) = &c.mask
        && mask.dims() != [batch, text[1]]
    {
        return fail("mask", &mask.dims(), format!("[{batch}, {}]", text[1]));
    }
    match &c.low_res {
        None if expected.low_res => return Err(InputError::Missing("low_res")),
        Some(low_res) if expected.low_res && low_res.dims() != x => return fail("low_res", &low_res.dims(), format!("{x:?}")),
        _ => {}
    }
    match &c.aug_level {
        None if expected.aug_level => Err(InputError::Missing("aug_level")),
        Some(level) if expected.aug_level && level.len() != batch => fail("aug_level", &[level.len()], format!("[{batch}]")),
        _ => Ok(()),
    }
}
