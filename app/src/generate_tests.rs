//! `imagen generate` from arguments to files, on an engine that computes nothing.

use std::fs;
use std::path::Path;

use imagen_protocol::{Command, EngineError, Event, Threshold};

use super::*;
use crate::args::Task;
use crate::test_support::{self, Ran, answer, colour, generate_args, obliging, run, task};

fn names(dir: &Path) -> Vec<String> {
    let entries = fs::read_dir(dir).expect("the folder is there");
    let mut all: Vec<String> = entries.map(|e| e.expect("an entry").file_name().to_string_lossy().into_owned()).collect();
    all.sort();
    all
}

/// Runs `imagen generate LINE --out DIR/apple`.
fn generate(dir: &Path, line: &[&str]) -> Ran {
    generate_on(dir, line, obliging)
}

fn generate_on(dir: &Path, line: &[&str], script: impl Fn(&Command) -> Vec<Event> + Clone + Send + 'static) -> Ran {
    let out = dir.join("apple");
    let mut line = line.to_vec();
    line.extend(["--out", out.to_str().expect("UTF-8")]);
    run(task("generate", &line), script)
}

#[test]
fn three_pictures_are_written_with_what_made_them() {
    let dir = tempfile::tempdir().expect("a folder");
    let ran = generate(dir.path(), &["a red apple", "--seed", "7", "--guidance", "64=6"]);
    ran.result.expect("it works");
    assert_eq!(names(dir.path()), ["apple-1024.png", "apple-256.png", "apple-64.png"]);
    assert_eq!(ran.out.lines().count(), 3);
    let path = dir.path().join("apple-256.png");
    let picture = image::open(&path).expect("a PNG").to_rgb8();
    assert_eq!((picture.dimensions(), picture.get_pixel(0, 0).0), ((256, 256), [7, 0, 200]));
    let settings = PictureSettings::read(&path).expect("settings");
    assert_eq!((settings.size, settings.candidate, settings.request.seed), (256, 1, 7));
    assert_eq!((settings.model.as_str(), settings.device.as_str(), settings.app.as_str()), ("test", "Test device", APP));
    assert_eq!(settings.stages.iter().map(|s| s.settings.guidance_weight).collect::<Vec<_>>(), [6.0, 4.0, 4.0]);
    let texts = png::read_texts(&path).expect("texts");
    let parameters = texts.iter().find(|(k, _)| k == PARAMETERS).expect("there").1.as_str();
    assert!(
        parameters.starts_with("a red apple\nSteps: 10, Sampler: DDPM, CFG scale: 4, Seed: 7, Size: 256x256,"),
        "{parameters}"
    );
}

#[test]
fn a_picture_can_be_made_again_from_itself() {
    let dir = tempfile::tempdir().expect("a folder");
    let first =
        generate(dir.path(), &["a cat, sitting", "--seed", "9", "--steps", "3", "--threshold", "static", "--until", "256"]);
    first.result.expect("it works");
    let picture = dir.path().join("apple-64.png");
    let again = tempfile::tempdir().expect("a folder");
    let ran = generate(again.path(), &["--settings", picture.to_str().expect("UTF-8"), "--seed", "10"]);
    ran.result.expect("it works");
    let Some(Command::Generate { request, .. }) = ran.commands.first() else { panic!("{:?}", ran.commands) };
    assert_eq!((request.prompt.as_str(), request.seed, request.until), ("a cat, sitting", 10, Some(256)));
    let made = PictureSettings::read(&again.path().join("apple-64.png")).expect("settings");
    let old = PictureSettings::read(&picture).expect("settings");
    assert_eq!(made.stages, old.stages);
    assert_eq!(made.stages[0].settings.threshold, Threshold::Static);
}

#[test]
fn candidates_are_numbered_and_each_has_its_own_pixels() {
    let dir = tempfile::tempdir().expect("a folder");
    let ran = generate(dir.path(), &["x", "--seed", "7", "--count", "2", "--until", "64"]);
    ran.result.expect("it works");
    assert_eq!(names(dir.path()), ["apple-1-64.png", "apple-2-64.png"]);
    let second = dir.path().join("apple-2-64.png");
    let request = PictureSettings::read(&second).expect("settings");
    assert_eq!(request.candidate, 2);
    assert_eq!(image::open(&second).expect("a PNG").to_rgb8().get_pixel(0, 0).0, colour(&request.request, 1));
}

