//! `imagen settings`: what a picture knows of its making.

use imagen_protocol::{StagePlan, Steps, Weights};

use crate::args::SettingsArgs;
use crate::error::AppError;
use crate::models::threshold_text;
use crate::output::Output;
use crate::png::{PARAMETERS, PictureSettings, read_texts};
use crate::staged::sampler_name;

/// Prints them. A picture of another program is shown by its `parameters` text, where it has one.
///
/// # Errors
/// As [`PictureSettings::read`].
pub fn run(args: &SettingsArgs, output: &mut Output<'_>) -> Result<(), AppError> {
    let settings = match PictureSettings::read(&args.file) {
        Ok(settings) => settings,
        Err(error) => return foreign(args, output).ok_or(error),
    };
    if args.json {
        output.say(&settings.to_json()?);
    } else {
        lines(&settings).iter().for_each(|line| output.say(line));
    }
    Ok(())
}

fn foreign(args: &SettingsArgs, output: &mut Output<'_>) -> Option<()> {
    let texts = read_texts(&args.file).ok()?;
    let (_, text) = texts.into_iter().find(|(keyword, _)| keyword == PARAMETERS)?;
    if args.json {
        return None;
    }
    output.remark("note: written by another program; `imagen generate --settings` cannot use this");
    text.lines().for_each(|line| output.say(&printable(line)));
    Some(())
}

fn lines(settings: &PictureSettings) -> Vec<String> {
    rows(settings).into_iter().map(|(name, value)| format!("{name:<12}{value}")).collect()
}

/// Every setting by its name, as the command line prints them and the window shows them.
pub fn rows(settings: &PictureSettings) -> Vec<(String, String)> {
    let request = &settings.request;
    let mut rows = vec![("prompt", printable(&request.prompt))];
    if !request.negative_prompt.is_empty() {
        rows.push(("negative", printable(&request.negative_prompt)));
    }
    rows.push(("seed", request.seed.to_string()));
    rows.push(("picture", format!("stage {}, candidate {} of {}", settings.size, settings.candidate, request.count)));
    if let Some(input) = &request.from {
        rows.push(("from", format!("a picture of {0} x {0}, not part of this file", input.size)));
    }
    rows.push(("model", printable(&settings.model)));
    match request.weights {
        Weights::Auto => {}
        Weights::F32 => rows.push(("weights", "f32 in memory".into())),
        Weights::F16 => rows.push(("weights", "f16 in memory".into())),
    }
    let mut rows: Vec<(String, String)> = rows.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    rows.extend(settings.stages.iter().map(|stage| (format!("stage {}", stage.size), stage_text(stage))));
    rows.push(("device".into(), printable(&settings.device)));
    rows.push(("made by".into(), printable(&settings.app)));
    rows
}

fn stage_text(stage: &StagePlan) -> String {
    let settings = &stage.settings;
    let mut line = format!("{} steps", stage.steps);
    if let Steps::Named(name) = &settings.steps {
        line += &format!(" ({})", printable(name));
    }
    line += &format!(", {}, eta {}, guidance {}", sampler_name(settings.sampler), settings.eta, settings.guidance_weight);
    line += &format!(", {}", threshold_text(&settings.threshold));
    settings.aug_level.map(|level| format!("{line}, aug-level {level}")).unwrap_or(line)
}

/// Text of a file that anybody may have made: control characters could steer the terminal.
fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::png::{IMAGEN, encode};
    use crate::test_support::{Ran, flat, obliging, picture_settings, run, task};

    fn show(texts: &[(&str, &str)], json: bool) -> Ran {
        let file = tempfile::NamedTempFile::new().expect("a file");
        std::fs::write(file.path(), encode(&flat(4, [9; 3]), texts, false).expect("encoded")).expect("written");
        let path = file.path().to_str().expect("UTF-8");
        let line = [path, "--json"];
        run(task("settings", &line[..if json { 2 } else { 1 }]), obliging)
    }

    #[test]
    fn they_are_printed_for_people_and_for_programs() {
        let mut settings = picture_settings("a red\u{1b}[31m apple");
        assert!(!lines(&settings).iter().any(|line| line.starts_with("weights")));
        settings.request.weights = Weights::F16;
        let json = settings.to_json().expect("JSON");
        let ran = show(&[(IMAGEN, &json)], false);
        ran.result.expect("it works");
        assert!(
            ran.out.starts_with("prompt      a red [31m apple\nseed        0\npicture     stage 64, candidate 1 of 1\n"),
            "{}",
            ran.out
        );
        assert!(
            ran.out.contains("stage 64    10 steps, ddpm, eta 0, guidance 4, dynamic thresholding at 95 %, s at most 1.5\n"),
            "{}",
            ran.out
        );
        assert!(ran.out.contains("\nweights     f16 in memory\n"), "{}", ran.out);
        let back: PictureSettings = serde_json::from_str(&show(&[(IMAGEN, &json)], true).out).expect("JSON");
        assert_eq!(back, settings);
    }

    #[test]
    fn another_programs_text_is_shown_as_it_is() {
        let ran = show(&[(PARAMETERS, "a cat\nSteps: 20")], false);
        ran.result.expect("it works");
        assert_eq!(ran.out, "a cat\nSteps: 20\n");
        assert!(ran.err.contains("another program"));
    }

    #[test]
    fn a_bare_picture_is_an_error() {
        assert!(show(&[], false).result.expect_err("bare").line().contains("carries no settings"));
        assert!(show(&[(PARAMETERS, "x")], true).result.is_err());
    }
}
