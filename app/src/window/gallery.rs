//! The gallery's data: the pictures of one folder, newest first, and which of them the filter shows.

use std::borrow::Cow;
use std::cmp::Reverse;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use imagen_protocol::EngineError;

use super::io::Found;
use super::shown::Shown;
use crate::picture::Scaled;

/// One picture file, as a scan finds it; the rest of its settings is read when it is selected.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    pub path: PathBuf,
    pub modified: SystemTime,
    pub bytes: u64,
    /// `None`: not one of ours.
    pub prompt: Option<String>,
    /// What the filter looks in, in lower case: made once, not at every key.
    searched: String,
}

impl Entry {
    pub fn new(path: PathBuf, modified: SystemTime, bytes: u64, prompt: Option<String>) -> Self {
        let searched = format!("{}\n{}", prompt.as_deref().unwrap_or_default(), name(&path)).to_lowercase();
        Self { path, modified, bytes, prompt, searched }
    }

    /// The prompt; the file's name where there is none.
    pub fn title(&self) -> Cow<'_, str> {
        match self.prompt.as_deref() {
            Some("") => Cow::Borrowed("(no prompt)"),
            Some(prompt) => Cow::Borrowed(prompt),
            None => name(&self.path),
        }
    }
}

/// What a file is called, as far as it can be said.
pub fn name(path: &Path) -> Cow<'_, str> {
    path.file_name().map_or(Cow::Borrowed(""), |name| name.to_string_lossy())
}

/// The selected picture and what it knows of its making.
#[derive(Clone, Debug, PartialEq)]
pub struct Details {
    pub image: Result<Scaled, EngineError>,
    pub about: Result<Found, EngineError>,
}

impl Details {
    /// Of a file that could not be read at all.
    pub fn failed(error: EngineError) -> Self {
        Self { image: Err(error.clone()), about: Err(error) }
    }

    /// What can be seen of the file; `None` where no picture can be read.
    pub fn shown(&self, path: &Path) -> Option<Shown> {
        let Scaled { image, size } = self.image.clone().ok()?;
        Some(Shown { image, size, about: self.about.clone(), path: Some(path.to_owned()) })
    }
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct Gallery {
    entries: Vec<Entry>,
    /// Indices of `entries`, in their order.
    shown: Vec<usize>,
    /// The filter that `shown` was made with; `None` after the entries changed.
    made_with: Option<String>,
    pub filter: String,
    pub selected: Option<PathBuf>,
    /// Of the selected entry, once they are read.
    pub details: Option<Details>,
    /// The selected entry is shown over everything as soon as it is read.
    pub opening: bool,
    pub scanning: bool,
    pub error: Option<EngineError>,
}

impl Gallery {
    /// A gallery whose folder is being looked through.
    pub fn scanning() -> Self {
        Self { scanning: true, ..Self::default() }
    }

    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// Takes the place of what was there; a selected file that is gone is no longer selected.
    pub fn set_entries(&mut self, mut entries: Vec<Entry>) {
        entries.sort_by(newest_first);
        self.entries = entries;
        self.made_with = None;
        if self.selected.as_deref().is_some_and(|path| self.get(path).is_none()) {
            self.select(None);
        }
    }

    /// Adds one, or takes the place of the one of that name.
    pub fn add(&mut self, entry: Entry) {
        self.entries.retain(|e| e.path != entry.path);
        let at = self.entries.partition_point(|e| newest_first(e, &entry).is_lt());
        self.entries.insert(at, entry);
        self.made_with = None;
    }

    /// Takes one out. If it was selected, its neighbour is what should be selected next.
    pub fn remove(&mut self, path: &Path) -> Option<PathBuf> {
        let neighbour = self.neighbour(1).or_else(|| self.neighbour(-1)).filter(|other| other != path);
        self.entries.retain(|e| e.path != path);
        self.made_with = None;
        if self.selected.as_deref() != Some(path) {
            return None;
        }
        self.select(None);
        neighbour
    }

    pub fn get(&self, path: &Path) -> Option<&Entry> {
        self.entries.iter().find(|e| e.path == path)
    }

    pub fn select(&mut self, path: Option<PathBuf>) {
        (self.selected, self.details, self.opening) = (path, None, false);
    }

    /// How many entries fit the filter. The list is made again only when the filter or the entries changed.
    pub fn refresh(&mut self) -> usize {
        if self.made_with.as_deref() != Some(self.filter.as_str()) {
            let words: Vec<String> = self.filter.split_whitespace().map(str::to_lowercase).collect();
            let fits = |(_, entry): &(usize, &Entry)| words.iter().all(|word| entry.searched.contains(word));
            let all = self.entries.iter().enumerate();
            let shown = all.filter(fits).map(|(index, _)| index).collect();
            (self.shown, self.made_with) = (shown, Some(self.filter.clone()));
        }
        self.shown.len()
    }

