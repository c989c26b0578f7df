//! Runs a U-Net of the paper on recorded inputs.

use std::collections::BTreeMap;

use burn::tensor::{Bool, Device, Tensor, TensorData};
use imagen_engine::models::Conditioning;
use imagen_engine::models::imagen::Unet;

use crate::{HostTensor, read};

/// The inputs of a recorded case on a device: `x`, `time`, `text`, `mask`, and `low_res` and `aug_level` where there are any.
///
/// # Panics
/// If one of the first four is missing.
pub fn inputs(case: &BTreeMap<String, HostTensor>, prefix: &str, device: &Device) -> (Tensor<4>, Vec<f32>, Conditioning) {
    let get = |name: &str| case.get(&format!("{prefix}{name}"));
    let must = |name: &str| get(name).unwrap_or_else(|| panic!("the fixture has no {prefix}{name}"));
    let conditioning = Conditioning {
        text: must("text").tensor(device),
        mask: Some(mask(must("mask"), device)),
        low_res: get("low_res").map(|t| t.tensor(device)),
        aug_level: get("aug_level").map(HostTensor::f32),
    };
    (must("x").tensor(device), must("time").f32(), conditioning)
}

fn mask(values: &HostTensor, device: &Device) -> Tensor<2, Bool> {
    let bools: Vec<bool> = values.values.iter().map(|&v| v != 0.0).collect();
    Tensor::from_data(TensorData::new(bools, values.shape.clone()), device)
}

/// One forward pass, read back.
///
/// # Panics
/// If the network refuses the inputs.
pub fn run(unet: &Unet, (x, time, conditioning): (Tensor<4>, Vec<f32>, Conditioning)) -> Vec<f32> {
    unet.check(x.dims(), &conditioning).expect("the fixture's inputs fit the network");
    read(unet.forward(x, &time, &conditioning))
}
