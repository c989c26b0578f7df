//! Weights that nobody trained.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

use burn::tensor::f16;

/// Names and shapes of tensors.
pub type Shapes = BTreeMap<String, Vec<usize>>;

/// A safetensors file of f16 with these tensors. `value` makes each of a tensor's values from its place and a number around 0 whose spread
/// keeps a layer's output about as large as its input; the file is written tensor by tensor, as it may be larger than memory.
///
/// # Panics
/// If the file cannot be written.
pub fn write(path: &Path, shapes: &Shapes, mut value: impl FnMut(usize, f32) -> f16) {
    let (file, _) = begin(path, shapes);
    let mut file = BufWriter::new(file);
    let mut state = 1_u64;
    for shape in shapes.values() {
        let inputs: usize = shape.iter().skip(1).product();
        let scale = if shape.len() > 1 { 1.0 / (inputs.max(1) as f32).sqrt() } else { 1.0 };
        for i in 0..shape.iter().product() {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            // 24 bits: what f32 holds.
            let uniform = (state >> 40) as f32 / (1 << 23) as f32 - 1.0;
            file.write_all(&value(i, 1.7 * scale * uniform).to_le_bytes()).expect("written");
        }
    }
    file.flush().expect("written");
}

/// As [`write`], all values 0, which take no room on most disks.
///
/// # Panics
/// If the file cannot be written.
pub fn zeros(path: &Path, shapes: &Shapes) {
    let (file, length) = begin(path, shapes);
    file.set_len(length).expect("room");
}

/// A file with its header, and how long it is to be.
fn begin(path: &Path, shapes: &Shapes) -> (File, u64) {
    let mut header = serde_json::Map::new();
    let mut end = 0;
    for (name, shape) in shapes {
        let start = end;
        end += 2 * shape.iter().product::<usize>();
        header.insert(name.clone(), serde_json::json!({ "dtype": "F16", "shape": shape, "data_offsets": [start, end] }));
    }
    let mut header = serde_json::Value::from(header).to_string();
    header.extend(std::iter::repeat_n(' ', header.len().next_multiple_of(8) - header.len()));
    let mut file = File::create(path).expect("a file");
    file.write_all(&(header.len() as u64).to_le_bytes()).expect("written");
    file.write_all(header.as_bytes()).expect("written");
    (file, (8 + header.len() + end) as u64)
}

/// The tensors of a T5 v1.1 encoder.
pub fn t5([vocab_size, d_model, d_ff, heads, d_kv]: [usize; 5], blocks: usize) -> Shapes {
    let mut shapes = Shapes::from([
        ("shared.weight".into(), vec![vocab_size, d_model]),
        ("encoder.final_layer_norm.weight".into(), vec![d_model]),
        ("encoder.block.0.layer.0.SelfAttention.relative_attention_bias.weight".into(), vec![32, heads]),
    ]);
    for layer in (0..blocks).map(|i| format!("encoder.block.{i}.layer")) {
        for name in ["q", "k", "v"] {
            shapes.insert(format!("{layer}.0.SelfAttention.{name}.weight"), vec![heads * d_kv, d_model]);
        }
        shapes.insert(format!("{layer}.0.SelfAttention.o.weight"), vec![d_model, heads * d_kv]);
        shapes.insert(format!("{layer}.0.layer_norm.weight"), vec![d_model]);
        shapes.insert(format!("{layer}.1.layer_norm.weight"), vec![d_model]);
        for (name, shape) in [("wi_0", [d_ff, d_model]), ("wi_1", [d_ff, d_model]), ("wo", [d_model, d_ff])] {
            shapes.insert(format!("{layer}.1.DenseReluDense.{name}.weight"), shape.into());
        }
    }
    shapes
}
