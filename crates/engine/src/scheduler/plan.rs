//! What the next step reads.

use super::{Scheduler, Sequence};

/// New tokens of one sequence.
pub(super) struct Work {
    /// Which of those that run.
    pub index: usize,
    /// Tokens to read, and guesses after them.
    pub ids: Vec<u32>,
    /// Tokens that may come after them.
    pub guesses: Vec<u32>,
    /// Whether a token is to be chosen after them: nothing else remains to be read.
    pub is_last: bool,
}

impl Work {
    /// Whether it is more than the token written last.
    pub(super) fn is_prompt(&self) -> bool {
        !self.is_last || self.ids.len() > 1 + self.guesses.len()
    }
}

impl Scheduler {
    /// Everyone's next token, then pieces of prompts, in the room that there is. The last that began lose their pages if
    /// there is none.
    pub(super) fn plan(&mut self) -> Vec<Work> {
        loop {
            let works = self.works();
            let needed = works.iter().map(|work| self.pages_for(work)).sum();
            if self.make_room(needed) || !self.preempt() {
                self.commit(&works);
                return works;
            }
        }
    }

    fn works(&mut self) -> Vec<Work> {
        let context = self.model.config().max_position_embeddings;
        let writing = self.running.iter().filter(|sequence| sequence.unread() == 1).count();
        let guess = self.options.speculate > 0 && writing <= self.options.speculate_up_to;
        let mut works = Vec::new();
        for (index, sequence) in self.running.iter_mut().enumerate() {
            if sequence.unread() != 1 {
                continue;
            }
            let room = if guess && !sequence.is_new() { sequence.room(context) } else { 0 };
            let guesses = sequence.lookup.propose(&sequence.ids, room);
            let ids = sequence.ids.last().copied().into_iter().chain(guesses.iter().copied()).collect();
            works.push(Work { index, ids, guesses, is_last: true });
        }
        let mut budget = if works.is_empty() { self.options.piece } else { self.options.piece_beside };
        for index in self.readers() {
            if budget == 0 {
                break;
            }
            self.adopt(index);
            let sequence = &self.running[index];
            let (from, unread) = (sequence.cache.length(), sequence.unread());
            let count = unread.min(budget);
            budget -= count;
            let ids = sequence.ids[from..from + count].to_vec();
            works.push(Work { index, ids, guesses: Vec::new(), is_last: count == unread });
        }
        works
    }

    /// Those with a prompt to read: of the owner who waited longest the one who waited longest, and so on.
    fn readers(&self) -> Vec<usize> {
        let mut readers: Vec<usize> =
            (0..self.running.len()).filter(|&i| self.running[i].unread() > 1).collect();
        readers.sort_by_key(|&index| {
            let sequence: &Sequence = &self.running[index];
            (self.served.get(&sequence.owner()).copied().unwrap_or_default(), sequence.served)
        });
        readers
    }

    /// Remembers who had a turn.
    fn commit(&mut self, works: &[Work]) {
        self.steps += u64::from(!works.is_empty());
        for work in works {
            let sequence = &mut self.running[work.index];
            sequence.served = self.steps;
            if work.is_prompt() {
                self.served.insert(sequence.owner(), self.steps);
            }
        }
        // Owners without requests are forgotten now and then.
        if self.served.len() > 2 * self.running.len() + 64 {
            let running = &self.running;
            self.served.retain(|owner, _| running.iter().any(|sequence| sequence.owner() == *owner));
        }
        self.shared.stats().tokens_read += works.iter().map(|work| work.ids.len() as u64).sum::<u64>();
    }
}
