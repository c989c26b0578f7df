//! Saving, the gallery, dropped files and failing engines, without a window.

use std::path::{Path, PathBuf};

use imagen_protocol::{DeviceChoice, DeviceInfo, EngineError, Event, JobId, SamplerKind, StageInput, StagePlan, Steps, Weights};

use super::{EngineStatus, State};
use crate::picture::Scaled;
use crate::png::Parameters;
use crate::test_support::{flat, model, picture_settings, plans};
use crate::window::action::{Action, Effect, Picture, Question, View};
use crate::window::draft::Input;
use crate::window::gallery::{Details, Entry};
use crate::window::io::{FolderFor, Found, IoEvent, IoTask};
use crate::window::log::Weight;
use crate::window::ports::Folders;
use crate::window::prefs::{Loaded, Prefs};

/// A window with the test's model on an engine that is ready.
fn state() -> State {
    let folders = Folders { config: "config".into(), cache: "cache".into(), pictures: "pictures".into() };
    let (mut state, _) = State::new(folders, Loaded { prefs: Prefs::default(), remark: None });
    state.fold_io(IoEvent::Inspected { model: None, result: Box::new(Ok(model())) });
    ready(&mut state);
    state
}

fn ready(state: &mut State) -> Vec<Effect> {
    let device = DeviceInfo { name: "Test".into(), is_cpu: false, max_binding_bytes: None };
    state.fold(Event::Ready { device })
}

fn picture(prompt: &str) -> Picture {
    Picture { image: flat(64, [1, 2, 3]), settings: Box::new(picture_settings(prompt)) }
}

fn entry(path: &str) -> Entry {
    Entry::new(path.into(), std::time::SystemTime::UNIX_EPOCH, 1, Some("x".into()))
}

fn full_disk() -> EngineError {
    EngineError::File { path: "a.png".into(), problem: "no space".into(), remedy: "free space".into() }
}

fn device_error() -> EngineError {
    EngineError::Device { problem: "the device is lost".into(), remedy: "restart".into() }
}

fn offers(state: &State) -> Vec<&str> {
    state.notes.iter().flat_map(|note| note.offers.iter().map(|offer| offer.label.as_str())).collect()
}

/// The job that an action made, as the engine got it.
fn sent(effects: &[Effect]) -> Vec<JobId> {
    let job = |effect: &Effect| match effect {
        Effect::Send(imagen_protocol::Command::Generate { job, .. }) => Some(*job),
        _ => None,
    };
    effects.iter().filter_map(job).collect()
}

#[test]
fn a_picture_that_is_not_saved_is_kept_until_it_is() {
    let mut state = state();
    for prompt in ["one", "two", "one"] {
        state.fold_io(IoEvent::NotSaved { picture: picture(prompt), error: full_disk() });
    }
    assert_eq!(state.unsaved.len(), 2, "the same picture is kept once");
    let again = state.apply(Action::SaveAgain);
    assert_eq!(again.len(), 2);
    assert!(matches!(&again[0], Effect::Io(IoTask::Save { folder, .. }) if folder == Path::new("pictures")));
    assert_eq!(state.apply(Action::SaveAgain), [], "they are being saved already");
    state.fold_io(IoEvent::NotSaved { picture: picture("one"), error: full_disk() });
    state.fold_io(IoEvent::Saved { picture: picture("two"), entry: entry("pictures/two.png") });
    assert_eq!(state.unsaved.iter().map(|u| (u.picture.clone(), u.saving)).collect::<Vec<_>>(), [(picture("one"), false)]);
}

#[test]
fn unsaved_pictures_go_to_the_folder_that_is_chosen_next() {
    let mut state = state();
    state.fold_io(IoEvent::NotSaved { picture: picture("one"), error: full_disk() });
    let effects = state.fold_io(IoEvent::FolderChosen { purpose: FolderFor::Gallery, folder: "new".into() });
    let new = PathBuf::from("new");
    assert_eq!(effects[0], Effect::Io(IoTask::ScanGallery(new.clone())));
    assert_eq!(effects[1], Effect::Io(IoTask::Save { picture: picture("one"), folder: new }));
}

#[test]
fn they_are_let_go_only_after_a_yes() {
    let mut state = state();
    state.fold_io(IoEvent::NotSaved { picture: picture("one"), error: full_disk() });
    state.apply(Action::Ask(Question::Discard));
    state.apply(Action::Answer(false));
    assert_eq!(state.unsaved.len(), 1);
    state.apply(Action::Ask(Question::Close));
    assert_eq!(state.apply(Action::Answer(true)), [Effect::Close]);
    assert!(state.closing && state.unsaved.len() == 1);
    state.apply(Action::Ask(Question::Discard));
    state.apply(Action::Answer(true));
    assert!(state.unsaved.is_empty());
}