#[test]
fn every_step_is_saved_where_asked_for() {
    let dir = tempfile::tempdir().expect("a folder");
    let steps = dir.path().join("steps");
    let ran =
        generate(dir.path(), &["x", "--until", "256", "--steps", "3,256=2", "--save-steps", steps.to_str().expect("UTF-8")]);
    ran.result.expect("it works");
    assert_eq!(names(&steps.join("64")), ["001.png", "002.png", "003.png"]);
    assert_eq!(names(&steps.join("256")), ["001.png", "002.png"]);
    assert_eq!(image::open(steps.join("256/002.png")).expect("a PNG").to_rgb8().dimensions(), (256, 256));
}

#[test]
fn json_is_one_object_a_line_and_tells_every_file() {
    let dir = tempfile::tempdir().expect("a folder");
    let ran = generate(dir.path(), &["x", "--json", "--until", "64"]);
    ran.result.expect("it works");
    assert_eq!(ran.err, "");
    let lines: Vec<serde_json::Value> = ran.out.lines().map(|l| serde_json::from_str(l).expect("JSON")).collect();
    let kinds: Vec<&str> = lines.iter().map(|l| l["event"].as_str().expect("a kind")).collect();
    assert_eq!((kinds[0], kinds[1], *kinds.last().expect("a line")), ("started", "ready", "finished"));
    assert_eq!(kinds.iter().filter(|&&k| k == "step_finished").count(), 10);
    let saved = lines.iter().find(|l| l["event"] == "saved").expect("a file");
    assert!(Path::new(saved["path"].as_str().expect("a path")).is_file());
}

#[test]
fn without_a_seed_one_is_drawn_and_told() {
    let dir = tempfile::tempdir().expect("a folder");
    let ran = generate(dir.path(), &["x", "--until", "64"]);
    let seed = PictureSettings::read(&dir.path().join("apple-64.png")).expect("settings").request.seed;
    assert!(ran.err.starts_with(&format!("seed {seed}, stages 64 (10 steps, ddpm)")), "{}", ran.err);
}

#[test]
fn cancelling_keeps_the_stages_that_were_finished() {
    let dir = tempfile::tempdir().expect("a folder");
    let script = |command: &Command| {
        let Command::Generate { job, request } = command else { return vec![] };
        let mut events = answer(*job, request);
        let end = events.iter().position(|e| matches!(e, Event::StageStarted { size: 256, .. })).expect("a second stage");
        events.truncate(end + 3);
        events.push(Event::JobCancelled { job: *job });
        events
    };
    let ran = generate_on(dir.path(), &["x"], script);
    assert_eq!(ran.result.expect_err("cancelled").exit_code(), 130);
    assert_eq!(names(dir.path()), ["apple-64.png"]);
}

#[test]
fn a_failure_is_the_result_and_the_last_json_line() {
    let dir = tempfile::tempdir().expect("a folder");
    let script = |command: &Command| match command {
        Command::Generate { job, .. } => {
            vec![Event::JobFailed { job: *job, error: EngineError::NotFinite { size: 64, step: 2 } }]
        }
        _ => vec![],
    };
    let ran = generate_on(dir.path(), &["x", "--json"], script);
    let error = ran.result.expect_err("it failed");
    assert!(error.line().starts_with("error: the 64-pixel stage gave"), "{}", error.line());
    let last: serde_json::Value = serde_json::from_str(ran.out.lines().last().expect("a line")).expect("JSON");
    assert_eq!((last["event"].as_str(), last["exit_code"].as_u64()), (Some("failed"), Some(1)));
    assert!(names(dir.path()).is_empty());
}

#[test]
fn what_is_wrong_is_found_before_the_engine_starts() {
    let dir = tempfile::tempdir().expect("a folder");
    fs::write(dir.path().join("apple-256.png"), "precious").expect("written");
    let blocked = dir.path().join("apple-256.png").join("below");
    let blocked = blocked.to_str().expect("UTF-8");
    let cases: [(&[&str], &str, u8); 6] = [
        (&["x"], "exists; give another --out, or --force", 1),
        (&["x", "--until", "64", "--save-steps", blocked], "cannot be written to", 1),
        (&["x", "--model", "missing"], "is not there; give a model's folder", 1),
        (&["x", "--steps", "512=3"], "stage is 512: give one of this model's", 2),
        (&["x", "--aug-level", "64=0.1"], "aug-level of stage 64 is 0.1: give it only", 2),
        (&["x", "--settings", blocked], "cannot be read", 1),
    ];
    for (line, part, code) in cases {
        let ran = generate(dir.path(), line);
        let error = ran.result.expect_err(part);
        assert!(error.line().contains(part), "{} / {part}", error.line());
        assert_eq!(error.exit_code(), code, "{part}");
        assert!(ran.commands.is_empty(), "{part}");
    }
    assert_eq!(names(dir.path()), ["apple-256.png"]);
    assert_eq!(fs::read(dir.path().join("apple-256.png")).expect("there"), b"precious");
}

