//! Numbers of a file on their way to a device.

use burn::tensor::{DType, Device, Tensor, TensorData};
use half::slice::HalfFloatSliceExt;
use half::{bf16, f16};
use safetensors::tensor::Dtype;

/// A tensor's values, row-major.
#[derive(Debug)]
pub(super) enum Values {
    F32(Vec<f32>),
    F16(Vec<f16>),
}

impl Values {
    /// As f16 where all values are in its range; smaller ones than it has come to its nearest, 3e-8 away at most. `None` for a dtype that is
    /// not a float of 16 or 32 bits.
    pub(super) fn halved(bytes: &[u8], dtype: Dtype) -> Option<Self> {
        if dtype == Dtype::F16 {
            return Some(Self::F16(f16s(bytes)));
        }
        let values = to_f32(bytes, dtype)?;
        let most = f16::MAX.to_f32();
        // No early way out, so that it is vectorised.
        if !values.iter().fold(true, |fits, v| fits & (v.abs() <= most)) {
            return Some(Self::F32(values));
        }
        let mut halves = vec![f16::ZERO; values.len()];
        halves.convert_from_f32_slice(&values);
        Some(Self::F16(halves))
    }

    pub(super) fn are_finite(&self) -> bool {
        match self {
            Self::F32(values) => values.iter().fold(true, |finite, v| finite & v.is_finite()),
            Self::F16(values) => values.iter().fold(true, |finite, v| finite & v.is_finite()),
        }
    }

    /// Rows `from` to `to`, `len` values each.
    pub(super) fn rows(&self, from: usize, to: usize, len: usize) -> Self {
        match self {
            Self::F32(values) => Self::F32(values[from * len..to * len].to_vec()),
            Self::F16(values) => Self::F16(values[from * len..to * len].to_vec()),
        }
    }

    /// Rows `from` to `to` of `len` values as columns: [to - from, len] -> [len, to - from].
    pub(super) fn columns(&self, from: usize, to: usize, len: usize) -> Self {
        match self {
            Self::F32(values) => Self::F32(transpose(&values[from * len..to * len], to - from, len)),
            Self::F16(values) => Self::F16(transpose(&values[from * len..to * len], to - from, len)),
        }
    }

    pub(super) fn tensor<const D: usize>(self, shape: [usize; D], device: &Device) -> Tensor<D> {
        match self {
            Self::F32(values) => Tensor::from_data(TensorData::new(values, shape), (device, DType::F32)),
            Self::F16(values) => Tensor::from_data(TensorData::new(values, shape), (device, DType::F16)),
        }
    }
}

/// [rows, columns] -> [columns, rows]: PyTorch keeps linear weights as [out, in], matmul wants [in, out].
fn transpose<T: Copy + Default>(values: &[T], rows: usize, columns: usize) -> Vec<T> {
    const TILE: usize = 32;
    let mut out = vec![T::default(); values.len()];
    for r0 in (0..rows).step_by(TILE) {
        for c0 in (0..columns).step_by(TILE) {
            for r in r0..(r0 + TILE).min(rows) {
                for c in c0..(c0 + TILE).min(columns) {
                    out[c * rows + r] = values[r * columns + c];
                }
            }
        }
    }
    out
}

/// Little-endian bytes -> f32; `None` for a dtype that is not a float of 16 or 32 bits.
pub(crate) fn to_f32(bytes: &[u8], dtype: Dtype) -> Option<Vec<f32>> {
    Some(match dtype {
        Dtype::F32 => bytes.chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect(),
        Dtype::F16 => widen(&f16s(bytes)),
        Dtype::BF16 => widen(&bytes.chunks_exact(2).map(|b| bf16::from_le_bytes([b[0], b[1]])).collect::<Vec<_>>()),
        _ => return None,
    })
}

fn f16s(bytes: &[u8]) -> Vec<f16> {
    bytes.chunks_exact(2).map(|b| f16::from_le_bytes([b[0], b[1]])).collect()
}

/// A slice at a time: `half` looks for the processor's own conversion at each call.
fn widen<T>(halves: &[T]) -> Vec<f32>
where
    [T]: HalfFloatSliceExt,
{
    let mut values = vec![0.0; halves.len()];
    halves.convert_to_f32_slice(&mut values);
    values
}
