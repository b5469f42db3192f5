//! Who may read what.
//!
//! A document carries groups: with none, everyone may read it; otherwise whoever is in one of them.

use std::collections::BTreeSet;

/// Who asks.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Reader {
    /// Whoever owns the base: reads everything.
    Owner,
    /// Someone in these groups.
    Groups(BTreeSet<String>),
}

impl Reader {
    /// Someone in no group.
    pub fn public() -> Self {
        Self::Groups(BTreeSet::new())
    }

    /// Someone in these groups.
    pub fn of<S: Into<String>>(groups: impl IntoIterator<Item = S>) -> Self {
        Self::Groups(groups.into_iter().map(Into::into).collect())
    }

    /// Whether they may read what carries `groups`.
    pub fn may_read(&self, groups: &[String]) -> bool {
        match self {
            Self::Owner => true,
            Self::Groups(mine) => groups.is_empty() || groups.iter().any(|group| mine.contains(group)),
        }
    }
}
