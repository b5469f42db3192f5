//! Dates as files write them, to `YYYY-MM-DD`.

/// The date at the beginning of an ISO time (`2024-05-06T07:08:09Z`, `2024/5/6`, `20240506`, `2024年5月6日`); `None` if it is
/// none.
pub(crate) fn iso(text: &str) -> Option<String> {
    let text = text.trim().trim_start_matches("D:");
    let mut numbers = [0u32; 3];
    if text.len() >= 8 && text.as_bytes()[..8].iter().all(u8::is_ascii_digit) {
        numbers = [text[..4].parse().ok()?, text[4..6].parse().ok()?, text[6..8].parse().ok()?];
    } else {
        let mut parts = text.split(|char: char| !char.is_ascii_digit());
        for number in &mut numbers {
            *number = parts.next()?.parse().ok()?;
        }
    }
    date(numbers[0], numbers[1], numbers[2])
}

/// The date, if there can be such a one.
pub(crate) fn date(year: u32, month: u32, day: u32) -> Option<String> {
    ((1000..=9999).contains(&year) && (1..=12).contains(&month) && (1..=31).contains(&day))
        .then(|| format!("{year:04}-{month:02}-{day:02}"))
}