#[test]
fn what_is_saved_joins_the_gallery_without_a_scan_and_elsewhere_does_not() {
    let mut state = state();
    state.thumbnails.ask(Path::new("pictures/a.png"));
    for path in ["pictures/a.png", "elsewhere/b.png"] {
        assert_eq!(state.fold_io(IoEvent::Saved { picture: picture("x"), entry: entry(path) }), []);
    }
    assert_eq!(state.gallery.entries(), [entry("pictures/a.png")]);
    assert!(state.thumbnails.is_empty(), "the file is another one now");
    let place = IoEvent::PlaceChosen { picture: picture("x"), path: "c.png".into() };
    assert_eq!(state.fold_io(place), [Effect::Io(IoTask::SaveTo { picture: picture("x"), path: "c.png".into() })]);
}

#[test]
fn selecting_reads_a_file_once_and_late_answers_are_dropped() {
    let mut state = state();
    let (first, second) = (PathBuf::from("a.png"), PathBuf::from("b.png"));
    let read = state.apply(Action::SelectEntry(Some(first.clone())));
    assert_eq!(read, [Effect::Io(IoTask::ReadEntry(first.clone()))]);
    assert_eq!(state.apply(Action::SelectEntry(Some(first.clone()))), []);
    state.apply(Action::OpenEntry(second.clone()));
    let details = |colour| {
        let about = Ok(Found::Ours(Box::new(picture_settings("x"))));
        let image = Ok(Scaled { image: flat(64, [colour; 3]), size: [64, 64] });
        Box::new(Details { image, about })
    };
    state.fold_io(IoEvent::EntryRead { path: first, details: details(1) });
    assert!(state.gallery.details.is_none() && state.full.is_none());
    state.fold_io(IoEvent::EntryRead { path: second, details: details(2) });
    assert_eq!(state.full.as_ref().map(|p| p.image.pixels()[0]), Some(2));
}

/// Somebody else's picture, of which `side` of 2048 pixels are read.
fn foreign(side: u32) -> Box<Details> {
    Box::new(Details { image: Ok(Scaled { image: flat(side, [3; 3]), size: [2048, 2048] }), about: Ok(Found::Plain) })
}

#[test]
fn a_large_picture_of_the_gallery_opens_at_once_and_gets_the_rest_of_its_pixels() {
    let mut state = state();
    let path = PathBuf::from("holiday.png");
    state.apply(Action::OpenEntry(path.clone()));
    let effects = state.fold_io(IoEvent::EntryRead { path: path.clone(), details: foreign(1024) });
    assert_eq!(effects, [Effect::Io(IoTask::ReadWhole(path.clone()))]);
    assert_eq!(state.full.as_ref().map(|full| full.is_whole()), Some(false));
    state.full_lens.zoom = 4.0;
    state.fold_io(IoEvent::WholeRead { path: path.clone(), details: foreign(2048) });
    assert_eq!((state.full.as_ref().map(|full| full.is_whole()), state.full_lens.zoom), (Some(true), 4.0));
    state.apply(Action::CloseFull);
    state.fold_io(IoEvent::WholeRead { path, details: foreign(2048) });
    assert_eq!(state.full, None, "what was closed stays closed");
}

#[test]
fn any_file_is_shown_unless_one_has_gone_on_meanwhile() {
    let mut state = state();
    let path = PathBuf::from("x/a.jpg");
    let read = || IoEvent::WholeRead { path: path.clone(), details: foreign(2048) };
    assert_eq!(state.apply(Action::ShowFile(path.clone())), [Effect::Io(IoTask::ReadWhole(path.clone()))]);
    state.fold_io(read());
    assert_eq!(state.full.as_ref().map(|full| full.title()), Some("a.jpg".into()));
    state.apply(Action::CloseFull);
    state.apply(Action::ShowFile(path.clone()));
    state.apply(Action::ShowFile("b.jpg".into()));
    state.fold_io(read());
    assert_eq!(state.full, None, "another one was asked for since");
    let broken = Box::new(Details::failed(full_disk()));
    state.fold_io(IoEvent::WholeRead { path: "b.jpg".into(), details: broken });
    assert_eq!((state.full.as_ref(), state.notes.len()), (None, 1), "what cannot be shown is said");
}

#[test]
fn a_file_goes_to_the_trash_after_a_yes_and_its_neighbour_is_selected() {
    let mut state = state();
    let folder = PathBuf::from("pictures");
    state.fold_io(IoEvent::Gallery { folder, result: Ok(vec![entry("a.png"), entry("b.png")]) });
    state.gallery.refresh();
    let path = PathBuf::from("b.png");
    state.apply(Action::SelectEntry(Some(path.clone())));
    state.apply(Action::Ask(Question::Trash(path.clone())));
    assert_eq!(state.apply(Action::Answer(true)), [Effect::Io(IoTask::Trash(path.clone()))]);
    state.fold_io(IoEvent::Trashed { path: path.clone(), result: Err(full_disk()) });
    assert_eq!((state.gallery.entries().len(), state.notes.len()), (2, 1), "an error is said, the file stays");
    let next = state.fold_io(IoEvent::Trashed { path, result: Ok(()) });
    assert_eq!(next, [Effect::Io(IoTask::ReadEntry("a.png".into()))]);
    assert_eq!(state.gallery.entries(), [entry("a.png")]);
}

