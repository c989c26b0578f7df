//! A window without a screen, and an engine, model and folders that a test holds in its hands.

// Each view's tests use their share of this.
#![allow(dead_code)]

// Shared with the crate's own tests, which integration tests cannot see.
#[path = "../../src/test_support/described.rs"]
mod described;

use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use egui_kittest::kittest::Queryable;
use egui_kittest::{Harness, SnapshotOptions};
use imagen_app::window::app::Window;
use imagen_app::window::ports::{Folders, Ports, TokenCounter};
use imagen_app::window::prefs::{self, Prefs, ThemeChoice};
use imagen_app::window::state::State;
use imagen_protocol::{
    Adapter, AdapterKind, Command, DeviceChoice, DeviceInfo, EngineError, EngineSide, Event, GenerateRequest, JobId, ModelInfo,
    Preview, RgbImage, StageInfo, StagePlan, StepReport, TextEncoderInfo, Threshold, engine_channel,
};

/// What a test waits for comes sooner.
const PATIENCE: Duration = Duration::from_secs(20);

/// What the window opens with.
pub struct Setup {
    pub size: [f32; 2],
    pub pixels_per_point: f32,
    pub prefs: Prefs,
}

impl Default for Setup {
    fn default() -> Self {
        let prefs = Prefs { theme: ThemeChoice::Dark, ..Prefs::default() };
        Self { size: [1440.0, 900.0], pixels_per_point: 1.0, prefs }
    }
}

/// An open window and the other end of its engine.
pub struct Bench {
    pub app: Harness<'static, Window>,
    /// The engine that was started last.
    pub engine: EngineSide,
    pub device: DeviceChoice,
    /// Settings, thumbnails and pictures lie below it.
    pub folder: tempfile::TempDir,
    engines: Receiver<(DeviceChoice, EngineSide)>,
    sent: u64,
}

impl Bench {
    /// 1440 x 900, dark, the test's model, an engine that is ready.
    pub fn open() -> Self {
        let mut bench = Self::with(Setup::default());
        bench.ready();
        bench
    }

