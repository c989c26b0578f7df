//! The gallery.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

use egui::{Key, Modifiers};
use egui_kittest::kittest::{NodeT as _, Queryable as _};
use imagen_app::png::{self, IMAGEN, PictureSettings};
use imagen_app::window::action::{Question, View};
use imagen_app::window::gallery::Entry;
use imagen_app::window::prefs::{Prefs, ThemeChoice};
use imagen_app::window::thumbnails;
use imagen_protocol::GenerateRequest;

use crate::harness::{Bench, Setup, painting, plans};

const PROMPTS: [&str; 6] = [
    "a red apple on a table",
    "a green pear beside a blue cup",
    "two kites over the sea",
    "an orange cat that sleeps on a very long sofa in the morning sun",
    "a red fox in the snow",
    "",
];

pub fn settings(prompt: &str, size: u32) -> PictureSettings {
    PictureSettings {
        format: png::FORMAT,
        app: "imagen-wgpu 0.1.0".into(),
        model: "imagen-small".into(),
        device: "Test adapter (Vulkan)".into(),
        size,
        candidate: 1,
        request: GenerateRequest { seed: 41, ..GenerateRequest::new(prompt) },
        stages: plans(),
    }
}

/// A picture of ours; `age` seconds old.
pub fn put(folder: &Path, name: &str, prompt: &str, side: u32, age: u64) -> PathBuf {
    std::fs::create_dir_all(folder).expect("a folder");
    let json = settings(prompt, side).to_json().expect("JSON");
    let path = folder.join(name);
    let which = u32::try_from(age).expect("small");
    let bytes = png::encode(&painting(side, which, 0.0), &[(IMAGEN, &json)], true).expect("encoded");
    std::fs::write(&path, bytes).expect("written");
    let file = std::fs::File::options().write(true).open(&path).expect("opened");
    file.set_modified(SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000 - age)).expect("dated");
    path
}

/// The gallery with six pictures of ours and one of somebody else.
fn filled(setup: Setup) -> Bench {
    let mut bench = Bench::with(setup);
    bench.ready();
    let folder = bench.folder.path().join("pictures");
    for (i, prompt) in PROMPTS.iter().enumerate() {
        put(&folder, &format!("{i}.png"), prompt, [64, 256, 1024][i % 3], i as u64);
    }
    let foreign = png::encode(&painting(128, 3, 0.4), &[], true).expect("encoded");
    std::fs::write(folder.join("holiday.png"), foreign).expect("written");
    bench.state_mut().show(View::Gallery);
    bench.settle();
    bench.click("Look through the folder again");
    bench.until("the pictures are listed", |s| s.gallery.entries().len() == 7 && !s.gallery.scanning);
    bench.until("the thumbnails in view are there", |s| !s.thumbnails.is_empty() && s.thumbnails.awaited() == 0);
    bench
}

fn light_and_small() -> Setup {
    Setup { size: [1024.0, 640.0], prefs: Prefs { theme: ThemeChoice::Light, ..Prefs::default() }, ..Setup::default() }
}

fn select(bench: &mut Bench, title: &str) {
    bench.click(title);
    bench.until("the details are there", |s| s.gallery.details.is_some());
}

#[test]
fn empty() {
    let mut bench = Bench::open();
    bench.state_mut().prefs.pictures = Some("/home/user/Pictures/imagen-wgpu".into());
    bench.state_mut().show(View::Gallery);
    bench.settle();
    assert!(bench.sees("No pictures yet"));
    bench.snapshot("gallery_empty");
}

fn details(setup: Setup, name: &str) {
    let mut bench = filled(setup);
    select(&mut bench, PROMPTS[1]);
    assert!(bench.sees("Use these settings") && bench.reads("guidance 5"));
    // The folder's name is another one each time.
    bench.state_mut().folders.pictures = "/home/user/Pictures/imagen-wgpu".into();
    bench.snapshot(name);
}

#[test]
fn filled_with_details() {
    details(Setup::default(), "gallery_details_dark");
}

#[test]
fn filled_with_details_in_a_small_light_window() {
    details(light_and_small(), "gallery_details_light_small");
}

#[test]
fn filled_with_details_on_a_screen_of_1280_by_720() {
    details(Setup { size: [1280.0, 720.0], ..Setup::default() }, "gallery_details_1280");
}

