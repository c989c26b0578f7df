//! Noise schedules against golden values, identities over many times, schedules as data.

use std::f64::consts::FRAC_PI_2;

use imagen_engine::diffusion::{Betas, CosineSchedule, DiscreteSchedule, Grid, Level, NoiseSchedule};

fn discrete(betas: Betas) -> DiscreteSchedule {
    DiscreteSchedule::new(betas, Grid::default()).expect("a schedule")
}

fn close(what: &str, ours: f64, expected: f64, relative: f64) {
    assert!((ours - expected).abs() <= relative * expected.abs(), "{what}: {ours:e}, not {expected:e}");
}

fn parse(json: &str) -> Result<NoiseSchedule, String> {
    serde_json::from_str(json).map_err(|e| e.to_string())
}

#[test]
fn diffusion_squaredcos_betas_are_the_papers() {
    let betas = Betas::SquaredcosCapV2 { timesteps: 1000 }.values().expect("betas");
    assert_eq!(betas.len(), 1000);
    close("beta 0", betas[0], 4.128_422e-5, 1e-6);
    close("beta 500", betas[500], 3.155_691e-3, 1e-6);
    close("beta 999", betas[999], 0.999, 1e-12);
    let bars = discrete(Betas::SquaredcosCapV2 { timesteps: 1000 });
    for (t, bar) in [(0, 0.999_958_69), (250, 0.845_888_02), (500, 0.492_285_04), (998, 2.428_77e-6)] {
        close(&format!("alpha_bar {t}"), bars.alpha_bars()[t], bar, 2e-6);
    }
    // The reference's f32 tables round 1 - 0.999: 2.42873e-9 there.
    close("alpha_bar 999", bars.alpha_bars()[999], 2.428_73e-9, 3e-5);
}

#[test]
fn diffusion_linear_betas() {
    let linear = Betas::Linear { timesteps: 1000, start: 1e-4, end: 0.02 }.values().expect("betas");
    close("first", linear[0], 1e-4, 1e-12);
    close("last", linear[999], 0.02, 1e-12);
    close("between", linear[333], 1e-4 + (0.02 - 1e-4) / 3.0, 1e-9);
    let scaled = Betas::ScaledLinear { timesteps: 1000, start: 8.5e-4, end: 0.012 }.values().expect("betas");
    close("first", scaled[0], 8.5e-4, 1e-12);
    close("last", scaled[999], 0.012, 1e-12);
    let root = (8.5e-4_f64.sqrt() * 2.0 + 0.012_f64.sqrt()) / 3.0;
    close("between", scaled[333], root * root, 1e-9);
    // Stable Diffusion's final signal level, as published with its schedule.
    close(
        "alpha_bar",
        discrete(Betas::ScaledLinear { timesteps: 1000, start: 8.5e-4, end: 0.012 }).alpha_bars()[999],
        0.004_660,
        1e-3,
    );
}

#[test]
fn diffusion_cosine_is_cos_and_sin_when_unclamped() {
    let cosine = CosineSchedule::new(-60.0, 60.0, 0.0).expect("a schedule");
    for i in 1..100 {
        let t = f64::from(i) / 100.0;
        let level = cosine.level(t);
        close("alpha", level.alpha, (t * FRAC_PI_2).cos(), 1e-9);
        close("sigma", level.sigma, (t * FRAC_PI_2).sin(), 1e-9);
    }
}

#[test]
fn diffusion_cosine_is_clamped_and_shifted() {
    let cosine = CosineSchedule::new(-12.0, 12.0, -1.0).expect("a schedule");
    close("at 0", cosine.level(0.0).log_snr, 11.0, 1e-9);
    close("at 1", cosine.level(1.0).log_snr, -13.0, 1e-9);
    close("at 1/2", cosine.level(0.5).log_snr, -1.0, 1e-9);
    for i in 0..=50 {
        let t = f64::from(i) / 50.0;
        assert!((cosine.time_of(cosine.level(t).log_snr) - t).abs() < 1e-9, "time_of turns level around at {t}");
    }
}

#[test]
fn diffusion_levels_keep_variance_and_fall() {
    let schedules = [
        NoiseSchedule::Cosine(CosineSchedule::new(-12.0, 12.0, -1.0).expect("a schedule")),
        NoiseSchedule::Discrete(discrete(Betas::SquaredcosCapV2 { timesteps: 1000 })),
        NoiseSchedule::Discrete(discrete(Betas::Linear { timesteps: 1000, start: 1e-4, end: 0.02 })),
        NoiseSchedule::Discrete(discrete(Betas::Trained(vec![0.01, 0.5, 0.2, 0.9]))),
    ];
    for schedule in &schedules {
        let (n, unit) = match schedule {
            NoiseSchedule::Cosine(_) => (2000, 1.0 / 2000.0),
            NoiseSchedule::Discrete(d) => (d.timesteps() - 1, 1.0),
        };
        let mut before = f64::INFINITY;
        for i in 0..=n {
            let t = i as f64 * unit;
            let level = schedule.level(t);
            assert!((level.alpha.powi(2) + level.sigma.powi(2) - 1.0).abs() < 1e-12, "{t}");
            close("log_snr", level.log_snr, 2.0 * (level.alpha / level.sigma).ln(), 1e-6);
            assert!(level.log_snr < before, "log_snr falls at {t}");
            before = level.log_snr;
        }
    }
}

