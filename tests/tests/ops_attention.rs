//! `attention.wgsl` and burn's CPU attention against the plain reference, and the reference against sums in f64.

use crate::ops_support::{normal, poison, random, tensor};
use burn::tensor::ops::AttentionModuleOptions;
use burn::tensor::wgpu::MemoryConfiguration;
use burn::tensor::{Bool, DType, Device, Tensor, TensorData, module};
use imagen_engine::ops::{AttentionOptions, attention, attention_reference, register_gpu};
use imagen_tests::{assert_close, devices, gpu, read};

/// Largest error of a kernel, relative to the largest value: the sums are of f32, in another order.
const TOLERANCE: f32 = 1e-5;
/// f16 storage: its last bit, and a few of them.
const TOLERANCE_F16: f32 = 2e-3;

/// One row of the table; the inputs are made on the host so that every device computes on the same ones.
#[derive(Clone, Copy, Debug)]
struct Case {
    batch: usize,
    heads: usize,
    queries: usize,
    keys: usize,
    d: usize,
    bias: bool,
    mask: bool,
}

const fn case(batch: usize, heads: usize, queries: usize, keys: usize, d: usize, bias: bool, mask: bool) -> Case {
    Case { batch, heads, queries, keys, d, bias, mask }
}

const CASES: [Case; 18] = [
    case(1, 1, 1, 1, 1, false, false),
    case(1, 1, 1, 1, 8, true, true),
    case(1, 1, 1, 33, 64, false, false),
    case(2, 3, 5, 7, 8, true, true),
    case(1, 2, 64, 32, 64, false, false),
    case(1, 2, 65, 33, 40, true, true),
    case(2, 2, 63, 31, 32, false, true),
    case(1, 1, 64, 64, 128, true, false),
    case(1, 1, 130, 100, 127, false, true),
    case(2, 1, 17, 129, 3, true, true),
    case(1, 2, 20, 50, 4, false, false),
    case(1, 2, 20, 50, 5, true, false),
    case(1, 1, 40, 50, 16, false, true),
    case(1, 1, 40, 50, 17, true, false),
    case(1, 1, 40, 50, 65, false, true),
    case(1, 4, 77, 77, 64, true, true),
    case(1, 1, 64, 77 + 64 * 64, 64, false, true),
    // Wider than the kernel takes: the reference steps in.
    case(1, 1, 9, 20, 160, true, true),
];

type Inputs = (Tensor<4>, Tensor<4>, Tensor<4>, Option<Tensor<3>>, Option<Tensor<2, Bool>>, f32);

impl Case {
    fn inputs(self, device: &Device) -> Inputs {
        let Case { batch, heads, queries, keys, d, .. } = self;
        let q = random([batch, heads, queries, d], 1, 1.0, device);
        let k = random([batch, heads, keys, d], 2, 1.0, device);
        let v = random([batch, heads, keys, d], 3, 1.0, device);
        let bias = self.bias.then(|| random([heads, queries, keys], 4, 2.0, device));
        let mask = self.mask.then(|| {
            let kept: Vec<bool> = (0..batch * keys).map(|i| i % 5 != 1 && (i / keys == 0 || i % keys < keys / 2)).collect();
            Tensor::from_data(TensorData::new(kept, [batch, keys]), device)
        });
        (q, k, v, bias, mask, 1.0 / (d as f32).sqrt())
    }

    fn reference(self) -> Vec<f32> {
        let (q, k, v, bias, mask, scale) = self.inputs(&Device::flex());
        read(attention_reference(q, k, v, AttentionOptions { bias, key_mask: mask, scale }))
    }
}

#[test]
fn the_table_on_every_device() {
    for device in devices() {
        poison(&device.device);
        let mut worst = 0.0_f32;
        for case in CASES {
            let (q, k, v, bias, mask, scale) = case.inputs(&device.device);
            let ours = read(attention(q, k, v, AttentionOptions { bias, key_mask: mask, scale }));
            worst = worst.max(assert_close(&format!("{} {case:?}", device.name), &ours, &case.reference(), TOLERANCE));
        }
        println!("{}: largest error {worst:.2e}", device.name);
    }
}

