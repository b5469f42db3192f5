//! Generation: key-value cache, sampling, the loop. Ids in, ids out; never sees text.
