//! The wgpu handles behind each of burn's GPU devices: our pipelines run on burn's device and queue.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use burn::tensor::Device;
use burn::tensor::wgpu::WgpuSetup;
use imagen_shaders::Specialisation;

/// A device that answers nothing for so long is lost: drivers reset one that works on a single kernel for longer.
const LOST_AFTER: Duration = Duration::from_secs(20);

static GPUS: Mutex<Vec<(Device, Gpu)>> = Mutex::new(Vec::new());

/// A wgpu device that burn computes on, with the pipelines built for it so far.
#[derive(Clone, Debug)]
pub struct Gpu {
    setup: Arc<WgpuSetup>,
    pipelines: Arc<Mutex<HashMap<String, wgpu::ComputePipeline>>>,
}

/// Tells the kernels which wgpu handles `device` computes with. Call it once, right after opening the device; on a device that
/// nobody told of, the ops run their plain reference.
pub fn register_gpu(device: &Device, setup: WgpuSetup) {
    let gpu = Gpu { setup: Arc::new(setup), pipelines: Arc::default() };
    let mut gpus = GPUS.lock().unwrap_or_else(PoisonError::into_inner);
    gpus.retain(|(known, _)| known != device);
    gpus.push((device.clone(), gpu));
}

/// Whether `device` is a registered GPU whose driver takes no more work: it was reset, or the GPU went away.
pub fn gpu_is_lost(device: &Device) -> bool {
    Gpu::of(device).is_some_and(|gpu| gpu.is_lost())
}

/// Takes the GPU behind `device` away from everyone who computes with it, as a driver that is reset does: for tests.
#[doc(hidden)]
pub fn destroy_gpu(device: &Device) {
    if let Some(gpu) = Gpu::of(device) {
        gpu.device().destroy();
    }
}

impl Gpu {
    /// Asks by mapping a few bytes, which only a living device does: wgpu tells of a loss in one callback, and that is burn's.
    fn is_lost(&self) -> bool {
        // What a lost device refuses is no error of the program.
        let scope = self.device().push_error_scope(wgpu::ErrorFilter::Validation);
        let buffer = self.device().create_buffer(&wgpu::BufferDescriptor {
            label: Some("is it lost"),
            size: 16,
            usage: wgpu::BufferUsages::MAP_READ | wgpu::BufferUsages::COPY_DST,
            mapped_at_creation: false,
        });
        let (sender, receiver) = std::sync::mpsc::sync_channel(1);
        buffer.slice(..).map_async(wgpu::MapMode::Read, move |mapped| _ = sender.send(mapped.is_ok()));
        let waited = self.device().poll(wgpu::PollType::Wait { submission_index: None, timeout: Some(LOST_AFTER) });
        drop(scope.pop());
        waited.is_err() || receiver.recv_timeout(LOST_AFTER) != Ok(true)
    }

    /// The handles behind `device`, where it is a GPU that was registered.
    pub fn of(device: &Device) -> Option<Self> {
        let gpus = GPUS.lock().unwrap_or_else(PoisonError::into_inner);
        gpus.iter().find(|(known, _)| known == device).map(|(_, gpu)| gpu.clone())
    }

    pub fn device(&self) -> &wgpu::Device {
        &self.setup.device
    }

    pub fn queue(&self) -> &wgpu::Queue {
        &self.setup.queue
    }

    /// Whether kernels can read and write f16 tensors.
    pub fn has_f16(&self) -> bool {
        self.setup.device.features().contains(wgpu::Features::SHADER_F16)
    }

    /// The pipeline of a shader, compiled at its first use.
    pub fn pipeline(&self, shader: &Specialisation) -> wgpu::ComputePipeline {
        let label = shader.label();
        let mut pipelines = self.pipelines.lock().unwrap_or_else(PoisonError::into_inner);
        pipelines.entry(label).or_insert_with_key(|label| self.compile(shader, label)).clone()
    }

    fn compile(&self, shader: &Specialisation, label: &str) -> wgpu::ComputePipeline {
        let descriptor =
            wgpu::ShaderModuleDescriptor { label: Some(label), source: wgpu::ShaderSource::Wgsl(shader.source().into()) };
        // Checks of every index and a counter in every loop cost more than what the loops do.
        // SAFETY: our kernels guard each index into a buffer by the shape that the launcher gives, which is that of the tensors bound;
        // every loop's counter grows to a bound that does not change, and every divisor is at least 1.
        let module = unsafe { self.device().create_shader_module_trusted(descriptor, wgpu::ShaderRuntimeChecks::unchecked()) };
        let options = wgpu::PipelineCompilationOptions {
            constants: &shader.constants,
            // The kernels write workgroup memory before they read it.
            zero_initialize_workgroup_memory: false,
        };
        self.device().create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
            label: Some(label),
            layout: None,
            module: &module,
            entry_point: Some(shader.kernel.name),
            compilation_options: options,
            cache: None,
        })
    }
}
