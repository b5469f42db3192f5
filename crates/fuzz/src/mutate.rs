//! Inputs from inputs: bytes, numbers, pieces and values changed.

/// splitmix64, so that a failure can be repeated.
pub struct Random(u64);

impl Random {
    /// The same numbers for the same seed, on every machine.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ z >> 31
    }

    /// One below `n`; 0 where there is none.
    pub fn below(&mut self, n: usize) -> usize {
        (self.next() % n.max(1) as u64) as usize
    }
}

/// Where sizes and offsets go wrong.
const NUMBERS: [u64; 14] = [
    0,
    1,
    2,
    255,
    256,
    1 << 16,
    (1 << 31) - 1,
    1 << 31,
    (1 << 32) - 1,
    1 << 32,
    1 << 62,
    i64::MAX as u64,
    1 << 63,
    u64::MAX,
];

/// What may stand where JSON or a template has something else.
const WORDS: [&str; 44] = [
    "null",
    "0",
    "-1",
    "4294967295",
    "18446744073709551615",
    "1e308",
    "1e-9",
    "\"\"",
    "\"a\"",
    "[]",
    "{}",
    "true",
    "false",
    "[[]]",
    "\"\\u0000\"",
    "\"▁\"",
    "\"<unk>\"",
    "\"type\"",
    "\"Sequence\"",
    "\"BPE\"",
    "\"Metaspace\"",
    "\"[\"",
    ",",
    ":",
    "{{",
    "}}",
    "{%",
    "%}",
    "{#",
    "-",
    "messages",
    "[0]",
    ".role",
    "|",
    "tojson",
    "for x in ",
    "endfor",
    "if ",
    "(",
    ")",
    "~",
    "'",
    "* 99999999",
    "range(9999999)",
];

/// One of `seeds`, changed in one to four places.
pub fn mutate(seeds: &[Vec<u8>], random: &mut Random) -> Vec<u8> {
    let mut bytes = seeds[random.below(seeds.len())].clone();
    for _ in 0..1 + random.below(4) {
        let at = random.below(bytes.len());
        let end = |random: &mut Random, most| (at + random.below(most)).min(bytes.len());
        match random.below(9) {
            0 if !bytes.is_empty() => bytes[at] ^= 1 << random.below(8),
            1 if !bytes.is_empty() => bytes[at] = random.next() as u8,
            2 if random.below(4) == 0 => bytes.truncate(at),
            3 => drop(bytes.drain(at..end(random, 16))),
            4 => {
                let other = &seeds[random.below(seeds.len())];
                let from = random.below(other.len());
                let piece = &other[from..(from + random.below(64)).min(other.len())];
                bytes.splice(at..at, piece.iter().copied());
            }
            5 => {
                let until = end(random, 12);
                bytes.splice(at..until, WORDS[random.below(WORDS.len())].bytes());
            }
            6 => replace_value(&mut bytes, at, random),
            _ => {
                let value = NUMBERS[random.below(NUMBERS.len())].to_le_bytes();
                let width = [4, 8][random.below(2)].min(bytes.len() - at);
                bytes[at..at + width].copy_from_slice(&value[..width]);
            }
        }
    }
    bytes
}

/// Puts another value where the next one behind `at` stands in a JSON text: it mostly stays JSON, so that what is behind the parser is
/// reached.
pub fn replace_value(bytes: &mut Vec<u8>, at: usize, random: &mut Random) {
    let Some(start) = bytes[at..].iter().position(|byte| b":,[".contains(byte)) else { return };
    let start = at + start + 1;
    let end =
        bytes[start..].iter().position(|byte| b",}]".contains(byte)).map_or(bytes.len(), |end| start + end);
    bytes.splice(start..end, WORDS[random.below(24)].bytes());
}
