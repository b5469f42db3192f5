//! Guesses what comes next where a text repeats itself: quotes, edits, code.
//!
//! Source: prompt lookup decoding, github.com/apoorvumang/prompt-lookup-decoding. A guess is read together with the token
//! before it and kept only where the sampler chooses the same, so that it changes nothing but the time.

/// How long an end of the text must have occurred before, the longest first.
const MATCHES: [usize; 2] = [3, 2];

/// Tokens without a guess after a wrong one, at most.
const LONGEST_PAUSE: usize = 64;

/// How much to guess for one sequence, by how guessing went.
#[derive(Debug)]
pub(crate) struct Lookup {
    most: usize,
    next: usize,
    wrong: u32,
    pause: usize,
}

impl Lookup {
    /// At most `most` tokens at once.
    pub(crate) fn new(most: usize) -> Self {
        Self { most, next: most.div_ceil(2), wrong: 0, pause: 0 }
    }

    /// Up to `room` tokens that may come after `ids`; often none.
    pub(crate) fn propose(&mut self, ids: &[u32], room: usize) -> Vec<u32> {
        let count = self.next.min(room);
        if count == 0 {
            return Vec::new();
        }
        if self.pause > 0 {
            self.pause -= 1;
            return Vec::new();
        }
        for n in MATCHES {
            if ids.len() <= n {
                continue;
            }
            let (before, end) = (&ids[..ids.len() - 1], &ids[ids.len() - n..]);
            if let Some(at) = before.windows(n).rposition(|these| these == end) {
                let from = at + n;
                // A short cycle goes on as it went.
                let period = ids.len() - from;
                return (0..count).map(|i| ids[from + i % period]).collect();
            }
        }
        Vec::new()
    }

    /// Learns how a guess went.
    pub(crate) fn learn(&mut self, proposed: usize, accepted: usize) {
        if accepted == proposed {
            self.next = (self.next * 2).min(self.most);
            self.wrong = 0;
        } else if accepted > 0 {
            self.next = (accepted + 1).min(self.most);
            self.wrong = 0;
        } else {
            self.next = (self.next / 2).max(1);
            self.wrong += 1;
            self.pause = (1usize << self.wrong.min(10)).min(LONGEST_PAUSE) - 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn goes_on_as_it_went_the_last_time() {
        let mut lookup = Lookup::new(8);
        assert_eq!(lookup.propose(&[1, 2, 3, 4, 9, 1, 2, 3, 5, 6, 1, 2, 3], 2), [5, 6]);
        assert_eq!(lookup.propose(&[1, 2, 3, 4, 9, 2, 3], 8), [4, 9, 2, 3]);
        assert_eq!(lookup.propose(&[7, 7, 7], 8), [7; 4]);
        assert!(lookup.propose(&[1, 2, 3, 4], 8).is_empty());
        assert!(lookup.propose(&[1, 2, 1, 2], 0).is_empty());
        assert!(lookup.propose(&[1], 8).is_empty());
    }

    #[test]
    fn wrong_guesses_become_rare_and_right_ones_long() {
        let ids = [1, 2, 1, 2];
        let mut lookup = Lookup::new(8);
        let mut guesses = 0;
        for _ in 0..1000 {
            let guess = lookup.propose(&ids, 8).len();
            if guess > 0 {
                guesses += 1;
                lookup.learn(guess, 0);
            }
        }
        assert!(guesses < 30, "{guesses}");
        for _ in 0..LONGEST_PAUSE {
            lookup.propose(&ids, 8);
        }
        for _ in 0..4 {
            lookup.learn(lookup.next, lookup.next);
        }
        assert_eq!(lookup.propose(&ids, 8).len(), 8);
    }
}
