//! Reads the `parameters` text of AUTOMATIC1111's web UI and of the programs that write as it does.

use imagen_protocol::SamplerKind;

/// A last line with fewer settings than this is part of the prompt: prompts hold colons too.
const LEAST_SETTINGS: usize = 3;
const NEGATIVE: &str = "Negative prompt:";

/// What such a text says, as far as it has a meaning here.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Parameters {
    pub prompt: String,
    pub negative_prompt: String,
    pub seed: Option<u64>,
    pub steps: Option<u32>,
    pub guidance_weight: Option<f64>,
    pub sampler: Option<SamplerKind>,
    /// Side of the picture, where it is square.
    pub size: Option<u32>,
    /// Settings that were left out, as "Sampler: Euler a".
    pub unknown: Vec<String>,
}

impl Parameters {
    /// Takes any text: what is not understood is the prompt, or listed in `unknown`.
    pub fn read(text: &str) -> Self {
        let text = text.trim();
        let (before, last) = text.rsplit_once('\n').unwrap_or(("", text));
        let settings = pairs(last);
        let (words, settings) = if settings.len() >= LEAST_SETTINGS { (before, settings) } else { (text, Vec::new()) };
        let (prompt, negative) = prompts(words);
        let mut parameters = Self { prompt, negative_prompt: negative, ..Self::default() };
        settings.into_iter().for_each(|(key, value)| parameters.set(&key, &value));
        parameters
    }

    fn set(&mut self, key: &str, value: &str) {
        let known = match key {
            "Seed" => keep(&mut self.seed, value.parse().ok()),
            "Steps" => keep(&mut self.steps, value.parse().ok().filter(|n| (1..=1000).contains(n))),
            "CFG scale" => keep(&mut self.guidance_weight, value.parse().ok().filter(|w| (0.0..=100.0).contains(w))),
            "Sampler" => keep(&mut self.sampler, sampler(value)),
            "Size" => keep(&mut self.size, square(value)),
            // What made it says nothing of how.
            "Version" | "Model hash" | "Batch size" | "Batch pos" => true,
            _ => false,
        };
        if !known {
            self.unknown.push(format!("{key}: {value}"));
        }
    }
}

fn keep<T>(slot: &mut Option<T>, value: Option<T>) -> bool {
    *slot = value;
    slot.is_some()
}

/// Prompt and negative prompt, each of as many lines as it has.
fn prompts(text: &str) -> (String, String) {
    let lines: Vec<&str> = text.lines().collect();
    let Some(at) = lines.iter().position(|line| line.trim_start().starts_with(NEGATIVE)) else {
        return (text.trim().to_owned(), String::new());
    };
    let (before, after) = lines.split_at(at);
    let negative = after.join("\n");
    let negative = negative.trim_start().strip_prefix(NEGATIVE).unwrap_or_default();
    (before.join("\n").trim().to_owned(), negative.trim().to_owned())
}

/// "Key: value, Key: "a, b"": a value in quotes is a JSON string. Empty where the line is anything else.
fn pairs(line: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut rest = line.trim();
    while !rest.is_empty() {
        let Some((key, after)) = rest.split_once(':') else { return Vec::new() };
        let Some((value, next)) = value(after.trim_start()) else { return Vec::new() };
        if !is_key(key.trim()) {
            return Vec::new();
        }
        found.push((key.trim().to_owned(), value));
        rest = next;
    }
    found
}

fn is_key(key: &str) -> bool {
    let starts = key.chars().next().is_some_and(|c| c.is_alphanumeric() || c == '_');
    starts && key.chars().all(|c| c.is_alphanumeric() || "_ -/".contains(c))
}

/// The value at the start and what follows its comma.
fn value(text: &str) -> Option<(String, &str)> {
    if !text.starts_with('"') {
        let (value, rest) = text.split_once(',').unwrap_or((text, ""));
        return Some((value.trim().to_owned(), rest.trim_start()));
    }
    let mut values = serde_json::Deserializer::from_str(text).into_iter::<String>();
    let value = values.next()?.ok()?;
    let rest = text.get(values.byte_offset()..)?.trim_start();
    Some((value, rest.strip_prefix(',').unwrap_or(rest).trim_start()))
}

