//! Weights that nobody trained.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;

use burn::tensor::f16;

/// A safetensors file of f16 with these tensors. `value` makes each of a tensor's values from its place and a number around 0 whose spread
/// keeps a layer's output about as large as its input; the file is written tensor by tensor, as it may be larger than memory.
///
/// # Panics
/// If the file cannot be written.
pub fn write(path: &Path, shapes: &BTreeMap<String, Vec<usize>>, mut value: impl FnMut(usize, f32) -> f16) {
    let mut header = serde_json::Map::new();
    let mut end = 0;
    for (name, shape) in shapes {
        let start = end;
        end += 2 * shape.iter().product::<usize>();
        header.insert(name.clone(), serde_json::json!({ "dtype": "F16", "shape": shape, "data_offsets": [start, end] }));
    }
    let mut header = serde_json::Value::from(header).to_string();
    header.extend(std::iter::repeat_n(' ', header.len().next_multiple_of(8) - header.len()));
    let mut file = std::io::BufWriter::new(std::fs::File::create(path).expect("a file"));
    file.write_all(&(header.len() as u64).to_le_bytes()).expect("written");
    file.write_all(header.as_bytes()).expect("written");
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