#[test]
fn the_scan_of_another_folder_is_not_taken_for_this_one() {
    let mut state = state();
    state.fold_io(IoEvent::Gallery { folder: "old".into(), result: Ok(vec![entry("a.png")]) });
    assert!(state.gallery.scanning && state.gallery.entries().is_empty());
    state.fold_io(IoEvent::Gallery { folder: "pictures".into(), result: Err(full_disk()) });
    assert_eq!((state.gallery.scanning, state.gallery.error.clone()), (false, Some(full_disk())));
}

#[test]
fn showing_the_gallery_looks_for_what_other_programs_wrote() {
    let mut state = state();
    assert_eq!(state.apply(Action::Show(View::Gallery)), [Effect::Io(IoTask::ScanGallery("pictures".into()))]);
    assert_eq!((state.prefs.view, state.apply(Action::Show(View::Create))), (View::Gallery, vec![]));
}

#[test]
fn of_several_dropped_files_the_first_is_used_and_the_rest_said() {
    let mut state = state();
    assert_eq!(state.apply(Action::Dropped(vec![])), []);
    let effects = state.apply(Action::Dropped(vec!["x/a.png".into(), "b.png".into(), "c.png".into()]));
    assert_eq!(effects, [Effect::Io(IoTask::Examine("x/a.png".into()))]);
    assert_eq!(state.notes[0].text, "a.png is used; the other 2 files are not: drop one at a time");
}

#[test]
fn a_dropped_file_with_settings_leaves_the_choice() {
    let mut state = state();
    let mut settings = picture_settings("a pear");
    settings.request.seed = 99;
    settings.request.weights = Weights::F16;
    let path = PathBuf::from("a.png");
    state.fold_io(IoEvent::Examined { path: path.clone(), result: Ok(Found::Ours(Box::new(settings))) });
    assert_eq!(offers(&state), ["Restore settings", "Use as input", "Show"]);
    assert_eq!(state.draft.prompt, "", "nothing happened yet");
    let [restore, input] = [0, 1].map(|i| state.notes[0].offers[i].action.clone());
    assert_eq!(state.apply(input), [Effect::Io(IoTask::LoadInput { path, sizes: vec![64, 256] })]);
    state.show(View::Gallery);
    state.apply(restore);
    assert_eq!((state.draft.prompt.as_str(), state.draft.seed, state.prefs.view), ("a pear", 99, View::Create));
    assert_eq!(state.draft.weights, Weights::F16);
    let said = &state.notes.last().expect("the machine's part of it is said").text;
    assert!(said.starts_with("weights are f16 now, as for this picture; they were auto"), "{said}");
}

#[test]
fn a_dropped_picture_without_settings_becomes_the_input() {
    let mut state = state();
    state.draft.until = Some(64);
    let effects = state.fold_io(IoEvent::Examined { path: "a.jpg".into(), result: Ok(Found::Plain) });
    assert_eq!(effects, [Effect::Io(IoTask::LoadInput { path: "a.jpg".into(), sizes: vec![64, 256] })]);
    let input = Input { input: StageInput { size: 64, images: vec![flat(64, [0; 3])] }, path: "a.jpg".into() };
    state.fold_io(IoEvent::InputLoaded { result: Ok((input, vec!["scaled".into()])) });
    assert_eq!(state.draft.until, None, "a draft that ends at 64 would have nothing to do");
    assert!(state.draft.request().plan(&model().stages).is_ok());
    state.fold_io(IoEvent::Examined { path: "b.png".into(), result: Err(full_disk()) });
    assert_eq!(offers(&state), ["Use as input", "Show"], "unreadable settings do not spoil the picture");
}

#[test]
fn a_picture_without_a_stage_for_it_is_said() {
    let mut state = state();
    let mut one = model();
    one.stages.truncate(1);
    state.fold_io(IoEvent::Inspected { model: None, result: Box::new(Ok(one)) });
    assert_eq!(state.apply(Action::UseAsInput("a.png".into())), []);
    assert!(state.notes[0].text.contains("no stage of test enlarges"), "{}", state.notes[0].text);
}

