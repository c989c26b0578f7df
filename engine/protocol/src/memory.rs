//! How much memory a model takes, and the rule for how its weights lie there.

use serde::{Deserialize, Serialize};

use crate::ModelInfo;

/// A part is large where its weights take more than this as f32: a quarter of the 8 GiB that the smallest cards and machines have for
/// which large models are meant. A constant, as no graphics API that we use tells a card's memory, and as pictures must not depend on
/// what else is running.
const LARGE_BYTES: u64 = 2 << 30;
/// Models whose parts fit together in this much memory stay loaded; of larger ones, one part is loaded at a time.
const KEEP_BYTES: u64 = 6 << 30;

/// What numbers the weights of convolutions and linear layers are while they wait in memory. They are f32 whenever they are computed with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Weights {
    /// f16 for large parts, f32 for the others.
    #[default]
    Auto,
    F32,
    /// Half the memory. Weights that are stored as f16 are the same numbers either way; others are rounded.
    F16,
}

impl Weights {
    pub fn is_auto(&self) -> bool {
        *self == Self::Auto
    }

    /// Whether the weights of `part` lie in memory as f16, on a device that has it.
    pub fn halve(self, part: &Footprint) -> bool {
        match self {
            Self::Auto => part.is_large(),
            Self::F32 => false,
            Self::F16 => true,
        }
    }
}

/// What decides the memory of a network or a text encoder.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Footprint {
    /// Number of parameters in memory; a token embedding stays on disk.
    pub parameters: u64,
    /// Those of convolutions and linear layers, which can lie there as f16.
    pub matrices: u64,
    /// Those of the largest of these layers.
    pub largest: u64,
    /// Those of one block, where blocks can be read and run one at a time.
    pub block: Option<u64>,
    /// Bytes of what is computed, for one picture with the guidance that is the default, or one prompt.
    pub activations: u64,
}

impl Footprint {
    pub fn is_large(&self) -> bool {
        4 * self.parameters > LARGE_BYTES
    }

    /// Whether its blocks are read and run one at a time, at each use.
    pub fn is_streamed(&self) -> bool {
        self.is_large() && self.block.is_some()
    }

    /// Bytes that stay while it is loaded.
    pub fn at_rest(&self, weights: Weights) -> u64 {
        let whole = 4 * self.parameters - if weights.halve(self) { 2 * self.matrices } else { 0 };
        if self.is_streamed() { 0 } else { whole }
    }

    /// Bytes while it runs: what is at rest, or a block; the largest layer as f32 where it is f16 at rest; activations.
    pub fn running(&self, weights: Weights) -> u64 {
        let halved = weights.halve(self);
        let block = self.block.filter(|_| self.is_streamed()).map_or(0, |block| block * if halved { 2 } else { 4 });
        self.at_rest(weights) + block + if halved { 4 * self.largest } else { 0 } + self.activations
    }
}

impl ModelInfo {
    /// Whether all parts stay loaded.
    pub fn is_kept(&self, weights: Weights) -> bool {
        self.parts().map(|part| part.at_rest(weights)).sum::<u64>() < KEEP_BYTES
    }

    /// Bytes needed at once, on a device that has f16, for one picture at a time.
    pub fn memory(&self, weights: Weights) -> u64 {
        if !self.is_kept(weights) {
            return self.parts().map(|part| part.running(weights)).max().unwrap_or(0);
        }
        let extra = self.parts().map(|part| part.running(weights) - part.at_rest(weights)).max();
        self.parts().map(|part| part.at_rest(weights)).sum::<u64>() + extra.unwrap_or(0)
    }

    fn parts(&self) -> impl Iterator<Item = &Footprint> {
        std::iter::once(&self.text_encoder.footprint).chain(self.stages.iter().map(|stage| &stage.footprint))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{StageInfo, StageSettings, Steps, TextEncoderInfo};

    const BILLION: u64 = 1_000_000_000;

    fn part(parameters: u64, block: Option<u64>) -> Footprint {
        Footprint { parameters, matrices: parameters - 10, largest: 1000, block, activations: 7 }
    }

    fn model(text: Footprint, stages: &[Footprint]) -> ModelInfo {
        let text_encoder = TextEncoderInfo {
            kind: "t5".into(),
            parameters: 0,
            dtypes: Vec::new(),
            file_bytes: 0,
            max_tokens: 77,
            footprint: text,
        };
        let defaults = StageSettings {
            steps: Steps::Count(1),
            sampler: crate::SamplerKind::Ddpm,
            eta: 0.0,
            guidance_weight: 1.0,
            threshold: crate::Threshold::None,
            aug_level: None,
        };
        let stage = |footprint: &Footprint| StageInfo {
            size: 64,
            network: "base".into(),
            parameters: footprint.parameters,
            dtypes: Vec::new(),
            file_bytes: 0,
            defaults: defaults.clone(),
            path: "x".into(),
            footprint: *footprint,
        };
        ModelInfo {
            path: "x".into(),
            name: "x".into(),
            family: "imagen".into(),
            description: String::new(),
            license: String::new(),
            text_encoder,
            stages: stages.iter().map(stage).collect(),
            memory_bytes: 0,
            remarks: Vec::new(),
        }
    }

    #[test]
    fn large_parts_are_halved_and_a_user_decides_otherwise() {
        let (small, large) = (part(500_000_000, None), part(BILLION, None));
        assert_eq!((small.at_rest(Weights::Auto), large.at_rest(Weights::Auto)), (2 * BILLION, 2 * BILLION + 20));
        assert_eq!((small.at_rest(Weights::F16), large.at_rest(Weights::F32)), (BILLION + 20, 4 * BILLION));
        // The largest layer is f32 while it runs.
        assert_eq!(large.running(Weights::Auto), 2 * BILLION + 20 + 4000 + 7);
        assert_eq!(large.running(Weights::F32), 4 * BILLION + 7);
    }

    #[test]
    fn a_large_encoder_takes_a_block() {
        let (small, large) = (part(BILLION / 10, Some(BILLION / 100)), part(4 * BILLION, Some(BILLION / 4)));
        assert!(!small.is_streamed() && large.is_streamed());
        assert_eq!((large.at_rest(Weights::Auto), large.at_rest(Weights::F32)), (0, 0));
        assert_eq!(large.running(Weights::Auto), BILLION / 2 + 4000 + 7);
        assert_eq!(large.running(Weights::F32), BILLION + 7);
    }

    #[test]
    fn what_fits_is_kept_and_the_rest_takes_turns() {
        let small = model(part(BILLION / 10, None), &[part(BILLION / 5, None), part(BILLION / 5, None)]);
        assert!(small.is_kept(Weights::Auto));
        assert_eq!(small.memory(Weights::Auto), 2 * BILLION + 7);
        let xl = model(part(4 * BILLION, Some(BILLION / 4)), &[part(4 * BILLION, None), part(BILLION, None)]);
        assert!(!xl.is_kept(Weights::Auto));
        assert_eq!(xl.memory(Weights::Auto), 8 * BILLION + 20 + 4000 + 7);
        assert_eq!(xl.memory(Weights::F32), 16 * BILLION + 7);
    }
}
