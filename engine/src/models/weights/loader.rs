//! From names and shapes to tensors on a device, with strict accounting.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::ops::ControlFlow;

use burn::tensor::{Device, Tensor, TensorData};
use half::slice::HalfFloatSliceExt;
use half::{bf16, f16};
use safetensors::tensor::Dtype;

use super::{TensorEntry, WeightError, WeightFiles};
use crate::models::layers::{Conv2d, GroupNorm, LayerNorm, Linear};

/// Where parameters come from.
#[derive(Clone, Copy, Debug)]
pub enum WeightSource<'a> {
    Files(&'a WeightFiles),
    /// No file: every tensor is a view of one zero, so that a network of any size can be built to count its parameters.
    Describe,
}

/// Told the size in bytes of each tensor as it is read; may break loading off.
pub type Progress<'a> = dyn Fn(u64) -> ControlFlow<()> + 'a;

/// Hands out each parameter once and remembers which ones were asked for.
pub struct Loader<'a> {
    source: WeightSource<'a>,
    device: Device,
    /// Largest tensor that the device binds, bytes; larger weights are split along their output channels.
    max_binding_bytes: Option<u64>,
    asked: RefCell<BTreeMap<String, Vec<usize>>>,
    ignored: Cell<fn(&str) -> bool>,
    progress: Option<&'a Progress<'a>>,
}

impl std::fmt::Debug for Loader<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Loader({:?})", self.source)
    }
}

impl<'a> Loader<'a> {
    pub fn new(source: WeightSource<'a>, device: &Device) -> Self {
        Self {
            source,
            device: device.clone(),
            max_binding_bytes: None,
            asked: RefCell::default(),
            ignored: Cell::new(|_| false),
            progress: None,
        }
    }

    pub fn with_max_binding_bytes(mut self, limit: Option<u64>) -> Self {
        self.max_binding_bytes = limit;
        self
    }

    /// Where `progress` breaks off, loading ends with [`WeightError::Cancelled`].
    pub fn with_progress(mut self, progress: &'a Progress<'a>) -> Self {
        self.progress = Some(progress);
        self
    }

    /// All parameters, from the top.
    pub fn root(&self) -> Params<'_, 'a> {
        Params { loader: self, prefix: String::new() }
    }

    pub fn device(&self) -> &Device {
        &self.device
    }

    /// Number of parameters asked for so far.
    pub fn parameters(&self) -> u64 {
        self.asked.borrow().values().map(|shape| shape.iter().map(|&n| n as u64).product::<u64>()).sum()
    }

    /// Name and shape of every parameter asked for so far.
    pub fn layout(&self) -> BTreeMap<String, Vec<usize>> {
        self.asked.borrow().clone()
    }

    /// Tensors that the files may hold although the model does not have them, by name.
    pub fn ignore(&self, ignored: fn(&str) -> bool) {
        self.ignored.set(ignored);
    }

    /// # Errors
    /// [`WeightError::Unused`] if the files hold a tensor that nobody asked for.
    pub fn finish(self) -> Result<(), WeightError> {
        let WeightSource::Files(files) = self.source else { return Ok(()) };
        let asked = self.asked.borrow();
        let ignored = self.ignored.get();
        let mut unused = files.iter().filter(|(name, _)| !asked.contains_key(*name) && !ignored(name));
        match unused.next() {
            None => Ok(()),
            Some((first, entry)) => Err(WeightError::Unused {
                path: files.path_of(entry).to_owned(),
                count: 1 + unused.count(),
                first: first.to_owned(),
            }),
        }
    }