    /// The engine has not said anything yet.
    pub fn with(setup: Setup) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let (started, engines) = sync_channel(16);
        let ports = ports(folder.path(), started);
        prefs::save(&ports.folders.config, &setup.prefs).expect("the settings are written");
        let builder = Harness::builder().with_size(setup.size).with_pixels_per_point(setup.pixels_per_point);
        let builder = builder.with_options(SnapshotOptions::new().output_path(snapshots())).with_max_steps(8).wgpu();
        // Two clicks of a test are a double click.
        let light = setup.prefs.theme == ThemeChoice::Light;
        let builder = builder.with_step_dt(0.02).with_theme(if light { egui::Theme::Light } else { egui::Theme::Dark });
        let app = builder.build_eframe(|cc| {
            cc.egui_ctx.all_styles_mut(|style| style.animation_time = 0.0);
            let mut window = Window::new(&cc.egui_ctx, ports);
            window.frozen_at = Some(0.0);
            window
        });
        let (device, engine) = engines.recv_timeout(PATIENCE).expect("the window starts an engine");
        let mut bench = Self { app, engine, device, folder, engines, sent: 0 };
        bench.until("the model is known", |s| s.models.info.contains_key(&s.draft.model) && !s.adapters.is_empty());
        bench.until("the folder is read", |s| !s.gallery.scanning && s.tokens.is_some());
        bench
    }

    /// The engine says that it runs.
    pub fn ready(&mut self) {
        let device = DeviceInfo { name: "Test adapter (Vulkan)".into(), is_cpu: false, max_binding_bytes: Some(1 << 31) };
        self.send([Event::Ready { device }]);
    }

    /// Takes the engine that the window started instead of the last one.
    pub fn next_engine(&mut self) {
        (self.device, self.engine) = self.engines.recv_timeout(PATIENCE).expect("another engine");
    }

    pub fn state(&self) -> &State {
        &self.app.state().state
    }

    pub fn state_mut(&mut self) -> &mut State {
        &mut self.app.state_mut().state
    }

    /// Frames until what was said and clicked has had its effect.
    pub fn settle(&mut self) {
        self.app.run_steps(4);
    }

    /// Frames until the state is so.
    pub fn until(&mut self, what: &str, so: impl Fn(&State) -> bool) {
        let start = Instant::now();
        while !so(self.state()) {
            assert!(start.elapsed() < PATIENCE, "never: {what}");
            std::thread::sleep(Duration::from_millis(2));
            self.app.step();
        }
        self.settle();
    }

    /// The engine says this, and the window has heard it.
    pub fn send(&mut self, events: impl IntoIterator<Item = Event>) {
        for event in events {
            self.engine.events.send(event).expect("the window listens");
            self.sent += 1;
        }
        let start = Instant::now();
        while self.app.state().events_taken < self.sent {
            assert!(start.elapsed() < PATIENCE, "the window does not listen");
            std::thread::sleep(Duration::from_millis(1));
            self.app.step();
        }
        self.settle();
    }

    /// The engine shows x0_hat.
    pub fn preview(&mut self, preview: Preview) {
        self.engine.previews.put(preview);
        self.settle();
    }

    /// What the window says to the engine next; `None` where it has said nothing.
    pub fn command(&mut self) -> Option<Command> {
        self.settle();
        self.engine.commands.try_recv().ok()
    }

    /// The job that the window has asked for.
    pub fn job(&mut self) -> (JobId, GenerateRequest) {
        match self.command() {
            Some(Command::Generate { job, request }) => (job, *request),
            other => panic!("{other:?} instead of a job"),
        }
    }

    /// Clicks the only control of that name.
    pub fn click(&mut self, name: &str) {
        self.app.get_by_label(name).click();
        self.settle();
    }

    /// Whether something of that name is there.
    pub fn sees(&self, name: &str) -> bool {
        self.app.query_all_by_label(name).next().is_some()
    }

    /// Whether something is there whose name or text contains this.
    pub fn reads(&self, text: &str) -> bool {
        self.app.query_all_by_label_contains(text).next().is_some() || self.app.query_all_by_value(text).next().is_some()
    }

    /// Clicks the only control of that name, and answers with the text that goes to the clipboard.
    pub fn click_to_copy(&mut self, name: &str) -> Option<String> {
        self.app.get_by_label(name).click();
        (0..8).find_map(|_| {
            self.app.step();
            let commands = &self.app.output().platform_output.commands;
            commands.iter().find_map(|c| if let egui::OutputCommand::CopyText(text) = c { Some(text.clone()) } else { None })
        })
    }

    /// Presses a key with modifiers.
    pub fn press(&mut self, modifiers: egui::Modifiers, key: egui::Key) {
        self.app.key_press_modifiers(modifiers, key);
        self.settle();
    }

    /// Compares the window with `app/tests/snapshots/NAME.png`, and looks for controls without a name.
    pub fn snapshot(&mut self, name: &str) {
        self.app.remove_cursor();
        self.settle();
        self.app.snapshot(name);
    }

    /// The engine takes the job that the window asked for.
    pub fn start_job(&mut self) -> (JobId, GenerateRequest) {
        let (job, request) = self.job();
        let stages = request.plan(&model().stages).expect("a request that can be run");
        self.send([Event::JobStarted { job, model: "imagen-small".into(), stages }]);
        (job, request)
    }

    /// Steps 1..=`done` of `steps` of a stage of a job with `pictures` pictures, and its x0_hat.
    pub fn run_steps(&mut self, job: JobId, size: u32, pictures: u32, done: u32, steps: u32) {
        self.send([Event::StageStarted { job, size, steps }]);
        self.send((1..=done).map(|step| Event::StepFinished { job, report: report(size, step, steps, pictures) }));
        let images = (0..pictures).map(|i| painting(size, i, 1.0 - done as f32 / steps as f32)).collect();
        self.preview(Preview { job, size, step: done, first: 0, images });
    }

    /// A stage from its beginning to its end.
    pub fn run_stage(&mut self, job: JobId, size: u32, pictures: u32, steps: u32) {
        self.run_steps(job, size, pictures, steps, steps);
        let images = (0..pictures).map(|i| painting(size, i, 0.0)).collect();
        self.send([Event::StageFinished { job, size, seconds: 0.5 * f64::from(steps), images }]);
    }
}

/// What the engine says of a step.
pub fn report(size: u32, step: u32, steps: u32, pictures: u32) -> StepReport {
    let s = (0..pictures).map(|i| 1.0 + 0.02 * (steps - step) as f32 + 0.1 * i as f32).collect();
    let clipped = vec![0.005; pictures as usize];
    StepReport { size, step, steps, seconds: 0.5, first: 0, s, clipped, histograms: vec![] }
}

