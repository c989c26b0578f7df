//! The grid of times for n steps.

use imagen_protocol::{SamplerKind, Steps};

use super::error::DiffusionError;
use super::respaced::{RESPACED_TIMESTEPS, respaced};
use super::schedule::{CosineSchedule, DiscreteSchedule, End, Level, NoiseSchedule, Spacing, linspace};

/// Most steps that are accepted in continuous time; in discrete time it is the number of timesteps.
const MAX_STEPS: usize = 1000;

/// One step of the sampler, from time t to the less noisy time s.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Step {
    /// What the network is told: 1000 t in continuous time, the timestep in discrete time.
    pub time: f64,
    /// The level at t.
    pub from: Level,
    /// The level at s; [`Level::CLEAN`] at the end, where the step returns x0_hat.
    pub to: Level,
}

/// The steps of a whole run, the noisiest first.
///
/// Continuous: t = linspace(1, 0, n + 1). Discrete: as diffusers' scheduler of the same name rounds them; a step always goes to the
/// next timestep of the list (diffusers' DDIM subtracts N / n instead, which differs outside the leading spacing).
/// `lambda_min_clipped`: times with a lower lambda = `log_snr` / 2 are left out by DPM-Solver++; -infinity leaves out none.
///
/// # Errors
/// No steps, more than there are timesteps, a named list on a schedule it is not made for, or a clip that leaves nothing.
pub fn plan(
    schedule: &NoiseSchedule,
    steps: &Steps,
    sampler: SamplerKind,
    lambda_min_clipped: f64,
) -> Result<Vec<Step>, DiffusionError> {
    let clip = if sampler == SamplerKind::Dpmpp2m { lambda_min_clipped } else { f64::NEG_INFINITY };
    match (schedule, steps) {
        (NoiseSchedule::Cosine(cosine), Steps::Count(n)) => continuous(cosine, at_least_one(*n)?, clip),
        (NoiseSchedule::Cosine(_), Steps::Named(name)) => Err(wrong_schedule(name, "a continuous schedule")),
        (NoiseSchedule::Discrete(discrete), Steps::Count(n)) => {
            let times = timesteps(discrete, at_least_one(*n)?, sampler, clip)?;
            joined(discrete, &times, sampler)
        }
        (NoiseSchedule::Discrete(discrete), Steps::Named(name)) if discrete.timesteps() == RESPACED_TIMESTEPS => {
            joined(discrete, &respaced(name)?, sampler)
        }
        (NoiseSchedule::Discrete(discrete), Steps::Named(name)) => {
            Err(wrong_schedule(name, &format!("a schedule of {} timesteps", discrete.timesteps())))
        }
    }
}

fn wrong_schedule(name: &str, what: &str) -> DiffusionError {
    let allowed = format!("a number of steps: named lists are for schedules of 1000 timesteps, and the stage has {what}");
    DiffusionError::setting("steps", format!("{name:?}"), allowed)
}

fn at_least_one(n: u32) -> Result<usize, DiffusionError> {
    usize::try_from(n).ok().filter(|n| *n > 0).ok_or_else(|| too_many(n, MAX_STEPS))
}

fn too_many(n: impl ToString, most: usize) -> DiffusionError {
    DiffusionError::setting("steps", n, format!("a whole number from 1 to {most}"))
}

fn nothing_left(clip: f64) -> DiffusionError {
    DiffusionError::setting("lambda_min_clipped", clip, "a lower value: no time of the schedule is above it")
}

fn continuous(cosine: &CosineSchedule, n: usize, clip: f64) -> Result<Vec<Step>, DiffusionError> {
    if n > MAX_STEPS {
        return Err(too_many(n, MAX_STEPS));
    }
    let start = cosine.time_of(2.0 * clip);
    if start <= 0.0 {
        return Err(nothing_left(clip));
    }
    let times = linspace(start, 0.0, n + 1);
    let step = |(i, pair): (usize, &[f64])| {
        let (t, s) = (pair.first().copied().unwrap_or(0.0), pair.last().copied().unwrap_or(0.0));
        let to = if i + 1 == n { Level::CLEAN } else { cosine.level(s) };
        Step { time: 1000.0 * t, from: cosine.level(t), to }
    };
    Ok(times.windows(2).enumerate().map(step).collect())
}

/// The timesteps of n steps as diffusers' schedulers choose them, highest first.
fn timesteps(schedule: &DiscreteSchedule, n: usize, sampler: SamplerKind, clip: f64) -> Result<Vec<usize>, DiffusionError> {
    let all = schedule.timesteps();
    let above = |bar: &&f64| Level::from_alpha_bar(**bar).lambda() >= clip;
    let usable = schedule.alpha_bars().iter().take_while(above).count();
    if usable == 0 {
        return Err(nothing_left(clip));
    }
    if n > all {
        return Err(too_many(n, all));
    }
    let grid = schedule.grid();
    // DPM-Solver++ lays n + 1 points and leaves out the lowest.
    let dropped = usize::from(sampler == SamplerKind::Dpmpp2m);
    let times: Vec<usize> = match grid.spacing {
        Spacing::Linspace => {
            linspace(0.0, (usable - 1) as f64, n + dropped).into_iter().skip(dropped).rev().map(nearest).collect()
        }
        Spacing::Leading => {
            let stride = usable / (n + dropped);
            (dropped..n + dropped).rev().map(|i| i * stride + grid.steps_offset).collect()
        }
        Spacing::Trailing => {
            // The stride as numpy's arange has it after one rounding: it decides ties.
            let (start, stride) = (usable as f64, all as f64 / n as f64);
            let delta = (start - stride) - start;
            let points = (0..n).map(|i| start + delta * i as f64).take_while(|point| *point > 0.0);
            points.map(|point| nearest(point).saturating_sub(1)).collect()
        }
    };
    if times.first().is_some_and(|first| *first >= all) {
        return Err(DiffusionError::setting("steps_offset", grid.steps_offset, "a smaller offset or fewer steps"));
    }
    if times.windows(2).any(|pair| pair.first() <= pair.last()) {
        return Err(too_many(n, usable.saturating_sub(dropped)));
    }
    Ok(times)
}

/// numpy's rounding: ties to even.
fn nearest(x: f64) -> usize {
    x.round_ties_even() as usize
}

fn joined(schedule: &DiscreteSchedule, times: &[usize], sampler: SamplerKind) -> Result<Vec<Step>, DiffusionError> {
    let level = |t: usize| {
        schedule.level(t).ok_or_else(|| DiffusionError::setting("timestep", t, format!("less than {}", schedule.timesteps())))
    };
    // Ancestral sampling always ends in x0_hat; the others end where the schedule says.
    let end = if sampler == SamplerKind::Ddpm { End::Clean } else { schedule.grid().end };
    let last = if end == End::Clean { Level::CLEAN } else { level(0)? };
    let next = |i: usize| times.get(i + 1).map_or(Ok(last), |s| level(*s));
    times.iter().enumerate().map(|(i, &t)| Ok(Step { time: t as f64, from: level(t)?, to: next(i)? })).collect()
}
