//! Validation by naga, and translation to what the three APIs read. wgpu does both again at run time: this is for tests and tools.

use naga::ShaderStage;
use naga::back::{PipelineConstants, hlsl, msl, pipeline_constants, spv};
use naga::valid::{Capabilities, ValidationFlags, Validator};

use crate::Specialisation;

/// A language that a graphics API takes shaders in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// SPIR-V, for Vulkan.
    Vulkan,
    /// The Metal shading language.
    Metal,
    /// HLSL, for DirectX 12.
    Dx12,
}

/// Why a shader is not usable.
#[derive(Debug, thiserror::Error)]
pub enum ShaderError {
    /// No valid WGSL.
    #[error("{label}: {reason}")]
    Wgsl { label: String, reason: String },
    /// Valid, but without a counterpart in the target language.
    #[error("{label} for {target:?}: {reason}")]
    Translation { label: String, target: Target, reason: String },
}

/// What a shader asks of the adapter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Demands {
    /// Every entry point's name.
    pub entry_points: Vec<String>,
    /// Workgroup memory, in bytes, and invocations of a workgroup.
    pub workgroup_bytes: u32,
    pub invocations: u32,
}

/// Validates a specialisation and says what it asks of the adapter.
///
/// # Errors
/// [`ShaderError`] with naga's own message.
pub fn demands(specialisation: &Specialisation) -> Result<Demands, ShaderError> {
    let (module, _) = validated(specialisation)?;
    let in_workgroup = module.global_variables.iter().filter(|(_, v)| v.space == naga::AddressSpace::WorkGroup);
    let sizes = in_workgroup.map(|(_, v)| module.types[v.ty].inner.size(module.to_ctx()));
    Ok(Demands {
        entry_points: module.entry_points.iter().map(|e| e.name.clone()).collect(),
        workgroup_bytes: sizes.sum(),
        invocations: module.entry_points.iter().map(|e| e.workgroup_size.iter().product()).max().unwrap_or(0),
    })
}

/// Validates a specialisation and writes it in the target's language (SPIR-V as its words in hexadecimal).
///
/// # Errors
/// [`ShaderError`] with naga's own message.
pub fn translate(specialisation: &Specialisation, target: Target) -> Result<String, ShaderError> {
    let (module, info) = validated(specialisation)?;
    let entry = (ShaderStage::Compute, specialisation.kernel.name);
    let mut constants = PipelineConstants::default();
    constants.extend(specialisation.constants.iter().map(|&(name, value)| (name.to_owned(), value)));
    let (module, info) = pipeline_constants::process_overrides(&module, &info, Some(entry), &constants)
        .map_err(|e| ShaderError::Wgsl { label: specialisation.label(), reason: format!("overrides: {e:?}") })?;
    let entry = (entry.0, entry.1.to_owned());
    write(&module, &info, entry, target).map_err(|reason| ShaderError::Translation {
        label: specialisation.label(),
        target,
        reason,
    })
}

fn validated(specialisation: &Specialisation) -> Result<(naga::Module, naga::valid::ModuleInfo), ShaderError> {
    let source = specialisation.source();
    let wgsl = |reason: String| ShaderError::Wgsl { label: specialisation.label(), reason };
    let module = naga::front::wgsl::parse_str(&source).map_err(|e| wgsl(e.emit_to_string(&source)))?;
    let info = Validator::new(ValidationFlags::all(), Capabilities::SHADER_FLOAT16)
        .validate(&module)
        .map_err(|e| wgsl(e.emit_to_string(&source)))?;
    Ok((module, info))
}

fn write(
    module: &naga::Module,
    info: &naga::valid::ModuleInfo,
    entry: (ShaderStage, String),
    target: Target,
) -> Result<String, String> {
    match target {
        Target::Vulkan => {
            let options = spv::Options { fake_missing_bindings: true, ..spv::Options::default() };
            let pipeline = spv::PipelineOptions { shader_stage: entry.0, entry_point: entry.1 };
            let words = spv::write_vec(module, info, &options, Some(&pipeline)).map_err(|e| e.to_string())?;
            Ok(words.iter().map(|word| format!("{word:08x}\n")).collect())
        }
        Target::Metal => {
            let options = msl::Options { lang_version: (2, 4), fake_missing_bindings: true, ..msl::Options::default() };
            let pipeline = msl::PipelineOptions { entry_point: Some(entry), ..msl::PipelineOptions::default() };
            msl::write_string(module, info, &options, &pipeline).map(|(text, _)| text).map_err(|e| e.to_string())
        }
        Target::Dx12 => {
            let options =
                hlsl::Options { shader_model: hlsl::ShaderModel::V6_2, fake_missing_bindings: true, ..hlsl::Options::default() };
            let pipeline = hlsl::PipelineOptions { entry_point: Some(entry) };
            let mut text = String::new();
            let mut writer = hlsl::Writer::new(&mut text, &options, &pipeline);
            writer.write(module, info, None).map_err(|e| e.to_string())?;
            Ok(text)
        }
    }
}