#[test]
fn force_overwrites() {
    let dir = tempfile::tempdir().expect("a folder");
    fs::write(dir.path().join("apple-64.png"), "old").expect("written");
    generate(dir.path(), &["x", "--until", "64", "--force"]).result.expect("it works");
    assert!(PictureSettings::read(&dir.path().join("apple-64.png")).is_ok());
}

#[test]
fn a_file_that_cannot_be_written_stops_the_job() {
    let dir = tempfile::tempdir().expect("a folder");
    let gone = dir.path().join("apple-64.png");
    let script = move |command: &Command| {
        // Somebody else takes the name while the job runs.
        fs::write(&gone, "theirs").expect("written");
        obliging(command)
    };
    let ran = generate_on(dir.path(), &["x", "--until", "64"], script);
    assert!(ran.result.expect_err("taken").line().contains("--force"));
    assert_eq!(fs::read(dir.path().join("apple-64.png")).expect("there"), b"theirs");
    assert_eq!(names(dir.path()), ["apple-64.png"]);
}

#[test]
fn settings_of_a_picture_made_from_a_picture_ask_for_it() {
    let dir = tempfile::tempdir().expect("a folder");
    let input = dir.path().join("input.png");
    image::RgbImage::new(64, 64).save(&input).expect("saved");
    let input = input.to_str().expect("UTF-8");
    generate(dir.path(), &["x", "--from", input, "--until", "256"]).result.expect("it works");
    assert_eq!(names(dir.path()), ["apple-256.png", "input.png"]);
    let made = dir.path().join("apple-256.png");
    let args = generate_args(&["--settings", made.to_str().expect("UTF-8"), "--out", "never"]);
    let ran = test_support::run(Task::Generate(Box::new(args)), obliging);
    assert!(ran.result.expect_err("no input").line().contains("name that picture with --from"));
}

/// Large candidates run one after the other, and the engine counts the steps of all of them.
#[test]
fn steps_of_candidates_that_run_in_turn_go_to_their_own_files() {
    let dir = tempfile::tempdir().expect("a folder");
    let script = |command: &Command| {
        let Command::Generate { job, request } = command else { return vec![] };
        let images = |first| vec![test_support::flat(64, test_support::colour(request, first))];
        let step = |(step, first)| Event::StepImages { job: *job, size: 64, step, first, images: images(first) };
        let mut events: Vec<Event> = [(1, 0), (2, 0), (3, 1), (4, 1)].map(step).into();
        events.push(Event::JobFinished { job: *job, seconds: 1.0 });
        events
    };
    let steps = dir.path().join("steps");
    let line = ["x", "--count", "2", "--until", "64", "--steps", "2", "--save-steps", steps.to_str().expect("UTF-8")];
    generate_on(dir.path(), &line, script).result.expect("it works");
    assert_eq!(names(&steps.join("64")), ["001-1.png", "001-2.png", "002-1.png", "002-2.png"]);
}

#[test]
fn a_picture_made_again_keeps_its_number() {
    let dir = tempfile::tempdir().expect("a folder");
    let mut settings = test_support::picture_settings("x");
    (settings.request.first_candidate, settings.request.until) = (2, Some(64));
    let made = dir.path().join("made.png");
    let json = settings.to_json().expect("JSON");
    fs::write(&made, png::encode(&test_support::flat(64, [0; 3]), &[(IMAGEN, &json)], false).expect("a PNG")).expect("written");
    generate(dir.path(), &["--settings", made.to_str().expect("UTF-8")]).result.expect("it works");
    let again = PictureSettings::read(&dir.path().join("apple-64.png")).expect("settings");
    assert_eq!((again.candidate, again.request.first_candidate), (3, 2));
}
