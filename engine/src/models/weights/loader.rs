//! From names and shapes to tensors on a device, with strict accounting.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::ops::ControlFlow;

use burn::tensor::{DType, Device, Tensor};

use super::values::{Values, to_f32};
use super::{TensorEntry, WeightError, WeightFiles};
use crate::models::layers::{Conv2d, GroupNorm, LayerNorm, Linear};

/// A GPU's driver holds a second copy of what it was given until it is waited for: not more than this much at a time.
const UPLOAD_BYTES: u64 = 256 << 20;

/// Where parameters come from.
#[derive(Clone, Copy, Debug)]
pub enum WeightSource<'a> {
    Files(&'a WeightFiles),
    /// No file: every tensor is a view of one zero, so that a network of any size can be built to count its parameters.
    Describe,
}

/// Told the size in bytes of each tensor as it is read; may break loading off.
pub type Progress<'a> = dyn Fn(u64) -> ControlFlow<()> + 'a;

/// How much was asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Number of parameters.
    pub parameters: u64,
    /// Those of linear layers and convolutions, biases not among them.
    pub matrices: u64,
    /// Those of the largest of these layers.
    pub largest: u64,
    /// Bytes that were given to the device.
    pub bytes: u64,
}

/// Hands out each parameter once and remembers which ones were asked for.
pub struct Loader<'a> {
    source: WeightSource<'a>,
    device: Device,
    /// Largest tensor that the device binds, bytes; larger weights are split along their output channels.
    max_binding_bytes: Option<u64>,
    half: bool,
    asked: RefCell<BTreeMap<String, Vec<usize>>>,
    counts: Cell<Counts>,
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
            half: false,
            asked: RefCell::default(),
            counts: Cell::default(),
            ignored: Cell::new(|_| false),
            progress: None,
        }
    }

    pub fn with_max_binding_bytes(mut self, limit: Option<u64>) -> Self {
        self.max_binding_bytes = limit;
        self
    }

    /// Whether the weights of linear layers and convolutions wait as f16, where the device has it and each value is in its range; they are
    /// computed with as f32 all the same. Everything else stays f32.
    pub fn with_half(mut self, half: bool) -> Self {
        self.half = half && self.device.supports_dtype(DType::F16);
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
        self.counts.get().parameters
    }

    /// What was asked for so far.
    pub fn counts(&self) -> Counts {
        self.counts.get()
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
        self.count(|counts| counts.parameters += product(shape));
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

    fn count(&self, change: impl FnOnce(&mut Counts)) {
        let mut counts = self.counts.get();
        change(&mut counts);
        self.counts.set(counts);
    }

    /// The values of a parameter as f32; `None` when describing.
    fn values(&self, name: &str, shape: &[usize]) -> Result<Option<Vec<f32>>, WeightError> {
        match self.read(name, shape, false)? {
            Some(Values::F32(values)) => Ok(Some(values)),
            _ => Ok(None),
        }
    }

    /// The weights of a linear layer or a convolution, as they are to wait; `None` when describing.
    fn matrix(&self, name: &str, shape: &[usize]) -> Result<Option<Values>, WeightError> {
        let size = product(shape);
        self.count(|counts| {
            counts.matrices += size;
            counts.largest = counts.largest.max(size);
        });
        self.read(name, shape, self.half)
    }

    fn read(&self, name: &str, shape: &[usize], half: bool) -> Result<Option<Values>, WeightError> {
        let Some((files, entry)) = self.entry(name, shape)? else { return Ok(None) };
        let (path, name) = (|| files.path_of(entry).to_owned(), || name.to_owned());
        let data = files.data(entry);
        let values = if half { Values::halved(data, entry.dtype) } else { to_f32(data, entry.dtype).map(Values::F32) };
        let found = || format!("{:?}", entry.dtype);
        let values = values.ok_or_else(|| WeightError::Dtype { path: path(), name: name(), found: found() })?;
        files.release(entry);
        if !values.are_finite() {
            return Err(WeightError::NotFinite { path: path(), name: name() });
        }
        match self.progress.map(|progress| progress(entry.bytes() as u64)) {
            Some(ControlFlow::Break(())) => Err(WeightError::Cancelled),
            Some(ControlFlow::Continue(())) | None => Ok(Some(values)),
        }
    }

    fn upload<const D: usize>(&self, values: Option<Values>, shape: [usize; D]) -> Tensor<D> {
        let Some(values) = values else { return Tensor::<D>::zeros([1; D], &self.device).expand(shape) };
        let width = if matches!(values, Values::F16(_)) { 2 } else { 4 };
        let before = self.counts.get().bytes;
        let after = before + width * product(&shape);
        self.count(|counts| counts.bytes = after);
        let tensor = values.tensor(shape, &self.device);
        if before / UPLOAD_BYTES != after / UPLOAD_BYTES {
            // A device that fails says so when a result is read.
            let _ = self.device.sync();
        }
        tensor
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
        Ok(self.loader.upload(values.map(Values::F32), shape))
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
        let values = self.loader.matrix(&self.name("weight"), &[c_out, c_in])?;
        let bias = if bias { Some(self.tensor("bias", [c_out])?) } else { None };
        let pieces = self.loader.pieces(c_out, c_in);
        let weights = split_rows(c_out, pieces)
            .map(|(from, to)| {
                let part = values.as_ref().map(|v| v.columns(from, to, c_in));
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
        let values = self.loader.matrix(&self.name("weight"), &[c_out, c_in, kernel, kernel])?;
        let bias = self.loader.values(&self.name("bias"), &[c_out])?;
        let parts = split_rows(c_out, self.loader.pieces(c_out, row))
            .map(|(from, to)| {
                let weight = values.as_ref().map(|v| v.rows(from, to, row));
                let bias = bias.as_ref().map(|b| Values::F32(b[from..to].to_vec()));
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

/// Number of values.
fn product(shape: &[usize]) -> u64 {
    shape.iter().map(|&n| n as u64).product()
}

fn split_rows(rows: usize, pieces: usize) -> impl Iterator<Item = (usize, usize)> {
    let step = rows.div_ceil(pieces).max(1);
    (0..rows).step_by(step).map(move |from| (from, (from + step).min(rows)))
}
