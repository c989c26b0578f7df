//! Weight files: strict accounting, conversions, splitting, and files that lie.

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use burn::tensor::{Device, Tensor, TensorData};
use imagen_engine::models::weights::{Loader, WeightError, WeightFiles, WeightSource, find_weights};
use imagen_tests::read;
use safetensors::tensor::{Dtype, TensorView};

struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().expect("a folder"))
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn bytes(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.path().join(name);
        std::fs::write(&path, bytes).expect("writes");
        path
    }

    fn file(&self, name: &str, tensors: &[(&str, Dtype, &[usize], &[u8])]) -> PathBuf {
        let views = tensors.iter().map(|(n, d, s, b)| (*n, TensorView::new(*d, s.to_vec(), b).expect("a view")));
        self.bytes(name, &safetensors::serialize(views, None).expect("serializes"))
    }
}

/// A header as it is written here, and `data` zeros.
fn raw(header: &str, data: usize) -> Vec<u8> {
    [&(header.len() as u64).to_le_bytes()[..], header.as_bytes(), &vec![0; data]].concat()
}

fn f32s(values: &[f32]) -> Vec<u8> {
    values.iter().flat_map(|v| v.to_le_bytes()).collect()
}

fn u16s(values: &[u16]) -> Vec<u8> {
    values.iter().flat_map(|v| v.to_le_bytes()).collect()
}

fn open(path: &Path) -> Result<WeightFiles, WeightError> {
    WeightFiles::open(&[path])
}

fn values(files: &WeightFiles, name: &str, shape: &[usize]) -> Result<Vec<f32>, WeightError> {
    Loader::new(WeightSource::Files(files), &Device::flex()).root().host_values(name, shape)
}

#[test]
fn each_tensor_is_used_once_and_each_parameter_filled() {
    let dir = Folder::new();
    let two = f32s(&[1.0, 2.0]);
    let path = dir.file(
        "m.safetensors",
        &[("a.w", Dtype::F32, &[2], &two), ("b", Dtype::F32, &[1, 2], &two), ("c", Dtype::F32, &[2], &two)],
    );
    let files = open(&path).expect("opens");
    let loader = Loader::new(WeightSource::Files(&files), &Device::flex());
    assert_eq!(read(loader.root().at("a").tensor("w", [2]).expect("a.w")), [1.0, 2.0]);

    let missing = loader.root().at("a").tensor::<1>("v", [2]).expect_err("no such tensor").to_string();
    assert!(missing.contains("\"a.v\"") && missing.contains("m.safetensors"), "{missing}");
    let shape = loader.root().tensor::<2>("b", [2, 1]).expect_err("another shape").to_string();
    assert!(["m.safetensors", "\"b\"", "[1, 2]", "[2, 1]"].iter().all(|part| shape.contains(part)), "{shape}");

    match loader.finish() {
        Err(WeightError::Unused { count: 1, first, .. }) => assert_eq!(first, "c"),
        other => panic!("{other:?}"),
    }
}

