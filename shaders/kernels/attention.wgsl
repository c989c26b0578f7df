// softmax(Q K^T * scale + bias) V with an online softmax (Milakov & Gimelshein 2018; Dao et al. 2022): a workgroup holds 64 queries
// of a head and walks over the keys 32 at a time, so that memory grows with L, never with L^2.
// Masked keys count for nothing, whatever they hold. A query that has no key of weight over 0 gives zeros.
// Imports grid and a storage.

struct Attention {
    heads: u32,
    queries: u32,
    keys: u32,
    d: u32,
    groups: u32,
    has_bias: u32,
    has_mask: u32,
    scale: f32,
    q_stride: vec4<u32>,    // batch, head, position; the last axis is dense
    k_stride: vec4<u32>,
    v_stride: vec4<u32>,
}

@group(0) @binding(0) var<uniform> p: Attention;
@group(0) @binding(1) var<storage, read_write> q: array<Storage>;        // [B, heads, queries, d]
@group(0) @binding(2) var<storage, read_write> k: array<Storage>;        // [B, heads, keys, d]
@group(0) @binding(3) var<storage, read_write> v: array<Storage>;        // [B, heads, keys, d]
@group(0) @binding(4) var<storage, read_write> bias: array<Storage>;     // [heads, queries, keys]
@group(0) @binding(5) var<storage, read_write> key_mask: array<f32>;     // [B, keys], 0 where masked
@group(0) @binding(6) var<storage, read_write> o: array<Storage>;        // [B, heads, queries, d], dense

const INVOCATIONS = 256u;
const QUERIES = 64u;        // of a workgroup
const KEYS = 32u;           // of a tile
const STEP = 4u;            // vec4s of d that a step of Q K^T reads
const KEY_CHUNK = 256u;     // where K's part of a chunk starts: QUERIES * STEP
const LOWEST = -3.4028234e38;

// The output tile, QUERIES by 4 * COLUMNS * COLUMNS_EACH >= d: an invocation holds COLUMNS / 4 queries by COLUMNS_EACH vec4s of it.
override COLUMNS: u32 = 16u;
override COLUMNS_EACH: u32 = 2u;
override VALUES: u32 = 8u;  // rows of V in a chunk: min(KEYS, 256 / (COLUMNS * COLUMNS_EACH))

var<workgroup> chunk: array<vec4<f32>, 384>;        // [STEP, QUERIES] of Q and [STEP, KEYS] of K, or [VALUES, columns] of V
var<workgroup> weights: array<f32, 2048>;           // [QUERIES, KEYS]: scores, then exp(score - row_max)
var<workgroup> partial: array<f32, INVOCATIONS>;    // a row's maximum or sum, in four parts
var<workgroup> row_max: array<f32, QUERIES>;
var<workgroup> row_sum: array<f32, QUERIES>;
var<workgroup> rescale: array<f32, QUERIES>;

struct Tile {
    batch: u32,
    head: u32,
    query: u32,             // the first one
    q_at: u32,              // where this batch and head start
    k_at: u32,
    v_at: u32,
}

fn tile_of(group: u32) -> Tile {
    let tiles = (p.queries + QUERIES - 1u) / QUERIES;
    let head = (group / tiles) % p.heads;
    let batch = group / tiles / p.heads;
    let at = vec2(batch, head);
    return Tile(
        batch, head, (group % tiles) * QUERIES,
        batch * p.q_stride.x + head * p.q_stride.y,
        batch * p.k_stride.x + head * p.k_stride.y,
        batch * p.v_stride.x + head * p.v_stride.y,
    );
}

fn attends(tile: Tile, key: u32) -> bool {
    if (key >= p.keys) {
        return false;
    }
    return p.has_mask == 0u || key_mask[tile.batch * p.keys + key] != 0.0;
}

fn load_q(tile: Tile, query: u32, column: u32) -> vec4<f32> {
    var value = vec4(0.0);
    if (query < p.queries) {
        let at = tile.q_at + query * p.q_stride.z;
        for (var i = 0u; i < 4u; i += 1u) {
            if (column * 4u + i < p.d) { value[i] = f32(q[at + column * 4u + i]); }
        }
    }
    return value;
}

fn load_k(tile: Tile, key: u32, column: u32) -> vec4<f32> {
    var value = vec4(0.0);
    if (key < p.keys) {
        let at = tile.k_at + key * p.k_stride.z;
        for (var i = 0u; i < 4u; i += 1u) {
            if (column * 4u + i < p.d) { value[i] = f32(k[at + column * 4u + i]); }
        }
    }
    return value;
}

fn load_v(tile: Tile, key: u32, column: u32) -> vec4<f32> {
    var value = vec4(0.0);
    if (attends(tile, key)) {
        let at = tile.v_at + key * p.v_stride.z;
        for (var i = 0u; i < 4u; i += 1u) {
            if (column * 4u + i < p.d) { value[i] = f32(v[at + column * 4u + i]); }
        }
    }
    return value;
}

fn score(tile: Tile, query: u32, key: u32, dot: f32) -> f32 {
    if (query >= p.queries || !attends(tile, key)) {
        return LOWEST;
    }
    if (p.has_bias == 0u) {
        return dot * p.scale;
    }
    return dot * p.scale + f32(bias[(tile.head * p.queries + query) * p.keys + key]);
}

