//! DeepFloyd IF as people have it: stage folders side by side, one of them alone, or the Hugging Face cache.

use std::path::{Path, PathBuf};

use imagen_protocol::{EngineError, StageSettings, Steps, Threshold};

use super::card;
use super::error::{setting, text, weights};
use super::folders::{children, default_model, hub_repository, is_deepfloyd};
use super::model::{LowRes, Model, PromptStyle, Stage, TextPart};
use super::resize::Resize;
use crate::diffusion::{Betas, DiscreteSchedule, Grid, NoiseSchedule, from_diffusers, parse_python_json};
use crate::models::text::TextEncoder;
use crate::models::weights::find_weights;
use crate::models::{NetworkConfig, deepfloyd};

const LICENSE: &str = "DeepFloyd IF License: solely for non-commercial research purposes; see the LICENSE of the files you downloaded. \
DeepFloyd is licensed under the DeepFloyd License, Copyright (c) Stability AI Ltd. All Rights Reserved.";
/// Prompts are cut there: what IF was trained with.
const MAX_TOKENS: usize = 77;
/// Guidance, steps and noise level of diffusers' pipelines.
const GUIDANCE: [f64; 2] = [7.0, 4.0];
const STEPS: [u32; 2] = [100, 50];
const NOISE_LEVEL: f64 = 0.25;
const NO_CAP: f64 = 100.0;

/// # Errors
/// [`EngineError::Model`]: no card and no part of IF, a first stage or a text encoder that is missing, files that are damaged.
pub fn open(dir: &Path) -> Result<Model, EngineError> {
    let folders = candidates(dir);
    let mut stages = Vec::new();
    for folder in folders.iter().filter(|f| f.join("unet/config.json").is_file()) {
        stages.push(open_stage(folder)?);
    }
    let mut remarks = Vec::new();
    let stages = order(dir, stages, &mut remarks)?;
    let text_dir = folders.iter().map(|f| f.join("text_encoder")).find(|t| t.join("config.json").is_file());
    let text_dir = text_dir.ok_or_else(|| missing(dir, "there is no text_encoder folder", "download IF's T5 encoder into it"))?;
    let encoder = TextEncoder::open(&text_dir, MAX_TOKENS).map_err(text)?;
    let texts = vec![TextPart { encoder, dir: text_dir, style: PromptStyle::LowerCase, masked: false }];
    let mut model = Model {
        path: dir.to_owned(),
        name: name(dir),
        family: "deepfloyd",
        description: "DeepFloyd IF".into(),
        license: LICENSE.into(),
        texts,
        stages,
        remarks,
    };
    add_own_last_stage(&mut model);
    Ok(model)
}

/// The folder itself, its children, and the snapshots below those of them that are repositories in a hub cache.
fn candidates(dir: &Path) -> Vec<PathBuf> {
    let mut all = vec![dir.to_owned()];
    all.extend(snapshots(dir));
    // A hub cache holds other models too.
    for child in children(dir).into_iter().filter(|child| hub_repository(child).is_none_or(|name| is_deepfloyd(&name))) {
        all.extend(snapshots(&child));
        all.push(child);
    }
    all
}

/// The revision that `refs/main` of a repository in the hub's cache names, else every one there is.
fn snapshots(repository: &Path) -> Vec<PathBuf> {
    let folder = repository.join("snapshots");
    let main = std::fs::read_to_string(repository.join("refs/main")).ok();
    let named = main.filter(|revision| !revision.contains(['/', '\\'])).map(|revision| folder.join(revision.trim()));
    named.filter(|snapshot| snapshot.is_dir()).map_or_else(|| children(&folder), |snapshot| vec![snapshot])
}

/// The repository's name where the folder is one in the hub's cache, or a snapshot of one; else the folder's own.
fn name(dir: &Path) -> String {
    let parent = dir.parent().filter(|parent| parent.ends_with("snapshots")).and_then(Path::parent);
    let holds_repositories = || children(dir).iter().any(|child| hub_repository(child).is_some());
    match hub_repository(dir).or_else(|| parent.and_then(hub_repository)) {
        Some(repository) => repository,
        None if holds_repositories() => "DeepFloyd IF".into(),
        None => dir.file_name().map_or_else(|| "DeepFloyd IF".into(), |n| n.to_string_lossy().into_owned()),
    }
}

