//! The engine thread as the app meets it: commands in, events out, on real models.

use std::path::PathBuf;
use std::time::Duration;

use imagen_engine::runtime::{adapters, start};
use imagen_protocol::{
    AdapterKind, Command, DeviceChoice, EngineHandle, Event, GenerateRequest, JobId, RgbImage, StageInput, StageOverrides,
    StepReport, Steps,
};

pub const LONG: Duration = Duration::from_secs(300);

/// Every event of a job, up to its last.
pub fn run(engine: &EngineHandle, job: u64, request: GenerateRequest) -> Vec<Event> {
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

pub fn pictures(events: &[Event], of: u32) -> Vec<RgbImage> {
    let found = events.iter().find_map(|e| match e {
        Event::StageFinished { size, images, .. } if *size == of => Some(images.clone()),
        _ => None,
    });
    found.unwrap_or_else(|| panic!("no stage {of} in {events:?}"))
}

pub fn finished(events: &[Event]) -> bool {
    matches!(events.last(), Some(Event::JobFinished { .. }))
}

/// The default model's first stages, few steps.
pub fn request(steps: &[(u32, u32)]) -> GenerateRequest {
    let mut request = GenerateRequest::new("a red apple");
    request.seed = 7;
    request.until = steps.last().map(|s| s.0);
    for &(size, n) in steps {
        request.stages.insert(size, StageOverrides { steps: Some(Steps::Count(n)), ..StageOverrides::default() });
    }
    request
}

pub fn cpu() -> EngineHandle {
    start(DeviceChoice::Cpu)
}

pub fn gpu() -> EngineHandle {
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

pub fn mean_difference(a: &RgbImage, b: &RgbImage) -> f64 {
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

#[test]
fn a_candidate_made_again_alone_is_the_same_picture() {
    let engine = cpu();
    let four = GenerateRequest { count: 4, ..request(&[(64, 3)]) };
    let all = pictures(&run(&engine, 1, four.clone()), 64);
    let third = GenerateRequest { count: 1, first_candidate: 2, ..four };
    assert_eq!(pictures(&run(&engine, 2, third.clone()), 64), all[2..3]);
    let from = |images: &[RgbImage]| Some(StageInput { size: 64, images: images.to_vec() });
    let enlarged = GenerateRequest { count: 3, from: from(&all[..3]), ..request(&[(64, 3), (256, 1)]) };
    let large = pictures(&run(&engine, 3, enlarged.clone()), 256);
    let alone = GenerateRequest { count: 1, first_candidate: 2, from: from(&all[2..3]), ..enlarged };
    assert_eq!(pictures(&run(&engine, 4, alone), 256), large[2..]);
}

fn reports(events: &[Event]) -> Vec<&StepReport> {
    let reports = events.iter().map(|event| if let Event::StepFinished { report, .. } = event { Some(report) } else { None });
    reports.flatten().collect()
}

#[test]
fn histograms_come_with_every_step_where_they_are_asked_for() {
    let engine = cpu();
    let asked = GenerateRequest { histograms: true, count: 2, ..request(&[(64, 2)]) };
    let events = run(&engine, 1, asked);
    assert_eq!(reports(&events).len(), 2);
    for report in reports(&events) {
        assert_eq!(report.histograms.len(), 2, "one a picture");
        for (histogram, s) in report.histograms.iter().zip(&report.s) {
            assert_eq!((histogram.counts.len(), histogram.counts.iter().sum::<u32>()), (64, 3 * 64 * 64));
            assert!(*s <= histogram.upper.max(1.0), "s {s} is a quantile of what reaches {}", histogram.upper);
        }
    }
    assert!(reports(&run(&engine, 2, request(&[(64, 1)]))).iter().all(|report| report.histograms.is_empty()));
}

fn memory(events: &[Event]) -> Vec<(u64, Option<u64>)> {
    let memory = |event: &Event| {
        if let Event::Memory { model_bytes, used_bytes } = event { Some((*model_bytes, *used_bytes)) } else { None }
    };
    events.iter().filter_map(memory).collect()
}

#[test]
fn memory_is_told_as_parts_come_and_go() {
    for (engine, counted) in [(cpu(), false), (gpu(), true)] {
        let told = memory(&run(&engine, 1, request(&[(64, 1)])));
        let [_, text, network, end] = told[..] else { panic!("opened, two parts loaded, one stage run: {told:?}") };
        assert!(0 < text.0 && text.0 < network.0 && network.0 == end.0, "{told:?}");
        assert!(told.iter().all(|(_, used)| used.is_some() == counted), "{told:?}");
        if let Some(used) = network.1 {
            assert!(used >= network.0, "the weights are on the device: {told:?}");
        }
        engine.commands.send(Command::Unload).expect("the engine lives");
        let after = engine.events.recv_timeout(LONG).expect("the engine answers");
        assert!(matches!(after, Event::Memory { model_bytes: 0, used_bytes } if used_bytes < network.1 || !counted), "{after:?}");
    }
}
