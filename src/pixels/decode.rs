//! Bytes of a file to upright sRGB pixels, through the `image` crate, within limits of size, memory and damage.
//!
//! Decoders may panic on hostile input, so they run on a thread of their own, whose panic becomes an error.

use std::io::Cursor;

use image::codecs::webp::WebPDecoder;
use image::codecs::{bmp::BmpDecoder, gif::GifDecoder, jpeg::JpegDecoder, png::PngDecoder, tiff::TiffDecoder};
use image::error::ImageError;
use image::metadata::Orientation;
use image::{AnimationDecoder as _, DynamicImage, ImageDecoder, ImageFormat, Limits, RgbImage};

use super::error::{PixelsError, one_line};
use super::{colour, sniff};

const LONGEST_SIDE: u32 = 16_384;
const MOST_PIXELS: u64 = 100_000_000;
const MOST_MEMORY: u64 = 512 << 20;
/// The decoding thread's name, by which a panic hook can tell that the panic is handled.
pub const DECODER_THREAD: &str = "picture-decoder";

/// What a decoder gives.
struct Decoded {
    image: DynamicImage,
    orientation: Orientation,
    icc: Option<Vec<u8>>,
    notices: Vec<String>,
}

enum Fault {
    TooManyPixels { width: u32, height: u32 },
    NoMemory { width: u32, height: u32 },
    Image(ImageError),
}

impl From<ImageError> for Fault {
    fn from(e: ImageError) -> Self {
        Self::Image(e)
    }
}

/// The picture in `bytes` and what to tell about it. `path` is for messages.
pub(super) fn decode(bytes: Vec<u8>, path: &str) -> Result<(RgbImage, Vec<String>), PixelsError> {
    let format = sniff::format_of(&bytes, path)?;
    guarded(path, move |path| {
        let whole = match format {
            ImageFormat::Jpeg => jpeg_has_end(&bytes),
            ImageFormat::WebP => webp_has_end(&bytes),
            _ => true,
        };
        if !whole {
            return Err(PixelsError::Truncated { path: path.to_owned() });
        }
        read(format, bytes).and_then(finish).map_err(|fault| explain(fault, path))
    })
}

/// What stands beside the pixels of a file.
pub(super) struct Metadata {
    pub xmp: Option<Vec<u8>>,
    /// From the TIFF header on.
    pub exif: Option<Vec<u8>>,
}

/// The metadata of a picture whose pixels are not looked at. `path` is for messages. What is damaged counts as absent.
pub(super) fn metadata(bytes: &[u8], path: &str) -> Result<Metadata, PixelsError> {
    let format = sniff::format_of(bytes, path)?;
    guarded(path, move |path| {
        let explain = |e: ImageError| explain(e.into(), path);
        Ok(match format {
            ImageFormat::Jpeg => metadata_of(JpegDecoder::new(Cursor::new(bytes)).map_err(explain)?),
            ImageFormat::WebP => metadata_of(WebPDecoder::new(Cursor::new(bytes)).map_err(explain)?),
            ImageFormat::Tiff => metadata_of(TiffDecoder::new(Cursor::new(bytes)).map_err(explain)?),
            _ => Metadata { xmp: None, exif: None },
        })
    })
}

fn metadata_of(mut decoder: impl ImageDecoder) -> Metadata {
    Metadata { xmp: decoder.xmp_metadata().ok().flatten(), exif: decoder.exif_metadata().ok().flatten() }
}

/// Runs `work` on a named thread; its panic becomes an error ([`std::thread::JoinHandle::join`] catches it).
fn guarded<T: Send>(path: &str, work: impl FnOnce(&str) -> Result<T, PixelsError> + Send) -> Result<T, PixelsError> {
    let damaged = |why: String| PixelsError::Damaged { why, path: path.to_owned() };
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().name(DECODER_THREAD.to_owned()).spawn_scoped(scope, || work(path));
        match thread.map(|thread| thread.join()) {
            Ok(Ok(result)) => result,
            Ok(Err(_)) => Err(damaged("the decoder gave up on it".to_owned())),
            Err(e) => Err(PixelsError::Unreadable { why: one_line(&e.to_string()), path: path.to_owned() }),
        }
    })
}

fn limits() -> Limits {
    let mut limits = Limits::no_limits();
    limits.max_alloc = Some(MOST_MEMORY);
    limits
}

