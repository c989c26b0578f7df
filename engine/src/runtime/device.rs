//! Which adapters there are, and opening one.
//!
//! The engine makes its own wgpu device and hands it to burn, so that our kernels, burn's and the limits are known in one place
//! and a lost compute device never takes the window along.

use burn::tensor::Device;
use burn::tensor::wgpu::{WgpuSetup, wgpu};
use cubecl_runtime::config::cache::CacheConfig;
use cubecl_runtime::config::{CubeClRuntimeConfig, RuntimeConfig};
use imagen_protocol::{Adapter, AdapterKind, DeviceChoice, DeviceInfo, EngineError};

use crate::ops::{gpu_is_lost, register_gpu};

/// A device that is ready for tensors.
#[derive(Clone, Debug)]
pub struct OpenDevice {
    pub device: Device,
    pub info: DeviceInfo,
    /// Why it is this device, where the user did not name it.
    pub remark: Option<String>,
}

impl OpenDevice {
    /// What every job on a device fails with that its driver gave up; `None` where it lives.
    pub(super) fn lost(&self) -> Option<EngineError> {
        gpu_is_lost(&self.device).then(|| EngineError::Device {
            problem: format!("{} was lost: its driver was reset, or the device is gone", self.info.name),
            remedy: "start again, or use another device (`imagen devices`)".into(),
        })
    }
}

/// Every adapter of this machine, in a fixed order: the best hardware first, software last.
pub fn adapters() -> Vec<Adapter> {
    ranked(&instance()).iter().enumerate().map(|(index, adapter)| describe(index, adapter)).collect()
}

/// # Errors
/// [`EngineError::Device`] for an adapter that is not there, lacks what the kernels need, or cannot be opened.
pub fn open_device(choice: DeviceChoice) -> Result<OpenDevice, EngineError> {
    match choice {
        DeviceChoice::Cpu => Ok(open_cpu(None)),
        DeviceChoice::Gpu(index) => open_gpu(index),
        DeviceChoice::Auto => {
            let best = adapters().into_iter().find(|a| a.kind != AdapterKind::Software && a.unusable.is_none());
            match best {
                None => Ok(open_cpu(Some("no hardware graphics adapter was found".into()))),
                Some(adapter) => {
                    open_gpu(adapter.index).or_else(|e| Ok(open_cpu(Some(format!("{} did not open ({e})", adapter.name)))))
                }
            }
        }
    }
}

fn open_cpu(remark: Option<String>) -> OpenDevice {
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let name = format!("CPU (flex, {threads} threads)");
    OpenDevice { device: Device::flex(), info: DeviceInfo { name, is_cpu: true, max_binding_bytes: None }, remark }
}

fn open_gpu(index: usize) -> Result<OpenDevice, EngineError> {
    let instance = instance();
    let ranked = ranked(&instance);
    let adapter = ranked.get(index).ok_or_else(|| EngineError::Device {
        problem: format!("there is no adapter {index}, {} were found", ranked.len()),
        remedy: "`imagen devices` lists them; `--device cpu` always works".into(),
    })?;
    let described = describe(index, adapter);
    if let Some(reason) = described.unusable {
        return Err(EngineError::Device {
            problem: format!("adapter {index} ({}) cannot run the kernels: {reason}", described.name),
            remedy: "take another one of `imagen devices`, or `--device cpu`".into(),
        });
    }
    let failed = |problem: String| EngineError::Device {
        problem: format!("adapter {index} ({}) did not open: {problem}", described.name),
        remedy: "update its driver, or use `--device cpu`".into(),
    };
    if cfg!(feature = "autotune") {
        keep_tuning();
    }
    let (device, queue) = pollster::block_on(request(adapter)).map_err(|e| failed(e.to_string()))?;
    let backend = adapter.get_info().backend;
    let setup = WgpuSetup { instance, adapter: adapter.clone(), device, queue, backend };
    let device = Device::wgpu_options().setup(setup.clone()).init().map_err(|e| failed(e.to_string()))?;
    register_gpu(&device, setup);
    let info = DeviceInfo {
        name: format!("{} ({})", described.name, described.api),
        is_cpu: false,
        max_binding_bytes: Some(described.max_binding_bytes),
    };
    Ok(OpenDevice { device, info, remark: None })
}

