//! Frozen text encoders (paper section 2.1): prompts -> token ids -> token states.
//!
//! [`TextEncoder`] is the front: it recognises the family by `config.json`, finds the tokenizer and the weights in the layouts that
//! checkpoints are published in, and reads nothing but configs and headers until it is asked to load.

mod bert;
mod config;
mod embedding;
mod encoder;
mod error;
mod t5;
mod tokenizer;

pub use bert::BertEncoder;
pub use config::{BertConfig, FeedForward, T5Config, TextConfig};
pub use encoder::{LoadedTextEncoder, TextEncoder, TextInfo, TextModel, TextStates};
pub use error::TextError;
pub use t5::{T5Encoder, relative_position_bucket};
pub use tokenizer::{Padding, SentencePiece, TextTokenizer, Tokens};
