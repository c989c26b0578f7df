//! The window itself: carries events and effects between the state and the outside, and lays the panels out.

use std::time::{Duration, Instant};

use eframe::{CreationContext, NativeOptions};
use egui::{Context, Key, Modifiers, ViewportBuilder, ViewportCommand};
use imagen_protocol::EngineError;

use super::action::{Action, Effect, Question, View};
use super::io::{Io, IoTask};
use super::link::EngineLink;
use super::panels;
use super::ports::Ports;
use super::prefs::{self, Place, Prefs, ThemeChoice};
use super::state::State;
use super::textures::{self, Textures};
use super::theme;
use crate::error::AppError;

/// How long changes wait before the settings file is written.
const SAVE_AFTER: Duration = Duration::from_secs(2);

/// Everything behind the window.
#[derive(Debug)]
pub struct Window {
    pub state: State,
    pub textures: Textures,
    ports: Ports,
    engine: Option<EngineLink>,
    io: Io,
    opened: Instant,
    /// Where it is set, the window's time stands still here: for tests that look at pictures.
    pub frozen_at: Option<f64>,
    /// Of the engine, so far.
    pub events_taken: u64,
    saved: Prefs,
    changed_at: Option<Instant>,
    title: String,
    /// Theme and scale as they were applied.
    look: Option<(ThemeChoice, f32)>,
}

/// Opens the window and stays until it is closed.
///
/// # Errors
/// No display, or no adapter that can draw a window.
pub fn run(ports: Ports) -> Result<(), AppError> {
    let place = prefs::load_place(&ports.folders.config);
    let mut viewport =
        ViewportBuilder::default().with_app_id("imagen-wgpu").with_title("imagen").with_min_inner_size([1024.0, 640.0]);
    viewport = viewport.with_inner_size(place.map_or([1440.0, 900.0], |p| p.size));
    if let Some(position) = place.and_then(|p| p.position) {
        viewport = viewport.with_position(position);
    }
    viewport = viewport.with_maximized(place.is_some_and(|p| p.maximized));
    let options = NativeOptions { viewport, renderer: eframe::Renderer::Wgpu, ..NativeOptions::default() };
    let create = move |cc: &CreationContext<'_>| -> Result<Box<dyn eframe::App>, Box<dyn std::error::Error + Send + Sync>> {
        Ok(Box::new(Window::new(&cc.egui_ctx, ports)))
    };
    eframe::run_native("imagen", options, Box::new(create)).map_err(|e| no_window(&e))
}

fn no_window(error: &eframe::Error) -> AppError {
    EngineError::Device {
        problem: format!("no window could be opened: {error}"),
        remedy: "start it in a graphical session, or use the command line, as in `imagen generate \"a red apple\"`".into(),
    }
    .into()
}

impl Window {
    pub fn new(ctx: &Context, ports: Ports) -> Self {
        theme::install(ctx);
        let loaded = prefs::load(&ports.folders.config);
        let saved = loaded.prefs.clone();
        let (state, effects) = State::new(ports.folders.clone(), loaded);
        let waker = ctx.clone();
        let io = Io::start(&ports, move || waker.request_repaint());
        let textures = Textures::default();
        let mut window = Self {
            state,
            textures,
            ports,
            engine: None,
            io,
            opened: Instant::now(),
            frozen_at: None,
            events_taken: 0,
            saved,
            changed_at: None,
            title: String::new(),
            look: None,
        };
        // The keys for it are ours, so that the scale is kept.
        ctx.options_mut(|o| o.zoom_with_keyboard = false);
        window.look(ctx);
        window.carry_out(ctx, effects);
        window
    }

