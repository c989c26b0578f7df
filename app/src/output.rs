//! Where the program speaks.

use std::io::Write;

/// Results go to `out`, everything else to `err`.
pub struct Output<'a> {
    pub out: &'a mut dyn Write,
    pub err: &'a mut dyn Write,
    /// `err` is a terminal: bars can be drawn.
    pub terminal: bool,
}

impl Output<'_> {
    /// A line of the result.
    pub fn say(&mut self, line: &str) {
        write_line(self.out, line);
    }

    /// A line about the work.
    pub fn remark(&mut self, line: &str) {
        write_line(self.err, line);
    }
}

/// A reader that went away (`| head`) is no reason to stop: the pictures are still wanted.
pub fn write_line(to: &mut dyn Write, line: &str) {
    let _ = writeln!(to, "{line}").and_then(|()| to.flush());
}

impl std::fmt::Debug for Output<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Output").finish_non_exhaustive()
    }
}