#[test]
fn the_reference_agrees_with_sums_in_f64() {
    for case in CASES.into_iter().filter(|c| c.batch * c.heads * c.queries * c.keys < 30_000) {
        assert_close(&format!("{case:?}"), &case.reference(), &by_hand(case), 2e-6);
    }
}

/// The definition, term by term.
fn by_hand(case: Case) -> Vec<f32> {
    let Case { batch, heads, queries, keys, d, .. } = case;
    let (q, k, v, bias, mask, scale) = case.inputs(&Device::flex());
    let (q, k, v) = (read(q), read(k), read(v));
    let (bias, mask) = (bias.map(read), mask.map(|mask| read(mask.float())));
    let mut o = Vec::new();
    for (b, h, i) in (0..batch).flat_map(|b| (0..heads).flat_map(move |h| (0..queries).map(move |i| (b, h, i)))) {
        let row = |x: &[f32], length: usize, at: usize| -> Vec<f64> {
            let start = ((b * heads + h) * length + at) * d;
            x[start..start + d].iter().map(|&x| f64::from(x)).collect()
        };
        let query = row(&q, queries, i);
        let weight = |j: usize| {
            let dot: f64 = query.iter().zip(row(&k, keys, j)).map(|(a, b)| a * b).sum();
            let bias = bias.as_ref().map_or(0.0, |bias| f64::from(bias[(h * queries + i) * keys + j]));
            let kept = mask.as_ref().is_none_or(|mask| mask[b * keys + j] != 0.0);
            if kept { (dot * f64::from(scale) + bias).exp() } else { 0.0 }
        };
        let weights: Vec<f64> = (0..keys).map(weight).collect();
        let sum: f64 = weights.iter().sum();
        let value = |c: usize| (0..keys).map(|j| weights[j] * row(&v, keys, j)[c]).sum::<f64>();
        o.extend((0..d).map(|c| if sum == 0.0 { 0.0 } else { (value(c) / sum) as f32 }));
    }
    o
}

#[test]
fn half_precision_storage() {
    for device in devices().into_iter().filter(|d| d.device.supports_dtype(DType::F16)) {
        for case in [CASES[0], CASES[3], CASES[5], CASES[7], CASES[15]] {
            let (q, k, v, bias, mask, scale) = case.inputs(&device.device);
            let half = |x: Tensor<4>| x.cast(DType::F16);
            let o = attention(
                half(q),
                half(k),
                half(v),
                AttentionOptions { bias: bias.map(|b| b.cast(DType::F16)), key_mask: mask, scale },
            );
            assert_eq!(o.dtype(), DType::F16);
            let ours = read(o.cast(DType::F32));
            assert_close(&format!("{} f16 {case:?}", device.name), &ours, &case.reference(), TOLERANCE_F16);
        }
    }
}

#[test]
fn more_than_65535_workgroups() {
    let device = gpu().device;
    let case = case(2, 33_000, 1, 2, 4, false, false);
    let (q, k, v, bias, mask, scale) = case.inputs(&device);
    let ours = read(attention(q, k, v, AttentionOptions { bias, key_mask: mask, scale }));
    assert_close("66,000 workgroups", &ours, &case.reference(), TOLERANCE);
}

