//! The engine thread: it alone owns the device, the models and the queue.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::time::Instant;

use imagen_protocol::{
    Command, DeviceChoice, EngineError, EngineHandle, EngineSide, Event, GenerateRequest, JobId, ModelInfo, Notice, Weights,
    engine_channel,
};

use super::cascade::Job;
use super::error::Stop;
use super::model::Model;
use super::resident::Resident;
use super::{OpenDevice, open_device};

/// Starts the engine thread. It answers [`Event::Ready`] or [`Event::Unavailable`] first.
pub fn start(choice: DeviceChoice) -> EngineHandle {
    start_with(move || open_device(choice))
}

/// The same on a device that is open already.
pub fn start_on(device: OpenDevice) -> EngineHandle {
    start_with(|| Ok(device))
}

fn start_with(open: impl FnOnce() -> Result<OpenDevice, EngineError> + Send + 'static) -> EngineHandle {
    let (handle, side) = engine_channel();
    let events = side.events.clone();
    let spawned = std::thread::Builder::new().name("engine".into()).stack_size(16 << 20).spawn(move || Worker::run(open, &side));
    if let Err(error) = spawned {
        let problem = format!("the engine thread did not start: {error}");
        let error = EngineError::Device { problem, remedy: "close other programs and try again".into() };
        // The channel is empty and both of its ends are here.
        let _ = events.send(Event::Unavailable { error });
    }
    handle
}

/// Reads a model's descriptions and headers; loads nothing.
///
/// # Errors
/// [`EngineError::Model`].
pub fn inspect(path: Option<&Path>) -> Result<ModelInfo, EngineError> {
    Model::open(path)?.info()
}

/// Tokens of a text, and how many of them the text encoder reads.
pub type TokenCounter = Box<dyn Fn(&str) -> (usize, usize) + Send>;

/// The tokenizer of a model's first text encoder; its weights are not touched.
///
/// # Errors
/// [`EngineError::Model`].
pub fn token_counter(path: Option<&Path>) -> Result<TokenCounter, EngineError> {
    let part = Model::open(path)?.texts.into_iter().next();
    let part = part.ok_or_else(|| EngineError::Internal { message: "a model without a text encoder was opened".into() })?;
    let max_tokens = part.encoder.max_tokens();
    let count = move |text: &str| part.encoder.tokenize(&[part.style.apply(text)]).ok()?.counts.first().copied();
    Ok(Box::new(move |text| (count(text).unwrap_or(0), max_tokens)))
}

/// The model of the last job, and what its headers say.
struct OpenModel {
    asked: Option<PathBuf>,
    /// As what its weights are loaded.
    weights: Weights,
    model: Model,
    info: ModelInfo,
}

struct Worker<'a> {
    device: OpenDevice,
    side: &'a EngineSide,
    model: Option<OpenModel>,
    resident: Resident,
}

impl<'a> Worker<'a> {
    fn run(open: impl FnOnce() -> Result<OpenDevice, EngineError>, side: &'a EngineSide) {
        let device = match catch(open) {
            Ok(device) => device,
            Err(error) => {
                let _ = side.events.send(Event::Unavailable { error });
                return;
            }
        };
        let mut worker = Worker { device, side, model: None, resident: Resident::default() };
        worker.send(Event::Ready { device: worker.device.info.clone() });
        if worker.device.remark.is_some() {
            let notice = Notice::Device { device: worker.device.info.clone(), remark: worker.device.remark.clone() };
            worker.send(Event::Notice { notice });
        }
        for command in side.commands.iter() {
            match command {
                Command::Generate { job, request } => worker.generate(job, &request),
                Command::Inspect { model } => {
                    let result = Box::new(catch(|| inspect(model.as_deref())));
                    worker.send(Event::ModelInspected { result });
                }
                Command::Unload => worker.tidy(Self::unload),
                Command::Shutdown => break,
            }
        }
    }

    fn send(&self, event: Event) {
        // The app may be gone already; the loop over its commands ends then.
        let _ = self.side.events.send(event);
    }

    /// `free`, whose panic means that there is nothing to free: a lost device may fail even there.
    fn tidy(&mut self, free: impl FnOnce(&mut Self)) {
        let freed = catch(|| {
            free(self);
            Ok::<_, EngineError>(())
        });
        drop(freed);
    }

    fn unload(&mut self) {
        self.model = None;
        self.resident = Resident::default();
        self.free();
    }

    /// Gives the device's idle memory back, and says what is left.
    fn free(&mut self) {
        self.device.device.memory_cleanup();
        self.send(self.resident.memory(&self.device));
    }

    /// A job, with a boundary that no panic crosses: whatever happened to the models then, they are loaded again.
    fn generate(&mut self, job: JobId, request: &GenerateRequest) {
        self.side.cancel.clear();
        let started = Instant::now();
        let result = catch(AssertUnwindSafe(|| self.try_generate(job, request)));
        let event = match result {
            Ok(()) => Event::JobFinished { job, seconds: started.elapsed().as_secs_f64() },
            Err(Stop::Cancelled) => {
                self.tidy(Self::free);
                Event::JobCancelled { job }
            }
            Err(Stop::Failed(error)) => {
                // However the loss showed: failed reads, numbers that were never written, a panic.
                let error = self.device.lost().unwrap_or(error);
                self.tidy(Self::unload);
                Event::JobFailed { job, error }
            }
        };
        self.send(event);
    }

    fn try_generate(&mut self, id: JobId, request: &GenerateRequest) -> Result<(), Stop> {
        request.validate()?;
        let kept = self.model.take().filter(|open| open.asked == request.model && open.weights == request.weights);
        let OpenModel { model, info, .. } = match kept {
            Some(open) => self.model.insert(open),
            None => {
                self.unload();
                self.model.insert(OpenModel::open(request, self.side)?)
            }
        };
        let job = Job { id, request, model, info, device: &self.device, side: self.side };
        job.run(&mut self.resident)
    }
}

impl OpenModel {
    /// Opens a model and tells its licence.
    fn open(request: &GenerateRequest, side: &EngineSide) -> Result<Self, EngineError> {
        let (asked, weights) = (request.model.clone(), request.weights);
        let model = Model::open(asked.as_deref())?;
        let notice = Notice::License { model: model.name.clone(), license: model.license.clone() };
        // As in `Worker::send`.
        let _ = side.events.send(Event::Notice { notice });
        let info = model.info()?;
        Ok(Self { asked, weights, model, info })
    }
}

/// `work`'s result; a panic becomes an error.
fn catch<T, E: From<EngineError>>(work: impl FnOnce() -> Result<T, E>) -> Result<T, E> {
    let panicked = |panic: Box<dyn Any + Send>| EngineError::Internal { message: message(panic.as_ref()) };
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|panic| Err(panicked(panic).into()))
}

fn message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str).or_else(|| panic.downcast_ref::<&str>().copied());
    text.unwrap_or("a panic without a message").lines().next().unwrap_or_default().to_owned()
}