    /// Entry `index` of those that [`Self::refresh`] counted.
    pub fn shown(&self, index: usize) -> Option<&Entry> {
        self.entries.get(*self.shown.get(index)?)
    }

    /// Where the selected entry stands among those shown.
    pub fn selected_index(&self) -> Option<usize> {
        let path = self.selected.as_deref()?;
        self.shown.iter().position(|&i| self.entries.get(i).is_some_and(|e| e.path == path))
    }

    /// The file so many places on; the first where none is selected, the selected one at an end.
    pub fn step(&self, by: isize) -> Option<PathBuf> {
        let last = self.shown.len().checked_sub(1)?;
        // With nothing selected, the first; the last where one goes all the way.
        let start = if by.unsigned_abs() > last && by > 0 { last } else { 0 };
        let index = self.selected_index().map_or(start, |at| at.saturating_add_signed(by).min(last));
        self.shown(index).map(|e| e.path.clone())
    }

    fn neighbour(&self, by: isize) -> Option<PathBuf> {
        let at = self.selected_index()?.checked_add_signed(by)?;
        self.shown(at).map(|e| e.path.clone())
    }
}

fn newest_first(a: &Entry, b: &Entry) -> std::cmp::Ordering {
    let key = |e: &Entry| Reverse(e.modified);
    key(a).cmp(&key(b)).then_with(|| b.path.cmp(&a.path))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn entry(name: &str, age: u64, prompt: Option<&str>) -> Entry {
        let modified = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000 - age);
        Entry::new(name.into(), modified, 10, prompt.map(Into::into))
    }

    fn gallery() -> Gallery {
        let mut gallery = Gallery::default();
        gallery.set_entries(vec![
            entry("b.png", 2, Some("a Green pear")),
            entry("a.png", 1, Some("A red apple")),
            entry("holiday.png", 3, None),
        ]);
        gallery.refresh();
        gallery
    }

    fn titles(gallery: &mut Gallery) -> Vec<String> {
        (0..gallery.refresh()).filter_map(|i| gallery.shown(i).map(|e| e.title().into_owned())).collect()
    }

    #[test]
    fn the_newest_stands_first_wherever_it_comes_from() {
        let mut gallery = gallery();
        gallery.add(entry("new.png", 0, Some("newest")));
        gallery.add(entry("b.png", 5, Some("pear again")));
        assert_eq!(titles(&mut gallery), ["newest", "A red apple", "holiday.png", "pear again"]);
    }

    #[test]
    fn every_word_of_the_filter_counts_in_prompts_and_names_whatever_the_case() {
        let mut gallery = gallery();
        for (filter, expected) in [
            ("APPLE red", vec!["A red apple"]),
            ("pear red", vec![]),
            ("holi", vec!["holiday.png"]),
            ("  ", vec!["A red apple", "a Green pear", "holiday.png"]),
        ] {
            gallery.filter = filter.into();
            assert_eq!(titles(&mut gallery), expected, "{filter}");
        }
    }

    #[test]
    fn the_list_is_made_again_only_when_something_changed() {
        let mut gallery = gallery();
        let before = gallery.shown.as_ptr();
        assert_eq!(gallery.refresh(), 3);
        assert_eq!(gallery.shown.as_ptr(), before);
        gallery.add(entry("new.png", 0, None));
        assert_eq!(gallery.refresh(), 4);
    }

    #[test]
    fn the_selection_moves_among_what_is_shown_and_stops_at_the_ends() {
        let mut gallery = gallery();
        assert_eq!(gallery.step(3), Some("holiday.png".into()));
        assert_eq!(gallery.step(1), Some("a.png".into()));
        gallery.select(Some("b.png".into()));
        assert_eq!(gallery.step(1), Some("holiday.png".into()));
        assert_eq!(gallery.step(-7), Some("a.png".into()));
        assert_eq!(gallery.step(7), Some("holiday.png".into()));
    }

    #[test]
    fn a_file_that_goes_leaves_the_selection_to_its_neighbour() {
        let mut gallery = gallery();
        gallery.select(Some("b.png".into()));
        assert_eq!(gallery.remove(Path::new("a.png")), None);
        gallery.refresh();
        assert_eq!(gallery.remove(Path::new("b.png")), Some("holiday.png".into()));
        assert_eq!(gallery.selected, None);
        gallery.select(Some("holiday.png".into()));
        gallery.set_entries(vec![]);
        assert_eq!(gallery.selected, None);
    }
}
