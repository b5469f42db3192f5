//! N-grams of words as rolling hashes, and how much of a text they repeat.

use super::Words;
use crate::rng::mix;

const BASE: u64 = 0x9e37_79b9_7f4a_7c15;

/// Hashes of all n-grams, in order: polynomials over words' hashes, finalised. Empty if there are fewer words.
pub(crate) fn grams(hashes: &[u64], n: usize) -> impl Iterator<Item = u64> {
    let top = BASE.wrapping_pow(n as u32);
    let mut sum = hashes.iter().take(n - 1).fold(0u64, |s, &h| s.wrapping_mul(BASE).wrapping_add(h));
    let mut old = 0u64;
    hashes.get(n - 1..).unwrap_or_default().iter().enumerate().map(move |(i, &h)| {
        sum = sum.wrapping_mul(BASE).wrapping_add(h).wrapping_sub(old.wrapping_mul(top));
        old = hashes[i];
        mix(sum)
    })
}

/// The hash of all of `hashes` as one n-gram.
pub(crate) fn gram(hashes: &[u64]) -> u64 {
    mix(hashes.iter().fold(0, |s: u64, &h| s.wrapping_mul(BASE).wrapping_add(h)))
}

/// Counts of hashes: open addressing, no deletion. 0 marks an empty place; a hash of 0 is taken for 1.
struct Counts {
    keys: Vec<u64>,
    counts: Vec<u32>,
    mask: usize,
}

impl Counts {
    fn new(most: usize) -> Self {
        let size = (most * 2).next_power_of_two().max(16);
        Self { keys: vec![0; size], counts: vec![0; size], mask: size - 1 }
    }

    /// Adds one; returns the count.
    fn add(&mut self, key: u64) -> u32 {
        let key = key.max(1);
        let mut i = key as usize & self.mask;
        while self.keys[i] != key {
            if self.keys[i] == 0 {
                self.keys[i] = key;
                break;
            }
            i = (i + 1) & self.mask;
        }
        self.counts[i] += 1;
        self.counts[i]
    }
}

/// Share of the words' characters that the most frequent n-gram makes up; 0 if none comes twice.
pub(super) fn top_share(words: &Words, n: usize) -> f64 {
    let (mut most, mut chars) = (1, 0);
    let mut counts = Counts::new(words.hashes.len());
    for (i, gram) in grams(&words.hashes, n).enumerate() {
        let count = counts.add(gram);
        if count > most {
            (most, chars) = (count, words.chars[i..i + n].iter().sum());
        }
    }
    f64::from(most) * f64::from(chars) / words.alphanumeric.max(1) as f64
}

/// Share of the words' characters in n-grams that came before.
///
/// `overlapping`: every repeated n-gram counts, a character once. Otherwise, as Gopher and datatrove count, the search
/// goes on behind a repeated one; that is never more than the overlapping share, nor, for a larger n, than the
/// overlapping share of a smaller.
pub(super) fn repeated_share(words: &Words, n: usize, overlapping: bool) -> f64 {
    let mut counts = Counts::new(words.hashes.len());
    let (mut repeated, mut behind) = (0u64, 0);
    for (i, gram) in grams(&words.hashes, n).enumerate() {
        if !overlapping && i < behind {
            continue;
        }
        if counts.add(gram) > 1 {
            let from = i.max(behind);
            repeated += words.chars[from..i + n].iter().map(|&c| u64::from(c)).sum::<u64>();
            behind = i + n;
        }
    }
    repeated as f64 / words.alphanumeric.max(1) as f64
}

#[cfg(test)]
mod tests {
    use super::super::words;
    use super::*;

    #[test]
    fn rolling_is_direct() {
        let hashes: Vec<u64> = (0..20).map(|i| mix(i + 1)).collect();
        for n in 1..=21 {
            let rolled: Vec<u64> = grams(&hashes, n).collect();
            let direct: Vec<u64> = hashes.windows(n).map(gram).collect();
            assert_eq!(rolled, direct, "{n}");
        }
        assert_eq!(grams(&[], 5).count(), 0);
    }

    #[test]
    fn shares() {
        let once = words("aa bb cc dd ee ff gg hh ii jj");
        assert_eq!((top_share(&once, 2), repeated_share(&once, 5, false)), (0.0, 0.0));
        // The second half repeats the first: (aa bb cc dd ee) twice.
        let twice = words("aa bb cc dd ee aa bb cc dd ee");
        assert_eq!(top_share(&twice, 2), 0.4);
        assert_eq!(repeated_share(&twice, 5, false), 0.5);
        let many = words(&"aa bb ".repeat(50));
        assert!(repeated_share(&many, 5, true) > 0.9 && top_share(&many, 2) > 0.9);
        for n in 5..9 {
            assert!(repeated_share(&many, n, false) <= repeated_share(&many, 5, true));
        }
    }
}
