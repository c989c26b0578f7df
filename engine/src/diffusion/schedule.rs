//! Noise schedules: how much of x_t is picture and how much is noise at time t.

use std::f64::consts::FRAC_PI_2;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::error::{DiffusionError, in_range};
use super::schedule_card::ScheduleCard;

/// Longest discrete schedule that is accepted.
const MAX_TIMESTEPS: usize = 10_000;

/// One noise level of x_t = alpha x0 + sigma eps, with alpha^2 + sigma^2 = 1.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Level {
    /// Share of the picture, in [0, 1].
    pub alpha: f64,
    /// Standard deviation of the noise, in [0, 1].
    pub sigma: f64,
    /// ln(alpha^2 / sigma^2), in nats; infinite where there is no noise.
    pub log_snr: f64,
}

impl Level {
    /// No noise at all: the picture itself.
    pub const CLEAN: Self = Self { alpha: 1.0, sigma: 0.0, log_snr: f64::INFINITY };

    /// alpha^2 = 1 / (1 + exp(-log_snr)), sigma^2 = 1 / (1 + exp(log_snr)).
    pub fn from_log_snr(log_snr: f64) -> Self {
        Self { alpha: sigmoid(log_snr).sqrt(), sigma: sigmoid(-log_snr).sqrt(), log_snr }
    }

    /// `alpha_bar` = alpha^2, the product of (1 - beta) in a discrete schedule; in (0, 1].
    pub fn from_alpha_bar(alpha_bar: f64) -> Self {
        let noise = 1.0 - alpha_bar;
        Self { alpha: alpha_bar.sqrt(), sigma: noise.sqrt(), log_snr: (alpha_bar / noise).ln() }
    }

    pub fn is_clean(self) -> bool {
        self.sigma <= 0.0
    }

    /// lambda of DPM-Solver: ln(alpha / sigma), half of `log_snr`.
    pub fn lambda(self) -> f64 {
        0.5 * self.log_snr
    }
}

fn sigmoid(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}

/// alpha, sigma and log_snr over time; as data, `{"kind": "cosine", ..}` or `{"kind": "linear", ..}` (see [`Betas`]).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "ScheduleCard", into = "ScheduleCard")]
pub enum NoiseSchedule {
    /// Continuous time t in [0, 1], the paper's.
    Cosine(CosineSchedule),
    /// Whole timesteps 0..N.
    Discrete(DiscreteSchedule),
}

impl NoiseSchedule {
    /// The level at `t`: in [0, 1] for a continuous schedule, a timestep (rounded, clamped) for a discrete one.
    pub fn level(&self, t: f64) -> Level {
        match self {
            Self::Cosine(cosine) => cosine.level(t),
            Self::Discrete(discrete) => {
                let last = discrete.timesteps().saturating_sub(1);
                // A float to integer cast saturates, and NaN becomes 0: every `t` gives a timestep.
                discrete.level((t.round_ties_even() as usize).min(last)).unwrap_or(Level::CLEAN)
            }
        }
    }

    /// What the network is told of time `t`: 1000 t in continuous time, the timestep itself in discrete time.
    pub fn network_time(&self, t: f64) -> f64 {
        match self {
            Self::Cosine(_) => 1000.0 * t,
            Self::Discrete(_) => t,
        }
    }

    /// alpha_t, see [`Self::level`] for `t`.
    pub fn alpha(&self, t: f64) -> f64 {
        self.level(t).alpha
    }

    /// sigma_t, see [`Self::level`] for `t`.
    pub fn sigma(&self, t: f64) -> f64 {
        self.level(t).sigma
    }

    /// ln(alpha_t^2 / sigma_t^2), see [`Self::level`] for `t`.
    pub fn log_snr(&self, t: f64) -> f64 {
        self.level(t).log_snr
    }
}

