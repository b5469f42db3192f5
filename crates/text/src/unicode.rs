//! Classes of characters as the split pattern sees them: letter, number, white space, other.

use crate::unicode_table::RUNS;

/// `\p{L}`, `\p{N}`, `\s`, or none of them. No character is two of these.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub(crate) enum Class {
    Other = 0,
    Letter = 1,
    Number = 2,
    Space = 3,
}

const OF_BITS: [Class; 4] = [Class::Other, Class::Letter, Class::Number, Class::Space];

/// Classes of the first 65,536 code points, four to a byte: 16 KiB that stay in the cache, unfolded at compile time.
static BASIC_PLANE: [u8; 0x4000] = {
    let mut table = [0u8; 0x4000];
    let mut run = 0;
    let mut c = 0;
    while c < 0x10000 {
        while run + 1 < RUNS.len() && (RUNS[run + 1] >> 2) <= c {
            run += 1;
        }
        table[(c >> 2) as usize] |= ((RUNS[run] & 3) as u8) << ((c & 3) * 2);
        c += 1;
    }
    table
};

/// Classes of ASCII, by byte.
static ASCII: [Class; 128] = {
    let mut table = [Class::Other; 128];
    let mut c = 0;
    while c < 128 {
        table[c] = OF_BITS[(BASIC_PLANE[c >> 2] >> ((c & 3) * 2) & 3) as usize];
        c += 1;
    }
    table
};

/// The class of a code point.
#[inline]
pub(crate) fn class_of(c: u32) -> Class {
    if let Some(four) = BASIC_PLANE.get((c >> 2) as usize) {
        return OF_BITS[(four >> ((c & 3) * 2) & 3) as usize];
    }
    let after = RUNS.partition_point(|r| (r >> 2) <= c);
    OF_BITS[(RUNS[after - 1] & 3) as usize]
}

/// The class and the length in bytes of the character that starts at `bytes[at]`, in valid UTF-8.
#[inline(always)]
pub(crate) fn class_at(bytes: &[u8], at: usize) -> (Class, usize) {
    let first = bytes[at];
    if first < 0x80 {
        return (ASCII[first as usize], 1);
    }
    class_beyond_ascii(bytes, at)
}

#[inline]
fn class_beyond_ascii(bytes: &[u8], at: usize) -> (Class, usize) {
    let low = |i: usize| bytes.get(at + i).map_or(0, |b| u32::from(b & 0x3f));
    let first = u32::from(bytes[at]);
    match first {
        // U+5000 to U+9FFF: Chinese characters all of them.
        0xe5..=0xe9 => (Class::Letter, 3),
        0..0xe0 => (class_of((first & 0x1f) << 6 | low(1)), 2),
        0xe0..0xf0 => (class_of((first & 0xf) << 12 | low(1) << 6 | low(2)), 3),
        _ => (class_of((first & 7) << 18 | low(1) << 12 | low(2) << 6 | low(3)), 4),
    }
}