#[test]
fn a_filter_shows_what_fits_and_says_when_nothing_does() {
    let mut bench = filled(Setup::default());
    bench.state_mut().gallery.filter = "RED".into();
    bench.settle();
    assert!(bench.sees(PROMPTS[0]) && bench.sees(PROMPTS[4]) && !bench.sees(PROMPTS[1]));
    bench.state_mut().gallery.filter = "zebra".into();
    bench.settle();
    assert!(bench.sees("No picture fits"));
    bench.state_mut().folders.pictures = "/home/user/Pictures/imagen-wgpu".into();
    bench.snapshot("gallery_no_hits");
    bench.click("Clear the filter");
    assert!(bench.sees(PROMPTS[1]) && bench.sees("(no prompt)") && bench.sees("holiday.png"));
}

#[test]
fn settings_come_back_from_a_picture() {
    let mut bench = filled(Setup::default());
    select(&mut bench, PROMPTS[4]);
    bench.click("Use these settings");
    let draft = &bench.state().draft;
    assert_eq!((draft.prompt.as_str(), draft.seed, draft.seed_locked), (PROMPTS[4], 41, true));
    assert_eq!(bench.state().prefs.view, View::Create);
}

#[test]
fn a_picture_of_the_gallery_is_enlarged() {
    let mut bench = filled(Setup::default());
    select(&mut bench, PROMPTS[1]);
    bench.click("Use as input");
    bench.until("it is loaded", |s| s.draft.input.is_some());
    assert_eq!(bench.state().draft.input.as_ref().map(|i| i.input.size), Some(256));
}

#[test]
fn deleting_asks_first() {
    let mut bench = filled(Setup::default());
    select(&mut bench, PROMPTS[0]);
    bench.press(Modifiers::NONE, Key::Delete);
    assert!(bench.sees("Move to the trash?"));
    bench.state_mut().folders.pictures = "/home/user/Pictures/imagen-wgpu".into();
    bench.snapshot("gallery_delete");
    bench.click("Keep");
    assert_eq!(bench.state().question, None);
    let path = bench.folder.path().join("pictures/0.png");
    assert!(path.exists());
    bench.press(Modifiers::NONE, Key::Delete);
    assert_eq!(bench.state().question, Some(Question::Trash(path)));
    bench.press(Modifiers::NONE, Key::Escape);
    assert_eq!(bench.state().question, None);
}

#[test]
fn arrows_move_the_selection_and_enter_opens_it() {
    let mut bench = filled(Setup::default());
    let selected = |bench: &Bench| bench.state().gallery.selected_index();
    bench.press(Modifiers::NONE, Key::ArrowRight);
    assert_eq!(selected(&bench), Some(0));
    for (key, expected) in
        [(Key::ArrowRight, 1), (Key::ArrowLeft, 0), (Key::End, 6), (Key::ArrowRight, 6), (Key::ArrowLeft, 5), (Key::Home, 0)]
    {
        bench.press(Modifiers::NONE, key);
        assert_eq!(selected(&bench), Some(expected), "{key:?}");
    }
    bench.press(Modifiers::NONE, Key::Enter);
    bench.until("it is opened", |s| s.full.is_some());
}

/// A photograph, wider than high and larger than the details show it.
fn photograph(folder: &Path) -> PathBuf {
    let sky = |x: u32, y: u32| if y < 300 { [(x / 16) as u8, 120, 220] } else { [90, (y / 4) as u8, 60] };
    let pixels: Vec<u8> = (0..600).flat_map(|y| (0..1600).flat_map(move |x| sky(x, y))).collect();
    let image = imagen_protocol::RgbImage::new(1600, 600, pixels).expect("whole");
    let path = folder.join("photograph of a bay.png");
    std::fs::write(&path, png::encode(&image, &[], true).expect("encoded")).expect("written");
    path
}

/// Scrolls by so much over a place.
fn scroll(bench: &mut Bench, at: egui::Pos2, points: f32) {
    let (unit, delta, phase) = (egui::MouseWheelUnit::Point, egui::vec2(0.0, points), egui::TouchPhase::Move);
    let (modifiers, source) = (Modifiers::NONE, egui::MouseWheelSource::Wheel);
    bench.app.hover_at(at);
    bench.app.event(egui::Event::MouseWheel { unit, delta, phase, modifiers, source });
    bench.app.run_steps(12);
}

