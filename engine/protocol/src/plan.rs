//! What a request means on a model: which stages run, each with which settings.

use std::collections::BTreeMap;

use crate::{EngineError, GenerateRequest, StageInfo, StageOverrides, StagePlan, StageSettings, Steps};

impl GenerateRequest {
    /// The stages that run, in order, each with the user's settings on the model's `stages`. Of a request with columns it is what the
    /// columns share; see [`GenerateRequest::column_plans`].
    ///
    /// # Errors
    /// [`EngineError::InvalidSetting`]: a stage that the model lacks, a setting that a stage lacks, a value out of range, an input
    /// picture that fits no stage, nothing left to run, or a column that differs in more than guidance and threshold.
    pub fn plan(&self, stages: &[StageInfo]) -> Result<Vec<StagePlan>, EngineError> {
        let base = self.base_plan(stages)?;
        self.plan_columns(&base, stages)?;
        Ok(base)
    }

    /// The plan of every column, in order; without columns the one plan there is.
    ///
    /// # Errors
    /// As [`GenerateRequest::plan`].
    pub fn column_plans(&self, stages: &[StageInfo]) -> Result<Vec<Vec<StagePlan>>, EngineError> {
        let base = self.base_plan(stages)?;
        let plans = self.plan_columns(&base, stages)?;
        Ok(if plans.is_empty() { vec![base] } else { plans })
    }

    fn base_plan(&self, stages: &[StageInfo]) -> Result<Vec<StagePlan>, EngineError> {
        self.validate()?;
        let sizes: Vec<u32> = stages.iter().map(|s| s.size).collect();
        for &size in self.stages.keys().chain(&self.until) {
            known(size, &sizes)?;
        }
        self.validate_input(&sizes)?;
        let first = self.from.as_ref().map_or(0, |input| input.size);
        let last = self.until.unwrap_or(u32::MAX);
        let running = stages.iter().filter(|s| s.size > first && s.size <= last);
        let plans = running.map(|stage| self.plan_stage(stage, &sizes)).collect::<Result<Vec<_>, _>>()?;
        if plans.is_empty() {
            return Err(invalid(
                "from",
                format!("a picture of {first} pixels"),
                "one that is smaller than the last stage to run".into(),
            ));
        }
        Ok(plans)
    }

    fn plan_columns(&self, base: &[StagePlan], stages: &[StageInfo]) -> Result<Vec<Vec<StagePlan>>, EngineError> {
        let plan = |(column, number): (&BTreeMap<u32, StageOverrides>, u32)| {
            plan_column(column, base, stages).map_err(|e| of(e, &format!("column {number}")))
        };
        self.columns.iter().zip(1..).map(plan).collect()
    }

    fn plan_stage(&self, stage: &StageInfo, sizes: &[u32]) -> Result<StagePlan, EngineError> {
        let user = self.stages.get(&stage.size).cloned().unwrap_or_default();
        if let (Some(level), None) = (user.aug_level, stage.defaults.aug_level) {
            let others: Vec<u32> = sizes.iter().copied().filter(|&s| s > stage.size).collect();
            let setting = format!("aug-level of stage {}", stage.size);
            return Err(invalid(&setting, level, format!("it only to stages that enlarge a picture: {}", list(&others))));
        }
        let settings = stage.defaults.with(&user);
        settings.validate().map_err(|e| of(e, &format!("stage {}", stage.size)))?;
        let steps = count_steps(&settings)?;
        Ok(StagePlan { size: stage.size, steps, settings })
    }

    fn validate_input(&self, sizes: &[u32]) -> Result<(), EngineError> {
        let Some(input) = &self.from else { return Ok(()) };
        known(input.size, sizes)?;
        let count = input.images.len();
        if count != 1 && count as u64 != u64::from(self.count) {
            return Err(invalid("from", format!("{count} pictures"), format!("one, or one a candidate ({})", self.count)));
        }
        match input.images.iter().find(|i| (i.width(), i.height()) != (input.size, input.size)) {
            None => Ok(()),
            Some(i) => {
                let given = format!("a picture of {} x {}", i.width(), i.height());
                Err(invalid("from", given, format!("one of {0} x {0}", input.size)))
            }
        }
    }
}

fn count_steps(settings: &StageSettings) -> Result<u32, EngineError> {
    let unknown = || EngineError::Internal { message: "a validated list of steps has no length".into() };
    settings.steps.count().ok_or_else(unknown)
}

fn known(size: u32, sizes: &[u32]) -> Result<(), EngineError> {
    if sizes.contains(&size) { Ok(()) } else { Err(invalid("stage", size, format!("one of this model's: {}", list(sizes)))) }
}

/// The error of a setting, told whose setting it is.
fn of(error: EngineError, whose: &str) -> EngineError {
    match error {
        EngineError::InvalidSetting { setting, value, allowed } => {
            EngineError::InvalidSetting { setting: format!("{setting} of {whose}"), value, allowed }
        }
        other => other,
    }
}

