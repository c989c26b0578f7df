//! From the command line to a request.

use std::hash::{BuildHasher as _, RandomState};
use std::path::PathBuf;

use imagen_protocol::{GenerateRequest, ModelInfo, StageOverrides, StagePlan};

use crate::args::GenerateArgs;
use crate::error::{AppError, file_error};
use crate::overrides::{Overrides, StageOptions, resolve};
use crate::picture;
use crate::png::PictureSettings;

/// A request that was checked against its model.
#[derive(Debug)]
pub struct Prepared {
    pub request: GenerateRequest,
    pub stages: Vec<StagePlan>,
    /// What was done that the user may not expect.
    pub remarks: Vec<String>,
}

/// The settings that a picture carries, where one was named.
///
/// # Errors
/// As [`PictureSettings::read`]; also where it was made from a picture that is not named again.
pub fn stored(args: &GenerateArgs) -> Result<Option<PictureSettings>, AppError> {
    let Some(path) = &args.settings else { return Ok(None) };
    let settings = PictureSettings::read(path)?;
    if settings.request.from.is_some() && args.from.is_none() {
        return Err(file_error(path, "was made from a picture that it does not carry", "name that picture with --from"));
    }
    Ok(Some(settings))
}

/// The model's folder: the user's choice, else that of the stored settings.
pub fn model_folder(args: &GenerateArgs, stored: Option<&PictureSettings>) -> Option<PathBuf> {
    args.job.model.clone().or_else(|| stored.and_then(|s| s.request.model.clone()))
}

/// The arguments on top of the stored settings on top of the model's.
///
/// # Errors
/// Wrong settings, no prompt, or an input picture that cannot serve.
pub fn prepare(args: &GenerateArgs, stored: Option<&PictureSettings>, model: &ModelInfo) -> Result<Prepared, AppError> {
    let old = stored.map(|s| &s.request);
    let prompt = args.prompt.clone().or_else(|| old.map(|r| r.prompt.clone())).ok_or_else(no_prompt)?;
    let mut request = GenerateRequest::new(prompt);
    let negative = args.job.negative.clone().or_else(|| old.map(|r| r.negative_prompt.clone()));
    request.negative_prompt = negative.unwrap_or_default();
    request.seed = args.job.seed.or(old.map(|r| r.seed)).unwrap_or_else(draw_seed);
    request.count = args.count.or(old.map(|r| r.count)).unwrap_or(1);
    request.first_candidate = old.map_or(0, |r| r.first_candidate);
    request.until = args.job.until.or(old.and_then(|r| r.until));
    request.model = model_folder(args, stored);
    request.weights = args.job.weights.or(old.map(|r| r.weights)).unwrap_or_default();
    request.every_step = args.save_steps.is_some();
    let options = StageOptions { job: &args.job, guidance: args.guidance.as_ref(), threshold: args.threshold.as_ref() };
    request.stages = resolve(options, &model.stages, stored.map(as_overrides).unwrap_or_default())?;
    // Wrong settings are told before a picture is decoded.
    request.plan(&model.stages)?;
    let mut remarks = model_remark(stored, model);
    if let Some(path) = &args.from {
        let loaded = picture::load(path, &input_sizes(&request, model))?;
        request.from = Some(loaded.input);
        remarks.extend(loaded.remarks);
    }
    let stages = request.plan(&model.stages)?;
    Ok(Prepared { request, stages, remarks })
}

/// Sizes of stages whose picture another stage of this request enlarges.
fn input_sizes(request: &GenerateRequest, model: &ModelInfo) -> Vec<u32> {
    let last = request.until.or_else(|| model.stages.iter().map(|s| s.size).max()).unwrap_or(0);
    model.stages.iter().map(|s| s.size).filter(|&size| size < last).collect()
}

/// What ran is said in full, so that a model's new defaults do not change the picture; what did not run stays as the user said it.
fn as_overrides(stored: &PictureSettings) -> Overrides {
    let mut overrides = stored.request.stages.clone();
    overrides.extend(stored.stages.iter().map(|plan| (plan.size, StageOverrides::from(&plan.settings))));
    overrides
}

fn model_remark(stored: Option<&PictureSettings>, model: &ModelInfo) -> Vec<String> {
    let other = stored.filter(|s| s.model != model.name);
    other.map(|s| format!("note: the settings are from model {}, this is {}", s.model, model.name)).into_iter().collect()
}

fn no_prompt() -> AppError {
    AppError::Usage("there is no prompt; give one, as in `imagen generate \"a red apple\"`, or --settings with a picture".into())
}