fn open_stage(folder: &Path) -> Result<Stage, EngineError> {
    let path = folder.join("unet/config.json");
    let json = read(&path)?;
    let config = deepfloyd::UnetConfig::from_json(&json).map_err(|e| super::error::model_error(&path, e))?;
    let files = find_weights(&folder.join("unet"), "diffusion_pytorch_model").map_err(weights)?;
    let sampler = scheduler(&folder.join("scheduler/scheduler_config.json"))?;
    let low_res = if config.noise_level { Some(low_res(folder)?) } else { None };
    let at = usize::from(low_res.is_some());
    let size = config.sample_size.and_then(|s| u32::try_from(s).ok()).unwrap_or([64, 256][at]);
    // diffusers writes a huge `sample_max_value` for "no cap".
    let threshold = match sampler.threshold {
        Threshold::Dynamic { percentile, cap } => Threshold::Dynamic { percentile, cap: cap.filter(|c| *c < NO_CAP) },
        other => other,
    };
    let defaults = StageSettings {
        steps: Steps::Count(STEPS[at]),
        sampler: sampler.sampler,
        eta: 0.0,
        guidance_weight: GUIDANCE[at],
        threshold,
        aug_level: low_res.is_some().then_some(NOISE_LEVEL),
    };
    Ok(Stage { size, files, network: NetworkConfig::DeepFloyd(config), sampler, defaults, low_res, text: 0 })
}

fn scheduler(path: &Path) -> Result<crate::diffusion::SamplerConfig, EngineError> {
    let json = parse_python_json(&read(path)?).map_err(setting)?;
    from_diffusers(&json).map_err(setting)
}

/// IF enlarges bilinearly with aligned corners; the schedule of the noise is in its own folder.
fn low_res(folder: &Path) -> Result<LowRes, EngineError> {
    let path = folder.join("image_noising_scheduler/scheduler_config.json");
    let augmentation = if path.is_file() {
        scheduler(&path)?.schedule
    } else {
        let discrete = DiscreteSchedule::new(Betas::SquaredcosCapV2 { timesteps: 1000 }, Grid::default()).map_err(setting)?;
        NoiseSchedule::Discrete(discrete)
    };
    Ok(LowRes { resize: Resize::BilinearAligned, augmentation })
}

/// One first stage and at most one second; of several of a kind the largest network is taken, and said.
fn order(dir: &Path, stages: Vec<Stage>, remarks: &mut Vec<String>) -> Result<Vec<Stage>, EngineError> {
    let (second, first): (Vec<_>, Vec<_>) = stages.into_iter().partition(|s| s.low_res.is_some());
    let mut take = |of: Vec<Stage>, what: &str| {
        let bytes = |stage: &Stage| stage.files.iter().filter_map(|f| f.metadata().ok()).map(|m| m.len()).sum::<u64>();
        let count = of.len();
        let largest = of.into_iter().max_by_key(bytes);
        if let Some(stage) = largest.as_ref().filter(|_| count > 1) {
            let file = stage.files.first().cloned().unwrap_or_default();
            remarks.push(format!("{count} networks for the {what} stage: {} is used", file.display()));
        }
        largest
    };
    let first = take(first, "first");
    let second = take(second, "second");
    let first = first.ok_or_else(|| {
        let problem = "neither a card.json nor a stage of DeepFloyd IF (a folder with unet/config.json) is here";
        missing(dir, problem, "give the folder that holds the model's stages")
    })?;
    if second.is_none() {
        remarks.push("no second stage: pictures stay at the first stage's size; download IF-II beside it".into());
    }
    if let Some(second) = second.as_ref().filter(|s| s.size <= first.size) {
        let problem = format!("the second stage makes {} pixels of {}", second.size, first.size);
        return Err(missing(dir, &problem, "give stages that belong together"));
    }
    Ok([Some(first), second].into_iter().flatten().collect())
}

/// IF's third stage was never released: ours goes from 256 to 1024, with the text encoder that it was trained with.
fn add_own_last_stage(model: &mut Model) {
    if model.stages.last().is_none_or(|s| s.size != 256) {
        return;
    }
    let ours = default_model().and_then(|dir| card::open(&dir));
    let Ok(mut ours) = ours else {
        model.remarks.push("the default model, whose 256 -> 1024 stage would follow, is not installed".into());
        return;
    };
    if let (Some(mut stage), Some(part)) = (ours.stages.pop().filter(|s| s.size == 1024), ours.texts.pop()) {
        stage.text = model.texts.len();
        model.texts.push(part);
        model.stages.push(stage);
        model.remarks.push("256 -> 1024 is our own stage: DeepFloyd's was not released".into());
    }
}

fn read(path: &Path) -> Result<String, EngineError> {
    std::fs::read_to_string(path).map_err(|e| missing(path, &e.to_string(), "download the model again, with its config files"))
}

fn missing(path: &Path, problem: &str, remedy: &str) -> EngineError {
    EngineError::Model { path: path.to_owned(), problem: problem.into(), remedy: remedy.into() }
}