/// What tuning finds lies in the user's cache folder, so that it takes its minutes once a machine and not once a run.
fn keep_tuning() {
    let mut config = CubeClRuntimeConfig::default().override_from_env();
    config.environment.path = CacheConfig::Global;
    // Refused after the first device: what was set then stands.
    let _ = CubeClRuntimeConfig::try_set(config);
}

/// burn looks at the adapter's features and limits, not at the device's, so all of them are asked for.
async fn request(adapter: &wgpu::Adapter) -> Result<(wgpu::Device, wgpu::Queue), wgpu::RequestDeviceError> {
    let descriptor = wgpu::DeviceDescriptor {
        label: Some("imagen engine"),
        required_features: adapter.features().difference(wgpu::Features::MAPPABLE_PRIMARY_BUFFERS),
        required_limits: adapter.limits(),
        memory_hints: wgpu::MemoryHints::MemoryUsage,
        trace: wgpu::Trace::Off,
        // SAFETY: only features of the adapter itself are asked for; the experimental ones among them are used by burn's
        // compilers as they ask for them themselves.
        experimental_features: unsafe { wgpu::ExperimentalFeatures::enabled() },
    };
    adapter.request_device(&descriptor).await
}

fn instance() -> wgpu::Instance {
    // GL is left out: its compute shaders lack what the kernels need, and looking for it talks to the display server.
    let descriptor =
        wgpu::InstanceDescriptor { backends: wgpu::Backends::PRIMARY, ..wgpu::InstanceDescriptor::new_without_display_handle() };
    wgpu::Instance::new(descriptor)
}

/// One entry an adapter: where several APIs reach the same one, the best API's.
fn ranked(instance: &wgpu::Instance) -> Vec<wgpu::Adapter> {
    let mut all = pollster::block_on(instance.enumerate_adapters(wgpu::Backends::PRIMARY));
    all.sort_by_key(|a| {
        let info = a.get_info();
        (kind_rank(info.device_type), info.name)
    });
    all
}

fn kind_rank(kind: wgpu::DeviceType) -> u8 {
    match kind {
        wgpu::DeviceType::DiscreteGpu => 0,
        wgpu::DeviceType::IntegratedGpu => 1,
        wgpu::DeviceType::VirtualGpu => 2,
        wgpu::DeviceType::Other => 3,
        wgpu::DeviceType::Cpu => 4,
    }
}

fn describe(index: usize, adapter: &wgpu::Adapter) -> Adapter {
    let (info, limits, features) = (adapter.get_info(), adapter.limits(), adapter.features());
    let kind = match info.device_type {
        wgpu::DeviceType::DiscreteGpu => AdapterKind::Discrete,
        wgpu::DeviceType::IntegratedGpu => AdapterKind::Integrated,
        wgpu::DeviceType::VirtualGpu => AdapterKind::Virtual,
        wgpu::DeviceType::Cpu => AdapterKind::Software,
        wgpu::DeviceType::Other => AdapterKind::Other,
    };
    Adapter {
        index,
        name: info.name,
        api: format!("{:?}", info.backend),
        kind,
        driver: [info.driver, info.driver_info].join(" ").trim().to_owned(),
        max_binding_bytes: limits.max_storage_buffer_binding_size,
        max_buffer_bytes: limits.max_buffer_size,
        workgroup_memory_bytes: limits.max_compute_workgroup_storage_size,
        max_invocations: limits.max_compute_invocations_per_workgroup,
        shader_f16: features.contains(wgpu::Features::SHADER_F16),
        subgroups: features.contains(wgpu::Features::SUBGROUP),
        cooperative_matrix: features.contains(wgpu::Features::EXPERIMENTAL_COOPERATIVE_MATRIX),
        unusable: unusable(adapter, &limits),
    }
}

/// What the kernels need: compute shaders, workgroups of 256 and 16 KiB of shared memory.
fn unusable(adapter: &wgpu::Adapter, limits: &wgpu::Limits) -> Option<String> {
    if !adapter.get_downlevel_capabilities().flags.contains(wgpu::DownlevelFlags::COMPUTE_SHADERS) {
        return Some("it has no compute shaders".into());
    }
    if limits.max_compute_invocations_per_workgroup < 256 {
        return Some(format!("its workgroups hold {} of 256 invocations", limits.max_compute_invocations_per_workgroup));
    }
    if limits.max_compute_workgroup_storage_size < 16 << 10 {
        return Some(format!("its workgroups have {} of 16384 bytes", limits.max_compute_workgroup_storage_size));
    }
    None
}
