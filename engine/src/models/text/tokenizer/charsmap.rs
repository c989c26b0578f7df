//! Sentencepiece's normalizer: a table of replacements kept as a double-array trie, and the rules for white space.

use super::protobuf::Broken;

/// What stands for a space inside pieces, U+2581.
const SPACE: &[u8] = "\u{2581}".as_bytes();

/// A replacement longer than this is not from any Unicode normalization (NFKC's longest is 33 bytes); a hostile file could
/// otherwise blow one character up to megabytes.
const MAX_REPLACEMENT: usize = 256;

/// Longest-match replacements: units of a darts double array, then NUL-terminated strings.
#[derive(Clone, Debug, Default)]
pub(super) struct CharsMap {
    units: Vec<u32>,
    replacements: Vec<u8>,
}

impl CharsMap {
    /// `u32 length of the trie, trie, strings`; an empty blob replaces nothing.
    pub(super) fn parse(blob: &[u8]) -> Result<Self, Broken> {
        if blob.is_empty() {
            return Ok(Self::default());
        }
        let (length, rest) = blob.split_first_chunk::<4>().ok_or(Broken)?;
        let length = usize::try_from(u32::from_le_bytes(*length)).map_err(|_| Broken)?;
        let (trie, replacements) = rest.split_at_checked(length).ok_or(Broken)?;
        if length % 4 != 0 || replacements.split(|&b| b == 0).any(|r| r.len() > MAX_REPLACEMENT) {
            return Err(Broken);
        }
        let units = trie.chunks_exact(4).map(|b| u32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect();
        Ok(Self { units, replacements: replacements.to_owned() })
    }

    fn unit(&self, at: u32) -> Option<u32> {
        self.units.get(at as usize).copied()
    }

    /// (bytes matched, offset of the replacement) of the longest entry that `text` starts with.
    fn longest_match(&self, text: &[u8]) -> Option<(usize, u32)> {
        let mut found = None;
        let mut node = offset(self.unit(0)?);
        for (i, &byte) in text.iter().enumerate() {
            node ^= u32::from(byte);
            let Some(unit) = self.unit(node) else { break };
            if unit & 0x8000_00ff != u32::from(byte) {
                break;
            }
            node ^= offset(unit);
            if unit & 0x100 != 0 {
                let Some(leaf) = self.unit(node) else { break };
                found = Some((i + 1, leaf & 0x7fff_ffff));
            }
        }
        found
    }

    /// What the start of `text` becomes, and how many bytes of `text` that took. `text` is not empty.
    fn next<'a>(&'a self, text: &'a [u8]) -> (&'a [u8], usize) {
        match self.longest_match(text) {
            Some((taken, at)) => {
                let rest = self.replacements.get(at as usize..).unwrap_or_default();
                (rest.split(|&b| b == 0).next().unwrap_or_default(), taken)
            }
            None => {
                let taken = char_len(text);
                (&text[..taken], taken)
            }
        }
    }
}

/// Where a unit's children start, relative to it.
fn offset(unit: u32) -> u32 {
    (unit >> 10) << ((unit & 0x200) >> 6)
}

/// Bytes of the UTF-8 character that `text` starts with, at most what is there.
pub(super) fn char_len(text: &[u8]) -> usize {
    let length = match text.first() {
        Some(0xc0..=0xdf) => 2,
        Some(0xe0..=0xef) => 3,
        Some(0xf0..) => 4,
        _ => 1,
    };
    length.min(text.len())
}

/// The normalizer's settings, by the names of `NormalizerSpec`.
#[derive(Clone, Debug)]
#[allow(clippy::struct_excessive_bools)] // four flags of the file format
pub(super) struct Normalizer {
    pub(super) chars: CharsMap,
    pub(super) add_dummy_prefix: bool,
    pub(super) remove_extra_whitespaces: bool,
    pub(super) escape_whitespaces: bool,
    pub(super) treat_whitespace_as_suffix: bool,
    /// Copied as they are, before any replacement.
    pub(super) user_defined: Vec<Vec<u8>>,
}

