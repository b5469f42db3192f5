//! One record's bytes to an [`Example`].

use serde::Deserialize;
use shuyuan_text::Message;

use crate::example::Example;

/// How a record's bytes are to be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Text,
    Json,
}

#[derive(Deserialize)]
struct Line {
    text: Option<String>,
    messages: Option<Vec<Message>>,
}

/// The error is the reason that the report counts, and the details.
pub(crate) fn parse(bytes: &[u8], kind: Kind) -> Result<Example, (&'static str, String)> {
    let text =
        std::str::from_utf8(bytes).map_err(|e| ("invalid UTF-8", format!("at byte {}", e.valid_up_to())))?;
    if kind == Kind::Text {
        return Ok(Example::Text { text: text.to_owned() });
    }
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    match serde_json::from_str(text) {
        Ok(Line { text: Some(text), .. }) => Ok(Example::Text { text }),
        Ok(Line { messages: Some(messages), .. }) => Ok(Example::Chat { messages }),
        Ok(_) => Err(("neither text nor messages", String::new())),
        Err(e) if e.is_data() => Err(("neither text nor messages", e.to_string())),
        Err(e) => Err(("not JSON", e.to_string())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records() {
        let json = |s: &str| parse(s.as_bytes(), Kind::Json);
        let text = Example::Text { text: "a\n\u{1F600}".into() };
        assert_eq!(json(r#"{"id": 1, "text": "a\n\ud83d\ude00", "meta": {"x": [1]}}"#).unwrap(), text);
        assert_eq!(json("\u{feff}{\"text\": \"a\\n😀\"}").unwrap(), text);
        let chat = json(r#"{"messages": [{"role": "user", "content": "hi", "name": "x"}]}"#).unwrap();
        let named = Message { name: Some("x".into()), ..Message::user("hi") };
        assert_eq!(chat, Example::Chat { messages: vec![named] });
        for (line, reason) in [
            ("{\"text\": \"a", "not JSON"),
            ("nonsense", "not JSON"),
            ("{}", "neither text nor messages"),
            ("[]", "neither text nor messages"),
            (r#"{"text": 3}"#, "neither text nor messages"),
            (r#"{"messages": [{"role": "wizard", "content": "hi"}]}"#, "neither text nor messages"),
        ] {
            assert_eq!(json(line).unwrap_err().0, reason, "{line}");
        }
        assert_eq!(parse(b"abc\xff", Kind::Text).unwrap_err(), ("invalid UTF-8", "at byte 3".into()));
    }
}
