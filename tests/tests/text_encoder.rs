//! Text encoders against transformers (fixtures/text/generate.py, assets/models/default/golden.json), their front, and their errors.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use burn::tensor::Device;
use imagen_engine::models::text::{LoadedTextEncoder, TextEncoder, TextError, TextModel, Tokens, relative_position_bucket};
use imagen_engine::models::weights::WeightError;
use imagen_tests::{assert_close, devices, read, read_safetensors, repo};
use safetensors::SafeTensors;
use safetensors::tensor::{Dtype, TensorView};
use serde::Deserialize;

fn fixtures() -> PathBuf {
    repo().join("tests/fixtures")
}

fn tokens(ids: Vec<Vec<u32>>, mask: Vec<Vec<bool>>) -> Tokens {
    let counts = mask.iter().map(|row| row.iter().filter(|&&m| m).count()).collect();
    Tokens { max_tokens: ids.first().map_or(0, Vec::len), ids, mask, counts }
}

/// One row, all of it text.
fn row(ids: &[u32]) -> Tokens {
    tokens(vec![ids.to_vec()], vec![vec![true; ids.len()]])
}

#[test]
fn layouts_that_parity_leaves_out() {
    for name in ["bert", "bert-masked", "t5-relu"] {
        let folder = fixtures().join("text").join(name);
        let io = read_safetensors(&folder.join("io.safetensors"));
        let length = io["input_ids"].shape[1];
        let rows = |name: &str| io[name].values.chunks_exact(length).map(<[f64]>::to_vec).collect::<Vec<_>>();
        let ids = rows("input_ids").iter().map(|row| row.iter().map(|&v| v as u32).collect()).collect();
        let mask = rows("attention_mask").iter().map(|row| row.iter().map(|&v| v != 0.0).collect()).collect();
        let tokens = tokens(ids, mask);
        for device in devices() {
            let model = TextModel::open(&folder).expect("opens");
            let encoder = model.load(model.loader(&device.device)).expect("loads");
            let states = read(encoder.encode(&tokens).expect("encodes").states);
            // Rows of padding attend to the text too: all rows must agree.
            let error = assert_close(name, &states, &io["last_hidden_state"].f32(), 2e-5);
            println!("{name} on {}: {error:.2e}", device.name);
        }
    }
}

#[derive(Deserialize)]
struct Buckets {
    buckets: usize,
    max_distance: usize,
    first: i64,
    /// (bucket, how many distances in a row have it)
    runs: Vec<(usize, usize)>,
}

#[test]
fn buckets_of_distances_are_transformers_buckets() {
    let text = std::fs::read_to_string(fixtures().join("text/relative-position-buckets.json")).expect("the table");
    let tables: Vec<Buckets> = serde_json::from_str(&text).expect("the table");
    assert!(tables.len() >= 6);
    for table in tables {
        let expected = table.runs.iter().flat_map(|&(bucket, count)| std::iter::repeat_n(bucket, count));
        for (relative, bucket) in (table.first..).zip(expected) {
            let ours = relative_position_bucket(relative, table.buckets, table.max_distance);
            assert_eq!(ours, bucket, "distance {relative}, {} buckets to {}", table.buckets, table.max_distance);
        }
    }
}

#[derive(Deserialize)]
struct Golden {
    texts: Vec<String>,
}

