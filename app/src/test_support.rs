//! What the tests share: a model that is only described, and an engine that answers with flat pictures.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use imagen_protocol::{
    Command, DeviceChoice, DeviceInfo, EngineError, EngineHandle, Event, FakeEngine, Footprint, GenerateRequest, JobId,
    ModelInfo, RgbImage, SamplerKind, StageInfo, StagePlan, StageSettings, StepReport, Steps, TextEncoderInfo, Threshold,
};

use crate::args::{self, GenerateArgs, Task};
use crate::error::AppError;
use crate::interrupt::Interrupt;
use crate::output::Output;
use crate::png::{FORMAT, PictureSettings};
use crate::runtime::Runtime;

/// Stage 64 thresholds dynamically with a cap of 1.5, the others statically; ten steps each.
pub fn stage(size: u32) -> StageInfo {
    let first = size == 64;
    let defaults = StageSettings {
        steps: Steps::Count(10),
        sampler: SamplerKind::Ddpm,
        eta: 0.0,
        guidance_weight: 4.0,
        threshold: if first { Threshold::Dynamic { percentile: 0.95, cap: Some(1.5) } } else { Threshold::Static },
        aug_level: (!first).then_some(0.1),
    };
    StageInfo {
        size,
        network: if first { "base" } else { "efficient" }.into(),
        parameters: 13_700_000,
        dtypes: vec!["f16".into()],
        file_bytes: 27_400_000,
        defaults,
        path: format!("stage-{size}.safetensors").into(),
        footprint: footprint(13_700_000),
    }
}

fn footprint(parameters: u64) -> Footprint {
    let matrices = parameters * 9 / 10;
    Footprint { parameters, matrices, largest: parameters / 20, block: None, activations: 10_000_000 }
}

pub fn model() -> ModelInfo {
    ModelInfo {
        path: "models/test".into(),
        name: "test".into(),
        family: "imagen".into(),
        description: "Three stages".into(),
        license: "Apache-2.0".into(),
        text_encoder: TextEncoderInfo {
            kind: "bert".into(),
            parameters: 22_700_000,
            dtypes: vec!["f32".into()],
            file_bytes: 90_900_000,
            max_tokens: 64,
            footprint: footprint(22_500_000),
        },
        stages: [64, 256, 1024].map(stage).into(),
        memory_bytes: 91 << 20,
        remarks: vec![],
    }
}

pub fn plans(sizes: &[u32]) -> Vec<StagePlan> {
    sizes.iter().map(|&size| StagePlan { size, steps: 10, settings: stage(size).defaults }).collect()
}

pub fn picture_settings(prompt: &str) -> PictureSettings {
    PictureSettings {
        format: FORMAT,
        app: "imagen-wgpu 0.1.0".into(),
        model: "test".into(),
        device: "CPU".into(),
        size: 64,
        candidate: 1,
        request: GenerateRequest::new(prompt),
        stages: plans(&[64]),
    }
}

/// A step of one picture at 64 pixels: s 1.5, a quarter clipped, half a second.
pub fn report(step: u32, steps: u32) -> StepReport {
    let (s, clipped) = (vec![1.5], vec![0.25]);
    StepReport { size: 64, step, steps, seconds: 0.5, first: 0, s, clipped, histograms: vec![] }
}

/// A square of one colour.
pub fn flat(side: u32, colour: [u8; 3]) -> RgbImage {
    let pixels: Vec<u8> = (0..side * side).flat_map(|_| colour).collect();
    RgbImage::new(side, side, pixels).expect("a square")
}

/// The arguments of `imagen generate ...`.
pub fn generate_args(line: &[&str]) -> GenerateArgs {
    match task("generate", line) {
        Task::Generate(args) => *args,
        other => panic!("{other:?}"),
    }
}

pub fn task(name: &str, line: &[&str]) -> Task {
    let words = ["imagen", name].into_iter().chain(line.iter().copied()).map(OsString::from);
    args::read(words).expect("it parses").expect("a task")
}

/// What candidate `index` of a job looks like in the answers of [`answer`].
pub fn colour(request: &GenerateRequest, index: u32) -> [u8; 3] {
    [u8::try_from(request.seed % 256).expect("below 256"), u8::try_from(index).expect("small"), 200]
}

/// What an engine tells of a job that goes well.
pub fn answer(job: JobId, request: &GenerateRequest) -> Vec<Event> {
    let stages = request.plan(&model().stages).expect("a valid request");
    let device = DeviceInfo { name: "Test device".into(), is_cpu: true, max_binding_bytes: None };
    let mut events = vec![Event::Ready { device }, Event::JobStarted { job, model: "test".into(), stages: stages.clone() }];
    for StagePlan { size, steps, .. } in stages {
        let pictures = u32::try_from(request.pictures()).expect("at most 64");
        let images = |side: u32| (0..pictures).map(|i| flat(side, colour(request, i))).collect::<Vec<_>>();
        let many = vec![1.25; request.pictures()];
        events.push(Event::StageStarted { job, size, steps });
        for step in 1..=steps {
            let report = StepReport {
                size,
                step,
                steps,
                seconds: 0.5,
                first: 0,
                s: many.clone(),
                clipped: vec![0.5; many.len()],
                histograms: vec![],
            };
            events.push(Event::StepFinished { job, report });
            if request.every_step {
                events.push(Event::StepImages { job, size, step, first: 0, images: images(size) });
            }
        }
        events.push(Event::StageFinished { job, size, seconds: 5.0, images: images(size) });
    }
    events.push(Event::JobFinished { job, seconds: 6.0 });
    events
}

/// The answers of an engine that works.
pub fn obliging(command: &Command) -> Vec<Event> {
    match command {
        Command::Generate { job, request } => answer(*job, request),
        _ => vec![],
    }
}

/// How a run ended, what it printed, and what the engine was told.
pub struct Ran {
    pub result: Result<(), AppError>,
    pub out: String,
    pub err: String,
    pub commands: Vec<Command>,
}

/// Runs a task on an engine of that script.
pub fn run(task: Task, script: impl Fn(&Command) -> Vec<Event> + Clone + Send + 'static) -> Ran {
    let engines = std::cell::RefCell::new(Vec::new());
    let start = |_: DeviceChoice| -> EngineHandle {
        let (handle, engine) = FakeEngine::start(script.clone());
        engines.borrow_mut().push(engine);
        handle
    };
    let inspect = |path: Option<&Path>| match path {
        Some(path) if path.ends_with("missing") => Err(EngineError::Model {
            path: path.to_owned(),
            problem: "is not there".into(),
            remedy: "give a model's folder".into(),
        }),
        _ => Ok(model()),
    };
    let find_models = || vec![PathBuf::from("models/test"), PathBuf::from("models/missing")];
    let runtime = Runtime { start: &start, inspect: &inspect, find_models: &find_models, adapters: &Vec::new };
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let mut output = Output { out: &mut out, err: &mut err, terminal: false };
    let result = crate::run(task, runtime, &mut output, Interrupt::default());
    let commands = engines.into_inner().into_iter().flat_map(FakeEngine::commands).collect();
    let text = |bytes| String::from_utf8(bytes).expect("UTF-8");
    Ran { result, out: text(out), err: text(err), commands }
}
