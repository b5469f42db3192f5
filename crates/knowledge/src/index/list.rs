//! A word's list of slots with counts, as bytes.
//!
//! For each slot, in ascending order: the distance from the one before (from the segment's first slot for the first),
//! doubled, plus 1 if the count is 1; then the count, unless it is 1. Numbers are in groups of seven bits, low first, the
//! highest bit set where more follow.

/// Adds a number.
fn put(to: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        to.push(number as u8 | 0x80);
        number >>= 7;
    }
    to.push(number as u8);
}

/// Takes a number off; `None` where the bytes end before it does, or it has too many.
#[inline]
fn take(bytes: &[u8], at: &mut usize) -> Option<u64> {
    let first = *bytes.get(*at)?;
    *at += 1;
    if first < 0x80 {
        return Some(u64::from(first));
    }
    let mut number = u64::from(first & 0x7f);
    for shift in 1..6 {
        let byte = *bytes.get(*at)?;
        *at += 1;
        number |= u64::from(byte & 0x7f) << (7 * shift);
        if byte < 0x80 {
            return Some(number);
        }
    }
    None
}

/// A list that grows.
#[derive(Default)]
pub(super) struct Growing {
    pub bytes: Vec<u8>,
    /// One past the last slot, relative to the segment's first.
    next: u32,
}

impl Growing {
    /// Adds a slot, relative to the segment's first, higher than all before it.
    pub fn push(&mut self, slot: u32, count: u32) {
        let distance = u64::from(slot - self.next);
        put(&mut self.bytes, distance << 1 | u64::from(count == 1));
        if count != 1 {
            put(&mut self.bytes, u64::from(count));
        }
        self.next = slot + 1;
    }
}

/// Calls `f` with each slot, relative to the segment's first, and its count. Returns whether the list is whole, with no slot
/// at or past `slots`.
#[inline]
pub(crate) fn each(bytes: &[u8], slots: u32, mut f: impl FnMut(u32, u32)) -> bool {
    let (mut at, mut next) = (0, 0u64);
    while at < bytes.len() {
        let Some(head) = take(bytes, &mut at) else { return false };
        let count = if head & 1 == 1 { Some(1) } else { take(bytes, &mut at) };
        let Some(count) = count else { return false };
        let slot = next + (head >> 1);
        if slot >= u64::from(slots) {
            return false;
        }
        f(slot as u32, count as u32);
        next = slot + 1;
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_goes_in_comes_out() {
        let mut list = Growing::default();
        let slots: Vec<(u32, u32)> = (0..1000)
            .map(|i: u32| (i * i / 3 + i, if i.is_multiple_of(7) { 300 + i } else { 1 + i % 2 }))
            .collect();
        slots.iter().for_each(|&(slot, count)| list.push(slot, count));
        let mut back = Vec::new();
        assert!(each(&list.bytes, 1_000_000, |slot, count| back.push((slot, count))));
        assert_eq!(back, slots);
    }

    #[test]
    fn damaged_lists_are_told_and_stay_within_bounds() {
        let mut list = Growing::default();
        (0..300).for_each(|i| list.push(i * 5, 1 + i % 3));
        let mut state = 9u64;
        for _ in 0..20_000 {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let mut bytes = list.bytes.clone();
            let at = (state >> 33) as usize % bytes.len();
            bytes[at] = (state >> 20) as u8;
            bytes.truncate(bytes.len() - (state >> 55) as usize % 3);
            each(&bytes, 1500, |slot, _| assert!(slot < 1500));
        }
    }
}
