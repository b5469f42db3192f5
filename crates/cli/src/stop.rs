//! Ctrl-C: the first asks every stage to save and end, the second ends at once.

use crate::out::note;
use anyhow::Result;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// Set by Ctrl-C (and by the signals that end a service); every stage looks at it.
pub(crate) static STOP: AtomicBool = AtomicBool::new(false);

/// What a verb ends with when it was cut off: nothing is printed for it, whoever saved has said so.
#[derive(Debug, thiserror::Error)]
#[error("interrupted")]
pub(crate) struct Interrupted;

/// Begins to listen.
pub(crate) fn listen() {
    let handler = ctrlc::set_handler(|| {
        if STOP.swap(true, Ordering::Relaxed) {
            std::process::exit(130);
        }
    });
    if let Err(error) = handler {
        note(format_args!("warning: Ctrl-C will end without saving: {error}"));
    }
}

pub(crate) fn stopped() -> bool {
    STOP.load(Ordering::Relaxed)
}

/// [`Interrupted`], if Ctrl-C came.
pub(crate) fn check() -> Result<()> {
    if stopped() { Err(Interrupted.into()) } else { Ok(()) }
}

/// Takes the Ctrl-C back: it ended one answer, not the program.
pub(crate) fn take() -> bool {
    STOP.swap(false, Ordering::Relaxed)
}

/// Waits for Ctrl-C.
pub(crate) fn wait() {
    while !stopped() {
        std::thread::sleep(Duration::from_millis(50));
    }
}
