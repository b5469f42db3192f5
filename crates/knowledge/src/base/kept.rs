//! Lists of common words, kept as they are needed: taken apart, of what one kind of reader may see.

use super::Mask;
use rustc_hash::FxHashMap;
use std::sync::{Arc, Mutex, PoisonError};

/// Slot and count of each chunk that has a word, ascending.
pub(crate) type List = Arc<Vec<(u32, u32)>>;

/// Shorter lists are as quickly taken apart again.
const LONG: usize = 4096;
/// Bytes that all kept lists may have, for each chunk that there is.
const BYTES: usize = 128;

/// Those that were used last, by mask and word. What one reader sees never comes from what another did.
#[derive(Default)]
pub(crate) struct KeptLists(Mutex<Kept>);

#[derive(Default)]
struct Kept {
    lists: FxHashMap<(u64, String), (List, u64)>,
    bytes: usize,
    /// Counts uses.
    now: u64,
}

impl KeptLists {
    pub fn get(&self, mask: &Mask, word: &str) -> Option<List> {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.now += 1;
        let now = kept.now;
        let (list, used) = kept.lists.get_mut(&(mask.id, word.to_string()))?;
        *used = now;
        Some(list.clone())
    }

    /// Keeps a list, if it is long, and lets those go that were not used for longest; `slots`: how many chunks there are.
    pub fn put(&self, mask: &Mask, word: &str, list: &List, slots: u32) {
        let (bytes, most) = (size(list), BYTES * slots as usize);
        if list.len() < LONG || bytes > most {
            return;
        }
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let now = kept.now;
        if kept.lists.insert((mask.id, word.into()), (list.clone(), now)).is_none() {
            kept.bytes += bytes;
        }
        while kept.bytes > most {
            let oldest = kept.lists.iter().min_by_key(|(_, (_, used))| *used).map(|(key, _)| key.clone());
            let Some((list, _)) = oldest.and_then(|key| kept.lists.remove(&key)) else { return };
            kept.bytes -= size(&list);
        }
    }
}

fn size(list: &List) -> usize {
    size_of_val(list.as_slice())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_not_used_for_longest_goes_and_each_mask_has_its_own() {
        let (one, other) = (Mask::of_nothing(), Mask::of_nothing());
        let list = |n: u32| Arc::new((0..n).map(|slot| (slot, 1)).collect::<Vec<_>>());
        let kept = KeptLists::default();
        // Room for three lists of 5,000 entries.
        let slots = (3 * 5_000 * 8 / BYTES + 1) as u32;
        kept.put(&one, "short", &list(10), slots);
        assert!(kept.get(&one, "short").is_none());
        for word in ["a", "b", "c"] {
            kept.put(&one, word, &list(5_000), slots);
        }
        assert!(kept.get(&one, "a").is_some() && kept.get(&other, "a").is_none());
        kept.put(&other, "a", &list(5_001), slots);
        assert!(kept.get(&one, "b").is_none(), "it was used before all others");
        assert_eq!(kept.get(&other, "a").map(|list| list.len()), Some(5_001));
        assert!(kept.get(&one, "a").is_some_and(|list| list.len() == 5_000));
        kept.put(&one, "whole", &list(20_000), slots);
        assert!(kept.get(&one, "whole").is_none(), "larger than all the room");
    }
}
