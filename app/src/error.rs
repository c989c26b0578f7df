//! How the program ends when it does not end well.

use std::path::Path;

use imagen_protocol::EngineError;

/// Ends the program. Its text is one line: what was wrong; what to do.
#[derive(Debug, thiserror::Error)]
pub enum AppError {
    /// Wrong arguments.
    #[error("{0}")]
    Usage(String),
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// The user asked for it: no error, but not done either.
    #[error("cancelled")]
    Cancelled,
}

impl AppError {
    /// 2 for arguments and settings, 130 for cancelled (128 + SIGINT, as shells count), 1 for the rest.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Usage(_) | Self::Engine(EngineError::InvalidSetting { .. }) => 2,
            Self::Engine(_) => 1,
            Self::Cancelled => 130,
        }
    }

    /// What stderr shows, always a single line.
    pub fn line(&self) -> String {
        match self {
            Self::Cancelled => "cancelled".into(),
            other => format!("error: {}", one_line(&other.to_string())),
        }
    }
}

/// An [`EngineError::File`].
pub fn file_error(path: &Path, problem: impl ToString, remedy: &str) -> AppError {
    EngineError::File { path: path.to_owned(), problem: problem.to_string(), remedy: remedy.into() }.into()
}

/// An [`EngineError::InvalidSetting`]; `allowed` continues "give ...".
pub fn setting_error(setting: &str, value: impl ToString, allowed: &str) -> AppError {
    EngineError::InvalidSetting { setting: setting.into(), value: value.to_string(), allowed: allowed.into() }.into()
}

/// Control characters (a path may hold a newline or an escape) become blanks, runs of blanks one.
pub fn one_line(text: &str) -> String {
    let blanked: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    blanked.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_tell_settings_cancel_and_failure_apart() {
        assert_eq!(AppError::Usage("x".into()).exit_code(), 2);
        assert_eq!(setting_error("count", 0, "more").exit_code(), 2);
        assert_eq!(file_error(Path::new("a"), "b", "c").exit_code(), 1);
        assert_eq!(AppError::Cancelled.exit_code(), 130);
    }

    #[test]
    fn a_message_stays_on_one_line_whatever_the_path_holds() {
        let line = file_error(Path::new("a\nb\u{1b}[31m"), "is missing", "give another").line();
        assert_eq!(line, "error: a b [31m: is missing; give another");
    }
}
