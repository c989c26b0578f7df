//! The binary as a process: help, speed of its start, readers that go away.

#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used, reason = "a broken fixture is a failed test")]

mod common;

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use common::imagen;

#[test]
fn help_and_version_are_printed() {
    for line in [&["--help"][..], &["generate", "--help"], &["--version"]] {
        let output = imagen(Path::new(".")).args(line).output().expect("it runs");
        assert!(output.status.success() && output.stderr.is_empty(), "{line:?}");
        assert!(String::from_utf8_lossy(&output.stdout).contains("imagen"), "{line:?}");
    }
}

#[test]
fn help_is_there_within_50_ms() {
    let one = || {
        let start = Instant::now();
        assert!(imagen(Path::new(".")).arg("--help").output().expect("it runs").status.success());
        start.elapsed()
    };
    // The best of twenty: the machine may be busy with other tests.
    let best = (0..20).map(|_| one()).min().unwrap_or(Duration::MAX);
    assert!(best < Duration::from_millis(50), "{best:?}");
}

#[test]
fn a_reader_that_goes_away_is_no_panic() {
    for line in [&["--help"][..], &["devices"], &["models"]] {
        let mut child =
            imagen(Path::new(".")).args(line).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it starts");
        drop(child.stdout.take());
        let output = child.wait_with_output().expect("it ends");
        let err = String::from_utf8_lossy(&output.stderr);
        assert!(!err.contains("panicked") && output.status.success(), "{line:?}: {err}");
    }
}

#[test]
fn devices_as_json_name_what_auto_takes() {
    let output = imagen(Path::new(".")).args(["devices", "--json"]).output().expect("it runs");
    let value: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let auto = value["auto"].as_str().expect("a device");
    assert!(auto == "cpu" || auto.starts_with("gpu:"), "{auto}");
    assert!(value["adapters"].is_array());
}

/// Only `main` knows both the app and the engine: everything else runs on a `FakeEngine`.
#[test]
fn only_main_names_the_engine() {
    fn naming(dir: &Path, found: &mut Vec<String>) {
        for path in std::fs::read_dir(dir).expect("sources").map(|e| e.expect("an entry").path()) {
            if path.is_dir() {
                naming(&path, found);
            } else if std::fs::read_to_string(&path).expect("text").contains("imagen_engine") {
                found.push(path.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default());
            }
        }
    }
    let mut found = Vec::new();
    naming(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut found);
    assert_eq!(found, ["main.rs"]);
}

/// Ctrl+C during the first stage: the program ends soon, with code 130 and without a file.
#[cfg(unix)]
#[test]

fn ctrl_c_ends_a_job_within_a_step() {
    let dir = tempfile::tempdir().expect("a folder");
    let line = ["generate", "a red apple", "--json", "--device", "cpu", "--until", "64", "--steps", "1000", "--seed", "1"];
    let mut child = imagen(dir.path()).args(line).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it starts");
    let mut lines = BufReader::new(child.stdout.take().expect("a pipe")).lines();
    assert!(lines.any(|l| l.is_ok_and(|l| l.contains("step_finished"))), "no step was made");
    let kill = std::process::Command::new("kill").args(["-INT", &child.id().to_string()]).status().expect("kill runs");
    assert!(kill.success());
    let start = Instant::now();
    let last = lines.map_while(Result::ok).last();
    let output = child.wait_with_output().expect("it ends");
    assert!(start.elapsed() < Duration::from_secs(20), "it took {:?}", start.elapsed());
    assert_eq!(last.as_deref(), Some(r#"{"event":"cancelled"}"#));
    assert_eq!((output.status.code(), String::from_utf8_lossy(&output.stderr).trim()), (Some(130), "cancelled"));
    assert_eq!(std::fs::read_dir(dir.path()).expect("there").count(), 0);
}
