//! Pictures on the GPU that draws the window. A picture is uploaded once, and let go when it was not shown for a while.

use std::collections::HashMap;

use egui::{ColorImage, Context, TextureHandle, TextureId, TextureOptions};
use imagen_protocol::RgbImage;

/// Frames that a texture outlives its last use: live previews of 1024 pixels come 30 a second and take 4 MB each.
const KEPT_FRAMES: u64 = 8;

/// How pixels between pixels look.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Filter {
    /// Squares: for 64 and 256 pixels, and for zooming in.
    Nearest,
    Smooth,
}

struct Kept {
    /// Holds the pixels, so that their address stays theirs.
    _image: RgbImage,
    texture: TextureHandle,
    used: u64,
}

/// By the address of the pixels: pictures are shared, never changed.
#[derive(Default)]
pub struct Textures {
    kept: HashMap<(usize, Filter), Kept>,
    frame: u64,
}

impl Textures {
    /// Once a frame.
    pub fn begin_frame(&mut self) {
        self.frame += 1;
        let frame = self.frame;
        self.kept.retain(|_, kept| kept.used + KEPT_FRAMES >= frame);
    }

    pub fn get(&mut self, ctx: &Context, image: &RgbImage, filter: Filter) -> TextureId {
        let key = (image.pixels().as_ptr() as usize, filter);
        let frame = self.frame;
        let kept = self.kept.entry(key).or_insert_with(|| Kept {
            _image: image.clone(),
            texture: upload(ctx, image, filter),
            used: frame,
        });
        kept.used = frame;
        kept.texture.id()
    }
}

/// The picture as egui has it.
pub fn color_image(image: &RgbImage) -> ColorImage {
    ColorImage::from_rgb([image.width() as usize, image.height() as usize], image.pixels())
}

fn upload(ctx: &Context, image: &RgbImage, filter: Filter) -> TextureHandle {
    let options = match filter {
        Filter::Nearest => TextureOptions::NEAREST,
        Filter::Smooth => TextureOptions::LINEAR,
    };
    ctx.load_texture("picture", color_image(image), options)
}

impl std::fmt::Debug for Textures {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Textures").field("kept", &self.kept.len()).finish_non_exhaustive()
    }
}
