//! Tokenizers and frozen text encoders.
