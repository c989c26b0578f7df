//! `--from`: a picture of the user's in place of the first stages.

use std::fs::File;
use std::io::BufReader;
use std::path::Path;

use image::imageops::FilterType;
use image::metadata::Orientation;
use image::{DynamicImage, ImageDecoder, ImageFormat, ImageReader, Limits, Rgba, RgbaImage};
use imagen_protocol::{RgbImage, StageInput};

use crate::error::{AppError, file_error};

/// Longest side that is decoded, pixels.
const MAX_SIDE: u32 = 16_384;
/// Most memory that decoding may take, bytes.
const MAX_BYTES: u64 = 1 << 30;

/// The picture as a stage's input, and what was done to it that the user may not expect.
#[derive(Debug)]
pub struct Input {
    pub input: StageInput,
    pub remarks: Vec<String>,
}

/// A picture that may have been made smaller.
#[derive(Clone, Debug, PartialEq)]
pub struct Scaled {
    pub image: RgbImage,
    /// Width and height of the file's own pixels.
    pub size: [u32; 2],
}

/// Scales the picture's central square to the largest of `sizes` that it fills.
///
/// # Errors
/// [`imagen_protocol::EngineError::File`]: no picture, of a format or size that is not taken, or smaller than the smallest of `sizes`.
pub fn load(path: &Path, sizes: &[u32]) -> Result<Input, AppError> {
    let picture = decode(path)?;
    let (width, height) = (picture.width(), picture.height());
    let side = width.min(height);
    let Some(size) = sizes.iter().copied().filter(|&s| s <= side).max() else {
        return Err(too_small(path, width, height, sizes));
    };
    let mut remarks = Vec::new();
    if width != height {
        remarks.push(format!("{}: {width} x {height} is cut to its central {side} x {side}", path.display()));
    }
    if picture.color().has_alpha() {
        remarks.push(format!("{}: what is transparent becomes white", path.display()));
    }
    if side != size {
        remarks.push(format!("{}: {side} x {side} is scaled to {size} x {size}", path.display()));
    }
    let square = picture.crop_imm((width - side) / 2, (height - side) / 2, side, side);
    let scaled = over_white(&square.into_rgba8(), size);
    let image = RgbImage::new(size, size, scaled).ok_or_else(|| file_error(path, "has no pixels", "give another picture"))?;
    Ok(Input { input: StageInput { size, images: vec![image] }, remarks })
}

/// The whole picture, on white, no side longer than `side`; a smaller one stays as it is.
///
/// # Errors
/// As [`load`].
pub fn load_scaled(path: &Path, side: u32) -> Result<Scaled, AppError> {
    let picture = decode(path)?;
    let size = [picture.width(), picture.height()];
    let fits = picture.width() <= side && picture.height() <= side;
    let small = if fits { picture } else { picture.thumbnail(side, side) }.into_rgba8();
    let pixels: Vec<u8> = small.pixels().flat_map(|&p| flatten(p)).collect();
    let image = RgbImage::new(small.width(), small.height(), pixels);
    let image = image.ok_or_else(|| file_error(path, "has no pixels", "give another picture"))?;
    Ok(Scaled { image, size })
}

fn decode(path: &Path) -> Result<DynamicImage, AppError> {
    let cannot = |e: &dyn std::fmt::Display| file_error(path, format!("cannot be read: {e}"), "give a PNG, JPEG or WebP picture");
    let file = File::open(path).map_err(|e| cannot(&e))?;
    let mut reader = ImageReader::new(BufReader::new(file)).with_guessed_format().map_err(|e| cannot(&e))?;
    if !matches!(reader.format(), Some(ImageFormat::Png | ImageFormat::Jpeg | ImageFormat::WebP)) {
        return Err(file_error(path, "is no PNG, JPEG or WebP picture", "give one of these"));
    }
    reader.limits(limits());
    let mut decoder = reader.into_decoder().map_err(|e| too_large_or(path, &e))?;
    // Limits are advice to some decoders: what the header says is checked here too, before any pixel is read.
    let (width, height) = decoder.dimensions();
    if width > MAX_SIDE || height > MAX_SIDE || decoder.total_bytes() > MAX_BYTES {
        return Err(too_large(path, &format!("is {width} x {height} pixels")));
    }
    let orientation = decoder.orientation().unwrap_or(Orientation::NoTransforms);
    let mut picture = DynamicImage::from_decoder(decoder).map_err(|e| too_large_or(path, &e))?;
    picture.apply_orientation(orientation);
    Ok(picture)
}

fn limits() -> Limits {
    let mut limits = Limits::default();
    limits.max_image_width = Some(MAX_SIDE);
    limits.max_image_height = Some(MAX_SIDE);
    limits.max_alloc = Some(MAX_BYTES);
    limits
}

fn too_large_or(path: &Path, error: &image::ImageError) -> AppError {
    match error {
        image::ImageError::Limits(e) => too_large(path, &format!("is too large: {e}")),
        other => file_error(path, format!("cannot be read: {other}"), "give a whole PNG, JPEG or WebP picture"),
    }
}

fn too_large(path: &Path, problem: &str) -> AppError {
    file_error(path, problem, &format!("give one of at most {MAX_SIDE} x {MAX_SIDE}"))
}

fn too_small(path: &Path, width: u32, height: u32, sizes: &[u32]) -> AppError {
    let problem = format!("is {width} x {height} pixels");
    match sizes.iter().min() {
        Some(least) => file_error(path, problem, &format!("give one of at least {least} x {least}")),
        None => file_error(path, "no stage comes after it", "leave --from out, or give a later --until"),
    }
}

