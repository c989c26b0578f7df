//! From options to the settings of each stage, where the options meet the model.

use std::collections::BTreeMap;

use imagen_protocol::{SamplerKind, StageInfo, StageOverrides, Threshold};

use crate::args::JobArgs;
use crate::error::{AppError, setting_error};
use crate::staged::{Mode, Staged};

/// What the user set, by stage.
pub type Overrides = BTreeMap<u32, StageOverrides>;

/// The options of one job that are settings of stages.
#[derive(Clone, Copy, Debug)]
pub struct StageOptions<'a> {
    pub job: &'a JobArgs,
    pub guidance: Option<&'a Staged<f64>>,
    pub threshold: Option<&'a Staged<Mode>>,
}

/// The options on top of `base`. An option without a stage goes to every stage that has the setting.
///
/// # Errors
/// [`imagen_protocol::EngineError::InvalidSetting`] for a setting that its stage, or every stage, lacks. Ranges and unknown stages
/// are [`imagen_protocol::GenerateRequest::plan`]'s to refuse; an unknown stage stays in the result for it to see.
pub fn resolve(options: StageOptions<'_>, stages: &[StageInfo], base: Overrides) -> Result<Overrides, AppError> {
    let mut resolved = base;
    for size in options.named_sizes() {
        resolved.entry(size).or_default();
    }
    for stage in stages {
        options.apply(stage, resolved.entry(stage.size).or_default())?;
    }
    options.check_used(stages, &resolved)?;
    resolved.retain(|size, user| *user != StageOverrides::default() || !stages.iter().any(|s| s.size == *size));
    Ok(resolved)
}

impl StageOptions<'_> {
    fn named_sizes(&self) -> Vec<u32> {
        fn of<T>(staged: Option<&Staged<T>>) -> impl Iterator<Item = u32> {
            staged.into_iter().flat_map(|s| s.each.keys().copied())
        }
        let job = self.job;
        let numbers = [job.eta.as_ref(), job.percentile.as_ref(), job.aug_level.as_ref(), self.guidance];
        let numbers = numbers.into_iter().flat_map(of);
        let others = of(job.steps.as_ref()).chain(of(job.sampler.as_ref())).chain(of(job.cap.as_ref())).chain(of(self.threshold));
        numbers.chain(others).collect()
    }

    fn apply(&self, stage: &StageInfo, user: &mut StageOverrides) -> Result<(), AppError> {
        let (job, size) = (self.job, stage.size);
        replace(&mut user.steps, job.steps.as_ref(), size);
        replace(&mut user.sampler, job.sampler.as_ref(), size);
        replace(&mut user.guidance_weight, self.guidance, size);
        let sampler = user.sampler.unwrap_or(stage.defaults.sampler);
        let eta = fitting("eta", job.eta.as_ref(), size, sampler == SamplerKind::Ddim, "it with --sampler ddim")?;
        user.eta = eta.or(user.eta);
        let enlarges = stage.defaults.aug_level.is_some();
        let aug_level = fitting("aug-level", job.aug_level.as_ref(), size, enlarges, "it only to stages that enlarge a picture")?;
        user.aug_level = aug_level.or(user.aug_level);
        self.apply_threshold(stage, user)
    }

    fn apply_threshold(&self, stage: &StageInfo, user: &mut StageOverrides) -> Result<(), AppError> {
        let mode = self.threshold.and_then(|t| t.get(stage.size));
        let mut threshold = with_mode(mode, user.threshold.unwrap_or(stage.defaults.threshold), stage.defaults.threshold);
        let is_dynamic = matches!(threshold, Threshold::Dynamic { .. });
        let remedy = "it with --threshold dynamic";
        let new_percentile = fitting("percentile", self.job.percentile.as_ref(), stage.size, is_dynamic, remedy)?;
        let new_cap = fitting("cap", self.job.cap.as_ref(), stage.size, is_dynamic, remedy)?;
        if let Threshold::Dynamic { percentile, cap } = &mut threshold {
            *percentile = new_percentile.unwrap_or(*percentile);
            *cap = new_cap.unwrap_or(*cap);
        }
        if mode.is_some() || new_percentile.is_some() || new_cap.is_some() {
            user.threshold = Some(threshold);
        }
        Ok(())
    }

    /// An option that found no stage to act on would be ignored without a word.
    fn check_used(&self, stages: &[StageInfo], resolved: &Overrides) -> Result<(), AppError> {
        let settings = |s: &StageInfo| s.defaults.with(&resolved.get(&s.size).cloned().unwrap_or_default());
        let any = |fits: &dyn Fn(&StageInfo) -> bool| stages.iter().any(fits);
        let ddim = any(&|s| settings(s).sampler == SamplerKind::Ddim);
        let dynamic = any(&|s| matches!(settings(s).threshold, Threshold::Dynamic { .. }));
        let enlarges = any(&|s| s.defaults.aug_level.is_some());
        let given = |staged: &Option<Staged<f64>>| staged.as_ref().is_some_and(|s| s.all.is_some());
        let checks = [
            ("eta", given(&self.job.eta), ddim, "it with --sampler ddim"),
            ("percentile", given(&self.job.percentile), dynamic, "it with --threshold dynamic"),
            ("cap", self.job.cap.as_ref().is_some_and(|s| s.all.is_some()), dynamic, "it with --threshold dynamic"),
            ("aug-level", given(&self.job.aug_level), enlarges, "it only to models with stages that enlarge a picture"),
        ];
        match checks.into_iter().find(|(_, given, used, _)| *given && !used) {
            Some((name, _, _, remedy)) => Err(setting_error(name, "not used by any stage", remedy)),
            None => Ok(()),
        }
    }
}

