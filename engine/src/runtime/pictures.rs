//! Between tensors in [-1, 1] and 8-bit pictures. What one stage hands to the next is the 8-bit picture, so that going on from a
//! saved file gives the same bytes as going on at once.

use burn::tensor::Tensor;
use imagen_protocol::{EngineError, RgbImage};

use super::error::device_error;

/// Reads a batch back. Values beyond [-1, 1] are clamped; a value that is not a number gives `None`.
///
/// # Shapes
/// [B, 3, H, W] -> B pictures of W x H
///
/// # Errors
/// [`EngineError::Device`] or [`EngineError::OutOfMemory`] if the work behind the tensor failed.
pub fn to_pictures(x: Tensor<4>) -> Result<Option<Vec<RgbImage>>, EngineError> {
    let [batch, _, height, width] = x.dims();
    let values = read(x)?;
    if values.iter().any(|v| v.is_nan()) {
        return Ok(None);
    }
    let plane = height * width;
    let image = |values: &[f32]| {
        let pixels: Vec<u8> = (0..plane).flat_map(|i| [0, 1, 2].map(|c| to_byte(values[c * plane + i]))).collect();
        RgbImage::new(u32::try_from(width).ok()?, u32::try_from(height).ok()?, pixels)
    };
    let images: Option<Vec<_>> = values.chunks_exact(3 * plane).map(image).collect();
    match images {
        Some(images) if images.len() == batch => Ok(Some(images)),
        _ => Err(EngineError::Internal { message: "a picture has an impossible size".into() }),
    }
}

/// A tensor's values; every error that burn deferred comes up here.
pub fn read<const D: usize>(x: Tensor<D>) -> Result<Vec<f32>, EngineError> {
    let data = x.try_into_data().map_err(device_error)?;
    data.convert::<f32>().try_to_vec().map_err(device_error)
}

/// -1 -> 0, 1 -> 255, to the nearest.
fn to_byte(v: f32) -> u8 {
    (v.clamp(-1.0, 1.0) * 127.5 + 128.0).floor().min(255.0) as u8
}

/// Pictures of one size as values in [-1, 1], [B, 3, H, W] row by row.
pub fn from_pictures(images: &[RgbImage]) -> Vec<f32> {
    let plane = |image: &RgbImage, c: usize| -> Vec<f32> {
        image.pixels().iter().skip(c).step_by(3).map(|&v| f32::from(v) / 127.5 - 1.0).collect()
    };
    images.iter().flat_map(|image| (0..3).flat_map(|c| plane(image, c)).collect::<Vec<_>>()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::{Device, TensorData};

    #[test]
    fn bytes_survive_the_round_trip() {
        let pixels: Vec<u8> = (0..=255).flat_map(|v| [v, 255 - v, v / 2]).collect();
        let image = RgbImage::new(16, 16, pixels).expect("16 x 16");
        let x =
            Tensor::<4>::from_data(TensorData::new(from_pictures(std::slice::from_ref(&image)), [1, 3, 16, 16]), &Device::flex());
        assert_eq!(to_pictures(x).expect("readback"), Some(vec![image]));
    }

    #[test]
    fn not_a_number_is_no_picture() {
        let x = Tensor::<4>::full([1, 3, 2, 2], f32::NAN, &Device::flex());
        assert_eq!(to_pictures(x).expect("readback"), None);
    }
}
