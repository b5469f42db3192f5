//! Finds documents with an equal hash, then documents that share a band, over any number of documents in bounded memory.
//!
//! Five bytes a document are held (a verdict, a link to an earlier one). Hashes are read one column at a time, and of a
//! column one range of hashes at a time.

use rayon::prelude::*;

use super::BANDS;
use crate::error::Result;

/// Most hashes held and sorted at once.
const AT_ONCE: usize = 4 << 20;

/// Where the hashes of all documents can be read, again and again.
pub(crate) trait Columns {
    fn documents(&self) -> usize;
    /// Calls `each` with every document's number, in order, and the hash of its text.
    fn texts(&self, each: &mut dyn FnMut(u32, u128)) -> Result<()>;
    /// Calls `each` with every document's number, in order, and its hash in a band.
    fn band(&self, band: usize, each: &mut dyn FnMut(u32, u64)) -> Result<()>;
}

/// What a document repeats.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Repeat {
    /// Nothing before it.
    No,
    /// The whole text of an earlier document.
    Exact,
    /// Most of the text of an earlier one, or of one that is near to an earlier one.
    Near,
}

/// Says for every document whether it repeats an earlier one. `step` is called after each column and may
/// stop the search.
pub(crate) fn find_copies(
    columns: &(impl Columns + ?Sized),
    near: bool,
    mut step: impl FnMut(usize) -> Result<()>,
) -> Result<Vec<Repeat>> {
    let n = columns.documents();
    let ranges = n.div_ceil(AT_ONCE).max(1) as u128;
    let mut copies = vec![Repeat::No; n];
    for range in 0..ranges {
        let mut found = Vec::new();
        columns.texts(&mut |document, hash| {
            if hash % ranges == range {
                found.push((hash, document));
            }
        })?;
        found.par_sort_unstable();
        for same in found.chunk_by(|x, y| x.0 == y.0) {
            same[1..].iter().for_each(|&(_, document)| copies[document as usize] = Repeat::Exact);
        }
    }
    step(1)?;
    if !near {
        return Ok(copies);
    }
    let mut links: Vec<u32> = (0..n as u32).collect();
    for band in 0..BANDS {
        for range in 0..ranges as u64 {
            let mut found = Vec::new();
            columns.band(band, &mut |document, hash| {
                if copies[document as usize] == Repeat::No && hash % ranges as u64 == range {
                    found.push((hash, document));
                }
            })?;
            found.par_sort_unstable();
            for same in found.chunk_by(|x, y| x.0 == y.0) {
                same[1..].iter().for_each(|&(_, document)| join(&mut links, same[0].1, document));
            }
        }
        step(band + 2)?;
    }
    for (document, copy) in (0..).zip(&mut copies) {
        if *copy == Repeat::No && root(&mut links, document) != document {
            *copy = Repeat::Near;
        }
    }
    Ok(copies)
}

/// The earliest document of a cluster; shortens the way there.
fn root(links: &mut [u32], mut document: u32) -> u32 {
    while links[document as usize] != document {
        let next = links[links[document as usize] as usize];
        links[document as usize] = next;
        document = next;
    }
    document
}

fn join(links: &mut [u32], a: u32, b: u32) {
    let (a, b) = (root(links, a), root(links, b));
    links[a.max(b) as usize] = a.min(b);
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Table(Vec<(u128, [u64; BANDS])>);

    impl Columns for Table {
        fn documents(&self) -> usize {
            self.0.len()
        }

        fn texts(&self, each: &mut dyn FnMut(u32, u128)) -> Result<()> {
            (0..).zip(&self.0).for_each(|(i, row)| each(i, row.0));
            Ok(())
        }

        fn band(&self, band: usize, each: &mut dyn FnMut(u32, u64)) -> Result<()> {
            (0..).zip(&self.0).for_each(|(i, row)| each(i, row.1[band]));
            Ok(())
        }
    }

    #[test]
    fn the_earliest_stays() {
        // Each document's bands are its own, but for those named: (document, band, hash).
        let mut rows: Vec<_> =
            (0..8u64).map(|i| (u128::from(i), [0; BANDS].map(|_: u64| 1000 + i))).collect();
        for (document, band, hash) in [(1, 3, 7), (4, 3, 7), (4, 19, 8), (6, 19, 8), (5, 0, 9), (2, 1, 9)] {
            rows[document].1[band] = hash;
        }
        rows[7].0 = 3;
        let table = Table(rows);
        let copies = find_copies(&table, true, |_| Ok(())).unwrap();
        use Repeat::{Exact, Near, No};
        assert_eq!(copies, [No, No, No, No, Near, No, Near, Exact]);
        let copies = find_copies(&table, false, |_| Ok(())).unwrap();
        assert_eq!(copies, [No, No, No, No, No, No, No, Exact]);
    }
}
