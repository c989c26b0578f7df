//! `bench_window`: what a frame of the window costs while pictures are being made, how soon a preview is on the screen, and what a
//! gallery of 1,000 pictures holds. Frames are laid out and tessellated, not painted: painting is the graphics card's (on this
//! project's CI a software rasteriser's, which would be all that one measures).

use std::collections::HashMap;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use egui::{Context, Event as Input, MouseWheelUnit, RawInput, Rect, Vec2, pos2};
use imagen_app::window::action::{Action, View};
use imagen_app::window::app::Window;
use imagen_app::window::ports::{Folders, Ports};
use imagen_app::window::state::EngineStatus;
use imagen_engine::runtime as engine;
use imagen_protocol::{Command, DeviceChoice, DeviceInfo, EngineSide, Event, Preview, RgbImage, StepReport, engine_channel};

/// Steps that the scripted engine takes at 1024 pixels: each sends an event and a preview.
const STEPS: u32 = 300;
/// Between two steps: as fast as a good card is.
const STEP: Duration = Duration::from_millis(20);
const GALLERY: usize = 1000;

fn main() {
    let home = tempfile::tempdir().expect("a folder");
    frames(home.path());
    beside_the_engine(&home.path().join("real"));
    gallery(home.path());
}

/// The window on an engine that this program scripts.
struct Bench {
    ctx: Context,
    window: Window,
    wakes: Arc<AtomicUsize>,
}

