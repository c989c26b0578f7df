//! The engine thread as the app meets it: commands in, events out, on real models.

use std::path::{Path, PathBuf};
use std::time::Duration;

use imagen_engine::runtime::{adapters, start};
use imagen_protocol::{
    AdapterKind, Command, DeviceChoice, EngineHandle, Event, GenerateRequest, JobId, RgbImage, StageInput, StageOverrides, Steps,
};
use imagen_tests::repo;

const LONG: Duration = Duration::from_secs(300);

/// Every event of a job, up to its last.
fn run(engine: &EngineHandle, job: u64, request: GenerateRequest) -> Vec<Event> {
    let job = JobId(job);
    engine.commands.send(Command::Generate { job, request: Box::new(request) }).expect("the engine lives");
    let mut events = Vec::new();
    loop {
        let event = engine.events.recv_timeout(LONG).expect("the engine answers");
        let last = matches!(event, Event::JobFinished { .. } | Event::JobFailed { .. } | Event::JobCancelled { .. });
        events.push(event);
        if last {
            return events;
        }
    }
}

fn pictures(events: &[Event], of: u32) -> Vec<RgbImage> {
    let found = events.iter().find_map(|e| match e {
        Event::StageFinished { size, images, .. } if *size == of => Some(images.clone()),
        _ => None,
    });
    found.unwrap_or_else(|| panic!("no stage {of} in {events:?}"))
}

fn finished(events: &[Event]) -> bool {
    matches!(events.last(), Some(Event::JobFinished { .. }))
}

/// The default model's first stages, few steps.
fn request(steps: &[(u32, u32)]) -> GenerateRequest {
    let mut request = GenerateRequest::new("a red apple");
    request.seed = 7;
    request.until = steps.last().map(|s| s.0);
    for &(size, n) in steps {
        request.stages.insert(size, StageOverrides { steps: Some(Steps::Count(n)), ..StageOverrides::default() });
    }
    request
}

fn cpu() -> EngineHandle {
    start(DeviceChoice::Cpu)
}

fn gpu() -> EngineHandle {
    let usable = adapters().into_iter().find(|a| a.unusable.is_none() && a.kind != AdapterKind::Other);
    start(DeviceChoice::Gpu(usable.expect("an adapter").index))
}

#[test]
fn same_seed_same_device_same_bytes() {
    let engine = cpu();
    let first = pictures(&run(&engine, 1, request(&[(64, 3)])), 64);
    let second = pictures(&run(&engine, 2, request(&[(64, 3)])), 64);
    let other = pictures(&run(&cpu(), 3, request(&[(64, 3)])), 64);
    assert_eq!(first, second);
    assert_eq!(first, other);
    let mut changed = request(&[(64, 3)]);
    changed.seed = 8;
    assert_ne!(first, pictures(&run(&engine, 4, changed), 64));
}

#[test]
fn a_picture_does_not_depend_on_its_batch() {
    let engine = cpu();
    let mut three = request(&[(64, 3)]);
    three.count = 3;
    let batch = pictures(&run(&engine, 1, three), 64);
    let alone = pictures(&run(&engine, 2, request(&[(64, 3)])), 64);
    assert_eq!(batch.len(), 3);
    assert!(mean_difference(&batch[0], &alone[0]) < 0.5, "candidate 0 is the picture of a single run");
    assert!(mean_difference(&batch[0], &batch[1]) > 1.0, "candidates differ");
}

fn mean_difference(a: &RgbImage, b: &RgbImage) -> f64 {
    let sum: u64 = a.pixels().iter().zip(b.pixels()).map(|(a, b)| u64::from(a.abs_diff(*b))).sum();
    sum as f64 / a.pixels().len() as f64
}

#[test]
fn the_software_gpu_and_the_cpu_backend_agree() {
    let steps = request(&[(64, 4)]);
    let on_cpu = pictures(&run(&cpu(), 1, steps.clone()), 64);
    let on_gpu = pictures(&run(&gpu(), 2, steps), 64);
    let difference = mean_difference(&on_cpu[0], &on_gpu[0]);
    println!("mean difference {difference:.4} of 255");
    assert!(difference <= 1.0, "{difference}");
}

