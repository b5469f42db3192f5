//! A document cut into chunks: the pieces that are found, read by a model and cited.
//!
//! Chunks follow the structure: a section begins one, paragraphs stay whole, tables are cut between rows only, code between
//! definitions. Together they are the whole text, so that the text can be put together again from them.

use crate::sentence::ends_sentence;
use crate::{Block, Document, Kind};
use std::ops::Range;

/// How large chunks are, in tokens as `count` counts them.
pub struct Size<'c> {
    /// No chunk is larger, but for a table's row, which is never cut.
    pub most: usize,
    /// Counts tokens: the embedding model's, or [`estimate`].
    pub count: &'c (dyn Fn(&str) -> usize + Sync),
}

/// A piece of a document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chunk {
    /// Where in the document's text, in bytes. The first begins at 0, each other where the one before ends.
    pub span: Range<usize>,
    /// The headings above it, from the highest, with ` › ` between; for the later parts of a table also its header row.
    pub context: String,
    /// The page on which it begins, from 1.
    pub page: Option<usize>,
    /// As counted.
    pub tokens: usize,
}

/// Tokens of a text, roughly as a multilingual vocabulary cuts it: a word of six letters or a Chinese character is one.
pub fn estimate(text: &str) -> usize {
    let (mut tokens, mut run) = (0, 0);
    for char in text.chars() {
        if char.is_ascii_alphanumeric() {
            run += 1;
            tokens += usize::from(run % 6 == 1);
            continue;
        }
        run = 0;
        tokens += usize::from(!char.is_whitespace());
    }
    tokens
}

/// Cuts `document`. Nothing comes of a document without text.
pub fn chunks(document: &Document, size: &Size) -> Vec<Chunk> {
    let mut cutter = Cutter { document, size, headings: Vec::new(), done: Vec::new(), begin: 0, open: None };
    for block in &document.blocks {
        cutter.block(block);
    }
    cutter.end();
    if let Some(last) = cutter.done.last_mut() {
        last.span.end = document.text.len();
    }
    cutter.done
}

/// The chunk that is being filled.
struct Open {
    end: usize,
    tokens: usize,
    /// Whether it holds more than headings.
    body: bool,
    context: String,
    page: Option<usize>,
}

struct Cutter<'d> {
    document: &'d Document,
    size: &'d Size<'d>,
    headings: Vec<(u8, String)>,
    done: Vec<Chunk>,
    /// Where the open chunk, or the next one, begins.
    begin: usize,
    open: Option<Open>,
}

impl Cutter<'_> {
    fn block(&mut self, block: &Block) {
        let text = &self.document.text[block.span.clone()];
        if let Kind::Heading(depth) = block.kind {
            // A short section shares its chunk with the next one of the same or a lower rank.
            let short = self.size.most / 8;
            if self.open.as_ref().is_some_and(|open| open.body && open.tokens > short) {
                self.end();
            }
            self.headings.retain(|(above, _)| *above < depth);
            self.headings.push((depth, one_line(text, 120)));
            return self.add(block.span.clone(), false, "");
        }
        if (self.size.count)(text) <= self.size.most {
            return self.add(block.span.clone(), true, "");
        }
        let head = match block.kind {
            Kind::Table { header: true } => one_line(text.lines().next().unwrap_or(""), 300),
            _ => String::new(),
        };
        for (index, piece) in self.pieces(block).into_iter().enumerate() {
            self.add(piece, true, if index == 0 { "" } else { &head });
        }
    }

    /// A block too large for one chunk in parts that are not.
    fn pieces(&self, block: &Block) -> Vec<Range<usize>> {
        let text = &self.document.text[block.span.clone()];
        let fits = |text: &str| (self.size.count)(text) <= self.size.most;
        // Parts of one size rather than full ones and a small rest, which BM25 would take for a pithy text.
        let all = (self.size.count)(text);
        let even = all.div_ceil(all.div_ceil(self.size.most));
        let even = (even + even / 8).min(self.size.most);
        let mut pieces: Vec<Range<usize>> = Vec::new();
        let mut tokens = 0;
        let mut add = |part: Range<usize>| {
            let more = (self.size.count)(&text[part.clone()]);
            match pieces.last_mut() {
                Some(last) if tokens + more <= even => (last.end, tokens) = (part.end, tokens + more),
                _ => {
                    pieces.push(part);
                    tokens = more;
                }
            }
        };
        let lines = within(text, 0..text.len(), |_, _, char| char == '\n');
        for line in lines {
            if fits(&text[line.clone()]) || matches!(block.kind, Kind::Table { .. }) {
                add(line);
                continue;
            }
            for sentence in within(text, line, ends_sentence) {
                if fits(&text[sentence.clone()]) {
                    add(sentence);
                    continue;
                }
                for word in within(text, sentence, |_, _, char| char.is_whitespace() || !char.is_ascii()) {
                    // What has no end at all is cut between characters.
                    for part in short(text, word, self.size.most) {
                        add(part);
                    }
                }
            }
        }
        pieces.into_iter().map(|part| block.span.start + part.start..block.span.start + part.end).collect()
    }

    fn add(&mut self, span: Range<usize>, body: bool, head: &str) {
        let text = &self.document.text;
        let tokens = (self.size.count)(&text[span.clone()]);
        if self.open.as_ref().is_some_and(|open| open.tokens + tokens > self.size.most && open.body)
            || (!head.is_empty() && self.open.is_some())
        {
            self.end();
        }
        let page = self.document.page(span.start);
        let open =
            self.open.get_or_insert(Open { end: 0, tokens: 0, body: false, context: String::new(), page });
        open.end = span.end;
        open.tokens += tokens;
        if body && !open.body {
            open.body = true;
            let mut path: Vec<&str> = self.headings.iter().map(|(_, text)| text.as_str()).collect();
            path.extend((!head.is_empty()).then_some(head));
            open.context = path.join(" › ");
        }
    }

    fn end(&mut self) {
        let Some(mut open) = self.open.take() else { return };
        if !open.body {
            open.context =
                self.headings.iter().map(|(_, text)| text.as_str()).collect::<Vec<_>>().join(" › ");
        }
        self.done.push(Chunk {
            span: self.begin..open.end,
            context: open.context,
            page: open.page,
            tokens: open.tokens,
        });
        self.begin = open.end;
    }
}

