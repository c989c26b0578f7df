//! What the actions on files do: saving, the gallery, dropped files, and questions before something is lost.

use std::path::PathBuf;

use imagen_protocol::{EngineError, Steps};

use super::State;
use super::notes::Offer;
use crate::png::{Parameters, PictureSettings};
use crate::window::action::{Action, Effect, Question, View};
use crate::window::io::{FolderFor, Found, IoTask};
use crate::window::log::Weight;
use crate::window::precision;

impl State {
    /// # Errors
    /// The action, where it is none of these.
    pub(super) fn apply_files(&mut self, action: Action) -> Result<Vec<Effect>, Action> {
        let task = match action {
            Action::Save(picture) => IoTask::Save { picture, folder: self.pictures_folder() },
            Action::SaveAs(picture) => IoTask::SaveAs { picture, folder: self.pictures_folder() },
            Action::SaveAgain => return Ok(self.save_again()),
            Action::ChooseGalleryFolder => IoTask::ChooseFolder(FolderFor::Gallery),
            Action::RefreshGallery => return Ok(self.scan_gallery()),
            // Other programs, the command line among them, write to the folder too.
            Action::Show(View::Gallery) => {
                self.show(View::Gallery);
                return Ok(self.scan_gallery());
            }
            Action::SelectEntry(path) => return Ok(self.select_entry(path)),
            Action::OpenEntry(path) => return Ok(self.open_entry(path)),
            Action::ShowFile(path) => return Ok(self.show_file(path)),
            Action::NeedThumbnail(path) => {
                if !self.thumbnails.ask(&path) {
                    return Ok(vec![]);
                }
                IoTask::Thumbnail(path)
            }
            Action::UseSettings(settings) => {
                self.use_settings(&settings);
                return Ok(vec![]);
            }
            Action::UseParameters(parameters) => {
                self.use_parameters(&parameters);
                return Ok(vec![]);
            }
            Action::UseAsInput(path) => return Ok(self.use_as_input(path)),
            Action::Trash(path) => IoTask::Trash(path),
            Action::Reveal(path) => IoTask::Reveal(path),
            Action::CopyPath(path) => return Ok(vec![Effect::CopyText(path.display().to_string())]),
            Action::Dropped(paths) => return Ok(self.dropped(paths)),
            Action::Ask(question) => {
                self.question = Some(question);
                return Ok(vec![]);
            }
            Action::Answer(yes) => return Ok(self.answer(yes)),
            other => return Err(other),
        };
        Ok(vec![Effect::Io(task)])
    }

    /// Looks through the pictures' folder, if that is not being done.
    pub(super) fn scan_gallery(&mut self) -> Vec<Effect> {
        self.gallery.scanning = true;
        vec![Effect::Io(IoTask::ScanGallery(self.pictures_folder()))]
    }

    pub(super) fn select_entry(&mut self, path: Option<PathBuf>) -> Vec<Effect> {
        if path.is_some() && self.gallery.selected == path {
            return vec![];
        }
        self.gallery.select(path.clone());
        path.map(|path| Effect::Io(IoTask::ReadEntry(path))).into_iter().collect()
    }

    fn answer(&mut self, yes: bool) -> Vec<Effect> {
        match self.question.take().filter(|_| yes) {
            Some(Question::Trash(path)) => vec![Effect::Io(IoTask::Trash(path))],
            Some(Question::Discard) => {
                self.unsaved.clear();
                vec![]
            }
            Some(Question::Close) => {
                self.closing = true;
                vec![Effect::Close]
            }
            None => vec![],
        }
    }

    /// The first file is used; that the others are not is said.
    fn dropped(&mut self, paths: Vec<PathBuf>) -> Vec<Effect> {
        let more = paths.len().saturating_sub(1);
        let Some(first) = paths.into_iter().next() else { return vec![] };
        if more > 0 {
            let others = if more == 1 { "the other file is".into() } else { format!("the other {more} files are") };
            let text = format!("{} is used; {others} not: drop one at a time", crate::window::gallery::name(&first));
            self.note(Weight::Warning, text);
        }
        vec![Effect::Io(IoTask::Examine(first))]
    }

