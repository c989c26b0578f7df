use imagen_protocol::Weights;

use super::*;
use crate::test_support::{flat, model, plans};

fn grey(size: u32, value: u8) -> RgbImage {
    flat(size, [value; 3])
}

/// A job of these stages that runs to its end; picture i of it is grey `value + i`.
fn run(create: &mut Create, request: &GenerateRequest, sizes: &[u32], value: u8) {
    create.begin(&plans(sizes), &Arc::new(request.clone()));
    for &size in sizes {
        let images = (0..request.count).map(|i| grey(size, value + i as u8)).collect();
        let stage = create.stage_mut(size).expect("begun");
        stage.started(1);
        stage.finished(1.0, images);
    }
    create.finished(1.0);
}

fn request(count: u32) -> GenerateRequest {
    GenerateRequest { count, seed: 7, ..GenerateRequest::new("x") }
}

fn enlarge(create: &Create, candidate: u32, from: u32) -> GenerateRequest {
    let image = create.picture_of(from, candidate).expect("a picture").clone();
    let from = Some(StageInput { size: from, images: vec![image] });
    GenerateRequest { first_candidate: candidate, from, ..request(1) }
}

#[test]
fn enlarged_candidates_are_kept_one_beside_the_other() {
    let mut create = Create::default();
    run(&mut create, &request(4), &[64], 10);
    for (candidate, value) in [(1, 100), (3, 200)] {
        let job = enlarge(&create, candidate, 64);
        run(&mut create, &job, &[256, 1024], value);
    }
    create.selected = 1;
    assert_eq!(create.picture(1024), Some(&grey(1024, 100)));
    create.selected = 3;
    assert_eq!((create.picture(64), create.picture(256)), (Some(&grey(64, 13)), Some(&grey(256, 200))));
    create.selected = 0;
    assert_eq!((create.picture(64), create.picture(256)), (Some(&grey(64, 10)), None));
    assert_eq!(create.candidates(), 4);
}

#[test]
fn going_on_from_an_enlarged_picture_stays_with_its_candidate() {
    let mut create = Create::default();
    run(&mut create, &request(2), &[64], 10);
    let job = enlarge(&create, 1, 64);
    run(&mut create, &job, &[256, 1024], 100);
    let job = enlarge(&create, 1, 256);
    run(&mut create, &job, &[1024], 150);
    create.selected = 1;
    assert_eq!((create.picture(256), create.picture(1024)), (Some(&grey(256, 100)), Some(&grey(1024, 150))));
    assert_eq!(create.active_stages().keys().copied().collect::<Vec<_>>(), [64, 256, 1024]);
    create.selected = 0;
    assert_eq!(create.picture(1024), None);
}

#[test]
fn a_job_of_all_candidates_replaces_those_enlarged_alone() {
    let mut create = Create::default();
    run(&mut create, &request(2), &[64], 10);
    let job = enlarge(&create, 1, 64);
    run(&mut create, &job, &[256], 100);
    let all = GenerateRequest { from: create.input(64), ..request(2) };
    run(&mut create, &all, &[256], 50);
    create.selected = 1;
    assert_eq!((create.picture(64), create.picture(256)), (Some(&grey(64, 11)), Some(&grey(256, 51))));
}

#[test]
fn a_new_job_leaves_nothing_of_the_old_one() {
    let mut create = Create::default();
    run(&mut create, &request(3), &[64, 256], 10);
    (create.selected, create.picked) = (2, BTreeSet::from([0, 2]));
    run(&mut create, &request(1), &[64], 20);
    assert_eq!((create.sizes(), create.selected, create.picked.len()), (BTreeSet::from([64]), 0, 1));
    // A picture from outside is no candidate of ours, and the stages it stands for are gone.
    let from = Some(StageInput { size: 64, images: vec![grey(64, 99)] });
    run(&mut create, &GenerateRequest { from, ..request(1) }, &[256], 30);
    assert_eq!(create.sizes(), BTreeSet::from([256]));
}

#[test]
fn the_selection_follows_only_who_looks_at_nothing_yet() {
    let mut create = Create::default();
    run(&mut create, &request(4), &[64], 10);
    let first = enlarge(&create, 2, 64);
    run(&mut create, &first, &[256], 100);
    assert_eq!(create.selected, 2);
    let second = enlarge(&create, 3, 64);
    run(&mut create, &second, &[256], 120);
    assert_eq!(create.selected, 2);
}

#[test]
fn an_error_is_at_the_stage_that_caused_it() {
    let error = EngineError::NotFinite { size: 256, step: 3 };
    let mut create = Create::default();
    create.begin(&plans(&[64, 256, 1024]), &Arc::new(request(1)));
    create.stage_mut(64).expect("begun").finished(1.0, vec![grey(64, 1)]);
    // 256 was about to be loaded.
    create.broke_off(Some(&error));
    assert_eq!(create.shown(64).map(|s| s.progress.clone()), Some(Progress::Done));
    assert_eq!(create.shown(256).map(|s| s.progress.clone()), Some(Progress::Failed(error.clone())));
    assert_eq!(create.shown(1024).map(|s| s.progress.clone()), Some(Progress::Waiting));
    // The error of a job that never began changes no tile.
    let before = create.stages.clone();
    create.broke_off(Some(&error));
    assert_eq!(create.stages, before);
}

#[test]
fn stale_is_what_another_setting_text_or_seed_made() {
    let model = model();
    let mut create = Create::default();
    run(&mut create, &request(1), &[64, 256], 10);
    let same = Draft { prompt: "x".into(), seed: 7, ..Draft::default() };
    assert!(!create.is_stale(64, &same, &model) && !create.is_stale(256, &same, &model));
    let mut later = same.clone();
    let mut settings = model.stages[1].defaults.clone();
    settings.guidance_weight = 9.0;
    later.set(&model.stages[1], &settings);
    assert_eq!([64, 256].map(|size| create.is_stale(size, &later, &model)), [false, true]);
    let rounded = Draft { weights: Weights::F16, ..same.clone() };
    assert!(create.is_stale(64, &rounded, &model), "its text encoder's file is f32");
    for other in [Draft { prompt: "y".into(), ..same.clone() }, Draft { seed: 8, ..same }] {
        assert!(create.is_stale(64, &other, &model));
    }
}
