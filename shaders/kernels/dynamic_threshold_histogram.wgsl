// Counts the values of each image by one digit of the bits of |x0_hat|, among those that share an order statistic's leading bits.
// A workgroup counts in its own memory first and adds to the image's state once.
// Imports grid, threshold.

@group(0) @binding(0) var<uniform> p: Threshold;
@group(0) @binding(1) var<storage, read_write> x0_hat: array<f32>;
@group(0) @binding(2) var<storage, read_write> state: array<atomic<u32>>;

const INVOCATIONS = 256u;
var<workgroup> bins: array<atomic<u32>, BIN_COUNT>;

fn count(bits: u32, prefix: vec2<u32>) {
    if (SHIFT == FIRST_SHIFT) {
        atomicAdd(&bins[bits >> FIRST_SHIFT], 1u);
        return;
    }
    let high = bits >> (SHIFT + DIGIT_BITS);
    let digit = (bits >> SHIFT) & DIGIT_MASK;
    if (high == prefix.x) {
        atomicAdd(&bins[digit], 1u);
    }
    if (high == prefix.y) {
        atomicAdd(&bins[digit + BIN_COUNT / 2u], 1u);
    }
}

@compute @workgroup_size(INVOCATIONS)
fn dynamic_threshold_histogram(
    @builtin(workgroup_id) id: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) t: u32,
) {
    let group = group_index(id, groups);
    let image = group / p.groups_per_image;
    if (image >= p.images) {
        return;
    }
    for (var bin = t; bin < BIN_COUNT; bin += INVOCATIONS) {
        atomicStore(&bins[bin], 0u);
    }
    workgroupBarrier();

    let at = image * STATE_WORDS;
    let prefix = vec2(atomicLoad(&state[at + PREFIX]), atomicLoad(&state[at + PREFIX + 1u]));
    let stride = p.groups_per_image * INVOCATIONS;
    var has_nan = false;
    for (var i = (group % p.groups_per_image) * INVOCATIONS + t; i < p.values; i += stride) {
        let bits = magnitude_bits(x0_hat[image * p.values + i]);
        count(bits, prefix);
        has_nan |= bits > INFINITY;
    }
    if (SHIFT == FIRST_SHIFT && has_nan) {
        atomicStore(&state[at + HAS_NAN], 1u);
    }
    workgroupBarrier();

    for (var bin = t; bin < BIN_COUNT; bin += INVOCATIONS) {
        let n = atomicLoad(&bins[bin]);
        if (n > 0u) {
            atomicAdd(&state[at + BINS + bin], n);
        }
    }
}