    /// A dropped file is known now: one that carries settings leaves the choice to the user, any other becomes the input of a stage.
    pub(super) fn examined(&mut self, path: PathBuf, result: Result<Found, EngineError>) -> Vec<Effect> {
        let name = crate::window::gallery::name(&path).into_owned();
        let as_input = Offer::new("Use as input", Action::UseAsInput(path.clone()));
        let show = Offer::new("Show", Action::ShowFile(path.clone()));
        match result {
            Ok(Found::Ours(settings)) => {
                let text = format!("{name} carries its settings: \"{}\"", short(&settings.request.prompt));
                self.offer(
                    Weight::Info,
                    text,
                    vec![Offer::new("Restore settings", Action::UseSettings(settings)), as_input, show],
                );
            }
            Ok(Found::Parameters(text)) => {
                let parameters = Box::new(Parameters::read(&text));
                let text = format!("{name} carries another program's settings: \"{}\"", short(&parameters.prompt));
                let restore = Offer::new("Restore settings", Action::UseParameters(parameters));
                self.offer(Weight::Info, text, vec![restore, as_input, show]);
            }
            Ok(Found::Plain) => return self.use_as_input(path),
            Err(e) => self.offer(Weight::Error, e.to_string(), vec![as_input, show]),
        }
        vec![]
    }

    /// Loads the file for the stages after the largest that it fills.
    fn use_as_input(&mut self, path: PathBuf) -> Vec<Effect> {
        let mut sizes = self.sizes();
        sizes.pop();
        if !sizes.is_empty() {
            return vec![Effect::Io(IoTask::LoadInput { path, sizes })];
        }
        let text = match (self.model(), self.model_error()) {
            (Some(model), _) => format!("no stage of {} enlarges a picture; choose a model of several stages", model.name),
            (None, Some(e)) => format!("the picture cannot be used: {e}"),
            (None, None) => "the picture cannot be used before the model was looked into; try again in a moment".into(),
        };
        self.note(Weight::Error, text);
        vec![]
    }

    /// The picture that was loaded takes the place of the first stages.
    pub(super) fn input_loaded(&mut self, input: crate::window::draft::Input) {
        // A draft that ends before the picture's next stage would have nothing to do.
        self.draft.until.take_if(|until| *until <= input.input.size);
        self.draft.input = Some(input);
        self.show(View::Create);
    }

    pub(super) fn use_settings(&mut self, settings: &PictureSettings) {
        let before = self.draft.weights;
        self.draft.restore(settings);
        if self.draft.weights != before {
            // They are part of how the picture was made, and of how much memory this machine needs.
            let (now, before) = (precision::name(self.draft.weights), precision::name(before));
            self.note(Weight::Info, format!("weights are {now} now, as for this picture; they were {before}: see Device"));
        }
        self.counted = None;
        self.show(View::Create);
        if settings.request.from.is_some() {
            let text = "these settings were made from a picture that the file does not carry; drop that picture to use it again";
            self.note(Weight::Warning, text);
        }
    }

    /// Steps, guidance and sampler go to the stage of the picture's size, else to the first.
    fn use_parameters(&mut self, parameters: &Parameters) {
        self.draft.prompt.clone_from(&parameters.prompt);
        self.draft.negative_prompt.clone_from(&parameters.negative_prompt);
        if let Some(seed) = parameters.seed {
            (self.draft.seed, self.draft.seed_locked) = (seed, true);
        }
        let stages = self.model().map(|model| model.stages.clone()).unwrap_or_default();
        let of_size = stages.iter().find(|stage| Some(stage.size) == parameters.size);
        if let Some(stage) = of_size.or(stages.first()) {
            let mut settings = self.draft.settings(stage);
            settings.steps = parameters.steps.map_or(settings.steps, Steps::Count);
            settings.sampler = parameters.sampler.unwrap_or(settings.sampler);
            settings.guidance_weight = parameters.guidance_weight.unwrap_or(settings.guidance_weight);
            self.draft.set(stage, &settings);
        }
        self.counted = None;
        self.show(View::Create);
        if !parameters.unknown.is_empty() {
            self.note(Weight::Info, format!("not taken over: {}", short(&parameters.unknown.join(", "))));
        }
    }
}

/// The beginning of a text, for a note.
fn short(text: &str) -> String {
    const MOST: usize = 120;
    let line = crate::error::one_line(text);
    match line.char_indices().nth(MOST) {
        Some((end, _)) => format!("{}...", &line[..end]),
        None => line,
    }
}
