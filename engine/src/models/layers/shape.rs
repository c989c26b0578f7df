//! Tensors seen in another shape: heads, tokens, patches, half and double size.

use burn::tensor::Tensor;

use super::host;

/// # Shapes
/// [B, L, C] -> [B, heads, L, C / heads]
pub fn split_heads(x: Tensor<3>, heads: usize) -> Tensor<4> {
    let [b, l, c] = x.dims();
    x.reshape([b, l, heads, c / heads]).swap_dims(1, 2)
}

/// # Shapes
/// [B, heads, L, d] -> [B, L, heads * d]
pub fn merge_heads(x: Tensor<4>) -> Tensor<3> {
    let [b, heads, l, d] = x.dims();
    x.swap_dims(1, 2).reshape([b, l, heads * d])
}

/// # Shapes
/// [B, C, H, W] -> [B, H * W, C]
pub fn to_tokens(x: Tensor<4>) -> Tensor<3> {
    let [b, c, h, w] = x.dims();
    x.reshape([b, c, h * w]).swap_dims(1, 2)
}

/// # Shapes
/// [B, H * W, C] -> [B, C, H, W], `shape` being the result's
pub fn to_picture(x: Tensor<3>, shape: [usize; 4]) -> Tensor<4> {
    x.swap_dims(1, 2).reshape(shape)
}

/// Nearest neighbour: each pixel becomes `factor` x `factor` pixels.
///
/// # Shapes
/// [B, C, H, W] -> [B, C, factor H, factor W]
pub fn upsample(x: Tensor<4>, factor: usize) -> Tensor<4> {
    if host::is_host(&x) {
        return host::upsample(x, factor);
    }
    let [b, c, h, w] = x.dims();
    let x: Tensor<6> = x.reshape([b, c, h, 1, w, 1]);
    x.expand([b, c, h, factor, w, factor]).reshape([b, c, h * factor, w * factor])
}

/// Mean of 2 x 2 pixels. H and W are even.
///
/// # Shapes
/// [B, C, H, W] -> [B, C, H / 2, W / 2]
pub fn downsample(x: Tensor<4>) -> Tensor<4> {
    if host::is_host(&x) {
        return host::downsample(x);
    }
    let [b, c, h, w] = x.dims();
    let part = |dy: usize, dx: usize| {
        let rows: Tensor<6> = x.clone().reshape([b, c, h / 2, 2, w / 2, 2]);
        rows.slice([0..b, 0..c, 0..h / 2, dy..dy + 1, 0..w / 2, dx..dx + 1])
    };
    let sum = part(0, 0) + part(0, 1) + part(1, 0) + part(1, 1);
    (sum * 0.25).reshape([b, c, h / 2, w / 2])
}

/// Patches become channels: channel (c, dy, dx) of a patch is pixel (dy, dx) of channel c, as in PyTorch.
///
/// # Shapes
/// [B, C, H, W] -> [B, C patch^2, H / patch, W / patch]
pub fn pixel_unshuffle(x: Tensor<4>, patch: usize) -> Tensor<4> {
    if patch == 1 {
        return x;
    }
    if host::is_host(&x) {
        return host::pixel_unshuffle(x, patch);
    }
    let [b, c, h, w] = x.dims();
    let (rows, columns) = (h / patch, w / patch);
    let x: Tensor<6> = x.reshape([b, c, rows, patch, columns, patch]);
    x.permute([0, 1, 3, 5, 2, 4]).reshape([b, c * patch * patch, rows, columns])
}

/// The inverse of [`pixel_unshuffle`].
///
/// # Shapes
/// [B, C patch^2, H, W] -> [B, C, H patch, W patch]
pub fn pixel_shuffle(x: Tensor<4>, patch: usize) -> Tensor<4> {
    if patch == 1 {
        return x;
    }
    if host::is_host(&x) {
        return host::pixel_shuffle(x, patch, None);
    }
    let [b, c, h, w] = x.dims();
    let out = c / (patch * patch);
    let x: Tensor<6> = x.reshape([b, out, patch, patch, h, w]);
    x.permute([0, 1, 4, 2, 5, 3]).reshape([b, out, h * patch, w * patch])
}

/// The channels of `x`, then those of `y`.
///
/// # Shapes
/// [B, C, H, W], [B, C', H, W] -> [B, C + C', H, W]
pub fn beside(x: Tensor<4>, y: Tensor<4>) -> Tensor<4> {
    if host::is_host(&x) { host::beside(x, y) } else { Tensor::cat(vec![x, y], 1) }
}

/// [`pixel_shuffle`] of `x`, then the channels of `y`, without a picture in between where the device allows.
///
/// # Shapes
/// [B, C patch^2, H, W], [B, C', H patch, W patch] -> [B, C + C', H patch, W patch]
pub fn pixel_shuffle_beside(x: Tensor<4>, patch: usize, y: Tensor<4>) -> Tensor<4> {
    if host::is_host(&x) { host::pixel_shuffle(x, patch, Some(y)) } else { beside(pixel_shuffle(x, patch), y) }
}