impl Normalizer {
    fn space(&self) -> &'static [u8] {
        if self.escape_whitespaces { SPACE } else { b" " }
    }

    fn next<'a>(&'a self, text: &'a [u8]) -> (&'a [u8], usize) {
        let symbol = self.user_defined.iter().filter(|s| text.starts_with(s)).map(Vec::len).max();
        match symbol {
            Some(length) => (&text[..length], length),
            None => self.chars.next(text),
        }
    }

    /// The bytes that are cut into pieces. Text of white space alone becomes nothing.
    pub(super) fn normalize(&self, text: &str) -> Vec<u8> {
        let mut text = text.as_bytes();
        if self.remove_extra_whitespaces {
            text = self.skip_spaces(text);
        }
        let mut out = Vec::with_capacity(text.len() + text.len() / 2);
        if text.is_empty() {
            return out;
        }
        if self.add_dummy_prefix && !self.treat_whitespace_as_suffix {
            out.extend_from_slice(self.space());
        }
        self.replace_all(text, &mut out);
        if self.remove_extra_whitespaces {
            while out.ends_with(self.space()) {
                out.truncate(out.len() - self.space().len());
            }
        }
        if self.add_dummy_prefix && self.treat_whitespace_as_suffix {
            out.extend_from_slice(self.space());
        }
        out
    }

    fn skip_spaces<'a>(&self, mut text: &'a [u8]) -> &'a [u8] {
        while !text.is_empty() {
            let (part, taken) = self.next(text);
            if part != b" " {
                break;
            }
            text = &text[taken..];
        }
        text
    }

    fn replace_all(&self, mut text: &[u8], out: &mut Vec<u8>) {
        let mut after_space = self.remove_extra_whitespaces;
        while !text.is_empty() {
            let (mut part, taken) = self.next(text);
            while let (true, [b' ', rest @ ..]) = (after_space, part) {
                part = rest;
            }
            for &byte in part {
                if byte == b' ' { out.extend_from_slice(self.space()) } else { out.push(byte) }
            }
            if let Some(&last) = part.last() {
                after_space = last == b' ' && self.remove_extra_whitespaces;
            }
            text = &text[taken..];
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain() -> Normalizer {
        Normalizer {
            chars: CharsMap::default(),
            add_dummy_prefix: true,
            remove_extra_whitespaces: true,
            escape_whitespaces: true,
            treat_whitespace_as_suffix: false,
            user_defined: Vec::new(),
        }
    }

    fn normalized(normalizer: &Normalizer, text: &str) -> String {
        String::from_utf8(normalizer.normalize(text)).expect("UTF-8")
    }

    #[test]
    fn white_space_follows_the_settings() {
        let suffix = Normalizer { treat_whitespace_as_suffix: true, ..plain() };
        let verbatim = Normalizer { remove_extra_whitespaces: false, ..plain() };
        let bare = Normalizer { add_dummy_prefix: false, escape_whitespaces: false, ..plain() };
        for (text, expected) in
            [("", ["", "", "", ""]), ("   ", ["", "", "▁▁▁▁", ""]), (" a  b ", ["▁a▁b", "a▁b▁", "▁▁a▁▁b▁", "a b"])]
        {
            let ours = [&plain(), &suffix, &verbatim, &bare].map(|n| normalized(n, text));
            assert_eq!(ours, expected, "{text:?}");
        }
    }

    #[test]
    fn user_defined_symbols_are_kept_whole() {
        let normalizer = Normalizer { user_defined: vec![b"  ".to_vec()], ..plain() };
        assert_eq!(normalized(&normalizer, "a  b"), "▁a▁▁b");
    }

    #[test]
    fn broken_blobs_are_refused() {
        let long = [&[0, 0, 0, 0][..], &[b'a'; MAX_REPLACEMENT + 1]].concat();
        for blob in [&[1][..], &[8, 0, 0, 0, 1], &[255, 255, 255, 255, 0], &[3, 0, 0, 0, 1, 2, 3, 0], &long] {
            assert!(CharsMap::parse(blob).is_err(), "{:?}", &blob[..blob.len().min(8)]);
        }
    }

    #[test]
    fn any_trie_is_walked_safely() {
        let mut state = 1_u32;
        let mut random = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            state
        };
        for _ in 0..200 {
            let units = (0..64).map(|_| random()).collect();
            let map = CharsMap { units, replacements: b"x\0yy\0".to_vec() };
            let normalizer = Normalizer { chars: map, ..plain() };
            assert!(normalizer.normalize("any text, naïve 雪 \u{0} \u{7f}").len() < 4096);
        }
    }
}