fn plan_column(
    column: &BTreeMap<u32, StageOverrides>,
    base: &[StagePlan],
    stages: &[StageInfo],
) -> Result<Vec<StagePlan>, EngineError> {
    let sizes: Vec<u32> = stages.iter().map(|s| s.size).collect();
    column.keys().try_for_each(|&size| known(size, &sizes))?;
    let plan = |plan: &StagePlan| {
        let Some(user) = column.get(&plan.size) else { return Ok(plan.clone()) };
        let settings = plan.settings.with(user);
        let checked = check_shared(&plan.settings, user).and_then(|()| settings.validate());
        checked.map_err(|e| of(e, &format!("stage {}", plan.size)))?;
        Ok(StagePlan { settings, ..plan.clone() })
    };
    base.iter().map(plan).collect()
}

/// A batch goes through one list of times by one rule, so its columns differ in guidance and threshold only.
fn check_shared(base: &StageSettings, user: &StageOverrides) -> Result<(), EngineError> {
    let words = |steps: &Steps| match steps {
        Steps::Count(n) => n.to_string(),
        Steps::Named(name) => name.clone(),
    };
    let number = |x: Option<f64>| x.map_or_else(|| "none".into(), |x| x.to_string());
    let sampler = |kind| format!("{kind:?}").to_lowercase();
    let level = |level| (number(level), number(base.aug_level));
    let settings = [
        ("steps", user.steps.as_ref().map(|steps| (words(steps), words(&base.steps)))),
        ("sampler", user.sampler.map(|kind| (sampler(kind), sampler(base.sampler)))),
        ("eta", user.eta.map(|eta| (number(Some(eta)), number(Some(base.eta))))),
        ("aug-level", user.aug_level.map(|own| level(Some(own)))),
    ];
    let different = settings.into_iter().find_map(|(name, pair)| pair.filter(|(own, shared)| own != shared).map(|p| (name, p)));
    let Some((name, (own, shared))) = different else { return Ok(()) };
    Err(invalid(name, own, format!("{shared}, as the other columns: only guidance and threshold may differ")))
}

fn invalid(setting: &str, value: impl ToString, allowed: String) -> EngineError {
    EngineError::InvalidSetting { setting: setting.into(), value: value.to_string(), allowed }
}