/// A disc on a coloured ground, another for each `which`, under noise of that strength.
pub fn painting(side: u32, which: u32, noise: f32) -> RgbImage {
    let ground = [[188, 206, 224], [222, 206, 180], [190, 216, 190], [214, 196, 214]][which as usize % 4];
    let disc = [[196, 40, 44], [226, 150, 32], [40, 116, 70], [70, 70, 170]][which as usize % 4];
    let mut random = 0x9E37_79B9_u32 ^ which;
    let mut pixels = Vec::with_capacity((3 * side * side) as usize);
    for y in 0..side {
        for x in 0..side {
            let place = |v: u32| (v as f32 + 0.5) / side as f32 - 0.5;
            let (dx, dy) = (place(x), place(y) - 0.06);
            let inside = dx * dx + dy * dy < 0.09;
            let light = 1.0 - 0.8 * (dx + 0.1).hypot(dy + 0.1);
            for (c, &g) in ground.iter().enumerate() {
                random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                let base = if inside { disc[c] as f32 * (0.5 + light * 0.6) } else { g as f32 };
                let grain = (random >> 24) as f32;
                pixels.push((base + noise * (grain - base)) as u8);
            }
        }
    }
    RgbImage::new(side, side, pixels).expect("a square")
}

pub fn stage(size: u32) -> StageInfo {
    described::stage(size, if size == 64 { 30 } else { 15 }, 5.0, Threshold::PAPER)
}

/// What the folder that is asked for holds: three stages; below a folder named `missing` there is none.
pub fn model() -> ModelInfo {
    let model = described::model("imagen-small", stage);
    let dtypes = vec!["f16".into()];
    let text_encoder = TextEncoderInfo {
        kind: "t5".into(),
        parameters: 35_300_000,
        dtypes,
        file_bytes: 70_600_000,
        max_tokens: 64,
        footprint: described::footprint(35_300_000),
    };
    ModelInfo { text_encoder, ..model }
}

pub fn plans() -> Vec<StagePlan> {
    GenerateRequest::new("x").plan(&model().stages).expect("valid")
}

fn adapter(index: usize, name: &str, kind: AdapterKind, unusable: Option<&str>) -> Adapter {
    Adapter {
        index,
        name: name.into(),
        api: "Vulkan".into(),
        kind,
        driver: "test".into(),
        max_binding_bytes: 1 << 31,
        max_buffer_bytes: 1 << 31,
        workgroup_memory_bytes: 32768,
        max_invocations: 1024,
        shader_f16: true,
        subgroups: true,
        cooperative_matrix: false,
        unusable: unusable.map(Into::into),
    }
}

fn adapters() -> Vec<Adapter> {
    vec![
        adapter(0, "Test adapter", AdapterKind::Discrete, None),
        adapter(1, "Old adapter", AdapterKind::Integrated, Some("no compute shaders; update its driver")),
    ]
}

fn inspect(path: Option<&Path>) -> Result<ModelInfo, EngineError> {
    let Some(path) = path else { return Ok(model()) };
    let name = path.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
    described::missing(path).map_or_else(|| Ok(ModelInfo { path: path.to_owned(), name, ..model() }), Err)
}

/// Words stand for tokens.
fn counter(_: Option<&Path>) -> Result<TokenCounter, EngineError> {
    Ok(Box::new(|text| (text.split_whitespace().count(), 64)))
}

fn ports(folder: &Path, started: SyncSender<(DeviceChoice, EngineSide)>) -> Ports {
    let started = Mutex::new(started);
    let start = move |device| {
        let (handle, side) = engine_channel();
        started.lock().expect("not poisoned").send((device, side)).expect("the test holds its end");
        handle
    };
    let below = |name: &str| folder.join(name);
    Ports {
        start: Arc::new(start),
        inspect: Arc::new(inspect),
        find_models: Arc::new(|| vec![PathBuf::from("models/other"), PathBuf::from("models/missing")]),
        adapters: Arc::new(adapters),
        token_counter: Arc::new(counter),
        folders: Folders { config: below("config"), cache: below("cache"), pictures: below("pictures") },
    }
}

/// `app/tests/snapshots`, from whichever folder the tests run. This file's name is absolute, or relative to the workspace, whose `app` has the manifest.
fn snapshots() -> PathBuf {
    let here = Path::new(file!());
    let tests = if here.is_absolute() {
        here.ancestors().nth(2).map(Path::to_owned).unwrap_or_default()
    } else {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("tests")
    };
    tests.join("snapshots")
}