/// 32 bits: short enough to type again, and what other programs can read.
pub fn draw_seed() -> u64 {
    // A fresh RandomState is keyed by the system's randomness.
    RandomState::new().hash_one("seed") >> 32
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use imagen_protocol::{SamplerKind, Steps, Threshold, Weights};

    use super::*;
    use crate::test_support::{generate_args, model, picture_settings};

    fn prepared(line: &[&str]) -> Result<Prepared, String> {
        prepare(&generate_args(line), None, &model()).map_err(|e| e.to_string())
    }

    #[test]
    fn arguments_become_a_request() {
        let line = [
            "a red apple",
            "--negative",
            "blue",
            "--seed",
            "7",
            "--count",
            "3",
            "--until",
            "256",
            "--steps",
            "64=30,256=20",
            "--guidance",
            "5",
            "--model",
            "m",
            "--save-steps",
            "s",
        ];
        let Prepared { request, stages, .. } = prepared(&line).expect("valid");
        assert_eq!((request.prompt.as_str(), request.negative_prompt.as_str()), ("a red apple", "blue"));
        assert_eq!((request.seed, request.count, request.until, request.every_step), (7, 3, Some(256), true));
        assert_eq!(request.model.as_deref(), Some(Path::new("m")));
        assert_eq!(stages.iter().map(|s| (s.size, s.steps)).collect::<Vec<_>>(), [(64, 30), (256, 20)]);
        assert!(stages.iter().all(|s| (s.settings.guidance_weight - 5.0).abs() < 1e-12));
    }

    #[test]
    fn weights_are_said_only_where_they_were_chosen() {
        let json = |line: &[&str]| serde_json::to_value(prepared(line).expect("valid").request).expect("JSON");
        assert_eq!(json(&["x"]).get("weights"), None);
        assert_eq!(json(&["x", "--weights", "f16"])["weights"], "f16");
        let mut old = picture_settings("x");
        old.request.weights = Weights::F16;
        let again = |line: &[&str]| prepare(&generate_args(line), Some(&old), &model()).expect("valid").request.weights;
        assert_eq!((again(&[]), again(&["--weights", "auto"])), (Weights::F16, Weights::Auto));
    }

    #[test]
    fn an_empty_prompt_is_the_unconditional_one_and_none_is_an_error() {
        assert_eq!(prepared(&[""]).expect("valid").request.prompt, "");
        assert!(prepared(&[]).expect_err("no prompt").contains("there is no prompt"));
    }

    #[test]
    fn without_a_seed_they_differ_and_fit_32_bits() {
        let seeds: std::collections::BTreeSet<u64> = (0..8).map(|_| draw_seed()).collect();
        assert!(seeds.len() > 1 && seeds.iter().all(|&s| s <= u64::from(u32::MAX)), "{seeds:?}");
    }

    #[test]
    fn stored_settings_come_first_and_arguments_change_them() {
        let mut old = picture_settings("a red apple");
        old.request.seed = 11;
        old.request.until = Some(64);
        old.request.first_candidate = 5;
        old.stages[0].settings.steps = Steps::Count(99);
        old.stages[0].settings.threshold = Threshold::Static;
        let args = generate_args(&["--settings", "x.png", "--guidance", "9", "--sampler", "ddim"]);
        let Prepared { request, stages, remarks } = prepare(&args, Some(&old), &model()).expect("valid");
        assert_eq!((request.prompt.as_str(), request.seed, request.first_candidate), ("a red apple", 11, 5));
        assert_eq!(stages.len(), 1);
        assert_eq!((stages[0].steps, stages[0].settings.threshold), (99, Threshold::Static));
        assert_eq!((stages[0].settings.guidance_weight, stages[0].settings.sampler), (9.0, SamplerKind::Ddim));
        assert!(remarks.is_empty());
    }

    #[test]
    fn settings_of_another_model_are_said_to_be() {
        let old = PictureSettings { model: "other".into(), ..picture_settings("x") };
        let args = generate_args(&["--settings", "x.png"]);
        assert!(prepare(&args, Some(&old), &model()).expect("valid").remarks[0].contains("model other"));
    }

    #[test]
    fn settings_that_are_wrong_are_told_before_the_picture_is_read() {
        let error = prepared(&["x", "--from", "/no/such.png", "--guidance", "nan"]).expect_err("wrong");
        assert!(error.starts_with("guidance of stage 64 is NaN"), "{error}");
    }

    #[test]
    fn an_input_picture_leaves_a_stage_to_run() {
        let file = tempfile::NamedTempFile::new().expect("a file");
        let side = image::RgbImage::new(300, 300);
        side.save_with_format(file.path(), image::ImageFormat::Png).expect("saved");
        let path = file.path().to_str().expect("UTF-8");
        let sizes = |p: Prepared| p.stages.iter().map(|s| s.size).collect::<Vec<_>>();
        assert_eq!(sizes(prepared(&["x", "--from", path]).expect("valid")), [1024]);
        assert_eq!(sizes(prepared(&["x", "--from", path, "--until", "256"]).expect("valid")), [256]);
        assert!(prepared(&["x", "--from", path, "--until", "64"]).expect_err("none").contains("no stage comes after it"));
    }
}
