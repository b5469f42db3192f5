//! Which combinations of words are kept for the test split: the world's ground rules.

use xxhash_rust::xxh3::xxh3_64_with_seed;

use super::lexicon::{Category, Id, lexicon, range, word};

/// Pairs of categories whose combinations are split. The first owns the row: of each row a tenth is held out.
const SPLIT: [(Category, Category); 13] = [
    (Category::Person, Category::Dish),
    (Category::Person, Category::Animal),
    (Category::Person, Category::Place),
    (Category::Person, Category::Job),
    (Category::Person, Category::Thing),
    (Category::Person, Category::Fruit),
    (Category::Person, Category::Colour),
    (Category::Person, Category::Feeling),
    (Category::Person, Category::Spot),
    (Category::Animal, Category::Spot),
    (Category::Animal, Category::Place),
    (Category::Thing, Category::Spot),
    (Category::Thing, Category::Place),
];

/// The combinations that never occur in training, chosen by a hash of seed and words.
pub(crate) struct Ground {
    seed: u64,
    words: usize,
    held: Vec<u64>,
}

impl Ground {
    pub fn new(seed: u64) -> Self {
        let words = lexicon().len();
        let mut ground = Self { seed, words, held: vec![0; (words * words).div_ceil(64)] };
        for (rows, columns) in SPLIT {
            for row in range(rows) {
                // By rank rather than by threshold: no row stays without a combination to test.
                let mut ranked: Vec<Id> = range(columns).collect();
                ranked.sort_by_key(|&column| ground.hash(row, column));
                for &column in &ranked[..ranked.len().div_ceil(10)] {
                    ground.hold(row, column);
                }
            }
        }
        for a in range(Category::Person) {
            for b in a + 1..range(Category::Person).end {
                if ground.hash(a, b).is_multiple_of(10) {
                    ground.hold(a, b);
                }
            }
        }
        ground
    }

    /// Whether the two words, in either order, are met together in the test split alone.
    pub fn is_held(&self, a: Id, b: Id) -> bool {
        let bit = usize::from(a) * self.words + usize::from(b);
        self.held[bit / 64] >> (bit % 64) & 1 == 1
    }

    /// Whether a sum or difference of `a` and `b` is met in the test split alone.
    pub fn is_sum_held(&self, operator: char, a: u32, b: u32) -> bool {
        let (a, b) = if operator == '+' { (a.min(b), a.max(b)) } else { (a, b) };
        let mut bytes = [0; 9];
        bytes[0] = operator as u8;
        bytes[1..5].copy_from_slice(&a.to_le_bytes());
        bytes[5..].copy_from_slice(&b.to_le_bytes());
        xxh3_64_with_seed(&bytes, self.seed).is_multiple_of(10)
    }

    fn hold(&mut self, a: Id, b: Id) {
        for (a, b) in [(a, b), (b, a)] {
            let bit = usize::from(a) * self.words + usize::from(b);
            self.held[bit / 64] |= 1 << (bit % 64);
        }
    }

    /// By the words' text, so that a word more in the lexicon moves few of the others.
    fn hash(&self, a: Id, b: Id) -> u64 {
        let mut bytes = [0u8; 96];
        let mut end = 0;
        for byte in word(a).en.bytes().chain([0]).chain(word(b).en.bytes()).take(96) {
            bytes[end] = byte;
            end += 1;
        }
        xxh3_64_with_seed(&bytes[..end], self.seed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tenth_of_every_row_is_held() {
        let ground = Ground::new(3);
        for person in range(Category::Person) {
            let held = range(Category::Dish).filter(|&dish| ground.is_held(person, dish)).count();
            assert_eq!(held, range(Category::Dish).len().div_ceil(10));
        }
        let sums = (10..100).flat_map(|a| (a..100).map(move |b| (a, b)));
        let held = sums.filter(|&(a, b)| ground.is_sum_held('+', a, b)).count();
        assert!((350..470).contains(&held), "{held} of 4095 sums are held");
        assert_eq!(ground.is_sum_held('+', 12, 34), ground.is_sum_held('+', 34, 12));
    }
}
