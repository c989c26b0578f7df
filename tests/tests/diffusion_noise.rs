//! Philox against its published vectors; the noise's distribution; the same noise wherever an image is in a batch.

use burn::tensor::{Device, TensorData};
use imagen_engine::diffusion::{Draw, NoiseError, NoiseSource, Recorded, Seeded, normals, philox4x32};
use imagen_tests::{devices, read};

/// Random123's known-answer vectors for philox4x32-10.
#[test]
fn diffusion_philox_known_answers() {
    let all = u32::MAX;
    for (counter, key, expected) in [
        ([0; 4], [0; 2], [0x6627_e8d5, 0xe169_c58d, 0xbc57_ac4c, 0x9b00_dbd8]),
        ([all; 4], [all; 2], [0x408f_276d, 0x41c8_3b0e, 0xa20b_c7c6, 0x6d54_51fd]),
        (
            [0x243f_6a88, 0x85a3_08d3, 0x1319_8a2e, 0x0370_7344],
            [0xa409_3822, 0x299f_31d0],
            [0xd16c_fe09, 0x94fd_cceb, 0x5001_e420, 0x2412_6ea1],
        ),
    ] {
        assert_eq!(philox4x32(counter, key), expected, "{counter:x?}");
    }
}

/// Box-Muller of the first known answer, computed apart from this code in double precision.
#[test]
fn diffusion_normals_golden() {
    let mut values = [0.0; 4];
    normals([0; 3], [0; 2], &mut values);
    let expected = [0.991_137_680, -0.924_662_588, -0.617_608_959, -0.482_068_587];
    for (ours, expected) in values.iter().zip(expected) {
        assert!((f64::from(*ours) - expected).abs() < 2e-6, "{values:?}");
    }
}

#[test]
fn diffusion_noise_is_standard_normal() {
    let mut values = vec![0.0; 1 << 20];
    Seeded { seed: 7, stage: 64, first_image: 0 }.image(Draw::Start, 0, &mut values).expect("noise");
    let n = values.len() as f64;
    let moment = |k: i32| values.iter().map(|v| f64::from(*v).powi(k)).sum::<f64>() / n;
    let (mean, second, third, fourth) = (moment(1), moment(2), moment(3), moment(4));
    // Five standard errors of each.
    assert!(mean.abs() < 5.0 / n.sqrt(), "mean {mean}");
    assert!((second - 1.0).abs() < 5.0 * (2.0 / n).sqrt(), "variance {second}");
    assert!(third.abs() < 5.0 * (15.0 / n).sqrt(), "skew {third}");
    assert!((fourth - 3.0).abs() < 5.0 * (96.0 / n).sqrt(), "kurtosis {fourth}");
    let neighbours = values.windows(2).map(|p| f64::from(p[0]) * f64::from(p[1])).sum::<f64>() / n;
    assert!(neighbours.abs() < 5.0 / n.sqrt(), "correlation of neighbours {neighbours}");
    let beyond = |z: f32| values.iter().filter(|v| v.abs() > z).count() as f64 / n;
    assert!(
        (beyond(1.0) - 0.317_31).abs() < 0.003 && (beyond(3.0) - 0.002_70).abs() < 0.000_4,
        "{} {}",
        beyond(1.0),
        beyond(3.0)
    );
    assert!(values.iter().all(|v| v.is_finite() && v.abs() < 7.0));
}

fn drawn(source: &mut Seeded, draw: Draw, batch: usize, device: &Device) -> Vec<f32> {
    read(source.draw(draw, [batch, 3, 5, 7], device).expect("noise"))
}

#[test]
fn diffusion_noise_of_an_image_is_its_own() {
    for tested in devices() {
        let device = tested.device;
        let mut source = Seeded { seed: u64::MAX - 3, stage: 256, first_image: 0 };
        let batch = drawn(&mut source, Draw::Step(2), 4, &device);
        let size = 3 * 5 * 7;
        for first_image in 0..4_u32 {
            let alone = drawn(&mut Seeded { first_image, ..source }, Draw::Step(2), 1, &device);
            let i = first_image as usize;
            assert_eq!(alone, batch[i * size..(i + 1) * size], "image {i} on {}", tested.name);
        }
    }
}

#[test]
fn diffusion_noise_differs_by_each_of_its_keys() {
    let device = Device::flex();
    let base = Seeded { seed: 1, stage: 64, first_image: 0 };
    let sources = [
        (base, Draw::Start),
        (base, Draw::Step(0)),
        (base, Draw::Step(1)),
        (base, Draw::Augment),
        (Seeded { seed: 2, ..base }, Draw::Start),
        (Seeded { seed: 1 + (1 << 32), ..base }, Draw::Start),
        (Seeded { stage: 256, ..base }, Draw::Start),
        (Seeded { first_image: 1, ..base }, Draw::Start),
    ];
    let all: Vec<Vec<f32>> = sources.into_iter().map(|(mut source, draw)| drawn(&mut source, draw, 1, &device)).collect();
    for (i, a) in all.iter().enumerate() {
        for b in &all[..i] {
            let same = a.iter().zip(b).filter(|(a, b)| a == b).count();
            assert!(same < 3, "two sources share {same} of {} values", a.len());
        }
    }
}

#[test]
fn diffusion_noise_that_is_not_there_is_an_error() {
    let device = Device::flex();
    let mut recorded = Recorded::default();
    recorded.record(Draw::Start, TensorData::new(vec![1.0_f32, 2.0], [1, 1, 1, 2]));
    assert_eq!(read(recorded.draw(Draw::Start, [1, 1, 1, 2], &device).expect("noise")), [1.0, 2.0]);
    assert!(matches!(recorded.draw(Draw::Start, [1, 1, 2, 1], &device), Err(NoiseError::Shape { .. })));
    assert!(matches!(recorded.draw(Draw::Step(0), [1, 1, 1, 2], &device), Err(NoiseError::Missing { .. })));
    let mut late = Seeded { seed: 0, stage: 0, first_image: u32::MAX };
    assert!(matches!(late.draw(Draw::Start, [2, 1, 1, 2], &device), Err(NoiseError::Range { .. })));
    assert!(matches!(late.draw(Draw::Step(usize::MAX), [1, 1, 1, 2], &device), Err(NoiseError::Range { .. })));
}

#[test]
fn diffusion_noise_for_a_1024_pixel_picture_is_fast() {
    let mut values = vec![0.0; 3 << 20];
    let clock = std::time::Instant::now();
    Seeded { seed: 7, stage: 1024, first_image: 0 }.image(Draw::Start, 0, &mut values).expect("noise");
    let took = clock.elapsed();
    println!("3 x 1024 x 1024 values: {:.1} ms", took.as_secs_f64() * 1e3);
    // 100 ms are aimed at; the bound leaves room for a busy test machine.
    assert!(took.as_secs_f64() < 1.0, "{took:?}");
}
