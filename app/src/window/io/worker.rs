//! The threads. Each kind of work has its own, so that a slow one (a thousand thumbnails, a dialog, a sleeping disk) never stands before
//! a save.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use imagen_protocol::EngineError;

use super::gallery::Scanner;
use super::thumbnails::Cache;
use super::{FolderFor, IoEvent, IoTask, files, gallery, models, reveal, sheet};
use crate::window::ports::Ports;

const TASKS: usize = 4096;
/// How long closing waits for a save that makes no progress.
const PATIENCE: Duration = Duration::from_secs(2);

/// Which thread does a task.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Lane {
    Writing,
    Reading,
    Scanning,
    Thumbnails,
    Models,
    Dialogs,
}

impl Lane {
    const ALL: [(Self, &str); 6] = [
        (Self::Writing, "saving"),
        (Self::Reading, "reading"),
        (Self::Scanning, "gallery"),
        (Self::Thumbnails, "thumbnails"),
        (Self::Models, "models"),
        (Self::Dialogs, "dialogs"),
    ];

    fn of(task: &IoTask) -> Self {
        match task {
            IoTask::SavePrefs(_) | IoTask::Save { .. } | IoTask::SaveTo { .. } | IoTask::SaveSheet { .. } => Self::Writing,
            IoTask::LoadInput { .. } | IoTask::Examine(_) | IoTask::ReadEntry(_) | IoTask::ReadWhole(_) | IoTask::Trash(_) => {
                Self::Reading
            }
            IoTask::ScanGallery(_) => Self::Scanning,
            IoTask::Thumbnail(_) => Self::Thumbnails,
            IoTask::Inspect(_) | IoTask::CountTokens { .. } | IoTask::FindModels(_) | IoTask::ListAdapters => Self::Models,
            IoTask::ChooseFolder(_) | IoTask::SaveAs { .. } | IoTask::Reveal(_) => Self::Dialogs,
        }
    }
}

/// The threads, what they are asked and what they answer.
#[derive(Debug)]
pub struct Io {
    lanes: Vec<(Lane, SyncSender<IoTask>)>,
    events: Option<Receiver<IoEvent>>,
    writer: Option<JoinHandle<()>>,
    /// Tasks that the writer has done.
    written: Arc<AtomicUsize>,
}

impl Io {
    /// `wake` is called after each event, from another thread.
    pub fn start(ports: &Ports, wake: impl Fn() + Clone + Send + 'static) -> Self {
        let (sender, events) = sync_channel(TASKS);
        let written = Arc::new(AtomicUsize::new(0));
        let (mut lanes, mut writer) = (Vec::new(), None);
        for (lane, name) in Lane::ALL {
            let (task_sender, tasks) = sync_channel::<IoTask>(TASKS);
            let (mut desk, sender, wake) = (Desk::new(ports), sender.clone(), wake.clone());
            let count = if lane == Lane::Writing { Arc::clone(&written) } else { Arc::default() };
            let work = move || run(&mut desk, tasks, &sender, &wake, &count);
            // A thread that does not start drops its end: what it is asked is refused, and said.
            let thread = std::thread::Builder::new().name(name.into()).spawn(work).ok();
            lanes.push((lane, task_sender));
            if lane == Lane::Writing {
                writer = thread;
            }
        }
        Self { lanes, events: Some(events), writer, written }
    }

    /// # Errors
    /// The task, where it is not taken: the queue is full or its thread is gone.
    pub fn send(&self, task: IoTask) -> Result<(), IoTask> {
        let lane = Lane::of(&task);
        let Some((_, queue)) = self.lanes.iter().find(|(l, _)| *l == lane) else { return Err(task) };
        queue.try_send(task).map_err(|e| match e {
            std::sync::mpsc::TrySendError::Full(task) | std::sync::mpsc::TrySendError::Disconnected(task) => task,
        })
    }