/// `span` cut behind each character for which `ends` is true, given what stands before and behind it.
fn within(text: &str, span: Range<usize>, ends: impl Fn(&str, &str, char) -> bool) -> Vec<Range<usize>> {
    let mut parts = Vec::new();
    let mut begin = span.start;
    for (at, char) in text[span.clone()].char_indices() {
        let after = span.start + at + char.len_utf8();
        if ends(&text[span.start..span.start + at], &text[after..span.end], char) {
            parts.push(begin..after);
            begin = after;
        }
    }
    if begin < span.end {
        parts.push(begin..span.end);
    }
    parts
}

/// A part in pieces of at most `most` characters.
fn short(text: &str, span: Range<usize>, most: usize) -> Vec<Range<usize>> {
    let bounds: Vec<usize> = text[span.clone()].char_indices().map(|(at, _)| span.start + at).collect();
    let starts: Vec<usize> = bounds.into_iter().step_by(most.max(1)).collect();
    let ends = starts.iter().skip(1).copied().chain([span.end]);
    starts.iter().copied().zip(ends).map(|(begin, end)| begin..end).collect()
}

fn one_line(text: &str, most: usize) -> String {
    let mut line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    line = line.trim_start_matches('#').trim_start().to_string();
    if let Some((end, _)) = line.char_indices().nth(most) {
        line.truncate(end);
        line.push('…');
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Blocks of `(kind, text)`, with an empty line between.
    fn document(blocks: &[(Kind, String)]) -> Document {
        let mut document = Document::default();
        for (kind, text) in blocks {
            let begin = document.text.len();
            document.text += text;
            document.blocks.push(Block { kind: *kind, span: begin..document.text.len() });
            document.text += "\n\n";
        }
        document
    }

    fn check(document: &Document, most: usize) -> Vec<Chunk> {
        let all = chunks(document, &Size { most, count: &estimate });
        let mut at = 0;
        for chunk in &all {
            assert_eq!(chunk.span.start, at);
            assert!(
                document.text.get(chunk.span.clone()).is_some_and(|text| !text.trim().is_empty()),
                "{chunk:?}"
            );
            at = chunk.span.end;
        }
        assert!(all.is_empty() || at == document.text.len());
        all
    }

    #[test]
    fn sections_begin_chunks_and_give_them_their_context() {
        let text = "年假按入职年限计算。".repeat(8);
        let document = document(&[
            (Kind::Heading(1), "手册".into()),
            (Kind::Heading(2), "假期".into()),
            (Kind::Text, text.clone()),
            (Kind::Heading(3), "病假".into()),
            (Kind::Text, text.clone()),
            (Kind::Heading(2), "工资".into()),
            (Kind::Text, text),
        ]);
        let all = check(&document, 120);
        let contexts: Vec<&str> = all.iter().map(|chunk| chunk.context.as_str()).collect();
        assert_eq!(contexts, ["手册 › 假期", "手册 › 假期 › 病假", "手册 › 工资"]);
    }

    #[test]
    fn a_large_table_is_cut_between_rows_under_its_header() {
        let rows: Vec<String> = (0..50).map(|row| format!("item {row} | {} | in stock", row * 7)).collect();
        let text = format!("name | price | state\n{}", rows.join("\n"));
        let document = document(&[(Kind::Table { header: true }, text)]);
        let all = check(&document, 60);
        assert!(all.len() > 5);
        for chunk in &all[1..] {
            assert_eq!(chunk.context, "name | price | state");
        }
        for chunk in &all {
            let text = document.text[chunk.span.clone()].trim_end();
            assert!(
                text.ends_with("in stock") && (text.starts_with("item") || text.starts_with("name")),
                "{text}"
            );
        }
    }

    #[test]
    fn any_text_is_covered_and_no_chunk_is_too_large() {
        let mut state = 7u64;
        let mut random = |n: usize| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            (state % n as u64) as usize
        };
        let words =
            ["one", "两", "三。", "four. ", "five\n", "𝄞", " ", "veryveryverylongwordwithoutend", "!? "];
        for _ in 0..300 {
            let blocks: Vec<(Kind, String)> = (0..random(6))
                .map(|_| {
                    let kind = [Kind::Heading(1 + random(3) as u8), Kind::Text, Kind::Code][random(3)];
                    let length = if matches!(kind, Kind::Heading(_)) { 4 } else { random(200) };
                    (
                        kind,
                        format!("x{}", (0..length).map(|_| words[random(words.len())]).collect::<String>()),
                    )
                })
                .collect();
            let document = document(&blocks);
            let headings: usize = blocks.iter().filter(|(kind, _)| matches!(kind, Kind::Heading(_))).count();
            for chunk in check(&document, 40) {
                // Headings in a row stay with what follows them.
                assert!(chunk.tokens <= 40 + headings * 30, "{chunk:?}");
            }
        }
    }
}
