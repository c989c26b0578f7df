//! Prompts -> token ids: sentencepiece's `spiece.model` (T5) and `tokenizer.json` (BERT, converted T5).

mod charsmap;
mod protobuf;
mod spiece;
mod unigram;

use std::cell::Cell;
use std::fs::File;
use std::io::Read;
use std::panic::{AssertUnwindSafe, catch_unwind, set_hook, take_hook};
use std::path::{Path, PathBuf};
use std::sync::Once;

use tokenizers::Tokenizer;

use super::TextError;
use crate::models::weights::WeightError;
pub use spiece::SentencePiece;

/// A tokenizer's file is some megabytes; more than this is something else.
const MAX_FILE_BYTES: u64 = 64 << 20;

/// A batch of tokenized texts, all rows of one length.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tokens {
    pub ids: Vec<Vec<u32>>,
    /// Which of `ids` are text, special tokens included; the others only fill a row up.
    pub mask: Vec<Vec<bool>>,
    /// How many tokens each whole text has, special tokens included: more than `max_tokens` means that it was cut.
    pub counts: Vec<usize>,
    pub max_tokens: usize,
}

impl Tokens {
    /// Length of the rows.
    pub fn length(&self) -> usize {
        self.ids.first().map_or(0, Vec::len)
    }

    /// How many tokens of each text were cut off.
    pub fn cut(&self) -> Vec<usize> {
        self.counts.iter().map(|&count| count.saturating_sub(self.max_tokens)).collect()
    }
}

/// To what length rows are filled up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Padding {
    /// `max_tokens`, as T5's users do (IF attends to the padding too).
    Max,
    Longest,
}

#[derive(Debug)]
enum Kind {
    SentencePiece(Box<SentencePiece>),
    /// tokenizer.json, and the id that fills up.
    Json(Box<Tokenizer>, u32),
}

/// A tokenizer from a file.
#[derive(Debug)]
pub struct TextTokenizer {
    path: PathBuf,
    kind: Kind,
}