/// The continuous cosine schedule, clamped and shifted:
///
/// `log_snr(t) = -2 ln tan(lo + t (hi - lo)) + shift`, `lo = atan(exp(-log_snr_max / 2))`, `hi = atan(exp(-log_snr_min / 2))`
///
/// Without clamp and shift this is alpha_t = cos(pi t / 2) (appendix F of the paper); the shift is that of Hoogeboom et al. 2023
/// ("simple diffusion") for larger pictures.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CosineSchedule {
    log_snr_min: f64,
    log_snr_max: f64,
    shift: f64,
}

impl CosineSchedule {
    /// # Errors
    /// Bounds that are not finite, not within [-100, 100] or not in order.
    pub fn new(log_snr_min: f64, log_snr_max: f64, shift: f64) -> Result<Self, DiffusionError> {
        in_range("log_snr_min", log_snr_min, -100.0, 100.0)?;
        in_range("log_snr_max", log_snr_max, -100.0, 100.0)?;
        in_range("shift", shift, -100.0, 100.0)?;
        if log_snr_min < log_snr_max {
            return Ok(Self { log_snr_min, log_snr_max, shift });
        }
        Err(DiffusionError::setting("log_snr_min", log_snr_min, format!("a number below log_snr_max, {log_snr_max}")))
    }

    /// The level at `t`, clamped to [0, 1].
    pub fn level(&self, t: f64) -> Level {
        let (lo, hi) = self.angles();
        let angle = lo + t.clamp(0.0, 1.0) * (hi - lo);
        Level::from_log_snr(-2.0 * angle.tan().ln() + self.shift)
    }

    /// The time at which the log SNR is `log_snr`, clamped to [0, 1].
    pub fn time_of(&self, log_snr: f64) -> f64 {
        let (lo, hi) = self.angles();
        ((angle_of(log_snr - self.shift) - lo) / (hi - lo)).clamp(0.0, 1.0)
    }

    /// `(log_snr_min, log_snr_max, shift)`.
    pub fn parts(&self) -> (f64, f64, f64) {
        (self.log_snr_min, self.log_snr_max, self.shift)
    }

    fn angles(&self) -> (f64, f64) {
        (angle_of(self.log_snr_max), angle_of(self.log_snr_min))
    }
}

/// The angle whose tangent is sigma / alpha.
fn angle_of(log_snr: f64) -> f64 {
    (-0.5 * log_snr).exp().atan()
}

/// Where the betas of a discrete schedule come from.
#[derive(Clone, Debug, PartialEq)]
pub enum Betas {
    /// Evenly spaced from `start` to `end` (Ho et al. 2020).
    Linear { timesteps: usize, start: f64, end: f64 },
    /// Their square roots evenly spaced (latent diffusion).
    ScaledLinear { timesteps: usize, start: f64, end: f64 },
    /// beta_i = min(1 - f(i + 1) / f(i), 0.999), f(i) = cos^2((i / N + 0.008) / 1.008 * pi / 2) (Nichol and Dhariwal 2021, eq. 17).
    SquaredcosCapV2 { timesteps: usize },
    /// As a checkpoint's `trained_betas` lists them.
    Trained(Vec<f64>),
}

impl Betas {
    /// beta_i for each timestep i.
    ///
    /// # Errors
    /// Fewer than 2 or more than 10,000 timesteps, or a beta outside (0, 1).
    pub fn values(&self) -> Result<Vec<f64>, DiffusionError> {
        let betas = match self {
            Self::Linear { timesteps, start, end } => linspace(*start, *end, count(*timesteps)?),
            Self::ScaledLinear { timesteps, start, end } => {
                linspace(start.sqrt(), end.sqrt(), count(*timesteps)?).into_iter().map(|root| root * root).collect()
            }
            Self::SquaredcosCapV2 { timesteps } => squaredcos(count(*timesteps)?),
            Self::Trained(betas) => {
                count(betas.len())?;
                betas.clone()
            }
        };
        match betas.iter().enumerate().find(|(_, beta)| !(**beta > 0.0 && **beta < 1.0)) {
            None => Ok(betas),
            Some((i, beta)) => Err(DiffusionError::setting(&format!("beta {i}"), beta, "betas between 0 and 1")),
        }
    }
}

