//! One algorithm a file, as pure functions from x_t and x0_hat to x_s, in the paper's symbols.

pub mod ddim;
pub mod ddpm;
pub mod dpmpp;