/// Only those that are the same rule here; a schedule such as "Karras" in the name is another one.
fn sampler(name: &str) -> Option<SamplerKind> {
    match name {
        "DDPM" => Some(SamplerKind::Ddpm),
        "DDIM" => Some(SamplerKind::Ddim),
        "DPM++ 2M" => Some(SamplerKind::Dpmpp2m),
        _ => None,
    }
}

fn square(size: &str) -> Option<u32> {
    let (width, height) = size.split_once('x')?;
    (width == height).then(|| width.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::png::parameters;
    use crate::test_support::picture_settings;

    #[test]
    fn a_text_of_the_web_ui_is_read() {
        let text = "photo of a cat, (masterpiece:1.2),\nsitting: on a wall <lora:film:0.6>\nNegative prompt: blurry, low quality,\ntext\nSteps: 28, \
                    Sampler: DPM++ 2M, Schedule type: Karras, CFG scale: 7.5, Seed: 1234567890, Size: 512x512, Model hash: 6ce0161689, Model: \
                    v1-5-pruned, Lora hashes: \"film: 1a2b, other: 3c\", Version: v1.9.4";
        let read = Parameters::read(text);
        assert_eq!(read.prompt, "photo of a cat, (masterpiece:1.2),\nsitting: on a wall <lora:film:0.6>");
        assert_eq!(read.negative_prompt, "blurry, low quality,\ntext");
        assert_eq!((read.seed, read.steps, read.guidance_weight), (Some(1_234_567_890), Some(28), Some(7.5)));
        assert_eq!((read.sampler, read.size), (Some(SamplerKind::Dpmpp2m), Some(512)));
        assert_eq!(read.unknown, ["Schedule type: Karras", "Model: v1-5-pruned", "Lora hashes: film: 1a2b, other: 3c"]);
    }

    #[test]
    fn what_is_missing_stays_unsaid() {
        let bare = Parameters::read("a cat");
        assert_eq!(bare, Parameters { prompt: "a cat".into(), ..Parameters::default() });
        let no_prompt = Parameters::read("Steps: 20, Sampler: Euler a, CFG scale: 7, Seed: 5");
        assert_eq!((no_prompt.prompt.as_str(), no_prompt.steps, no_prompt.sampler), ("", Some(20), None));
        assert_eq!(no_prompt.unknown, ["Sampler: Euler a"]);
        assert_eq!(Parameters::read("Negative prompt: rain").negative_prompt, "rain");
        assert_eq!(Parameters::read(""), Parameters::default());
    }

    #[test]
    fn a_prompt_with_colons_is_no_list_of_settings() {
        let text = "time: noon, place: a beach";
        assert_eq!(Parameters::read(text).prompt, text);
        let lines = "a cat\nstyle: oil";
        assert_eq!(Parameters::read(lines).prompt, lines);
    }

    #[test]
    fn impossible_values_are_left_out_and_said() {
        let read = Parameters::read("x\nSteps: 0, CFG scale: NaN, Seed: -1, Size: 512x768");
        assert_eq!((read.steps, read.guidance_weight, read.seed, read.size), (None, None, None, None));
        assert_eq!(read.unknown, ["Steps: 0", "CFG scale: NaN", "Seed: -1", "Size: 512x768"]);
    }

    #[test]
    fn a_quote_without_end_and_other_rubbish_do_no_harm() {
        for text in ["x\nA: 1, B: 2, C: \"open", ": : :,,,", "a\0b: \u{1b}[31m, \"", "Steps: 20, Seed: 1, Size: ,"] {
            Parameters::read(text);
        }
        assert!(Parameters::read("x\nA: 1, B: 2, C: \"open").prompt.ends_with("\"open"));
    }

    #[test]
    fn our_own_text_comes_back() {
        let mut settings = picture_settings("a red apple\non a table");
        settings.request.seed = 7;
        settings.request.negative_prompt = "blue".into();
        settings.model = "IF: \"L\", new".into();
        let read = Parameters::read(&parameters(&settings));
        let expected = Parameters {
            prompt: "a red apple\non a table".into(),
            negative_prompt: "blue".into(),
            seed: Some(7),
            steps: Some(10),
            guidance_weight: Some(4.0),
            sampler: Some(SamplerKind::Ddpm),
            size: Some(64),
            unknown: vec!["Model: IF: \"L\", new".into()],
        };
        assert_eq!(read, expected);
    }
}
