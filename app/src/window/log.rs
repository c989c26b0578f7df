//! What happened, line by line, for the log panel.

use std::collections::VecDeque;

/// Lines that are kept.
const KEPT: usize = 2000;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Weight {
    Info,
    Warning,
    Error,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Line {
    pub weight: Weight,
    pub text: String,
    /// Seconds since the window opened.
    pub at: f64,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct Log {
    pub lines: VecDeque<Line>,
}

impl Log {
    pub fn push(&mut self, at: f64, weight: Weight, text: impl Into<String>) {
        if self.lines.len() == KEPT {
            self.lines.pop_front();
        }
        self.lines.push_back(Line { weight, text: text.into(), at });
    }

    /// All of it, for the clipboard.
    pub fn text(&self) -> String {
        let mut text = String::new();
        for line in &self.lines {
            let weight = match line.weight {
                Weight::Info => "",
                Weight::Warning => "warning: ",
                Weight::Error => "error: ",
            };
            text += &format!("{:9.2} s  {weight}{}\n", line.at, line.text);
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_lines_go_first() {
        let mut log = Log::default();
        for i in 0..=KEPT {
            log.push(1.5, Weight::Error, i.to_string());
        }
        assert_eq!(log.lines.len(), KEPT);
        assert!(log.text().starts_with("     1.50 s  error: 1\n"), "{}", &log.text()[..40]);
    }
}
