//! The eight named lists of timesteps that DeepFloyd IF ships, by the rule that makes them.

use std::collections::BTreeSet;

use super::error::DiffusionError;

/// Timesteps of the schedule that the lists are made for.
pub(super) const RESPACED_TIMESTEPS: usize = 1000;

/// Steps in each of N equal sections of 0..1000, the least noisy section first.
const SECTIONS: [(&str, &[usize]); 8] = [
    ("fast27", &[10, 10, 3, 2, 2]),
    ("smart27", &[7, 4, 2, 1, 2, 4, 7]),
    ("smart50", &[10, 6, 4, 3, 2, 2, 3, 4, 6, 10]),
    ("smart100", &[1, 1, 1, 1, 2, 2, 2, 2, 2, 2, 3, 3, 4, 4, 5, 5, 6, 7, 7, 8, 9, 10, 13]),
    ("smart185", &[1, 1, 2, 2, 2, 3, 3, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 18, 20]),
    ("super27", &[1, 1, 1, 1, 1, 1, 1, 2, 5, 13]),
    ("super40", &[2, 2, 2, 2, 2, 2, 3, 4, 6, 15]),
    ("super100", &[4, 4, 6, 6, 8, 8, 10, 10, 14, 30]),
];

/// The names of the lists.
pub const RESPACED_NAMES: [&str; 8] = ["fast27", "smart27", "smart50", "smart100", "smart185", "super27", "super40", "super100"];

/// One of IF's lists of timesteps, from 999 down to 0.
///
/// # Errors
/// A name that is not among [`RESPACED_NAMES`].
pub fn respaced(name: &str) -> Result<Vec<usize>, DiffusionError> {
    let known = SECTIONS.iter().find(|(known, _)| *known == name);
    let (_, sections) = known.ok_or_else(|| {
        DiffusionError::setting("steps", format!("{name:?}"), format!("a number or one of {}", RESPACED_NAMES.join(", ")))
    })?;
    Ok(space_timesteps(RESPACED_TIMESTEPS, sections).into_iter().rev().collect())
}

/// Splits 0..`timesteps` into equal sections (the first ones are one longer where it does not divide) and takes so many evenly
/// spaced, rounded indices out of each: its first and last ones, or only its first for a count of 1.
fn space_timesteps(timesteps: usize, sections: &[usize]) -> BTreeSet<usize> {
    let (size, extra) = (timesteps / sections.len(), timesteps % sections.len());
    let mut start = 0;
    let mut taken = BTreeSet::new();
    for (i, &count) in sections.iter().enumerate() {
        let size = size + usize::from(i < extra);
        let stride = if count <= 1 { 1.0 } else { (size - 1) as f64 / (count - 1) as f64 };
        // Summed, not multiplied, and ties to even: one rounding decides which of two timesteps a list has.
        let mut position = 0.0_f64;
        for _ in 0..count {
            taken.insert(start + position.round_ties_even() as usize);
            position += stride;
        }
        start += size;
    }
    taken
}
