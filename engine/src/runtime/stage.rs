//! One stage on a device: its network, and that network as sampling sees it.

use super::OpenDevice;
use super::conditioning::PromptStates;
use super::error::Stop;
use super::model::Stage;
use crate::diffusion::{AugLevel, Predict, Raw};
use crate::models::weights::{Counts, Loader, Progress, WeightError, WeightFiles, WeightSource};
use crate::models::{Conditioning, InputError, Network, NetworkConfig};
use burn::tensor::{Device, Tensor};
use imagen_protocol::{Footprint, Weights};

/// A network on a device.
#[derive(Debug)]
pub struct LoadedNetwork {
    pub network: Network,
    /// Bytes of its weights on the device.
    pub bytes: u64,
}

/// What decides how much memory a network takes for a picture of `size` x `size`, which guidance makes two rows of.
///
/// # Errors
/// None but for a network that cannot be described.
pub fn footprint(network: &NetworkConfig, size: u32, guided: bool) -> Result<Footprint, WeightError> {
    let loader = Loader::new(WeightSource::Describe, &Device::flex());
    network.load(&loader.root())?;
    let Counts { parameters, matrices, largest, .. } = loader.counts();
    let activations = if guided { 2 } else { 1 } * network.activations(size as usize);
    Ok(Footprint { parameters, matrices, largest, block: None, activations })
}

/// Reads the stage's network. `progress` gets the bytes of each tensor as it is read, and may break off.
///
/// # Errors
/// [`Stop::Cancelled`] where `progress` broke off, or an [`imagen_protocol::EngineError::Model`].
pub fn load_network(
    stage: &Stage,
    device: &OpenDevice,
    weights: Weights,
    progress: &Progress<'_>,
) -> Result<LoadedNetwork, Stop> {
    let files = WeightFiles::open(&stage.files)?;
    let loader = Loader::new(WeightSource::Files(&files), &device.device)
        .with_max_binding_bytes(device.info.max_binding_bytes)
        .with_half(weights.halve(&stage.footprint()?))
        .with_progress(progress);
    let network = stage.network.load(&loader.root())?;
    let bytes = loader.counts().bytes;
    loader.finish()?;
    Ok(LoadedNetwork { network, bytes })
}

/// A network with everything that stays the same over a stage's steps.
#[derive(Debug)]
pub struct StagePredictor<'a> {
    network: &'a Network,
    /// Of the conditional half's rows, then the unconditional's.
    both: Conditioning,
    /// Most rows of a pass through the network.
    rows: usize,
}

impl<'a> StagePredictor<'a> {
    /// `low_res`: the augmented picture, [B, 3, H, W], of a super-resolution stage. `rows`: how much of the batch, which guidance
    /// doubles, goes through the network at a time, at least 1.
    ///
    /// # Errors
    /// [`InputError`] for parts that do not fit the network.
    pub fn new(
        network: &'a Network,
        config: &NetworkConfig,
        prompt: &PromptStates,
        low_res: Option<(Tensor<4>, AugLevel, f64)>,
        shape: [usize; 4],
        rows: usize,
    ) -> Result<Self, InputError> {
        let level = |aug: AugLevel, aug_level: f64| match config {
            NetworkConfig::Imagen(_) => aug_level,
            NetworkConfig::DeepFloyd(_) => aug.time,
        };
        let (text, mask) = prompt.rows(shape[0], &[0, 1]);
        let both = Conditioning {
            text,
            mask,
            low_res: low_res.as_ref().map(|(x, ..)| x.clone().repeat_dim(0, 2)),
            aug_level: low_res.map(|(_, aug, l)| vec![level(aug, l) as f32; 2 * shape[0]]),
        };
        network.check(shape, &both.rows(0, shape[0]))?;
        Ok(Self { network, both, rows: rows.max(1) })
    }

    /// The first rows of `both` are x_t's.
    fn forward(&self, x_t: Tensor<4>, time: f64) -> Tensor<4> {
        let batch = x_t.dims()[0];
        let passes = (0..batch).step_by(self.rows).map(|start| {
            let len = self.rows.min(batch - start);
            let x_t = x_t.clone().narrow(0, start, len);
            self.network.forward(x_t, &vec![time as f32; len], &self.both.rows(start, len))
        });
        Tensor::cat(passes.collect(), 0)
    }
}

impl Predict for StagePredictor<'_> {
    type Error = InputError;

    fn predict(&mut self, x_t: Tensor<4>, time: f64, guided: bool) -> Result<Raw, InputError> {
        if !guided {
            return Ok(Raw { cond: self.forward(x_t, time), uncond: None });
        }
        let batch = x_t.dims()[0];
        let both = self.forward(Tensor::cat(vec![x_t.clone(), x_t], 0), time);
        let uncond = both.clone().narrow(0, batch, batch);
        Ok(Raw { cond: both.narrow(0, 0, batch), uncond: Some(uncond) })
    }
}
