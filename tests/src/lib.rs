//! What the tests share: fixtures, devices, comparison.

pub mod random;
pub mod unets;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use burn::tensor::{Device, Tensor, TensorData};
use imagen_engine::diffusion::parse_python_json;
use imagen_engine::runtime::{adapters, open_device};
use imagen_protocol::{AdapterKind, DeviceChoice};
use safetensors::tensor::{Dtype, SafeTensors};

/// The repository's root.
pub fn repo() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("tests/ lies in the repository").to_owned()
}

/// Where the parity cases lie: `IMAGEN_PARITY_DIR`, else the project's own copy.
pub fn parity_dir() -> PathBuf {
    std::env::var_os("IMAGEN_PARITY_DIR").map_or_else(|| repo().join("tests/fixtures/parity"), PathBuf::from)
}

/// A JSON file, as Python writes it too.
///
/// # Panics
/// If it is missing or damaged.
pub fn read_json(path: &Path) -> serde_json::Value {
    let text = std::fs::read_to_string(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    parse_python_json(&text).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

/// A folder of the parity suite and its `case.json`.
pub struct ParityCase {
    pub path: PathBuf,
    pub meta: serde_json::Value,
}

impl ParityCase {
    /// The folder's name.
    pub fn name(&self) -> String {
        self.path.file_name().unwrap_or_default().to_string_lossy().into_owned()
    }
}

/// Every case there is, by name.
///
/// # Panics
/// If there is none: a suite that tests nothing does not pass.
pub fn all_parity_cases() -> Vec<ParityCase> {
    let folder = parity_dir();
    let entries = std::fs::read_dir(&folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display()));
    let mut paths: Vec<PathBuf> =
        entries.map(|e| e.expect("readable").path()).filter(|p| p.join("case.json").is_file()).collect();
    assert!(!paths.is_empty(), "no case in {}", folder.display());
    paths.sort();
    paths.into_iter().map(|path| ParityCase { meta: read_json(&path.join("case.json")), path }).collect()
}

/// The cases of a kind.
///
/// # Panics
/// As [`all_parity_cases`].
pub fn parity_cases(kind: &str) -> Vec<ParityCase> {
    let mut cases = all_parity_cases();
    cases.retain(|case| case.meta["kind"] == kind);
    assert!(!cases.is_empty(), "no case of kind {kind} in {}", parity_dir().display());
    cases
}

/// A device that tests run on.
pub struct TestDevice {
    pub name: String,
    pub device: Device,
}

/// The CPU backend, and a wgpu adapter (lavapipe where there is no GPU). `IMAGEN_TEST_NO_GPU=1` leaves the second out; without it a
/// machine that has no adapter fails, so that CI cannot pass by testing nothing.
pub fn devices() -> Vec<TestDevice> {
    let mut all = vec![TestDevice { name: "flex".into(), device: Device::flex() }];
    if std::env::var_os("IMAGEN_TEST_NO_GPU").is_none() {
        all.push(gpu());
    }
    all
}

/// The first usable adapter, opened once a process.
pub fn gpu() -> TestDevice {
    static GPU: std::sync::OnceLock<(String, Device)> = std::sync::OnceLock::new();
    let (name, device) = GPU.get_or_init(|| {
        let usable = adapters().into_iter().find(|a| a.unusable.is_none() && a.kind != AdapterKind::Other);
        let adapter = usable.expect("no wgpu adapter: install mesa-vulkan-drivers, or set IMAGEN_TEST_NO_GPU=1");
        let open = open_device(DeviceChoice::Gpu(adapter.index)).expect("the adapter opens");
        (open.info.name, open.device)
    });
    TestDevice { name: name.clone(), device: device.clone() }
}

/// One tensor of a fixture, on the host.
#[derive(Clone, Debug)]
pub struct HostTensor {
    pub shape: Vec<usize>,
    pub values: Vec<f64>,
}

impl HostTensor {
    pub fn f32(&self) -> Vec<f32> {
        self.values.iter().map(|&v| v as f32).collect()
    }

    /// # Panics
    /// If the rank is not `D`.
    pub fn tensor<const D: usize>(&self, device: &Device) -> Tensor<D> {
        assert_eq!(self.shape.len(), D, "rank of a fixture");
        Tensor::from_data(TensorData::new(self.f32(), self.shape.clone()), device)
    }
}

/// Every tensor of a safetensors file.
///
/// # Panics
/// If the file is missing or damaged: a broken fixture is a failed test.
pub fn read_safetensors(path: &Path) -> BTreeMap<String, HostTensor> {
    let bytes = std::fs::read(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    let file = SafeTensors::deserialize(&bytes).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    let host = |view: safetensors::tensor::TensorView<'_>| HostTensor {
        shape: view.shape().to_vec(),
        values: values(view.dtype(), view.data()),
    };
    file.iter().map(|(name, view)| (name.to_owned(), host(view))).collect()
}

fn values(dtype: Dtype, data: &[u8]) -> Vec<f64> {
    fn map<const N: usize>(data: &[u8], f: impl Fn([u8; N]) -> f64) -> Vec<f64> {
        data.chunks_exact(N).map(|b| f(b.try_into().expect("a chunk of N bytes"))).collect()
    }
    match dtype {
        Dtype::F32 => map(data, |b| f64::from(f32::from_le_bytes(b))),
        Dtype::F64 => map(data, f64::from_le_bytes),
        Dtype::I64 => map(data, |b| i64::from_le_bytes(b) as f64),
        Dtype::I32 => map(data, |b| f64::from(i32::from_le_bytes(b))),
        Dtype::U8 | Dtype::BOOL => data.iter().map(|&b| f64::from(b)).collect(),
        other => panic!("a fixture holds {other:?}"),
    }
}

/// A tensor's values, read back.
///
/// # Panics
/// If the device failed.
pub fn read<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    tensor.try_into_data().expect("readback").convert::<f32>().try_to_vec().expect("f32")
}

/// Passes where max |ours - expected| <= tolerance * max(1, max |expected|), every value finite (../shared/parity/README.md).
/// Returns the largest error, scaled.
///
/// # Panics
/// Where it does not pass.
pub fn assert_close(what: &str, ours: &[f32], expected: &[f32], tolerance: f32) -> f32 {
    assert_eq!(ours.len(), expected.len(), "{what}: number of values");
    assert!(ours.iter().all(|v| v.is_finite()), "{what}: a value is not finite");
    let scale = expected.iter().fold(1.0_f32, |m, v| m.max(v.abs()));
    let error = ours.iter().zip(expected).fold(0.0_f32, |m, (a, b)| m.max((a - b).abs())) / scale;
    assert!(error <= tolerance, "{what}: error {error:.3e} is over {tolerance:.1e}");
    error
}
