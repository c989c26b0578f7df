//! The create view's actions, and the jobs that come of them.

use imagen_protocol::{Command, DeviceInfo, Event, GenerateRequest, JobId, StageInput, StagePlan};

use super::{Drawers, State};
use crate::test_support::{flat, model};
use crate::window::action::{Action, Effect, Picture, Rail};
use crate::window::draft::{Input, Preset};
use crate::window::io::{IoEvent, IoTask};
use crate::window::ports::Folders;
use crate::window::prefs::{Loaded, Prefs, ThemeChoice};
use crate::window::stage_view::Progress;

pub(super) fn state() -> State {
    let folders = Folders { config: "config".into(), cache: "cache".into(), pictures: "pictures".into() };
    let (mut state, _) = State::new(folders, Loaded { prefs: Prefs::default(), remark: None });
    state.fold_io(IoEvent::Inspected { model: None, result: Box::new(Ok(model())) });
    let device = DeviceInfo { name: "Test".into(), is_cpu: true, max_binding_bytes: None };
    state.fold(Event::Ready { device });
    (state.draft.prompt, state.draft.seed_locked) = ("a dog".into(), true);
    state
}

/// The job that the effects send to the engine.
pub(super) fn sent(effects: &[Effect]) -> (JobId, GenerateRequest) {
    let jobs = effects.iter().filter_map(|effect| match effect {
        Effect::Send(Command::Generate { job, request }) => Some((*job, (**request).clone())),
        _ => None,
    });
    let jobs: Vec<_> = jobs.collect();
    assert_eq!(jobs.len(), 1, "{effects:?}");
    jobs.into_iter().next().expect("one")
}

/// Runs a job to its end; every picture of a stage is of one grey.
pub(super) fn run(state: &mut State, job: JobId, request: &GenerateRequest, grey: u8) -> Vec<Effect> {
    let stages = request.plan(&model().stages).expect("valid");
    state.fold(Event::JobStarted { job, model: "test".into(), stages: stages.clone() });
    for StagePlan { size, steps, .. } in stages {
        state.fold(Event::StageStarted { job, size, steps });
        let images = (0..request.count).map(|i| flat(size, [grey + i as u8; 3])).collect();
        state.fold(Event::StageFinished { job, size, seconds: 1.0, images });
    }
    state.fold(Event::JobFinished { job, seconds: 3.0 })
}

fn saved(effects: &[Effect]) -> Vec<(u32, u32)> {
    let tasks = effects.iter().filter_map(|effect| match effect {
        Effect::Io(IoTask::Save { picture, .. }) => Some(picture),
        _ => None,
    });
    tasks.map(|picture| (picture.settings.size, u32::from(picture.image.pixels()[0]))).collect()
}

#[test]
fn generate_sends_the_draft_and_draws_a_seed_where_it_is_not_locked() {
    let mut state = state();
    let (_, request) = sent(&state.apply(Action::Generate));
    assert_eq!((request.prompt.as_str(), request.seed, request.count), ("a dog", 7, 1));
    state.draft.seed_locked = false;
    state.apply(Action::Generate);
    assert_ne!(state.queue.waiting[0].request.seed, 7);
    assert_eq!(state.queue.waiting[0].request.seed, state.draft.seed);
}

#[test]
fn what_hinders_is_said_and_nothing_is_sent() {
    let mut state = state();
    let mut settings = model().stages[0].defaults.clone();
    settings.guidance_weight = 1000.0;
    state.draft.set(&model().stages[0], &settings);
    assert_eq!(state.apply(Action::Generate), []);
    assert!(state.notes.iter().any(|n| n.text.starts_with("guidance of stage 64 is 1000")), "{:?}", state.notes);
    assert!(state.refusal(64).is_some_and(|r| r.starts_with("guidance")) && state.refusal(256).is_none());
}

#[test]
fn going_on_keeps_what_was_said_and_takes_the_later_settings_of_the_draft() {
    let mut state = state();
    let (job, request) = sent(&state.apply(Action::Generate));
    let effects = run(&mut state, job, &request, 10);
    assert_eq!(saved(&effects), [(1024, 10)]);
    (state.draft.prompt, state.draft.until) = ("something else".into(), Some(64));
    let mut settings = model().stages[1].defaults.clone();
    settings.guidance_weight = 9.0;
    state.draft.set(&model().stages[1], &settings);
    let (_, request) = sent(&state.apply(Action::ContinueFrom(64)));
    assert_eq!((request.prompt.as_str(), request.stages[&256].guidance_weight), ("a dog", Some(9.0)));
    assert_eq!(request.from, Some(StageInput { size: 64, images: vec![flat(64, [10; 3])] }));
    assert_eq!(request.until, None);
    let sizes: Vec<u32> = request.plan(&model().stages).expect("valid").iter().map(|p| p.size).collect();
    assert_eq!(sizes, [256, 1024]);
}

