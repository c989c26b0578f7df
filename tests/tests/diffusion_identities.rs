//! Identities between parameterisations, samplers, variances and guidance, over many random values, on both devices.

use std::convert::Infallible;

use burn::tensor::{Device, Tensor, TensorData};
use imagen_engine::diffusion::samplers::{ddim, ddpm, dpmpp};
use imagen_engine::diffusion::{
    AugLevel, Betas, CosineSchedule, Deviation, DiscreteSchedule, Draw, Grid, Level, NoiseSchedule, NoiseSource, Prediction, Raw,
    Recorded, SampleError, Step, Variance, augment, diffuse, guide, keep_in_range,
};
use imagen_protocol::Threshold;
use imagen_tests::{assert_close, devices, read};

const SHAPE: [usize; 4] = [2, 3, 4, 5];
const ROUNDS: u32 = 40;

/// SplitMix64: the tests' own generator.
struct Random(u64);

impl Random {
    fn unit(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((z ^ (z >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
    }

    fn between(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * self.unit()
    }

    fn values(&mut self, shape: [usize; 4]) -> TensorData {
        let n = shape.iter().product();
        TensorData::new((0..n).map(|_| self.between(-2.0, 2.0) as f32).collect::<Vec<_>>(), shape)
    }

    fn tensor(&mut self, device: &Device) -> Tensor<4> {
        Tensor::from_data(self.values(SHAPE), device)
    }

    /// Two levels, the second less noisy; moderate, so that f32 can hold a round trip.
    fn step(&mut self) -> Step {
        let noisy = self.between(-6.0, 5.0);
        let from = Level::from_log_snr(noisy);
        Step { time: 0.0, from, to: Level::from_log_snr(noisy + self.between(0.01, 4.0)) }
    }
}

/// `check` on both devices with many random draws.
fn many(check: impl Fn(&mut Random, &Device)) {
    for tested in devices() {
        let mut random = Random(220_511_487);
        (0..ROUNDS).for_each(|_| check(&mut random, &tested.device));
    }
}

fn same(what: &str, ours: Tensor<4>, expected: &Tensor<4>, tolerance: f32) {
    assert_close(what, &read(ours), &read(expected.clone()), tolerance);
}

#[test]
fn diffusion_predictions_come_back() {
    many(|random, device| {
        let level = random.step().from;
        let (x0, eps) = (random.tensor(device), random.tensor(device));
        let x_t = diffuse(x0.clone(), eps.clone(), level);
        for kind in [Prediction::Eps, Prediction::V, Prediction::X0] {
            let predicted = kind.of(&x0, &eps, level);
            same(&format!("x0 of {kind:?} at {level:?}"), kind.x0_hat(&x_t, &predicted, level), &x0, 2e-5);
            same(&format!("eps of {kind:?} at {level:?}"), kind.eps(&x_t, &predicted, level), &eps, 2e-5);
        }
    });
}

#[test]
fn diffusion_v_is_what_it_is_called() {
    many(|random, device| {
        let level = random.step().from;
        let (x0, eps) = (random.tensor(device), random.tensor(device));
        let v = read(Prediction::V.of(&x0, &eps, level));
        let by_hand: Vec<f32> = read(x0)
            .iter()
            .zip(read(eps))
            .map(|(x0, eps)| (level.alpha * f64::from(eps) - level.sigma * f64::from(*x0)) as f32)
            .collect();
        assert_close("v", &v, &by_hand, 1e-6);
    });
}

/// Bayes by hand: q(x_s | x_t, x0) of Gaussians, from precisions.
#[test]
fn diffusion_ddpm_is_the_posterior() {
    many(|random, device| {
        let step = random.step();
        let (x_t, x0) = (random.tensor(device), random.tensor(device));
        let (t, s) = (step.from, step.to);
        let scale = t.alpha / s.alpha;
        let forward = t.sigma.powi(2) - (scale * s.sigma).powi(2);
        let precision = 1.0 / s.sigma.powi(2) + scale.powi(2) / forward;
        let by_hand: Vec<f32> = read(x_t.clone())
            .iter()
            .zip(read(x0.clone()))
            .map(|(x_t, x0)| ((s.alpha * f64::from(x0) / s.sigma.powi(2) + scale * f64::from(*x_t) / forward) / precision) as f32)
            .collect();
        assert_close("posterior mean", &read(ddpm::mean(&x_t, &x0, &step)), &by_hand, 1e-5);
        let Deviation::Fixed(small) = Variance::FixedSmall.deviation(&step, None) else { panic!("fixed") };
        assert!((small.powi(2) * precision - 1.0).abs() < 1e-8, "posterior variance {small}");
        let Deviation::Fixed(large) = Variance::FixedLarge.deviation(&step, None) else { panic!("fixed") };
        assert!((large.powi(2) / forward - 1.0).abs() < 1e-8, "forward variance {large}");
    });
}

#[test]
fn diffusion_ddim_with_eta_1_is_ddpm() {
    many(|random, device| {
        let step = random.step();
        let (x0, eps) = (random.tensor(device), random.tensor(device));
        let x_t = diffuse(x0.clone(), eps.clone(), step.from);
        same("mean", ddim::mean(&x0, &eps, &step, 1.0), &ddpm::mean(&x_t, &x0, &step), 2e-5);
        let (Deviation::Fixed(ours), Deviation::Fixed(small)) =
            (ddim::deviation(&step, 1.0), Variance::FixedSmall.deviation(&step, None))
        else {
            panic!("both are fixed")
        };
        assert!((ours - small).abs() < 1e-15, "{ours} {small}");
        assert!(ddim::deviation(&step, 0.0).is_none());
    });
}

#[test]
fn diffusion_dpmpp_of_first_order_is_ddim() {
    many(|random, device| {
        let step = random.step();
        let (x0, eps) = (random.tensor(device), random.tensor(device));
        let x_t = diffuse(x0.clone(), eps.clone(), step.from);
        same("x_s", dpmpp::step(&x_t, &x0, None, &step), &ddim::mean(&x0, &eps, &step, 0.0), 2e-5);
    });
}

/// On a picture that changes linearly in lambda, one step of second order is nearer to the exact solution than one of first order.
#[test]
fn diffusion_dpmpp_of_second_order_uses_the_slope() {
    let device = Device::flex();
    let level = |lambda: f64| Level::from_log_snr(2.0 * lambda);
    let one = |value: f64| Tensor::<4>::from_data(TensorData::new(vec![value as f32], [1, 1, 1, 1]), &device);
    let (u, t, s) = (-0.6, -0.5, -0.4);
    let x0 = |lambda: f64| 0.3 + 0.8 * lambda;
    let step = Step { time: 0.0, from: level(t), to: level(s) };
    let x_t = 0.7;
    // x_s = sigma_s / sigma_t x_t + sigma_s * integral of exp(lambda) x0(lambda).
    let primitive = |lambda: f64| lambda.exp() * (x0(lambda) - 0.8);
    let exact = step.to.sigma * (x_t / step.from.sigma + primitive(s) - primitive(t));
    let before = (one(x0(u)), level(u));
    let error = |before| (f64::from(read(dpmpp::step(&one(x_t), &one(x0(t)), before, &step))[0]) - exact).abs();
    let (first, second) = (error(None), error(Some(&before)));
    assert!(second < 0.05 * first && first > 1e-4, "first order {first:e}, second order {second:e}");
}

#[test]
fn diffusion_last_step_is_x0_hat() {
    many(|random, device| {
        let step = Step { to: Level::CLEAN, ..random.step() };
        let (x_t, x0) = (random.tensor(device), random.tensor(device));
        for ours in [ddpm::mean(&x_t, &x0, &step), ddim::mean(&x0, &x_t, &step, 0.5), dpmpp::step(&x_t, &x0, None, &step)] {
            assert_eq!(read(ours), read(x0.clone()));
        }
        for variance in [Variance::FixedSmall, Variance::FixedLarge, Variance::LearnedRange] {
            assert!(variance.deviation(&step, Some(x_t.clone())).is_none());
        }
        assert!(ddim::deviation(&step, 1.0).is_none());
    });
}

#[test]
fn diffusion_learned_variance_runs_from_small_to_large() {
    many(|random, device| {
        let step = random.step();
        let fixed = |variance: Variance| match variance.deviation(&step, None) {
            Deviation::Fixed(std) => std,
            Deviation::Learned(_) => panic!("fixed"),
        };
        let (small, large) = (fixed(Variance::FixedSmall), fixed(Variance::FixedLarge));
        for (channel, expected) in [(-1.0, small), (0.0, (small * large).sqrt()), (1.0, large)] {
            let channels = Tensor::<4>::full([1, 1, 1, 2], channel, device);
            let Deviation::Learned(std) = Variance::LearnedRange.deviation(&step, Some(channels)) else { panic!("learned") };
            for std in read(std) {
                assert!((f64::from(std) / expected - 1.0).abs() < 1e-5, "{channel}: {std}, not {expected}");
            }
        }
    });
}

/// diffusers' own test values of the linear schedule.
#[test]
fn diffusion_variance_golden() {
    let linear = DiscreteSchedule::new(Betas::Linear { timesteps: 1000, start: 1e-4, end: 0.02 }, Grid::default());
    let linear = linear.expect("a schedule");
    let level = |t| linear.level(t).expect("a timestep");
    for (t, s, variance) in [(420, 400, 0.147_71), (980, 960, 0.324_60), (487, 486, 0.009_79), (999, 998, 0.02)] {
        let step = Step { time: 0.0, from: level(t), to: level(s) };
        let Deviation::Fixed(std) = ddim::deviation(&step, 1.0) else { panic!("fixed") };
        assert!((std * std - variance).abs() < 1e-5, "{t} to {s}: {}", std * std);
    }
}

fn guided(raw: Raw, weight: Option<f64>, variance: Variance) -> Result<(Tensor<4>, Option<Tensor<4>>), SampleError<Infallible>> {
    guide(raw, weight, SHAPE, variance).map(|guided| (guided.prediction, guided.variance))
}

#[test]
fn diffusion_guidance() {
    many(|random, device| {
        let (cond, uncond) = (random.tensor(device), random.tensor(device));
        let raw = || Raw { cond: cond.clone(), uncond: Some(uncond.clone()) };
        let fixed = Variance::FixedSmall;
        let of = |weight| guided(raw(), weight, fixed).expect("guided").0;
        assert_eq!(read(of(None)), read(cond.clone()), "off");
        same("w = 1", of(Some(1.0)), &cond, 1e-6);
        same("w = 0", of(Some(0.0)), &uncond, 1e-6);
        let by_hand = cond.clone().mul_scalar(7.5) - uncond.clone().mul_scalar(6.5);
        same("w = 7.5", of(Some(7.5)), &by_hand, 1e-5);
    });
}

#[test]
fn diffusion_variance_channels_are_the_conditional_ones() {
    many(|random, device| {
        let parts: Vec<Tensor<4>> = (0..4).map(|_| random.tensor(device)).collect();
        let cond = Tensor::cat(vec![parts[0].clone(), parts[1].clone()], 1);
        let uncond = Tensor::cat(vec![parts[2].clone(), parts[3].clone()], 1);
        let raw = || Raw { cond: cond.clone(), uncond: Some(uncond.clone()) };
        let (prediction, variance) = guided(raw(), Some(3.0), Variance::LearnedRange).expect("guided");
        same("prediction", prediction, &(parts[0].clone().mul_scalar(3.0) - parts[2].clone().mul_scalar(2.0)), 1e-5);
        assert_eq!(read(variance.expect("channels")), read(parts[1].clone()));
        let (_, dropped) = guided(raw(), Some(3.0), Variance::FixedSmall).expect("guided");
        assert!(dropped.is_none(), "a fixed variance drops the channels");
    });
}

#[test]
fn diffusion_outputs_of_a_wrong_shape_are_refused() {
    let device = Device::flex();
    let of = |shape: [usize; 4]| Tensor::<4>::zeros(shape, &device);
    let fits = || of(SHAPE);
    let fixed = Variance::FixedSmall;
    for (raw, weight, variance) in [
        (Raw { cond: of([2, 4, 4, 5]), uncond: None }, None, fixed),
        (Raw { cond: of([1, 3, 4, 5]), uncond: None }, None, fixed),
        (Raw { cond: of([2, 3, 8, 5]), uncond: None }, None, fixed),
        (Raw { cond: fits(), uncond: None }, None, Variance::LearnedRange),
        (Raw { cond: fits(), uncond: None }, Some(2.0), fixed),
        (Raw { cond: fits(), uncond: Some(of([2, 3, 4, 4])) }, Some(2.0), fixed),
    ] {
        assert!(matches!(guided(raw, weight, variance), Err(SampleError::Shape { .. })));
    }
}

#[test]
fn diffusion_static_range() {
    let device = Device::flex();
    let x0 = Tensor::<4>::from_data(TensorData::new(vec![-3.0_f32, -1.5, 0.5, 4.0], [1, 1, 2, 2]), &device);
    let of = |range| keep_in_range(x0.clone(), &Threshold::Static, range);
    assert_eq!(read(of(1.0).x0_hat), [-1.0, -1.0, 0.5, 1.0]);
    assert_eq!(read(of(2.0).x0_hat), [-2.0, -1.5, 0.5, 2.0]);
    assert_eq!((read(of(2.0).s), read(of(2.0).clipped)), (vec![2.0], vec![0.5]));
    assert_eq!(read(keep_in_range(x0.clone(), &Threshold::None, 2.0).x0_hat), read(x0));
}

#[test]
fn diffusion_augmentation() {
    let cosine = NoiseSchedule::Cosine(CosineSchedule::new(-12.0, 12.0, 0.0).expect("a schedule"));
    let squaredcos = DiscreteSchedule::new(Betas::SquaredcosCapV2 { timesteps: 1000 }, Grid::default());
    let squaredcos = NoiseSchedule::Discrete(squaredcos.expect("a schedule"));
    many(|random, device| {
        let aug_level = random.unit();
        let (low_res, eps) = (random.tensor(device), random.values(SHAPE));
        let mut noise = Recorded::default();
        noise.record(Draw::Augment, eps.clone());
        let aug = AugLevel::new(&cosine, aug_level).expect("in range");
        assert_eq!((aug.level, aug.time), (cosine.level(aug_level), 1000.0 * aug_level));
        let expected = diffuse(low_res.clone(), Tensor::from_data(eps, device), aug.level);
        let ours = augment(low_res, aug, &mut noise as &mut dyn NoiseSource).expect("noise");
        assert_eq!(read(ours), read(expected));
    });
    for (aug_level, timestep) in [(0.0, 0.0), (0.25, 250.0), (0.9, 900.0), (1.0, 999.0)] {
        let aug = AugLevel::new(&squaredcos, aug_level).expect("in range");
        assert_eq!((aug.level, aug.time), (squaredcos.level(timestep), timestep));
    }
    for bad in [f64::NAN, f64::INFINITY, -0.1, 1.1] {
        assert!(AugLevel::new(&cosine, bad).expect_err("refused").to_string().contains("aug-level"));
    }
}