#[test]
fn default_models_encoder_agrees_with_transformers() {
    let folder = repo().join("assets/models/default");
    let golden = std::fs::read_to_string(folder.join("golden.json")).expect("golden.json of the default model");
    let golden: Golden = serde_json::from_str(&golden).expect("golden.json");
    let states = read_safetensors(&folder.join("golden.safetensors"));
    let encoder = TextEncoder::open(&folder.join("text_encoder"), 64).expect("opens");
    assert!(golden.texts.len() >= 6);
    for device in devices() {
        let loaded = encoder.model().load(encoder.model().loader(&device.device)).expect("loads");
        // Alone, and beside a longer text that makes padding.
        for (i, text) in golden.texts.iter().enumerate() {
            let expected = &states[&format!("text.{i}.states")];
            let batch = [text.clone(), "a yellow house beside the old tree in the snow at night".into()];
            // One batch a text is enough on a software GPU, where each takes seconds.
            let sizes: &[usize] = if device.name == "flex" { &[1, 2] } else { &[1 + i % 2] };
            for batch in sizes.iter().map(|&size| &batch[..size]) {
                let tokens = encoder.tokenize(batch).expect("tokenizes");
                let ids: Vec<f64> =
                    tokens.ids[0].iter().zip(&tokens.mask[0]).filter(|(_, m)| **m).map(|(id, _)| f64::from(*id)).collect();
                assert_eq!(ids, states[&format!("text.{i}.ids")].values, "{text:?}");
                let ours = read(loaded.encode(&tokens).expect("encodes").states.narrow(0, 0, 1));
                let what = format!("text {i} of {} on {}", batch.len(), device.name);
                let error = assert_close(&what, &ours[..expected.values.len()], &expected.f32(), 1e-4);
                println!("{what}: {error:.2e}");
            }
        }
    }
}

#[test]
fn the_default_encoder_is_described_without_loading_it() {
    let info = TextEncoder::open(&repo().join("assets/models/default/text_encoder"), 64).expect("opens").info().expect("info");
    // 22,713,216 less the pooler's 384 x 384 + 384.
    assert_eq!((info.family, info.parameters, info.width), ("bert", 22_565_376, 384));
    assert!(info.file_bytes >= 2 * info.parameters);
}

/// diffusers' layout: text_encoder/ beside tokenizer/.
fn diffusers_folder(variant: &str) -> tempfile::TempDir {
    let dir = tempfile::tempdir().expect("a folder");
    copy(&fixtures().join("parity/t5-encoder").join(variant), &dir.path().join("text_encoder"));
    copy(&fixtures().join("parity/tokenizer/tokenizer"), &dir.path().join("tokenizer"));
    dir
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).expect("a folder");
    for entry in std::fs::read_dir(from).expect("a fixture") {
        let path = entry.expect("an entry").path();
        let bytes = std::fs::read(&path).expect("a file");
        std::fs::write(to.join(path.file_name().expect("a name")), bytes).expect("writes");
    }
}

#[test]
fn a_t5_in_diffusers_layout_from_prompt_to_states() {
    let dir = diffusers_folder("text_encoder_sharded");
    let encoder = TextEncoder::open(&dir.path().join("text_encoder"), 77).expect("opens");
    let info = encoder.info().expect("info");
    assert_eq!((info.family, info.parameters, info.width, info.files.len()), ("t5", 143_936, 64, 3));
    assert_eq!((info.dtypes.iter().map(String::as_str).collect::<Vec<_>>(), info.file_bytes), (vec!["F32"], 4 * 143_936));
    let read_bytes = std::cell::Cell::new(0);
    let count = |bytes| {
        read_bytes.set(read_bytes.get() + bytes);
        ControlFlow::Continue(())
    };
    let loaded = encoder.model().load(encoder.model().loader(&Device::flex()).with_progress(&count)).expect("loads");
    assert_eq!(read_bytes.get(), info.file_bytes - 4 * 320 * 64, "all but the token embedding");
    let texts = ["small photo", "", &"red cat ".repeat(1 << 17), "\u{0}\u{1b}\u{7}\r\n\t"].map(String::from);
    let tokens = encoder.tokenize(&texts).expect("tokenizes");
    assert_eq!(tokens.cut(), [0, 0, (1 << 18) + 1 - 77, 0]);
    let states = loaded.encode(&tokens).expect("encodes");
    assert_eq!((states.states.dims(), states.mask.dims()), ([4, 77, 64], [4, 77]));
    assert!(read(states.states).iter().all(|v| v.is_finite()));
}

