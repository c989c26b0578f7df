//! The real binary in a real window on a virtual screen: a prompt is typed, the cascade runs, the picture's settings are right.
//! Screenshots of the way stay in `CARGO_TARGET_TMPDIR/window_e2e`; `IMAGEN_SCREENSHOTS=DIR` keeps them there too (the README's pictures).
//! Linux only: it takes Xvfb, xdotool and ImageMagick's `import`, which `tests/run` installs.

#![cfg(target_os = "linux")]
#![allow(clippy::expect_used, clippy::panic, reason = "a screen that does not come up is a failed test")]

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

const WIDTH: u32 = 1440;
const HEIGHT: u32 = 900;
/// Sampling 64, 256 and 1024 pixels takes 10 s on two idle cores.
const PATIENCE: Duration = Duration::from_secs(240);

/// A process that ends with its owner.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

struct Screen {
    display: String,
    _server: Running,
}

impl Screen {
    fn start() -> Self {
        let mut server = Command::new("Xvfb")
            .args(["-displayfd", "1", "-nolisten", "tcp", "-screen", "0", &format!("{WIDTH}x{HEIGHT}x24")])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("Xvfb starts; tests/run installs it");
        let mut line = String::new();
        BufReader::new(server.stdout.take().expect("piped")).read_line(&mut line).expect("Xvfb says its display");
        Self { display: format!(":{}", line.trim()), _server: Running(server) }
    }

    fn tool(&self, program: &str, args: &[&str]) -> String {
        let output = Command::new(program).args(args).env("DISPLAY", &self.display).output();
        let output = output.unwrap_or_else(|e| panic!("{program}: {e}; tests/run installs it"));
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    }

    fn keys(&self, keys: &str) {
        self.tool("xdotool", &["key", "--clearmodifiers", keys]);
        sleep(Duration::from_millis(200));
    }

    fn picture(&self, folder: &Path, name: &str) -> PathBuf {
        let path = folder.join(format!("{name}.png"));
        self.tool("import", &["-window", "root", path.to_str().expect("UTF-8")]);
        assert!(path.is_file(), "no screenshot {}", path.display());
        path
    }
}

struct App<'a> {
    screen: &'a Screen,
    window: String,
    process: Running,
    home: PathBuf,
}

impl<'a> App<'a> {
    fn start(screen: &'a Screen, home: &Path) -> Self {
        let started = Instant::now();
        let process = Command::new(env!("CARGO_BIN_EXE_imagen"))
            .env("DISPLAY", &screen.display)
            .env_remove("WAYLAND_DISPLAY")
            .env("HOME", home)
            .env("XDG_CONFIG_HOME", home.join("config"))
            .env("XDG_CACHE_HOME", home.join("cache"))
            .env("XDG_DATA_HOME", home.join("data"))
            .spawn()
            .expect("the program starts");
        let mut app = Self { screen, window: String::new(), process: Running(process), home: home.to_owned() };
        app.wait("a window", |app| {
            app.window = screen
                .tool("xdotool", &["search", "--onlyvisible", "--name", "imagen"])
                .lines()
                .next()
                .unwrap_or_default()
                .to_owned();
            !app.window.is_empty()
        });
        println!("window shown after {:.2} s", started.elapsed().as_secs_f64());
        for args in [["windowmove", "0", "0"], ["windowsize", &WIDTH.to_string(), &HEIGHT.to_string()]] {
            screen.tool("xdotool", &[args[0], &app.window, args[1], args[2]]);
        }
        screen.tool("xdotool", &["windowfocus", "--sync", &app.window]);
        // Away from everything that tells of itself when it is pointed at.
        screen.tool("xdotool", &["mousemove", &(WIDTH - 140).to_string(), &(HEIGHT / 2).to_string()]);
        sleep(Duration::from_millis(1500));
        app
    }

    fn title(&self) -> String {
        self.screen.tool("xdotool", &["getwindowname", &self.window])
    }

    fn wait(&mut self, what: &str, mut done: impl FnMut(&mut Self) -> bool) {
        let started = Instant::now();
        while !done(self) {
            if let Ok(Some(status)) = self.process.0.try_wait() {
                panic!("the program ended ({status}) before {what}");
            }
            assert!(started.elapsed() < PATIENCE, "no {what} within {PATIENCE:?}; title: {}", self.title());
            sleep(Duration::from_millis(50));
        }
    }

    /// Waits for a title such as "64 px 3/20": this step of the stage or a later one.
    fn wait_for_step(&mut self, size: u32, least: u32) {
        self.wait(&format!("step {least} of stage {size}"), |app| {
            let title = app.title();
            let step = title.strip_prefix(&format!("{size} px ")).and_then(|t| t.split('/').next());
            step.and_then(|s| s.parse::<u32>().ok()).is_some_and(|step| step >= least)
        });
    }

