//! Reading diffusers' `scheduler_config.json`.
//!
//! Fields that are absent have the defaults of the class that the file names. A value that asks for something else than what is here is
//! refused by name; a field that no sampler here reads is left alone, as diffusers does.

use imagen_protocol::{SamplerKind, Steps, Threshold};
use serde_json::{Map, Value};

use super::error::DiffusionError;
use super::python_json::number;
use super::schedule::{Betas, DiscreteSchedule, End, Grid, NoiseSchedule, Spacing};
use super::{Prediction, SamplerConfig, Variance};

/// Switches that change the maths and are not here.
const MUST_BE_OFF: [&str; 7] = [
    "rescale_betas_zero_snr",
    "use_karras_sigmas",
    "use_exponential_sigmas",
    "use_beta_sigmas",
    "use_lu_lambdas",
    "use_flow_sigmas",
    "use_dynamic_shifting",
];

/// A stage's configuration as its scheduler file says; steps (50), eta (0) and guidance (1) are the caller's to set.
///
/// `config` is what [`parse_python_json`](super::parse_python_json) gives.
///
/// # Errors
/// [`DiffusionError::Unsupported`] names the field, its value and what is supported; [`DiffusionError::Json`] for a value of the
/// wrong type, [`DiffusionError::Setting`] for a number out of range.
pub fn from_diffusers(config: &Value) -> Result<SamplerConfig, DiffusionError> {
    let map = config.as_object().ok_or_else(|| DiffusionError::Json { problem: "it is not an object".into() })?;
    let fields = Fields(map);
    for name in MUST_BE_OFF {
        if fields.flag(name, false)? {
            return Err(DiffusionError::unsupported(name, "true", "false"));
        }
    }
    let sampler = fields.choice("_class_name", None, &CLASSES)?;
    let mut read = SamplerConfig::new(NoiseSchedule::Discrete(schedule(&fields, sampler)?), fields.prediction()?);
    read.sampler = sampler;
    read.steps = Steps::Count(50);
    read.variance = fields.choice("variance_type", Some(Variance::FixedSmall), &VARIANCES)?;
    read.threshold = threshold(&fields, sampler)?;
    read.clip_range = fields.finite("clip_sample_range", 1.0)?;
    read.recompute_eps = false;
    solver(&fields, sampler, &mut read)?;
    read.check()?;
    Ok(read)
}

const CLASSES: [(&str, SamplerKind); 3] = [
    ("DDPMScheduler", SamplerKind::Ddpm),
    ("DDIMScheduler", SamplerKind::Ddim),
    ("DPMSolverMultistepScheduler", SamplerKind::Dpmpp2m),
];

const VARIANCES: [(&str, Variance); 4] = [
    ("fixed_small", Variance::FixedSmall),
    // The same variance, by way of its logarithm.
    ("fixed_small_log", Variance::FixedSmall),
    ("fixed_large", Variance::FixedLarge),
    ("learned_range", Variance::LearnedRange),
];

const PREDICTIONS: [(&str, Prediction); 3] =
    [("epsilon", Prediction::Eps), ("v_prediction", Prediction::V), ("sample", Prediction::X0)];

const SPACINGS: [(&str, Spacing); 3] =
    [("linspace", Spacing::Linspace), ("leading", Spacing::Leading), ("trailing", Spacing::Trailing)];

fn schedule(fields: &Fields<'_>, sampler: SamplerKind) -> Result<DiscreteSchedule, DiffusionError> {
    let timesteps = fields.whole("num_train_timesteps", 1000)?;
    let (start, end) = (fields.finite("beta_start", 1e-4)?, fields.finite("beta_end", 0.02)?);
    let betas = match fields.list("trained_betas")? {
        Some(betas) => Betas::Trained(betas),
        None => fields.choice(
            "beta_schedule",
            Some(Betas::Linear { timesteps, start, end }),
            &[
                ("linear", Betas::Linear { timesteps, start, end }),
                ("scaled_linear", Betas::ScaledLinear { timesteps, start, end }),
                ("squaredcos_cap_v2", Betas::SquaredcosCapV2 { timesteps }),
            ],
        )?,
    };
    let usual = if sampler == SamplerKind::Dpmpp2m { Spacing::Linspace } else { Spacing::Leading };
    let spacing = fields.choice("timestep_spacing", Some(usual), &SPACINGS)?;
    DiscreteSchedule::new(betas, Grid { spacing, steps_offset: fields.whole("steps_offset", 0)?, end: end_of(fields)? })
}

