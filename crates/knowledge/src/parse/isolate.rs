//! Runs code that may panic, loop or recurse deeply, so that only the file suffers.

use super::Item;
use super::budget::Budget;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::time::Duration;

/// Only reserved, not used, until something recurses.
const STACK: usize = 64 << 20;

/// Runs `work`; a panic becomes an error.
pub(crate) fn caught<T>(name: &str, work: impl FnOnce() -> Result<T, String>) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|_| {
        Err(format!("{name} broke its reader: the file is damaged, or our code is; open and save it anew, or report it"))
    })
}

/// Runs `work` in a thread until the budget's time is up and returns what it reported, in order, and whether it ended. A
/// thread that is late is left behind: nothing can stop it, and what it still reports is lost.
pub(crate) fn collect(
    budget: &Budget,
    work: impl FnOnce(&Sender<Item>) + Send + 'static,
) -> (Vec<Item>, Result<(), String>) {
    let (sender, receiver) = channel();
    let run = move || work(&sender);
    if let Err(error) = std::thread::Builder::new().name("parse".into()).stack_size(STACK).spawn(run) {
        return (Vec::new(), Err(format!("could not be read: no thread for it ({error}); try again")));
    }
    let mut items = Vec::new();
    loop {
        // A little longer than the budget, so that a reader that looks at the clock can still say what it has.
        match receiver.recv_timeout(budget.left() + Duration::from_millis(200)) {
            Ok(item) => items.push(item),
            Err(RecvTimeoutError::Disconnected) => return (items, Ok(())),
            Err(RecvTimeoutError::Timeout) => {
                let seconds = budget.limits.seconds;
                let reason =
                    format!("took more than {seconds} seconds; split it, save it anew, or raise the limit");
                return (items, Err(reason));
            }
        }
    }
}
