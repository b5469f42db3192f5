//! Colours, and text that is safe and straight on a terminal.

use anstyle::{AnsiColor, Reset, Style};
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

pub(crate) const RED: Style = AnsiColor::Red.on_default().bold();
pub(crate) const YELLOW: Style = AnsiColor::Yellow.on_default();
pub(crate) const GREEN: Style = AnsiColor::Green.on_default();
pub(crate) const CYAN: Style = AnsiColor::Cyan.on_default();
pub(crate) const DIM: Style = Style::new().dimmed();
pub(crate) const BOLD: Style = Style::new().bold();
pub(crate) const RESET: Reset = Reset;

const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
const SHADES: [char; 5] = ['·', '░', '▒', '▓', '█'];

/// Columns on a terminal: Chinese characters take two.
pub(crate) fn width(text: &str) -> usize {
    text.width()
}

/// `text` with spaces behind it, to fill `columns`; cut with an ellipsis if it is longer.
pub(crate) fn pad(text: &str, columns: usize) -> String {
    let text = cut(text, columns);
    let spaces = columns.saturating_sub(width(&text));
    text + &" ".repeat(spaces)
}

/// At most `columns` of `text`.
pub(crate) fn cut(text: &str, columns: usize) -> String {
    if width(text) <= columns {
        return text.to_string();
    }
    let mut left = columns.saturating_sub(1);
    let fits = |c: &char| {
        let width = c.width().unwrap_or(0);
        let fits = width <= left;
        left = left.saturating_sub(width);
        fits
    };
    text.chars().take_while(fits).chain(['…']).collect()
}

/// The beginning and the end of `text` in at most `columns`: of a question about a story, both tell.
pub(crate) fn middle(text: &str, columns: usize) -> String {
    if width(text) <= columns {
        return text.to_string();
    }
    let begin = cut(text, columns * 2 / 5);
    let mut left = columns.saturating_sub(width(&begin));
    let fits = |c: &char| {
        let width = c.width().unwrap_or(0);
        let fits = width <= left;
        left = left.saturating_sub(width);
        fits
    };
    let end: Vec<char> = text.chars().rev().take_while(fits).collect();
    begin + &end.into_iter().rev().collect::<String>()
}

/// One line, every control character as a picture of it: a model's text must not move the cursor.
pub(crate) fn visible(text: &str) -> String {
    let show = |c: char| match c {
        '\n' => '↵',
        '\t' => '⇥',
        '\0'..='\x1f' => char::from_u32(0x2400 + c as u32).unwrap_or('�'),
        '\x7f' => '␡',
        c if c.is_control() => '�',
        c => c,
    };
    text.chars().map(show).collect()
}

/// The same with line ends and tabs as they are.
pub(crate) fn safe(text: &str) -> String {
    text.split_inclusive(['\n', '\t'])
        .map(|part| match part.strip_suffix(['\n', '\t']) {
            Some(body) => visible(body) + &part[body.len()..],
            None => visible(part),
        })
        .collect()
}

/// From 0 (a dot) to 1 (a full block).
pub(crate) fn shade(x: f32) -> char {
    SHADES[((x.clamp(0.0, 1.0) * 4.0).round() as usize).min(4)]
}

/// A bar of `x` (0 to 1) of `columns`.
pub(crate) fn bar(x: f64, columns: usize) -> String {
    "█".repeat((x.clamp(0.0, 1.0) * columns as f64).round() as usize)
}

/// Numbers as heights, at most `columns` of them, between `low` and the largest.
pub(crate) fn spark(values: &[f64], low: f64, columns: usize) -> String {
    let high = values.iter().copied().filter(|x| x.is_finite()).fold(low + 1e-9, f64::max);
    let columns = columns.min(values.len());
    let height = |x: f64| ((x - low) / (high - low) * 7.0).round().clamp(0.0, 7.0) as usize;
    (1..=columns).map(|i| BARS[height(values[i * values.len() / columns - 1])]).collect()
}

/// 1234567 as 1,234,567.
pub(crate) fn grouped(n: u64) -> String {
    let digits = n.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Seconds as a person says them: 12 s, 3:05 min, 2:10 h.
pub(crate) fn duration(seconds: f64) -> String {
    let s = seconds.max(0.0).round() as u64;
    match s {
        0..60 => format!("{s} s"),
        60..3600 => format!("{}:{:02} min", s / 60, s % 60),
        _ => format!("{}:{:02} h", s / 3600, s / 60 % 60),
    }
}

/// Bytes as a person says them.
pub(crate) fn bytes(n: f64) -> String {
    let units = ["B", "KiB", "MiB", "GiB", "TiB"];
    let mut left = n;
    let mut unit = 0;
    while left >= 1024.0 && unit + 1 < units.len() {
        left /= 1024.0;
        unit += 1;
    }
    if unit == 0 { format!("{left:.0} B") } else { format!("{left:.1} {}", units[unit]) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns() {
        assert_eq!(width("狮子头"), 6);
        assert_eq!(pad("狮子", 6), "狮子  ");
        assert_eq!(cut("狮子头和蔬菜", 6), "狮子…");
        assert_eq!(pad("abc", 2), "a…");
        assert_eq!(cut("", 0), "");
        assert_eq!(middle("abcdefghijklmnop", 10), "abc…klmnop");
        assert_eq!(middle("今天在公园里看见了谁？", 10), "今…了谁？");
    }

    #[test]
    fn a_text_cannot_move_the_cursor() {
        assert_eq!(visible("a\x1b[2Jb\n\u{9b}c"), "a␛[2Jb↵�c");
        assert_eq!(safe("a\nb\tc\x1b\n"), "a\nb\tc␛\n");
    }

    #[test]
    fn numbers() {
        assert_eq!(grouped(1_234_567), "1,234,567");
        assert_eq!(grouped(12), "12");
        assert_eq!(duration(185.0), "3:05 min");
        assert_eq!(bytes(1536.0), "1.5 KiB");
        assert_eq!(spark(&[4.0, 3.0, 2.0, f64::NAN, 1.0], 1.0, 5), "█▆▃▁▁");
        assert_eq!(spark(&[], 0.0, 5), "");
        assert_eq!((shade(0.0), shade(1.0), shade(f32::NAN)), ('·', '█', '·'));
    }
}