#[test]
fn diffusion_level_from_both_sides() {
    for bar in [0.999, 0.5, 0.01, 1e-6] {
        let level = Level::from_alpha_bar(bar);
        let again = Level::from_log_snr(level.log_snr);
        close("alpha", again.alpha, level.alpha, 1e-9);
        close("sigma", again.sigma, level.sigma, 1e-9);
    }
    assert!(Level::CLEAN.is_clean() && !Level::from_log_snr(20.0).is_clean());
}

#[test]
fn diffusion_network_time() {
    let cosine = parse(r#"{"kind":"cosine","log_snr_min":-12,"log_snr_max":12,"shift":-1.0}"#).expect("a card");
    assert_eq!(cosine.network_time(0.25), 250.0);
    let linear = parse(r#"{"kind":"linear","timesteps":1000,"beta_start":1e-4,"beta_end":0.02,"spacing":"linspace"}"#);
    assert_eq!(linear.expect("a card").network_time(250.0), 250.0);
}

#[test]
fn diffusion_schedule_cards_come_back() {
    for card in [
        r#"{"kind":"cosine","log_snr_min":-12.0,"log_snr_max":12.0,"shift":-1.0}"#,
        r#"{"kind":"linear","timesteps":1000,"beta_start":0.0001,"beta_end":0.02,"spacing":"linspace","steps_offset":0,"end":"clean"}"#,
        r#"{"kind":"scaled_linear","timesteps":500,"beta_start":0.0001,"beta_end":0.02,"spacing":"trailing","steps_offset":0,"end":"lowest"}"#,
        r#"{"kind":"squaredcos_cap_v2","timesteps":1000,"spacing":"leading","steps_offset":1,"end":"clean"}"#,
        r#"{"kind":"trained_betas","betas":[0.1,0.2],"spacing":"leading","steps_offset":0,"end":"clean"}"#,
    ] {
        let schedule = parse(card).expect(card);
        assert_eq!(serde_json::to_string(&schedule).expect("json"), card);
    }
    let short = parse(r#"{"kind":"linear","timesteps":1000,"beta_start":1e-4,"beta_end":0.02}"#).expect("defaults");
    assert_eq!(short, NoiseSchedule::Discrete(discrete(Betas::Linear { timesteps: 1000, start: 1e-4, end: 0.02 })));
}

#[test]
fn diffusion_bad_schedules_are_refused_by_name() {
    for (card, word) in [
        (r#"{"kind":"cosine","log_snr_min":12,"log_snr_max":-12}"#, "log_snr_min"),
        (r#"{"kind":"cosine","log_snr_min":-12,"log_snr_max":1e300}"#, "log_snr_max"),
        (r#"{"kind":"cosine","log_snr_min":-12,"log_snr_max":12,"shfit":1}"#, "shfit"),
        (r#"{"kind":"sigmoid","timesteps":1000}"#, "sigmoid"),
        (r#"{"kind":"linear","timesteps":0,"beta_start":1e-4,"beta_end":0.02}"#, "timesteps"),
        (r#"{"kind":"linear","timesteps":4000000000,"beta_start":1e-4,"beta_end":0.02}"#, "timesteps"),
        (r#"{"kind":"linear","timesteps":10,"beta_start":1e-4,"beta_end":1.5}"#, "beta"),
        (r#"{"kind":"scaled_linear","timesteps":10,"beta_start":-1,"beta_end":0.5}"#, "beta"),
        (r#"{"kind":"trained_betas","betas":[0.1,0.0]}"#, "beta 1"),
        (r#"{"kind":"linear","timesteps":10000,"beta_start":0.9,"beta_end":0.99}"#, "betas"),
        (r#"{"kind":"squaredcos_cap_v2","timesteps":10,"spacing":"karras"}"#, "karras"),
    ] {
        let error = parse(card).expect_err(card);
        assert!(error.contains(word), "{card}: {error}");
    }
    for bad in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        assert!(CosineSchedule::new(bad, 12.0, 0.0).is_err() && CosineSchedule::new(-12.0, bad, 0.0).is_err());
        assert!(CosineSchedule::new(-12.0, 12.0, bad).is_err());
        assert!(Betas::Linear { timesteps: 10, start: bad, end: 0.02 }.values().is_err());
        assert!(Betas::Trained(vec![0.1, bad]).values().is_err());
    }
}