fn read(format: ImageFormat, bytes: Vec<u8>) -> Result<Decoded, Fault> {
    match format {
        ImageFormat::Png => {
            let decoder = PngDecoder::with_limits(Cursor::new(bytes), limits())?;
            let animated = decoder.is_apng()?;
            read_with(decoder, animated)
        }
        ImageFormat::Jpeg => {
            let cmyk = jpeg_components(&bytes) == Some(4);
            let mut decoded = read_with(JpegDecoder::new(Cursor::new(bytes))?, false)?;
            if cmyk {
                // The decoder has turned ink into RGB by the plain formula; the profile speaks of ink.
                decoded.icc = None;
                decoded.notices.push("the picture is CMYK, so its colours are approximate".to_owned());
            }
            Ok(decoded)
        }
        ImageFormat::WebP => {
            let decoder = WebPDecoder::new(Cursor::new(bytes))?;
            let animated = decoder.has_animation();
            read_with(decoder, animated)
        }
        ImageFormat::Gif => read_gif(bytes),
        ImageFormat::Bmp => read_with(BmpDecoder::new(Cursor::new(bytes))?, false),
        _ => read_with(TiffDecoder::new(Cursor::new(bytes))?, false),
    }
}

fn check_size(decoder: &impl ImageDecoder) -> Result<(), Fault> {
    let (width, height) = decoder.dimensions();
    if width > LONGEST_SIDE || height > LONGEST_SIDE || u64::from(width) * u64::from(height) > MOST_PIXELS {
        return Err(Fault::TooManyPixels { width, height });
    }
    Ok(())
}

/// Refuses where there is no memory for `bytes` more: the decoders and what follows would end the program over it.
fn ensure_memory(bytes: u64, (width, height): (u32, u32)) -> Result<(), Fault> {
    let mut room: Vec<u8> = Vec::new();
    let fits = usize::try_from(bytes).is_ok_and(|bytes| room.try_reserve_exact(bytes).is_ok());
    // Else the compiler may leave out memory that nobody writes to.
    std::hint::black_box(&mut room);
    if fits { Ok(()) } else { Err(Fault::NoMemory { width, height }) }
}

fn read_with(mut decoder: impl ImageDecoder, animated: bool) -> Result<Decoded, Fault> {
    check_size(&decoder)?;
    let mut notices = Vec::new();
    let icc = decoder.icc_profile().unwrap_or_else(|_| {
        notices.push("the colour profile is damaged, so sRGB is assumed".to_owned());
        None
    });
    let orientation = decoder.orientation().unwrap_or(Orientation::NoTransforms);
    // After the profile: the TIFF decoder then bounds its tags, too, by the size of the pixels.
    let mut limits = limits();
    limits.reserve(decoder.total_bytes())?;
    decoder.set_limits(limits)?;
    // The result, and what a decoder keeps meanwhile: a progressive JPEG its coefficients of 16 bits.
    ensure_memory(decoder.total_bytes().saturating_mul(3), decoder.dimensions())?;
    if animated {
        notices.push("only the first frame of the animation is used".to_owned());
    }
    Ok(Decoded { image: DynamicImage::from_decoder(decoder)?, orientation, icc, notices })
}

/// The first frame of a GIF. Whether there is a second one, only the frames themselves tell.
fn read_gif(bytes: Vec<u8>) -> Result<Decoded, Fault> {
    let mut decoder = GifDecoder::new(Cursor::new(bytes))?;
    check_size(&decoder)?;
    decoder.set_limits(limits())?;
    // Two frames in RGBA.
    ensure_memory(decoder.total_bytes().saturating_mul(2), decoder.dimensions())?;
    let mut frames = decoder.into_frames();
    let missing = || ImageError::IoError(std::io::ErrorKind::UnexpectedEof.into());
    let first = frames.next().ok_or_else(missing)??;
    let animated = matches!(frames.next(), Some(Ok(_)));
    let notices = if animated { vec!["only the first frame of the animation is used".to_owned()] } else { Vec::new() };
    let image = DynamicImage::ImageRgba8(first.into_buffer());
    Ok(Decoded { image, orientation: Orientation::NoTransforms, icc: None, notices })
}

/// Colours, transparency and orientation.
fn finish(decoded: Decoded) -> Result<(RgbImage, Vec<String>), Fault> {
    let Decoded { mut image, orientation, icc, mut notices } = decoded;
    let size = (image.width(), image.height());
    // A copy of so many bytes a pixel beside the picture.
    let room_for = |bytes: u64| ensure_memory(u64::from(size.0) * u64::from(size.1) * bytes, size);
    if let Some(icc) = icc {
        room_for(8)?;
        if let Err(notice) = colour::to_srgb(&mut image, &icc) {
            notices.push(notice.to_owned());
        }
    }
    if !matches!(image, DynamicImage::ImageRgb8(_)) {
        room_for(7)?;
    }
    let mut image = DynamicImage::ImageRgb8(colour::on_white(image));
    if orientation != Orientation::NoTransforms {
        room_for(3)?;
    }
    image.apply_orientation(orientation);
    Ok((image.into_rgb8(), notices))
}

