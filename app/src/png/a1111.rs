//! The `parameters` text that AUTOMATIC1111's web UI started and other programs read.

use imagen_protocol::{SamplerKind, Steps};

use super::PictureSettings;

/// Prompt, negative prompt and one line of settings, those of the stage that made the picture.
pub fn parameters(settings: &PictureSettings) -> String {
    let request = &settings.request;
    let mut text = format!("{}\n", request.prompt);
    if !request.negative_prompt.is_empty() {
        text += &format!("Negative prompt: {}\n", request.negative_prompt);
    }
    let pairs: Vec<String> = fields(settings).into_iter().map(|(key, value)| format!("{key}: {}", quoted(&value))).collect();
    text + &pairs.join(", ")
}

fn fields(settings: &PictureSettings) -> Vec<(&'static str, String)> {
    let mut fields = Vec::new();
    if let Some(stage) = settings.stages.iter().find(|s| s.size == settings.size) {
        fields.push(("Steps", stage.steps.to_string()));
        fields.push(("Sampler", sampler(stage.settings.sampler).into()));
        if let Steps::Named(list) = &stage.settings.steps {
            fields.push(("Schedule type", list.clone()));
        }
        fields.push(("CFG scale", stage.settings.guidance_weight.to_string()));
    }
    fields.push(("Seed", settings.request.seed.to_string()));
    fields.push(("Size", format!("{0}x{0}", settings.size)));
    fields.push(("Model", settings.model.clone()));
    if settings.request.count > 1 {
        fields.push(("Batch size", settings.request.count.to_string()));
        fields.push(("Batch pos", (settings.candidate.saturating_sub(1)).to_string()));
    }
    fields.push(("Version", settings.app.clone()));
    fields
}

/// The names that those programs use.
fn sampler(kind: SamplerKind) -> &'static str {
    match kind {
        SamplerKind::Ddpm => "DDPM",
        SamplerKind::Ddim => "DDIM",
        SamplerKind::Dpmpp2m => "DPM++ 2M",
    }
}

/// A value with a comma, a colon, a quote or a line break is written as a JSON string, which is how its readers take it.
fn quoted(value: &str) -> String {
    if value.contains([',', ':', '"', '\n']) { serde_json::Value::from(value).to_string() } else { value.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_support::picture_settings;

    #[test]
    fn it_reads_as_the_web_ui_writes_it() {
        let mut settings = picture_settings("a red apple");
        settings.request.seed = 7;
        let expected =
            "a red apple\nSteps: 10, Sampler: DDPM, CFG scale: 4, Seed: 7, Size: 64x64, Model: test, Version: imagen-wgpu 0.1.0";
        assert_eq!(parameters(&settings), expected);
    }

    #[test]
    fn a_negative_prompt_has_its_line_and_a_candidate_its_place() {
        let mut settings = picture_settings("x");
        settings.request.negative_prompt = "blue".into();
        (settings.request.count, settings.candidate) = (4, 2);
        let text = parameters(&settings);
        assert!(text.starts_with("x\nNegative prompt: blue\nSteps: "), "{text}");
        assert!(text.contains("Batch size: 4, Batch pos: 1"), "{text}");
    }

    #[test]
    fn values_that_would_break_the_list_are_quoted() {
        let settings = PictureSettings { model: "IF: \"L\", new".into(), ..picture_settings("x") };
        assert!(parameters(&settings).contains(r#"Model: "IF: \"L\", new","#), "{}", parameters(&settings));
    }
}
