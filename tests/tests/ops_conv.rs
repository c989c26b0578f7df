//! `conv2d.wgsl` against burn's convolution on the CPU, and that against sums in f64.

use crate::ops_support::{normal, poison, random, tensor};
use burn::tensor::{DType, Device, Tensor};
use imagen_engine::ops::{conv2d, conv2d_reference};
use imagen_tests::{assert_close, devices, gpu, read};

/// Largest error relative to the largest value: the sums are of f32, in another order.
const TOLERANCE: f32 = 1e-5;

/// One row of the table; the inputs are made on the host so that every device computes on the same ones.
#[derive(Clone, Copy, Debug)]
struct Case {
    x: [usize; 4],
    c_out: usize,
    kernel: usize,
    stride: usize,
}

const fn case(x: [usize; 4], c_out: usize, kernel: usize, stride: usize) -> Case {
    Case { x, c_out, kernel, stride }
}

const CASES: [Case; 18] = [
    case([1, 1, 1, 1], 1, 1, 1),
    case([1, 1, 1, 1], 1, 3, 1),
    case([1, 3, 5, 7], 2, 3, 1),
    case([2, 3, 8, 8], 16, 3, 1),
    case([1, 2, 9, 31], 17, 3, 1),
    case([3, 5, 7, 9], 63, 1, 1),
    case([1, 64, 8, 8], 64, 3, 1),
    case([2, 65, 8, 8], 65, 3, 1),
    case([2, 19, 33, 17], 64, 3, 1),
    case([1, 4, 32, 33], 130, 3, 1),
    case([1, 7, 64, 64], 3, 3, 1),
    case([2, 6, 16, 16], 24, 3, 2),
    case([1, 6, 15, 17], 24, 3, 2),
    case([1, 48, 12, 12], 20, 4, 4),
    case([1, 5, 11, 6], 8, 5, 1),
    case([1, 9, 6, 6], 12, 7, 1),
    // Deep and small: the sums are split.
    case([1, 320, 2, 3], 70, 3, 1),
    case([2, 257, 4, 4], 9, 1, 1),
];

impl Case {
    fn inputs(self, device: &Device) -> (Tensor<4>, Tensor<4>, Tensor<1>) {
        let deviation = 1.0 / ((self.x[1] * self.kernel * self.kernel) as f32).sqrt();
        let weight = random([self.c_out, self.x[1], self.kernel, self.kernel], 2, deviation, device);
        (random(self.x, 1, 1.0, device), weight, random([self.c_out], 3, 1.0, device))
    }

    fn reference(self) -> Vec<f32> {
        let (x, weight, bias) = self.inputs(&Device::flex());
        read(conv2d_reference(x, weight, bias, self.stride))
    }
}

#[test]
fn the_table_on_every_device() {
    for device in devices() {
        poison(&device.device);
        let mut worst = 0.0_f32;
        for case in CASES {
            let (x, weight, bias) = case.inputs(&device.device);
            let ours = read(conv2d(x, weight, bias, case.stride));
            worst = worst.max(assert_close(&format!("{} {case:?}", device.name), &ours, &case.reference(), TOLERANCE));
        }
        println!("{}: largest error {worst:.2e}", device.name);
    }
}

#[test]
fn the_reference_agrees_with_sums_in_f64() {
    for case in CASES.into_iter().filter(|c| c.x.iter().product::<usize>() * c.c_out < 100_000) {
        assert_close(&format!("{case:?}"), &case.reference(), &by_hand(case), 2e-6);
    }
}

/// The definition, term by term.
fn by_hand(case: Case) -> Vec<f32> {
    let Case { x: [batch, c_in, height, width], c_out, kernel, stride } = case;
    let (x, weight, bias) = case.inputs(&Device::flex());
    let (x, weight, bias) = (read(x), read(weight), read(bias));
    let out = |side: usize| (side + 2 * (kernel / 2) - kernel) / stride + 1;
    let pixel = |b: usize, c: usize, row: usize, column: usize| {
        let (row, column) = (row.checked_sub(kernel / 2)?, column.checked_sub(kernel / 2)?);
        (row < height && column < width).then(|| f64::from(x[((b * c_in + c) * height + row) * width + column]))
    };
    let mut y = Vec::new();
    for (b, o, row, column) in (0..batch).flat_map(|b| {
        (0..c_out).flat_map(move |o| (0..out(height)).flat_map(move |r| (0..out(width)).map(move |c| (b, o, r, c))))
    }) {
        let mut sum = f64::from(bias[o]);
        for (c, i, j) in (0..c_in).flat_map(|c| (0..kernel).flat_map(move |i| (0..kernel).map(move |j| (c, i, j)))) {
            let w = f64::from(weight[((o * c_in + c) * kernel + i) * kernel + j]);
            sum += w * pixel(b, c, row * stride + i, column * stride + j).unwrap_or(0.0);
        }
        y.push(sum as f32);
    }
    y
}