#[test]
fn another_programs_settings_go_to_the_stage_of_their_size() {
    let mut state = state();
    let parameters = Parameters {
        prompt: "a cat".into(),
        negative_prompt: "rain".into(),
        seed: Some(5),
        steps: Some(33),
        guidance_weight: Some(7.5),
        sampler: Some(SamplerKind::Ddim),
        size: Some(256),
        unknown: vec!["Model: x".into()],
    };
    state.apply(Action::UseParameters(Box::new(parameters.clone())));
    let settings = state.draft.settings(&model().stages[1]);
    assert_eq!((settings.steps, settings.sampler, settings.guidance_weight), (Steps::Count(33), SamplerKind::Ddim, 7.5));
    assert!(!state.draft.is_changed(64) && state.draft.seed_locked);
    assert_eq!((state.draft.prompt.as_str(), state.draft.negative_prompt.as_str(), state.draft.seed), ("a cat", "rain", 5));
    assert_eq!(state.notes[0].text, "not taken over: Model: x");
    state.apply(Action::UseParameters(Box::new(Parameters { size: Some(512), ..parameters })));
    assert!(state.draft.is_changed(64), "where no stage has that size, the first");
}

#[test]
fn notes_that_only_inform_go_by_themselves() {
    let mut state = state();
    state.note(Weight::Info, "saved");
    state.note(Weight::Error, "broken");
    state.note(Weight::Error, "broken");
    assert_eq!(state.notes.len(), 2, "nothing is said twice");
    assert!(state.next_note_goes().is_some());
    state.tick(60.0);
    assert_eq!(state.notes.iter().map(|n| n.text.as_str()).collect::<Vec<_>>(), ["broken"]);
    assert_eq!(state.log.lines.len(), 4, "the log keeps all, and the device");
}

#[test]
fn a_lost_device_keeps_pictures_and_waiting_jobs_until_the_user_has_chosen() {
    let mut state = state();
    state.draft.until = Some(64);
    let job = sent(&state.apply(Action::Generate))[0];
    state.apply(Action::Generate);
    state.fold(Event::JobStarted { job, model: "test".into(), stages: plans(&[64]) });
    state.fold(Event::StageStarted { job, size: 64, steps: 10 });
    state.fold(Event::StageFinished { job, size: 64, seconds: 1.0, images: vec![flat(64, [5; 3])] });
    assert_eq!(sent(&state.fold(Event::JobFailed { job, error: device_error() })), []);
    assert_eq!(state.engine, EngineStatus::Unavailable(device_error()));
    assert!(state.create.picture(64).is_some(), "what was made stays");
    assert_eq!((state.queue.waiting.len(), offers(&state)), (1, vec!["Restart", "Use the CPU"]));
    let effects = state.apply(Action::SetDevice(DeviceChoice::Cpu));
    assert_eq!(effects, [Effect::StartEngine(DeviceChoice::Cpu)]);
    assert_eq!(offers(&state), [""; 0], "the choice was made");
    assert_eq!(sent(&ready(&mut state)).len(), 1, "the waiting job goes on");
    assert!(state.create.picture(64).is_some());
}

#[test]
fn an_engine_that_is_gone_is_said_once_and_the_window_lives() {
    let mut state = state();
    let job = sent(&state.apply(Action::Generate))[0];
    let stages: Vec<StagePlan> = plans(&[64]);
    state.fold(Event::JobStarted { job, model: "test".into(), stages });
    state.engine_gone();
    state.engine_gone();
    assert!(state.queue.running.is_none() && state.create.error.is_some());
    assert_eq!(state.notes.len(), 1);
    assert_eq!(state.apply(Action::RestartEngine), [Effect::StartEngine(DeviceChoice::Auto)]);
}

#[test]
fn a_model_that_vanishes_is_looked_into_again() {
    let mut state = state();
    let job = sent(&state.apply(Action::Generate))[0];
    let error = EngineError::Model { path: "m".into(), problem: "is gone".into(), remedy: "choose another".into() };
    let effects = state.fold(Event::JobFailed { job, error: error.clone() });
    assert_eq!(effects, [Effect::Io(IoTask::Inspect(None))]);
    state.fold_io(IoEvent::Inspected { model: None, result: Box::new(Err(error.clone())) });
    assert_eq!((state.model_error(), state.obstacle()), (Some(&error), Some(error.to_string())));
}

#[test]
fn a_task_that_is_refused_loses_nothing() {
    let mut state = state();
    state.apply(Action::NeedThumbnail("a.png".into()));
    for task in
        [IoTask::Save { picture: picture("x"), folder: "f".into() }, IoTask::Thumbnail("a.png".into()), IoTask::ListAdapters]
    {
        assert!(!task.name().is_empty());
        state.fold_io(task.failed(full_disk()));
    }
    assert_eq!(state.unsaved.len(), 1);
    assert!(state.thumbnails.look(Path::new("a.png")).is_some_and(Result::is_err));
    assert_eq!(state.notes.len(), 1);
}