    fn wait_until_idle(&mut self) {
        self.wait("end of the job", |app| app.title() == "imagen");
    }
}

fn saved_pictures(home: &Path) -> Vec<PathBuf> {
    let listing = std::fs::read_dir(home.join("Pictures/imagen-wgpu"));
    let paths = listing.into_iter().flatten().filter_map(|e| Some(e.ok()?.path()));
    paths.filter(|p| p.extension().is_some_and(|e| e == "png")).collect()
}

fn settings(picture: &Path) -> serde_json::Value {
    let output = Command::new(env!("CARGO_BIN_EXE_imagen")).arg("settings").arg(picture).arg("--json").output().expect("it runs");
    serde_json::from_slice(&output.stdout).expect("JSON")
}

fn screenshots() -> PathBuf {
    let own = Path::new(env!("CARGO_TARGET_TMPDIR")).join("window_e2e");
    let folder = std::env::var_os("IMAGEN_SCREENSHOTS").map_or(own, PathBuf::from);
    std::fs::create_dir_all(&folder).expect("a folder for screenshots");
    folder
}

/// Colours in the middle of a screenshot: a window that shows nothing has few.
fn colours(path: &Path) -> usize {
    let picture = image::open(path).expect("a PNG").to_rgb8();
    let seen: std::collections::HashSet<[u8; 3]> = picture.pixels().step_by(7).map(|p| p.0).collect();
    seen.len()
}

#[test]
fn a_prompt_typed_into_the_window_becomes_a_saved_picture() {
    let (screen, home, shots) = (Screen::start(), tempfile::tempdir().expect("a folder"), screenshots());
    let mut app = App::start(&screen, home.path());
    let empty = screen.picture(&shots, "empty");
    assert!(colours(&empty) > 10, "the window shows nothing");
    screen.tool("xdotool", &["mousemove", "130", "90", "click", "1"]);
    sleep(Duration::from_millis(300));
    screen.tool("xdotool", &["type", "--delay", "30", "a red apple"]);
    screen.keys("ctrl+Return");
    for size in [64, 256] {
        app.wait_for_step(size, 3); // there is a preview by then
        screen.picture(&shots, &format!("running-{size}"));
    }
    app.wait_until_idle();
    app.wait("saved picture", |_| !saved_pictures(home.path()).is_empty());
    sleep(Duration::from_millis(500));
    screen.picture(&shots, "done");
    let picture = saved_pictures(home.path()).remove(0);
    let settings = settings(&picture);
    assert_eq!(settings["request"]["prompt"], "a red apple");
    assert_eq!(settings["size"], 1024);
    let image = image::open(&picture).expect("a PNG");
    assert_eq!((image.width(), image.height()), (1024, 1024));
    compare(&mut app, &screen, &shots);
    cancel(&mut app, &screen);
    screen.keys("ctrl+Return");
    app.wait_for_step(256, 0);
    close(app);
    let left: Vec<PathBuf> = files(home.path()).into_iter().filter(|p| p.to_string_lossy().contains(".part")).collect();
    assert!(left.is_empty(), "half-written files: {left:?}");
}

/// Esc ends a job within one step, even of 1024 pixels on the CPU.
fn cancel(app: &mut App<'_>, screen: &Screen) {
    screen.keys("ctrl+1");
    screen.keys("ctrl+Return");
    app.wait_for_step(1024, 0);
    let pressed = Instant::now();
    screen.tool("xdotool", &["key", "Escape"]);
    app.wait_until_idle();
    println!("cancelled at 1024 pixels after {:.2} s", pressed.elapsed().as_secs_f64());
    assert_eq!(saved_pictures(&app.home).len(), 1, "a cancelled job left a picture");
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().filter_map(|e| Some(e.ok()?.path()));
    entries.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}

/// The compare view runs its three columns on the same prompt.
fn compare(app: &mut App<'_>, screen: &Screen, shots: &Path) {
    screen.keys("ctrl+2");
    screen.keys("ctrl+Return");
    app.wait("a running comparison", |app| app.title() != "imagen");
    app.wait_until_idle();
    sleep(Duration::from_millis(500));
    screen.picture(shots, "compare");
}

/// Closing the window ends the program by itself, with success, even while a job runs.
fn close(mut app: App<'_>) {
    app.screen.keys("ctrl+q");
    let started = Instant::now();
    let status = loop {
        match app.process.0.try_wait().expect("a process") {
            Some(status) => break status,
            None => assert!(started.elapsed() < Duration::from_secs(10), "the program does not end"),
        }
        sleep(Duration::from_millis(20));
    };
    assert!(status.success(), "{status}");
}
