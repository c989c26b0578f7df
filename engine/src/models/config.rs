//! What can be wrong with the description of a network.

/// The description of a network cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    #[error("the network's config is not readable: {0}; use the file that came with the weights")]
    Json(String),
    #[error("{field} is {value}; supported: {supported}")]
    Field { field: String, value: String, supported: String },
}

impl ConfigError {
    pub(crate) fn field(field: impl Into<String>, value: impl std::fmt::Display, supported: impl Into<String>) -> Self {
        Self::Field { field: field.into(), value: value.to_string(), supported: supported.into() }
    }
}

/// `Ok` where `holds`, else an error that names the field, its value and what is supported.
pub(crate) fn require(holds: bool, field: &str, value: impl std::fmt::Display, supported: &str) -> Result<(), ConfigError> {
    if holds { Ok(()) } else { Err(ConfigError::field(field, value, supported)) }
}

/// Channels, sizes and counts of every published network are far below this; products of four such numbers fit a u64.
pub(crate) const MAX_WIDTH: usize = 1 << 14;

/// `Ok` where 1 <= value <= max.
pub(crate) fn in_range(field: &str, value: usize, max: usize) -> Result<(), ConfigError> {
    require((1..=max).contains(&value), field, value, &format!("1 to {max}"))
}

/// `Ok` where `divisor` is not zero and divides `value`.
pub(crate) fn divides(field: &str, divisor: usize, what: &str, value: usize) -> Result<(), ConfigError> {
    let holds = divisor > 0 && value.is_multiple_of(divisor);
    require(holds, field, divisor, &format!("a divisor of {what} {value}"))
}
