//! What is left to enlarge.

use super::State;
use super::tests_create::{run, sent, state};
use crate::test_support::model;
use crate::window::action::Action;
use imagen_protocol::{Event, Weights};

/// Four finished candidates of the first stage.
fn four() -> State {
    let mut state = state();
    state.apply(Action::FirstOnly(true));
    state.draft.candidates = 4;
    let (job, request) = sent(&state.apply(Action::Generate));
    run(&mut state, job, &request, 10);
    state
}

fn enlarged(state: &mut State, candidate: u32) {
    let (job, request) = sent(&state.apply(Action::Enlarge(vec![candidate])));
    run(state, job, &request, 100);
}

fn guidance(state: &mut State, stage: usize, weight: f64) {
    let stage = &model().stages[stage];
    let mut settings = stage.defaults.clone();
    settings.guidance_weight = weight;
    state.draft.set(stage, &settings);
}

#[test]
fn what_is_there_with_these_settings_is_not_offered_again() {
    let mut state = four();
    assert_eq!(state.to_enlarge(), Ok(vec![0]));
    enlarged(&mut state, 0);
    assert!(state.to_enlarge().is_err_and(|why| why.starts_with("It is there")));
    guidance(&mut state, 2, 9.0);
    assert_eq!(state.to_enlarge(), Ok(vec![0]), "a later stage was changed since");
    state.draft.stages.clear();
    state.draft.weights = Weights::F16;
    assert_eq!(state.to_enlarge(), Ok(vec![0]), "rounded weights make another picture");
    state.draft.weights = Weights::F32;
    assert!(state.to_enlarge().is_err(), "a small model is f32 by itself");
    guidance(&mut state, 0, 9.0);
    state.draft.prompt = "a cat".into();
    assert!(state.to_enlarge().is_err(), "what made the kept 64 is no matter of the later stages");
    state.apply(Action::SelectCandidate(1));
    assert_eq!(state.to_enlarge(), Ok(vec![1]));
}

#[test]
fn of_those_marked_only_the_missing_are_counted() {
    let mut state = four();
    enlarged(&mut state, 2);
    [1, 2, 3].into_iter().for_each(|candidate| drop(state.apply(Action::Pick(candidate))));
    assert_eq!(state.to_enlarge(), Ok(vec![1, 3]));
    enlarged(&mut state, 3);
    [2, 3].into_iter().for_each(|candidate| drop(state.apply(Action::Pick(candidate))));
    assert!(state.to_enlarge().is_err_and(|why| why.starts_with("All 2 are there")));
}

#[test]
fn a_job_that_waits_or_runs_is_not_asked_for_twice_and_a_cancelled_one_is_offered_again() {
    let mut state = four();
    let (job, request) = sent(&state.apply(Action::Enlarge(vec![0, 1])));
    [0, 1, 2].into_iter().for_each(|candidate| drop(state.apply(Action::Pick(candidate))));
    assert_eq!(state.to_enlarge(), Ok(vec![2]));
    let stages = request.plan(&model().stages).expect("valid");
    state.fold(Event::JobStarted { job, model: "test".into(), stages });
    state.fold(Event::StageStarted { job, size: 256, steps: 10 });
    assert_eq!(state.to_enlarge(), Ok(vec![2]));
    state.queue.waiting.clear();
    state.fold(Event::JobCancelled { job });
    assert_eq!(state.to_enlarge(), Ok(vec![0, 1, 2]));
}

#[test]
fn a_whole_cascade_leaves_nothing_and_what_hinders_is_said() {
    let mut state = state();
    state.draft.candidates = 2;
    let (job, request) = sent(&state.apply(Action::Generate));
    assert!(state.to_enlarge().is_err(), "nothing is finished");
    run(&mut state, job, &request, 10);
    assert!(state.to_enlarge().is_err_and(|why| why.starts_with("It is there")));
    guidance(&mut state, 1, 1000.0);
    assert!(state.to_enlarge().is_err_and(|why| why.contains("guidance of stage 256")), "{:?}", state.to_enlarge());
    guidance(&mut state, 1, 7.0);
    assert_eq!(state.to_enlarge(), Ok(vec![0]));
}
