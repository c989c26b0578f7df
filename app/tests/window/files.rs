//! Files that are dropped, saved and not saved, and closing.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use egui_kittest::kittest::{NodeT as _, Queryable as _};
use imagen_app::png::{self, IMAGEN, PARAMETERS, PictureSettings};
use imagen_protocol::Event;

use crate::gallery::put;
use crate::harness::{Bench, painting};

#[derive(Debug)]
struct Dropped(PathBuf);

impl egui::DroppedFile for Dropped {
    fn path(&self) -> &Path {
        &self.0
    }

    fn bytes(&self) -> Result<Vec<u8>, String> {
        std::fs::read(&self.0).map_err(|e| e.to_string())
    }
}

fn drop_files(bench: &mut Bench, paths: &[&Path]) {
    let files = paths.iter().map(|p| Arc::new(Dropped((*p).to_owned())) as egui::DroppedFileHandle);
    bench.app.input_mut().dropped_files.extend(files);
    bench.app.step();
    bench.settle();
}

fn write(bench: &Bench, name: &str, bytes: &[u8]) -> PathBuf {
    let path = bench.folder.path().join(name);
    std::fs::write(&path, bytes).expect("written");
    path
}

#[test]
fn a_picture_of_ours_restores_its_settings_when_that_is_chosen() {
    let mut bench = Bench::open();
    let path = put(bench.folder.path(), "dropped.png", "a kite over the sea", 256, 1);
    drop_files(&mut bench, &[&path]);
    bench.until("it is known", |s| !s.notes.is_empty());
    bench.snapshot("note_dropped");
    bench.click("Restore settings");
    assert_eq!(bench.state().draft.prompt, "a kite over the sea");
    assert!(bench.state().notes.is_empty(), "the note has done its work");
}

/// A picture with another program's settings, dropped and read.
fn drop_parameters(bench: &mut Bench, text: &str) {
    let bytes = png::encode(&painting(64, 0, 0.0), &[(PARAMETERS, text)], true).expect("encoded");
    let path = write(bench, "other.png", &bytes);
    drop_files(bench, &[&path]);
    bench.until("it is known", |s| !s.notes.is_empty());
}

#[test]
fn another_programs_settings_are_taken_over() {
    let mut bench = Bench::open();
    let text = "a cat\nNegative prompt: rain\nSteps: 20, Sampler: DDIM, CFG scale: 7, Seed: 5, Size: 64x64";
    drop_parameters(&mut bench, text);
    bench.click("Restore settings");
    assert_eq!((bench.state().draft.seed, bench.state().draft.negative_prompt.as_str()), (5, "rain"));
}

#[test]
fn a_plain_picture_becomes_the_input_and_the_other_files_are_said() {
    let mut bench = Bench::open();
    let bytes = png::encode(&painting(300, 0, 0.0), &[], true).expect("encoded");
    let path = write(&bench, "plain.png", &bytes);
    drop_files(&mut bench, &[&path, Path::new("second.png")]);
    bench.until("it is loaded", |s| s.draft.input.is_some());
    assert_eq!(bench.state().draft.input.as_ref().map(|i| i.input.size), Some(256));
    assert!(bench.reads("plain.png is used; the other file is not"));
    bench.click("Show the input picture");
    bench.until("it is shown whole", |s| s.full.as_ref().is_some_and(|full| full.size == [300, 300]));
    assert!(bench.reads("300 x 300 pixels · carries no settings"));
}

#[test]
fn whatever_is_dropped_is_answered_in_the_window() {
    let mut bench = Bench::open();
    let whole = png::encode(&painting(64, 0, 0.0), &[], true).expect("encoded");
    let later = PictureSettings { format: png::FORMAT + 1, ..crate::gallery::settings("x", 64) }.to_json().expect("JSON");
    let coded = |text: &str| png::encode(&painting(64, 0, 0.0), &[(IMAGEN, text)], true).expect("encoded");
    let cases = [
        ("text.png", b"not a picture".to_vec(), "is no PNG"),
        ("empty.png", vec![], "is no PNG"),
        ("cut.png", whole[..whole.len() / 2].to_vec(), "cannot be read"),
        ("later.png", coded(&later), "format 2"),
        ("broken.png", coded("{"), "settings cannot be read"),
    ];
    for (name, bytes, expected) in cases {
        let path = write(&bench, name, &bytes);
        drop_files(&mut bench, &[&path]);
        bench.until(name, |s| s.notes.iter().any(|n| n.text.contains(name) && n.text.contains(expected)));
    }
    let folder = bench.folder.path().to_owned();
    drop_files(&mut bench, &[&folder]);
    bench.until("a folder", |s| s.notes.iter().any(|n| n.text.contains("cannot be read: ")));
}

