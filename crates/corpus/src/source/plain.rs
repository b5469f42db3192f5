//! A plain text file as documents: whole if it is small, else cut at blank lines.

use std::io::{self, BufRead};

use super::lines::{Line, next_line};

/// Files up to here are one document.
const WHOLE: usize = 1 << 20;
/// Longer ones are cut at the last blank line before this.
const PIECE: usize = 64 << 10;
/// A line that only holds this ends a document, as in published collections of stories.
const SEPARATOR: &[u8] = b"<|endoftext|>";

/// Cuts a stream of lines into documents.
#[derive(Debug, Default)]
pub(super) struct Plain {
    held: Vec<u8>,
    /// Ends of the blank lines in `held`.
    blanks: Vec<usize>,
    /// True once the file has turned out to be large.
    large: bool,
    ended: bool,
    pub line: u64,
}

/// What `next` found.
pub(super) enum Piece {
    /// A document was appended; it starts at this line.
    Document,
    /// A line was too long; it is left out.
    TooLong,
    End,
}

impl Plain {
    pub fn next(&mut self, stream: &mut dyn BufRead, out: &mut Vec<u8>) -> io::Result<Piece> {
        loop {
            if let Some(end) = self.cut() {
                out.extend_from_slice(&self.held[..end]);
                self.held.drain(..end);
                self.blanks.retain(|&b| b > end);
                self.blanks.iter_mut().for_each(|b| *b -= end);
                return Ok(Piece::Document);
            }
            if self.ended {
                return Ok(Piece::End);
            }
            let begin = self.held.len();
            match next_line(stream, &mut self.held)? {
                Line::End => self.ended = true,
                Line::TooLong => {
                    self.line += 1;
                    return Ok(Piece::TooLong);
                }
                Line::Read => {
                    self.line += 1;
                    let line = self.held[begin..].trim_ascii();
                    if line == SEPARATOR {
                        self.held.truncate(begin);
                        out.append(&mut self.held);
                        self.blanks.clear();
                        return Ok(Piece::Document);
                    }
                    let blank = line.is_empty();
                    self.held.push(b'\n');
                    if blank {
                        self.blanks.push(self.held.len());
                    }
                }
            }
        }
    }

    /// Where the next document ends in what is held, or `None`: read on.
    fn cut(&mut self) -> Option<usize> {
        let n = self.held.len();
        self.large |= n > WHOLE;
        if self.ended && (!self.large || n <= PIECE) {
            return (n > 0).then_some(n);
        }
        if !self.large || n <= PIECE {
            return None;
        }
        let before = self.blanks.partition_point(|&b| b <= PIECE);
        match before.checked_sub(1) {
            Some(i) => Some(self.blanks[i]),
            // A paragraph longer than a piece stays whole, unless it is as long as a file may be.
            None => self.blanks.first().copied().or((self.ended || n > WHOLE).then_some(n)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(text: &str) -> Vec<String> {
        let (mut plain, mut stream, mut docs) = (Plain::default(), text.as_bytes(), Vec::new());
        loop {
            let mut out = Vec::new();
            match plain.next(&mut stream, &mut out).unwrap() {
                Piece::Document => docs.push(String::from_utf8(out).unwrap()),
                Piece::TooLong => docs.push("TOO LONG".into()),
                Piece::End => return docs,
            }
        }
    }

    #[test]
    fn small_files_stay_whole_and_separators_cut() {
        assert_eq!(all("a\n\nb\n"), ["a\n\nb\n"]);
        assert_eq!(all("a\n<|endoftext|>\nb"), ["a\n", "b\n"]);
        assert!(all("").is_empty());
    }

    #[test]
    fn large_files_are_cut_at_blank_lines_and_nothing_is_lost() {
        let paragraph = "some words in a line\n".repeat(40) + "\n";
        let text = paragraph.repeat(2000);
        let docs = all(&text);
        assert!(docs.len() > 20 && docs.iter().all(|d| d.len() <= PIECE && d.ends_with("\n\n")));
        assert_eq!(docs.concat(), text);
        // Without blank lines: by the megabyte, at line ends.
        let text = "another line\n".repeat(200_000);
        let docs = all(&text);
        assert!(docs.len() > 1 && docs.iter().all(|d| d.len() < WHOLE + 20));
        assert_eq!(docs.concat(), text);
    }
}
