//! How the compare view shows what was made.

use super::GAINS;

/// How two columns are set against each other.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    #[default]
    SideBySide,
    Wipe,
    Difference,
}

impl Mode {
    pub const ALL: [Self; 3] = [Self::SideBySide, Self::Wipe, Self::Difference];

    pub fn name(self) -> &'static str {
        match self {
            Self::SideBySide => "Side by side",
            Self::Wipe => "Wipe",
            Self::Difference => "Difference",
        }
    }
}

#[derive(Clone, Debug, PartialEq)]
pub struct Look {
    /// The stage that is shown; `None`: the largest that has a picture.
    pub shown: Option<u32>,
    pub mode: Mode,
    /// The columns A and B of wipe and difference.
    pub pair: [usize; 2],
    /// Where the wipe's line stands, in [0, 1] from the left: A before it, B after it.
    pub wipe: f32,
    /// How much a difference is amplified: one of [`GAINS`].
    pub gain: u32,
    /// Whether the guidance strip is open.
    pub strip_open: bool,
    /// The step that the pointer is at in one of the plots: all histograms show it.
    pub step: Option<u32>,
}

impl Default for Look {
    fn default() -> Self {
        Self { shown: None, mode: Mode::default(), pair: [0, 1], wipe: 0.5, gain: GAINS[1], strip_open: false, step: None }
    }
}