    /// Takes in what happened since the last frame.
    pub fn logic(&mut self, ctx: &Context) {
        let mut effects = self.state.tick(self.frozen_at.unwrap_or_else(|| self.opened.elapsed().as_secs_f64()));
        if let Some(engine) = &self.engine {
            // The preview first: its picture belongs to a step whose event may end the stage.
            let (events, preview, gone) = (engine.events(), engine.preview(), engine.is_gone());
            if let Some(preview) = preview {
                self.state.preview(&preview);
            }
            for event in events {
                self.events_taken += 1;
                effects.extend(self.state.fold(event));
            }
            if gone {
                self.state.engine_gone();
                self.engine = None;
            }
        }
        for event in self.io.events() {
            effects.extend(self.state.fold_io(event));
        }
        self.carry_out(ctx, effects);
        self.hold_open(ctx);
        self.look(ctx);
        self.keep(ctx);
        self.set_title(ctx);
        if let Some(seconds) = self.state.next_note_goes() {
            ctx.request_repaint_after(Duration::from_secs_f64(seconds.max(0.01)));
        }
        if self.state.is_busy() {
            // Seconds count on between steps.
            ctx.request_repaint_after(Duration::from_millis(250));
        }
    }

    /// Draws everything, then does what was asked for.
    pub fn ui(&mut self, ui: &mut egui::Ui) {
        self.textures.begin_frame();
        let mut actions = shortcuts(ui.ctx(), &self.state);
        if ui.ctx().input_mut(|i| i.consume_key(Modifiers::COMMAND, Key::Q)) {
            ui.ctx().send_viewport_cmd(ViewportCommand::Close);
        }
        actions.extend(dropped(ui.ctx()));
        panels::show(ui, &mut self.state, &mut self.textures, &mut actions);
        let ctx = ui.ctx().clone();
        for action in actions {
            self.act(&ctx, action);
        }
    }

    /// Does what was asked for, as a panel asks.
    pub fn act(&mut self, ctx: &Context, action: Action) {
        let effects = self.state.apply(action);
        self.carry_out(ctx, effects);
    }

    /// Does what the state asked for.
    pub fn carry_out(&mut self, ctx: &Context, effects: Vec<Effect>) {
        for effect in effects {
            match effect {
                Effect::Send(command) => {
                    if !self.engine.as_ref().is_some_and(|e| e.send(command)) {
                        self.state.engine_gone();
                    }
                }
                Effect::CancelJob => self.engine.iter().for_each(EngineLink::cancel),
                Effect::StartEngine(device) => {
                    let waker = ctx.clone();
                    self.engine = Some(EngineLink::start(&self.ports, device, move || waker.request_repaint()));
                }
                Effect::Io(task) => self.ask_io(ctx, task),
                Effect::CopyImage(image) => ctx.copy_image(textures::color_image(&image)),
                Effect::CopyText(text) => ctx.copy_text(text),
                Effect::Close => ctx.send_viewport_cmd(ViewportCommand::Close),
            }
        }
    }

    /// What is not taken is answered at once, so that no picture and no wait is forgotten.
    fn ask_io(&mut self, ctx: &Context, task: IoTask) {
        if let Err(task) = self.io.send(task) {
            let problem = format!("{} is not possible now", task.name());
            let remedy = "wait a moment and try again, or start the program again".into();
            let effects = self.state.fold_io(task.failed(EngineError::Device { problem, remedy }));
            self.carry_out(ctx, effects);
        }
    }

    /// Pictures that are not saved hold the window open until the user has said that they may go.
    fn hold_open(&mut self, ctx: &Context) {
        let closing = ctx.input(|i| i.viewport().close_requested());
        if closing && !self.state.closing && !self.state.unsaved.is_empty() {
            ctx.send_viewport_cmd(ViewportCommand::CancelClose);
            self.state.apply(Action::Ask(Question::Close));
        }
    }

    /// Applies the theme and the scale where they changed.
    fn look(&mut self, ctx: &Context) {
        let now = (self.state.prefs.theme, self.state.prefs.scale);
        if self.look != Some(now) {
            theme::choose(ctx, now.0);
            ctx.set_zoom_factor(now.1);
            self.look = Some(now);
        }
    }

    /// Writes the settings a while after they changed.
    fn keep(&mut self, ctx: &Context) {
        self.state.prefs.place = place(ctx).or(self.state.prefs.place);
        let now = self.state.to_keep();
        if now == self.saved {
            self.changed_at = None;
            return;
        }
        let since = *self.changed_at.get_or_insert_with(Instant::now);
        if since.elapsed() < SAVE_AFTER {
            ctx.request_repaint_after(SAVE_AFTER);
            return;
        }
        self.ask_io(ctx, IoTask::SavePrefs(Box::new(now.clone())));
        self.saved = now;
    }