/// Heads split from the channels, keys shared by all heads, a part of a longer sequence, and an axis order that needs a copy.
#[test]
fn inputs_that_are_not_contiguous() {
    for device in devices() {
        let (batch, heads, queries, keys, d) = (2, 3, 37, 41, 24);
        let make = |device: &Device| {
            let q = random([batch, queries, heads * d], 1, 1.0, device).reshape([batch, queries, heads, d]).swap_dims(1, 2);
            let k = random([batch, 1, keys, d], 2, 1.0, device).expand([batch, heads, keys, d]);
            let v = random([batch, heads, keys + 30, d], 3, 1.0, device).narrow(2, 13, keys);
            let bias = random([queries, keys, heads], 4, 1.0, device).permute([2, 0, 1]);
            let mask = random([1, keys], 5, 1.0, device).greater_elem(-0.5).expand([batch, keys]);
            (q, k, v, Some(bias), Some(mask))
        };
        let (q, k, v, bias, mask) = make(&Device::flex());
        let expected = read(attention_reference(q, k, v, AttentionOptions { bias, key_mask: mask, scale: 0.2 }));
        let (q, k, v, bias, mask) = make(&device.device);
        let ours = read(attention(q, k.clone(), v, AttentionOptions { bias, key_mask: mask, scale: 0.2 }));
        assert_close(&device.name, &ours, &expected, TOLERANCE);

        let columns = |device: &Device| random([batch, heads, d, queries], 6, 1.0, device).swap_dims(2, 3);
        let dense = |x: Tensor<4>| x * 1.0;
        let flex = Device::flex();
        let k_flex = random([batch, 1, keys, d], 2, 1.0, &flex).expand([batch, heads, keys, d]);
        let expected = read(attention_reference(dense(columns(&flex)), k_flex.clone(), k_flex, AttentionOptions::scaled(0.2)));
        let ours = read(attention(columns(&device.device), k.clone(), k, AttentionOptions::scaled(0.2)));
        assert_close(&format!("{} columns", device.name), &ours, &expected, TOLERANCE);
    }
}

/// Inputs that nobody computed yet, and an output that a fused expression reads.
#[test]
fn inside_fused_expressions() {
    for device in devices() {
        let run = |device: &Device, op: fn(Inputs) -> Tensor<4>| {
            let x = random([1, 2, 45, 16], 1, 1.0, device);
            let (q, k, v) = (x.clone() * 1.5 + 0.1, x.clone().tanh(), (x.clone() - 1.0).abs());
            let mask = random([1, 45], 5, 1.0, device).greater_elem(-0.5);
            let bias = random([2, 45, 45], 4, 1.0, device) * 0.5;
            let o = op((q, k, v, Some(bias), Some(mask), 0.25));
            read(o.clone() * 2.0 - x * o.exp())
        };
        let expected = run(&Device::flex(), |(q, k, v, bias, mask, scale)| {
            attention_reference(q, k, v, AttentionOptions { bias, key_mask: mask, scale })
        });
        let ours = run(&device.device, |(q, k, v, bias, mask, scale)| {
            attention(q, k, v, AttentionOptions { bias, key_mask: mask, scale })
        });
        assert_close(&device.name, &ours, &expected, TOLERANCE);
    }
}

#[test]
fn a_query_without_keys_gives_zeros() {
    for device in devices() {
        let (q, k, v, ..) = case(2, 2, 70, 40, 8, false, false).inputs(&device.device);
        let kept: Vec<bool> = (0..80).map(|i| i >= 40).collect();
        let mask = Tensor::from_data(TensorData::new(kept, [2, 40]), &device.device);
        let o = read(attention(
            q.clone(),
            k.clone(),
            v.clone(),
            AttentionOptions { key_mask: Some(mask), ..AttentionOptions::scaled(0.3) },
        ));
        let (masked, kept) = o.split_at(o.len() / 2);
        assert!(masked.iter().all(|&x| x == 0.0), "{}: image 0 has no key", device.name);
        assert!(kept.iter().any(|&x| x != 0.0), "{}: image 1 has keys", device.name);

        // The same by a bias of -infinity, for query 3 of head 1.
        let bias: Vec<f32> = (0..2 * 70 * 40).map(|i| if i / 40 == 73 { f32::NEG_INFINITY } else { 0.0 }).collect();
        let o = read(attention(
            q,
            k,
            v,
            AttentionOptions { bias: Some(tensor(bias, [2, 70, 40], &device.device)), ..AttentionOptions::scaled(0.3) },
        ));
        let rows: Vec<bool> = o.chunks(8).map(|row| row.iter().all(|&x| x == 0.0)).collect();
        let zero: Vec<usize> = (0..rows.len()).filter(|&row| rows[row]).collect();
        assert_eq!(zero, [73, 140 + 73], "{}", device.name);
    }
}

