#!/usr/bin/env python3
"""Writes crates/text/src/unicode_table.rs: which characters are letters, numbers and white space.

The classes are asked of Hugging Face tokenizers' own regex engine, since its ids are those we must equal. Version 0.23.3
follows Unicode 16.0, as does tiktoken 0.14.0 (the sets are the same); a test holds them against Rust's `regex` too.

    python goldens/text/unicode_classes.py
"""

import pathlib

from tokenizers import Regex, pre_tokenizers

CODE_POINTS = [c for c in range(0x110000) if not 0xD800 <= c <= 0xDFFF]
TEXT = "".join(map(chr, CODE_POINTS))


def members(pattern):
    rest = set()
    for _, (start, end) in pre_tokenizers.Split(Regex(pattern), "removed").pre_tokenize_str(TEXT):
        rest.update(CODE_POINTS[start:end])
    return set(CODE_POINTS) - rest


def main():
    letter, number, space = members(r"\p{L}"), members(r"\p{N}"), members(r"\s")
    starts, last = [], None
    for c in range(0x110000):
        k = 1 if c in letter else 2 if c in number else 3 if c in space else 0
        if k != last:
            starts.append(c << 2 | k)
            last = k
    lines = [
        "//! Runs of characters of one class, Unicode 16.0. Written by `goldens/text/unicode_classes.py`; do not edit.",
        "",
        "/// Each run as `first code point << 2 | class`, ascending; classes: 0 other, 1 letter, 2 number, 3 white space.",
        f"pub(crate) static RUNS: [u32; {len(starts)}] = [",
    ]
    line = "   "
    for s in starts:
        item = f" {s:#x},"
        if len(line) + len(item) > 110:
            lines.append(line)
            line = "   "
        line += item
    lines += [line, "];", ""]
    out = pathlib.Path(__file__).resolve().parents[2] / "crates/text/src/unicode_table.rs"
    out.write_text("\n".join(lines), encoding="utf-8")
    print(f"{out}: {len(starts)} runs, {len(letter)} letters, {len(number)} numbers, {len(space)} white space")


if __name__ == "__main__":
    main()
