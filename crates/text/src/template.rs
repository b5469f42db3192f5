//! A model's own chat template in Jinja, as Hugging Face's transformers renders it, within limits.
//!
//! A template comes from whoever published the model. It reads no file and runs no code; its instructions, memory, output and
//! depth are bounded. Source of the rules: transformers 5, `utils/chat_template_utils.py`.

use std::fmt;
use std::io;
use std::sync::Arc;

use minijinja::syntax::SyntaxConfig;
use minijinja::value::Kwargs;
use minijinja::{Environment, Error as JinjaError, ErrorKind, State, Value};

use crate::clock::strftime;
use crate::error::{Error, Result};
use crate::python::{self, Layout};
use crate::roles::MOST_TEMPLATE_BYTES;

/// The most instructions of one rendering, and at 64 bytes each the most memory (256 MB). A turn takes some hundreds.
const FUEL: u64 = 4_000_000;
/// The longest text of a conversation.
const MOST_TEXT_BYTES: usize = 8 << 20;
/// The deepest nesting of macros and blocks: a thread's stack of 2 MB must bear it.
const DEEPEST: usize = 100;
const NAME: &str = "chat";

/// A compiled template.
#[derive(Clone)]
pub(crate) struct Jinja {
    environment: Arc<Environment<'static>>,
    source: Arc<str>,
}

impl fmt::Debug for Jinja {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Jinja")
    }
}

/// What `raise_exception` said.
#[derive(Debug)]
struct Raised(String);

impl fmt::Display for Raised {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Raised {}

impl Jinja {
    /// Errors: a text that is no template, or longer than a megabyte.
    pub(crate) fn new(source: &str) -> Result<Self> {
        if source.len() > MOST_TEMPLATE_BYTES {
            return Err(Error::BadTemplate(format!(
                "it has {} bytes, the most is {MOST_TEMPLATE_BYTES}",
                source.len()
            )));
        }
        let bad = |e: JinjaError| Error::BadTemplate(e.to_string());
        let mut it = Environment::new();
        let syntax = SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build().map_err(bad)?;
        it.set_syntax(syntax);
        it.set_fuel(Some(FUEL));
        it.set_recursion_limit(DEEPEST);
        it.set_auto_escape_callback(|_| minijinja::AutoEscape::None);
        it.set_unknown_method_callback(minijinja_contrib::pycompat::unknown_method_callback);
        it.set_formatter(|out, _, value| {
            fmt::Write::write_str(out, &python::display(value)).map_err(JinjaError::from)
        });
        it.add_filter("tojson", tojson);
        it.add_filter("string", |state: &mut State, value: &Value| charged(state, python::display(value)));
        it.add_function("raise_exception", |message: String| -> Result<Value, JinjaError> {
            Err(JinjaError::new(ErrorKind::InvalidOperation, "raise_exception").with_source(Raised(message)))
        });
        it.add_template_owned(NAME, without_generation_tags(source)).map_err(bad)?;
        Ok(Self { environment: Arc::new(it), source: source.into() })
    }

    /// Its text.
    pub(crate) fn source(&self) -> &str {
        &self.source
    }

    /// The text of a conversation, `context` being all that the template sees; `now` in seconds since 1970 or the clock's.
    pub(crate) fn render(&self, context: Value, now: Option<u64>) -> Result<String> {
        let now = now.unwrap_or_else(crate::now);
        let today = Value::from_function(move |format: String| strftime(now, &format));
        let context = minijinja::context! { strftime_now => today, ..context };
        let mut out = Limited(Vec::new());
        let template = self.environment.get_template(NAME).map_err(|e| explain(&e))?;
        template.render_captured_to(context, &mut out).map_err(|e| explain(&e))?;
        String::from_utf8(out.0).map_err(|e| Error::Rendering(e.to_string()))
    }
}

fn explain(error: &JinjaError) -> Error {
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(e) = cause {
        if let Some(Raised(message)) = e.downcast_ref() {
            return Error::Refused(message.clone());
        }
        cause = e.source();
    }
    match error.kind() {
        ErrorKind::OutOfFuel => Error::Rendering(format!("it takes more than {FUEL} steps")),
        ErrorKind::WriteFailure => {
            Error::Rendering(format!("its text has more than {} MB", MOST_TEXT_BYTES >> 20))
        }
        _ => Error::Rendering(error.to_string()),
    }
}

/// Takes what a rendering may be long.
struct Limited(Vec<u8>);

impl io::Write for Limited {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.0.len() + bytes.len() > MOST_TEXT_BYTES {
            return Err(io::Error::other("too long"));
        }
        self.0.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A string made by a function of ours, paid for.
fn charged(state: &mut State, text: String) -> Result<String, JinjaError> {
    state.consume_fuel(text.len() as u64 / 64)?;
    Ok(text)
}

fn tojson(state: &mut State, value: &Value, options: Kwargs) -> Result<String, JinjaError> {
    let indent: Option<u8> = options.get("indent")?;
    let separators: Option<Vec<String>> = options.get("separators")?;
    let separators = match separators.as_deref() {
        None => None,
        Some([between, after_name]) => Some((between.clone(), after_name.clone())),
        Some(_) => return Err(JinjaError::new(ErrorKind::InvalidOperation, "tojson: separators are two")),
    };
    let layout = Layout {
        indent: indent.map(usize::from),
        separators,
        ascii: options.get::<Option<bool>>("ensure_ascii")?.unwrap_or(false),
        sort_keys: options.get::<Option<bool>>("sort_keys")?.unwrap_or(false),
    };
    options.assert_all_used()?;
    charged(state, python::json(value, &layout)?)
}

/// `{% generation %}` marks what a trainer's mask covers and prints nothing; it becomes a block that is always taken, so that
/// white space around it goes as before.
fn without_generation_tags(source: &str) -> String {
    let mut out = String::with_capacity(source.len());
    let mut rest = source;
    while let Some(at) = rest.find("{%") {
        let (before, tag) = rest.split_at(at);
        out.push_str(before);
        let Some(end) = tag[2..].find("%}").map(|end| end + 2) else {
            rest = tag;
            break;
        };
        let inside = &tag[2..end];
        let name = inside.trim_matches(|c: char| c.is_whitespace() || c == '-' || c == '+');
        let replaced = match name {
            "generation" => inside.replace("generation", "if true"),
            "endgeneration" => inside.replace("endgeneration", "endif"),
            _ => inside.to_string(),
        };
        out.push_str("{%");
        out.push_str(&replaced);
        rest = &tag[end..];
    }
    out.push_str(rest);
    out
}
