//! Mail: the head as text, the body, the attachments as documents of their own.

use super::archive::clean_path;
use super::budget::Budget;
use super::draft::Draft;
use super::{Item, Part, date, html, read as read_part, text};
use crate::Document;
use mail_parser::{Address, Message, MessageParser, MimeHeaders, PartType};
use std::sync::Arc;
use std::sync::mpsc::Sender;

/// Reads a mail; its attachments go to `out`.
pub(crate) fn read(
    inner: &str,
    bytes: &[u8],
    depth: usize,
    budget: &Budget,
    out: &Sender<Item>,
) -> Result<Document, String> {
    let message = MessageParser::default()
        .parse(bytes)
        .ok_or("expected a mail, found no head with From, To or Subject; save it anew as EML")?;
    let mut draft = Draft::new("eml", budget);
    if let Some(subject) = message.subject() {
        draft.title(subject);
    }
    let sent = message.date();
    draft.date(sent.and_then(|date| date::date(date.year.into(), date.month.into(), date.day.into())));
    draft.text(&head(&message));
    let mut body = false;
    for part in message.text_bodies().take(1000) {
        match &part.body {
            PartType::Text(text) => {
                let text = super::draft::clean(text);
                for span in text::paragraphs(&text) {
                    draft.text(&text[span]);
                }
                body = true;
            }
            PartType::Html(page) => {
                html::write(page, &mut draft, budget)?;
                body = true;
            }
            _ => {}
        }
    }
    if !body {
        draft.note("no body: a head and perhaps attachments only");
    }
    // The mail first, then what hangs on it.
    if draft.is_empty() {
        return Err("expected a mail, found no head and no body; save it anew as EML".into());
    }
    attachments(&message, inner, depth, budget, out, &mut draft);
    Ok(draft.finish())
}

fn head(message: &Message<'_>) -> String {
    let mut head = String::new();
    let mut line = |name: &str, value: String| {
        if !value.is_empty() {
            head.push_str(&format!("{name}: {value}\n"));
        }
    };
    line("Subject", message.subject().unwrap_or("").to_owned());
    line("From", addresses(message.from()));
    line("To", addresses(message.to()));
    line("Cc", addresses(message.cc()));
    line("Date", message.date().map_or(String::new(), |date| date.to_rfc3339()));
    head
}

fn addresses(address: Option<&Address<'_>>) -> String {
    let Some(address) = address else { return String::new() };
    let one = |address: &mail_parser::Addr<'_>| match (address.name(), address.address()) {
        (Some(name), Some(address)) => format!("{name} <{address}>"),
        (name, address) => name.or(address).unwrap_or("").to_owned(),
    };
    address.iter().map(one).collect::<Vec<_>>().join(", ")
}

fn attachments(
    message: &Message<'_>,
    inner: &str,
    depth: usize,
    budget: &Budget,
    out: &Sender<Item>,
    draft: &mut Draft,
) {
    let mut pictures = 0;
    for (index, part) in message.attachments().enumerate() {
        if let Err(reason) = budget.file().and_then(|()| budget.check()) {
            draft.note(format!("attachments from the {}th on were not read: {reason}", index + 1));
            break;
        }
        let (bytes, ending) = match &part.body {
            PartType::Text(text) => (text.as_bytes(), ".txt"),
            PartType::Html(text) => (text.as_bytes(), ".html"),
            PartType::Binary(bytes) | PartType::InlineBinary(bytes) => (&**bytes, ""),
            PartType::Message(message) => (message.raw_message(), ".eml"),
            PartType::Multipart(_) => continue,
        };
        let kind = part.content_type().map_or("", |kind| kind.ctype());
        // Those in the text itself: logos, signatures.
        if kind == "image" && matches!(part.body, PartType::InlineBinary(_)) {
            pictures += 1;
            continue;
        }
        let name = part.attachment_name().map(clean_path).filter(|name| !name.is_empty());
        let name = name.unwrap_or_else(|| format!("attachment {}{ending}", index + 1));
        let name = if ending == ".eml" && !name.ends_with(".eml") { format!("{name}.eml") } else { name };
        let inner = if inner.is_empty() { name.clone() } else { format!("{inner}/{name}") };
        if depth >= budget.limits.depth {
            let reason = format!("lies deeper than the {} levels that are opened; take it out and add it", budget.limits.depth);
            let _ = out.send(Err(super::Unread { inner, reason }));
            continue;
        }
        if let Err(reason) = budget.unpack(bytes.len() as u64) {
            draft.note(format!("attachments from {name} on were not read: {reason}"));
            break;
        }
        read_part(Part { name, inner, bytes: Arc::new(bytes.to_vec()), depth: depth + 1 }, budget, out);
    }
    if pictures > 0 {
        draft.note(format!("pictures within the text, not read: {pictures}"));
    }
}
