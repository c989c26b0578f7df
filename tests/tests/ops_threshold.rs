//! `dynamic_threshold*.wgsl` and its reference against a sort.

use crate::ops_support::{normal, poison, random, tensor};
use burn::tensor::{DType, Device, Tensor};
use imagen_engine::ops::{Thresholded, threshold, threshold_reference};
use imagen_protocol::Threshold;
use imagen_tests::{assert_close, devices, gpu, read};

/// On x0_hat after the division: its last bits.
const TOLERANCE: f32 = 3e-7;

fn dynamic(percentile: f64, cap: Option<f64>) -> Threshold {
    Threshold::Dynamic { percentile, cap }
}

/// x0_hat, s and share as read back.
type Host = (Vec<f32>, Vec<f32>, Vec<f32>);

fn host(out: Thresholded) -> Host {
    (read(out.x0_hat), read(out.s), read(out.clipped))
}

/// The definition: sort, interpolate, clamp, divide.
fn by_sorting(values: &[f32], images: usize, rule: &Threshold) -> Host {
    let (mut x0_hat, mut s, mut clipped) = (Vec::new(), Vec::new(), Vec::new());
    for image in values.chunks(values.len() / images) {
        let scale = match *rule {
            Threshold::Dynamic { percentile, cap } => quantile(image, percentile).max(1.0).min(cap.unwrap_or(f64::INFINITY)),
            _ => 1.0,
        } as f32;
        s.push(scale);
        clipped.push(image.iter().filter(|x| x.abs() > scale).count() as f32 / image.len() as f32);
        x0_hat.extend(image.iter().map(|x| if *rule == Threshold::None { *x } else { x.clamp(-scale, scale) / scale }));
    }
    (x0_hat, s, clipped)
}

fn quantile(image: &[f32], percentile: f64) -> f64 {
    let mut sorted: Vec<f32> = image.iter().map(|x| x.abs()).collect();
    sorted.sort_by(f32::total_cmp);
    let position = percentile * (sorted.len() - 1) as f64;
    let low = f64::from(sorted[position.floor() as usize]);
    let high = f64::from(sorted[position.ceil() as usize]);
    if low == high { low } else { low + (high - low) * position.fract() }
}

/// s within one unit in the last place, shares exact, x0_hat within [`TOLERANCE`].
fn assert_same(what: &str, ours: &Host, expected: &Host) {
    for (ours, expected) in ours.1.iter().zip(&expected.1) {
        let distance = ours.to_bits().abs_diff(expected.to_bits());
        assert!(distance <= 1, "{what}: s = {ours}, not {expected}");
    }
    assert_close(what, &ours.0, &expected.0, TOLERANCE);
    assert_eq!(ours.1.len(), expected.1.len(), "{what}: images");
    assert_eq!(ours.2, expected.2, "{what}: clipped share");
}

const SHAPES: [[usize; 4]; 10] = [
    [1, 1, 1, 1],
    [1, 1, 1, 2],
    [2, 3, 1, 1],
    [1, 3, 5, 7],
    [16, 3, 8, 8],
    [3, 1, 257, 1],
    [2, 3, 17, 13],
    [1, 3, 64, 64],
    [2, 3, 65, 63],
    [4, 3, 128, 128],
];

#[test]
fn the_table_on_every_device() {
    let rules = [
        dynamic(0.995, None),
        dynamic(0.95, Some(1.5)),
        dynamic(0.5, Some(1.0)),
        dynamic(0.9, Some(1000.0)),
        dynamic(1.0, None),
        dynamic(0.0, None),
        Threshold::Static,
        Threshold::None,
    ];
    for device in devices() {
        poison(&device.device);
        for (seed, shape) in (1..).zip(SHAPES) {
            let values = normal(shape.iter().product(), seed, 3.0);
            for rule in &rules {
                let out = threshold(tensor(values.clone(), shape, &device.device), rule);
                assert_eq!(out.x0_hat.dims(), shape);
                assert_same(&format!("{} {shape:?} {rule:?}", device.name), &host(out), &by_sorting(&values, shape[0], rule));
            }
        }
    }
}

