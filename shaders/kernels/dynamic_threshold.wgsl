// clamp(x0_hat, -s, s) / s, and how many |x0_hat| were beyond s. Static thresholding has s = 1; none leaves the values alone.
// Imports grid, threshold.

@group(0) @binding(0) var<uniform> p: Threshold;
@group(0) @binding(1) var<storage, read_write> x0_hat: array<f32>;
@group(0) @binding(2) var<storage, read_write> state: array<atomic<u32>>;
@group(0) @binding(3) var<storage, read_write> thresholded: array<f32>;

const INVOCATIONS = 256u;
var<workgroup> clipped: atomic<u32>;

fn threshold(x: f32, s: f32, s_bits: u32, bits: u32) -> f32 {
    if (p.mode == NONE || bits > INFINITY) {
        return x;
    }
    if (s_bits > INFINITY) {
        return s;
    }
    return min(max(x, -s), s) / s;
}

@compute @workgroup_size(INVOCATIONS)
fn dynamic_threshold(
    @builtin(workgroup_id) id: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) t: u32,
) {
    let group = group_index(id, groups);
    let image = group / p.groups_per_image;
    if (image >= p.images) {
        return;
    }
    if (t == 0u) {
        atomicStore(&clipped, 0u);
    }
    workgroupBarrier();

    let at = image * STATE_WORDS;
    let s_bits = select(bitcast<u32>(1.0), atomicLoad(&state[at + SCALE]), p.mode == DYNAMIC);
    let s = bitcast<f32>(s_bits);
    let stride = p.groups_per_image * INVOCATIONS;
    var beyond = 0u;
    for (var i = (group % p.groups_per_image) * INVOCATIONS + t; i < p.values; i += stride) {
        let x = x0_hat[image * p.values + i];
        let bits = magnitude_bits(x);
        beyond += u32(bits > s_bits && bits <= INFINITY);
        thresholded[image * p.values + i] = threshold(x, s, s_bits, bits);
    }
    if (beyond > 0u) {
        atomicAdd(&clipped, beyond);
    }
    workgroupBarrier();
    if (t == 0u) {
        atomicAdd(&state[at + CLIPPED], atomicLoad(&clipped));
    }
}
