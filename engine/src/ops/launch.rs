//! Runs our shaders on burn's buffers, device and queue. Order against burn's own kernels is that of the shared queue, so nothing
//! waits and nothing is read back.

use burn::backend::ops::FloatTensorOps;
use burn::tensor::{DType, Shape};
use burn_cubecl::CubeBackend;
use burn_cubecl::ops::numeric::empty_device_contiguous_dtype;
use burn_cubecl::tensor::CubeTensor;
use cubecl::wgpu::{AutoCompiler, WgpuResource, WgpuServer};
use cubecl_runtime::storage::ManagedResource;
use imagen_shaders::Specialisation;

use super::gpu::Gpu;

/// A dimension of a dispatch holds at most this many workgroups.
const MAX_GROUPS: u32 = 65_535;

/// One dispatch of an [`Op`].
pub struct Pass {
    pub shader: Specialisation,
    /// Which of the op's buffers stand at bindings 1, 2, ...; binding 0 is the op's settings.
    pub buffers: Vec<usize>,
    /// How many workgroups, folded into two dimensions where they are many.
    pub groups: u32,
}

/// Passes that run one after the other in one submission.
pub struct Op<'a> {
    pub label: &'static str,
    pub buffers: Vec<&'a CubeTensor>,
    /// A buffer that is set to zero first.
    pub cleared: Option<usize>,
    /// The uniform struct at binding 0, the same for every pass.
    pub settings: Vec<u32>,
    pub passes: Vec<Pass>,
}

/// A tensor that has nothing to compute with: an earlier kernel failed, or memory ran out.
#[derive(Debug)]
pub struct Unwritten(CubeTensor);

type Buffer = ManagedResource<WgpuResource>;

impl Op<'_> {
    /// Hands the passes over to the queue.
    ///
    /// # Errors
    /// [`Unwritten`]: nothing was run then.
    pub fn submit(self, gpu: &Gpu) -> Result<(), Unwritten> {
        // Held until the submission below, so that burn moves or reuses none of them.
        let buffers = self.buffers.iter().map(|tensor| resolve(tensor)).collect::<Result<Vec<_>, _>>()?;
        let settings = settings_buffer(gpu, &self.settings);
        let mut encoder = gpu.device().create_command_encoder(&wgpu::CommandEncoderDescriptor { label: Some(self.label) });
        if let Some(buffer) = self.cleared.and_then(|i| buffers.get(i)) {
            let resource = buffer.resource();
            encoder.clear_buffer(&resource.buffer, resource.offset, Some(resource.size.next_multiple_of(4)));
        }
        let mut compute =
            encoder.begin_compute_pass(&wgpu::ComputePassDescriptor { label: Some(self.label), ..Default::default() });
        for pass in &self.passes {
            pass.record(gpu, &settings, &buffers, &mut compute);
        }
        drop(compute);
        gpu.queue().submit([encoder.finish()]);
        Ok(())
    }
}

/// Where a tensor lies; everything that burn has queued for it is submitted.
fn resolve(tensor: &CubeTensor) -> Result<Buffer, Unwritten> {
    let failed = || Unwritten(tensor.clone());
    let mut client = tensor.client.clone();
    let buffer = client.get_resource::<WgpuServer<AutoCompiler>>(tensor.handle.clone()).map_err(|_| failed())?;
    client.flush().map_err(|_| failed())?;
    // The kernel that writes the tensor may wait in another thread's stream.
    // SAFETY: the stream is the one that made the handle, and this client does nothing but flush it.
    unsafe { client.set_stream(tensor.handle.stream) };
    client.flush().map_err(|_| failed())?;
    Ok(buffer)
}

impl Unwritten {
    /// A tensor of the given shape that carries the failure on: whoever reads it gets the error.
    pub fn spread(&self, shape: Shape) -> CubeTensor {
        let sum = CubeBackend::float_sum(self.0.clone());
        let one = CubeBackend::float_reshape(sum, vec![1; shape.rank()].into());
        CubeBackend::float_expand(one, shape)
    }
}

/// Memory for a tensor that the kernels will write: dense, and dirty until then.
pub fn empty(like: &CubeTensor, shape: Shape, dtype: DType) -> CubeTensor {
    empty_device_contiguous_dtype(like.client.clone(), like.device.clone(), shape, dtype)
}

/// A number of elements as the kernels take it: no tensor of 2^32 elements fits a binding.
pub fn word(n: usize) -> u32 {
    u32::try_from(n).unwrap_or(u32::MAX)
}

impl Pass {
    fn record(&self, gpu: &Gpu, settings: &wgpu::Buffer, buffers: &[Buffer], compute: &mut wgpu::ComputePass<'_>) {
        let pipeline = gpu.pipeline(&self.shader);
        let resources = self.buffers.iter().filter_map(|&i| buffers.get(i)).map(|b| b.resource().as_wgpu_bind_resource());
        let entries: Vec<_> = std::iter::once(settings.as_entire_binding())
            .chain(resources)
            .zip(0..)
            .map(|(resource, binding)| wgpu::BindGroupEntry { binding, resource })
            .collect();
        let group = gpu.device().create_bind_group(&wgpu::BindGroupDescriptor {
            label: None,
            layout: &pipeline.get_bind_group_layout(0),
            entries: &entries,
        });
        let [x, y] = fold(self.groups);
        compute.set_pipeline(&pipeline);
        compute.set_bind_group(0, &group, &[]);
        compute.dispatch_workgroups(x, y, 1);
    }
}

fn settings_buffer(gpu: &Gpu, settings: &[u32]) -> wgpu::Buffer {
    let bytes: &[u8] = bytemuck::cast_slice(settings);
    let buffer = gpu.device().create_buffer(&wgpu::BufferDescriptor {
        label: Some("settings"),
        size: (bytes.len() as u64).next_multiple_of(16),
        usage: wgpu::BufferUsages::UNIFORM | wgpu::BufferUsages::COPY_DST,
        mapped_at_creation: false,
    });
    gpu.queue().write_buffer(&buffer, 0, bytes);
    buffer
}

/// The smallest grid of `groups` workgroups or more whose dimensions are allowed.
fn fold(groups: u32) -> [u32; 2] {
    let y = groups.div_ceil(MAX_GROUPS);
    [groups.div_ceil(y.max(1)), y]
}

#[cfg(test)]
mod tests {
    use super::fold;

    #[test]
    fn a_grid_is_folded_only_where_it_has_to_be() {
        assert_eq!(fold(0), [0, 0]);
        assert_eq!(fold(1), [1, 1]);
        assert_eq!(fold(65_535), [65_535, 1]);
        assert_eq!(fold(65_536), [32_768, 2]);
        for groups in [65_537, 1 << 20, 65_535 * 65_535] {
            let [x, y] = fold(groups);
            assert!(x <= 65_535 && y <= 65_535);
            assert!(u64::from(x) * u64::from(y) >= u64::from(groups));
            assert!(u64::from(x) * u64::from(y - 1) < u64::from(groups));
        }
    }
}
