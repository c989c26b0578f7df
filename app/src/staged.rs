//! Values that may differ by stage: `30`, `64=30,256=20`, or `30,1024=10` (30 for all but 1024).

use std::collections::BTreeMap;
use std::fmt::Write as _;

use imagen_protocol::{SamplerKind, Steps};

/// One value for every stage, one for some, or both (the stage's own wins).
#[derive(Clone, Debug, PartialEq)]
pub struct Staged<T> {
    pub all: Option<T>,
    pub each: BTreeMap<u32, T>,
}

impl<T: Clone> Staged<T> {
    /// What the stage of this size gets.
    pub fn get(&self, size: u32) -> Option<T> {
        self.each.get(&size).or(self.all.as_ref()).cloned()
    }

    fn parse(text: &str, value: impl Fn(&str) -> Result<T, String>) -> Result<Self, String> {
        let mut staged = Self { all: None, each: BTreeMap::new() };
        for item in text.split(',') {
            let repeated = match item.split_once('=') {
                None => staged.all.replace(value(item.trim())?).is_some(),
                Some((size, of_stage)) => staged.each.insert(stage_size(size.trim())?, value(of_stage.trim())?).is_some(),
            };
            if repeated {
                return Err(format!("{} is given twice; give each stage one value", item.trim()));
            }
        }
        Ok(staged)
    }
}

fn stage_size(text: &str) -> Result<u32, String> {
    text.parse().map_err(|_| format!("'{text}' is no stage; name it by its pixels, as in 64=30"))
}

/// How `x0_hat` is kept in range, without its numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    None,
    Static,
    Dynamic,
}

impl Mode {
    pub fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Static => "static",
            Self::Dynamic => "dynamic",
        }
    }
}

/// # Errors
/// What to give instead; so for all parsers of this file.
pub fn steps(text: &str) -> Result<Staged<Steps>, String> {
    Staged::parse(text, step_list)
}

pub fn numbers(text: &str) -> Result<Staged<f64>, String> {
    Staged::parse(text, number)
}

pub fn modes(text: &str) -> Result<Staged<Mode>, String> {
    Staged::parse(text, mode)
}

pub fn percentiles(text: &str) -> Result<Staged<f64>, String> {
    Staged::parse(text, percentile)
}

pub fn caps(text: &str) -> Result<Staged<Option<f64>>, String> {
    Staged::parse(text, cap)
}

pub fn samplers(text: &str) -> Result<Staged<SamplerKind>, String> {
    Staged::parse(text, sampler)
}

/// Finite or not: ranges are checked where the settings meet the model, with the stage's name in the message.
pub fn number(text: &str) -> Result<f64, String> {
    text.parse().map_err(|_| format!("'{text}' is no number; give one such as 4 or 0.5"))
}

pub fn mode(text: &str) -> Result<Mode, String> {
    [Mode::None, Mode::Static, Mode::Dynamic]
        .into_iter()
        .find(|m| m.name() == text)
        .ok_or_else(|| format!("'{text}' is no thresholding; give none, static or dynamic"))
}

/// 99.5 is a percent, 0.995 a share; 1 is the share: all values.
fn percentile(text: &str) -> Result<f64, String> {
    let value = number(text)?;
    Ok(if value > 1.0 { value / 100.0 } else { value })
}

fn cap(text: &str) -> Result<Option<f64>, String> {
    if text == "none" { Ok(None) } else { number(text).map(Some) }
}

fn step_list(text: &str) -> Result<Steps, String> {
    if let Ok(count) = text.parse() {
        return Ok(Steps::Count(count));
    }
    let named = Steps::Named(text.into());
    if named.count().is_some() {
        return Ok(named);
    }
    let mut allowed = String::from("a whole number from 1 to 1000");
    for (name, _) in Steps::NAMED {
        let _ = write!(allowed, ", {name}");
    }
    Err(format!("'{text}' is no number of steps; give {allowed}"))
}

/// The name that the command line, the grid and the metadata use.
pub fn sampler_name(kind: SamplerKind) -> &'static str {
    match kind {
        SamplerKind::Ddpm => "ddpm",
        SamplerKind::Ddim => "ddim",
        SamplerKind::Dpmpp2m => "dpmpp_2m",
    }
}

fn sampler(text: &str) -> Result<SamplerKind, String> {
    [SamplerKind::Ddpm, SamplerKind::Ddim, SamplerKind::Dpmpp2m]
        .into_iter()
        .find(|&kind| sampler_name(kind) == text)
        .ok_or_else(|| format!("'{text}' is no sampler; give ddpm, ddim or dpmpp_2m"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_value_counts_for_all_stages_and_a_stages_own_wins() {
        let staged = numbers("4, 1024=2").expect("valid");
        assert_eq!((staged.get(64), staged.get(1024)), (Some(4.0), Some(2.0)));
        let only = steps("64=30,256=smart50").expect("valid");
        assert_eq!((only.get(64), only.get(1024)), (Some(Steps::Count(30)), None));
        assert_eq!(only.get(256), Some(Steps::Named("smart50".into())));
    }

    #[test]
    fn percentiles_are_percent_above_one() {
        for (text, expected) in [("99.5", 0.995), ("0.995", 0.995), ("100", 1.0), ("1", 1.0)] {
            let staged = percentiles(text).expect("valid");
            assert!((staged.all.expect("one value") - expected).abs() < 1e-12, "{text}");
        }
    }

    #[test]
    fn a_cap_can_be_taken_off() {
        assert_eq!(caps("1.5,64=none").expect("valid").get(64), Some(None));
        assert_eq!(caps("1.5,64=none").expect("valid").get(256), Some(Some(1.5)));
    }

    #[test]
    fn what_cannot_be_read_says_what_can() {
        let cases = [
            (steps("").map(|_| ()), "no number of steps; give a whole number"),
            (steps("smart51").map(|_| ()), "smart50"),
            (steps("64=30,64=20").map(|_| ()), "twice"),
            (steps("30,20").map(|_| ()), "twice"),
            (steps("big=30").map(|_| ()), "name it by its pixels"),
            (steps("-1").map(|_| ()), "whole number"),
            (numbers("four").map(|_| ()), "no number"),
            (numbers("64=").map(|_| ()), "no number"),
            (modes("hard").map(|_| ()), "none, static or dynamic"),
            (samplers("euler").map(|_| ()), "ddpm, ddim or dpmpp_2m"),
            (caps("off").map(|_| ()), "no number"),
        ];
        for (result, part) in cases {
            let error = result.expect_err(part);
            assert!(error.contains(part), "{error} / {part}");
        }
    }
}
