// Finds in an image's histogram the next digit of both order statistics and clears it for the next digit. After the last one the
// bits are complete: s = clamp(x_k + (x_k+1 - x_k) * fraction, 1, cap), NaN where the image holds a NaN. One workgroup an image.
// Imports grid, threshold.

@group(0) @binding(0) var<uniform> p: Threshold;
@group(0) @binding(1) var<storage, read_write> state: array<atomic<u32>>;

const INVOCATIONS = 256u;
var<workgroup> totals: array<u32, INVOCATIONS>;  // of the bins that an invocation reads
var<workgroup> found: array<u32, 2>;             // the two prefixes, this digit appended

// Which of `length` bins from `first` on holds the statistic's rank. Each invocation reads a run of bins.
fn select_digit(statistic: u32, at: u32, first: u32, length: u32, t: u32) {
    let run = length / INVOCATIONS;
    let start = at + BINS + first + t * run;
    var total = 0u;
    for (var i = 0u; i < run; i += 1u) {
        total += atomicLoad(&state[start + i]);
    }
    totals[t] = total;
    workgroupBarrier();

    var before = 0u;
    for (var i = 0u; i < t; i += 1u) {
        before += totals[i];
    }
    var rank = p.rank[statistic];
    if (SHIFT != FIRST_SHIFT) {
        rank = atomicLoad(&state[at + RANK + statistic]);
    }
    workgroupBarrier();
    if (rank < before || rank - before >= total) {
        return;
    }
    var left = rank - before;
    var digit = t * run;
    for (var i = 0u; i < run; i += 1u) {
        let n = atomicLoad(&state[start + i]);
        if (left < n) {
            break;
        }
        left -= n;
        digit += 1u;
    }
    var prefix = digit;
    if (SHIFT != FIRST_SHIFT) {
        prefix |= atomicLoad(&state[at + PREFIX + statistic]) << DIGIT_BITS;
    }
    atomicStore(&state[at + PREFIX + statistic], prefix);
    atomicStore(&state[at + RANK + statistic], left);
    found[statistic] = prefix;
}

fn scale(has_nan: bool) -> f32 {
    if (has_nan) {
        return p.nan;
    }
    let low = bitcast<f32>(found[0]);
    let high = bitcast<f32>(found[1]);
    // Infinity - infinity and infinity * 0 are NaN, and neither belongs here.
    let percentile = select(low + (high - low) * p.fraction, low, found[0] == found[1] || p.fraction == 0.0);
    return min(max(percentile, 1.0), p.cap);
}

@compute @workgroup_size(INVOCATIONS)
fn dynamic_threshold_select(
    @builtin(workgroup_id) id: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) t: u32,
) {
    let image = group_index(id, groups);
    if (image >= p.images) {
        return;
    }
    let at = image * STATE_WORDS;
    if (SHIFT == FIRST_SHIFT) {
        select_digit(0u, at, 0u, BIN_COUNT, t);
        select_digit(1u, at, 0u, BIN_COUNT, t);
    } else {
        select_digit(0u, at, 0u, BIN_COUNT / 2u, t);
        select_digit(1u, at, BIN_COUNT / 2u, BIN_COUNT / 2u, t);
    }
    storageBarrier();
    workgroupBarrier();

    for (var bin = t; bin < BIN_COUNT; bin += INVOCATIONS) {
        atomicStore(&state[at + BINS + bin], 0u);
    }
    if (SHIFT == 0u && t == 0u) {
        let s = scale(atomicLoad(&state[at + HAS_NAN]) != 0u);
        atomicStore(&state[at + SCALE], bitcast<u32>(s));
    }
}