    /// What came since the last call.
    pub fn events(&self) -> Vec<IoEvent> {
        self.events.iter().flat_map(Receiver::try_iter).collect()
    }

    /// Finishes what was asked to be saved, as long as that goes on; the other threads are left behind.
    pub fn finish(&mut self) {
        self.lanes.clear();
        // Nobody listens any more: the threads do not wait for it.
        self.events = None;
        let Some(writer) = self.writer.take() else { return };
        let (mut seen, mut since) = (self.written.load(Ordering::Relaxed), Instant::now());
        while !writer.is_finished() && since.elapsed() < PATIENCE {
            std::thread::sleep(Duration::from_millis(2));
            let now = self.written.load(Ordering::Relaxed);
            if now != seen {
                (seen, since) = (now, Instant::now());
            }
        }
    }
}

fn run(desk: &mut Desk, tasks: Receiver<IoTask>, events: &SyncSender<IoEvent>, wake: &impl Fn(), done: &AtomicUsize) {
    for task in tasks {
        let spare = task.clone();
        // A decoder that panics on a hostile file must not take the thread along.
        let result = catch_unwind(AssertUnwindSafe(|| desk.perform(task)));
        let broken = |_| {
            let message = format!("{} broke off", spare.name());
            Some(spare.failed(EngineError::Internal { message }))
        };
        if let Some(event) = result.unwrap_or_else(broken) {
            // A window that is gone takes no events; what is left to save is saved all the same.
            let _ = events.send(event);
            wake();
        }
        done.fetch_add(1, Ordering::Relaxed);
    }
}

/// What a thread works with.
struct Desk {
    ports: Ports,
    counter: models::Counter,
    scanner: Scanner,
    thumbnails: Cache,
}

impl Desk {
    fn new(ports: &Ports) -> Self {
        let thumbnails = Cache::new(&ports.folders.cache);
        Self { ports: ports.clone(), counter: models::Counter::default(), scanner: Scanner::default(), thumbnails }
    }

    fn perform(&mut self, task: IoTask) -> Option<IoEvent> {
        let ports = &self.ports;
        match task {
            IoTask::SavePrefs(prefs) => files::save_prefs(&ports.folders.config, &prefs),
            IoTask::Save { picture, folder } => Some(files::save(picture, &folder)),
            IoTask::SaveTo { picture, path } => Some(files::save_to(picture, &path)),
            IoTask::SaveAs { picture, folder } => files::choose_place(picture, &folder),
            IoTask::SaveSheet { sheet, folder } => Some(sheet::save(&sheet, &folder)),
            IoTask::LoadInput { path, sizes } => Some(files::load_input(&path, &sizes)),
            IoTask::Examine(path) => Some(files::examine(path)),
            IoTask::ScanGallery(folder) => Some(self.scanner.scan(folder)),
            IoTask::Thumbnail(path) => Some(self.thumbnails.thumbnail(path)),
            IoTask::ReadEntry(path) => Some(gallery::details(path)),
            IoTask::ReadWhole(path) => Some(gallery::whole(path)),
            IoTask::Trash(path) => Some(gallery::trash(path)),
            IoTask::Reveal(path) => reveal::reveal(&path),
            IoTask::Inspect(model) => Some(models::inspect(ports, model)),
            IoTask::CountTokens { model, text } => self.counter.count(ports, model, text),
            IoTask::FindModels(extra) => Some(models::find(ports, extra)),
            IoTask::ListAdapters => Some(IoEvent::Adapters((ports.adapters)())),
            IoTask::ChooseFolder(purpose) => choose_folder(purpose),
        }
    }
}

fn choose_folder(purpose: FolderFor) -> Option<IoEvent> {
    let title = match purpose {
        FolderFor::Model => "Folder of a model",
        FolderFor::Gallery => "Folder for pictures",
    };
    let folder = rfd::FileDialog::new().set_title(title).pick_folder()?;
    Some(IoEvent::FolderChosen { purpose, folder })
}