impl Bench {
    fn new(folder: &Path, start: impl Fn() -> imagen_protocol::EngineHandle + Send + Sync + 'static) -> Self {
        let ctx = Context::default();
        let wakes = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&wakes);
        ctx.set_request_repaint_callback(move |_| {
            counter.fetch_add(1, Ordering::Relaxed);
        });
        let ports = Ports {
            start: Arc::new(move |_| start()),
            inspect: Arc::new(engine::inspect),
            find_models: Arc::new(Vec::new),
            adapters: Arc::new(Vec::new),
            token_counter: Arc::new(engine::token_counter),
            folders: Folders { config: folder.join("config"), cache: folder.join("cache"), pictures: folder.join("pictures") },
        };
        let window = Window::new(&ctx, ports);
        Self { ctx, window, wakes }
    }

    /// One frame as eframe makes it, without the painting.
    fn frame(&mut self) -> Duration {
        self.frame_with(vec![])
    }

    /// A frame with the wheel turned over the middle of the window.
    fn scroll(&mut self, points: f32) -> Duration {
        let delta = Vec2::new(0.0, points);
        let unit = MouseWheelUnit::Point;
        let (phase, modifiers, source) = (egui::TouchPhase::Move, egui::Modifiers::NONE, egui::MouseWheelSource::Wheel);
        let wheel = Input::MouseWheel { unit, delta, phase, modifiers, source };
        self.frame_with(vec![Input::PointerMoved(pos2(600.0, 450.0)), wheel])
    }

    fn frame_with(&mut self, events: Vec<Input>) -> Duration {
        let screen_rect = Some(Rect::from_min_size(pos2(0.0, 0.0), Vec2::new(1440.0, 900.0)));
        let input = RawInput { screen_rect, events, ..RawInput::default() };
        let started = Instant::now();
        self.window.logic(&self.ctx);
        let mut output = self.ctx.run_ui(input, |ui| self.window.ui(ui));
        let meshes = self.ctx.tessellate(output.shapes, output.pixels_per_point);
        std::hint::black_box(meshes);
        output.textures_delta.clear();
        started.elapsed()
    }

    fn frames_until(&mut self, done: impl Fn(&Window) -> bool) {
        let started = Instant::now();
        while !done(&self.window) {
            assert!(started.elapsed() < Duration::from_secs(60), "the window does not come to it");
            self.frame();
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

fn frames(folder: &Path) {
    let (handle, side) = engine_channel();
    let handle = Mutex::new(Some(handle));
    let sent: Sent = Arc::default();
    let times = Arc::clone(&sent);
    std::thread::Builder::new().name("script".into()).spawn(move || script(&side, &times)).expect("a thread");
    let mut bench = Bench::new(folder, move || handle.lock().expect("unpoisoned").take().expect("started once"));
    bench.frames_until(|w| w.state.model().is_some());
    bench.window.state.draft.prompt = "a red apple".into();
    bench.window.act(&bench.ctx.clone(), Action::Generate);
    let (mut costs, mut latencies, mut last) = (Vec::new(), Vec::new(), 0);
    bench.frames_until(|w| w.state.is_busy());
    while bench.window.state.is_busy() {
        if bench.wakes.swap(0, Ordering::Relaxed) == 0 {
            std::thread::sleep(Duration::from_millis(1));
            continue;
        }
        costs.push(bench.frame());
        let shown = bench.window.state.create.picture(1024).map_or(0, |image| image.pixels().as_ptr() as usize);
        if shown != last {
            last = shown;
            latencies.extend(sent.lock().expect("unpoisoned").get(&shown).map(Instant::elapsed));
        }
    }
    println!("frames while 1024-pixel previews come every {} ms: {}", STEP.as_millis(), spread(&mut costs));
    println!("from a preview being there to its frame being laid out: {}", spread(&mut latencies));
}

/// A whole cascade on the CPU engine, which takes every core, and a window that draws every 16 ms beside it: what an input waits for.
fn beside_the_engine(folder: &Path) {
    let mut bench = Bench::new(folder, || engine::start(DeviceChoice::Cpu));
    bench.frames_until(|w| w.state.model().is_some() && matches!(w.state.engine, EngineStatus::Ready(_)));
    bench.window.state.draft.prompt = "a red apple".into();
    bench.window.act(&bench.ctx.clone(), Action::Generate);
    let mut answers = Vec::new();
    while bench.window.state.is_busy() {
        let asked = Instant::now();
        std::thread::sleep(Duration::from_millis(16));
        bench.frame();
        answers.push(asked.elapsed().saturating_sub(Duration::from_millis(16)));
    }
    println!("frames beside the CPU engine at work, late wake-ups included: {}", spread(&mut answers));
}

/// Answers a job with one stage of many quick steps.
fn script(side: &EngineSide, sent: &Sent) {
    side.events.send(Event::Ready { device: device() }).expect("the window listens");
    for command in side.commands.iter() {
        let Command::Generate { job, request } = command else { continue };
        let model = engine::inspect(None).expect("the default model");
        let stages = request.plan(&model.stages).expect("a valid request");
        let tell = |event| side.events.send(event).expect("the window listens");
        tell(Event::JobStarted { job, model: model.name, stages });
        tell(Event::StageStarted { job, size: 1024, steps: STEPS });
        for step in 1..=STEPS {
            std::thread::sleep(STEP);
            let image = noise(1024, step);
            sent.lock().expect("unpoisoned").insert(image.pixels().as_ptr() as usize, Instant::now());
            side.previews.put(Preview { job, size: 1024, step, first: 0, images: vec![image] });
            let (s, clipped) = (vec![1.5], vec![0.1]);
            let report = StepReport { size: 1024, step, steps: STEPS, seconds: 0.02, first: 0, s, clipped, histograms: vec![] };
            tell(Event::StepFinished { job, report });
        }
        tell(Event::JobFinished { job, seconds: 1.0 });
    }
}

fn gallery(folder: &Path) {
    let pictures = folder.join("pictures");
    std::fs::create_dir_all(&pictures).expect("a folder");
    for i in 0..GALLERY {
        let picture = noise(256, i as u32);
        let image = image::RgbImage::from_raw(256, 256, picture.pixels().to_vec()).expect("whole");
        image.save(pictures.join(format!("{i}.png"))).expect("saved");
    }
    let mut bench = Bench::new(folder, || engine_channel().0);
    bench.window.act(&bench.ctx.clone(), Action::Show(View::Create));
    bench.frame();
    let before = resident();
    let started = Instant::now();
    bench.frames_until(|w| w.state.gallery.entries().len() >= GALLERY);
    println!("{GALLERY} pictures listed after {:.2} s", started.elapsed().as_secs_f64());
    bench.window.act(&bench.ctx.clone(), Action::Show(View::Gallery));
    let mut costs = Vec::new();
    for _ in 0..600 {
        costs.push(bench.scroll(-120.0));
        std::thread::sleep(Duration::from_millis(5));
    }
    println!("frames while scrolling through them: {}", spread(&mut costs));
    println!("held by them, thumbnails included: {:.1} MB", resident().saturating_sub(before) as f64 / 1e6);
}

/// When each picture was sent, by the address of its pixels.
type Sent = Arc<Mutex<HashMap<usize, Instant>>>;

fn device() -> DeviceInfo {
    DeviceInfo { name: "a scripted engine".into(), is_cpu: true, max_binding_bytes: None }
}

/// Pixels that no two pictures share, so that nothing is cached by chance.
fn noise(side: u32, seed: u32) -> RgbImage {
    let mut state = seed.wrapping_mul(2_654_435_761) | 1;
    let pixels: Vec<u8> = (0..3 * side * side)
        .map(|_| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 24) as u8
        })
        .collect();
    RgbImage::new(side, side, pixels).expect("whole")
}

fn spread(times: &mut [Duration]) -> String {
    times.sort();
    let at =
        |share: f64| times.get(((times.len() as f64 - 1.0) * share) as usize).copied().unwrap_or_default().as_secs_f64() * 1e3;
    format!("median {:.2} ms, 95th percentile {:.2} ms, longest {:.2} ms ({} of them)", at(0.5), at(0.95), at(1.0), times.len())
}

/// Bytes that the process holds in memory; 0 where the system does not tell it this way.
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|l| l.strip_prefix("VmRSS:"));
    line.and_then(|l| l.trim().trim_end_matches("kB").trim().parse::<u64>().ok()).unwrap_or(0) * 1000
}