fn list(sizes: &[u32]) -> String {
    if sizes.is_empty() {
        return "none here".into();
    }
    sizes.iter().map(u32::to_string).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{RgbImage, SamplerKind, StageInput, StageOverrides, Steps, Threshold};

    fn stage(size: u32) -> StageInfo {
        let defaults = StageSettings {
            steps: Steps::Count(size / 4),
            sampler: SamplerKind::Ddpm,
            eta: 0.0,
            guidance_weight: 4.0,
            threshold: Threshold::PAPER,
            aug_level: (size > 64).then_some(0.1),
        };
        StageInfo {
            size,
            network: "base".into(),
            parameters: 1,
            dtypes: vec!["f16".into()],
            file_bytes: 2,
            defaults,
            path: "x".into(),
            footprint: crate::Footprint::default(),
        }
    }

    fn sizes_of(request: &GenerateRequest) -> Result<Vec<u32>, String> {
        let plans = request.plan(&[stage(64), stage(256), stage(1024)]).map_err(|e| e.to_string())?;
        Ok(plans.iter().map(|p| p.size).collect())
    }

    fn picture(side: u32) -> RgbImage {
        RgbImage::new(side, side, vec![0; (3 * side * side) as usize]).expect("a square")
    }

    #[test]
    fn until_and_from_bound_the_stages() {
        let all = GenerateRequest::new("x");
        assert_eq!(sizes_of(&all), Ok(vec![64, 256, 1024]));
        assert_eq!(sizes_of(&GenerateRequest { until: Some(256), ..all.clone() }), Ok(vec![64, 256]));
        let from = Some(StageInput { size: 64, images: vec![picture(64)] });
        assert_eq!(sizes_of(&GenerateRequest { from: from.clone(), ..all.clone() }), Ok(vec![256, 1024]));
        assert_eq!(sizes_of(&GenerateRequest { from, until: Some(256), ..all }), Ok(vec![256]));
    }

    #[test]
    fn a_plan_carries_the_users_settings_and_the_number_of_steps() {
        let mut request = GenerateRequest::new("x");
        request.stages.insert(256, StageOverrides { steps: Some(Steps::Named("smart27".into())), ..StageOverrides::default() });
        let plans = request.plan(&[stage(64), stage(256)]).expect("a valid request");
        assert_eq!(plans.iter().map(|p| p.steps).collect::<Vec<_>>(), [16, 27]);
        assert_eq!(plans[0].settings, stage(64).defaults);
    }

    fn column(size: u32, f: fn(&mut StageOverrides)) -> BTreeMap<u32, StageOverrides> {
        let mut overrides = StageOverrides::default();
        f(&mut overrides);
        [(size, overrides)].into()
    }

    #[test]
    fn a_columns_settings_lie_on_the_requests() {
        let mut request = GenerateRequest { until: Some(256), count: 2, ..GenerateRequest::new("x") };
        request.stages.insert(64, StageOverrides { guidance_weight: Some(2.0), ..StageOverrides::default() });
        assert_eq!(request.column_plans(&[stage(64), stage(256)]), request.plan(&[stage(64), stage(256)]).map(|p| vec![p]));
        request.columns = vec![
            BTreeMap::new(),
            column(64, |o| o.threshold = Some(Threshold::Static)),
            // What is said again is no difference.
            column(256, |o| (o.guidance_weight, o.steps, o.aug_level) = (Some(9.0), Some(Steps::Count(64)), Some(0.1))),
        ];
        let plans = request.column_plans(&[stage(64), stage(256)]).expect("they differ in guidance and threshold");
        let settings: Vec<_> =
            plans.iter().flatten().map(|p| (p.size, p.settings.guidance_weight, p.settings.threshold)).collect();
        let paper = Threshold::PAPER;
        let expected = [
            (64, 2.0, paper),
            (256, 4.0, paper),
            (64, 2.0, Threshold::Static),
            (256, 4.0, paper),
            (64, 2.0, paper),
            (256, 9.0, paper),
        ];
        assert_eq!(settings, expected);
        assert_eq!(request.pictures(), 6);
    }

    #[test]
    fn what_columns_must_share_is_refused_by_name() {
        let cases = [
            (
                column(64, |o| o.steps = Some(Steps::Count(3))),
                "steps of stage 64 of column 2 is 3: give 16, as the other columns",
            ),
            (column(64, |o| o.sampler = Some(SamplerKind::Ddim)), "sampler of stage 64 of column 2 is ddim: give ddpm"),
            (column(256, |o| o.eta = Some(0.5)), "eta of stage 256 of column 2 is 0.5: give 0"),
            (column(256, |o| o.aug_level = Some(0.2)), "aug-level of stage 256 of column 2 is 0.2: give 0.1"),
            (column(64, |o| o.aug_level = Some(0.2)), "aug-level of stage 64 of column 2 is 0.2: give none"),
            (column(64, |o| o.guidance_weight = Some(f64::NAN)), "guidance of stage 64 of column 2 is NaN"),
            (column(65, |_| ()), "stage of column 2 is 65: give one of this model's"),
        ];
        for (second, expected) in cases {
            let request = GenerateRequest { columns: vec![BTreeMap::new(), second], ..GenerateRequest::new("x") };
            let error = sizes_of(&request).expect_err(expected);
            assert!(error.starts_with(expected), "{error} / {expected}");
        }
    }

    #[test]
    fn what_the_model_lacks_is_refused_by_name() {
        let user = |f: fn(&mut StageOverrides)| {
            let mut overrides = StageOverrides::default();
            f(&mut overrides);
            overrides
        };
        let with = |size, overrides| {
            let mut request = GenerateRequest::new("x");
            request.stages.insert(size, overrides);
            request
        };
        let base = GenerateRequest::new("x");
        let from = |size, side| Some(StageInput { size, images: vec![picture(side)] });
        let cases = [
            (with(512, user(|o| o.eta = Some(0.5))), "stage is 512: give one of this model's: 64, 256, 1024"),
            (GenerateRequest { until: Some(128), ..base.clone() }, "stage is 128"),
            (with(64, user(|o| o.aug_level = Some(0.1))), "aug-level of stage 64 is 0.1: give it only to stages"),
            (with(256, user(|o| o.guidance_weight = Some(f64::NAN))), "guidance of stage 256 is NaN"),
            (GenerateRequest { from: from(64, 65), ..base.clone() }, "from is a picture of 65 x 65: give one of 64 x 64"),
            (GenerateRequest { from: from(128, 128), ..base.clone() }, "stage is 128"),
            (
                GenerateRequest { from: from(256, 256), until: Some(256), ..base.clone() },
                "from is a picture of 256 pixels: give one that is smaller",
            ),
            (GenerateRequest { from: Some(StageInput { size: 64, images: vec![] }), ..base.clone() }, "from is 0 pictures"),
            (GenerateRequest { count: 0, ..base.clone() }, "count is 0"),
            (GenerateRequest { count: 65, ..base.clone() }, "count is 65"),
            (
                GenerateRequest { first_candidate: u32::MAX, ..base.clone() },
                "first candidate is 4294967295: give at most 4294967294",
            ),
            (
                GenerateRequest { count: 4, columns: vec![BTreeMap::new(); 17], ..base },
                "columns is 17 with 4 candidates each: give at most 64 pictures",
            ),
        ];
        for (request, expected) in cases {
            let error = sizes_of(&request).expect_err(expected);
            assert!(error.starts_with(expected), "{error} / {expected}");
        }
    }
}