/// Where no interpolation is needed, s is an order statistic to the bit.
#[test]
fn order_statistics_are_exact() {
    for device in devices() {
        let values = normal(1001 * 2, 7, 3.0);
        let mut sorted: Vec<f32> = values[..1001].iter().map(|x| x.abs()).collect();
        sorted.sort_by(f32::total_cmp);
        // A percentile that is k / 1000 exactly enough for n - 1 = 1000.
        for k in [500, 625, 750, 875, 1000] {
            let out = threshold(tensor(values.clone(), [2, 1, 1001, 1], &device.device), &dynamic(f64::from(k) / 1000.0, None));
            let s = read(out.s)[0];
            assert_eq!(s.to_bits(), sorted[k as usize].max(1.0).to_bits(), "{}: rank {k}, s = {s}", device.name);
        }
    }
}

/// The largest picture. f32 has too few digits for 0.9995 * 3,145,727.
#[test]
fn three_million_values() {
    let shape = [1, 3, 1024, 1024];
    let mut values = normal(1 << 16, 3, 1.0);
    values = (0..shape.iter().product()).map(|i: usize| values[i % (1 << 16)] * (1.0 + (i >> 16) as f32 * 0.01)).collect();
    let rule = dynamic(0.9995, None);
    let expected = by_sorting(&values, 1, &rule);
    for device in devices() {
        let ours = host(threshold(tensor(values.clone(), shape, &device.device), &rule));
        assert_same(&device.name, &ours, &expected);
    }
}

/// More images than a launch takes, and than a dimension of a grid.
#[test]
fn more_than_65535_images() {
    for (images, rule) in [(5_000, dynamic(0.75, Some(2.0))), (70_000, Threshold::Static)] {
        let values = normal(images * 2, 5, 3.0);
        let ours = host(threshold(tensor(values.clone(), [images, 1, 1, 2], &gpu().device), &rule));
        assert_same(&format!("{images} images"), &ours, &by_sorting(&values, images, &rule));
    }
}

/// 192 MiB are more than some adapters bind, lavapipe among them: the failure waits in the outputs, and nothing panics.
#[test]
fn memory_that_is_not_there_fails_at_the_read() {
    let device = gpu().device;
    let x0_hat: Tensor<4> = Tensor::ones([1, 3, 4096, 4096], &device);
    let available = x0_hat.clone().narrow(2, 0, 1).try_into_data().is_ok();
    let out = threshold(x0_hat, &dynamic(0.9, None));
    assert_eq!(out.s.try_into_data().is_ok(), available, "s");
    assert_eq!(out.clipped.try_into_data().is_ok(), available, "clipped");
    assert_eq!(out.x0_hat.narrow(2, 0, 1).try_into_data().is_ok(), available, "x0_hat");
    // The device goes on working.
    let values = normal(300, 5, 3.0);
    let ours = host(threshold(tensor(values.clone(), [1, 3, 10, 10], &device), &dynamic(0.9, None)));
    assert_same("afterwards", &ours, &by_sorting(&values, 1, &dynamic(0.9, None)));
}

/// Values that share many leading bits, or all of them, or none.
#[test]
fn hard_distributions() {
    let n = 3000;
    let near = |i: usize| f32::from_bits(2.0_f32.to_bits() + (i as u32 * 7919) % 1500);
    let distributions: [(&str, Vec<f32>); 7] = [
        ("constant", vec![-2.5; n]),
        ("zero", vec![0.0; n]),
        ("minus zero", vec![-0.0; n]),
        ("neighbours", (0..n).map(near).collect()),
        ("two values", (0..n).map(|i| if i % 3 == 0 { 1.5 } else { -4.0 }).collect()),
        ("all exponents", (0..n).map(|i| 2.0_f32.powi(i as i32 % 250 - 125)).collect()),
        ("one large", (0..n).map(|i| if i == 1234 { 3.0e38 } else { 0.5 }).collect()),
    ];
    for device in devices() {
        for (name, values) in &distributions {
            for percentile in [0.5, 0.95, 0.9999, 1.0] {
                let rule = dynamic(percentile, None);
                let ours = host(threshold(tensor(values.clone(), [1, 3, 1000, 1], &device.device), &rule));
                let what = format!("{} {name} {percentile}", device.name);
                assert_same(&what, &ours, &by_sorting(values, 1, &rule));
            }
        }
    }
}

