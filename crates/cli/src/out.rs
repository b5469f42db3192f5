//! Results to standard output, remarks to standard error; colours reach terminals only.

use anyhow::{Context, Result};
use std::fmt::Arguments;
use std::io::{ErrorKind, Write};

/// Prints a line of the result. Unlike `println`, a full disk or a reader that went away is an error, not a panic.
macro_rules! say {
    ($($text:tt)*) => { $crate::out::line(format_args!($($text)*)) };
}
pub(crate) use say;

pub(crate) fn line(text: Arguments) -> Result<()> {
    writeln!(anstream::stdout(), "{text}").context("writing to standard output")
}

/// Prints a piece of text as it comes.
pub(crate) fn piece(text: &str) -> std::io::Result<()> {
    let mut out = anstream::stdout();
    out.write_all(text.as_bytes())?;
    out.flush()
}

/// Prints a value as one line of JSON.
pub(crate) fn json(value: &impl serde::Serialize) -> Result<()> {
    let line = serde_json::to_string(value).context("the result as JSON")? + "\n";
    std::io::stdout().write_all(line.as_bytes()).context("writing to standard output")
}

/// Prints a value and what else there is to say of it as one object.
pub(crate) fn json_with(value: &impl serde::Serialize, also: serde_json::Value) -> Result<()> {
    let mut value = serde_json::to_value(value).context("the result as JSON")?;
    if let (Some(value), serde_json::Value::Object(also)) = (value.as_object_mut(), also) {
        value.extend(also);
    }
    json(&value)
}

/// A remark for the person; one that cannot be shown stops nothing.
pub(crate) fn note(text: Arguments) {
    let _ = writeln!(anstream::stderr(), "{text}");
}

/// The same, without ending the line.
pub(crate) fn ask(text: Arguments) {
    let mut out = anstream::stderr();
    let _ = write!(out, "{text}").and_then(|()| out.flush());
}

/// The reader of our output went away, as `head` does: nothing failed.
pub(crate) fn is_broken_pipe(error: &anyhow::Error) -> bool {
    let broken = |cause: &std::io::Error| cause.kind() == ErrorKind::BrokenPipe;
    error.chain().any(|cause| cause.downcast_ref().is_some_and(broken))
}