    /// The checked entry of a parameter; `None` when describing.
    fn entry(&self, name: &str, shape: &[usize]) -> Result<Option<(&'a WeightFiles, &'a TensorEntry)>, WeightError> {
        let previous = self.asked.borrow_mut().insert(name.to_owned(), shape.to_vec());
        debug_assert!(previous.is_none(), "parameter {name} was asked for twice");
        let WeightSource::Files(files) = self.source else { return Ok(None) };
        let entry =
            files.get(name).ok_or_else(|| WeightError::Missing { path: files.path().to_owned(), name: name.to_owned() })?;
        if entry.shape != shape {
            return Err(WeightError::Shape {
                path: files.path_of(entry).to_owned(),
                name: name.to_owned(),
                found: entry.shape.clone(),
                expected: shape.to_vec(),
            });
        }
        Ok(Some((files, entry)))
    }

    /// The values of a parameter as f32; `None` when describing.
    fn values(&self, name: &str, shape: &[usize]) -> Result<Option<Vec<f32>>, WeightError> {
        let Some((files, entry)) = self.entry(name, shape)? else { return Ok(None) };
        let values = to_f32(files.data(entry), entry.dtype).ok_or_else(|| WeightError::Dtype {
            path: files.path_of(entry).to_owned(),
            name: name.to_owned(),
            found: format!("{:?}", entry.dtype),
        })?;
        // No early way out, so that it is vectorised.
        if !values.iter().fold(true, |finite, v| finite & v.is_finite()) {
            return Err(WeightError::NotFinite { path: files.path_of(entry).to_owned(), name: name.to_owned() });
        }
        match self.progress.map(|progress| progress(entry.bytes() as u64)) {
            Some(ControlFlow::Break(())) => Err(WeightError::Cancelled),
            Some(ControlFlow::Continue(())) | None => Ok(Some(values)),
        }
    }

    fn upload<const D: usize>(&self, values: Option<Vec<f32>>, shape: [usize; D]) -> Tensor<D> {
        match values {
            Some(values) => Tensor::from_data(TensorData::new(values, shape), &self.device),
            None => Tensor::<D>::zeros([1; D], &self.device).expand(shape),
        }
    }

    /// Into how many pieces of the first axis `rows` x `row_len` values must be split to be bound.
    fn pieces(&self, rows: usize, row_len: usize) -> usize {
        let bytes = 4 * rows as u64 * row_len as u64;
        self.max_binding_bytes.map_or(1, |limit| bytes.div_ceil(limit.max(1))).clamp(1, rows.max(1) as u64) as usize
    }
}

/// The parameters under one prefix: `params.at("mid").at("res1")` is `mid.res1.`.
#[derive(Clone, Debug)]
pub struct Params<'l, 'a> {
    loader: &'l Loader<'a>,
    prefix: String,
}

impl<'l, 'a> Params<'l, 'a> {
    pub fn at(&self, name: impl std::fmt::Display) -> Self {
        Self { loader: self.loader, prefix: self.name(name) }
    }

    pub fn device(&self) -> &Device {
        &self.loader.device
    }

    /// Whether the files hold this tensor; always true when describing.
    pub fn has(&self, name: &str) -> bool {
        match self.loader.source {
            WeightSource::Files(files) => files.get(&self.name(name)).is_some(),
            WeightSource::Describe => true,
        }
    }

    fn name(&self, name: impl std::fmt::Display) -> String {
        if self.prefix.is_empty() { name.to_string() } else { format!("{}.{name}", self.prefix) }
    }

    /// # Errors
    /// [`WeightError`]: missing, another shape, another dtype, not finite.
    pub fn tensor<const D: usize>(&self, name: &str, shape: [usize; D]) -> Result<Tensor<D>, WeightError> {
        let values = self.loader.values(&self.name(name), &shape)?;
        Ok(self.loader.upload(values, shape))
    }

    /// The values themselves, row-major, for what stays on the CPU; empty when describing.
    ///
    /// # Errors
    /// As [`Params::tensor`].
    pub fn host_values(&self, name: &str, shape: &[usize]) -> Result<Vec<f32>, WeightError> {
        Ok(self.loader.values(&self.name(name), shape)?.unwrap_or_default())
    }