#[test]
fn a_nan_makes_its_own_image_nan() {
    for device in devices() {
        let mut values = normal(3 * 3000, 9, 2.0);
        values[3000 + 17] = f32::NAN;
        values[3000 + 18] = -f32::NAN;
        let make = || tensor(values.clone(), [3, 3, 1000, 1], &device.device);
        let (x0_hat, s, clipped) = host(threshold(make(), &dynamic(0.9, None)));
        assert!(s[1].is_nan() && x0_hat[3000..6000].iter().all(|x| x.is_nan()), "{}: image 1", device.name);
        assert_eq!(clipped[1], 0.0, "{}", device.name);
        let rest: Vec<f32> = [&values[..3000], &values[6000..]].concat();
        let ours = ([&x0_hat[..3000], &x0_hat[6000..]].concat(), vec![s[0], s[2]], vec![clipped[0], clipped[2]]);
        assert_same(&device.name, &ours, &by_sorting(&rest, 2, &dynamic(0.9, None)));

        // Static and none: the value alone.
        for rule in [Threshold::Static, Threshold::None] {
            let (x0_hat, s, _) = host(threshold(make(), &rule));
            let nan: Vec<usize> = (0..x0_hat.len()).filter(|&i| x0_hat[i].is_nan()).collect();
            assert_eq!(nan, [3017, 3018], "{} {rule:?}", device.name);
            assert_eq!(s, [1.0; 3], "{} {rule:?}", device.name);
        }
    }
}

#[test]
fn infinities_are_the_largest_values() {
    for device in devices() {
        let mut values = normal(1000, 9, 2.0);
        (values[10], values[500]) = (f32::INFINITY, f32::NEG_INFINITY);
        let run = |rule: &Threshold| host(threshold(tensor(values.clone(), [1, 1, 1000, 1], &device.device), rule));
        // Beyond the percentile: clamped to 1 and -1.
        let (x0_hat, s, clipped) = run(&dynamic(0.95, None));
        assert!(s[0].is_finite(), "{}", device.name);
        assert_eq!((x0_hat[10], x0_hat[500]), (1.0, -1.0), "{}", device.name);
        let expected = by_sorting(&values, 1, &dynamic(0.95, None));
        assert_same(&device.name, &(x0_hat, s, clipped), &expected);
        // At the percentile: s is infinite without a cap, and what was finite becomes 0.
        let (x0_hat, s, _) = run(&dynamic(1.0, None));
        assert_eq!((s[0], x0_hat[0]), (f32::INFINITY, 0.0 * x0_hat[0]), "{}", device.name);
        assert!(x0_hat[10].is_nan(), "{}: infinity / infinity", device.name);
        // Between a finite value and infinity lies infinity, but a percentile that falls on the finite one is finite.
        assert_eq!(run(&dynamic(997.5 / 999.0, None)).1, [f32::INFINITY], "{}", device.name);
        assert!(run(&dynamic(997.0 / 999.0, None)).1[0].is_finite(), "{}", device.name);
        // With a cap.
        let (x0_hat, s, _) = run(&dynamic(1.0, Some(1.5)));
        assert_eq!((s[0], x0_hat[10], x0_hat[500]), (1.5, 1.0, -1.0), "{}", device.name);
        // Static and none.
        let (x0_hat, _, _) = run(&Threshold::Static);
        assert_eq!((x0_hat[10], x0_hat[500]), (1.0, -1.0), "{}", device.name);
        let (x0_hat, _, _) = run(&Threshold::None);
        assert_eq!((x0_hat[10], x0_hat[500]), (f32::INFINITY, f32::NEG_INFINITY), "{}", device.name);
    }
}