    fn set_title(&mut self, ctx: &Context) {
        let title = self.state.title();
        if title != self.title {
            ctx.send_viewport_cmd(ViewportCommand::Title(title.clone()));
            self.title = title;
        }
    }

    /// The last settings are written and what is being saved is finished; the engine is told to stop and not waited for.
    pub fn close(&mut self) {
        self.engine = None;
        let now = self.state.to_keep();
        if now != self.saved {
            // A thread that takes no task any more cannot write: there is nobody left to tell.
            let _ = self.io.send(IoTask::SavePrefs(Box::new(now)));
        }
        self.io.finish();
    }
}

impl eframe::App for Window {
    fn logic(&mut self, ctx: &Context, _frame: &mut eframe::Frame) {
        self.logic(ctx);
    }

    fn ui(&mut self, ui: &mut egui::Ui, _frame: &mut eframe::Frame) {
        self.ui(ui);
    }

    fn on_exit(&mut self) {
        self.close();
    }
}

fn place(ctx: &Context) -> Option<Place> {
    ctx.input(|i| {
        let viewport = i.viewport();
        let inner = viewport.inner_rect?;
        let position = viewport.outer_rect.map(|r| [r.min.x, r.min.y]);
        let maximized = viewport.maximized.unwrap_or(false);
        Some(Place { position, size: [inner.width(), inner.height()], maximized })
    })
}

/// Keys that work wherever the focus is.
fn shortcuts(ctx: &Context, state: &State) -> Vec<Action> {
    let pressed = |modifiers: Modifiers, key: Key| ctx.input_mut(|i| i.consume_key(modifiers, key));
    let mut actions = Vec::new();
    if state.question.is_some() {
        // Nothing else happens before it is answered; its own keys are the question's.
        return actions;
    }
    actions.extend(views_and_runs(ctx, state.prefs.view));
    if state.full.is_some() {
        if pressed(Modifiers::NONE, Key::Escape) {
            actions.push(Action::CloseFull);
        }
    // An open menu or list is what Escape closes first.
    } else if state.is_busy() && !egui::Popup::is_any_open(ctx) && pressed(Modifiers::NONE, Key::Escape) {
        actions.push(Action::Cancel);
    }
    actions.extend(scaled(ctx, state.prefs.scale));
    actions
}

/// Ctrl with 1 to 3 and Enter, in the order in which they were typed: a slow frame may bring both, and Enter is for the view that was
/// asked for before it.
fn views_and_runs(ctx: &Context, mut view: View) -> Vec<Action> {
    let mut actions = Vec::new();
    ctx.input_mut(|i| {
        i.events.retain(|event| {
            let egui::Event::Key { key, pressed: true, modifiers, .. } = event else { return true };
            if !modifiers.matches_logically(Modifiers::COMMAND) {
                return true;
            }
            let action = match key {
                Key::Num1 => Action::Show(View::Create),
                Key::Num2 => Action::Show(View::Compare),
                Key::Num3 => Action::Show(View::Gallery),
                Key::Enter if view == View::Compare => Action::RunCompare,
                Key::Enter => Action::Generate,
                _ => return true,
            };
            if let Action::Show(shown) = action {
                view = shown;
            }
            actions.push(action);
            false
        });
    });
    actions
}

/// Ctrl with plus, minus and 0.
fn scaled(ctx: &Context, scale: f32) -> Option<Action> {
    let pressed = |key: Key| ctx.input_mut(|i| i.consume_key(Modifiers::COMMAND, key));
    let step = theme::SCALE_STEP;
    if pressed(Key::Plus) || pressed(Key::Equals) {
        Some(Action::Scale(scale + step))
    } else if pressed(Key::Minus) {
        Some(Action::Scale(scale - step))
    } else {
        pressed(Key::Num0).then_some(Action::Scale(1.0))
    }
}

fn dropped(ctx: &Context) -> Option<Action> {
    let files: Vec<_> = ctx.input(|i| i.raw.dropped_files.iter().map(|f| f.path().to_owned()).collect());
    (!files.is_empty()).then_some(Action::Dropped(files))
}
