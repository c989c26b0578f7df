//! The shared layers: our CPU forms against burn's own operators or f64, and the other devices against the CPU.

use burn::tensor::module;
use burn::tensor::ops::ConvOptions;
use burn::tensor::{Device, Tensor, TensorData};
use imagen_engine::models::layers::{
    Activation, Conv2d, GroupNorm, Linear, Modulation, Sinusoid, beside, downsample, pixel_shuffle, pixel_shuffle_beside,
    pixel_unshuffle, upsample,
};
use imagen_tests::{assert_close, devices, read};

/// Reproducible values in [-1, 1).
fn noise(seed: u64, count: usize) -> Vec<f32> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 40) as f32 / (1 << 23) as f32 - 1.0
    };
    (0..count).map(|_| next()).collect()
}

fn random<const D: usize>(seed: u64, shape: [usize; D], device: &Device) -> Tensor<D> {
    Tensor::from_data(TensorData::new(noise(seed, shape.iter().product()), shape), device)
}

#[test]
fn convolutions_agree_with_burn() {
    let flex = Device::flex();
    // Batch, channels in and out, height, width, kernel, stride: few and many positions, odd sizes, one pixel.
    for (seed, [b, c_in, c_out, h, w, k, stride]) in [
        [2, 3, 5, 7, 9, 3, 1],
        [1, 4, 8, 1, 1, 3, 1],
        [2, 16, 24, 4, 4, 3, 1],
        [3, 5, 7, 8, 6, 3, 2],
        [1, 5, 7, 9, 7, 3, 3],
        [2, 6, 9, 5, 5, 1, 1],
        [2, 6, 9, 6, 6, 1, 2],
        [1, 3, 4, 6, 5, 5, 1],
        [2, 3, 17, 40, 41, 3, 1],
        [1, 2, 3, 70, 90, 3, 2],
        [1, 2, 3, 3, 2000, 3, 1],
        [1, 2, 33, 64, 33, 1, 1],
    ]
    .into_iter()
    .enumerate()
    {
        let parts = |device: &Device| (random(1 + seed as u64, [c_out, c_in, k, k], device), random(2, [c_out], device));
        let (weight, bias) = parts(&flex);
        let options = ConvOptions::new([stride; 2], [k / 2; 2], [1, 1], 1);
        let expected = read(module::conv2d(random(3, [b, c_in, h, w], &flex), weight, Some(bias), options));
        for on in devices() {
            let conv = Conv2d::new(vec![parts(&on.device)], stride);
            let ours = read(conv.forward(random(3, [b, c_in, h, w], &on.device)));
            assert_close(&format!("case {seed} on {}", on.name), &ours, &expected, 1e-5);
        }
    }
}

#[test]
fn a_split_layer_is_the_whole_layer() {
    for on in devices() {
        let d = &on.device;
        let (weight, bias, x) = (random(1, [6, 10], d), random(2, [10], d), random(3, [2, 3, 6], d));
        let pieces = vec![weight.clone().slice([0..6, 0..4]), weight.clone().slice([0..6, 4..10])];
        let whole = read(Linear::new(vec![weight], Some(bias.clone())).forward(x.clone()));
        assert_close("linear", &read(Linear::new(pieces, Some(bias)).forward(x)), &whole, 1e-6);

        let (weight, bias, x) = (random(4, [5, 3, 3, 3], d), random(5, [5], d), random(6, [2, 3, 6, 4], d));
        let piece = |r: std::ops::Range<usize>| (weight.clone().slice([r.clone()]), bias.clone().slice([r]));
        let pieces = vec![piece(0..2), piece(2..5)];
        let whole = read(Conv2d::new(vec![(weight.clone(), bias.clone())], 1).forward(x.clone()));
        assert_close("conv", &read(Conv2d::new(pieces, 1).forward(x)), &whole, 1e-6);
    }
}

/// Group norm, modulation and SiLU in f64, as they are defined.
fn normalised(x: &[f32], shape: [usize; 4], groups: usize, affine: impl Fn(usize, usize) -> (f64, f64)) -> Vec<f32> {
    let [_, c, h, w] = shape;
    let n = c / groups * h * w;
    let group = |(index, xs): (usize, &[f32])| {
        let mean = xs.iter().map(|&v| f64::from(v)).sum::<f64>() / n as f64;
        let variance = xs.iter().map(|&v| (f64::from(v) - mean).powi(2)).sum::<f64>() / n as f64;
        let value = |(i, &v): (usize, &f32)| {
            let channel = index % groups * (c / groups) + i / (h * w);
            let (scale, shift) = affine(index / groups, channel);
            let y = (f64::from(v) - mean) / (variance + 1e-5).sqrt() * scale + shift;
            (y / (1.0 + (-y).exp())) as f32
        };
        xs.iter().enumerate().map(value).collect::<Vec<_>>()
    };
    x.chunks(n).enumerate().flat_map(group).collect()
}

