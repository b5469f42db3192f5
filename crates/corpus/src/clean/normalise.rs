//! One form for texts that read the same: line ends, white space, characters that nobody sees. Nothing readable is
//! changed: no folding of width, case or composition.

/// Normalises a text:
/// `\r\n`, `\r`, U+0085, U+2028 and U+2029 become `\n`; other control characters (but tabs) and byte order marks go;
/// so does white space at the end of lines; at most one blank line stays in a row, none at either end.
pub(crate) fn normalise(text: &str) -> String {
    let clean;
    let text = if text.bytes().all(ordinary) {
        text
    } else {
        clean = strip(text);
        &clean
    };
    let mut out = String::with_capacity(text.len());
    let mut blank = 0;
    for line in text.split('\n') {
        let line = line.trim_end();
        if line.is_empty() {
            blank += 1;
            continue;
        }
        if !out.is_empty() {
            out.push_str(if blank > 0 { "\n\n" } else { "\n" });
        }
        out.push_str(line);
        blank = 0;
    }
    out
}

/// False for bytes that may belong to something to strip: controls, and the first bytes of C1 (C2), U+2028 (E2) and
/// U+FEFF (EF).
fn ordinary(byte: u8) -> bool {
    match byte {
        b'\t' | b'\n' => true,
        0..0x20 | 0x7f | 0xc2 | 0xe2 | 0xef => false,
        _ => true,
    }
}

fn strip(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '\r' => {
                chars.next_if_eq(&'\n');
                out.push('\n');
            }
            '\u{85}' | '\u{2028}' | '\u{2029}' => out.push('\n'),
            '\t' | '\n' => out.push(c),
            '\u{feff}' => {}
            c if c.is_control() => {}
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms() {
        for (input, expected) in [
            ("", ""),
            (" \n\t\n", ""),
            ("\u{feff}a\r\nb\rc\u{2028}d", "a\nb\nc\nd"),
            ("a \u{3000}\n\n\n\n  b\n", "a\n\n  b"),
            ("a\0b\u{7}c\u{9f}d\te", "abcd\te"),
            ("“ＡＢＣ”…é狮子头\u{fffd}", "“ＡＢＣ”…é狮子头\u{fffd}"),
            ("x\n\u{1}\n\n\u{0}\ny", "x\n\ny"),
        ] {
            assert_eq!(normalise(input), expected, "{input:?}");
            assert_eq!(normalise(expected), expected, "again");
        }
    }
}