fn count(timesteps: usize) -> Result<usize, DiffusionError> {
    if (2..=MAX_TIMESTEPS).contains(&timesteps) {
        return Ok(timesteps);
    }
    Err(DiffusionError::setting("timesteps", timesteps, format!("a whole number from 2 to {MAX_TIMESTEPS}")))
}

fn squaredcos(timesteps: usize) -> Vec<f64> {
    let n = timesteps as f64;
    let alpha_bar = |i: usize| ((i as f64 / n + 0.008) / 1.008 * FRAC_PI_2).cos().powi(2);
    (0..timesteps).map(|i| (1.0 - alpha_bar(i + 1) / alpha_bar(i)).min(0.999)).collect()
}

/// `n` evenly spaced values, both ends included; `[start]` for n = 1, as numpy has it.
pub(super) fn linspace(start: f64, end: f64, n: usize) -> Vec<f64> {
    let last = n.saturating_sub(1);
    let step = (end - start) / last.max(1) as f64;
    (0..n).map(|i| if i == last && i > 0 { end } else { start + step * i as f64 }).collect()
}

/// How the timesteps of n steps are chosen out of N (table 2 of Lin et al. 2024), named as diffusers names them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Spacing {
    /// Evenly from N - 1 to 0, both included.
    Linspace,
    /// Multiples of N / n (rounded down), plus the offset: 0 is included, N - 1 is not.
    #[default]
    Leading,
    /// N - 1 down by N / n: N - 1 is included, 0 is not.
    Trailing,
}

/// The noise level that the last step of a discrete schedule arrives at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum End {
    /// No noise: the last step gives x0_hat (`set_alpha_to_one`, `final_sigmas_type` "zero").
    #[default]
    Clean,
    /// The level of timestep 0 (`set_alpha_to_one` false, `final_sigmas_type` "`sigma_min`").
    Lowest,
}

/// How steps are laid over a discrete schedule.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Grid {
    pub spacing: Spacing,
    /// Added to every timestep of the leading spacing.
    pub steps_offset: usize,
    pub end: End,
}

/// A schedule of whole timesteps 0..N with its table, in f64.
#[derive(Clone, Debug, PartialEq)]
pub struct DiscreteSchedule {
    betas: Betas,
    grid: Grid,
    alpha_bars: Arc<[f64]>,
}

impl DiscreteSchedule {
    /// # Errors
    /// See [`Betas::values`].
    pub fn new(betas: Betas, grid: Grid) -> Result<Self, DiffusionError> {
        let product = |bar: &mut f64, beta: f64| {
            *bar *= 1.0 - beta;
            Some(*bar)
        };
        let alpha_bars: Arc<[f64]> = betas.values()?.into_iter().scan(1.0, product).collect();
        match alpha_bars.last() {
            Some(bar) if *bar > 0.0 => Ok(Self { betas, grid, alpha_bars }),
            _ => Err(DiffusionError::setting("betas", "so large that no picture is left", "smaller betas or fewer timesteps")),
        }
    }

    /// N, the number of timesteps.
    pub fn timesteps(&self) -> usize {
        self.alpha_bars.len()
    }

    /// alpha_t^2 = prod (1 - beta_i), i = 0..=t.
    pub fn alpha_bars(&self) -> &[f64] {
        &self.alpha_bars
    }

    pub fn betas(&self) -> &Betas {
        &self.betas
    }

    pub fn grid(&self) -> Grid {
        self.grid
    }

    /// The level at `timestep`; `None` past the last one.
    pub fn level(&self, timestep: usize) -> Option<Level> {
        self.alpha_bars.get(timestep).copied().map(Level::from_alpha_bar)
    }
}