#[test]
fn each_enlarged_candidate_is_a_job_and_its_pictures_are_saved() {
    let mut state = state();
    state.apply(Action::FirstOnly(true));
    state.draft.candidates = 4;
    let (job, request) = sent(&state.apply(Action::Generate));
    assert_eq!(request.until, Some(64));
    assert_eq!(saved(&run(&mut state, job, &request, 10)), [(64, 10), (64, 11), (64, 12), (64, 13)]);
    for candidate in [1, 3, 2, 2] {
        state.apply(Action::Pick(candidate));
    }
    let picked: Vec<u32> = state.create.picked.iter().copied().collect();
    assert_eq!(picked, [1, 3]);
    let (job, first) = sent(&state.apply(Action::Enlarge(picked)));
    assert!(state.create.picked.is_empty());
    assert_eq!((first.first_candidate, first.count, first.until), (1, 1, None));
    let effects = run(&mut state, job, &first, 100);
    assert_eq!(saved(&effects), [(1024, 100)]);
    let (job, second) = sent(&effects);
    assert_eq!((second.first_candidate, second.from.map(|f| f.images)), (3, Some(vec![flat(64, [13; 3])])));
    let second = state.queue.running.as_ref().expect("it runs").request.clone();
    run(&mut state, job, &second, 200);
    state.apply(Action::SelectCandidate(1));
    let tile = state.tile(1024).expect("a picture");
    assert_eq!(tile.image, flat(1024, [100; 3]));
    assert_eq!(tile.settings.stages.iter().map(|p| p.size).collect::<Vec<_>>(), [64, 256, 1024]);
}

#[test]
fn a_cancelled_job_says_so_and_the_next_one_starts() {
    let mut state = state();
    let (job, request) = sent(&state.apply(Action::Generate));
    state.apply(Action::Generate);
    assert_eq!(state.apply(Action::Cancel), [Effect::CancelJob]);
    let stages = request.plan(&model().stages).expect("valid");
    state.fold(Event::JobStarted { job, model: "test".into(), stages });
    state.fold(Event::StageStarted { job, size: 64, steps: 10 });
    let (next, _) = sent(&state.fold(Event::JobCancelled { job }));
    assert_ne!(next, job);
    assert_eq!(state.create.shown(64).map(|s| s.progress.clone()), Some(Progress::Cancelled));
}

#[test]
fn presets_resets_and_the_input_change_the_draft() {
    let mut state = state();
    state.apply(Action::ApplyPreset(Preset::Fast));
    assert!([64, 256, 1024].iter().all(|&size| state.draft.is_changed(size)));
    state.apply(Action::ResetStage(256));
    assert!(!state.draft.is_changed(256) && state.draft.is_changed(64));
    let input = StageInput { size: 64, images: vec![flat(64, [1; 3])] };
    state.draft.input = Some(Input { input, path: "x.png".into() });
    state.apply(Action::RemoveInput);
    assert_eq!(state.draft.input, None);
    state.apply(Action::NewSeed);
    assert_ne!(state.draft.seed, 7);
}

#[test]
fn the_windows_look_stays_within_bounds() {
    let mut state = state();
    state.apply(Action::Theme(ThemeChoice::Light));
    for (asked, given) in [(0.1, 0.75), (9.0, 2.0), (1.25, 1.25)] {
        state.apply(Action::Scale(asked));
        assert_eq!((state.prefs.scale, state.prefs.theme), (given, ThemeChoice::Light));
    }
    state.apply(Action::ToggleDrawer(Rail::Stages));
    assert_eq!(state.drawers, Drawers { prompt: false, stages: true });
    state.apply(Action::ToggleDrawer(Rail::Stages));
    assert_eq!(state.drawers, Drawers { prompt: false, stages: false });
}

#[test]
fn a_picture_opens_over_everything_with_a_fresh_lens() {
    let mut state = state();
    let (job, request) = sent(&state.apply(Action::Generate));
    run(&mut state, job, &request, 10);
    state.full_lens.zoom = 8.0;
    let picture: Picture = state.tile(256).expect("a picture");
    state.apply(Action::OpenFull(picture.clone()));
    let shown = state.full.clone().expect("it is open");
    assert_eq!((shown.picture(), shown.path, state.full_lens.zoom), (Some(picture), None, 1.0));
    state.apply(Action::CloseFull);
    assert_eq!(state.full, None);
}

#[test]
fn a_saved_picture_of_the_views_is_known_by_its_file_until_that_is_gone() {
    let mut state = state();
    let (job, request) = sent(&state.apply(Action::Generate));
    run(&mut state, job, &request, 10);
    let path = std::path::PathBuf::from("pictures/a.png");
    let entry = || crate::window::gallery::Entry::new(path.clone(), std::time::SystemTime::UNIX_EPOCH, 1, None);
    let made = state.tile(1024).expect("a picture");
    let other = Picture { image: flat(1024, [10; 3]), ..made.clone() };
    state.fold_io(IoEvent::Saved { picture: other.clone(), entry: entry() });
    assert_eq!(state.file_of(&made.image), None, "another picture, though of the same pixels");
    state.fold_io(IoEvent::Saved { picture: made.clone(), entry: entry() });
    assert_eq!(state.file_of(&made.image), Some(path.as_path()));
    assert_eq!(state.file_of(&other.image), None);
    state.apply(Action::OpenFull(made.clone()));
    assert_eq!(state.full.as_ref().and_then(|full| full.path.clone()), Some(path.clone()));
    state.fold_io(IoEvent::Trashed { path, result: Ok(()) });
    assert_eq!(state.file_of(&made.image), None);
}

#[test]
fn found_models_are_looked_into_once() {
    let mut state = state();
    let found = vec!["a".into(), "b".into()];
    let effects = state.fold_io(IoEvent::ModelsFound(found.clone()));
    let inspect = |path: &str| Effect::Io(IoTask::Inspect(Some(path.into())));
    assert_eq!(effects, [inspect("a"), inspect("b")]);
    state.fold_io(IoEvent::Inspected { model: Some("a".into()), result: Box::new(Ok(model())) });
    assert_eq!(state.fold_io(IoEvent::ModelsFound(found)), [inspect("b")]);
}
