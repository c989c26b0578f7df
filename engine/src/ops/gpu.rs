//! The wgpu handles behind each of burn's GPU devices: our pipelines run on burn's device and queue.

use std::sync::{Mutex, PoisonError};

use burn::tensor::Device;
use burn::tensor::wgpu::WgpuSetup;

static SETUPS: Mutex<Vec<(Device, WgpuSetup)>> = Mutex::new(Vec::new());

/// Tells the kernels which wgpu handles `device` computes with. Call it once, right after opening the device.
pub fn register_gpu(device: &Device, setup: WgpuSetup) {
    SETUPS.lock().unwrap_or_else(PoisonError::into_inner).push((device.clone(), setup));
}
