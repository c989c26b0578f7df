// Convolution as a product of matrices: the weights [c_out, depth] times the windows of x, [depth, B * H' * W'], whose columns are read from x
// as they are needed and stored nowhere (implicit GEMM). A workgroup makes ROWS channels of COLUMNS pixels from tiles of DEPTH terms in
// workgroup memory; an invocation holds 4 channels by 4 * EACH pixels. Each value is one chain of sums in the order of the terms.
// Where the sums are split, each part writes its own copy of y, without the bias, and conv2d_sum adds them up.
// Imports grid, convolution and a storage.

@group(0) @binding(0) var<uniform> p: Convolution;
@group(0) @binding(1) var<storage, read_write> x: array<f32>;           // [B, c_in, H, W]
@group(0) @binding(2) var<storage, read_write> weight: array<Storage>;  // [c_out, c_in, kernel, kernel]
@group(0) @binding(3) var<storage, read_write> bias: array<f32>;        // [c_out]
@group(0) @binding(4) var<storage, read_write> y: array<f32>;           // [splits, B, c_out, H', W']

const INVOCATIONS = 256u;

override ROWS: u32 = 64u;       // a multiple of 4
override EACH: u32 = 1u;        // vec4s of pixels of an invocation, at most 2
override DEPTH: u32 = 16u;      // terms of a tile

var<workgroup> weights: array<vec4<f32>, 256>;      // [DEPTH, ROWS / 4]
var<workgroup> windows: array<vec4<f32>, 512>;      // [DEPTH, COLUMNS / 4]

// Where a window of x begins; outside of the picture where there is no such pixel.
struct Window {
    image: u32,
    top: i32,
    left: i32,
}

fn window_of(pixel: u32) -> Window {
    let pixels = p.out_height * p.out_width;
    if (pixel >= p.batch * pixels) {
        return Window(0u, -65536, -65536);
    }
    let at = pixel % pixels;
    let top = i32((at / p.out_width) * p.stride) - i32(p.padding);
    let left = i32((at % p.out_width) * p.stride) - i32(p.padding);
    return Window((pixel / pixels) * p.c_in * p.height * p.width, top, left);
}

fn load_weight(row: u32, term: u32) -> f32 {
    if (row >= p.c_out) {
        return 0.0;
    }
    return f32(weight[row * p.depth + term]);
}

// Four channels of a term.
fn load_weights(row: u32, term: u32, end: u32) -> vec4<f32> {
    if (term >= end) {
        return vec4(0.0);
    }
    return vec4(load_weight(row, term), load_weight(row + 1u, term), load_weight(row + 2u, term), load_weight(row + 3u, term));
}

fn load_window(window: Window, channel: u32, down: i32, right: i32) -> f32 {
    let row = window.top + down;
    let column = window.left + right;
    if (row < 0 || row >= i32(p.height) || column < 0 || column >= i32(p.width)) {
        return 0.0;
    }
    return x[window.image + (channel * p.height + u32(row)) * p.width + u32(column)];
}

var<private> sums: array<vec4<f32>, 8>;     // [EACH, 4 channels] of four pixels

fn add_tile(row: u32, column: u32, columns: u32) {
    for (var d = 0u; d < DEPTH; d += 1u) {
        let w = weights[d * (ROWS / 4u) + row];
        for (var e = 0u; e < EACH; e += 1u) {
            let v = windows[d * columns + e * (1024u / ROWS) + column];
            sums[e * 4u] += w.x * v;
            sums[e * 4u + 1u] += w.y * v;
            sums[e * 4u + 2u] += w.z * v;
            sums[e * 4u + 3u] += w.w * v;
        }
    }
}

fn store(split: u32, row: u32, pixel: u32, e: u32) {
    let pixels = p.out_height * p.out_width;
    for (var i = 0u; i < 4u; i += 1u) {
        if (pixel + i < p.batch * pixels) {
            let image = (pixel + i) / pixels;
            let at = (split * p.batch + image) * p.c_out * pixels + (pixel + i) % pixels;
            for (var r = 0u; r < 4u; r += 1u) {
                if (row + r < p.c_out) {
                    let sum = sums[e * 4u + r][i];
                    if (p.splits == 1u) {
                        y[at + (row + r) * pixels] = sum + bias[row + r];
                    } else {
                        y[at + (row + r) * pixels] = sum;
                    }
                }
            }
        }
    }
}

@compute @workgroup_size(INVOCATIONS)
fn conv2d(
    @builtin(workgroup_id) id: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) t: u32,
) {
    let group = group_index(id, groups);
    if (group >= p.groups) {
        return;
    }
    // Groups beside each other share their windows: those are the larger part of what is read.
    let row_tiles = (p.c_out + ROWS - 1u) / ROWS;
    let threads = 1024u / ROWS;                 // invocations beside each other, 4 * EACH pixels each
    let columns = threads * EACH;               // vec4s of pixels of a tile
    let first_row = (group % row_tiles) * ROWS;
    let split = (group / row_tiles) % p.splits;
    let first_pixel = (group / row_tiles / p.splits) * columns * 4u;

    // What this invocation loads: always the same four pixels, of every (256 / columns)-th term.
    let loaded = first_pixel + (t % columns) * 4u;
    let window_0 = window_of(loaded);
    let window_1 = window_of(loaded + 1u);
    let window_2 = window_of(loaded + 2u);
    let window_3 = window_of(loaded + 3u);
    let area = p.kernel * p.kernel;
    let end = min((split + 1u) * p.split_depth, p.depth);

    for (var first = split * p.split_depth; first < end; first += DEPTH) {
        if (t < DEPTH * (ROWS / 4u)) {
            weights[(t % DEPTH) * (ROWS / 4u) + t / DEPTH] = load_weights(first_row + (t / DEPTH) * 4u, first + t % DEPTH, end);
        }
        for (var i = t; i < DEPTH * columns; i += INVOCATIONS) {
            let term = first + i / columns;
            var value = vec4(0.0);
            if (term < end) {
                let channel = term / area;
                let down = i32((term % area) / p.kernel);
                let right = i32(term % p.kernel);
                value = vec4(
                    load_window(window_0, channel, down, right),
                    load_window(window_1, channel, down, right),
                    load_window(window_2, channel, down, right),
                    load_window(window_3, channel, down, right),
                );
            }
            windows[i] = value;
        }
        workgroupBarrier();
        add_tile(t / threads, t % threads, columns);
        workgroupBarrier();
    }
    for (var e = 0u; e < EACH; e += 1u) {
        store(split, first_row + (t / threads) * 4u, first_pixel + (e * threads + t % threads) * 4u, e);
    }
}
