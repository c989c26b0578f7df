//! Parity with sentencepiece and transformers: cases of the kinds `tokenizer` and `t5-encoder` (shared/parity/README.md).

use imagen_engine::models::text::{Padding, SentencePiece, TextModel, TextTokenizer, Tokens};
use imagen_tests::{HostTensor, ParityCase, assert_close, devices, parity_cases, read, read_safetensors};
use serde_json::Value;

fn strings(value: &Value) -> Vec<String> {
    value.as_array().expect("a list").iter().map(|s| s.as_str().expect("a string").to_owned()).collect()
}

fn rows<T>(tensor: &HostTensor, convert: impl Fn(f64) -> T) -> Vec<Vec<T>> {
    tensor.values.chunks_exact(tensor.shape[1]).map(|row| row.iter().map(|&v| convert(v)).collect()).collect()
}

#[test]
fn tokenizer() {
    for ParityCase { path: folder, meta: case } in parity_cases("tokenizer") {
        let path = folder.join("tokenizer/spiece.model");
        let texts = strings(&case["texts"]);
        let model = SentencePiece::parse(&std::fs::read(&path).expect("spiece.model")).expect("a sentencepiece model");
        let pieces: Vec<Vec<u32>> = serde_json::from_value(case["pieces"].clone()).expect("pieces");
        for (text, expected) in texts.iter().zip(&pieces) {
            assert_eq!(&model.encode(text), expected, "{text:?}");
        }
        let max_length = usize::try_from(case["max_length"].as_u64().expect("max_length")).expect("a length");
        let tokens = TextTokenizer::open(&path).expect("opens").tokenize(&texts, max_length, Padding::Max).expect("tokenizes");
        let io = read_safetensors(&folder.join("io.safetensors"));
        assert_eq!(tokens.ids, rows(&io["input_ids"], |v| v as u32));
        assert_eq!(tokens.mask, rows(&io["attention_mask"], |v| v != 0.0));
        assert_eq!(tokens.counts, pieces.iter().map(|ids| ids.len() + 1).collect::<Vec<_>>());
        println!("{}: {} texts exact", folder.display(), texts.len());
    }
}

/// The values of the rows that hold text.
fn unmasked(values: &[f32], tokens: &Tokens) -> Vec<f32> {
    let mask = tokens.mask.concat();
    let width = values.len() / mask.len();
    values.chunks_exact(width).zip(mask).filter(|(_, text)| *text).flat_map(|(row, _)| row.to_vec()).collect()
}

#[test]
fn t5_encoder() {
    for ParityCase { path: folder, meta: case } in parity_cases("t5-encoder") {
        let io = read_safetensors(&folder.join("io.safetensors"));
        let (ids, mask) = (rows(&io["input_ids"], |v| v as u32), rows(&io["attention_mask"], |v| v != 0.0));
        let counts = mask.iter().map(|row| row.iter().filter(|&&m| m).count()).collect();
        let tokens = Tokens { max_tokens: io["input_ids"].shape[1], ids, mask, counts };
        for variant in strings(&case["variants"]) {
            let model = TextModel::open(&folder.join(&variant)).expect("opens");
            let half = model.info().expect("info").dtypes.contains("F16");
            let expected = io[if half { "last_hidden_state_f16" } else { "last_hidden_state" }].f32();
            for device in devices() {
                // The second limit splits every weight.
                for limit in [None, Some(4096)] {
                    let encoder = model.load(model.loader(&device.device).with_max_binding_bytes(limit)).expect("loads");
                    let states = encoder.encode(&tokens).expect("encodes").states;
                    let what = format!("{variant} on {}, limit {limit:?}", device.name);
                    let ours = unmasked(&read(states), &tokens);
                    let error = assert_close(&what, &ours, &unmasked(&expected, &tokens), 2e-4);
                    println!("{what}: {error:.2e}");
                }
            }
        }
    }
}
