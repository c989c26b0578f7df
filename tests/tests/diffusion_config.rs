//! Reading diffusers' scheduler files.

use imagen_engine::diffusion::{
    Betas, DiscreteSchedule, End, Grid, NoiseSchedule, Prediction, SamplerConfig, Spacing, Variance, from_diffusers,
    parse_python_json,
};
use imagen_protocol::{SamplerKind, StageSettings, Steps, Threshold};
use serde_json::{Value, json};

fn read(text: &str) -> Result<SamplerConfig, String> {
    parse_python_json(text).and_then(|config| from_diffusers(&config)).map_err(|e| e.to_string())
}

fn discrete(config: &SamplerConfig) -> &DiscreteSchedule {
    match &config.schedule {
        NoiseSchedule::Discrete(discrete) => discrete,
        NoiseSchedule::Cosine(_) => panic!("diffusers' schedules are discrete"),
    }
}

/// IF-I-XL's published file (spec A.5).
const IF_I: &str = r#"{"_class_name": "DDPMScheduler", "beta_end": 0.02, "beta_schedule": "squaredcos_cap_v2", "beta_start": 0.0001,
    "clip_sample": true, "clip_sample_range": 1.0, "dynamic_thresholding_ratio": 0.95, "lambda_min_clipped": -5.1,
    "num_train_timesteps": 1000, "prediction_type": "epsilon", "sample_max_value": 1.5, "thresholding": true,
    "trained_betas": null, "variance_type": "learned_range"}"#;

#[test]
fn diffusion_if_scheduler_is_read() {
    let config = read(IF_I).expect("IF's own file");
    assert_eq!(config.sampler, SamplerKind::Ddpm);
    assert_eq!((config.prediction, config.variance), (Prediction::Eps, Variance::LearnedRange));
    assert_eq!(config.threshold, Threshold::Dynamic { percentile: 0.95, cap: Some(1.5) }, "thresholding wins over clip_sample");
    assert_eq!(discrete(&config).betas(), &Betas::SquaredcosCapV2 { timesteps: 1000 });
    assert_eq!(discrete(&config).grid(), Grid { spacing: Spacing::Leading, steps_offset: 0, end: End::Clean });
    assert_eq!((config.lambda_min_clipped, config.recompute_eps), (-5.1, false));
}

#[test]
fn diffusion_defaults_are_the_classes() {
    let of = |class: &str| read(&json!({ "_class_name": class }).to_string()).expect(class);
    for class in ["DDPMScheduler", "DDIMScheduler"] {
        let config = of(class);
        assert_eq!(config.threshold, Threshold::Static, "{class}");
        assert_eq!(discrete(&config).grid(), Grid::default(), "{class}");
        assert_eq!(discrete(&config).betas(), &Betas::Linear { timesteps: 1000, start: 1e-4, end: 0.02 });
        assert_eq!((config.prediction, config.variance), (Prediction::Eps, Variance::FixedSmall));
    }
    let solver = of("DPMSolverMultistepScheduler");
    assert_eq!(solver.threshold, Threshold::None);
    assert_eq!(discrete(&solver).grid().spacing, Spacing::Linspace);
    assert!(solver.lower_order_final && solver.lambda_min_clipped == f64::NEG_INFINITY);
}

