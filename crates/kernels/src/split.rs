//! How work is cut for threads. The cuts depend on the sizes alone, so that sums do not depend on the thread count.

use rayon::prelude::*;

/// Elements that one task should touch: enough to pay for a steal, few enough to balance.
const GRAIN: usize = 16 * 1024;

/// Rows of `row_len` elements for one task.
pub(crate) fn rows_per_task(row_len: usize) -> usize {
    (GRAIN / row_len.max(1)).max(1)
}

/// Adds up what the tasks found: `total[j] += Σ partials[i][j]`, in the order of the tasks.
pub(crate) fn sum_into(total: &mut [f32], partials: &[Vec<f32>]) {
    for partial in partials {
        for (t, p) in total.iter_mut().zip(partial) {
            *t += p;
        }
    }
}

/// Runs `f(0..tasks)`, each once, and returns the results in order; a single task stays on this thread.
pub(crate) fn map<R: Send>(tasks: usize, f: impl Fn(usize) -> R + Sync + Send) -> Vec<R> {
    if tasks <= 1 { (0..tasks).map(f).collect() } else { (0..tasks).into_par_iter().map(f).collect() }
}
