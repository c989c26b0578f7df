//! `spiece.model`, read directly: a protobuf message with the pieces of a unigram model and the settings of its normalizer.

use super::charsmap::{CharsMap, Normalizer};
use super::protobuf::{Broken, Fields};
use super::unigram::{Entry, Score, Unigram};

/// Longer pieces are not from any trainer (its default limit is 16 characters); they would make encoding quadratic.
const MAX_PIECE_BYTES: usize = 512;
/// sentencepiece's vocabularies have at most some 250,000 pieces.
const MAX_PIECES: usize = 1 << 21;
const MAX_USER_DEFINED: usize = 1024;

/// What a piece is, by the numbers of the file format.
#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Normal,
    Unknown,
    Control,
    UserDefined,
    Unused,
    Byte,
}

struct Piece<'a> {
    text: &'a str,
    score: f32,
    kind: Kind,
}

/// The fields of `TrainerSpec` and `NormalizerSpec` that matter for encoding, at their defaults until they are read.
struct Spec<'a> {
    model_type: u64,
    byte_fallback: bool,
    whitespace_as_suffix: bool,
    charsmap: &'a [u8],
    add_dummy_prefix: bool,
    remove_extra_whitespaces: bool,
    escape_whitespaces: bool,
    has_normalizer: bool,
}

/// A sentencepiece unigram model: text -> ids, with the special ids of T5.
#[derive(Clone, Debug)]
pub struct SentencePiece {
    normalizer: Normalizer,
    unigram: Unigram,
    pieces: usize,
    eos: u32,
    pad: u32,
}

impl SentencePiece {
    /// Reads a whole `spiece.model`.
    ///
    /// # Errors
    /// What is wrong with the file, in words.
    pub fn parse(file: &[u8]) -> Result<Self, String> {
        let (pieces, spec) = read(file).map_err(|Broken| "not a whole sentencepiece model".to_owned())?;
        check(&pieces, &spec)?;
        let chars = CharsMap::parse(spec.charsmap).map_err(|Broken| "its table of replacements is broken".to_owned())?;
        let user_defined: Vec<_> =
            pieces.iter().filter(|p| p.kind == Kind::UserDefined).map(|p| p.text.as_bytes().to_vec()).collect();
        if user_defined.len() > MAX_USER_DEFINED {
            return Err(format!("{} user-defined symbols", user_defined.len()));
        }
        let unknown = only(&pieces, "<unk>", |p| p.kind == Kind::Unknown)?;
        let unigram = Unigram::new(entries(&pieces), unknown);
        if let Some(twice) = unigram.duplicate() {
            return Err(format!("piece {:?} is there twice", String::from_utf8_lossy(twice)));
        }
        Ok(Self {
            normalizer: Normalizer {
                chars,
                add_dummy_prefix: spec.add_dummy_prefix,
                remove_extra_whitespaces: spec.remove_extra_whitespaces,
                escape_whitespaces: spec.escape_whitespaces,
                treat_whitespace_as_suffix: spec.whitespace_as_suffix,
                user_defined,
            },
            unigram,
            eos: only(&pieces, "</s>", |p| p.kind == Kind::Control && p.text == "</s>")?,
            pad: only(&pieces, "<pad>", |p| p.kind == Kind::Control && p.text == "<pad>")?,
            pieces: pieces.len(),
        })
    }

    /// The ids of `text`, without special tokens. A control piece written out in the text (`</s>`) is text like any other.
    pub fn encode(&self, text: &str) -> Vec<u32> {
        self.unigram.encode(&self.normalizer.normalize(text))
    }

    /// Number of pieces.
    pub fn vocab_size(&self) -> usize {
        self.pieces
    }

    /// The id that ends a text.
    pub fn eos(&self) -> u32 {
        self.eos
    }

    /// The id that fills a row up.
    pub fn pad(&self) -> u32 {
        self.pad
    }
}