    /// Marks a tensor as used and checks its shape without reading it; its rows are read later from the map.
    ///
    /// # Errors
    /// As [`Params::tensor`].
    pub fn claim(&self, name: &str, shape: &[usize]) -> Result<(), WeightError> {
        self.loader.entry(&self.name(name), shape).map(|_| ())
    }

    /// `weight` [c_out, c_in] and, if asked for, `bias` [c_out].
    ///
    /// # Errors
    /// As [`Params::tensor`].
    pub fn linear(&self, c_in: usize, c_out: usize, bias: bool) -> Result<Linear, WeightError> {
        let values = self.loader.values(&self.name("weight"), &[c_out, c_in])?;
        let bias = if bias { Some(self.tensor("bias", [c_out])?) } else { None };
        let pieces = self.loader.pieces(c_out, c_in);
        let weights = split_rows(c_out, pieces)
            .map(|(from, to)| {
                let part = values.as_ref().map(|v| transpose(&v[from * c_in..to * c_in], to - from, c_in));
                self.loader.upload(part, [c_in, to - from])
            })
            .collect();
        Ok(Linear::new(weights, bias))
    }

    /// A square convolution that keeps the size for stride 1: `weight` [c_out, c_in, kernel, kernel], `bias` [c_out].
    ///
    /// # Errors
    /// As [`Params::tensor`].
    pub fn conv2d(&self, c_in: usize, c_out: usize, kernel: usize, stride: usize) -> Result<Conv2d, WeightError> {
        let row = c_in * kernel * kernel;
        let values = self.loader.values(&self.name("weight"), &[c_out, c_in, kernel, kernel])?;
        let bias = self.loader.values(&self.name("bias"), &[c_out])?;
        let parts = split_rows(c_out, self.loader.pieces(c_out, row))
            .map(|(from, to)| {
                let weight = values.as_ref().map(|v| v[from * row..to * row].to_vec());
                let bias = bias.as_ref().map(|b| b[from..to].to_vec());
                (self.loader.upload(weight, [to - from, c_in, kernel, kernel]), self.loader.upload(bias, [to - from]))
            })
            .collect();
        Ok(Conv2d::new(parts, stride))
    }

    /// `weight` and `bias` [channels].
    ///
    /// # Errors
    /// As [`Params::tensor`].
    pub fn group_norm(&self, groups: usize, channels: usize, eps: f64) -> Result<GroupNorm, WeightError> {
        Ok(GroupNorm::new(self.tensor("weight", [channels])?, self.tensor("bias", [channels])?, groups, eps))
    }

    /// `weight` and `bias` [width].
    ///
    /// # Errors
    /// As [`Params::tensor`].
    pub fn layer_norm(&self, width: usize, eps: f64) -> Result<LayerNorm, WeightError> {
        Ok(LayerNorm::new(self.tensor("weight", [width])?, self.tensor("bias", [width])?, eps))
    }
}

fn split_rows(rows: usize, pieces: usize) -> impl Iterator<Item = (usize, usize)> {
    let step = rows.div_ceil(pieces).max(1);
    (0..rows).step_by(step).map(move |from| (from, (from + step).min(rows)))
}

/// [rows, columns] -> [columns, rows]: PyTorch keeps linear weights as [out, in], matmul wants [in, out].
fn transpose(values: &[f32], rows: usize, columns: usize) -> Vec<f32> {
    const TILE: usize = 32;
    let mut out = vec![0.0; values.len()];
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
    let pairs = || bytes.chunks_exact(2).map(|b| [b[0], b[1]]);
    Some(match dtype {
        Dtype::F32 => bytes.chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect(),
        Dtype::F16 => widen(&pairs().map(f16::from_le_bytes).collect::<Vec<_>>()),
        Dtype::BF16 => widen(&pairs().map(bf16::from_le_bytes).collect::<Vec<_>>()),
        _ => return None,
    })
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