#[test]
fn states_do_not_depend_on_what_fills_a_row_up() {
    let model = TextModel::open(&fixtures().join("parity/t5-encoder/text_encoder")).expect("opens");
    let encoder = model.load(model.loader(&Device::flex())).expect("loads");
    let mask = vec![vec![true, true, true, false, false]];
    let first = read(encoder.encode(&tokens(vec![vec![7, 8, 1, 0, 0]], mask.clone())).expect("encodes").states);
    let other = read(encoder.encode(&tokens(vec![vec![7, 8, 1, 99, 5]], mask)).expect("encodes").states);
    let alone = read(encoder.encode(&row(&[7, 8, 1])).expect("encodes").states);
    assert_close("other padding", &other[..3 * 64], &first[..3 * 64], 1e-6);
    assert_close("no padding", &alone, &first[..3 * 64], 1e-5);
    assert!(first[3 * 64..] != other[3 * 64..], "rows of padding show their own token");
}

#[test]
fn tokens_that_do_not_fit_are_errors() {
    let model = TextModel::open(&fixtures().join("text/bert")).expect("opens");
    let encoder = model.load(model.loader(&Device::flex())).expect("loads");
    assert!(encoder.encode(&row(&[0, 39])).is_ok());
    let error = |tokens: &Tokens| encoder.encode(tokens).map(|_| ()).expect_err("does not fit");
    assert!(matches!(error(&row(&[0, 40])), TextError::TokenOutOfRange { id: 40, vocab_size: 40 }));
    assert!(matches!(error(&row(&[u32::MAX])), TextError::TokenOutOfRange { .. }));
    assert!(matches!(error(&row(&[1; 25])), TextError::TooManyTokens { tokens: 25, positions: 24 }));
    assert!(matches!(error(&row(&[])), TextError::Batch));
    assert!(matches!(error(&tokens(vec![], vec![])), TextError::Batch));
    assert!(matches!(error(&tokens(vec![vec![1, 2], vec![1]], vec![vec![true; 2]; 2])), TextError::Batch));
    assert!(matches!(error(&tokens(vec![vec![1, 2]], vec![vec![true]])), TextError::Batch));
}

#[test]
fn folders_that_are_no_encoder_say_so() {
    let dir = diffusers_folder("text_encoder");
    let folder = dir.path().join("text_encoder");
    let message = || TextEncoder::open(&folder, 77).map(|_| ()).expect_err("refused").to_string();
    let config = std::fs::read_to_string(folder.join("config.json")).expect("config.json");
    let with = |from: &str, to: &str| std::fs::write(folder.join("config.json"), config.replace(from, to)).expect("writes");

    with("\"vocab_size\": 320", "\"vocab_size\": 40");
    assert!(message().contains("tokens and the encoder 40"), "{}", message());
    with("\"model_type\": \"t5\"", "\"model_type\": \"clip_text_model\"");
    assert!(message().contains("clip_text_model"), "{}", message());
    std::fs::write(folder.join("config.json"), "{").expect("writes");
    assert!(message().contains("not a model's config"), "{}", message());
    std::fs::remove_file(folder.join("config.json")).expect("removes");
    assert!(message().contains("config.json"), "{}", message());
    std::fs::write(folder.join("config.json"), &config).expect("writes");
    std::fs::remove_dir_all(dir.path().join("tokenizer")).expect("removes");
    assert!(message().contains("no spiece.model"), "{}", message());
}

/// Every tensor of a file, to write it again with changes.
type Tensors = BTreeMap<String, (Dtype, Vec<usize>, Vec<u8>)>;

fn tensors(path: &Path) -> Tensors {
    let bytes = std::fs::read(path).expect("a file");
    let file = SafeTensors::deserialize(&bytes).expect("safetensors");
    file.iter().map(|(name, view)| (name.to_owned(), (view.dtype(), view.shape().to_vec(), view.data().to_vec()))).collect()
}

/// The parity case's T5 with `change` made to its tensors, opened and loaded.
fn changed(change: impl FnOnce(&mut Tensors)) -> Result<LoadedTextEncoder, TextError> {
    let dir = diffusers_folder("text_encoder");
    let path = dir.path().join("text_encoder/model.safetensors");
    let mut all = tensors(&path);
    change(&mut all);
    let views =
        all.iter().map(|(name, (dtype, shape, data))| (name, TensorView::new(*dtype, shape.clone(), data).expect("a view")));
    let bytes = safetensors::serialize(views, None).expect("serializes");
    std::fs::write(&path, bytes).expect("writes");
    let model = TextModel::open(&dir.path().join("text_encoder"))?;
    model.load(model.loader(&Device::flex()))
}

