//! What files are called.

use std::path::{MAIN_SEPARATOR, Path, PathBuf};

/// Longest slug of a prompt, in characters.
const SLUG: usize = 60;

/// Names of a job's pictures: `BASE-SIZE.png`, or `BASE-CANDIDATE-SIZE.png` where there are several candidates (1, 2, ...).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Names {
    base: PathBuf,
    count: u32,
}

impl Names {
    /// `out` is the base, with or without `.png`; a folder gets files named by `fallback`.
    pub fn new(out: Option<&Path>, fallback: &str, count: u32) -> Self {
        let base = match out {
            None => PathBuf::from(fallback),
            Some(dir) if is_folder(dir) => dir.join(fallback),
            Some(name) => without_png(name),
        };
        Self { base, count }
    }

    /// `candidate` counts from 0.
    pub fn picture(&self, candidate: usize, size: u32) -> PathBuf {
        let tail = if self.count == 1 { format!("-{size}.png") } else { format!("-{}-{size}.png", candidate + 1) };
        let mut name = self.base.clone().into_os_string();
        name.push(tail);
        PathBuf::from(name)
    }

    /// Every file that a job with these stages writes.
    pub fn all(&self, sizes: &[u32]) -> Vec<PathBuf> {
        let candidates = 0..self.count as usize;
        candidates.flat_map(|c| sizes.iter().map(move |&size| self.picture(c, size))).collect()
    }

    /// The file of one step: `DIR/SIZE/001.png`, or `DIR/SIZE/001-2.png` for candidate 2 of several.
    pub fn step(&self, dir: &Path, candidate: usize, size: u32, step: u32) -> PathBuf {
        let tail = if self.count == 1 { String::new() } else { format!("-{}", candidate + 1) };
        dir.join(size.to_string()).join(format!("{step:03}{tail}.png"))
    }
}

/// The prompt's words and the seed, fit for a file name on every system.
pub fn slug(prompt: &str, seed: u64) -> String {
    let lower = prompt.to_lowercase();
    let words: Vec<&str> = lower.split(|c: char| !c.is_alphanumeric()).filter(|w| !w.is_empty()).collect();
    let joined: String = words.join("-").chars().take(SLUG).collect();
    let name = if joined.is_empty() { "unconditional" } else { joined.trim_end_matches('-') };
    format!("{name}-{seed}")
}

fn is_folder(path: &Path) -> bool {
    path.is_dir() || path.as_os_str().to_string_lossy().ends_with(['/', MAIN_SEPARATOR])
}

fn without_png(path: &Path) -> PathBuf {
    let is_png = path.extension().is_some_and(|e| e.eq_ignore_ascii_case("png"));
    if is_png { path.with_extension("") } else { path.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_candidate_has_no_number_several_have() {
        let one = Names::new(Some(Path::new("out/apple")), "x", 1);
        assert_eq!(one.all(&[64, 256]), [PathBuf::from("out/apple-64.png"), PathBuf::from("out/apple-256.png")]);
        let two = Names::new(Some(Path::new("apple.png")), "x", 2);
        assert_eq!(two.all(&[64]), [PathBuf::from("apple-1-64.png"), PathBuf::from("apple-2-64.png")]);
        assert_eq!(two.step(Path::new("s"), 1, 64, 7), PathBuf::from("s/64/007-2.png"));
        assert_eq!(one.step(Path::new("s"), 0, 64, 1000), PathBuf::from("s/64/1000.png"));
    }

    #[test]
    fn a_dot_in_the_name_is_no_extension() {
        assert_eq!(Names::new(Some(Path::new("v1.5")), "x", 1).picture(0, 64), PathBuf::from("v1.5-64.png"));
    }

    #[test]
    fn a_folder_takes_files_named_by_the_prompt() {
        let dir = tempfile::tempdir().expect("a folder");
        assert_eq!(Names::new(Some(dir.path()), "x-7", 1).picture(0, 64), dir.path().join("x-7-64.png"));
        assert_eq!(Names::new(Some(Path::new("new/")), "x-7", 1).picture(0, 64), PathBuf::from("new/x-7-64.png"));
        assert_eq!(Names::new(None, "x-7", 1).picture(0, 64), PathBuf::from("x-7-64.png"));
    }

    #[test]
    fn slugs_hold_letters_digits_and_dashes_only() {
        assert_eq!(slug("A red apple, on/../a table!", 7), "a-red-apple-on-a-table-7");
        assert_eq!(slug("", 0), "unconditional-0");
        assert_eq!(slug("赤いりんご", 1), "赤いりんご-1");
        assert!(slug(&"word ".repeat(100), 1).chars().count() <= SLUG + 2);
    }
}
