//! PNG files that carry the settings that made them.

mod a1111;
mod a1111_read;
mod metadata;

use std::fs::File;
use std::io::{BufReader, Read as _};
use std::path::Path;

use imagen_protocol::{EngineError, RgbImage};
use png::{BitDepth, ColorType, Compression, Decoder, Encoder, EncodingError, Limits};

pub use a1111::parameters;
pub use a1111_read::Parameters;
pub use metadata::{FORMAT, PictureSettings};

use crate::error::{AppError, file_error};

/// The chunk that AUTOMATIC1111's program and those after it read.
pub const PARAMETERS: &str = "parameters";
/// Our own: JSON of [`PictureSettings`].
pub const IMAGEN: &str = "imagen";
/// Longest text that is read, after decompression: far above any prompt, far below harm.
const MAX_TEXT: usize = 1 << 20;
/// Longest stretch of a file that is looked at for its texts; ours stand before the pixels.
const MAX_HEAD: u64 = 8 << 20;

/// A keyword and its text.
pub type Text<'a> = (&'a str, &'a str);

/// The bytes of an 8-bit sRGB PNG. `quick` trades size for speed.
///
/// # Errors
/// [`EngineError::Internal`] where the encoder refuses the texts.
pub fn encode(image: &RgbImage, texts: &[Text<'_>], quick: bool) -> Result<Vec<u8>, AppError> {
    try_encode(image, texts, quick).map_err(|e| EngineError::Internal { message: format!("a PNG was not encoded: {e}") }.into())
}

fn try_encode(image: &RgbImage, texts: &[Text<'_>], quick: bool) -> Result<Vec<u8>, EncodingError> {
    let mut bytes = Vec::new();
    let mut encoder = Encoder::new(&mut bytes, image.width(), image.height());
    encoder.set_color(ColorType::Rgb);
    encoder.set_depth(BitDepth::Eight);
    encoder.set_compression(if quick { Compression::Fast } else { Compression::Balanced });
    encoder.set_source_srgb(png::SrgbRenderingIntent::Perceptual);
    for (keyword, text) in texts {
        add_text(&mut encoder, keyword, text)?;
    }
    let mut writer = encoder.write_header()?;
    writer.write_image_data(image.pixels())?;
    writer.finish()?;
    Ok(bytes)
}

/// `tEXt` where Latin-1 can say it, as most readers expect, else `iTXt`.
fn add_text<W: std::io::Write>(encoder: &mut Encoder<'_, W>, keyword: &str, text: &str) -> Result<(), EncodingError> {
    let text = text.replace('\0', "");
    let is_latin1 = text.chars().all(|c| u32::from(c) < 256);
    if is_latin1 && keyword != IMAGEN {
        encoder.add_text_chunk(keyword.into(), text)
    } else {
        encoder.add_itxt_chunk(keyword.into(), text)
    }
}

/// The texts of a PNG that stand before its pixels, keyword first; those too long or damaged are left out.
///
/// # Errors
/// [`EngineError::File`] where there is no readable PNG.
pub fn read_texts(path: &Path) -> Result<Vec<(String, String)>, AppError> {
    let file =
        File::open(path).map_err(|e| file_error(path, format!("cannot be read: {e}"), "give a PNG made by imagen-wgpu"))?;
    let limits = Limits { bytes: usize::try_from(MAX_HEAD).unwrap_or(usize::MAX) };
    let decoder = Decoder::new_with_limits(BufReader::new(file.take(MAX_HEAD)), limits);
    let not_png = |e| file_error(path, format!("is no PNG that can be read: {e}"), "give a PNG made by imagen-wgpu");
    let reader = decoder.read_info().map_err(not_png)?;
    let info = reader.info();
    let plain = info.uncompressed_latin1_text.iter().map(|t| (t.keyword.clone(), Some(t.text.clone())));
    let compressed = info.compressed_latin1_text.iter().map(|t| (t.keyword.clone(), inflate_latin1(t.clone())));
    let unicode = info.utf8_text.iter().map(|t| (t.keyword.clone(), inflate_utf8(t.clone())));
    let all = plain.chain(compressed).chain(unicode);
    Ok(all.filter_map(|(keyword, text)| Some((keyword, text?))).filter(|(_, text)| text.len() <= MAX_TEXT).collect())
}

/// The crate's own `get_text` decompresses without a bound (image-png issue 696): the bounded call goes first.
fn inflate_utf8(mut chunk: png::text_metadata::ITXtChunk) -> Option<String> {
    chunk.decompress_text_with_limit(MAX_TEXT).ok()?;
    chunk.get_text().ok()
}

fn inflate_latin1(mut chunk: png::text_metadata::ZTXtChunk) -> Option<String> {
    chunk.decompress_text_with_limit(MAX_TEXT).ok()?;
    chunk.get_text().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_support::flat;

    fn written(bytes: &[u8]) -> tempfile::NamedTempFile {
        let file = tempfile::NamedTempFile::new().expect("a file");
        std::fs::write(file.path(), bytes).expect("written");
        file
    }

    #[test]
    fn pixels_and_texts_come_back() {
        let image = flat(5, [1, 2, 3]);
        for quick in [false, true] {
            let bytes = encode(&image, &[(PARAMETERS, "café"), ("note", "赤い"), (IMAGEN, "{}")], quick).expect("encoded");
            let back = image::load_from_memory(&bytes).expect("a PNG").to_rgb8();
            assert_eq!(back.into_raw(), image.pixels());
            let mut texts = read_texts(written(&bytes).path()).expect("texts");
            texts.sort();
            let expected =
                [("imagen", "{}"), ("note", "赤い"), ("parameters", "café")].map(|(k, v)| (k.to_owned(), v.to_owned()));
            assert_eq!(texts, expected);
        }
    }

    #[test]
    fn latin1_is_plain_text_and_our_json_always_itxt() {
        let bytes = encode(&flat(2, [0; 3]), &[(PARAMETERS, "a"), (IMAGEN, "b")], false).expect("encoded");
        let position = |needle: &[u8]| bytes.windows(needle.len()).position(|w| w == needle);
        assert!(position(b"tEXtparameters\0a").is_some());
        assert!(position(b"iTXtimagen\0").is_some());
    }

    #[test]
    fn a_text_that_inflates_beyond_the_bound_is_left_out() {
        let mut bytes = Vec::new();
        let mut encoder = Encoder::new(&mut bytes, 1, 1);
        encoder.set_color(ColorType::Rgb);
        let mut bomb = png::text_metadata::ITXtChunk::new(IMAGEN, " ".repeat(64 << 20));
        bomb.compressed = true;
        let mut writer = encoder.write_header().expect("a header");
        writer.write_text_chunk(&bomb).expect("a chunk");
        writer.write_image_data(&[0; 3]).expect("pixels");
        writer.finish().expect("an end");
        assert!(bytes.len() < 1 << 20, "the bomb is compressed");
        assert_eq!(read_texts(written(&bytes).path()).expect("a PNG"), []);
    }

    #[test]
    fn what_is_no_png_is_an_error() {
        for bytes in [&b""[..], b"GIF89a", b"\x89PNG\r\n\x1a\n", b"\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR\xff"] {
            assert!(read_texts(written(bytes).path()).is_err());
        }
        assert!(read_texts(Path::new("/no/such/file.png")).is_err());
    }
}
