//! The system's file manager.

use std::path::Path;
use std::process::{Child, Command, ExitStatus};
use std::time::{Duration, Instant};

use super::IoEvent;
use super::files::engine_error;
use crate::error::file_error;

/// How long a file manager takes to say that it cannot open.
const PATIENCE: Duration = Duration::from_secs(3);

/// Opens the file manager where the file is; what hinders it is said.
pub fn reveal(path: &Path) -> Option<IoEvent> {
    let folder = crate::atomic::folder(path);
    let shown = if path.exists() { path } else { &folder };
    open(opener(shown, &folder)).err().map(|problem| {
        let remedy = "open the folder by hand, or copy the file's path";
        IoEvent::Failed(engine_error(file_error(&folder, problem, remedy)))
    })
}

/// # Errors
/// It did not start, or ended at once with a failure.
fn open(mut opener: Command) -> Result<(), String> {
    let program = opener.get_program().to_string_lossy().into_owned();
    let child = opener.spawn().map_err(|e| format!("cannot be shown, as {program} did not start: {e}"))?;
    match early_end(child) {
        Some(status) if !status.success() && says_failure(&program) => {
            Err(format!("cannot be shown, as no file manager opened: {program} ended with {status}"))
        }
        _ => Ok(()),
    }
}

/// Windows' explorer ends with 1 whatever happened.
fn says_failure(program: &str) -> bool {
    program != "explorer"
}

/// How it ended, if it did so soon: some file managers live as long as their window.
fn early_end(mut child: Child) -> Option<ExitStatus> {
    let begun = Instant::now();
    while begun.elapsed() < PATIENCE {
        match child.try_wait() {
            Ok(None) => std::thread::sleep(Duration::from_millis(20)),
            Ok(ended) => return ended,
            Err(_) => return None,
        }
    }
    // Its ending is collected, whatever it is.
    let wait = move || drop(child.wait());
    drop(std::thread::Builder::new().name("file manager".into()).spawn(wait));
    None
}

fn opener(path: &Path, folder: &Path) -> Command {
    if cfg!(target_os = "windows") {
        let mut command = Command::new("explorer");
        command.arg("/select,").arg(path);
        command
    } else if cfg!(target_os = "macos") {
        let mut command = Command::new("open");
        command.arg("-R").arg(path);
        command
    } else {
        let mut command = Command::new("xdg-open");
        command.arg(folder);
        command
    }
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn a_file_manager_that_does_not_open_is_said() {
        assert_eq!(open(Command::new("true")), Ok(()));
        for (program, part) in [("false", "no file manager opened"), ("/no/such/program", "did not start")] {
            let problem = open(Command::new(program)).expect_err(program);
            assert!(problem.contains(part) && problem.contains(program), "{problem}");
        }
    }

    #[test]
    fn the_folder_of_a_file_is_opened() {
        let command = opener(Path::new("/a/b.png"), Path::new("/a"));
        let last = command.get_args().last().expect("an argument");
        let expected = if cfg!(target_os = "macos") { "/a/b.png" } else { "/a" };
        assert_eq!(last, expected);
    }
}
