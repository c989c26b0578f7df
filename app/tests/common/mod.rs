//! Runs the real binary.

// Each test file uses its share of this.
#![allow(dead_code)]

use std::ffi::OsString;
use std::path::Path;
use std::process::{Command, Output};

/// One wrong call: the arguments (`{dir}` is a folder of the test's own), the exit code, a part of the message.
pub type Case = (&'static [&'static str], i32, &'static str);

/// A command on the binary, in `dir`.
pub fn imagen(dir: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_imagen"));
    // Without it libwayland, which Vulkan drivers load, prints an `error:` line of its own.
    command.current_dir(dir).env_remove("XDG_RUNTIME_DIR");
    command
}

/// # Panics
/// Where the binary does not start.
pub fn run(dir: &Path, args: &[OsString]) -> Output {
    imagen(dir).args(args).output().expect("the binary runs")
}

/// Runs every case and tells all that fail, not the first alone.
///
/// # Panics
/// Where a call does not fail as it should.
pub fn check_all(dir: &Path, cases: &[Case]) {
    let failures: Vec<String> = cases.iter().filter_map(|case| check(dir, case).err()).collect();
    assert!(failures.is_empty(), "{} of {}:\n{}", failures.len(), cases.len(), failures.join("\n"));
}

fn check(dir: &Path, &(args, code, says): &Case) -> Result<(), String> {
    let words: Vec<OsString> = args.iter().map(|a| a.replace("{dir}", &dir.to_string_lossy()).into()).collect();
    let before = listing(dir);
    let output = run(dir, &words);
    fails_with(&output, code, says).map_err(|why| format!("imagen {}: {why}", args.join(" ")))?;
    let after = listing(dir);
    if before == after { Ok(()) } else { Err(format!("imagen {}: left files: {before:?} became {after:?}", args.join(" "))) }
}

/// Exactly one line with `error:` on stderr, the expected code, nothing of a panic.
pub fn fails_with(output: &Output, code: i32, says: &str) -> Result<(), String> {
    let err = String::from_utf8_lossy(&output.stderr);
    let errors: Vec<&str> = err.lines().filter(|l| l.starts_with("error: ")).collect();
    let whole = format!("code {:?}, stderr: {err}", output.status.code());
    if err.contains("panicked") || output.status.code() != Some(code) {
        return Err(format!("expected code {code}: {whole}"));
    }
    match errors[..] {
        [line] if line.contains(says) => Ok(()),
        [_] => Err(format!("expected {says:?}: {whole}")),
        _ => Err(format!("expected one error line: {whole}")),
    }
}

/// Every file below `dir` and its size.
fn listing(dir: &Path) -> Vec<(String, u64)> {
    let mut all = Vec::new();
    let mut folders = vec![dir.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).expect("a folder").map(|e| e.expect("an entry")) {
            let kind = entry.metadata().expect("metadata");
            if kind.is_dir() {
                folders.push(entry.path());
            }
            all.push((entry.path().display().to_string(), if kind.is_dir() { 0 } else { kind.len() }));
        }
    }
    all.sort();
    all
}
