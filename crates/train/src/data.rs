//! Where batches come from: text, conversations or pairs, each with a place to resume from.

use crate::TrainError;
use shuyuan_corpus::{Batch, Batches, ChatBatches, Cursor, PairBatches};

/// An endless, resumable stream of batches.
pub trait Data: Send {
    /// The next batch.
    ///
    /// # Errors
    /// If the data cannot be read.
    fn next_batch(&mut self) -> shuyuan_corpus::Result<Option<Batch>>;
    /// Where the stream stands.
    fn cursor(&self) -> Cursor;
    /// Goes to a place.
    ///
    /// # Errors
    /// If the place is of other data.
    fn resume(&mut self, cursor: Cursor) -> shuyuan_corpus::Result<()>;
    /// From the next batch on, `batch` rows of `tokens` positions.
    ///
    /// # Errors
    /// If rows of this data have one length.
    fn shape(&mut self, batch: usize, tokens: usize) -> Result<(), TrainError> {
        let _ = (batch, tokens);
        Err(TrainError::RowsAreFixed)
    }
    /// Tokens that an epoch feeds in.
    fn tokens_per_epoch(&self) -> u64;
    /// Passes over the data finished.
    fn epoch(&self) -> u64;
}

macro_rules! data {
    ($name:ty $(, $shape:item)?) => {
        impl Data for $name {
            fn next_batch(&mut self) -> shuyuan_corpus::Result<Option<Batch>> {
                self.next().transpose()
            }

            fn cursor(&self) -> Cursor {
                self.cursor()
            }

            fn resume(&mut self, cursor: Cursor) -> shuyuan_corpus::Result<()> {
                self.resume(cursor)
            }

            $($shape)?

            fn tokens_per_epoch(&self) -> u64 {
                self.tokens_per_epoch()
            }

            fn epoch(&self) -> u64 {
                self.epoch()
            }
        }
    };
}

data!(
    Batches,
    fn shape(&mut self, batch: usize, tokens: usize) -> Result<(), TrainError> {
        Batches::shape(self, batch, tokens);
        Ok(())
    }
);
data!(ChatBatches);
data!(PairBatches);