/// DDIM says it as `set_alpha_to_one`, DPM-Solver++ as `final_sigmas_type`.
fn end_of(fields: &Fields<'_>) -> Result<End, DiffusionError> {
    let usual = if fields.flag("set_alpha_to_one", true)? { End::Clean } else { End::Lowest };
    fields.choice("final_sigmas_type", Some(usual), &[("zero", End::Clean), ("sigma_min", End::Lowest)])
}

/// Dynamic thresholding wins over `clip_sample`, which DPM-Solver++ does not have.
fn threshold(fields: &Fields<'_>, sampler: SamplerKind) -> Result<Threshold, DiffusionError> {
    let clip_sample = fields.flag("clip_sample", sampler != SamplerKind::Dpmpp2m)?;
    if fields.flag("thresholding", false)? {
        let percentile = fields.finite("dynamic_thresholding_ratio", 0.995)?;
        let cap = fields.number("sample_max_value", 1.0)?;
        let cap = (cap < f64::INFINITY || cap.is_nan()).then_some(cap);
        return Ok(Threshold::Dynamic { percentile, cap });
    }
    Ok(if clip_sample && sampler != SamplerKind::Dpmpp2m { Threshold::Static } else { Threshold::None })
}

/// What only DPM-Solver++ reads.
fn solver(fields: &Fields<'_>, sampler: SamplerKind, read: &mut SamplerConfig) -> Result<(), DiffusionError> {
    if sampler == SamplerKind::Dpmpp2m {
        fields.choice("algorithm_type", Some(()), &[("dpmsolver++", ())])?;
        fields.choice("solver_type", Some(()), &[("midpoint", ())])?;
        let order = fields.whole("solver_order", 2)?;
        if order != 2 {
            return Err(DiffusionError::unsupported("solver_order", order, "2"));
        }
    }
    read.lambda_min_clipped = fields.number("lambda_min_clipped", f64::NEG_INFINITY)?;
    read.lower_order_final = fields.flag("lower_order_final", true)?;
    Ok(())
}

/// The file's fields by name; null stands for the default, as Python's None.
struct Fields<'a>(&'a Map<String, Value>);

impl Fields<'_> {
    fn get(&self, name: &str) -> Option<&Value> {
        self.0.get(name).filter(|value| !value.is_null())
    }

    fn read<T>(&self, name: &str, default: T, what: &str, of: impl Fn(&Value) -> Option<T>) -> Result<T, DiffusionError> {
        match self.get(name) {
            None => Ok(default),
            Some(value) => of(value).ok_or_else(|| DiffusionError::Json { problem: format!("{name} is {value}, not {what}") }),
        }
    }

    fn flag(&self, name: &str, default: bool) -> Result<bool, DiffusionError> {
        self.read(name, default, "true or false", Value::as_bool)
    }

    fn whole(&self, name: &str, default: usize) -> Result<usize, DiffusionError> {
        self.read(name, default, "a whole number", |value| value.as_u64().and_then(|n| usize::try_from(n).ok()))
    }

    fn number(&self, name: &str, default: f64) -> Result<f64, DiffusionError> {
        self.read(name, default, "a number", number)
    }

    fn finite(&self, name: &str, default: f64) -> Result<f64, DiffusionError> {
        self.read(name, default, "a finite number", |value| number(value).filter(|x| x.is_finite()))
    }

    fn list(&self, name: &str) -> Result<Option<Vec<f64>>, DiffusionError> {
        let numbers = |value: &Value| value.as_array()?.iter().map(number).collect::<Option<Vec<f64>>>().map(Some);
        self.read(name, None, "a list of numbers", numbers)
    }

    fn prediction(&self) -> Result<Prediction, DiffusionError> {
        self.choice("prediction_type", Some(Prediction::Eps), &PREDICTIONS)
    }

    /// One of named values; without a default the field has to be there.
    fn choice<T: Clone>(&self, name: &str, default: Option<T>, table: &[(&str, T)]) -> Result<T, DiffusionError> {
        let supported = || table.iter().map(|(known, _)| *known).collect::<Vec<_>>().join(", ");
        match (self.get(name), default) {
            (None, Some(default)) => Ok(default),
            (None, None) => Err(DiffusionError::unsupported(name, "absent", supported())),
            (Some(value), _) => {
                let known = table.iter().find(|(known, _)| value.as_str() == Some(*known));
                known.map(|(_, value)| value.clone()).ok_or_else(|| DiffusionError::unsupported(name, value, supported()))
            }
        }
    }
}
