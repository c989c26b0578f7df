//! The command line's grammar.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Args, CommandFactory as _, Parser, Subcommand};
use imagen_protocol::{DeviceChoice, SamplerKind, Steps, Weights};

use crate::error::{AppError, one_line};
use crate::staged::{self, Mode, Staged};

/// Imagen: a prompt becomes a 64-pixel picture, then 256, then 1024 pixels.
#[derive(Debug, Parser)]
#[command(name = "imagen", version, max_term_width = 110, disable_help_subcommand = true)]
pub struct Cli {
    #[command(subcommand)]
    pub task: Option<Task>,
}

/// Told under the options: what flattened arguments have in common has no other place.
const STAGED: &str = "A setting is one value for all stages (--steps 30), a value a stage (--steps 64=30,256=20), or both \
                      (--steps 30,1024=10).\nCtrl+C stops within a step and keeps the stages that are finished.";

#[derive(Debug, Subcommand)]
pub enum Task {
    /// Open the window: what `imagen` does by itself
    Window,
    /// Make pictures of a prompt
    #[command(after_help = STAGED)]
    Generate(Box<GenerateArgs>),
    /// One picture with a cell for each guidance weight and thresholding, same seed in all (the paper's figure A.9)
    #[command(after_help = STAGED)]
    Compare(Box<CompareArgs>),
    /// List the models, or look into one
    Models(ModelsArgs),
    /// List what pictures can be computed on
    Devices(DevicesArgs),
    /// Print the settings that a picture of this program carries
    Settings(SettingsArgs),
}

#[derive(Debug, Args)]
pub struct GenerateArgs {
    /// What to show; "" is the unconditional picture. May be left out with --settings
    pub prompt: Option<String>,
    #[command(flatten)]
    pub job: JobArgs,
    /// Guidance weight w; 1 switches guidance off [default: the model's]
    #[arg(long, value_name = "W", value_parser = staged::numbers, allow_negative_numbers = true)]
    pub guidance: Option<Staged<f64>>,
    /// How x0_hat is kept in range: none, static or dynamic [default: the model's]
    #[arg(long, value_name = "MODE", value_parser = staged::modes)]
    pub threshold: Option<Staged<Mode>>,
    /// Number of pictures (candidates), 1 to 64 [default: 1]
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    pub count: Option<u32>,
    /// Start from this picture (PNG, JPEG, WebP) in place of the first stages: cut to a square, scaled to the next stage size below
    #[arg(long, value_name = "IMAGE")]
    pub from: Option<PathBuf>,
    /// Take prompt and settings from a picture made by this program; other options change them
    #[arg(long, value_name = "FILE.png")]
    pub settings: Option<PathBuf>,
    /// Also save x0_hat of every step: DIR/SIZE/001.png, or DIR/SIZE/001-2.png for candidate 2 of several
    #[arg(long, value_name = "DIR")]
    pub save_steps: Option<PathBuf>,
    /// Print one JSON event a line on stdout
    #[arg(long)]
    pub json: bool,
    /// Write NAME-64.png, NAME-256.png, NAME-1024.png; with --count NAME-1-64.png, NAME-2-64.png, ...; a folder takes files named
    /// by prompt and seed [default: prompt and seed]
    #[arg(long, value_name = "NAME")]
    pub out: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub struct CompareArgs {
    /// What to show
    pub prompt: String,
    #[command(flatten)]
    pub job: JobArgs,
    /// The columns: guidance weights
    #[arg(long, value_name = "W,W,...", value_delimiter = ',', value_parser = staged::number, default_value = "1,3,5,10",
          allow_negative_numbers = true)]
    pub guidance: Vec<f64>,
    /// The rows: thresholdings
    #[arg(long, value_name = "MODE,...", value_delimiter = ',', value_parser = staged::mode, default_value = "none,static,dynamic")]
    pub threshold: Vec<Mode>,
    /// Stage whose guidance and thresholding vary; the others keep the model's [default: the first]
    #[arg(long, value_name = "SIZE")]
    pub stage: Option<u32>,
    /// The picture; s and the clipped share of every step go beside it, as .csv [default: prompt and seed]
    #[arg(long, value_name = "GRID.png")]
    pub out: Option<PathBuf>,
}

