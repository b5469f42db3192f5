//! How Python writes values: templates were written for its JSON and its `str`.

use minijinja::value::ValueKind;
use minijinja::{Error, ErrorKind, Value};

/// How `json.dumps` lays out.
pub(crate) struct Layout {
    pub(crate) indent: Option<usize>,
    pub(crate) separators: Option<(String, String)>,
    pub(crate) ascii: bool,
    pub(crate) sort_keys: bool,
}

/// Deeper values are refused.
const DEEPEST: usize = 128;

/// The JSON text of a value as `json.dumps` gives it.
pub(crate) fn json(value: &Value, layout: &Layout) -> Result<String, Error> {
    let mut out = String::new();
    write_json(value, layout, 0, &mut out)?;
    Ok(out)
}

fn write_json(value: &Value, layout: &Layout, depth: usize, out: &mut String) -> Result<(), Error> {
    if depth > DEEPEST {
        return Err(Error::new(ErrorKind::InvalidOperation, "a value nested too deeply for tojson"));
    }
    let (between, after_name) = match (&layout.separators, layout.indent) {
        (Some((between, after_name)), _) => (between.as_str(), after_name.as_str()),
        (None, Some(_)) => (",", ": "),
        (None, None) => (", ", ": "),
    };
    let line = |depth: usize, out: &mut String| {
        if let Some(indent) = layout.indent {
            out.push('\n');
            out.extend(std::iter::repeat_n(' ', indent * depth));
        }
    };
    match value.kind() {
        ValueKind::None => out.push_str("null"),
        ValueKind::Bool => out.push_str(if value.is_true() { "true" } else { "false" }),
        ValueKind::Number => out.push_str(&number(value)),
        ValueKind::String => quote(value.as_str().unwrap_or_default(), layout.ascii, out),
        ValueKind::Seq | ValueKind::Iterable => {
            out.push('[');
            let mut any = false;
            for item in value.try_iter()? {
                if std::mem::replace(&mut any, true) {
                    out.push_str(between);
                }
                line(depth + 1, out);
                write_json(&item, layout, depth + 1, out)?;
            }
            if any {
                line(depth, out);
            }
            out.push(']');
        }
        ValueKind::Map => {
            out.push('{');
            let mut names: Vec<Value> = value.try_iter()?.collect();
            if layout.sort_keys {
                names.sort();
            }
            for (at, name) in names.iter().enumerate() {
                if at > 0 {
                    out.push_str(between);
                }
                line(depth + 1, out);
                match name.as_str() {
                    Some(name) => quote(name, layout.ascii, out),
                    None => quote(&display(name), layout.ascii, out),
                }
                out.push_str(after_name);
                write_json(&value.get_item(name)?, layout, depth + 1, out)?;
            }
            if !names.is_empty() {
                line(depth, out);
            }
            out.push('}');
        }
        kind => {
            return Err(Error::new(
                ErrorKind::BadSerialization,
                format!("tojson of {kind}: it is no JSON value"),
            ));
        }
    }
    Ok(())
}

fn quote(text: &str, ascii: bool, out: &mut String) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            c if c < ' ' || (ascii && c > '~') => {
                for unit in c.encode_utf16(&mut [0; 2]) {
                    out.push_str(&format!("\\u{unit:04x}"));
                }
            }
            c => out.push(c),
        }
    }
    out.push('"');
}

fn number(value: &Value) -> String {
    if value.is_integer() {
        return value.to_string();
    }
    match f64::try_from(value.clone()) {
        Ok(x) => float(x),
        Err(_) => value.to_string(),
    }
}

/// `repr` of a float: the shortest digits, with an exponent below 1e-4 and from 1e16 on.
fn float(x: f64) -> String {
    if x.is_nan() {
        return "nan".into();
    }
    if x.is_infinite() {
        return if x > 0.0 { "inf".into() } else { "-inf".into() };
    }
    let size = x.abs();
    if size != 0.0 && !(1e-4..1e16).contains(&size) {
        let text = format!("{x:e}");
        let (digits, exponent) = text.split_once('e').unwrap_or((&text, "0"));
        let (sign, exponent) = match exponent.strip_prefix('-') {
            Some(exponent) => ('-', exponent),
            None => ('+', exponent),
        };
        return format!("{digits}e{sign}{exponent:0>2}");
    }
    format!("{x:?}")
}

/// `str` of a value: what a template prints.
pub(crate) fn display(value: &Value) -> String {
    match value.kind() {
        ValueKind::Undefined => String::new(),
        ValueKind::String => value.as_str().unwrap_or_default().to_string(),
        _ => repr(value, 0),
    }
}

fn repr(value: &Value, depth: usize) -> String {
    if depth > DEEPEST {
        return "...".into();
    }
    let join = |items: Vec<String>| items.join(", ");
    match value.kind() {
        ValueKind::None => "None".into(),
        ValueKind::Bool => if value.is_true() { "True" } else { "False" }.into(),
        ValueKind::Number => number(value),
        ValueKind::String => quoted(value.as_str().unwrap_or_default()),
        ValueKind::Seq => {
            let items = value.try_iter().into_iter().flatten();
            format!("[{}]", join(items.map(|item| repr(&item, depth + 1)).collect()))
        }
        ValueKind::Map => {
            let fields = value.try_iter().into_iter().flatten().map(|name| {
                let field = value.get_item(&name).unwrap_or_default();
                format!("{}: {}", repr(&name, depth + 1), repr(&field, depth + 1))
            });
            format!("{{{}}}", join(fields.collect()))
        }
        _ => value.to_string(),
    }
}

/// `repr` of a text: in single quotes, unless it has such and no double ones.
fn quoted(text: &str) -> String {
    let quote = if text.contains('\'') && !text.contains('"') { '"' } else { '\'' };
    let mut out = String::from(quote);
    for c in text.chars() {
        match c {
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\\' => out.push_str("\\\\"),
            c if c == quote => {
                out.push('\\');
                out.push(c);
            }
            c if c < ' ' || c == '\u{7f}' => out.push_str(&format!("\\x{:02x}", c as u32)),
            c => out.push(c),
        }
    }
    out.push(quote);
    out
}
