//! Assertions about the repository itself: the invariants of ARCHITECTURE.md that a test can hold.

use std::path::{Path, PathBuf};

use imagen_tests::repo;

/// Of a folder and those in it; a file is its own.
fn rust_files(dir: &Path) -> Vec<PathBuf> {
    if dir.is_file() {
        return vec![dir.to_owned()];
    }
    let entries = std::fs::read_dir(dir).unwrap_or_else(|e| panic!("{}: {e}", dir.display()));
    let paths = entries.map(|e| e.expect("readable").path());
    let nested = paths.flat_map(|p| if p.is_dir() { rust_files(&p) } else { vec![p] });
    nested.filter(|p| p.extension().is_some_and(|e| e == "rs")).collect()
}

/// Files below `dir` in which one of `words` stands outside of comments.
fn naming(dir: &str, words: &[&str]) -> Vec<String> {
    let dir = repo().join(dir);
    let files = rust_files(&dir);
    assert!(!files.is_empty(), "{} has no source", dir.display());
    let names = |path: &PathBuf| {
        let text = std::fs::read_to_string(path).expect("readable");
        text.lines().filter(|l| !l.trim_start().starts_with("//")).any(|l| words.iter().any(|w| l.contains(w)))
    };
    files.iter().filter(|p| names(p)).map(|p| p.display().to_string()).collect()
}

#[test]
fn one_version_of_each_of_burn_wgpu_and_naga_is_locked() {
    let lock = std::fs::read_to_string(repo().join("Cargo.lock")).expect("a lock file");
    for name in ["burn", "burn-cubecl", "cubecl", "wgpu", "wgpu-core", "wgpu-hal", "naga"] {
        let line = format!("name = \"{name}\"");
        assert_eq!(lock.lines().filter(|l| *l == line).count(), 1, "versions of {name} in Cargo.lock");
    }
    assert!(!lock.contains("git+"), "a git dependency");
}

#[test]
fn the_protocol_holds_plain_data() {
    assert_eq!(naming("engine/protocol/src", &["burn::", "wgpu::", "egui::", "imagen_engine"]), Vec::<String>::new());
}

#[test]
fn the_app_knows_the_engine_in_main_alone() {
    let knowing = naming("app/src", &["imagen_engine", "burn::"]);
    assert!(knowing.iter().all(|p| p.ends_with("main.rs")), "{knowing:?}");
}

#[test]
fn diffusion_knows_no_network_and_networks_know_no_sampler() {
    assert_eq!(naming("engine/src/diffusion", &["crate::models", "crate::runtime"]), Vec::<String>::new());
    assert_eq!(naming("engine/src/models", &["crate::diffusion", "crate::runtime"]), Vec::<String>::new());
}

#[test]
fn families_do_not_know_each_other() {
    assert_eq!(naming("engine/src/models/imagen", &["deepfloyd"]), Vec::<String>::new());
    assert_eq!(naming("engine/src/models/deepfloyd", &["models::imagen", "super::imagen"]), Vec::<String>::new());
}

#[test]
fn readbacks_that_panic_are_nowhere_and_the_clock_is_read_in_runtime_alone() {
    assert_eq!(naming("engine/src", &[".into_data()", ".into_scalar()"]), Vec::<String>::new());
    for part in ["diffusion", "models", "ops"] {
        assert_eq!(naming(&format!("engine/src/{part}"), &["Instant::now", "SystemTime"]), Vec::<String>::new());
    }
}

#[test]
fn the_windows_state_knows_no_user_interface() {
    for place in ["state", "compare", "create.rs", "draft.rs", "gallery.rs", "job.rs", "log.rs", "prefs.rs", "stage_view.rs"] {
        assert_eq!(naming(&format!("app/src/window/{place}"), &["egui::", "eframe::"]), [""; 0], "{place}");
    }
}

#[test]
fn colours_of_the_window_are_in_its_theme_alone() {
    let named = naming("app/src/window", &["Color32::from", "Color32::RED", "Color32::GRAY", "Color32::BLACK"]);
    let others: Vec<_> = named.iter().filter(|file| !file.contains("theme.rs")).collect();
    assert!(others.is_empty(), "{others:?}");
}

#[test]
fn panels_do_not_know_each_other() {
    let folder = repo().join("app/src/window/panels");
    let stem_of = |path: &PathBuf| path.file_stem().expect("a name").to_string_lossy().into_owned();
    let panels: Vec<PathBuf> = std::fs::read_dir(&folder).expect("panels").map(|e| e.expect("an entry").path()).collect();
    let names: Vec<String> = panels.iter().map(stem_of).filter(|name| name != "mod").collect();
    for panel in panels.iter().filter(|p| stem_of(p) != "mod") {
        for file in rust_files(panel) {
            let text = std::fs::read_to_string(&file).expect("source");
            for other in names.iter().filter(|name| **name != stem_of(panel)) {
                let known = [format!("panels::{other}"), format!("super::{other}::"), format!("super::super::{other}")];
                assert!(!known.iter().any(|k| text.contains(k.as_str())), "{} knows {other}", file.display());
            }
        }
    }
}
