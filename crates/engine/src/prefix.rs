//! Pages of what was read before, for requests that begin alike.
//!
//! A tree of pages: each is found by its own ids and the page before it. Both are compared, so that a hash that two texts
//! share (the map's is keyed, nobody can search for one) costs time and never shows one text's page to another.

use crate::request::PrefixKey;
use shuyuan_kernels::Page;
use shuyuan_model::PAGE_TOKENS;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

/// Full pages by what they hold, the longest unused given up first.
#[derive(Default)]
pub(crate) struct PrefixCache {
    kept: HashMap<Arc<Key>, Kept>,
    /// By when they were last used; within a text later pages count as older, so that a text is given up from its end.
    order: BTreeMap<u64, Arc<Key>>,
    serial: u64,
    clock: u64,
}

#[derive(PartialEq, Eq, Hash)]
struct Key {
    scope: PrefixKey,
    /// The serial number of the page before; 0 at the beginning.
    before: u64,
    ids: [u32; PAGE_TOKENS],
}

struct Kept {
    serial: u64,
    used: u64,
    page: Arc<Page>,
}

impl PrefixCache {
    /// Pages in it.
    pub(crate) fn len(&self) -> usize {
        self.kept.len()
    }

    /// Pages in it that a sequence holds, too.
    pub(crate) fn busy(&self) -> usize {
        self.kept.values().filter(|kept| Arc::strong_count(&kept.page) > 1).count()
    }

    /// The pages of the longest beginning of `ids` that is kept, of whole pages, at least one token short of all.
    pub(crate) fn longest(&mut self, scope: PrefixKey, ids: &[u32]) -> Vec<Arc<Page>> {
        let most = ids.len().saturating_sub(1) / PAGE_TOKENS;
        let mut pages = Vec::new();
        let mut before = 0;
        self.clock += most as u64;
        for (index, key) in keys(scope, ids).take(most).enumerate() {
            let key = Key { before, ..key };
            let Some((shared, kept)) = self.kept.get_key_value(&key) else { break };
            let (shared, used) = (shared.clone(), kept.used);
            before = kept.serial;
            pages.push(kept.page.clone());
            self.touch(shared, used, self.clock - index as u64);
        }
        pages
    }

    /// Keeps the full pages that hold `ids`. Returns how many of `pages` are kept now: the others' texts were there already.
    pub(crate) fn insert(&mut self, scope: PrefixKey, ids: &[u32], pages: &[Arc<Page>]) -> usize {
        let full = (ids.len() / PAGE_TOKENS).min(pages.len());
        let mut before = 0;
        let mut own = 0;
        self.clock += full as u64;
        for (index, (key, page)) in keys(scope, ids).zip(pages).take(full).enumerate() {
            let key = Arc::new(Key { before, ..key });
            let used = self.clock - index as u64;
            let serial = self.serial + 1;
            let kept =
                self.kept.entry(key.clone()).or_insert_with(|| Kept { serial, used: 0, page: page.clone() });
            self.serial = self.serial.max(kept.serial);
            own += usize::from(Arc::ptr_eq(&kept.page, page));
            before = kept.serial;
            let last = kept.used;
            self.touch(key, last, used);
        }
        own
    }

    /// Gives up to `count` pages back that nobody uses, the longest unused first. Returns how many.
    pub(crate) fn evict(&mut self, count: usize) -> usize {
        let idle =
            |key: &&Arc<Key>| self.kept.get(*key).is_some_and(|kept| Arc::strong_count(&kept.page) == 1);
        let keys: Vec<Arc<Key>> = self.order.values().filter(idle).take(count).cloned().collect();
        for key in &keys {
            if let Some(kept) = self.kept.remove(key) {
                self.order.remove(&kept.used);
            }
        }
        keys.len()
    }

    #[cfg(test)]
    pub(crate) fn holds(&self, page: *const Page) -> bool {
        self.kept.values().any(|kept| std::ptr::eq(Arc::as_ptr(&kept.page), page))
    }

    fn touch(&mut self, key: Arc<Key>, last: u64, used: u64) {
        self.order.remove(&last);
        if let Some(kept) = self.kept.get_mut(&key) {
            kept.used = used;
            self.order.insert(used, key);
        }
    }
}

fn keys(scope: PrefixKey, ids: &[u32]) -> impl Iterator<Item = Key> {
    let whole = ids.as_chunks::<PAGE_TOKENS>().0;
    whole.iter().map(move |ids| Key { scope, before: 0, ids: *ids })
}

#[cfg(test)]
mod tests {
    use super::*;
    use shuyuan_kernels::PageShape;

    const ME: PrefixKey = (false, 1);

    fn pages(n: usize) -> Vec<Arc<Page>> {
        let shape = PageShape { layers: 1, kv_heads: 1, head_dim: 16, half: false };
        (0..n).map(|_| Arc::new(Page::new(shape))).collect()
    }

    fn text(seed: u32, pages: usize) -> Vec<u32> {
        (0..(pages * PAGE_TOKENS) as u32).map(|i| i * 31 + seed).collect()
    }

    #[test]
    fn finds_the_longest_beginning_and_leaves_a_token() {
        let mut cache = PrefixCache::default();
        let (ids, held) = (text(1, 3), pages(3));
        assert_eq!(cache.insert(ME, &ids, &held), 3);
        assert_eq!(cache.longest(ME, &ids).len(), 2);
        let longer = [ids.clone(), vec![5]].concat();
        assert!(cache.longest(ME, &longer).iter().zip(&held).all(|(a, b)| Arc::ptr_eq(a, b)));
        assert_eq!(cache.longest(ME, &longer).len(), 3);
        let mut other = longer.clone();
        other[PAGE_TOKENS + 3] += 1;
        assert_eq!(cache.longest(ME, &other).len(), 1);
        other[0] += 1;
        assert_eq!(cache.longest(ME, &other).len(), 0);
        // The same ids after another beginning are another page, and nobody sees what is another's.
        assert_eq!(cache.longest(ME, &longer[PAGE_TOKENS..]).len(), 0);
        assert_eq!(cache.longest((true, 1), &longer).len(), 0);
        assert_eq!(cache.longest((false, 2), &longer).len(), 0);
    }

    #[test]
    fn gives_up_the_longest_unused_from_the_end_and_never_what_is_used() {
        let mut cache = PrefixCache::default();
        let (old, new) = (text(1, 2), text(2, 2));
        cache.insert(ME, &old, &pages(2));
        let held = pages(2);
        cache.insert(ME, &new, &held);
        assert_eq!((cache.len(), cache.busy()), (4, 2));
        assert_eq!(cache.longest(ME, &[old.clone(), vec![0]].concat()).len(), 2);
        assert_eq!(cache.evict(1), 1);
        assert_eq!(cache.longest(ME, &[old.clone(), vec![0]].concat()).len(), 1);
        assert_eq!(cache.evict(9), 1);
        assert_eq!((cache.len(), cache.order.len()), (2, 2));
        drop(held);
        assert_eq!(cache.evict(9), 2);
        assert_eq!((cache.len(), cache.order.len()), (0, 0));
    }

    #[test]
    fn the_first_of_two_equal_pages_stays() {
        let mut cache = PrefixCache::default();
        let ids = text(1, 2);
        cache.insert(ME, &ids[..PAGE_TOKENS], &pages(1));
        let second = pages(2);
        assert_eq!(cache.insert(ME, &ids, &second), 1);
        assert_eq!(cache.len(), 2);
    }
}