impl TextTokenizer {
    /// Reads `spiece.model` (any name that ends in `.model`) or `tokenizer.json`.
    ///
    /// # Errors
    /// [`TextError::Tokenizer`] with what is wrong, [`TextError::Weights`] if the file cannot be read.
    pub fn open(path: &Path) -> Result<Self, TextError> {
        let bytes = read_bounded(path)?;
        let damaged = |reason: String| TextError::Tokenizer { path: path.to_owned(), reason };
        let kind = if path.extension().is_some_and(|e| e == "model") {
            Kind::SentencePiece(Box::new(SentencePiece::parse(&bytes).map_err(damaged)?))
        } else {
            let tokenizer = guarded(|| open_json(&bytes)).map_err(damaged)?;
            let pad = ["[PAD]", "<pad>"].iter().find_map(|token| tokenizer.token_to_id(token)).unwrap_or(0);
            Kind::Json(Box::new(tokenizer), pad)
        };
        Ok(Self { path: path.to_owned(), kind })
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Number of tokens, special and added ones included.
    pub fn vocab_size(&self) -> usize {
        match &self.kind {
            Kind::SentencePiece(model) => model.vocab_size(),
            Kind::Json(tokenizer, _) => tokenizer.get_vocab_size(true),
        }
    }

    /// Ids of each text with its special tokens, cut to `max_tokens` with the closing special tokens kept, filled up to one length.
    /// Any text will do: empty, of control characters, of megabytes.
    ///
    /// # Errors
    /// [`TextError::Tokenizer`] if a tokenizer.json contradicts itself.
    pub fn tokenize(&self, texts: &[String], max_tokens: usize, padding: Padding) -> Result<Tokens, TextError> {
        let max_tokens = max_tokens.max(1);
        let mut ids = Vec::with_capacity(texts.len());
        let mut counts = Vec::with_capacity(texts.len());
        for text in texts {
            let (mut row, closing) = self.encode(text)?;
            counts.push(row.len());
            cut(&mut row, closing, max_tokens);
            ids.push(row);
        }
        let length = match padding {
            Padding::Max => max_tokens,
            Padding::Longest => ids.iter().map(Vec::len).max().unwrap_or(0),
        };
        let mask = ids.iter().map(|row| (0..length).map(|i| i < row.len()).collect()).collect();
        for row in &mut ids {
            row.resize(length, self.pad());
        }
        Ok(Tokens { ids, mask, counts, max_tokens })
    }

    /// (all ids, how many of the last are closing special tokens)
    fn encode(&self, text: &str) -> Result<(Vec<u32>, usize), TextError> {
        match &self.kind {
            Kind::SentencePiece(model) => {
                let mut ids = model.encode(text);
                ids.push(model.eos());
                Ok((ids, 1))
            }
            Kind::Json(tokenizer, _) => {
                let failed = |reason| TextError::Tokenizer { path: self.path.clone(), reason };
                let encoding = guarded(|| tokenizer.encode_fast(text, true)).map_err(failed)?;
                let special = encoding.get_special_tokens_mask();
                let closing = special.iter().rev().take_while(|&&s| s == 1).count();
                // All of an empty text's tokens are special: the first one opens.
                let closing = closing.min(special.len().saturating_sub(1));
                Ok((encoding.get_ids().to_vec(), closing))
            }
        }
    }

    fn pad(&self) -> u32 {
        match &self.kind {
            Kind::SentencePiece(model) => model.pad(),
            Kind::Json(_, pad) => *pad,
        }
    }
}

/// Removes what stands before the `closing` last ids until `max` are left.
fn cut(ids: &mut Vec<u32>, closing: usize, max: usize) {
    if ids.len() > max {
        let closing = closing.min(max);
        let tail = ids.len() - closing;
        ids.drain(max - closing..tail);
    }
}

thread_local! {
    /// Whether a panic of this thread is expected, and becomes an error.
    static GUARDED: Cell<bool> = const { Cell::new(false) };
}

/// The tokenizers crate panics on some files that contradict themselves, e.g. a template whose special token is not declared. Such a panic is
/// an error like others and says nothing on stderr.
fn guarded<T>(work: impl FnOnce() -> Result<T, tokenizers::Error>) -> Result<T, String> {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let others = take_hook();
        set_hook(Box::new(move |info| {
            if !GUARDED.get() {
                others(info);
            }
        }));
    });
    GUARDED.set(true);
    let result = catch_unwind(AssertUnwindSafe(work));
    GUARDED.set(false);
    match result {
        Ok(result) => result.map_err(|e| e.to_string()),
        Err(_) => Err("it contradicts itself".into()),
    }
}

/// Cutting and filling up are ours: the file's own settings of both are switched off.
fn open_json(bytes: &[u8]) -> Result<Tokenizer, tokenizers::Error> {
    let mut tokenizer = Tokenizer::from_bytes(bytes)?;
    tokenizer.with_padding(None);
    tokenizer.with_truncation(None)?;
    Ok(tokenizer)
}

fn read_bounded(path: &Path) -> Result<Vec<u8>, TextError> {
    let io = |source| WeightError::Io { path: path.to_owned(), source };
    let mut bytes = Vec::new();
    File::open(path).and_then(|file| file.take(MAX_FILE_BYTES + 1).read_to_end(&mut bytes)).map_err(io)?;
    if bytes.len() as u64 > MAX_FILE_BYTES {
        let reason = format!("over {} MiB", MAX_FILE_BYTES >> 20);
        return Err(TextError::Tokenizer { path: path.to_owned(), reason });
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cutting_keeps_the_closing_tokens() {
        for (closing, max, expected) in
            [(1, 3, vec![1, 2, 9]), (2, 3, vec![1, 8, 9]), (0, 2, vec![1, 2]), (1, 1, vec![9]), (2, 1, vec![9])]
        {
            let mut ids = vec![1, 2, 3, 4, 8, 9];
            cut(&mut ids, closing, max);
            assert_eq!(ids, expected, "{closing} {max}");
        }
    }
}