#[test]
fn nan_goes_where_it_counts_and_nowhere_else() {
    let shape = [1, 2, 70, 8];
    let with_nan = |at: usize| {
        let mut values = normal(2 * 70 * 8, 1, 1.0);
        values[at * 8 + 3] = f32::NAN;
        values
    };
    for device in devices() {
        let clean = random(shape, 2, 1.0, &device.device);
        let nan_rows = |o: Tensor<4>| -> Vec<usize> {
            let o = read(o);
            (0..140).filter(|row| o[row * 8..row * 8 + 8].iter().any(|x| x.is_nan())).collect()
        };
        // In query 66 of head 1: that row alone.
        let bad = tensor(with_nan(70 + 66), shape, &device.device);
        let o = attention(bad.clone(), clean.clone(), clean.clone(), AttentionOptions::scaled(0.3));
        assert_eq!(nan_rows(o), [136], "{}: in q", device.name);
        // In key or value 66 of head 1: all of head 1.
        let head_1: Vec<usize> = (70..140).collect();
        let o = attention(clean.clone(), bad.clone(), clean.clone(), AttentionOptions::scaled(0.3));
        assert_eq!(nan_rows(o), head_1, "{}: in k", device.name);
        let o = attention(clean.clone(), clean.clone(), bad.clone(), AttentionOptions::scaled(0.3));
        assert_eq!(nan_rows(o), head_1, "{}: in v", device.name);
        // In a masked key: nowhere.
        let kept: Vec<bool> = (0..70).map(|i| i != 66).collect();
        let mask: Tensor<2, Bool> = Tensor::from_data(TensorData::new(kept, [1, 70]), &device.device);
        let o = attention(
            clean.clone(),
            bad.clone(),
            bad.clone(),
            AttentionOptions { key_mask: Some(mask.clone()), ..AttentionOptions::scaled(0.3) },
        );
        assert_eq!(nan_rows(o), [] as [usize; 0], "{}: masked", device.name);
        let o = attention_reference(
            clean.clone(),
            bad.clone(),
            bad,
            AttentionOptions { key_mask: Some(mask), ..AttentionOptions::scaled(0.3) },
        );
        assert_eq!(nan_rows(o), [] as [usize; 0], "{}: masked, reference", device.name);
        // Everywhere.
        let all = clean * f32::NAN;
        assert_eq!(
            nan_rows(attention(all.clone(), all.clone(), all, AttentionOptions::scaled(0.3))).len(),
            140,
            "{}",
            device.name
        );
    }
}

/// One score far above the others takes all the weight, and nothing overflows.
#[test]
fn scores_of_any_size() {
    for device in devices() {
        let q = random([1, 1, 3, 4], 1, 1e3, &device.device);
        let k = random([1, 1, 50, 4], 2, 1e3, &device.device);
        let v = random([1, 1, 50, 4], 3, 1.0, &device.device);
        let flex = |x: &Tensor<4>| Tensor::from_data(x.clone().try_into_data().expect("readback"), &Device::flex());
        let expected = read(attention_reference(flex(&q), flex(&k), flex(&v), AttentionOptions::scaled(1.0)));
        assert_close(&device.name, &read(attention(q, k, v, AttentionOptions::scaled(1.0))), &expected, TOLERANCE);
    }
}

#[test]
fn nothing_to_attend_to_or_nobody_to_attend() {
    for device in devices() {
        let some = random([1, 2, 3, 8], 1, 1.0, &device.device);
        let none: Tensor<4> = Tensor::zeros([1, 2, 0, 8], &device.device);
        let o = attention(some.clone(), none.clone(), none.clone(), AttentionOptions::scaled(1.0));
        assert_eq!(read(o), [0.0; 48], "{}: no keys", device.name);
        assert_eq!(attention(none, some.clone(), some, AttentionOptions::scaled(1.0)).dims(), [1, 2, 0, 8], "{}", device.name);
    }
}

