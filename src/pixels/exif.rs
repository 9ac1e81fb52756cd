//! EXIF (CIPA DC-008): a block with the one tag `UserComment`, in which AUTOMATIC1111's web UI keeps its settings in
//! JPEG and WebP files, and reading that tag from the blocks of others.

/// `UserComment`, in the directory to which `ExifIFD` points.
const USER_COMMENT: u16 = 0x9286;
const EXIF_IFD: u16 = 0x8769;
/// Eight bytes name the comment's encoding; this is UTF-16 in the block's byte order.
const UNICODE: &[u8; 8] = b"UNICODE\0";
const ASCII: &[u8; 8] = b"ASCII\0\0\0";
/// A directory of more entries is damaged.
const MOST_ENTRIES: usize = 4096;

/// A block (TIFF header first) that holds `text`.
pub(super) fn with_user_comment(text: &str) -> Vec<u8> {
    let mut comment = UNICODE.to_vec();
    comment.extend(text.encode_utf16().flat_map(u16::to_be_bytes));
    // Header, a directory of one entry, a second one, the comment.
    let (first, second, data) = (8_u32, 26_u32, 44_u32);
    let mut out = b"MM\0\x2a".to_vec();
    out.extend(first.to_be_bytes());
    let mut directory = |tag: u16, kind: u16, count: u32, value: u32| {
        out.extend(1_u16.to_be_bytes());
        out.extend(tag.to_be_bytes());
        out.extend(kind.to_be_bytes());
        out.extend(count.to_be_bytes());
        out.extend(value.to_be_bytes());
        out.extend(0_u32.to_be_bytes());
    };
    directory(EXIF_IFD, 4, 1, second);
    directory(USER_COMMENT, 7, u32::try_from(comment.len()).unwrap_or(u32::MAX), data);
    out.extend(comment);
    out
}

/// The text of `UserComment`; `None` where there is none, or the block is damaged.
pub(super) fn user_comment(block: &[u8]) -> Option<String> {
    let block = block.strip_prefix(b"Exif\0\0").unwrap_or(block);
    let is_big = match block.get(..4)? {
        b"MM\0\x2a" => true,
        b"II\x2a\0" => false,
        _ => return None,
    };
    let reader = Reader { block, is_big };
    let (_, pointer) = reader.entry(reader.u32(4)?, EXIF_IFD)?;
    let (count, place) = reader.entry(pointer, USER_COMMENT)?;
    let (start, count) = (usize::try_from(place).ok()?, usize::try_from(count).ok()?);
    let (encoding, text) = block.get(start..start.checked_add(count)?)?.split_first_chunk::<8>()?;
    match encoding {
        UNICODE => {
            let (pairs, _) = text.as_chunks::<2>();
            let units = |is_big: bool| -> Vec<u16> {
                let unit = |pair: &[u8; 2]| if is_big { u16::from_be_bytes(*pair) } else { u16::from_le_bytes(*pair) };
                pairs.iter().map(unit).collect()
            };
            // Some programs write big-endian text whatever the block's order. Latin text tells: its high bytes are 0.
            let high_first = pairs.iter().filter(|pair| pair[0] == 0 && pair[1] != 0).count();
            let low_first = pairs.iter().filter(|pair| pair[1] == 0 && pair[0] != 0).count();
            let is_big = if high_first == low_first { is_big } else { high_first > low_first };
            Some(String::from_utf16_lossy(&units(is_big)))
        }
        ASCII => Some(String::from_utf8_lossy(text).into_owned()),
        _ => None,
    }
}

struct Reader<'a> {
    block: &'a [u8],
    is_big: bool,
}

impl Reader<'_> {
    fn u16(&self, at: u32) -> Option<u16> {
        let at = usize::try_from(at).ok()?;
        let bytes = *self.block.get(at..)?.first_chunk::<2>()?;
        Some(if self.is_big { u16::from_be_bytes(bytes) } else { u16::from_le_bytes(bytes) })
    }

    fn u32(&self, at: u32) -> Option<u32> {
        let at = usize::try_from(at).ok()?;
        let bytes = *self.block.get(at..)?.first_chunk::<4>()?;
        Some(if self.is_big { u32::from_be_bytes(bytes) } else { u32::from_le_bytes(bytes) })
    }

    /// Count and value of `tag` in the directory at `at`.
    fn entry(&self, at: u32, tag: u16) -> Option<(u32, u32)> {
        let entries = usize::from(self.u16(at)?).min(MOST_ENTRIES);
        let places = (0..entries).map(|index| at.checked_add(2 + 12 * u32::try_from(index).ok()?));
        for place in places {
            let place = place?;
            if self.u16(place)? == tag {
                return Some((self.u32(place.checked_add(4)?)?, self.u32(place.checked_add(8)?)?));
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    #[test]
    fn a_comment_comes_back_and_damage_is_none() {
        for text in ["", "a fish\nSteps: 3", "猫 🦊 \0 é"] {
            let block = with_user_comment(text);
            assert_eq!(user_comment(&block).unwrap(), text);
            assert_eq!(user_comment(&[b"Exif\0\0", block.as_slice()].concat()).unwrap(), text);
            for end in 0..block.len() {
                assert_eq!(user_comment(&block[..end]), None, "cut at {end}");
            }
            // Whatever a byte says, reading ends.
            for at in 0..block.len().min(60) {
                for value in [0, 0xff] {
                    let mut damaged = block.clone();
                    damaged[at] = value;
                    let _ = user_comment(&damaged);
                }
            }
        }
    }

    #[test]
    fn the_other_byte_order_is_read() {
        let little = |text: &str| text.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<u8>>();
        let comment = [UNICODE.to_vec(), little("Steps: 20")].concat();
        let mut block =
            b"II\x2a\0\x08\0\0\0\x01\0\x69\x87\x04\0\x01\0\0\0\x1a\0\0\0\0\0\0\0\x01\0\x86\x92\x07\0".to_vec();
        block.extend(u32::try_from(comment.len()).unwrap().to_le_bytes());
        block.extend(44_u32.to_le_bytes());
        block.extend([0; 4]);
        block.extend(comment);
        assert_eq!(user_comment(&block).unwrap(), "Steps: 20");
    }
}
