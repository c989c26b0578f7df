// What the passes of a convolution share: its settings.

struct Convolution {
    c_in: u32,
    height: u32,
    width: u32,
    c_out: u32,
    out_height: u32,
    out_width: u32,
    kernel: u32,            // of a side
    stride: u32,
    padding: u32,
    batch: u32,
    depth: u32,             // c_in * kernel * kernel: the terms of a sum
    splits: u32,            // parts of a sum that are made apart, so that few outputs still fill the GPU
    split_depth: u32,       // terms of a part
    groups: u32,
}
