//! `bench_cascade [auto|cpu|gpu:N]`: the default model from prompt to 1024 pixels: time to the first preview, steps a second of each stage,
//! peak memory of the process.

use std::time::{Duration, Instant};

use imagen_engine::runtime::start;
use imagen_protocol::{Command, DeviceChoice, Event, GenerateRequest, JobId};

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
    println!("peak memory of the process: {}", peak_memory());
}

fn run(engine: &imagen_protocol::EngineHandle, job: JobId, request: GenerateRequest) {
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

/// Linux tells it; elsewhere the system's own tools do.
fn peak_memory() -> String {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|l| l.strip_prefix("VmHWM:"));
    line.map_or_else(|| "not told by this system".into(), |l| l.trim().to_owned())
}