#[test]
fn a_picture_without_settings_is_shown_full_size_zoomed_and_moved() {
    let mut bench = Bench::open();
    let folder = bench.folder.path().join("pictures");
    put(&folder, "ours.png", PROMPTS[0], 64, 9);
    photograph(&folder);
    bench.click("Gallery");
    bench.until("it is listed", |s| s.gallery.entries().len() == 2 && s.thumbnails.awaited() == 0);
    select(&mut bench, "photograph of a bay.png");
    assert!(bench.reads("carries no settings") && bench.reads("1600 x 600 pixels"));
    assert!(bench.app.get_by_label("Use these settings").accesskit_node().is_disabled());
    bench.click("Show full size");
    bench.until("all of its pixels are read", |s| s.full.as_ref().is_some_and(|full| full.is_whole()));
    assert!(bench.reads("1600 x 600 pixels · carries no settings") && !bench.sees("Use its settings"));
    bench.snapshot("gallery_full_foreign");
    let shown = bench.app.get_by_label("The picture, full size").rect();
    assert!((shown.width() / shown.height() - 1600.0 / 600.0).abs() < 0.01, "it keeps its shape: {shown:?}");
    scroll(&mut bench, shown.center(), 200.0);
    let zoom = bench.state().full_lens.zoom;
    assert!(zoom > 1.5, "{zoom}");
    let before = bench.state().full_lens.centre;
    bench.app.drag_at(shown.center());
    bench.app.step();
    bench.app.hover_at(shown.center() + egui::vec2(60.0, 20.0));
    bench.app.step();
    bench.app.drop_at(shown.center() + egui::vec2(60.0, 20.0));
    bench.settle();
    let after = bench.state().full_lens.centre;
    assert!(after[0] < before[0] && after[1] < before[1], "{before:?} {after:?}");
    bench.press(Modifiers::NONE, Key::Escape);
    assert_eq!(bench.state().full, None);
}

#[test]
fn a_right_click_offers_the_file_and_copies_its_path() {
    let mut bench = filled(Setup::default());
    bench.app.get_by_label(PROMPTS[1]).click_secondary();
    bench.settle();
    assert!(bench.sees("Show in the file manager") && bench.sees("Move to the trash ..."));
    let path = bench.folder.path().join("pictures/1.png").display().to_string();
    assert_eq!(bench.click_to_copy("Copy the file's path"), Some(path));
    bench.settle();
    bench.app.get_by_label("holiday.png").click_secondary();
    bench.settle();
    bench.click("Show full size");
    bench.until("it is opened", |s| s.full.is_some());
    // The details, below, have one too.
    let buttons = bench.app.get_all_by_label("Use as input");
    buttons.min_by(|a, b| a.rect().top().total_cmp(&b.rect().top())).expect("a button").click();
    bench.until("it is the input", |s| s.draft.input.is_some() && s.full.is_none());
}

#[test]
fn ten_thousand_pictures_cost_no_more_than_those_in_view() {
    let mut bench = Bench::open();
    let entry = |i: u64| {
        let modified = SystemTime::UNIX_EPOCH + Duration::from_secs(i);
        Entry::new(format!("/none/{i}.png").into(), modified, 1, Some(format!("picture {i} of many")))
    };
    bench.state_mut().gallery.set_entries((0..10_000).map(entry).collect());
    bench.state_mut().show(View::Gallery);
    bench.state_mut().gallery.filter = "many".into();
    bench.settle();
    let asked = bench.state().thumbnails.len();
    assert!((9..=thumbnails::ASKED).contains(&asked), "{asked} thumbnails are asked for");
    bench.press(Modifiers::NONE, Key::End);
    assert!(bench.sees("picture 0 of many"), "the last is in view");
    // Time on the processor, so that other programs do not count; over many frames, as some systems count it by the tick.
    let frames = 100;
    let each = cpu_time_of(|| (0..frames).for_each(|_| bench.app.step())) / frames;
    println!("10,000 pictures: {each:?} of CPU a frame");
    assert!(each < Duration::from_millis(8), "{each:?} a frame: half of what 60 frames a second leave");
    assert!(bench.state().thumbnails.len() <= thumbnails::KEPT);
}

/// What this thread spends on the processor; the time that passes, where the system does not tell.
fn cpu_time_of(work: impl FnOnce()) -> Duration {
    let spent = || {
        let told = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
        told.split_whitespace().next()?.parse().ok().map(Duration::from_nanos)
    };
    let (before, begun) = (spent(), Instant::now());
    work();
    before.zip(spent()).map_or_else(|| begun.elapsed(), |(before, after)| after - before)
}

#[test]
fn a_folder_that_cannot_be_read_offers_another() {
    let mut bench = Bench::open();
    let file = bench.folder.path().join("file");
    std::fs::write(&file, "").expect("written");
    bench.state_mut().prefs.pictures = Some(file);
    bench.state_mut().show(View::Gallery);
    bench.settle();
    bench.click("Look through the folder again");
    bench.until("the error is known", |s| s.gallery.error.is_some());
    assert!(bench.sees("The folder cannot be read"));
}
