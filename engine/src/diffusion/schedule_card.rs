//! Noise schedules as data: the `schedule` object of a model card.

use serde::{Deserialize, Serialize};

use super::error::DiffusionError;
use super::schedule::{Betas, CosineSchedule, DiscreteSchedule, End, Grid, NoiseSchedule, Spacing};

/// One JSON object a kind; a field that is not known is refused.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub(super) enum ScheduleCard {
    Cosine(CosineCard),
    Linear(RampCard),
    ScaledLinear(RampCard),
    SquaredcosCapV2(SquaredcosCard),
    TrainedBetas(TrainedCard),
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct CosineCard {
    log_snr_min: f64,
    log_snr_max: f64,
    #[serde(default)]
    shift: f64,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RampCard {
    timesteps: usize,
    beta_start: f64,
    beta_end: f64,
    #[serde(default)]
    spacing: Spacing,
    #[serde(default)]
    steps_offset: usize,
    #[serde(default)]
    end: End,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SquaredcosCard {
    timesteps: usize,
    #[serde(default)]
    spacing: Spacing,
    #[serde(default)]
    steps_offset: usize,
    #[serde(default)]
    end: End,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TrainedCard {
    betas: Vec<f64>,
    #[serde(default)]
    spacing: Spacing,
    #[serde(default)]
    steps_offset: usize,
    #[serde(default)]
    end: End,
}

impl RampCard {
    fn new(timesteps: usize, beta_start: f64, beta_end: f64, grid: Grid) -> Self {
        let Grid { spacing, steps_offset, end } = grid;
        Self { timesteps, beta_start, beta_end, spacing, steps_offset, end }
    }

    fn grid(&self) -> Grid {
        Grid { spacing: self.spacing, steps_offset: self.steps_offset, end: self.end }
    }
}

impl TryFrom<ScheduleCard> for NoiseSchedule {
    type Error = DiffusionError;

    fn try_from(card: ScheduleCard) -> Result<Self, DiffusionError> {
        let (betas, grid) = match card {
            ScheduleCard::Cosine(c) => {
                return CosineSchedule::new(c.log_snr_min, c.log_snr_max, c.shift).map(Self::Cosine);
            }
            ScheduleCard::Linear(c) => (Betas::Linear { timesteps: c.timesteps, start: c.beta_start, end: c.beta_end }, c.grid()),
            ScheduleCard::ScaledLinear(c) => {
                (Betas::ScaledLinear { timesteps: c.timesteps, start: c.beta_start, end: c.beta_end }, c.grid())
            }
            ScheduleCard::SquaredcosCapV2(SquaredcosCard { timesteps, spacing, steps_offset, end }) => {
                (Betas::SquaredcosCapV2 { timesteps }, Grid { spacing, steps_offset, end })
            }
            ScheduleCard::TrainedBetas(TrainedCard { betas, spacing, steps_offset, end }) => {
                (Betas::Trained(betas), Grid { spacing, steps_offset, end })
            }
        };
        DiscreteSchedule::new(betas, grid).map(Self::Discrete)
    }
}

impl From<NoiseSchedule> for ScheduleCard {
    fn from(schedule: NoiseSchedule) -> Self {
        let discrete = match schedule {
            NoiseSchedule::Cosine(cosine) => {
                let (log_snr_min, log_snr_max, shift) = cosine.parts();
                return Self::Cosine(CosineCard { log_snr_min, log_snr_max, shift });
            }
            NoiseSchedule::Discrete(discrete) => discrete,
        };
        let grid @ Grid { spacing, steps_offset, end } = discrete.grid();
        match discrete.betas().clone() {
            Betas::Linear { timesteps, start, end } => Self::Linear(RampCard::new(timesteps, start, end, grid)),
            Betas::ScaledLinear { timesteps, start, end } => Self::ScaledLinear(RampCard::new(timesteps, start, end, grid)),
            Betas::SquaredcosCapV2 { timesteps } => {
                Self::SquaredcosCapV2(SquaredcosCard { timesteps, spacing, steps_offset, end })
            }
            Betas::Trained(betas) => Self::TrainedBetas(TrainedCard { betas, spacing, steps_offset, end }),
        }
    }
}
