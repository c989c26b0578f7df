//! A model that is only described. The tests of the window include this file too, so it knows the protocol alone.

use std::path::Path;

use imagen_protocol::{
    EngineError, Footprint, ModelInfo, SamplerKind, StageInfo, StageSettings, Steps, TextEncoderInfo, Threshold,
};

/// A stage with these defaults; the first thresholds as `threshold` says, those that enlarge statically.
pub fn stage(size: u32, steps: u32, guidance_weight: f64, threshold: Threshold) -> StageInfo {
    let first = size == 64;
    let defaults = StageSettings {
        steps: Steps::Count(steps),
        sampler: SamplerKind::Ddpm,
        eta: 0.0,
        guidance_weight,
        threshold: if first { threshold } else { Threshold::Static },
        aug_level: (!first).then_some(0.1),
    };
    StageInfo {
        size,
        network: if first { "base" } else { "efficient" }.into(),
        parameters: 13_700_000,
        dtypes: vec!["f16".into()],
        file_bytes: 27_400_000,
        defaults,
        path: format!("stage-{size}.safetensors").into(),
        footprint: footprint(13_700_000),
    }
}

/// What a network of so many parameters takes.
pub fn footprint(parameters: u64) -> Footprint {
    let matrices = parameters * 9 / 10;
    Footprint { parameters, matrices, largest: parameters / 20, block: None, activations: 10_000_000 }
}

/// Three stages, below `models`.
pub fn model(name: &str, stage: impl Fn(u32) -> StageInfo) -> ModelInfo {
    let text_encoder = TextEncoderInfo {
        kind: "bert".into(),
        parameters: 22_700_000,
        dtypes: vec!["f32".into()],
        file_bytes: 90_900_000,
        max_tokens: 64,
        footprint: footprint(22_500_000),
    };
    ModelInfo {
        path: Path::new("models").join(name),
        name: name.into(),
        family: "imagen".into(),
        description: "Three stages".into(),
        license: "Apache-2.0".into(),
        text_encoder,
        stages: [64, 256, 1024].map(stage).into(),
        memory_bytes: 91 << 20,
        remarks: vec![],
    }
}

/// What is said of a folder named `missing`.
pub fn missing(path: &Path) -> Option<EngineError> {
    let (problem, remedy) = ("is not there".into(), "give a model's folder".into());
    path.ends_with("missing").then(|| EngineError::Model { path: path.to_owned(), problem, remedy })
}
