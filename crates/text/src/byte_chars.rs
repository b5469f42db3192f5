//! The printable character that stands for each byte in `tokenizer.json`, as GPT-2 introduced it.

/// The character of a byte: itself where it is printable Latin-1, else one from U+0100 on, in order.
pub(crate) fn char_of_byte(byte: u8) -> char {
    if is_kept(byte) {
        return char::from(byte);
    }
    let nth = (0..byte).filter(|&b| !is_kept(b)).count() as u32;
    char::from_u32(0x100 + nth).unwrap_or(char::REPLACEMENT_CHARACTER)
}

fn is_kept(byte: u8) -> bool {
    matches!(byte, 0x21..=0x7e | 0xa1..=0xac | 0xae..=0xff)
}

/// The way back and forth for all bytes, built once per load or save.
pub(crate) struct ByteChars {
    chars: [char; 256],
    bytes: [Option<u8>; 0x200],
}

impl ByteChars {
    pub(crate) fn new() -> Self {
        let mut it = Self { chars: ['\0'; 256], bytes: [None; 0x200] };
        for b in 0..=255u8 {
            let c = char_of_byte(b);
            it.chars[b as usize] = c;
            if let Some(slot) = it.bytes.get_mut(c as usize) {
                *slot = Some(b);
            }
        }
        it
    }

    pub(crate) fn to_text(&self, bytes: &[u8]) -> String {
        bytes.iter().map(|&b| self.chars[b as usize]).collect()
    }

    /// The bytes of a vocabulary entry, or the first character that stands for no byte.
    pub(crate) fn to_bytes(&self, text: &str) -> Result<Vec<u8>, char> {
        text.chars().map(|c| self.bytes.get(c as usize).copied().flatten().ok_or(c)).collect()
    }
}
