//! `imagen models`.

use std::path::Path;

use imagen_protocol::{EngineError, Footprint, ModelInfo, StageInfo, Steps, Threshold, Weights};
use serde::Serialize;

use crate::args::ModelsArgs;
use crate::error::{AppError, one_line};
use crate::output::Output;
use crate::runtime::Runtime;
use crate::staged::sampler_name;
use crate::units;

/// A found folder and what it holds.
#[derive(Serialize)]
struct Found {
    #[serde(skip_serializing_if = "Option::is_none")]
    model: Option<ModelInfo>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

/// Lists the models, or looks into one.
///
/// # Errors
/// Where the named folder is no model. In a list, a broken one is a line.
pub fn run(args: &ModelsArgs, runtime: Runtime<'_>, output: &mut Output<'_>) -> Result<(), AppError> {
    match &args.dir {
        Some(dir) => inspect(dir, args, runtime, output),
        None => {
            list(args.json, runtime, output);
            Ok(())
        }
    }
}

fn inspect(dir: &Path, args: &ModelsArgs, runtime: Runtime<'_>, output: &mut Output<'_>) -> Result<(), AppError> {
    let model = (runtime.inspect)(Some(dir))?;
    if args.json {
        print_json(&model, output);
    } else {
        details(&model, args.weights).iter().for_each(|line| output.say(line));
    }
    Ok(())
}

fn list(json: bool, runtime: Runtime<'_>, output: &mut Output<'_>) {
    let default = (runtime.inspect)(None);
    let default_path = default.as_ref().map(|m| m.path.clone()).ok();
    let folders: Vec<_> = (runtime.find_models)().into_iter().filter(|path| Some(path) != default_path.as_ref()).collect();
    let others: Vec<_> = folders.iter().map(|path| (runtime.inspect)(Some(path))).collect();
    let all: Vec<Result<ModelInfo, EngineError>> = std::iter::once(default).chain(others).collect();
    if json {
        let found: Vec<Found> = all.into_iter().map(Found::from).collect();
        return print_json(&found, output);
    }
    for (index, result) in all.iter().enumerate() {
        let mark = if index == 0 { "default  " } else { "         " };
        match result {
            Ok(model) => summary(model)
                .iter()
                .for_each(|line| output.say(&format!("{}{line}", if line.starts_with(' ') { "         " } else { mark }))),
            Err(error) => output.say(&format!("{mark}unusable: {}", one_line(&error.to_string()))),
        }
    }
    output.say("`imagen models DIR` looks into one; `imagen generate --model DIR` uses it");
}

impl From<Result<ModelInfo, EngineError>> for Found {
    fn from(result: Result<ModelInfo, EngineError>) -> Self {
        match result {
            Ok(model) => Self { model: Some(model), error: None },
            Err(error) => Self { model: None, error: Some(error.to_string()) },
        }
    }
}

fn print_json(value: &impl Serialize, output: &mut Output<'_>) {
    // Plain data with string keys: it has JSON.
    if let Ok(text) = serde_json::to_string_pretty(value) {
        output.say(&text);
    }
}

fn summary(model: &ModelInfo) -> [String; 2] {
    let sizes: Vec<String> = model.stages.iter().map(|s| s.size.to_string()).collect();
    let parameters = units::parameters(model.stages.iter().map(|s| s.parameters).sum::<u64>() + model.text_encoder.parameters);
    let head = format!("{}: {}, {} pixels, {parameters} parameters", model.name, model.family, sizes.join(" -> "));
    [head, format!("  {}", model.path.display())]
}

fn details(model: &ModelInfo, weights: Weights) -> Vec<String> {
    let text = &model.text_encoder;
    let mut lines = vec![
        format!("{}: {}", model.name, one_line(&model.description)),
        format!("folder      {}", model.path.display()),
        format!("family      {}", model.family),
        format!("licence     {}", one_line(&model.license)),
        memory_line(model, weights),
        format!(
            "text        {}, {} parameters, {}, {}, reads {} tokens",
            text.kind,
            units::parameters(text.parameters),
            text.dtypes.join(" and "),
            units::bytes(text.file_bytes),
            text.max_tokens
        ),
    ];
    lines.push(part_line(&text.footprint, weights));
    for stage in &model.stages {
        lines.extend(stage_lines(stage));
        lines.push(part_line(&stage.footprint, weights));
    }
    lines.extend(model.remarks.iter().map(|r| format!("remark      {}", one_line(r))));
    lines
}

fn memory_line(model: &ModelInfo, weights: Weights) -> String {
    let how = if model.is_kept(weights) { "all parts loaded" } else { "one part loaded at a time" };
    format!("memory      {} at once, {how}", units::bytes(model.memory(weights)))
}

/// "            weights 1.9 GB as f16, 2.1 GB while it runs".
fn part_line(part: &Footprint, weights: Weights) -> String {
    let dtype = if weights.halve(part) { "f16" } else { "f32" };
    let at_rest = match part.is_streamed() {
        true => format!("weights as {dtype}, read one block at a time"),
        false => format!("weights {} as {dtype}", units::bytes(part.at_rest(weights))),
    };
    format!("            {at_rest}, {} while it runs", units::bytes(part.running(weights)))
}

fn stage_lines(stage: &StageInfo) -> [String; 3] {
    let size = format!("stage {}", stage.size);
    let dtypes = stage.dtypes.join(" and ");
    let (parameters, bytes) = (units::parameters(stage.parameters), units::bytes(stage.file_bytes));
    let settings = &stage.defaults;
    let steps = match &settings.steps {
        Steps::Count(n) => n.to_string(),
        Steps::Named(name) => name.clone(),
    };
    let aug_level = settings.aug_level.map(|level| format!(", aug-level {level}")).unwrap_or_default();
    [
        format!("{size:<12}{}, {parameters} parameters, {dtypes}, {bytes}", stage.network),
        format!(
            "            {steps} steps, {}, guidance {}, {}{aug_level}",
            sampler_name(settings.sampler),
            settings.guidance_weight,
            threshold_text(&settings.threshold)
        ),
        format!("            {}", stage.path.display()),
    ]
}

/// "dynamic 99.5 %, s at most 1.5".
pub fn threshold_text(threshold: &Threshold) -> String {
    match threshold {
        Threshold::None => "no thresholding".into(),
        Threshold::Static => "static thresholding".into(),
        Threshold::Dynamic { percentile, cap } => {
            let cap = cap.map(|c| format!(", s at most {c}")).unwrap_or_default();
            // Rounded to hide what the division by 100 left behind.
            format!("dynamic thresholding at {} %{cap}", (percentile * 1e8).round() / 1e6)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_support::{model, obliging, run, task};

    #[test]
    fn the_list_marks_the_default_and_keeps_going_after_a_broken_one() {
        let ran = run(task("models", &[]), obliging);
        ran.result.expect("it works");
        assert!(ran.out.starts_with("default  test: imagen, 64 -> 256 -> 1024 pixels, 63.8 M parameters\n"), "{}", ran.out);
        assert_eq!(ran.out.matches("test: imagen").count(), 1, "the default is listed once");
        assert!(ran.out.contains("unusable: models/missing: is not there"), "{}", ran.out);
    }

    #[test]
    fn a_model_is_shown_with_what_decides_its_use() {
        let text = details(&ModelInfo { remarks: vec!["a foreign file: x".into()], ..model() }, Weights::Auto).join("\n");
        for part in [
            "licence     Apache-2.0",
            "memory      264 MB at once, all parts loaded",
            "bert, 22.7 M parameters",
            "stage 1024  efficient",
            "10 steps, ddpm, guidance 4",
            "dynamic thresholding at 95 %, s at most 1.5",
            "aug-level 0.1",
            "remark      a foreign file: x",
        ] {
            assert!(text.contains(part), "{part} / {text}");
        }
    }

    #[test]
    fn memory_is_told_for_the_weights_asked_for() {
        let mut model = model();
        let block = Some(200_000_000);
        model.text_encoder.footprint =
            Footprint { parameters: 4_700_000_000, matrices: 4_700_000_000, largest: 42_000_000, block, activations: 30_000_000 };
        let auto = details(&model, Weights::Auto).join("\n");
        for part in [
            "memory      762 MB at once, all parts loaded",
            "weights as f16, read one block at a time, 598 MB while it runs",
            "weights 54.8 MB as f32, 64.8 MB while it runs",
        ] {
            assert!(auto.contains(part), "{part} / {auto}");
        }
        assert!(details(&model, Weights::F16).join("\n").contains("weights 30.1 MB as f16"));
        assert!(details(&model, Weights::F32).join("\n").contains("weights as f32, read one block at a time, 830 MB"));
    }

    #[test]
    fn json_is_the_protocols_own() {
        let ran = run(task("models", &["models/test", "--json"]), obliging);
        let back: ModelInfo = serde_json::from_str(&ran.out).expect("JSON");
        assert_eq!(back, model());
        let all: serde_json::Value = serde_json::from_str(&run(task("models", &["--json"]), obliging).out).expect("JSON");
        assert!(all[0]["model"]["name"] == "test" && all[1]["error"].is_string(), "{all}");
    }

    #[test]
    fn a_folder_that_is_no_model_is_an_error() {
        let error = run(task("models", &["missing"]), obliging).result.expect_err("missing");
        assert_eq!(error.line(), "error: missing: is not there; give a model's folder");
    }
}