#[test]
fn a_dropped_picture_that_carries_settings_can_be_looked_at_before_one_decides() {
    let mut bench = Bench::open();
    let text = "a cat\nSteps: 20, CFG scale: 7, Seed: 5, Size: 64x64";
    drop_parameters(&mut bench, text);
    bench.click("Show");
    bench.until("it is shown", |s| s.full.is_some());
    assert!(bench.reads("another program's settings"));
    bench.click("Use its settings");
    assert_eq!((bench.state().draft.prompt.as_str(), bench.state().full.as_ref()), ("a cat", None));
}

#[test]
fn a_file_that_is_gone_is_said_where_it_should_be_shown() {
    let mut bench = Bench::open();
    let effects = bench.state_mut().apply(imagen_app::window::action::Action::ShowFile("/no/such/picture.png".into()));
    let ctx = bench.app.ctx.clone();
    bench.app.state_mut().carry_out(&ctx, effects);
    bench.until("it is said", |s| s.notes.iter().any(|n| n.text.contains("picture.png") && n.text.contains("cannot be read")));
    assert_eq!(bench.state().full, None);
}

#[test]
fn hovering_files_are_told_what_would_happen() {
    let mut bench = Bench::open();
    let file = egui::HoveredFile { path: Some("/home/user/kite.png".into()), mime: String::new() };
    bench.app.input_mut().hovered_files.push(file);
    bench.app.step();
    bench.app.snapshot("drop_overlay");
}

#[test]
fn a_picture_that_cannot_be_saved_waits_in_the_window() {
    let mut bench = Bench::open();
    let blocked = write(&bench, "pictures", b"a file where the folder should be");
    bench.state_mut().draft.prompt = "a red apple".into();
    bench.state_mut().draft.until = Some(64);
    bench.click("Generate");
    let (job, _) = bench.start_job();
    bench.run_stage(job, 64, 1, 2);
    bench.send([Event::JobFinished { job, seconds: 1.0 }]);
    bench.until("it is not saved", |s| s.unsaved.len() == 1);
    assert!(bench.sees("Save as...") && bench.reads("1 picture is not saved"));
    bench.click("Save again");
    bench.until("it is tried again", |s| s.unsaved.iter().all(|u| !u.saving));
    assert_eq!(bench.state().unsaved.len(), 1);
    std::fs::remove_file(&blocked).expect("removed");
    bench.click("Save again");
    bench.until("it is saved", |s| s.unsaved.is_empty() && s.gallery.entries().len() == 1);
    assert_eq!(std::fs::read_dir(blocked).expect("a folder").count(), 1);
}

#[test]
fn a_right_click_on_a_finished_picture_offers_its_file() {
    let mut bench = Bench::open();
    bench.state_mut().draft.prompt = "a red apple".into();
    bench.state_mut().draft.until = Some(64);
    bench.click("Generate");
    let (job, _) = bench.start_job();
    bench.run_stage(job, 64, 1, 2);
    let menu = |bench: &mut Bench| {
        bench.app.get_by_label("The picture being made").click_secondary();
        bench.settle();
    };
    menu(&mut bench);
    assert!(bench.app.get_by_label("Copy the file's path").accesskit_node().is_disabled(), "it is not saved yet");
    bench.press(egui::Modifiers::NONE, egui::Key::Escape);
    assert!(!bench.sees("Copy the file's path") && !bench.engine.cancel.is_cancelled(), "it closes the menu, not the job");
    bench.send([Event::JobFinished { job, seconds: 1.0 }]);
    bench.until("it is saved", |s| s.gallery.entries().len() == 1);
    menu(&mut bench);
    let copied = bench.click_to_copy("Copy the file's path").expect("a path");
    assert!(Path::new(&copied).exists() && copied.ends_with("-64.png"), "{copied}");
}

#[test]
fn closing_at_work_ends_at_once_and_saves_what_is_finished() {
    let mut bench = Bench::open();
    bench.state_mut().draft.prompt = "a red apple".into();
    bench.click("Generate");
    let (job, _) = bench.start_job();
    bench.run_stage(job, 64, 1, 2);
    let picture = bench.state().tile(64).expect("a picture");
    bench.run_steps(job, 256, 1, 2, 15);
    let effects = bench.state_mut().apply(imagen_app::window::action::Action::Save(picture));
    let ctx = bench.app.ctx.clone();
    bench.app.state_mut().carry_out(&ctx, effects);
    let begun = Instant::now();
    bench.app.state_mut().close();
    assert!(begun.elapsed() < Duration::from_secs(2), "{:?}", begun.elapsed());
    let files: Vec<PathBuf> =
        std::fs::read_dir(bench.folder.path().join("pictures")).expect("a folder").map(|f| f.expect("a file").path()).collect();
    assert_eq!(files.len(), 1, "{files:?}");
    assert_eq!(PictureSettings::read(&files[0]).expect("whole").request.prompt, "a red apple");
    assert!(bench.engine.cancel.is_cancelled());
    assert!(bench.folder.path().join("config/window.json").exists());
}
