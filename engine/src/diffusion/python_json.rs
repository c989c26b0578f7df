//! JSON as Python's `json` module writes it.

use serde_json::Value;

use super::error::DiffusionError;

const BARE: [&str; 3] = ["-Infinity", "Infinity", "NaN"];

/// Reads JSON that may hold the bare words `NaN`, `Infinity` and `-Infinity`, which Python writes and JSON does not know: they become
/// strings of the same text.
///
/// # Errors
/// [`DiffusionError::Json`] with the parser's own message.
pub fn parse_python_json(text: &str) -> Result<Value, DiffusionError> {
    serde_json::from_str(&quoted(text)).map_err(|e| DiffusionError::Json { problem: e.to_string() })
}

/// `text` with its bare words, outside of strings, in quotes.
fn quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 8);
    let (mut rest, mut in_string) = (text, false);
    while let Some(c) = rest.chars().next() {
        let word = BARE.iter().find(|word| !in_string && rest.starts_with(**word));
        let taken = match (c, word) {
            (_, Some(word)) => word.len(),
            // An escaped character ends no string.
            ('\\', None) if in_string => 1 + rest.chars().nth(1).map_or(0, char::len_utf8),
            _ => c.len_utf8(),
        };
        in_string ^= c == '"';
        let (head, tail) = rest.split_at(taken);
        match word {
            Some(word) => out.extend(["\"", word, "\""]),
            None => out.push_str(head),
        }
        rest = tail;
    }
    out
}

/// A number, also one of the words that [`parse_python_json`] made strings of.
pub(super) fn number(value: &Value) -> Option<f64> {
    match value {
        Value::String(word) if word == "NaN" => Some(f64::NAN),
        Value::String(word) if word == "Infinity" => Some(f64::INFINITY),
        Value::String(word) if word == "-Infinity" => Some(f64::NEG_INFINITY),
        other => other.as_f64(),
    }
}
