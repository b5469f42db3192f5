//! The budget of pages: what is held, who fits, who has to give way.

use super::Scheduler;
use super::plan::Work;
use super::sequence::{Sequence, pages};
use crate::request::PrefixKey;

impl Scheduler {
    /// Pages held: a page that several share counts once, as one of the prefix cache, which gives up none that is in use.
    pub(super) fn held(&self) -> usize {
        self.prefixes.len() + self.running.iter().map(Sequence::own_pages).sum::<usize>()
    }

    /// Whether a text fits beside what those who run will have read, and a page of growth for each.
    pub(super) fn fits(&mut self, scope: Option<PrefixKey>, ids: &[u32]) -> bool {
        let context = self.model.config().max_position_embeddings;
        let found = scope.map(|scope| self.prefixes.longest(scope, ids)).unwrap_or_default();
        let needed = pages((ids.len() + 1).min(context)).saturating_sub(found.len());
        let soon: usize = self.running.iter().map(|sequence| sequence.own_pages_soon() + 1).sum();
        // What is found stays as well; `found` itself is one more owner of each.
        soon + needed + self.prefixes.len() <= self.pages
            || soon + needed + self.prefixes.busy() <= self.pages
            || self.running.is_empty()
    }

    /// Pages that a work adds.
    pub(super) fn pages_for(&self, work: &Work) -> usize {
        let cache = &self.running[work.index].cache;
        pages(cache.length() + work.ids.len()).saturating_sub(cache.pages().len())
    }

    /// Gives up kept pages until `needed` more fit. False if they do not.
    pub(super) fn make_room(&mut self, needed: usize) -> bool {
        let over = (self.held() + needed).saturating_sub(self.pages);
        over == 0 || self.prefixes.evict(over) == over
    }

    /// The last that began loses its pages and begins again later. False if it is the only one.
    pub(super) fn preempt(&mut self) -> bool {
        if self.running.len() < 2 {
            return false;
        }
        let Some(mut last) = self.running.pop() else { return false };
        last.forget(&self.model);
        self.preempted.push_front(last);
        self.shared.stats().preempted += 1;
        true
    }

    /// Pages in use by sequences or kept, counted one by one: what [`Scheduler::held`] must agree with.
    #[cfg(test)]
    pub(super) fn counted(&self) -> usize {
        let all = self.running.iter().flat_map(|sequence| sequence.cache.pages());
        let mut pages: Vec<*const _> = all.map(std::sync::Arc::as_ptr).collect();
        pages.sort_unstable();
        pages.dedup();
        let own = pages.iter().filter(|page| !self.prefixes.holds(**page)).count();
        self.prefixes.len() + own
    }
}
