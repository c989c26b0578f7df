//! A picture over everything, with what is known of it: one of ours, or somebody else's file.

use std::path::PathBuf;

use imagen_protocol::{EngineError, RgbImage};

use super::action::{Action, Picture};
use super::gallery;
use super::io::Found;
use crate::png::PictureSettings;

#[derive(Clone, Debug, PartialEq)]
pub struct Shown {
    pub image: RgbImage,
    /// Width and height of the file's own pixels: more than `image` has, where that was made smaller.
    pub size: [u32; 2],
    pub about: Result<Found, EngineError>,
    /// `None`: it was not saved, or not that anyone knows.
    pub path: Option<PathBuf>,
}

impl Shown {
    /// Of ours, saved as `path` where it was.
    pub fn ours(picture: Picture, path: Option<PathBuf>) -> Self {
        let size = [picture.image.width(), picture.image.height()];
        Self { image: picture.image, size, about: Ok(Found::Ours(picture.settings)), path }
    }

    /// Whether every pixel of the file is here.
    pub fn is_whole(&self) -> bool {
        self.size == [self.image.width(), self.image.height()]
    }

    pub fn settings(&self) -> Option<&PictureSettings> {
        match &self.about {
            Ok(Found::Ours(settings)) => Some(settings),
            _ => None,
        }
    }

    /// It and its settings: what can be saved again.
    pub fn picture(&self) -> Option<Picture> {
        let settings = Box::new(self.settings()?.clone());
        Some(Picture { image: self.image.clone(), settings })
    }

    /// What takes its settings over.
    pub fn restoring(&self) -> Option<Action> {
        self.about.as_ref().ok()?.restoring()
    }

    /// The prompt; the file's name where there is none.
    pub fn title(&self) -> String {
        let name = || self.path.as_deref().map(|path| gallery::name(path).into_owned());
        let prompt = self.settings().map(|settings| crate::error::one_line(&settings.request.prompt));
        prompt.filter(|prompt| !prompt.is_empty()).or_else(name).unwrap_or_else(|| "(no prompt)".into())
    }

    /// "1024 x 1024 pixels · seed 7", or that it carries no settings.
    pub fn words(&self) -> String {
        let [width, height] = self.size;
        let from = match &self.about {
            Ok(Found::Ours(settings)) => format!("seed {}", settings.request.seed),
            Ok(Found::Parameters(_)) => "another program's settings".into(),
            Ok(Found::Plain) => "carries no settings".into(),
            Err(_) => "its settings cannot be read".into(),
        };
        let smaller = if self.is_whole() { String::new() } else { format!(", shown at {}", self.image.width()) };
        format!("{width} x {height} pixels{smaller} · {from}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_support::{flat, picture_settings};

    fn foreign(about: Result<Found, EngineError>) -> Shown {
        Shown { image: flat(4, [0; 3]), size: [40, 40], about, path: Some("x/holiday.png".into()) }
    }

    #[test]
    fn one_of_ours_is_called_by_its_prompt_and_can_be_saved_again() {
        let ours = |prompt: &str| Picture { image: flat(64, [1; 3]), settings: Box::new(picture_settings(prompt)) };
        let shown = Shown::ours(ours("a red\napple"), None);
        assert_eq!((shown.title().as_str(), shown.words().as_str()), ("a red apple", "64 x 64 pixels · seed 0"));
        assert_eq!(shown.picture(), Some(ours("a red\napple")));
        assert!(matches!(shown.restoring(), Some(Action::UseSettings(_))));
        assert_eq!(Shown::ours(ours(""), Some("x/a.png".into())).title(), "a.png");
        assert_eq!(Shown::ours(ours(""), None).title(), "(no prompt)");
    }

    #[test]
    fn somebody_elses_is_called_by_its_file_and_says_what_it_lacks() {
        let plain = foreign(Ok(Found::Plain));
        assert_eq!(plain.title(), "holiday.png");
        assert_eq!(plain.words(), "40 x 40 pixels, shown at 4 · carries no settings");
        assert_eq!((plain.picture(), plain.restoring()), (None, None));
        let other = foreign(Ok(Found::Parameters("a cat\nSteps: 20, CFG scale: 7, Seed: 5".into())));
        assert!(matches!(other.restoring(), Some(Action::UseParameters(p)) if p.prompt == "a cat"));
        let later = foreign(Err(EngineError::Internal { message: "format 2".into() }));
        assert!(later.words().ends_with("its settings cannot be read") && later.restoring().is_none());
    }
}