// Scores of the tile into `weights`: an invocation has 4 queries by 2 keys.
fn score_tile(tile: Tile, first_key: u32, t: u32) {
    let row = (t / 16u) * 4u;
    let key = t % 16u;
    var low = vec4(0.0);    // of `key`, one component a query
    var high = vec4(0.0);   // of `key + 16`
    for (var column = 0u; column * 4u < p.d; column += STEP) {
        let i = t % STEP;
        chunk[i * QUERIES + t / STEP] = load_q(tile, tile.query + t / STEP, column + i);
        if (t < KEYS * STEP) {
            chunk[KEY_CHUNK + i * KEYS + t / STEP] = load_k(tile, first_key + t / STEP, column + i);
        }
        workgroupBarrier();
        for (var j = 0u; j < STEP; j += 1u) {
            let k_low = chunk[KEY_CHUNK + j * KEYS + key];
            let k_high = chunk[KEY_CHUNK + j * KEYS + key + 16u];
            let q_0 = chunk[j * QUERIES + row];
            let q_1 = chunk[j * QUERIES + row + 1u];
            let q_2 = chunk[j * QUERIES + row + 2u];
            let q_3 = chunk[j * QUERIES + row + 3u];
            low += vec4(dot(q_0, k_low), dot(q_1, k_low), dot(q_2, k_low), dot(q_3, k_low));
            high += vec4(dot(q_0, k_high), dot(q_1, k_high), dot(q_2, k_high), dot(q_3, k_high));
        }
        workgroupBarrier();
    }
    for (var i = 0u; i < 4u; i += 1u) {
        let query = tile.query + row + i;
        weights[(row + i) * KEYS + key] = score(tile, query, first_key + key, low[i]);
        weights[(row + i) * KEYS + key + 16u] = score(tile, query, first_key + key + 16u, high[i]);
    }
    workgroupBarrier();
}

// Scores to weights relative to the maximum so far; what was summed up to now has to be rescaled. Four invocations a row.
fn softmax_tile(t: u32) {
    let row = t / 4u;
    let part = t % 4u;
    var largest = LOWEST;
    for (var i = part; i < KEYS; i += 4u) {
        largest = max(largest, weights[row * KEYS + i]);
    }
    partial[t] = largest;
    workgroupBarrier();

    let before = row_max[row];
    for (var i = 0u; i < 4u; i += 1u) {
        largest = max(largest, partial[row * 4u + i]);
    }
    largest = max(largest, before);
    workgroupBarrier();

    var sum = 0.0;
    for (var i = part; i < KEYS; i += 4u) {
        let score = weights[row * KEYS + i];
        let weight = select(exp(score - largest), 0.0, score == LOWEST);
        weights[row * KEYS + i] = weight;
        sum += weight;
    }
    partial[t] = sum;
    workgroupBarrier();

    if (part == 0u) {
        let factor = exp(before - largest);
        let at = row * 4u;
        row_sum[row] = row_sum[row] * factor + partial[at] + partial[at + 1u] + partial[at + 2u] + partial[at + 3u];
        row_max[row] = largest;
        rescale[row] = factor;
    }
    workgroupBarrier();
}

var<private> sums: array<vec4<f32>, 8>;     // [COLUMNS / 4, COLUMNS_EACH] of the output tile

// sums = sums * rescale + weights * V
fn add_values(tile: Tile, first_key: u32, t: u32) {
    let rows = COLUMNS / 4u;
    let row = (t / COLUMNS) * rows;
    let column = t % COLUMNS;
    let width = COLUMNS * COLUMNS_EACH;
    for (var r = 0u; r < rows; r += 1u) {
        for (var c = 0u; c < COLUMNS_EACH; c += 1u) {
            sums[r * COLUMNS_EACH + c] *= rescale[row + r];
        }
    }
    for (var first = 0u; first < KEYS; first += VALUES) {
        for (var i = t; i < VALUES * width; i += INVOCATIONS) {
            chunk[i] = load_v(tile, first_key + first + i / width, i % width);
        }
        workgroupBarrier();
        for (var key = 0u; key < VALUES; key += 1u) {
            for (var c = 0u; c < COLUMNS_EACH; c += 1u) {
                let value = chunk[key * width + c * COLUMNS + column];
                for (var r = 0u; r < rows; r += 1u) {
                    sums[r * COLUMNS_EACH + c] += weights[(row + r) * KEYS + first + key] * value;
                }
            }
        }
        workgroupBarrier();
    }
}

fn store(tile: Tile, t: u32) {
    let rows = COLUMNS / 4u;
    for (var r = 0u; r < rows; r += 1u) {
        let row = (t / COLUMNS) * rows + r;
        let query = tile.query + row;
        if (query < p.queries) {
            let at = ((tile.batch * p.heads + tile.head) * p.queries + query) * p.d;
            let sum = row_sum[row];
            for (var c = 0u; c < COLUMNS_EACH; c += 1u) {
                let value = select(sums[r * COLUMNS_EACH + c] / sum, vec4(0.0), sum == 0.0);
                let column = (c * COLUMNS + t % COLUMNS) * 4u;
                for (var i = 0u; i < 4u; i += 1u) {
                    if (column + i < p.d) { o[at + column + i] = Storage(value[i]); }
                }
            }
        }
    }
}

@compute @workgroup_size(INVOCATIONS)
fn attention(
    @builtin(workgroup_id) id: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) t: u32,
) {
    let group = group_index(id, groups);
    if (group >= p.groups) {
        return;
    }
    let tile = tile_of(group);
    if (t < QUERIES) {
        row_max[t] = LOWEST;
        row_sum[t] = 0.0;
    }
    for (var first_key = 0u; first_key < p.keys; first_key += KEYS) {
        score_tile(tile, first_key, t);
        softmax_tile(t);
        add_values(tile, first_key, t);
    }
    store(tile, t);
}
