//! `bench_cascade [auto|cpu|gpu:N]`: the default model from prompt to 1024 pixels: time to the first preview, steps a second of each stage,
//! peak memory of the process. Then three columns of a comparison at each stage: a job each, and together in one batch.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use imagen_engine::runtime::start;
use imagen_protocol::{Command, DeviceChoice, EngineHandle, Event, GenerateRequest, JobId, StageOverrides, Threshold};

fn main() {
    let choice = match std::env::args().nth(1).as_deref() {
        None | Some("auto") => DeviceChoice::Auto,
        Some("cpu") => DeviceChoice::Cpu,
        Some(gpu) => DeviceChoice::Gpu(gpu.trim_start_matches("gpu:").parse().expect("auto, cpu or gpu:N")),
    };
    let engine = start(choice);
    // The first run loads and warms up, the second is what a person meets from then on.
    for (job, what) in [(1, "first run"), (2, "second run")] {
        let mut request = GenerateRequest::new(format!("a red apple{}", " ".repeat(job)));
        request.seed = 7;
        println!("{what}");
        run(&engine, JobId(job as u64), request);
    }
    println!("peak memory of the process: {} MiB", peak_memory() >> 20);
    // Twice, as machines have other work.
    for round in [1, 2] {
        println!("columns none, static, dynamic, round {round}");
        columns(&engine);
    }
}

const SIZES: [u32; 3] = [64, 256, 1024];

/// Each stage's seconds, and the peak of the process, one after the other and together.
fn columns(engine: &EngineHandle) {
    let column = |threshold: Threshold| -> BTreeMap<u32, StageOverrides> {
        SIZES.map(|size| (size, StageOverrides { threshold: Some(threshold), ..StageOverrides::default() })).into()
    };
    let columns = [Threshold::None, Threshold::Static, Threshold::PAPER].map(column);
    let job = |columns: &[_]| {
        let mut request = GenerateRequest::new("a red apple");
        request.columns = columns.to_vec();
        stages(engine, request)
    };
    reset_peak();
    let alone = columns.each_ref().map(|column| job(std::slice::from_ref(column)));
    let alone_peak = peak_memory();
    reset_peak();
    let (together, peak) = (job(&columns), peak_memory());
    for size in SIZES {
        let alone = alone.iter().filter_map(|seconds| seconds.get(&size)).sum::<f64>();
        let together = together.get(&size).copied().unwrap_or_default();
        println!("  {size:>4} pixels: {alone:.2} s one after the other, {together:.2} s together");
    }
    println!("  peak memory: {} MiB one after the other, {} MiB together", alone_peak >> 20, peak >> 20);
}

/// Seconds of each stage of a job.
fn stages(engine: &EngineHandle, request: GenerateRequest) -> BTreeMap<u32, f64> {
    engine.commands.send(Command::Generate { job: JobId(9), request: Box::new(request) }).expect("the engine lives");
    let mut all = BTreeMap::new();
    loop {
        match engine.events.recv_timeout(Duration::from_secs(600)).expect("the engine answers") {
            Event::JobFailed { error, .. } => panic!("{error}"),
            Event::StageFinished { size, seconds, .. } => _ = all.insert(size, seconds),
            Event::JobFinished { .. } => return all,
            _ => {}
        }
    }
}

/// The system's peak begins again at what is held now (Linux).
fn reset_peak() {
    let _ = std::fs::write("/proc/self/clear_refs", "5");
}

fn run(engine: &EngineHandle, job: JobId, request: GenerateRequest) {
    let started = Instant::now();
    let mut first_preview = None;
    engine.commands.send(Command::Generate { job, request: Box::new(request) }).expect("the engine lives");
    let (mut steps, mut sampling) = (0_u32, 0.0);
    loop {
        match engine.events.recv_timeout(Duration::from_secs(600)).expect("the engine answers") {
            Event::Ready { device } => println!("  device: {}", device.name),
            Event::Unavailable { error } | Event::JobFailed { error, .. } => panic!("{error}"),
            Event::StageStarted { .. } => (steps, sampling) = (0, 0.0),
            Event::StepFinished { report, .. } => {
                first_preview.get_or_insert_with(|| started.elapsed());
                steps += 1;
                sampling += report.seconds;
            }
            Event::StageFinished { size, seconds, .. } => {
                println!("  {size:>4} pixels: {:.2} steps a second, {seconds:.2} s", f64::from(steps) / sampling);
            }
            Event::JobFinished { seconds, .. } => {
                println!("  first preview after {:.2} s, all in {seconds:.2} s", first_preview.unwrap_or_default().as_secs_f64());
                return;
            }
            _ => {}
        }
    }
}

/// Bytes. Linux tells it; elsewhere it is 0, and the system's own tools tell.
fn peak_memory() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|l| l.strip_prefix("VmHWM:"));
    line.and_then(|l| l.split_whitespace().next()?.parse::<u64>().ok()).unwrap_or(0) << 10
}
