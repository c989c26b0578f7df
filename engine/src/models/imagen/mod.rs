//! The paper's U-Nets.