/// A transposed and cut x0_hat that nobody computed yet; all three outputs go on into fused expressions.
#[test]
fn inside_fused_expressions_and_not_contiguous() {
    let rule = dynamic(0.9, None);
    let run = |device: &Device, op: fn(Tensor<4>, &Threshold) -> Thresholded| {
        let x = random([2, 40, 3, 50], 3, 2.0, device);
        let x0_hat = (x * 1.5 + 0.25).permute([0, 2, 1, 3]).narrow(3, 7, 31);
        let out = op(x0_hat, &rule);
        let s = (out.s.clone() + out.clipped.clone()).reshape([2, 1, 1, 1]);
        [read(out.x0_hat * 2.0 + s), read(out.s * 3.0), read(out.clipped.exp())]
    };
    let expected = run(&Device::flex(), threshold_reference);
    for device in devices() {
        for (ours, expected) in run(&device.device, threshold).iter().zip(&expected) {
            assert_close(&device.name, ours, expected, 1e-6);
        }
    }
}

/// burn gives each thread a stream of its own: ours has to see what another one still has to run.
#[test]
#[allow(clippy::disallowed_methods, reason = "a test's thread ends with the test")]
fn an_input_that_another_thread_queued() {
    for device in devices() {
        let values = normal(3 * 64 * 64, 21, 1.0);
        let expected = by_sorting(&values.iter().map(|x| x * 2.0).collect::<Vec<_>>(), 1, &dynamic(0.9, None));
        for round in 0..4 {
            let (values, other) = (values.clone(), device.device.clone());
            let queued = std::thread::spawn(move || tensor(values, [1, 3, 64, 64], &other) * 2.0).join().expect("a thread");
            let ours = host(threshold(queued, &dynamic(0.9, None)));
            assert_same(&format!("{} round {round}", device.name), &ours, &expected);
        }
    }
}

#[test]
fn many_times_over_the_same_memory() {
    for device in devices() {
        let rule = dynamic(0.995, Some(3.0));
        for round in 0..8 {
            let values = normal(2 * 3 * 64 * 64, round + 1, 2.0);
            let ours = host(threshold(tensor(values.clone(), [2, 3, 64, 64], &device.device), &rule));
            assert_same(&format!("{} round {round}", device.name), &ours, &by_sorting(&values, 2, &rule));
        }
    }
}

#[test]
fn half_precision_and_nothing_at_all() {
    for device in devices().into_iter().filter(|d| d.device.supports_dtype(DType::F16)) {
        let x0_hat = random([1, 3, 16, 16], 3, 2.0, &device.device).cast(DType::F16);
        let out = threshold(x0_hat, &dynamic(0.9, None));
        assert_eq!((out.x0_hat.dtype(), out.s.dtype()), (DType::F16, DType::F32), "{}", device.name);
        assert!(read(out.x0_hat.cast(DType::F32)).iter().all(|x| x.abs() <= 1.0), "{}", device.name);
        let empty: Tensor<4> = Tensor::zeros([2, 0, 4, 4], &device.device);
        let out = threshold(empty, &dynamic(0.9, None));
        assert_eq!((read(out.s), read(out.clipped)), (vec![1.0; 2], vec![0.0; 2]), "{}", device.name);
    }
}

#[test]
fn the_kernel_and_its_reference_agree_on_the_same_device() {
    let device = gpu().device;
    let x0_hat = random([2, 3, 33, 31], 11, 2.0, &device);
    for rule in [dynamic(0.97, None), dynamic(0.6, Some(1.1)), Threshold::Static, Threshold::None] {
        let ours = host(threshold(x0_hat.clone(), &rule));
        assert_same(&format!("{rule:?}"), &ours, &host(threshold_reference(x0_hat.clone(), &rule)));
    }
}
