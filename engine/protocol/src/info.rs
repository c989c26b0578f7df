//! What the engine tells of devices and models.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::{Footprint, StageSettings};

/// Where to compute.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeviceChoice {
    /// The best hardware adapter, else the CPU backend.
    #[default]
    Auto,
    /// burn's flex backend.
    Cpu,
    /// Adapter N of [`Adapter::index`]; software adapters are used only when named so.
    Gpu(usize),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AdapterKind {
    Discrete,
    Integrated,
    Virtual,
    /// A software rasteriser such as lavapipe.
    Software,
    Other,
}

/// One graphics adapter, as `imagen devices` lists it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Adapter {
    pub index: usize,
    pub name: String,
    /// "Vulkan", "Metal", "DX12", "GL".
    pub api: String,
    pub kind: AdapterKind,
    pub driver: String,
    /// Largest single tensor, bytes.
    pub max_binding_bytes: u64,
    pub max_buffer_bytes: u64,
    /// Shared memory of a workgroup, bytes.
    pub workgroup_memory_bytes: u32,
    pub max_invocations: u32,
    pub shader_f16: bool,
    pub subgroups: bool,
    pub cooperative_matrix: bool,
    /// `None` where the adapter can run the kernels; else why not.
    pub unusable: Option<String>,
}

/// The device a job ran on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeviceInfo {
    /// e.g. "NVIDIA GeForce RTX 4070 (Vulkan)" or "CPU (flex, 2 threads)".
    pub name: String,
    pub is_cpu: bool,
    /// Largest single tensor, bytes; `None` where memory is the only limit.
    pub max_binding_bytes: Option<u64>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TextEncoderInfo {
    /// "t5" or "bert".
    pub kind: String,
    pub parameters: u64,
    pub dtypes: Vec<String>,
    pub file_bytes: u64,
    pub max_tokens: usize,
    #[serde(default)]
    pub footprint: Footprint,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StageInfo {
    /// Side of the picture in pixels.
    pub size: u32,
    /// "base", "efficient" or "deepfloyd".
    pub network: String,
    pub parameters: u64,
    pub dtypes: Vec<String>,
    pub file_bytes: u64,
    pub defaults: StageSettings,
    /// Where the weights lie.
    pub path: PathBuf,
    #[serde(default)]
    pub footprint: Footprint,
}

/// A model as `imagen models` shows it and as the app plans with.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ModelInfo {
    pub path: PathBuf,
    pub name: String,
    /// "imagen" or "deepfloyd".
    pub family: String,
    pub description: String,
    pub license: String,
    pub text_encoder: TextEncoderInfo,
    pub stages: Vec<StageInfo>,
    /// Bytes that have to be in memory at once where the weights are left to [`crate::Weights::Auto`].
    pub memory_bytes: u64,
    /// Missing or foreign files and the like, a line each.
    pub remarks: Vec<String>,
}