#[test]
fn diffusion_fields_are_honoured() {
    let config = read(
        r#"{"_class_name": "DDIMScheduler", "beta_schedule": "scaled_linear", "beta_start": 0.00085, "beta_end": 0.012,
            "prediction_type": "v_prediction", "set_alpha_to_one": false, "steps_offset": 1, "clip_sample": false,
            "timestep_spacing": "trailing", "num_train_timesteps": 500, "clip_sample_range": 2.5}"#,
    );
    let config = config.expect("supported");
    assert_eq!(discrete(&config).grid(), Grid { spacing: Spacing::Trailing, steps_offset: 1, end: End::Lowest });
    assert_eq!(discrete(&config).betas(), &Betas::ScaledLinear { timesteps: 500, start: 0.00085, end: 0.012 });
    assert_eq!((config.prediction, config.threshold, config.clip_range), (Prediction::V, Threshold::None, 2.5));
    let trained = read(r#"{"_class_name": "DDPMScheduler", "trained_betas": [0.1, 0.2, 0.3], "variance_type": "fixed_large"}"#);
    let trained = trained.expect("supported");
    assert_eq!((discrete(&trained).timesteps(), trained.variance), (3, Variance::FixedLarge));
    assert!((discrete(&trained).alpha_bars()[2] - 0.9 * 0.8 * 0.7).abs() < 1e-12);
    let unbounded = read(r#"{"_class_name": "DDIMScheduler", "thresholding": true, "sample_max_value": Infinity}"#);
    assert_eq!(unbounded.expect("supported").threshold, Threshold::Dynamic { percentile: 0.995, cap: None });
}

#[test]
fn diffusion_unsupported_values_are_named() {
    for (field, value, supported) in [
        ("_class_name", json!("EulerDiscreteScheduler"), "DDIMScheduler"),
        ("beta_schedule", json!("sigmoid"), "squaredcos_cap_v2"),
        ("prediction_type", json!("flow_prediction"), "v_prediction"),
        ("variance_type", json!("learned"), "learned_range"),
        ("timestep_spacing", json!("karras"), "trailing"),
        ("timestep_spacing", json!(3), "trailing"),
        ("algorithm_type", json!("sde-dpmsolver++"), "dpmsolver++"),
        ("solver_type", json!("heun"), "midpoint"),
        ("solver_order", json!(3), "2"),
        ("final_sigmas_type", json!("sigma_max"), "sigma_min"),
        ("rescale_betas_zero_snr", json!(true), "false"),
        ("use_karras_sigmas", json!(true), "false"),
        ("use_flow_sigmas", json!(true), "false"),
    ] {
        let mut config = json!({ "_class_name": "DPMSolverMultistepScheduler" });
        config[field] = value;
        let error = read(&config.to_string()).expect_err(field);
        assert!(error.contains(field) && error.contains(supported) && !error.contains('\n'), "{error}");
    }
}

#[test]
fn diffusion_damaged_scheduler_files_are_refused() {
    for (text, word) in [
        ("", "EOF"),
        ("[]", "object"),
        ("{", "EOF"),
        (r#"{"beta_start": 0.1}"#, "_class_name"),
        (r#"{"_class_name": "DDIMScheduler", "beta_start": NaN}"#, "beta_start"),
        (r#"{"_class_name": "DDIMScheduler", "beta_end": -Infinity}"#, "beta_end"),
        (r#"{"_class_name": "DDIMScheduler", "beta_start": "low"}"#, "beta_start"),
        (r#"{"_class_name": "DDIMScheduler", "beta_end": 2.0}"#, "beta"),
        (r#"{"_class_name": "DDIMScheduler", "num_train_timesteps": -1}"#, "num_train_timesteps"),
        (r#"{"_class_name": "DDIMScheduler", "num_train_timesteps": 1e9}"#, "num_train_timesteps"),
        (r#"{"_class_name": "DDIMScheduler", "num_train_timesteps": 1000000000}"#, "timesteps"),
        (r#"{"_class_name": "DDIMScheduler", "clip_sample": "yes"}"#, "clip_sample"),
        (r#"{"_class_name": "DDIMScheduler", "trained_betas": [0.1, "x"]}"#, "trained_betas"),
        (r#"{"_class_name": "DDIMScheduler", "trained_betas": []}"#, "timesteps"),
        (r#"{"_class_name": "DDIMScheduler", "clip_sample_range": -1}"#, "clip range"),
        (r#"{"_class_name": "DDIMScheduler", "thresholding": true, "sample_max_value": NaN}"#, "cap"),
        (r#"{"_class_name": "DDIMScheduler", "thresholding": true, "dynamic_thresholding_ratio": 2}"#, "percentile"),
        (r#"{"_class_name": "DPMSolverMultistepScheduler", "lambda_min_clipped": NaN}"#, "lambda_min_clipped"),
    ] {
        let error = read(text).expect_err(text);
        assert!(error.contains(word) && !error.contains('\n'), "{text}: {error}");
    }
}

#[test]
fn diffusion_python_json_words() {
    let value =
        parse_python_json(r#"{"a": -Infinity, "b": [NaN, Infinity], "NaN": "say \"NaN, Infinity\" \\", "c": "é Infinity"}"#);
    let expected: Value =
        json!({"a": "-Infinity", "b": ["NaN", "Infinity"], "NaN": "say \"NaN, Infinity\" \\", "c": "é Infinity"});
    assert_eq!(value.expect("json"), expected);
    for bad in ["{\"a\": Infinit}", "\"\\", "{\"a\": \"open}", "-Inf"] {
        assert!(parse_python_json(bad).is_err(), "{bad}");
    }
}

#[test]
fn diffusion_stage_settings_lie_on_top() {
    let settings = StageSettings {
        steps: Steps::Named("fast27".into()),
        sampler: SamplerKind::Ddim,
        eta: 0.5,
        guidance_weight: 7.0,
        threshold: Threshold::Static,
        aug_level: None,
    };
    let model = read(IF_I).expect("IF's own file");
    let config = model.with(&settings);
    assert_eq!((config.sampler, config.eta, config.guidance_weight), (SamplerKind::Ddim, 0.5, 7.0));
    assert_eq!(
        (config.threshold, config.variance, &config.schedule),
        (Threshold::Static, Variance::LearnedRange, &model.schedule)
    );
    assert_eq!(config.plan().expect("a plan").len(), 27);
}
