//! `imagen compare` from arguments to files, on an engine that computes nothing.

use std::fs;
use std::path::Path;

use imagen_protocol::{Command, Event, Threshold};

use super::*;
use crate::test_support::{Ran, answer, obliging, run, task};

fn compare_on(dir: &Path, line: &[&str], script: impl Fn(&Command) -> Vec<Event> + Clone + Send + 'static) -> Ran {
    let out = dir.join("grid.png");
    let mut line = line.to_vec();
    line.extend(["--out", out.to_str().expect("UTF-8")]);
    run(task("compare", &line), script)
}

fn requests(ran: &Ran) -> Vec<&GenerateRequest> {
    fn request(command: &Command) -> Option<&GenerateRequest> {
        if let Command::Generate { request, .. } = command { Some(request) } else { None }
    }
    ran.commands.iter().filter_map(request).collect()
}

#[test]
fn every_cell_is_a_column_of_one_job() {
    let dir = tempfile::tempdir().expect("a folder");
    let ran =
        compare_on(dir.path(), &["x", "--guidance", "1,5", "--threshold", "none,static,dynamic", "--percentile", "90"], obliging);
    ran.result.as_ref().expect("it works");
    let all = requests(&ran);
    assert_eq!((all.len(), all[0].until), (1, Some(64)), "one job");
    let cells: Vec<(f64, Threshold)> =
        all[0].columns.iter().map(|c| (c[&64].guidance_weight.expect("set"), c[&64].threshold.expect("set"))).collect();
    let dynamic = Threshold::Dynamic { percentile: 0.9, cap: Some(1.5) };
    let modes = [Threshold::None, Threshold::Static, dynamic];
    let expected: Vec<(f64, Threshold)> = modes.into_iter().flat_map(|t| [(1.0, t), (5.0, t)]).collect();
    assert_eq!(cells, expected);
}

#[test]
fn the_grid_is_a_picture_and_the_table_has_a_row_a_step() {
    let dir = tempfile::tempdir().expect("a folder");
    let ran = compare_on(
        dir.path(),
        &["a red apple", "--seed", "7", "--guidance", "1,5", "--threshold", "none,dynamic", "--until", "256"],
        obliging,
    );
    ran.result.expect("it works");
    let grid = image::open(dir.path().join("grid.png")).expect("a PNG").to_rgb8();
    for cell in 0..4 {
        assert_eq!(grid.pixels().filter(|p| p.0 == [7, cell, 200]).count(), 256 * 256, "cell {cell}");
    }
    let table = fs::read_to_string(dir.path().join("grid.csv")).expect("a table");
    let lines: Vec<&str> = table.lines().collect();
    assert_eq!(lines.len(), 1 + 4 * 2 * 10);
    assert_eq!(lines[..2], ["guidance,threshold,size,step,steps,s,clipped", "1,none,64,1,10,1.25,0.5"]);
    assert_eq!(*lines.last().expect("a row"), "5,dynamic,256,10,10,1.25,0.5");
    let texts = png::read_texts(&dir.path().join("grid.png")).expect("texts");
    assert!(texts.iter().any(|(k, v)| k == "imagen-compare" && v.contains("\"seed\":7")));
}

#[test]
fn another_stage_can_vary() {
    let dir = tempfile::tempdir().expect("a folder");
    let ran = compare_on(dir.path(), &["x", "--guidance", "2", "--threshold", "dynamic", "--stage", "256"], obliging);
    ran.result.as_ref().expect("it works");
    let all = requests(&ran);
    assert_eq!((all.len(), all[0].until), (1, Some(256)));
    assert_eq!(all[0].columns[0][&256].threshold, Some(Threshold::PAPER));
    assert!(!all[0].stages.contains_key(&64) && !all[0].columns[0].contains_key(&64));
}

#[test]
fn what_is_wrong_is_found_before_the_engine_starts() {
    let dir = tempfile::tempdir().expect("a folder");
    let many = vec!["1"; 65].join(",");
    let cases: [(&[&str], &str); 6] = [
        (&["x", "--stage", "128"], "stage is 128: give one of this model's"),
        (&["x", "--stage", "256", "--until", "64"], "stage is 256: give one that runs"),
        (&["x", "--guidance", "nan"], "guidance of stage 64 of column 1 is NaN"),
        (&["x", "--guidance", &many, "--threshold", "none"], "compare is 65 cells: give at most 64"),
        (&["x", "--threshold", "none", "--percentile", "256=99"], "percentile of stage 256"),
        (&["x", "--model", "missing"], "is not there"),
    ];
    for (line, part) in cases {
        let ran = compare_on(dir.path(), line, obliging);
        let error = ran.result.expect_err(part).line();
        assert!(error.contains(part), "{error} / {part}");
        assert!(ran.commands.is_empty(), "{part}");
    }
    assert_eq!(fs::read_dir(dir.path()).expect("there").count(), 0);
}

#[test]
fn nothing_is_overwritten_and_a_cancelled_grid_leaves_nothing() {
    let dir = tempfile::tempdir().expect("a folder");
    fs::write(dir.path().join("grid.csv"), "mine").expect("written");
    let ran = compare_on(dir.path(), &["x"], obliging);
    assert!(ran.result.expect_err("it exists").line().contains("--force"));
    fs::remove_file(dir.path().join("grid.csv")).expect("removed");
    let script = |command: &Command| {
        let Command::Generate { job, request } = command else { return vec![] };
        let mut events = answer(*job, request);
        events.pop();
        events.push(Event::JobCancelled { job: *job });
        events
    };
    let ran = compare_on(dir.path(), &["x"], script);
    assert_eq!(ran.result.expect_err("cancelled").exit_code(), 130);
    assert_eq!(fs::read_dir(dir.path()).expect("there").count(), 0);
}
