use std::path::PathBuf;

use crate::models::weights::WeightError;

/// What can be wrong with a text encoder. One line each: what, where, what to do.
#[derive(Debug, thiserror::Error)]
pub enum TextError {
    #[error(transparent)]
    Weights(#[from] WeightError),
    #[error("{}: not a usable tokenizer ({reason}); get the file again from where the model came from", path.display())]
    Tokenizer { path: PathBuf, reason: String },
    #[error("{}: no spiece.model or tokenizer.json here, in tokenizer/ or in ../tokenizer/; copy it from where the model came from", path.display())]
    NoTokenizer { path: PathBuf },
    #[error(
        "{}: the tokenizer has {tokens} tokens and the encoder {vocab_size}; put the tokenizer of this encoder there",
        path.display()
    )]
    Vocabulary { path: PathBuf, tokens: usize, vocab_size: usize },
    #[error("token {id} is outside the encoder's vocabulary of {vocab_size}; tokenize with the tokenizer of this encoder")]
    TokenOutOfRange { id: u32, vocab_size: usize },
    #[error(
        "a batch of tokens must have at least one row and one token, and rows, masks of one length; tokenize it with TextTokenizer"
    )]
    Batch,
    #[error("{tokens} tokens are more than the encoder's {positions} positions; tokenize with max_tokens at most {positions}")]
    TooManyTokens { tokens: usize, positions: usize },
}
