//! The longest token that a text starts with, by a double array over bytes.

use crate::TokenId;

/// No token ends here.
pub(crate) const NO_TOKEN: TokenId = TokenId::MAX;

#[derive(Clone, Copy, Debug)]
struct Node {
    /// The child over byte b lies at `base + b`, if that one's `parent` is this node.
    base: u32,
    parent: u32,
    token: TokenId,
}

const EMPTY: Node = Node { base: 0, parent: u32::MAX, token: NO_TOKEN };

/// All reachable tokens' bytes.
#[derive(Debug)]
pub(crate) struct Trie {
    nodes: Vec<Node>,
}

impl Trie {
    /// Builds from tokens sorted by their bytes, none empty, none twice.
    pub(crate) fn new(sorted: &[(&[u8], TokenId)]) -> Self {
        let mut build = Builder { nodes: vec![EMPTY; 512], used: vec![false; 512], first_free: 1 };
        build.used[0] = true;
        build.nodes[0].parent = 0;
        // (node, tokens below it, depth), as a stack of its own: a token may be as long as it likes.
        let mut todo = vec![(0usize, 0usize..sorted.len(), 0usize)];
        let mut groups: Vec<(u8, std::ops::Range<usize>)> = Vec::new();
        while let Some((node, mut range, depth)) = todo.pop() {
            if range.start < range.end && sorted[range.start].0.len() == depth {
                build.nodes[node].token = sorted[range.start].1;
                range.start += 1;
            }
            groups.clear();
            for i in range {
                let byte = sorted[i].0[depth];
                match groups.last_mut() {
                    Some((b, r)) if *b == byte => r.end = i + 1,
                    _ => groups.push((byte, i..i + 1)),
                }
            }
            if groups.is_empty() {
                continue;
            }
            let base = build.place(&groups);
            build.nodes[node].base = base as u32;
            for (byte, range) in groups.drain(..) {
                let child = base + byte as usize;
                build.nodes[child].parent = node as u32;
                todo.push((child, range, depth + 1));
            }
        }
        Self { nodes: build.nodes }
    }

    /// The longest token at the start of `bytes`, [`NO_TOKEN`] if none.
    #[inline(always)]
    pub(crate) fn longest(&self, bytes: &[u8]) -> TokenId {
        let mut node = 0u32;
        let mut base = self.nodes[0].base;
        let mut best = NO_TOKEN;
        for &b in bytes {
            let at = base + u32::from(b);
            let Some(next) = self.nodes.get(at as usize) else { break };
            if next.parent != node {
                break;
            }
            node = at;
            base = next.base;
            if next.token != NO_TOKEN {
                best = next.token;
            }
        }
        best
    }
}

struct Builder {
    nodes: Vec<Node>,
    used: Vec<bool>,
    /// No place below is free.
    first_free: usize,
}

impl Builder {
    /// Finds and takes the first place where all children fit.
    fn place(&mut self, groups: &[(u8, std::ops::Range<usize>)]) -> usize {
        let lowest = groups[0].0 as usize;
        let mut at = self.first_free.max(lowest + 1);
        let mut tries = 0;
        let base = loop {
            if at + 256 >= self.nodes.len() {
                let size = self.nodes.len() * 2;
                self.nodes.resize(size, EMPTY);
                self.used.resize(size, false);
            }
            if !self.used[at] {
                let base = at - lowest;
                if groups.iter().all(|(b, _)| !self.used[base + *b as usize]) {
                    break base;
                }
            }
            at += 1;
            tries += 1;
            // A crowded stretch is given up, or the search from its start would be quadratic.
            if tries > 4096 {
                self.first_free = at;
                tries = 0;
            }
        };
        for (b, _) in groups {
            self.used[base + *b as usize] = true;
        }
        while self.used[self.first_free] {
            self.first_free += 1;
        }
        base
    }
}
