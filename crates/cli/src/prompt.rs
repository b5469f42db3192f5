//! What a person types at the prompt of `chat`: edited with the arrow keys, over several lines, remembered.

use crate::keyboard::Keyboard;
use crate::out::{ask, note};
use crate::stop;
use crate::style::{BOLD, RESET, YELLOW};
use anyhow::{Context, Result};
use rustyline::error::ReadlineError;
use rustyline::history::FileHistory;
use rustyline::validate::{ValidationContext, ValidationResult, Validator};
use rustyline::{Behavior, Completer, Config, Editor, Helper, Highlighter, Hinter};
use std::io::IsTerminal;
use std::path::{Path, PathBuf};

/// Entries that are remembered.
const REMEMBERED: usize = 1000;
/// Around a text of several lines.
const BLOCK: &str = "\"\"\"";

/// Where questions come from.
pub(crate) enum Prompt {
    /// A person at a terminal.
    Person(Box<Typed>),
    /// A person at a terminal that edits nothing.
    Plain(Keyboard),
    /// A file or another program: a line is a question.
    Lines(Keyboard),
}

/// An editor, and where it remembers what was typed.
pub(crate) struct Typed {
    editor: Editor<Whole, FileHistory>,
    history: PathBuf,
}

impl Prompt {
    /// A person's entries are remembered in the file `history`.
    pub(crate) fn open(history: PathBuf) -> Self {
        let lines = || Keyboard::start(|_| false);
        if !std::io::stdin().is_terminal() {
            return Self::Lines(lines());
        }
        match Typed::open(history) {
            Ok(typed) => Self::Person(Box::new(typed)),
            Err(error) => {
                note(format_args!("{YELLOW}no line editing here: {error}{RESET}"));
                Self::Plain(lines())
            }
        }
    }

    /// Whether a person types.
    pub(crate) fn is_person(&self) -> bool {
        !matches!(self, Self::Lines(_))
    }

    /// The next question; none at the end of the input or after Ctrl-C.
    pub(crate) fn next(&mut self) -> Result<Option<String>> {
        const WRONG: &str = "cannot read what you typed: expected text in UTF-8";
        match self {
            Self::Person(typed) => typed.next().context(WRONG),
            Self::Lines(keyboard) => keyboard.line().context(WRONG),
            Self::Plain(keyboard) => {
                let mut text = String::new();
                ask(format_args!("{BOLD}>{RESET} "));
                while let Some(line) = keyboard.line().context(WRONG)? {
                    text += &line;
                    if let Some(whole) = whole(&text) {
                        return Ok(Some(whole));
                    }
                    text.push('\n');
                }
                Ok(None)
            }
        }
    }
}

impl Typed {
    fn open(history: PathBuf) -> rustyline::Result<Self> {
        let config = Config::builder()
            // The terminal itself, so that standard output holds nothing but answers.
            .behavior(Behavior::PreferTerm)
            .max_history_size(REMEMBERED)?
            .build();
        let mut editor = Editor::with_config(config)?;
        editor.set_helper(Some(Whole));
        if let Err(error) =
            keep_private(&history).map_err(Into::into).and_then(|()| editor.load_history(&history))
        {
            note(format_args!("{YELLOW}{}: {error}{RESET}", history.display()));
        }
        Ok(Self { editor, history })
    }

    fn next(&mut self) -> rustyline::Result<Option<String>> {
        let text = match self.editor.readline("> ") {
            _ if stop::stopped() => return Ok(None),
            Ok(text) => text,
            Err(ReadlineError::Eof | ReadlineError::Interrupted) => return Ok(None),
            Err(error) => return Err(error),
        };
        // At once, so that the next conversation knows it however this one ends.
        if self.editor.add_history_entry(&text)?
            && let Err(error) = self.editor.append_history(&self.history)
        {
            note(format_args!("{YELLOW}{}: {error}{RESET}", self.history.display()));
        }
        Ok(Some(whole(&text).unwrap_or(text)))
    }
}

/// What was said is nobody else's to read.
fn keep_private(path: &Path) -> std::io::Result<()> {
    let mut options = std::fs::OpenOptions::new();
    options.append(true).create(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let file = options.open(path)?;
    #[cfg(unix)]
    file.set_permissions(std::os::unix::fs::PermissionsExt::from_mode(0o600))?;
    drop(file);
    Ok(())
}

/// Lets Enter end an entry only where it is whole.
#[derive(Completer, Helper, Highlighter, Hinter)]
struct Whole;

impl Validator for Whole {
    fn validate(&self, typed: &mut ValidationContext) -> rustyline::Result<ValidationResult> {
        Ok(match whole(typed.input()) {
            Some(_) => ValidationResult::Valid(None),
            None => ValidationResult::Incomplete,
        })
    }
}

/// What is meant by what was typed; none while more is to come: behind a line that ends in a backslash, and within
/// `"""`.
fn whole(typed: &str) -> Option<String> {
    if let Some(block) = typed.trim_start().strip_prefix(BLOCK) {
        let inside = block.trim_end().strip_suffix(BLOCK)?;
        return Some(inside.trim_matches('\n').to_string());
    }
    if typed.ends_with('\\') { None } else { Some(typed.replace("\\\n", "\n")) }
}

#[cfg(test)]
mod tests {
    use super::whole;

    #[test]
    fn several_lines_are_one_question() {
        let is = |typed: &str, meant: &str| assert_eq!(whole(typed).as_deref(), Some(meant), "{typed:?}");
        let goes_on = |typed: &str| assert_eq!(whole(typed), None, "{typed:?}");
        is("hello", "hello");
        is("", "");
        goes_on("one\\");
        is("one\\\ntwo", "one\ntwo");
        goes_on("one\\\ntwo\\");
        is("C:\\dir is\\ mine", "C:\\dir is\\ mine");
        for open in ["\"\"\"", " \"\"\"a", "\"\"\"\na\\\n\nb", "\"\"\"\"\""] {
            goes_on(open);
        }
        is("\"\"\"\n  a\\\n\nb\n\"\"\" ", "  a\\\n\nb");
        is("\"\"\"a\"\"\"", "a");
        is("\"\"\"\"\"\"", "");
        is("say \"\"\"", "say \"\"\"");
    }
}
