//! All randomness of sampling enters here.

use std::collections::BTreeMap;

use burn::tensor::{Device, Tensor, TensorData};

use super::error::NoiseError;
use super::philox::normals;

/// What the noise is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Draw {
    /// x_t of the first step.
    Start,
    /// What step i (from 0) adds.
    Step(usize),
    /// Noise conditioning augmentation of the low-resolution input.
    Augment,
}

/// Where noise comes from.
pub trait NoiseSource {
    /// Values of N(0, 1).
    ///
    /// # Shapes
    /// The result: `shape`, `[B, C, H, W]`.
    ///
    /// # Errors
    /// Where there is no noise of this kind or shape.
    fn draw(&mut self, draw: Draw, shape: [usize; 4], device: &Device) -> Result<Tensor<4>, NoiseError>;
}

/// Philox noise of (seed, stage, draw, image), made on the CPU: the same on every device, and for an image wherever in a batch it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seeded {
    pub seed: u64,
    /// What tells the stages of a cascade apart: the side of the stage's picture.
    pub stage: u32,
    /// Number of the batch's first image; the others follow.
    pub first_image: u32,
}

impl Seeded {
    /// The values of one image, `[C, H, W]` in rows.
    ///
    /// # Errors
    /// [`NoiseError::Range`] for a step of 2^32 - 2 or more.
    pub fn image(&self, draw: Draw, image: u32, out: &mut [f32]) -> Result<(), NoiseError> {
        // The two halves of the seed are the key.
        let key = [self.seed as u32, (self.seed >> 32) as u32];
        normals([counter(draw)?, self.stage, image], key, out);
        Ok(())
    }
}

/// A word a draw: 0 the start, i + 1 step i, the last one the augmentation.
fn counter(draw: Draw) -> Result<u32, NoiseError> {
    match draw {
        Draw::Start => Ok(0),
        Draw::Augment => Ok(u32::MAX),
        Draw::Step(i) => u32::try_from(i).ok().filter(|i| *i < u32::MAX - 1).map(|i| i + 1).ok_or_else(|| range("the step")),
    }
}

fn range(what: &str) -> NoiseError {
    NoiseError::Range { what: what.into() }
}

impl NoiseSource for Seeded {
    fn draw(&mut self, draw: Draw, shape: [usize; 4], device: &Device) -> Result<Tensor<4>, NoiseError> {
        let [batch, channels, height, width] = shape;
        let size = channels * height * width;
        let mut values = vec![0.0; batch * size];
        let images = values.chunks_exact_mut(size.max(1));
        for (i, out) in images.enumerate() {
            let image = u32::try_from(i).ok().and_then(|i| self.first_image.checked_add(i));
            self.image(draw, image.ok_or_else(|| range("the image's number"))?, out)?;
        }
        Ok(Tensor::from_data(TensorData::new(values, shape), device))
    }
}

/// [`Seeded`] for the columns of a comparison: row r holds image `first_image + r % count`, so that every column draws the same noise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SeededColumns {
    pub seed: u64,
    /// As [`Seeded::stage`].
    pub stage: u32,
    pub first_image: u32,
    /// Images of a column, at least 1.
    pub count: u32,
    /// Which row the batch's first one is.
    pub first_row: u32,
}

impl NoiseSource for SeededColumns {
    fn draw(&mut self, draw: Draw, shape: [usize; 4], device: &Device) -> Result<Tensor<4>, NoiseError> {
        let source = Seeded { seed: self.seed, stage: self.stage, first_image: self.first_image };
        let size = shape[1..].iter().product::<usize>();
        let mut values = vec![0.0; shape[0] * size];
        let period = size * self.count.max(1) as usize;
        for (row, start) in (self.first_row..).zip((0..values.len()).step_by(size.max(1))) {
            if start >= period {
                values.copy_within(start - period..start - period + size, start);
                continue;
            }
            let image = self.first_image.checked_add(row % self.count.max(1)).ok_or_else(|| range("the image's number"))?;
            source.image(draw, image, &mut values[start..start + size])?;
        }
        Ok(Tensor::from_data(TensorData::new(values, shape), device))
    }
}

/// Noise that was recorded elsewhere, for parity tests.
#[derive(Clone, Debug, Default)]
pub struct Recorded {
    draws: BTreeMap<Draw, TensorData>,
}

impl Recorded {
    /// Records `noise`, f32 of shape `[B, C, H, W]`, for `draw`.
    pub fn record(&mut self, draw: Draw, noise: TensorData) {
        self.draws.insert(draw, noise);
    }
}

impl NoiseSource for Recorded {
    fn draw(&mut self, draw: Draw, shape: [usize; 4], device: &Device) -> Result<Tensor<4>, NoiseError> {
        let data = self.draws.get(&draw).ok_or(NoiseError::Missing { draw })?;
        if data.shape().iter().ne(shape.iter()) {
            return Err(NoiseError::Shape { draw, wanted: shape.to_vec(), found: data.shape().iter().copied().collect() });
        }
        Ok(Tensor::from_data(data.clone(), device))
    }
}
