//! Several cards of one process.

use crate::grads::Grads;
use crate::team::Whole;
use crate::trainer::teach;
use crate::{Recipe, TrainError};
use burn::module::Module;
use burn::tensor::Device;
use rayon::{ThreadPool, ThreadPoolBuilder};
use shuyuan_corpus::Batch;
use shuyuan_model::Qwen3ForCausalLM;
use std::sync::{Mutex, PoisonError};

/// The cards that a run is taught by. The first has the model and what the optimizer remembers, as one alone would have; at
/// each step the others get its weights, and what their gradients add up to goes to it.
pub(crate) struct Cards {
    devices: Vec<Device>,
    /// One for each card, which is spoken to by that thread alone.
    threads: ThreadPool,
    /// Whether gradients are added up between the cards, not on the first one.
    collective: bool,
}

impl Cards {
    pub(crate) fn new(devices: Vec<Device>) -> Result<Self, TrainError> {
        let threads = ThreadPoolBuilder::new()
            .num_threads(devices.len())
            .thread_name(|card| format!("card {card}"))
            .build()
            .map_err(|error| TrainError::Threads(error.to_string()))?;
        let collective = shuyuan_tensor::can_sum_over(&devices);
        Ok(Self { devices, threads, collective })
    }

    pub(crate) fn size(&self) -> usize {
        self.devices.len()
    }

    /// Loss and gradients, on the first card, of all batches of a step.
    pub(crate) fn teach(
        &self,
        model: &Qwen3ForCausalLM,
        recipe: &Recipe,
        batches: &[Batch],
        whole: Whole,
    ) -> Result<(f64, Grads), TrainError> {
        let each = batches.len().div_ceil(self.size()).max(1);
        let taught = self.threads.broadcast(|thread| {
            let card = thread.index();
            let model = model.clone().fork(&self.devices[card]);
            let share = batches.chunks(each).nth(card).unwrap_or_default();
            let mut grads = Grads::default();
            let loss = teach(&model, recipe, share, whole, &mut grads)?;
            // At the end of the data there may be nothing left for this one.
            Ok((loss, if share.is_empty() { Grads::zeros(&model) } else { grads }))
        });
        // Before they wait for each other: one that failed would be waited for without end.
        let taught = taught.into_iter().collect::<Result<Vec<(f64, Grads)>, TrainError>>()?;
        let loss = taught.iter().map(|(loss, _)| loss).sum();
        let mut parts: Vec<Grads> = taught.into_iter().map(|(_, grads)| grads).collect();
        if self.collective {
            let cells: Vec<_> = parts.into_iter().map(Mutex::new).collect();
            self.threads.broadcast(|thread| lock(&cells[thread.index()]).sum_over(&self.devices));
            parts = cells
                .into_iter()
                .map(|cell| cell.into_inner().unwrap_or_else(PoisonError::into_inner))
                .collect();
        } else {
            let others = parts.split_off(1);
            others.into_iter().for_each(|other| parts[0].join(other));
        }
        Ok((loss, parts.swap_remove(0)))
    }
}

fn lock<T>(cell: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    cell.lock().unwrap_or_else(PoisonError::into_inner)
}