#[test]
fn going_on_from_a_saved_picture_gives_the_same_bytes() {
    let engine = cpu();
    let events = run(&engine, 1, request(&[(64, 2), (256, 2)]));
    let (small, large) = (pictures(&events, 64), pictures(&events, 256));
    let mut resumed = request(&[(64, 2), (256, 2)]);
    resumed.from = Some(StageInput { size: 64, images: small });
    let events = run(&engine, 2, resumed);
    assert_eq!(pictures(&events, 256), large);
    assert!(!events.iter().any(|e| matches!(e, Event::StageStarted { size: 64, .. })), "the first stage did not run again");
}

#[test]
fn cancelling_ends_the_job_within_a_step() {
    let engine = cpu();
    let job = JobId(1);
    let request = request(&[(64, 1000)]);
    engine.commands.send(Command::Generate { job, request: Box::new(request) }).expect("the engine lives");
    let mut steps_after = 0;
    let mut cancelled = false;
    loop {
        match engine.events.recv_timeout(LONG).expect("the engine answers") {
            Event::StepFinished { .. } if cancelled => steps_after += 1,
            Event::StepFinished { .. } => {
                engine.cancel.cancel();
                cancelled = true;
            }
            Event::JobCancelled { job: of } => break assert_eq!(of, job),
            Event::JobFinished { .. } | Event::JobFailed { .. } => panic!("it was not cancelled"),
            _ => {}
        }
    }
    assert!(steps_after <= 2, "{steps_after} steps after the cancel");
    assert!(engine.previews.take().is_some(), "a preview was shown");
}

#[test]
fn a_model_that_is_not_there_leaves_the_engine_alive() {
    let engine = cpu();
    let mut wrong = request(&[(64, 1)]);
    wrong.model = Some(PathBuf::from("/nowhere/at/all"));
    let events = run(&engine, 1, wrong);
    assert!(matches!(events.last(), Some(Event::JobFailed { error, .. }) if error.to_string().contains("/nowhere/at/all")));
    assert!(finished(&run(&engine, 2, request(&[(64, 1)]))));
}

/// DeepFloyd IF as people have it: stage folders side by side, the tokenizer beside the encoder.
#[test]
fn deepfloyd_folders_become_a_cascade() {
    let dir = tempfile::tempdir().expect("a folder");
    let fixtures = repo().join("tests/fixtures/parity");
    for part in ["stage1", "stage2", "text_encoder"] {
        copy(&fixtures.join("if-cascade").join(part), &dir.path().join(part));
    }
    copy(&fixtures.join("tokenizer/tokenizer"), &dir.path().join("tokenizer"));
    for (stage, size) in [("stage1", 32), ("stage2", 64)] {
        set_sample_size(&dir.path().join(stage).join("unet/config.json"), size);
    }
    let mut request = GenerateRequest::new("Green Hat house");
    request.model = Some(dir.path().to_owned());
    for size in [32, 64] {
        request.stages.insert(size, StageOverrides { steps: Some(Steps::Count(3)), ..StageOverrides::default() });
    }
    let events = run(&cpu(), 1, request);
    assert!(finished(&events), "{events:?}");
    assert_eq!(pictures(&events, 32)[0].width(), 32);
    assert_eq!(pictures(&events, 64)[0].width(), 64);
}

/// The fixtures' configs name other sizes than the cascade was recorded with.
fn set_sample_size(path: &Path, size: u32) {
    let text = std::fs::read_to_string(path).expect("a config");
    let mut config: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    config["sample_size"] = size.into();
    std::fs::write(path, config.to_string()).expect("written");
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).expect("a folder");
    for entry in std::fs::read_dir(from).expect("a fixture") {
        let path = entry.expect("readable").path();
        let target = to.join(path.file_name().expect("a name"));
        if path.is_dir() {
            copy(&path, &target);
        } else {
            std::fs::copy(&path, &target).expect("a copy");
        }
    }
}