fn read(file: &[u8]) -> Result<(Vec<Piece<'_>>, Spec<'_>), Broken> {
    let mut pieces = Vec::new();
    let mut spec = Spec {
        model_type: 1,
        byte_fallback: false,
        whitespace_as_suffix: false,
        charsmap: &[],
        add_dummy_prefix: true,
        remove_extra_whitespaces: true,
        escape_whitespaces: true,
        has_normalizer: false,
    };
    for field in Fields::new(file) {
        match field? {
            (1, value) if pieces.len() < MAX_PIECES => pieces.push(piece(value.bytes()?)?),
            (1, _) => return Err(Broken),
            (2, value) => trainer(value.bytes()?, &mut spec)?,
            (3, value) => normalizer(value.bytes()?, &mut spec)?,
            _ => (),
        }
    }
    Ok((pieces, spec))
}

fn piece(message: &[u8]) -> Result<Piece<'_>, Broken> {
    let mut piece = Piece { text: "", score: 0.0, kind: Kind::Normal };
    for field in Fields::new(message) {
        match field? {
            (1, value) => piece.text = std::str::from_utf8(value.bytes()?).map_err(|_| Broken)?,
            (2, value) => piece.score = value.f32()?,
            (3, value) => piece.kind = kind(value.varint()?)?,
            _ => (),
        }
    }
    Ok(piece)
}

fn kind(number: u64) -> Result<Kind, Broken> {
    Ok(match number {
        1 => Kind::Normal,
        2 => Kind::Unknown,
        3 => Kind::Control,
        4 => Kind::UserDefined,
        5 => Kind::Unused,
        6 => Kind::Byte,
        _ => return Err(Broken),
    })
}

fn trainer(message: &[u8], spec: &mut Spec<'_>) -> Result<(), Broken> {
    for field in Fields::new(message) {
        match field? {
            (3, value) => spec.model_type = value.varint()?,
            (24, value) => spec.whitespace_as_suffix = value.varint()? != 0,
            (35, value) => spec.byte_fallback = value.varint()? != 0,
            _ => (),
        }
    }
    Ok(())
}

fn normalizer<'a>(message: &'a [u8], spec: &mut Spec<'a>) -> Result<(), Broken> {
    spec.has_normalizer = true;
    for field in Fields::new(message) {
        match field? {
            (2, value) => spec.charsmap = value.bytes()?,
            (3, value) => spec.add_dummy_prefix = value.varint()? != 0,
            (4, value) => spec.remove_extra_whitespaces = value.varint()? != 0,
            (5, value) => spec.escape_whitespaces = value.varint()? != 0,
            _ => (),
        }
    }
    Ok(())
}

fn check(pieces: &[Piece<'_>], spec: &Spec<'_>) -> Result<(), String> {
    if pieces.is_empty() || !spec.has_normalizer {
        return Err("not a whole sentencepiece model".into());
    }
    if spec.model_type != 1 {
        return Err(format!("model type {} where T5 has 1, unigram", spec.model_type));
    }
    if spec.byte_fallback || pieces.iter().any(|p| p.kind == Kind::Byte) {
        return Err("it falls back to bytes, which no T5 does".into());
    }
    let bad = |p: &&Piece<'_>| p.text.is_empty() || p.text.len() > MAX_PIECE_BYTES || !p.score.is_finite();
    match pieces.iter().position(|p| bad(&p)) {
        Some(id) => Err(format!("piece {id} is empty, too long or has a score that is not finite")),
        None => Ok(()),
    }
}

/// The id of the one piece that `matches`.
fn only(pieces: &[Piece<'_>], name: &str, matches: impl Fn(&Piece<'_>) -> bool) -> Result<u32, String> {
    let mut found = pieces.iter().enumerate().filter(|(_, p)| matches(p));
    match (found.next(), found.next()) {
        (Some((id, _)), None) => u32::try_from(id).map_err(|e| e.to_string()),
        (None, _) => Err(format!("it has no piece {name}")),
        (Some(_), Some(_)) => Err(format!("it has more than one piece {name}")),
    }
}

fn entries(pieces: &[Piece<'_>]) -> Vec<Entry> {
    let entry = |(id, p): (u32, &Piece<'_>)| {
        let score = match p.kind {
            Kind::Normal => Score::Normal(p.score),
            Kind::UserDefined => Score::UserDefined,
            Kind::Unknown | Kind::Control | Kind::Unused | Kind::Byte => return None,
        };
        Some(Entry { bytes: p.text.as_bytes().to_vec(), id, score })
    };
    (0..).zip(pieces).filter_map(entry).collect()
}