/// What every job takes.
#[derive(Debug, Default, Args)]
pub struct JobArgs {
    /// What to steer away from
    #[arg(long, value_name = "TEXT")]
    pub negative: Option<String>,
    /// The same seed makes the same picture [default: drawn, and printed]
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    pub seed: Option<u64>,
    /// Folder of a model [default: the one that ships]
    #[arg(long, value_name = "DIR")]
    pub model: Option<PathBuf>,
    /// Number of steps, 1 to 1000, or one of IF's lists such as smart50
    #[arg(long, value_name = "N", value_parser = staged::steps, allow_negative_numbers = true)]
    pub steps: Option<Staged<Steps>>,
    /// ddpm, ddim or dpmpp_2m
    #[arg(long, value_name = "NAME", value_parser = staged::samplers)]
    pub sampler: Option<Staged<SamplerKind>>,
    /// DDIM's eta, 0 to 1
    #[arg(long, value_name = "X", value_parser = staged::numbers, allow_negative_numbers = true)]
    pub eta: Option<Staged<f64>>,
    /// Dynamic thresholding's percentile, 99.5 or 0.995
    #[arg(long, value_name = "P", value_parser = staged::percentiles, allow_negative_numbers = true)]
    pub percentile: Option<Staged<f64>>,
    /// Dynamic thresholding's largest s, at least 1, or none
    #[arg(long, value_name = "S", value_parser = staged::caps, allow_negative_numbers = true)]
    pub cap: Option<Staged<Option<f64>>>,
    /// Noise on the picture that a stage enlarges, 0 to 1
    #[arg(long, value_name = "X", value_parser = staged::numbers, allow_negative_numbers = true)]
    pub aug_level: Option<Staged<f64>>,
    /// Size of the last stage to run: 64, 256 or 1024
    #[arg(long, value_name = "SIZE")]
    pub until: Option<u32>,
    /// auto, cpu, or gpu:N of `imagen devices`
    #[arg(long, value_name = "DEVICE", default_value = "auto", value_parser = device)]
    pub device: DeviceChoice,
    /// What numbers weights are in memory: f32, f16 (half the memory), or auto: f16 for networks over 2 GiB [default: auto]
    #[arg(long, value_name = "TYPE", value_parser = weights)]
    pub weights: Option<Weights>,
    /// Overwrite files that exist
    #[arg(long)]
    pub force: bool,
}

