// y = the parts of a split convolution, added in their order, and the bias. One invocation a value.
// Imports grid and convolution.

@group(0) @binding(0) var<uniform> p: Convolution;
@group(0) @binding(1) var<storage, read_write> parts: array<f32>;   // [splits, B, c_out, H', W']
@group(0) @binding(2) var<storage, read_write> bias: array<f32>;    // [c_out]
@group(0) @binding(3) var<storage, read_write> y: array<f32>;       // [B, c_out, H', W']

const INVOCATIONS = 256u;

@compute @workgroup_size(INVOCATIONS)
fn conv2d_sum(
    @builtin(workgroup_id) id: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) t: u32,
) {
    let at = group_index(id, groups) * INVOCATIONS + t;
    let pixels = p.out_height * p.out_width;
    let values = p.batch * p.c_out * pixels;
    if (at >= values) {
        return;
    }
    var sum = 0.0;
    for (var split = 0u; split < p.splits; split += 1u) {
        sum += parts[split * values + at];
    }
    y[at] = sum + bias[(at / pixels) % p.c_out];
}