fn weight_error(change: impl FnOnce(&mut Tensors)) -> WeightError {
    match changed(change) {
        Err(TextError::Weights(error)) => error,
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_embedding_may_have_either_name_or_both() {
    let states = |encoder: &LoadedTextEncoder| read(encoder.encode(&row(&[5, 6, 1])).expect("encodes").states);
    let expected = states(&changed(|_| ()).expect("loads"));
    let renamed = changed(|all| {
        let table = all.remove("shared.weight").expect("the embedding");
        all.insert("encoder.embed_tokens.weight".into(), table);
    });
    assert_eq!(states(&renamed.expect("loads")), expected);
    let both = changed(|all| {
        all.insert("encoder.embed_tokens.weight".into(), all["shared.weight"].clone());
        all.insert("lm_head.weight".into(), all["shared.weight"].clone());
    });
    assert_eq!(states(&both.expect("loads")), expected);
    let neither = weight_error(|all| drop(all.remove("shared.weight")));
    assert!(matches!(neither, WeightError::Missing { name, .. } if name == "shared.weight"));
    let narrow = weight_error(|all| {
        all.insert("encoder.embed_tokens.weight".into(), (Dtype::F32, vec![1, 64], vec![0; 256]));
    });
    assert!(matches!(narrow, WeightError::Shape { name, .. } if name == "encoder.embed_tokens.weight"));
}

#[test]
fn weights_of_another_model_are_refused() {
    const WO: &str = "encoder.block.1.layer.1.DenseReluDense.wo.weight";
    let missing = weight_error(|all| drop(all.remove(WO)));
    assert!(matches!(missing, WeightError::Missing { name, .. } if name == WO));
    let deeper = weight_error(|all| {
        drop(all.insert("encoder.block.3.layer.0.layer_norm.weight".into(), (Dtype::F32, vec![1], vec![0; 4])))
    });
    assert!(matches!(deeper, WeightError::Unused { count: 1, first, .. } if first.starts_with("encoder.block.3")));
    let wide = weight_error(|all| drop(all.insert(WO.into(), (Dtype::F32, vec![64, 2], vec![0; 512]))));
    assert!(matches!(wide, WeightError::Shape { found, expected, .. } if found == [64, 2] && expected == [64, 128]));
    let int8 = weight_error(|all| drop(all.insert(WO.into(), (Dtype::I8, vec![64, 128], vec![0; 64 * 128]))));
    assert!(matches!(int8, WeightError::Dtype { found, .. } if found == "I8"));
    let int8 = weight_error(|all| drop(all.insert("shared.weight".into(), (Dtype::I8, vec![320, 64], vec![0; 320 * 64]))));
    assert!(matches!(int8, WeightError::Dtype { name, .. } if name == "shared.weight"));
    let infinite = weight_error(|all| {
        if let Some((_, _, data)) = all.get_mut(WO) {
            data[..4].copy_from_slice(&f32::INFINITY.to_le_bytes());
        }
    });
    assert!(matches!(infinite, WeightError::NotFinite { name, .. } if name == WO));
}

#[test]
fn a_row_of_the_embedding_that_is_not_finite_is_found_when_it_is_used() {
    let encoder = changed(|all| {
        if let Some((_, _, data)) = all.get_mut("shared.weight") {
            data[4 * 64 * 9..4 * 64 * 9 + 4].copy_from_slice(&f32::NAN.to_le_bytes());
        }
    });
    let encoder = encoder.expect("loads");
    assert!(encoder.encode(&row(&[8, 10, 1])).is_ok());
    let error = encoder.encode(&row(&[8, 9, 1])).map(|_| ()).expect_err("not a number");
    assert!(matches!(error, TextError::Weights(WeightError::NotFinite { .. })));
}