/// Bytes that a device's pools hold after `op`, each allocation in a page of its own: the peak since the inputs were made, them included.
fn peak(device: &Device, inputs: &[Tensor<4>; 3], op: impl Fn(Tensor<4>, Tensor<4>, Tensor<4>) -> Tensor<4>) -> (u64, Tensor<4>) {
    device.sync().expect("the inputs are there");
    device.memory_cleanup();
    let [q, k, v] = inputs.clone();
    let o = op(q, k, v);
    device.sync().expect("the op has run");
    (device.memory_pool_usage().expect("the pools are counted").bytes_reserved, o)
}

/// The bar: Lq = Lk = 4096, 1 head, d 64 in under three times inputs and output. The scores alone would be 16 times that.
#[test]
fn memory_grows_with_l() {
    let options = Device::wgpu_options().memory_config(MemoryConfiguration::ExclusivePages);
    let (device, setup) = options.init_with_setup().expect("a wgpu adapter");
    register_gpu(&device, setup);
    let inputs = |length: usize| [1, 2, 3].map(|seed| random([1, 1, length, 64], seed, 1.0, &device));
    let tensors = |length: usize| (4 * length * 64 * 4) as u64;

    // What the measurement says of burn's own, which holds all scores.
    let options = || AttentionModuleOptions { scale: Some(0.125), ..Default::default() };
    let short = inputs(1024);
    let (bytes, _) = peak(&device, &short, |q, k, v| module::attention_fallback(q, k, v, None, None, options()));
    assert!(bytes > 3 * tensors(1024), "the measurement misses the scores: {bytes} bytes");
    drop(short);

    let long = inputs(4096);
    let (bytes, o) = peak(&device, &long, |q, k, v| attention(q, k, v, AttentionOptions::scaled(0.125)));
    let ratio = bytes as f64 / tensors(4096) as f64;
    println!("peak {bytes} bytes, {ratio:.2} times inputs and output");
    assert!((1.0..3.0).contains(&ratio), "{ratio} times inputs and output");

    let [q, k, v] = long.map(|x| Tensor::from_data(x.try_into_data().expect("readback"), &Device::flex()));
    let expected = read(attention_reference(q.narrow(2, 4000, 96), k, v, AttentionOptions::scaled(0.125)));
    assert_close("4096 x 4096", &read(o.narrow(2, 4000, 96)), &expected, TOLERANCE);
}

#[test]
fn memory_that_is_not_there_fails_at_the_read() {
    let device = gpu().device;
    // 192 MiB are more than lavapipe binds.
    let k: Tensor<4> = Tensor::ones([1, 1, 3 << 18, 64], &device);
    let available = k.clone().narrow(2, 0, 1).try_into_data().is_ok();
    let q = random([1, 1, 2, 64], 1, 1.0, &device);
    if !available {
        let o = attention(q.clone(), k.clone(), k, AttentionOptions::scaled(0.1));
        assert!(o.try_into_data().is_err(), "an output of nothing");
    }
    let o = read(attention(q.clone(), q.clone(), q.clone(), AttentionOptions::scaled(0.1)));
    assert!(o.iter().all(|x| x.is_finite()), "the device goes on working");
}

#[test]
#[should_panic(expected = "shape of key_mask")]
fn a_mask_of_another_shape_is_refused() {
    let x = random([2, 1, 3, 4], 1, 1.0, &Device::flex());
    let mask = random([1, 3], 1, 1.0, &Device::flex()).greater_elem(0.0);
    let _ = attention(x.clone(), x.clone(), x, AttentionOptions { key_mask: Some(mask), ..AttentionOptions::scaled(1.0) });
}
