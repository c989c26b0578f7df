//! What a request means on a model: which stages run, each with which settings.

use crate::{EngineError, GenerateRequest, StageInfo, StagePlan, StageSettings};

impl GenerateRequest {
    /// The stages that run, in order, each with the user's settings on the model's `stages`.
    ///
    /// # Errors
    /// [`EngineError::InvalidSetting`]: a stage that the model lacks, a setting that a stage lacks, a value out of range, an input
    /// picture that fits no stage, or nothing left to run.
    pub fn plan(&self, stages: &[StageInfo]) -> Result<Vec<StagePlan>, EngineError> {
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

    fn plan_stage(&self, stage: &StageInfo, sizes: &[u32]) -> Result<StagePlan, EngineError> {
        let user = self.stages.get(&stage.size).cloned().unwrap_or_default();
        if let (Some(level), None) = (user.aug_level, stage.defaults.aug_level) {
            let others: Vec<u32> = sizes.iter().copied().filter(|&s| s > stage.size).collect();
            let setting = format!("aug-level of stage {}", stage.size);
            return Err(invalid(&setting, level, format!("it only to stages that enlarge a picture: {}", list(&others))));
        }
        let settings = stage.defaults.with(&user);
        settings.validate().map_err(|e| in_stage(e, stage.size))?;
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

fn in_stage(error: EngineError, size: u32) -> EngineError {
    match error {
        EngineError::InvalidSetting { setting, value, allowed } => {
            EngineError::InvalidSetting { setting: format!("{setting} of stage {size}"), value, allowed }
        }
        other => other,
    }
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
            (GenerateRequest { count: 65, ..base }, "count is 65"),
        ];
        for (request, expected) in cases {
            let error = sizes_of(&request).expect_err(expected);
            assert!(error.starts_with(expected), "{error} / {expected}");
        }
    }
}
