//! Lines of a stream, with a bound on their length.

use std::io::{self, BufRead};

/// Longer lines are passed over: they are seldom text, and reading goes in bounded memory.
pub(crate) const MAX_LINE: usize = 8 << 20;

/// What `next` found.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Line {
    /// A line of so many bytes was appended, without its end.
    Read,
    /// A line over [`MAX_LINE`] was passed over; nothing was appended.
    TooLong,
    /// The stream is at its end.
    End,
}

/// Appends the next line to `out`. An error leaves `out` as it was.
pub(crate) fn next_line(stream: &mut dyn BufRead, out: &mut Vec<u8>) -> io::Result<Line> {
    let begin = out.len();
    let (mut any, mut too_long) = (false, false);
    loop {
        let buffer = match stream.fill_buf() {
            Ok(buffer) => buffer,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
            Err(e) => {
                out.truncate(begin);
                return Err(e);
            }
        };
        if buffer.is_empty() {
            return Ok(match (any, too_long) {
                (false, _) => Line::End,
                (_, true) => Line::TooLong,
                _ => Line::Read,
            });
        }
        any = true;
        let end = memchr::memchr(b'\n', buffer);
        let taken = end.unwrap_or(buffer.len());
        if !too_long && out.len() - begin + taken > MAX_LINE {
            too_long = true;
            out.truncate(begin);
        }
        if !too_long {
            out.extend_from_slice(&buffer[..taken]);
        }
        stream.consume(taken + usize::from(end.is_some()));
        if end.is_some() {
            return Ok(if too_long { Line::TooLong } else { Line::Read });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(text: &[u8], capacity: usize) -> Vec<Option<Vec<u8>>> {
        let mut stream = io::BufReader::with_capacity(capacity, text);
        let mut lines = Vec::new();
        loop {
            let mut out = b"before".to_vec();
            match next_line(&mut stream, &mut out).unwrap() {
                Line::Read => lines.push(Some(out[6..].to_vec())),
                Line::TooLong => lines.push(None),
                Line::End => return lines,
            }
            assert!(out.starts_with(b"before"));
        }
    }

    #[test]
    fn splits_at_every_buffer_size() {
        for capacity in 1..12 {
            let lines = all(b"one\n\nthree\r\nlast", capacity);
            assert_eq!(lines, [&b"one"[..], b"", b"three\r", b"last"].map(|l| Some(l.to_vec())));
            assert_eq!(all(b"a\n", capacity), [Some(b"a".to_vec())]);
            assert!(all(b"", capacity).is_empty());
        }
    }

    #[test]
    fn long_lines_are_passed_over() {
        let mut text = vec![b'x'; MAX_LINE];
        text.extend(b"\nshort\n");
        text.extend(vec![b'y'; MAX_LINE + 1]);
        text.extend(b"\nend");
        let lines: Vec<_> = all(&text, 1 << 16).into_iter().map(|l| l.map(|l| l.len())).collect();
        assert_eq!(lines, [Some(MAX_LINE), Some(5), None, Some(3)]);
    }
}