/// Laid on white before it is scaled, so that invisible colours do not bleed in.
fn over_white(picture: &RgbaImage, size: u32) -> Vec<u8> {
    let flat = RgbaImage::from_fn(picture.width(), picture.height(), |x, y| {
        let [r, g, b] = flatten(*picture.get_pixel(x, y));
        Rgba([r, g, b, 255])
    });
    let exact = flat.width() == size;
    let scaled = if exact { flat } else { image::imageops::resize(&flat, size, size, FilterType::CatmullRom) };
    scaled.pixels().flat_map(|p| [p.0[0], p.0[1], p.0[2]]).collect()
}

fn flatten(Rgba([r, g, b, a]): Rgba<u8>) -> [u8; 3] {
    [r, g, b].map(|c| blend(c, a))
}

/// c over white at opacity a, rounded.
fn blend(c: u8, a: u8) -> u8 {
    let (c, a) = (u32::from(c), u32::from(a));
    // At most 255: a weighted mean of two bytes.
    u8::try_from((c * a + 255 * (255 - a) + 127) / 255).unwrap_or(u8::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn saved(picture: &DynamicImage, format: ImageFormat) -> tempfile::NamedTempFile {
        let file = tempfile::NamedTempFile::new().expect("a file");
        picture.save_with_format(file.path(), format).expect("saved");
        file
    }

    /// Red left, green centre, blue right: thirds.
    fn thirds(width: u32, height: u32) -> DynamicImage {
        let colours = [[255, 0, 0], [0, 255, 0], [0, 0, 255]];
        image::RgbImage::from_fn(width, height, |x, _| image::Rgb(colours[(3 * x / width) as usize])).into()
    }

    #[test]
    fn the_central_square_is_taken_and_said() {
        let file = saved(&thirds(300, 100), ImageFormat::Png);
        let loaded = load(file.path(), &[64, 256]).expect("a picture");
        assert_eq!(loaded.input.size, 64);
        assert!(loaded.input.images[0].pixels().chunks(3).all(|p| p == [0, 255, 0]));
        assert!(loaded.remarks[0].contains("central 100 x 100"), "{:?}", loaded.remarks);
    }

    #[test]
    fn the_nearest_size_below_is_chosen_and_an_exact_one_is_untouched() {
        for (side, expected) in [(64, 64), (255, 64), (256, 256), (1024, 256)] {
            let file = saved(&thirds(side, side), ImageFormat::Png);
            assert_eq!(load(file.path(), &[64, 256]).expect("a picture").input.size, expected, "{side}");
        }
        let exact = thirds(64, 64);
        let loaded = load(saved(&exact, ImageFormat::Png).path(), &[64]).expect("a picture");
        assert_eq!(loaded.input.images[0].pixels(), exact.as_bytes());
        assert!(loaded.remarks.is_empty());
    }

    #[test]
    fn jpeg_and_webp_are_read_whatever_the_name_says() {
        for format in [ImageFormat::Jpeg, ImageFormat::WebP] {
            assert!(load(saved(&thirds(64, 64), format).path(), &[64]).is_ok(), "{format:?}");
        }
    }

    #[test]
    fn transparent_becomes_white() {
        let clear: DynamicImage = RgbaImage::from_pixel(64, 64, Rgba([255, 0, 0, 0])).into();
        let loaded = load(saved(&clear, ImageFormat::Png).path(), &[64]).expect("a picture");
        assert!(loaded.input.images[0].pixels().iter().all(|&c| c == 255));
        assert_eq!((blend(0, 255), blend(200, 255), blend(0, 128)), (0, 200, 127));
    }

    #[test]
    fn a_header_of_100000_pixels_is_refused_before_decoding() {
        let mut bytes = Vec::new();
        let mut encoder = png::Encoder::new(&mut bytes, 100_000, 100_000);
        encoder.set_color(png::ColorType::Rgb);
        drop(encoder.write_header().expect("a header"));
        let file = tempfile::NamedTempFile::new().expect("a file");
        std::fs::write(file.path(), &bytes).expect("written");
        let error = load(file.path(), &[64]).expect_err("too large").to_string();
        assert!(error.contains("at most 16384"), "{error}");
    }

    #[test]
    fn what_cannot_serve_is_refused() {
        let text = tempfile::NamedTempFile::new().expect("a file");
        std::fs::write(text.path(), "not a picture").expect("written");
        let small = saved(&thirds(40, 80), ImageFormat::Png);
        let fine = saved(&thirds(80, 80), ImageFormat::Png);
        let whole = std::fs::read(saved(&thirds(80, 80), ImageFormat::Png).path()).expect("read");
        let truncated = tempfile::NamedTempFile::new().expect("a file");
        std::fs::write(truncated.path(), &whole[..whole.len() / 2]).expect("written");
        let cases = [
            (load(text.path(), &[64]), "is no PNG, JPEG or WebP"),
            (load(small.path(), &[64]), "at least 64 x 64"),
            (load(truncated.path(), &[64]), "cannot be read"),
            (load(fine.path(), &[]), "no stage comes after it"),
            (load(Path::new("/no/such.png"), &[64]), "cannot be read"),
        ];
        for (result, part) in cases {
            let error = result.expect_err(part).to_string();
            assert!(error.contains(part), "{error} / {part}");
        }
    }
}