/// The mode's threshold, its numbers taken from where they are known: the user's, else the model's, else the paper's.
pub fn with_mode(mode: Option<Mode>, current: Threshold, default: Threshold) -> Threshold {
    let dynamic = |t: &Threshold| matches!(t, Threshold::Dynamic { .. });
    match mode {
        None => current,
        Some(Mode::None) => Threshold::None,
        Some(Mode::Static) => Threshold::Static,
        Some(Mode::Dynamic) => [current, default].into_iter().find(dynamic).unwrap_or(Threshold::PAPER),
    }
}

fn replace<T: Clone>(slot: &mut Option<T>, option: Option<&Staged<T>>, size: u32) {
    if let Some(value) = option.and_then(|o| o.get(size)) {
        *slot = Some(value);
    }
}

/// The stage's value; an error where it is meant for just this stage and the stage lacks the setting.
fn fitting<T: Copy + std::fmt::Debug>(
    name: &str,
    option: Option<&Staged<T>>,
    size: u32,
    fits: bool,
    remedy: &str,
) -> Result<Option<T>, AppError> {
    let Some(option) = option else { return Ok(None) };
    match option.each.get(&size) {
        Some(value) if !fits => Err(setting_error(&format!("{name} of stage {size}"), format!("{value:?}"), remedy)),
        _ => Ok(option.get(size).filter(|_| fits)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::staged;
    use crate::test_support::model;

    fn run(change: impl Fn(&mut JobArgs), guidance: Option<&str>, threshold: Option<&str>) -> Result<Overrides, String> {
        let mut job = JobArgs::default();
        change(&mut job);
        let guidance = guidance.map(|g| staged::numbers(g).expect("valid"));
        let threshold = threshold.map(|t| staged::modes(t).expect("valid"));
        let options = StageOptions { job: &job, guidance: guidance.as_ref(), threshold: threshold.as_ref() };
        resolve(options, &model().stages, Overrides::new()).map_err(|e| e.to_string())
    }

    #[test]
    fn nothing_said_leaves_everything_to_the_model() {
        assert_eq!(run(|_| {}, None, None), Ok(Overrides::new()));
    }

    #[test]
    fn a_bare_value_goes_to_all_stages_that_have_the_setting() {
        let user = run(|j| j.aug_level = staged::numbers("0.3").ok(), Some("2,64=7"), None).expect("valid");
        assert_eq!(user[&64].guidance_weight, Some(7.0));
        assert_eq!(user[&1024].guidance_weight, Some(2.0));
        assert_eq!((user[&64].aug_level, user[&256].aug_level), (None, Some(0.3)));
    }

    #[test]
    fn dynamic_takes_its_numbers_from_the_model_else_from_the_paper() {
        // The test model: stage 64 dynamic with a cap of 1.5, the others static.
        let user = run(|_| {}, None, Some("dynamic")).expect("valid");
        assert_eq!(user[&64].threshold, Some(Threshold::Dynamic { percentile: 0.95, cap: Some(1.5) }));
        assert_eq!(user[&256].threshold, Some(Threshold::PAPER));
    }

    #[test]
    fn percentile_and_cap_change_a_dynamic_stage_and_leave_static_ones() {
        let change = |j: &mut JobArgs| {
            j.percentile = staged::percentiles("99").ok();
            j.cap = staged::caps("none").ok();
        };
        let user = run(change, None, None).expect("valid");
        assert_eq!(user[&64].threshold, Some(Threshold::Dynamic { percentile: 0.99, cap: None }));
        assert!(!user.contains_key(&256));
    }

    #[test]
    fn settings_that_a_stage_lacks_are_refused() {
        let cases: [(Result<Overrides, String>, &str); 5] = [
            (run(|j| j.aug_level = staged::numbers("64=0.1").ok(), None, None), "aug-level of stage 64 is 0.1"),
            (run(|j| j.eta = staged::numbers("64=0.1").ok(), None, None), "eta of stage 64 is 0.1: give it with --sampler ddim"),
            (run(|j| j.eta = staged::numbers("0.1").ok(), None, None), "eta is not used by any stage"),
            (run(|j| j.percentile = staged::percentiles("256=99").ok(), None, None), "percentile of stage 256"),
            (run(|j| j.cap = staged::caps("2").ok(), None, Some("none")), "cap is not used by any stage"),
        ];
        for (result, part) in cases {
            let error = result.expect_err(part);
            assert!(error.starts_with(part), "{error} / {part}");
        }
    }

    #[test]
    fn an_unknown_stage_stays_for_the_plan_to_refuse() {
        let user = run(|j| j.steps = staged::steps("512=3").ok(), None, None).expect("resolved");
        assert!(user.contains_key(&512));
    }
}
