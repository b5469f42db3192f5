//! Lines that someone types, while something else is going on.

use crate::stop;
use std::io::BufRead;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::Duration;

/// Lines of standard input, read by a thread of its own, so that Ctrl-C is heard while nobody types.
pub(crate) struct Keyboard(Receiver<std::io::Result<String>>);

impl Keyboard {
    /// Begins to read. What `first` takes is not handed on.
    pub(crate) fn start(first: impl Fn(&str) -> bool + Send + 'static) -> Self {
        let (sender, lines) = channel();
        std::thread::spawn(move || {
            for line in std::io::stdin().lock().lines() {
                if line.as_ref().is_ok_and(|line| first(line)) {
                    continue;
                }
                let failed = line.is_err();
                if sender.send(line).is_err() || failed {
                    break;
                }
            }
        });
        Self(lines)
    }

    /// The next line; none at the end of the input or after Ctrl-C.
    pub(crate) fn line(&self) -> std::io::Result<Option<String>> {
        loop {
            match self.0.recv_timeout(Duration::from_millis(50)) {
                Ok(line) => return line.map(Some),
                Err(RecvTimeoutError::Timeout) if !stop::stopped() => {}
                Err(_) => return Ok(None),
            }
        }
    }
}