#[derive(Debug, Args)]
pub struct ModelsArgs {
    /// Look into this folder
    pub dir: Option<PathBuf>,
    /// Tell the memory needed with weights as auto, f32 or f16
    #[arg(long, value_name = "TYPE", default_value = "auto", value_parser = weights)]
    pub weights: Weights,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub struct DevicesArgs {
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub struct SettingsArgs {
    /// A PNG made by this program
    pub file: PathBuf,
    /// Print JSON, as stored
    #[arg(long)]
    pub json: bool,
}

/// `args` begin with the program's name. `Ok(None)`: help or version was asked for and is printed.
///
/// # Errors
/// [`AppError::Usage`].
pub fn read(args: impl IntoIterator<Item = OsString>) -> Result<Option<Task>, AppError> {
    let args: Vec<OsString> = args.into_iter().collect();
    match Cli::try_parse_from(&args) {
        Ok(Cli { task: Some(task) }) => Ok(Some(task)),
        Ok(Cli { task: None }) => Ok(Some(Task::Window)),
        Err(e) if e.use_stderr() => Err(AppError::Usage(usage_line(&e.render().to_string(), &args))),
        Err(help) => {
            // A reader that went away (`imagen --help | head -1`) has what it wanted.
            let _ = help.print();
            Ok(None)
        }
    }
}

/// clap's message, made one line: its first paragraph, its tip, where to read on.
fn usage_line(rendered: &str, args: &[OsString]) -> String {
    let mut paragraphs = rendered.split("\n\n").map(one_line);
    let first = paragraphs.next().unwrap_or_default();
    let what = first.trim_start_matches("error:").trim();
    let tip = paragraphs.find_map(|p| p.split_once("tip:").map(|(_, tip)| tip.trim().to_owned() + "; ")).unwrap_or_default();
    let task = args.get(1).and_then(|a| a.to_str()).filter(|name| Cli::command().find_subcommand(name).is_some());
    let task = task.map(|name| format!(" {name}")).unwrap_or_default();
    format!("{what}; {tip}see `imagen{task} --help`")
}

fn weights(text: &str) -> Result<Weights, String> {
    match text {
        "auto" => Ok(Weights::Auto),
        "f32" => Ok(Weights::F32),
        "f16" => Ok(Weights::F16),
        _ => Err("it is auto, f32 or f16".into()),
    }
}

fn device(text: &str) -> Result<DeviceChoice, String> {
    let unknown = || format!("'{text}' is no device; give auto, cpu, or gpu:N with N of `imagen devices`");
    match text {
        "auto" => Ok(DeviceChoice::Auto),
        "cpu" => Ok(DeviceChoice::Cpu),
        other => {
            let index = other.strip_prefix("gpu:").ok_or_else(unknown)?;
            index.parse().map(DeviceChoice::Gpu).map_err(|_| unknown())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &[&str]) -> Result<Option<Task>, AppError> {
        read(std::iter::once("imagen").chain(line.iter().copied()).map(OsString::from))
    }

    #[test]
    fn the_grammar_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn generate_reads_every_option() {
        let line = [
            "generate",
            "a red apple",
            "--negative",
            "blue",
            "--seed",
            "7",
            "--count",
            "2",
            "--model",
            "m",
            "--steps",
            "64=30,256=20",
            "--guidance",
            "5",
            "--threshold",
            "dynamic",
            "--percentile",
            "99.5",
            "--cap",
            "1.5",
            "--aug-level",
            "256=0.1",
            "--sampler",
            "ddim",
            "--eta",
            "0.5",
            "--until",
            "256",
            "--from",
            "a.png",
            "--save-steps",
            "s",
            "--device",
            "gpu:1",
            "--json",
            "--out",
            "apple",
            "--force",
            "--settings",
            "x.png",
        ];
        let Ok(Some(Task::Generate(args))) = parse(&line) else { panic!("it parses") };
        assert_eq!(args.prompt.as_deref(), Some("a red apple"));
        assert_eq!((args.job.seed, args.count, args.job.until), (Some(7), Some(2), Some(256)));
        assert_eq!(args.job.device, DeviceChoice::Gpu(1));
        assert_eq!(args.job.sampler.and_then(|s| s.get(64)), Some(SamplerKind::Ddim));
    }

    #[test]
    fn compare_has_the_papers_columns_and_rows_by_default() {
        let Ok(Some(Task::Compare(args))) = parse(&["compare", "x"]) else { panic!("it parses") };
        assert_eq!(args.guidance, [1.0, 3.0, 5.0, 10.0]);
        assert_eq!(args.threshold, [Mode::None, Mode::Static, Mode::Dynamic]);
    }

    #[test]
    fn wrong_arguments_are_one_line_that_says_where_to_read_on() {
        let cases: [(&[&str], &str); 6] = [
            (&["paint"], "unrecognized subcommand 'paint'; see `imagen --help`"),
            (&["generate", "x", "--sed", "3"], "see `imagen generate --help`"),
            (&["generate", "x", "--steps", "many"], "give a whole number from 1 to 1000"),
            (&["generate", "x", "--device", "gpu"], "give auto, cpu, or gpu:N"),
            (&["generate", "x", "--seed", "-1"], "--seed"),
            (&["compare"], "<PROMPT>; see `imagen compare --help`"),
        ];
        for (line, part) in cases {
            let error = parse(line).expect_err(part).to_string();
            assert!(error.contains(part) && !error.contains('\n'), "{error} / {part}");
        }
    }
}
