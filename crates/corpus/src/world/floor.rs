//! What no model can learn: the choices that the generator makes.

use super::{Split, Trade, World};

/// How many nats a byte holds, measured over documents.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Rate {
    /// -ln p of all choices.
    pub nats: f64,
    /// UTF-8 bytes of all documents.
    pub bytes: u64,
    /// How many documents.
    pub documents: u64,
}

impl Rate {
    /// Nats a byte.
    pub fn per_byte(&self) -> f64 {
        self.nats / (self.bytes.max(1) as f64)
    }

    /// Bits a byte.
    pub fn bits_per_byte(&self) -> f64 {
        self.per_byte() / std::f64::consts::LN_2
    }

    /// Nats a document.
    pub fn per_document(&self) -> f64 {
        self.nats / (self.documents.max(1) as f64)
    }

    fn add(&mut self, nats: f64, bytes: usize) {
        self.nats += nats;
        self.bytes += bytes as u64;
        self.documents += 1;
    }
}

/// The floor of the loss, over all documents and by trade.
#[derive(Clone, Debug)]
pub struct Floor {
    /// Over the mix.
    pub all: Rate,
    /// By trade, those that the mix leaves out left out.
    pub trades: Vec<(Trade, Rate)>,
}

impl World {
    /// The entropy of the first `documents` training documents, for the floor of the loss curve.
    ///
    /// Counted is -ln p of every choice that made a document, so the mean is an upper bound on the entropy of
    /// the text and equals it where the text gives each choice away, which nearly every choice here is made to
    /// do (a word is chosen only when it is said). A model that knew the generator would reach it on the
    /// training split's later documents; the test split is not drawn from the same distribution, so the loss
    /// there has no such floor. 4,000 documents give it to within a percent.
    pub fn floor(&self, documents: u64) -> Floor {
        let mut trades: Vec<(Trade, Rate)> =
            Trade::ALL.iter().map(|&trade| (trade, Rate::default())).collect();
        let mut all = Rate::default();
        for index in 0..documents {
            let document = self.document(Split::Train, index);
            let bytes = document.bytes();
            all.add(document.nats, bytes);
            trades[document.trade as usize].1.add(document.nats, bytes);
        }
        trades.retain(|(_, rate)| rate.documents > 0);
        Floor { all, trades }
    }
}