/// Weights in half the memory: the same values in, the same sums out.
#[test]
fn half_precision_weights() {
    for device in devices().into_iter().filter(|d| d.device.supports_dtype(DType::F16)) {
        for case in [CASES[0], CASES[4], CASES[7], CASES[9], CASES[16]] {
            let (x, weight, bias) = case.inputs(&device.device);
            let half = weight.cast(DType::F16);
            let same = read(conv2d(x.clone(), half.clone().cast(DType::F32), bias.clone(), case.stride));
            let ours = conv2d(x, half, bias, case.stride);
            assert_eq!(ours.dtype(), DType::F32);
            assert_close(&format!("{} {case:?}", device.name), &read(ours), &same, 1e-6);
        }
    }
}

#[test]
fn more_than_65535_workgroups() {
    let device = gpu().device;
    let case = case([1, 1, 4_100, 4_100], 1, 1, 1);
    let (x, weight, bias) = case.inputs(&device);
    assert_close("65,665 workgroups", &read(conv2d(x, weight, bias, 1)), &case.reference(), TOLERANCE);
}

/// An axis order that needs a copy, a part of a larger picture, inputs that nobody computed yet, and an output that a fused expression reads.
#[test]
fn inside_fused_expressions_and_not_contiguous() {
    for device in devices() {
        let run = |device: &Device, op: fn(Tensor<4>, Tensor<4>, Tensor<1>, usize) -> Tensor<4>| {
            let x = random([2, 12, 40, 10], 1, 1.0, device);
            let turned = (x.clone() * 1.5 + 0.1).permute([0, 3, 1, 2]).narrow(3, 3, 30);
            let weight = random([20, 10, 3, 3], 2, 0.1, device).tanh();
            let y = op(turned, weight.clone(), random([40], 3, 1.0, device).narrow(0, 10, 20), 1);
            read(y.clone() * 2.0 - y.exp() + weight.sum().unsqueeze::<4>())
        };
        let expected = run(&Device::flex(), conv2d_reference);
        assert_close(&device.name, &run(&device.device, conv2d), &expected, TOLERANCE);
    }
}

#[test]
fn nan_spreads_to_its_window_alone() {
    for device in devices() {
        let mut values = normal(3 * 20 * 20, 1, 1.0);
        values[400 + 10 * 20 + 7] = f32::NAN;
        let x = tensor(values, [1, 3, 20, 20], &device.device);
        let (weight, bias) = (random([2, 3, 3, 3], 2, 1.0, &device.device), random([2], 3, 1.0, &device.device));
        let y = read(conv2d(x, weight, bias, 1));
        let nan: Vec<(usize, usize)> =
            (0..400).filter(|&i| y[i].is_nan() && y[400 + i].is_nan()).map(|i| (i / 20, i % 20)).collect();
        let window: Vec<(usize, usize)> = (9..12).flat_map(|row| (6..9).map(move |column| (row, column))).collect();
        assert_eq!(nan, window, "{}", device.name);
        assert_eq!(y.iter().filter(|y| y.is_nan()).count(), 18, "{}", device.name);
    }
}

#[test]
fn no_picture_gives_none() {
    for device in devices() {
        let none: Tensor<4> = Tensor::zeros([0, 3, 8, 8], &device.device);
        let (weight, bias) = (random([5, 3, 3, 3], 2, 1.0, &device.device), random([5], 3, 1.0, &device.device));
        assert_eq!(conv2d(none, weight, bias, 1).dims(), [0, 5, 8, 8], "{}", device.name);
    }
}

#[test]
fn memory_that_is_not_there_fails_at_the_read() {
    let device = gpu().device;
    // 192 MiB are more than lavapipe binds.
    let x: Tensor<4> = Tensor::ones([1, 48, 1 << 10, 1 << 10], &device);
    let (weight, bias) = (random([2, 48, 1, 1], 2, 1.0, &device), random([2], 3, 1.0, &device));
    if x.clone().narrow(2, 0, 1).try_into_data().is_err() {
        assert!(conv2d(x, weight.clone(), bias.clone(), 1).try_into_data().is_err(), "an output of nothing");
    }
    let y = read(conv2d(random([1, 48, 4, 4], 1, 1.0, &device), weight, bias, 1));
    assert!(y.iter().all(|y| y.is_finite()), "the device goes on working");
}

#[test]
#[should_panic(expected = "shape of weight")]
fn weights_of_another_shape_are_refused() {
    let x = random([1, 3, 4, 4], 1, 1.0, &Device::flex());
    let _ = conv2d(x.clone(), random([2, 4, 3, 3], 2, 1.0, &x.device()), random([2], 3, 1.0, &x.device()), 1);
}
