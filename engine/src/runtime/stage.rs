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
    /// For the conditional half.
    cond: Conditioning,
    guided: Guided,
}

/// How both halves of guidance are computed.
#[derive(Debug)]
enum Guided {
    /// In one pass.
    Together(Conditioning),
    /// In a pass after the conditional half's, where one tensor of both would be too large for the device.
    After(Conditioning),
}

impl<'a> StagePredictor<'a> {
    /// `low_res`: the augmented picture, [B, 3, H, W], of a super-resolution stage. `halves`: guidance takes two passes.
    ///
    /// # Errors
    /// [`InputError`] for parts that do not fit the network.
    pub fn new(
        network: &'a Network,
        config: &NetworkConfig,
        prompt: &PromptStates,
        low_res: Option<(Tensor<4>, AugLevel, f64)>,
        shape: [usize; 4],
        halves: bool,
    ) -> Result<Self, InputError> {
        let level = |aug: AugLevel, aug_level: f64| match config {
            NetworkConfig::Imagen(_) => aug_level,
            NetworkConfig::DeepFloyd(_) => aug.time,
        };
        let conditioning = |prompts: &[usize]| {
            let (text, mask) = prompt.rows(shape[0], prompts);
            let low_res = low_res.as_ref();
            Conditioning {
                text,
                mask,
                low_res: low_res.map(|(x, ..)| x.clone().repeat_dim(0, prompts.len())),
                aug_level: low_res.map(|(_, aug, l)| vec![level(*aug, *l) as f32; prompts.len() * shape[0]]),
            }
        };
        let guided = if halves { Guided::After(conditioning(&[1])) } else { Guided::Together(conditioning(&[0, 1])) };
        let predictor = Self { network, cond: conditioning(&[0]), guided };
        network.check(shape, &predictor.cond)?;
        Ok(predictor)
    }

    fn forward(&self, x_t: Tensor<4>, time: f64, conditioning: &Conditioning) -> Tensor<4> {
        let time = vec![time as f32; x_t.dims()[0]];
        self.network.forward(x_t, &time, conditioning)
    }
}

impl Predict for StagePredictor<'_> {
    type Error = InputError;

    fn predict(&mut self, x_t: Tensor<4>, time: f64, guided: bool) -> Result<Raw, InputError> {
        if !guided {
            return Ok(Raw { cond: self.forward(x_t, time, &self.cond), uncond: None });
        }
        match &self.guided {
            Guided::Together(conditioning) => {
                let batch = x_t.dims()[0];
                let both = self.forward(Tensor::cat(vec![x_t.clone(), x_t], 0), time, conditioning);
                let uncond = both.clone().narrow(0, batch, batch);
                Ok(Raw { cond: both.narrow(0, 0, batch), uncond: Some(uncond) })
            }
            Guided::After(conditioning) => {
                let cond = self.forward(x_t.clone(), time, &self.cond);
                Ok(Raw { cond, uncond: Some(self.forward(x_t, time, conditioning)) })
            }
        }
    }
}