#[test]
fn loading_ends_with_the_tensor_at_which_it_is_broken_off() {
    let folder = Folder::new();
    let one = f32s(&[1.0]);
    let tensors: Vec<_> = ["a", "b", "c"].map(|name| (name, Dtype::F32, &[1_usize][..], &one[..])).into();
    let files = open(&folder.file("model.safetensors", &tensors)).expect("opens");
    let read = std::cell::Cell::new(0);
    let progress = |bytes| {
        read.set(read.get() + bytes);
        if read.get() < 8 { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    };
    let loader = Loader::new(WeightSource::Files(&files), &Device::flex()).with_progress(&progress);
    assert!(loader.root().tensor("a", [1]).is_ok());
    assert!(matches!(loader.root().tensor("b", [1]), Err(WeightError::Cancelled)));
    assert_eq!(read.get(), 8);
}

#[test]
fn ignored_tensors_are_the_named_ones_alone() {
    let dir = Folder::new();
    let path = dir.file("m.safetensors", &[("head.w", Dtype::F32, &[1], &f32s(&[1.0])), ("w", Dtype::F32, &[1], &f32s(&[2.0]))]);
    let files = open(&path).expect("opens");
    for (ignored, unused) in [("head.", Some("w")), ("", None)] {
        let loader = Loader::new(WeightSource::Files(&files), &Device::flex());
        loader.ignore(if ignored.is_empty() { |_| true } else { |name| name.starts_with("head.") });
        let first = loader.finish().err().map(|e| e.to_string());
        assert_eq!(first.is_some_and(|e| e.contains("\"w\"")), unused.is_some());
    }
}

#[test]
fn a_tensor_in_two_shards_is_refused() {
    let dir = Folder::new();
    let one = dir.file("1.safetensors", &[("w", Dtype::F32, &[1], &f32s(&[1.0]))]);
    let two = dir.file("2.safetensors", &[("w", Dtype::F32, &[1], &f32s(&[1.0]))]);
    match WeightFiles::open(&[&one, &two]) {
        Err(WeightError::Duplicate { path, other, name }) => assert_eq!((path, other, name.as_str()), (two, one, "w")),
        other => panic!("{other:?}"),
    }
}

#[test]
fn halves_become_the_same_numbers_in_f32() {
    // (bits, value): zeros, subnormals, the smallest and largest normal numbers, one with a fraction.
    let f16: &[(u16, f32)] = &[
        (0x0000, 0.0),
        (0x8000, -0.0),
        (0x0001, 5.960_464_5e-8),
        (0x83ff, -6.097_555e-5),
        (0x0400, 6.103_515_6e-5),
        (0x3555, 0.333_251_95),
        (0xfbff, -65504.0),
    ];
    let bf16: &[(u16, f32)] = &[
        (0x0000, 0.0),
        (0x8000, -0.0),
        (0x0001, 9.183_55e-41),
        (0x0080, 1.175_494_4e-38),
        (0x3eab, 0.333_984_38),
        (0xff7f, -3.389_531_4e38),
    ];
    let dir = Folder::new();
    for (dtype, table) in [(Dtype::F16, f16), (Dtype::BF16, bf16)] {
        let bytes = u16s(&table.iter().map(|(bits, _)| *bits).collect::<Vec<_>>());
        let files = open(&dir.file(&format!("{dtype:?}.safetensors"), &[("w", dtype, &[table.len()], &bytes)])).expect("opens");
        let ours = values(&files, "w", &[table.len()]).expect("reads");
        for ((bits, expected), ours) in table.iter().zip(ours) {
            assert_eq!(ours.to_bits(), expected.to_bits(), "{dtype:?} {bits:#06x}: {ours:e} is not {expected:e}");
        }
    }
}

#[test]
fn values_that_are_not_finite_are_refused() {
    let dir = Folder::new();
    let cases: [(Dtype, Vec<u8>); 5] = [
        (Dtype::F32, f32s(&[f32::NAN])),
        (Dtype::F32, f32s(&[f32::NEG_INFINITY])),
        (Dtype::F16, u16s(&[0x7c00])),
        (Dtype::F16, u16s(&[0xfe01])),
        (Dtype::BF16, u16s(&[0xff80])),
    ];
    for (i, (dtype, bytes)) in cases.iter().enumerate() {
        let files = open(&dir.file(&format!("{i}.safetensors"), &[("w", *dtype, &[1], bytes)])).expect("opens");
        assert!(matches!(values(&files, "w", &[1]), Err(WeightError::NotFinite { .. })), "case {i}");
    }
}

#[test]
fn other_dtypes_are_refused_by_name() {
    let dir = Folder::new();
    for (dtype, size) in [(Dtype::F64, 8), (Dtype::I64, 8), (Dtype::I8, 1), (Dtype::BOOL, 1), (Dtype::F8_E4M3, 1)] {
        let files = open(&dir.file("d.safetensors", &[("w", dtype, &[1], &vec![0; size])])).expect("opens");
        match values(&files, "w", &[1]) {
            Err(WeightError::Dtype { found, .. }) => assert_eq!(found, format!("{dtype:?}")),
            other => panic!("{dtype:?}: {other:?}"),
        }
    }
}

#[test]
fn headers_that_lie_are_refused() {
    let one = r#"{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}"#;
    let info = |shape: &str, from: u64, to: u64| format!(r#"{{"dtype":"U8","shape":[{shape}],"data_offsets":[{from},{to}]}}"#);
    let mut longer = raw(one, 8);
    longer[0] += 1;
    let mut huge = raw(one, 8);
    huge[..8].copy_from_slice(&u64::MAX.to_le_bytes());
    let mut large = raw(one, 8);
    large[..8].copy_from_slice(&200_000_000_u64.to_le_bytes());
    let cases: Vec<(&str, Vec<u8>)> = vec![
        ("empty", vec![]),
        ("no header", vec![0; 8]),
        ("header of half a length", vec![1, 0, 0]),
        ("data missing", raw(one, 7)),
        ("data over", raw(one, 9)),
        ("length one more", longer),
        ("length 2^64 - 1", huge),
        ("length 200 MB", large),
        ("not json", raw("hello, world", 8)),
        ("not UTF-8", [&8_u64.to_le_bytes()[..], &[0xff; 8]].concat()),
        ("offset beyond the file", raw(&format!("{{\"a\":{}}}", info("16", 0, 16)), 8)),
        ("backwards", raw(&format!("{{\"a\":{}}}", info("8", 8, 0)), 8)),
        ("overlap", raw(&format!("{{\"a\":{},\"b\":{}}}", info("8", 0, 8), info("8", 4, 12)), 12)),
        ("hole", raw(&format!("{{\"a\":{},\"b\":{}}}", info("4", 0, 4), info("4", 8, 12)), 12)),
        ("shape is not its size", raw(&format!("{{\"a\":{}}}", info("3", 0, 8)), 8)),
        ("shape overflows", raw(&format!("{{\"a\":{}}}", info("4294967296,4294967296,4294967296", 0, 8)), 8)),
    ];
    let dir = Folder::new();
    for (what, bytes) in cases {
        let path = dir.bytes("lie.safetensors", &bytes);
        assert!(matches!(open(&path), Err(WeightError::Damaged { .. })), "{what}: {:?}", open(&path));
    }
}

/// Tensors whose claimed sizes add up to nearly 2^64. The safetensors crate adds the header's length to that unchecked: it wraps in a
/// release build, and panics where overflow is checked, so that this can only run in the first.
#[test]
#[cfg(not(debug_assertions))]
fn sizes_that_add_up_to_more_than_memory_are_refused() {
    let starts = (0..16_u64).map(|i| i << 60);
    let tensors: Vec<String> = starts
        .map(|from| {
            let to = from.saturating_add(1 << 60);
            format!(r#""t{from}":{{"dtype":"U8","shape":[{}],"data_offsets":[{from},{to}]}}"#, to - from)
        })
        .collect();
    let dir = Folder::new();
    for data in [0, 1, 8] {
        let path = dir.bytes("wrap.safetensors", &raw(&format!("{{{}}}", tensors.join(",")), data));
        assert!(matches!(open(&path), Err(WeightError::Damaged { .. })), "{:?}", open(&path));
    }
}

#[test]
fn every_cut_and_every_changed_byte_of_a_header_is_survived() {
    let dir = Folder::new();
    let path = dir
        .file("m.safetensors", &[("a.w", Dtype::F32, &[2, 3], &f32s(&[1.0; 6])), ("b", Dtype::F16, &[2], &u16s(&[0x3c00; 2]))]);
    let whole = std::fs::read(&path).expect("the file");
    for length in 0..whole.len() {
        let cut = dir.bytes("cut.safetensors", &whole[..length]);
        assert!(matches!(open(&cut), Err(WeightError::Damaged { .. })), "{length} bytes");
    }
    let header = whole.len() - 28;
    let mut opened = 0;
    for at in 0..header {
        for change in [0x01, 0x20, 0x80, 0xff] {
            let mut bytes = whole.clone();
            bytes[at] ^= change;
            let Ok(files) = open(&dir.bytes("changed.safetensors", &bytes)) else { continue };
            opened += 1;
            // What it says must still be inside the file.
            for (name, entry) in files.iter() {
                assert_eq!(files.data(entry).len(), entry.bytes());
                let _ = values(&files, name, &entry.shape);
            }
        }
    }
    assert!(opened > 0, "a changed name is a good file");
}

#[test]
fn pickles_are_refused_by_name_and_by_content() {
    let dir = Folder::new();
    let good = std::fs::read(dir.file("m.safetensors", &[("w", Dtype::F32, &[1], &f32s(&[1.0]))])).expect("the file");
    let by_name = ["a.bin", "a.ckpt", "a.pt", "a.PTH", "a.pkl"].map(|name| dir.bytes(name, &good));
    let by_content = [
        dir.bytes("zip.safetensors", b"PK\x03\x04\x14\x00\x00\x00archive/data.pkl"),
        dir.bytes("2.safetensors", b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19."),
        dir.bytes("4.safetensors", b"\x80\x04\x95\x10\x00\x00\x00\x00\x00\x00\x00}."),
    ];
    for path in by_name.iter().chain(&by_content) {
        let error = open(path).expect_err("a pickle");
        assert!(matches!(error, WeightError::Pickle { .. }), "{error}");
    }
}

#[test]
fn a_header_whose_length_looks_like_a_pickle_is_read() {
    let dir = Folder::new();
    for length in [0x0280, 0x0380, 0x0480, 0x0580] {
        let header = format!("{:<length$}", r#"{"w":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}"#);
        assert!(open(&dir.bytes("m.safetensors", &raw(&header, 4))).is_ok(), "a header of {length} bytes");
    }
}

/// Reproducible values in -1..1.
fn noise(count: usize) -> Vec<f32> {
    (0..count).map(|i| ((i * 7919 + 13) % 2003) as f32 / 1001.5 - 1.0).collect()
}

#[test]
fn split_layers_give_the_same_result() {
    let (c_in, c_out) = (6, 10);
    let dir = Folder::new();
    let weight = f32s(&noise(c_in * c_out * 9));
    let path = dir.file(
        "m.safetensors",
        &[
            ("l.weight", Dtype::F32, &[c_out, c_in], &weight[..4 * c_in * c_out]),
            ("l.bias", Dtype::F32, &[c_out], &weight[..4 * c_out]),
            ("c.weight", Dtype::F32, &[c_out, c_in, 3, 3], &weight),
            ("c.bias", Dtype::F32, &[c_out], &weight[..4 * c_out]),
        ],
    );
    let files = open(&path).expect("opens");
    let device = Device::flex();
    let x2 = Tensor::<2>::from_data(TensorData::new(noise(4 * c_in), [4, c_in]), &device);
    let x4 = Tensor::<4>::from_data(TensorData::new(noise(2 * c_in * 25), [2, c_in, 5, 5]), &device);
    let run = |limit: Option<u64>| {
        let loader = Loader::new(WeightSource::Files(&files), &device).with_max_binding_bytes(limit);
        let linear = loader.root().at("l").linear(c_in, c_out, true).expect("linear").forward(x2.clone());
        let conv = loader.root().at("c").conv2d(c_in, c_out, 3, 1).expect("conv").forward(x4.clone());
        loader.finish().expect("all used");
        (read(linear), read(conv))
    };
    let whole = run(None);
    assert_eq!((whole.0.len(), whole.1.len()), (4 * c_out, 2 * c_out * 25));
    assert!((whole.0[0] - linear_by_hand(&noise(c_in), &noise(c_in * c_out))).abs() < 1e-6);
    for limit in [1 << 20, 1000, 100, 24, 1, 0] {
        let split = run(Some(limit));
        for (a, b) in whole.0.iter().zip(&split.0).chain(whole.1.iter().zip(&split.1)) {
            assert!((a - b).abs() <= 1e-5, "limit {limit}: {a} is not {b}");
        }
    }
}

/// The first output of y = W x + b, b being the first values of W here.
fn linear_by_hand(x: &[f32], weight: &[f32]) -> f32 {
    weight[0] + x.iter().zip(weight).map(|(x, w)| x * w).sum::<f32>()
}

#[test]
fn a_description_counts_what_files_would_hold() {
    let loader = Loader::new(WeightSource::Describe, &Device::flex());
    loader.root().at("a").linear(1 << 14, 1 << 14, true).expect("describes");
    loader.root().claim("table", &[1 << 16, 1 << 12]).expect("describes");
    assert_eq!(loader.parameters(), (1 << 28) + (1 << 14) + (1 << 28));
    assert_eq!(loader.layout()["a.weight"], [1 << 14, 1 << 14]);
    assert!(loader.finish().is_ok());
}

/// Names of the files that `find_weights` picks of a folder that holds empty files of these names.
fn found(names: &[&str], index: &[(&str, &[&str])], stem: &str) -> Result<Vec<String>, WeightError> {
    let dir = Folder::new();
    for name in names {
        dir.bytes(name, b"");
    }
    for (name, shards) in index {
        let map: serde_json::Map<_, _> = shards.iter().enumerate().map(|(i, s)| (format!("t{i}"), (*s).into())).collect();
        dir.bytes(name, serde_json::json!({ "weight_map": map }).to_string().as_bytes());
    }
    let paths = find_weights(dir.path(), stem)?;
    Ok(paths.iter().map(|p| p.file_name().expect("a name").to_string_lossy().into_owned()).collect())
}

const SHARDS: [&str; 2] = ["model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"];
const SHARDS16: [&str; 2] = ["model.fp16-00001-of-00002.safetensors", "model.fp16-00002-of-00002.safetensors"];

#[test]
#[allow(clippy::type_complexity, reason = "a table")]
fn weights_are_found_by_listing() {
    let all = [&SHARDS[..], &SHARDS16[..]].concat();
    let old = "model.safetensors.index.fp16.json";
    let cases: &[(&[&str], &[(&str, &[&str])], &[&str])] = &[
        (&["model.safetensors", "config.json", "model.bin"], &[], &["model.safetensors"]),
        (&["model.fp16.safetensors", "model.safetensors"], &[], &["model.safetensors"]),
        (&["model.fp16.safetensors"], &[], &["model.fp16.safetensors"]),
        (&["model.non_ema.safetensors", "model.fp16.safetensors", "model.8bit.safetensors"], &[], &["model.fp16.safetensors"]),
        (&["t5xxl_fp16.safetensors"], &[], &["t5xxl_fp16.safetensors"]),
        (&SHARDS, &[], &SHARDS),
        (&SHARDS, &[("model.safetensors.index.json", &SHARDS)], &SHARDS),
        (&SHARDS16, &[(old, &SHARDS16)], &SHARDS16),
        (&SHARDS16, &[("model.fp16.safetensors.index.json", &SHARDS16)], &SHARDS16),
        (&all, &[(old, &SHARDS16), ("model.safetensors.index.json", &SHARDS)], &SHARDS),
        // A download of full precision that stopped, beside a whole half.
        (&[SHARDS[0], SHARDS16[0], SHARDS16[1]], &[], &SHARDS16),
        (
            &["part-a.safetensors", "part-b.safetensors"],
            &[("model.safetensors.index.json", &["part-a.safetensors", "part-b.safetensors"])],
            &["part-a.safetensors", "part-b.safetensors"],
        ),
        (&["model_other.safetensors", "model.safetensors"], &[], &["model.safetensors"]),
    ];
    for (names, index, expected) in cases {
        assert_eq!(found(names, index, "model").unwrap_or_else(|e| panic!("{names:?}: {e}")), *expected, "{names:?}");
    }
    let unet =
        found(&["diffusion_pytorch_model.fp16.safetensors", "diffusion_pytorch_model.bin"], &[], "diffusion_pytorch_model");
    assert_eq!(unet.expect("found"), ["diffusion_pytorch_model.fp16.safetensors"]);
}

#[test]
#[allow(clippy::type_complexity, reason = "a table")]
fn weights_that_cannot_be_found_say_why() {
    let cases: &[(&[&str], &[(&str, &[&str])], &str)] = &[
        (&["config.json"], &[], "no safetensors file"),
        (&["pytorch_model.bin"], &[], "pickle"),
        (&["model.8bit.safetensors", "x.safetensors"], &[], "several"),
        (&[SHARDS[0]], &[], "model-00002-of-00002.safetensors: this shard is missing"),
        (&[SHARDS[1]], &[("model.safetensors.index.json", &SHARDS)], "model-00001-of-00002.safetensors: this shard is missing"),
        (&[], &[("model.safetensors.index.json", &["../../secret.safetensors"])], "not a file of this folder"),
        (&[], &[("model.safetensors.index.json", &["/etc/passwd"])], "not a file of this folder"),
        (&[], &[("model.safetensors.index.json", &[])], "without shards"),
        (&["model.safetensors.index.json"], &[], "not an index"),
    ];
    for (names, index, part) in cases {
        let error = found(names, index, "model").expect_err(part).to_string();
        assert!(error.contains(part), "{names:?}: {error}");
    }
    let error = find_weights(Path::new("/no/such/folder"), "model").expect_err("no folder");
    assert!(matches!(error, WeightError::Io { .. }));
}