#[test]
fn group_norm_with_modulation_agrees_with_f64() {
    for (seed, shape, groups) in [(1, [2, 6, 5, 7], 3), (2, [1, 4, 33, 65], 1), (3, [3, 8, 1, 1], 4)] {
        let [b, c, ..] = shape;
        // Far from zero mean, so that a variance by E[x^2] - mean^2 would lose its digits.
        let x: Vec<f32> = noise(seed, shape.iter().product()).iter().map(|v| 20.0 + v).collect();
        let (weight, bias, both) = (noise(4, c), noise(5, c), noise(6, b * 2 * c));
        let affine = |image: usize, channel: usize| {
            let gain = 1.0 + f64::from(both[image * 2 * c + channel]);
            let shift = f64::from(both[image * 2 * c + c + channel]);
            (f64::from(weight[channel]) * gain, f64::from(bias[channel]) * gain + shift)
        };
        let expected = normalised(&x, shape, groups, affine);
        let plain = normalised(&x, shape, groups, |_, channel| (f64::from(weight[channel]), f64::from(bias[channel])));
        for on in devices() {
            let d = &on.device;
            let vector = |v: &[f32]| Tensor::<1>::from_data(TensorData::new(v.to_vec(), [c]), d);
            let norm = GroupNorm::new(vector(&weight), vector(&bias), groups, 1e-5);
            let input = || Tensor::<4>::from_data(TensorData::new(x.clone(), shape), d);
            let modulation = Modulation::new(Tensor::from_data(TensorData::new(both.clone(), [b, 2 * c]), d));
            let ours = read(norm.activate(input(), Some(modulation), Activation::Silu));
            assert_close(&format!("modulated, {shape:?} on {}", on.name), &ours, &expected, 1e-4);
            let kept = input();
            let ours = read(norm.activate(kept.clone(), None, Activation::Silu));
            assert_close(&format!("plain, {shape:?} on {}", on.name), &ours, &plain, 1e-4);
            assert_eq!(read(kept), x, "the input that somebody else holds is left as it was");
        }
    }
}

#[test]
fn patches_follow_pytorchs_order() {
    for on in devices() {
        let x = random(1, [2, 3, 4, 6], &on.device);
        let (source, patches) = (read(x.clone()), pixel_unshuffle(x.clone(), 2));
        assert_eq!(patches.dims(), [2, 12, 2, 3]);
        let values = read(patches.clone());
        let at = |b, c, y, x| source[((b * 3 + c) * 4 + y) * 6 + x];
        for (b, c, dy, dx, y, x) in [(0, 0, 0, 0, 0, 0), (1, 2, 1, 0, 1, 2), (0, 1, 0, 1, 1, 1), (1, 0, 1, 1, 0, 2)] {
            let channel = c * 4 + dy * 2 + dx;
            assert_eq!(values[((b * 12 + channel) * 2 + y) * 3 + x], at(b, c, 2 * y + dy, 2 * x + dx), "on {}", on.name);
        }
        assert_eq!(read(pixel_shuffle(patches, 2)), source, "the inverse, on {}", on.name);
        assert_eq!(read(downsample(upsample(x, 2))), source, "the mean of four equal pixels, on {}", on.name);
    }
}

/// Our CPU forms against burn's own reshapes, at sizes with whole blocks and without.
#[test]
fn other_shapes_hold_the_same_values() {
    for on in devices() {
        for (b, c, h, w, patch) in [(2, 3, 4, 6, 2), (1, 2, 32, 40, 4), (2, 1, 16, 72, 8), (1, 5, 9, 27, 3)] {
            let x = random(1, [b, c, h, w], &on.device);
            let what = format!("[{b}, {c}, {h}, {w}] by {patch} on {}", on.name);
            let patches: Tensor<6> = x.clone().reshape([b, c, h / patch, patch, w / patch, patch]).permute([0, 1, 3, 5, 2, 4]);
            let patches: Tensor<4> = patches.reshape([b, c * patch * patch, h / patch, w / patch]);
            assert_eq!(read(pixel_unshuffle(x.clone(), patch)), read(patches.clone()), "unshuffled {what}");
            let more = random(2, [b, 3, h, w], &on.device);
            let both = read(Tensor::cat(vec![x.clone(), more.clone()], 1));
            assert_eq!(read(beside(x.clone(), more.clone())), both, "beside {what}");
            assert_eq!(read(pixel_shuffle_beside(patches, patch, more)), both, "shuffled beside {what}");
            let large: Tensor<6> = x.clone().reshape([b, c, h, 1, w, 1]).expand([b, c, h, patch, w, patch]);
            assert_eq!(read(upsample(x, patch)), read(large), "upsampled {what}");
        }
    }
}

#[test]
fn a_sinusoid_is_exact_for_late_times() {
    for on in devices() {
        let times = [0.0_f32, 0.5, 17.25, 981.0, 999.0];
        let ours = read(Sinusoid::new(8).forward(&times, &on.device));
        let frequency = |i: usize| f64::from((-(10_000_f64.ln() as f32) * i as f32 / 4.0).exp());
        let row = |&t: &f32| {
            let angles: Vec<f64> = (0..4).map(|i| f64::from((f64::from(t) * frequency(i)) as f32)).collect();
            angles.iter().map(|a| a.cos()).chain(angles.iter().map(|a| a.sin())).map(|v| v as f32).collect::<Vec<_>>()
        };
        let expected: Vec<f32> = times.iter().flat_map(row).collect();
        assert_close(&format!("on {}", on.name), &ours, &expected, 2e-7);
        let flipped = read(Sinusoid { width: 8, cos_first: false, freq_shift: 0.0 }.forward(&times, &on.device));
        let swapped: Vec<f32> = flipped.chunks(8).flat_map(|r| [&r[4..], &r[..4]].concat()).collect();
        assert_eq!(swapped, ours, "[sin | cos] holds the same values");
    }
}
