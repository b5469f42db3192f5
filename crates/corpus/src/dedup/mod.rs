//! Documents that are there already. Takes hashes, says which documents repeat an earlier one.

mod clusters;
mod minhash;

pub(crate) use clusters::{Columns, Repeat, find_copies};
pub(crate) use minhash::{BANDS, bands};
