//! The unigram language model of sentencepiece: the cut of a text into pieces that has the highest sum of scores.

use super::charsmap::char_len;

/// How much less than the worst piece an unknown character scores.
const UNKNOWN_PENALTY: f32 = 10.0;

/// A piece that text can be cut into.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) bytes: Vec<u8>,
    pub(super) id: u32,
    pub(super) score: Score,
}

/// What a piece adds to its path.
#[derive(Clone, Copy, Debug)]
pub(super) enum Score {
    Normal(f32),
    /// Scores next to nothing less than the best that a path can have.
    UserDefined,
}

/// The best way to reach a position of the text.
#[derive(Clone, Copy)]
struct Arrival {
    from: usize,
    id: u32,
    score: f32,
}

/// Pieces sorted by their bytes: all that share a prefix are neighbours.
#[derive(Clone, Debug)]
pub(super) struct Unigram {
    sorted: Vec<Entry>,
    /// `sorted[first[b]..first[b + 1]]` start with byte b.
    first: Vec<usize>,
    unknown: u32,
    unknown_score: f32,
    best_score: f32,
}

impl Unigram {
    /// Scores of normal pieces are logarithms of probabilities: finite, and 0 at most where the trainer was sentencepiece.
    pub(super) fn new(mut entries: Vec<Entry>, unknown: u32) -> Self {
        entries.sort_by(|a, b| a.bytes.cmp(&b.bytes));
        let scores = || entries.iter().filter_map(|e| if let Score::Normal(s) = e.score { Some(s) } else { None });
        let (worst, best) = scores().fold((f32::MAX, f32::MIN_POSITIVE), |(low, high), s| (low.min(s), high.max(s)));
        let first = (0..=256_usize).map(|b| entries.partition_point(|e| e.bytes.first().is_some_and(|&f| usize::from(f) < b)));
        let first = first.collect();
        Self { first, unknown, unknown_score: worst - UNKNOWN_PENALTY, best_score: best, sorted: entries }
    }

    /// The first of two neighbours with the same bytes, if any.
    pub(super) fn duplicate(&self) -> Option<&[u8]> {
        self.sorted.windows(2).find(|pair| pair[0].bytes == pair[1].bytes).map(|pair| pair[0].bytes.as_slice())
    }

    /// Calls `found` for each piece that `text` starts with, shortest first.
    fn prefixes(&self, text: &[u8], mut found: impl FnMut(&Entry)) {
        let Some(&byte) = text.first() else { return };
        let mut range = &self.sorted[self.first[usize::from(byte)]..self.first[usize::from(byte) + 1]];
        for depth in 1..=text.len() {
            match range.first() {
                Some(entry) if entry.bytes.len() == depth => found(entry),
                Some(_) => (),
                None => return,
            }
            let Some(&next) = text.get(depth) else { return };
            let from = range.partition_point(|e| e.bytes.get(depth).is_none_or(|&b| b < next));
            let to = range.partition_point(|e| e.bytes.get(depth).is_none_or(|&b| b <= next));
            range = &range[from..to];
        }
    }

    fn score(&self, entry: &Entry) -> f32 {
        match entry.score {
            Score::Normal(score) => score,
            Score::UserDefined => entry.bytes.len() as f32 * self.best_score - 0.1,
        }
    }

    /// Viterbi over the bytes of `text`; a run of unknown characters gives one unknown id.
    pub(super) fn encode(&self, text: &[u8]) -> Vec<u32> {
        let mut best: Vec<Option<Arrival>> = vec![None; text.len() + 1];
        let mut start = 0;
        while start < text.len() {
            let so_far = best[start].map_or(0.0, |a| a.score);
            let one = char_len(&text[start..]);
            let mut has_single = false;
            let mut arrive = |end: usize, id: u32, score: f32| {
                if best[end].is_none_or(|known| score > known.score) {
                    best[end] = Some(Arrival { from: start, id, score });
                }
            };
            self.prefixes(&text[start..], |entry| {
                has_single |= entry.bytes.len() == one;
                arrive(start + entry.bytes.len(), entry.id, so_far + self.score(entry));
            });
            if !has_single {
                arrive(start + one, self.unknown, so_far + self.unknown_score);
            }
            start += one;
        }
        self.trace(&best)
    }

    fn trace(&self, best: &[Option<Arrival>]) -> Vec<u32> {
        let mut ids = Vec::new();
        let mut end = best.len() - 1;
        while let Some(arrival) = best[end] {
            if arrival.id != self.unknown || ids.last() != Some(&self.unknown) {
                ids.push(arrival.id);
            }
            end = arrival.from;
        }
        ids.reverse();
        ids
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn model(pieces: &[(&str, f32)]) -> Unigram {
        let entry = |(i, &(piece, score)): (usize, &(&str, f32))| Entry {
            bytes: piece.as_bytes().to_vec(),
            id: i as u32 + 1,
            score: if score > 0.0 { Score::UserDefined } else { Score::Normal(score) },
        };
        Unigram::new(pieces.iter().enumerate().map(entry).collect(), 0)
    }

    #[test]
    fn the_best_sum_wins() {
        let unigram = model(&[("a", -1.0), ("b", -1.0), ("ab", -1.5), ("abc", -9.0), ("c", -2.0), ("é", -3.0)]);
        for (text, ids) in [("", vec![]), ("ab", vec![3]), ("abc", vec![3, 5]), ("ba", vec![2, 1]), ("éa", vec![6, 1])] {
            assert_eq!(unigram.encode(text.as_bytes()), ids, "{text:?}");
        }
    }

    #[test]
    fn a_run_of_unknown_characters_is_one_id() {
        let unigram = model(&[("a", -1.0)]);
        assert_eq!(unigram.encode("雪のa🐈🐈".as_bytes()), [0, 1, 0]);
    }

    #[test]
    fn user_defined_pieces_win_against_their_parts() {
        let unigram = model(&[("a", -0.1), ("b", -0.1), ("ab", 1.0), ("abb", -3.0)]);
        assert_eq!(unigram.encode(b"abab"), [3, 3]);
    }
}
