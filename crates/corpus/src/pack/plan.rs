//! Best-fit packing: pieces of documents into rows of T positions. Knows lengths only.

use std::collections::BTreeSet;

/// `positions` consecutive inputs of one document, from its token `from` on; reading it takes one token more,
/// the last target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Piece {
    pub document: u32,
    pub from: u32,
    pub positions: u32,
}

/// Cuts a document of `length` tokens into pieces of at most `row` positions. A piece's last target is the next
/// one's first input, so every token but the first is a target exactly once.
pub(crate) fn cut(document: u32, length: usize, row: usize) -> impl Iterator<Item = Piece> {
    let positions = length.saturating_sub(1);
    (0..positions).step_by(row).map(move |from| Piece {
        document,
        from: from as u32,
        positions: row.min(positions - from) as u32,
    })
}

/// Packs pieces into rows of `row` positions: the longest first, each where the least room is left over
/// (best-fit decreasing). Where more than an eighth of several rows would stay empty, as with documents that are
/// all a little longer than half a row, and `may_cut`, the emptiest rows are cut up to fill the others.
pub(crate) fn pack(mut pieces: Vec<Piece>, row: usize, may_cut: bool) -> Vec<Vec<Piece>> {
    pieces.sort_by_key(|p| std::cmp::Reverse(p.positions));
    let mut rows: Vec<Vec<Piece>> = Vec::new();
    let mut room: Vec<u32> = Vec::new();
    let mut open: BTreeSet<(u32, usize)> = BTreeSet::new();
    for piece in pieces {
        let fit = open.range((piece.positions, 0)..).next().copied();
        let index = match fit {
            Some(found) => {
                open.remove(&found);
                found.1
            }
            None => {
                rows.push(Vec::new());
                room.push(row as u32);
                rows.len() - 1
            }
        };
        rows[index].push(piece);
        room[index] -= piece.positions;
        if room[index] > 0 {
            open.insert((room[index], index));
        }
    }
    if may_cut {
        fill(&mut rows, &mut room, row as u32 / 8);
    }
    rows
}

/// Moves pieces, or parts of pieces, from the emptiest rows into rows with more than `slack` positions of room.
fn fill(rows: &mut Vec<Vec<Piece>>, room: &mut [u32], slack: u32) {
    let mut gaps: Vec<usize> = (0..rows.len()).filter(|&r| room[r] > slack).collect();
    gaps.sort_by_key(|&r| (room[r], r));
    let (mut full, mut empty) = (0, gaps.len());
    while full + 1 < empty {
        let (to, from) = (gaps[full], gaps[empty - 1]);
        let Some(&piece) = rows[from].last() else {
            empty -= 1;
            continue;
        };
        let moved = piece.positions.min(room[to]);
        rows[to].push(Piece { positions: moved, ..piece });
        rows[from].pop();
        if moved < piece.positions {
            rows[from].push(Piece { from: piece.from + moved, positions: piece.positions - moved, ..piece });
        }
        room[from] += moved;
        room[to] -= moved;
        full += usize::from(room[to] <= slack);
    }
    rows.retain(|r| !r.is_empty());
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::SplitMix;

    /// Packs, then checks that every position of every document is there exactly once and no row overflows.
    fn check(lengths: &[usize], row: usize, may_cut: bool) -> f64 {
        let pieces: Vec<Piece> = (0u32..).zip(lengths).flat_map(|(d, &n)| cut(d, n, row)).collect();
        let rows = pack(pieces, row, may_cut);
        let mut seen: Vec<Vec<u32>> = lengths.iter().map(|&n| vec![0; n.saturating_sub(1)]).collect();
        for r in &rows {
            assert!(!r.is_empty() && r.iter().map(|p| p.positions as usize).sum::<usize>() <= row);
            for p in r {
                for i in p.from..p.from + p.positions {
                    seen[p.document as usize][i as usize] += 1;
                }
            }
        }
        assert!(seen.iter().flatten().all(|&n| n == 1));
        lengths.iter().map(|n| n.saturating_sub(1)).sum::<usize>() as f64 / (rows.len() * row).max(1) as f64
    }

    #[test]
    fn nothing_lost_nothing_twice() {
        let mut rng = SplitMix::new(&[1]);
        for _ in 0..200 {
            let row = 1 + rng.below(64);
            let lengths: Vec<usize> = (0..rng.below(80)).map(|_| rng.below(150)).collect();
            check(&lengths, row, false);
            check(&lengths, row, true);
        }
    }

    #[test]
    fn rows_are_full() {
        let mut rng = SplitMix::new(&[2]);
        let mixed: Vec<usize> = (0..2000).map(|_| 2 + rng.below(300)).collect();
        assert!(check(&mixed, 256, false) > 0.98);
        let awkward = vec![154; 1000];
        assert!(check(&awkward, 256, false) < 0.61);
        assert!(check(&awkward, 256, true) > 0.95);
    }
}