fn explain(fault: Fault, path: &str) -> PixelsError {
    let path = path.to_owned();
    let e = match fault {
        Fault::TooManyPixels { width, height } => return PixelsError::TooManyPixels { width, height, path },
        Fault::NoMemory { width, height } => return PixelsError::NoMemory { width, height, path },
        Fault::Image(ImageError::Limits(_)) => return PixelsError::TooMuchMemory { path },
        Fault::Image(e) => e,
    };
    // Each decoder words it in its own way; the cause is rarely kept as an I/O error.
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(&e);
    while let Some(inner) = cause {
        if inner.downcast_ref::<std::io::Error>().is_some_and(|e| e.kind() == std::io::ErrorKind::UnexpectedEof) {
            return PixelsError::Truncated { path };
        }
        cause = inner.source();
    }
    let why = e.to_string();
    let lower = why.to_lowercase();
    let cut = ["unexpected eof", "end of file", "end of data", "exhausted", "not enough", "failed to fill"];
    if cut.iter().any(|words| lower.contains(words)) {
        return PixelsError::Truncated { path };
    }
    PixelsError::Damaged { why: one_line(&why), path }
}

/// Walks a JPEG's markers: `visit` gets each marker with its segment and says whether to go on.
/// Returns false where the bytes end before `visit` is content.
fn walk_jpeg(bytes: &[u8], mut visit: impl FnMut(u8, &[u8]) -> bool) -> bool {
    let mut at = 2;
    loop {
        // Entropy-coded data and fill bytes lie between markers; FF00 and restarts are part of the data.
        let Some(rest) = bytes.get(at..) else { return false };
        let Some(skip) = rest.windows(2).position(|w| matches!(w, [0xff, m] if !matches!(m, 0 | 0xd0..=0xd7 | 0xff)))
        else {
            return false;
        };
        let Some(marker) = rest.get(skip + 1) else { return false };
        let body = rest.get(skip + 2..).unwrap_or_default();
        if !visit(*marker, body) {
            return true;
        }
        at += skip + 2;
        if let (false, Some([high, low])) = (matches!(marker, 0x01 | 0xd8), body.first_chunk::<2>()) {
            at += usize::from(u16::from_be_bytes([*high, *low]));
        }
    }
}

/// Whether a JPEG reaches its end marker. The decoder fills what is missing with grey and says nothing.
fn jpeg_has_end(bytes: &[u8]) -> bool {
    walk_jpeg(bytes, |marker, _| marker != 0xd9)
}

/// Whether a WebP file is as long as its head says.
fn webp_has_end(bytes: &[u8]) -> bool {
    let length = bytes.get(4..).and_then(|b| b.first_chunk::<4>()).map_or(0, |b| u64::from(u32::from_le_bytes(*b)));
    bytes.len() as u64 >= length + 8
}

/// How many components a JPEG's frame has: 4 = CMYK or YCCK.
fn jpeg_components(bytes: &[u8]) -> Option<u8> {
    let mut components = None;
    walk_jpeg(bytes, |marker, body| {
        let frame = matches!(marker, 0xc0..=0xcf) && !matches!(marker, 0xc4 | 0xc8 | 0xcc);
        if frame {
            components = body.get(7).copied();
        }
        !frame
    });
    components
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    #[test]
    fn a_panic_in_a_decoder_is_an_error() {
        let said = guarded::<()>("a.png", |_| panic!("index out of bounds")).unwrap_err().to_string();
        assert!(said.contains("damaged") && said.ends_with("a.png"), "{said}");
        assert!(!said.contains('\n'));
    }

    #[test]
    fn a_result_passes_through_the_guard() {
        assert_eq!(guarded("a.png", |path| Ok(path.len())).unwrap(), 5);
    }

    #[test]
    fn jpeg_markers_are_walked() {
        let whole = [0xff, 0xd8, 0xff, 0xe0, 0, 4, 0xff, 0xd9, 0xff, 0xda, 0, 2, 1, 0xff, 0, 0xff, 0xd0, 3, 0xff, 0xd9];
        assert!(jpeg_has_end(&whole));
        // The end marker inside the APP0 segment does not count.
        assert!((0..whole.len()).all(|cut| !jpeg_has_end(&whole[..cut])));
        let frame = [0xff, 0xd8, 0xff, 0xc2, 0, 20, 8, 0, 1, 0, 1, 4];
        assert_eq!(jpeg_components(&frame), Some(4));
    }
}
