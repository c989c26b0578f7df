// s and the share of clipped values, each image. One invocation an image.
// Imports grid, threshold.

@group(0) @binding(0) var<uniform> p: Threshold;
@group(0) @binding(1) var<storage, read_write> state: array<atomic<u32>>;
@group(0) @binding(2) var<storage, read_write> s: array<f32>;
@group(0) @binding(3) var<storage, read_write> clipped: array<f32>;

const INVOCATIONS = 256u;

@compute @workgroup_size(INVOCATIONS)
fn dynamic_threshold_report(
    @builtin(workgroup_id) id: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) t: u32,
) {
    let image = group_index(id, groups) * INVOCATIONS + t;
    if (image >= p.images) {
        return;
    }
    let at = image * STATE_WORDS;
    s[image] = select(1.0, bitcast<f32>(atomicLoad(&state[at + SCALE])), p.mode == DYNAMIC);
    clipped[image] = f32(atomicLoad(&state[at + CLIPPED])) / f32(p.values);
}
