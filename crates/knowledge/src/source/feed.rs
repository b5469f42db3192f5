//! RSS 2.0 (and 1.0) and Atom.

use super::http::{MOST, check_url};
use super::record::{Map, Record};
use super::records::{Ended, Sink};
use super::web::{Version, Web, shown};
use super::{address, env, when};
use crate::{KnowledgeError, Result};
use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

/// What there is to know of a feed.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Feed {
    /// Where it is.
    pub url: String,
    /// Sent with every request.
    pub headers: BTreeMap<String, String>,
    /// Whether entries that are no longer in the feed go; feeds usually show the latest only.
    pub remove: bool,
    /// How long the answer may take.
    pub timeout: Option<String>,
}

/// What makes what of an entry.
pub(crate) fn map() -> Map {
    let some = |name: &str| Some(name.to_string());
    Map {
        key: "id".into(),
        title: some("title"),
        text: vec!["content".into()],
        fields: Some(vec!["author".into()]),
        url: some("link"),
        date: some("date"),
        tags: some("tags"),
        format: some("html"),
        ..Map::default()
    }
}

impl Feed {
    pub(crate) fn checked(self) -> Result<Self> {
        check_url(&self.url)?;
        self.timeout.as_deref().map(when::duration).transpose()?;
        Ok(self)
    }

    pub(crate) fn fetch(
        &self,
        version: Option<&Version>,
        sink: &mut Sink,
        stop: &AtomicBool,
    ) -> Result<Ended> {
        let url = env::expand_url(&self.url)?;
        let limit = self.timeout.as_deref().map_or(Ok(Duration::from_secs(30)), when::duration)?;
        let web = Web::new(&url, &self.headers, None, limit)?;
        let Some(got) = web.get(&url, version, MOST, stop).map_err(KnowledgeError::Asked)? else {
            return Ok(Ended { same: true, version: None });
        };
        let entries = entries(&text(&got.bytes, &got.content_type), &got.url).map_err(|reason| {
            KnowledgeError::Asked(format!("{}: expected RSS or Atom, found {reason}", shown(&url)))
        })?;
        if !entries.is_empty() {
            sink(entries);
        }
        Ok(Ended { version: got.version, same: false })
    }
}

/// The bytes as text: in the encoding that the first line or the server names, else UTF-8.
fn text(bytes: &[u8], content_type: &str) -> String {
    let after = |text: &str, mark: &str| {
        let rest = text[text.find(mark)? + mark.len()..].trim_start_matches(['"', '\'', ' ', '=']);
        let end = rest.find(['"', '\'', ';', ' ', '?']).unwrap_or(rest.len());
        encoding_rs::Encoding::for_label(&rest.as_bytes()[..end])
    };
    let first = String::from_utf8_lossy(&bytes[..bytes.len().min(200)]).into_owned();
    let declared = first.find("?>").and_then(|end| after(&first[..end], "encoding"));
    let encoding = declared.or_else(|| after(&content_type.to_lowercase(), "charset"));
    // A mark at the beginning counts for more than either.
    encoding.unwrap_or(encoding_rs::UTF_8).decode(bytes).0.into_owned()
}

/// An entry under way.
#[derive(Default)]
struct Entry {
    fields: BTreeMap<&'static str, String>,
    tags: Vec<Value>,
}

/// The entries of a feed, in its order.
fn entries(xml: &str, url: &str) -> std::result::Result<Vec<Record>, String> {
    let mut reader = Reader::from_str(xml);
    reader.config_mut().check_end_names = true;
    let mut all = Vec::new();
    let (mut feed, mut entry): (bool, Option<Entry>) = (false, None);
    // The field under way, how deep its element is, and its text so far.
    let (mut depth, mut field, mut buffer) = (0usize, None::<(&'static str, usize)>, String::new());
    let mut verbatim = false;
    loop {
        let event = reader.read_event().map_err(|error| format!("broken XML ({error})"))?;
        match event {
            Event::Eof if depth > 0 => return Err("an XML that breaks off".into()),
            Event::Eof => break,
            Event::Start(tag) => {
                depth += 1;
                let name = local(&tag);
                match (name.as_str(), &mut entry, field) {
                    ("rss" | "feed" | "rdf", _, _) if depth == 1 => feed = true,
                    ("item" | "entry", None, _) => entry = Some(Entry::default()),
                    // Atom may hold XHTML as it is.
                    (_, Some(_), Some(_)) if verbatim => buffer += &format!("<{name}>"),
                    (_, Some(_), Some(_)) => {}
                    (_, Some(entry), None) => {
                        attributes(&name, &tag, entry, url);
                        verbatim = attribute(&tag, "type").as_deref() == Some("xhtml");
                        field = known(&name, tag.name().as_ref()).map(|name| (name, depth));
                        buffer.clear();
                    }
                    _ => {}
                }
            }
            Event::Empty(tag) => {
                let name = local(&tag);
                match (&mut entry, field) {
                    (Some(entry), None) => attributes(&name, &tag, entry, url),
                    (Some(_), Some(_)) if verbatim => buffer += &format!("<{name}/>"),
                    _ => {}
                }
            }
            Event::Text(text) if field.is_some() => {
                buffer += &text;
            }
            Event::GeneralRef(name) if field.is_some() => {
                let written = format!("&{};", &*name);
                // In XHTML they stay as they are: `&lt;` is no tag there.
                buffer += &if verbatim {
                    written
                } else {
                    quick_xml::escape::unescape(&written)
                        .map_or(written.clone(), std::borrow::Cow::into_owned)
                };
            }
            Event::CData(text) if field.is_some() => {
                buffer += &text;
            }
            Event::End(tag) => {
                let name = tag.local_name().as_ref().to_lowercase();
                match (&mut entry, field) {
                    (Some(entry), Some((key, at))) if at == depth => {
                        put(entry, key, buffer.trim(), url);
                        field = None;
                    }
                    (Some(_), Some(_)) if verbatim => buffer += &format!("</{name}>"),
                    (Some(_), None) if name == "item" || name == "entry" => {
                        all.extend(entry.take().and_then(record));
                    }
                    _ => {}
                }
                depth = depth.saturating_sub(1);
            }
            _ => {}
        }
    }
    if feed { Ok(all) } else { Err("something else".into()) }
}

/// The field that an element is; `full` is its name with its prefix.
fn known(name: &str, full: &str) -> Option<&'static str> {
    Some(match name {
        "guid" | "id" => "id",
        "title" if !full.starts_with("media:") => "title",
        "link" => "link",
        "encoded" | "content" if !full.starts_with("media:") => "content",
        "description" | "summary" if !full.starts_with("media:") && !full.starts_with("itunes:") => "summary",
        "pubdate" | "published" | "issued" => "date",
        "updated" | "modified" | "date" => "updated",
        "creator" | "author" => "author",
        "category" | "subject" => "tag",
        _ => return None,
    })
}

fn put(entry: &mut Entry, key: &'static str, text: &str, url: &str) {
    if text.is_empty() {
        return;
    }
    match key {
        "tag" => entry.tags.push(text.into()),
        "link" => {
            let link = address::join(url, text).unwrap_or_else(|| text.to_string());
            entry.fields.entry("link").or_insert(link);
        }
        "content" => {
            entry.fields.insert(key, text.to_string());
        }
        _ => {
            entry.fields.entry(key).or_insert_with(|| text.to_string());
        }
    }
}

/// What Atom says in attributes.
fn attributes(name: &str, tag: &BytesStart, entry: &mut Entry, url: &str) {
    match name {
        "link" => {
            let rel = attribute(tag, "rel");
            if let Some(link) =
                attribute(tag, "href").filter(|_| matches!(rel.as_deref(), None | Some("alternate")))
            {
                put(entry, "link", &link, url);
            }
        }
        "category" => {
            if let Some(term) = attribute(tag, "label").or_else(|| attribute(tag, "term")) {
                put(entry, "tag", &term, url);
            }
        }
        _ => {}
    }
}

fn attribute(tag: &BytesStart, name: &str) -> Option<String> {
    let attribute = tag.try_get_attribute(name).ok()??;
    let text = attribute.value.into_owned();
    Some(quick_xml::escape::unescape(&text).map_or(text.clone(), std::borrow::Cow::into_owned))
}

fn local(tag: &BytesStart) -> String {
    tag.local_name().as_ref().to_lowercase()
}

/// `None` if nothing tells it from others.
fn record(entry: Entry) -> Option<Record> {
    let Entry { mut fields, tags } = entry;
    let key = ["id", "link", "title"].iter().find_map(|name| fields.get(name).cloned())?;
    // Where the entry has an id that is an address and no link, that is where people find it.
    let link = fields.remove("link").or_else(|| Some(key.clone()).filter(|key| key.starts_with("http")));
    let content = fields.remove("content").or_else(|| fields.remove("summary")).unwrap_or_default();
    let date = fields.remove("date").or_else(|| fields.remove("updated"));
    let optional = |text: Option<String>| text.map_or(Value::Null, Value::String);
    Some(vec![
        ("id".into(), key.into()),
        ("title".into(), optional(fields.remove("title"))),
        ("link".into(), optional(link)),
        ("date".into(), optional(date)),
        (
            "author".into(),
            optional(
                fields.remove("author").map(|author| author.split_whitespace().collect::<Vec<_>>().join(" ")),
            ),
        ),
        ("tags".into(), tags.into()),
        ("content".into(), content.into()),
    ])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::record::{get, plain};

    fn told(xml: &str) -> Vec<Vec<String>> {
        let fields = ["id", "title", "link", "date", "author", "tags", "content"];
        let read = entries(xml, "https://h/feed").unwrap();
        read.iter()
            .map(|record| fields.iter().map(|field| plain(get(record, field).unwrap())).collect())
            .collect()
    }

    #[test]
    fn rss_and_atom_are_read() {
        let rss = r#"<?xml version="1.0"?><rss version="2.0" xmlns:content="c" xmlns:media="m"><channel><title>News</title>
          <link>https://h/</link><item><title>A &amp; B &#x5B66;</title><link>/1</link><guid isPermaLink="false">g1</guid>
          <pubDate>Tue, 10 Jun 2003 04:00:00 GMT</pubDate><category>x</category><category>y</category>
          <media:title>wrong</media:title><description>short</description>
          <content:encoded><![CDATA[<p>Long & <b>bold</b></p>]]></content:encoded></item>
          <item><description>&lt;p&gt;no title&lt;/p&gt;</description><link>https://h/2</link></item><item/></channel></rss>"#;
        assert_eq!(
            told(rss),
            [
                [
                    "g1",
                    "A & B 学",
                    "https://h/1",
                    "Tue, 10 Jun 2003 04:00:00 GMT",
                    "",
                    "x, y",
                    "<p>Long & <b>bold</b></p>"
                ],
                ["https://h/2", "", "https://h/2", "", "", "", "<p>no title</p>"],
            ]
        );
        let atom = r#"<feed xmlns="a"><title>T</title><id>f</id><author><name>Feed</name></author><entry><id>urn:1</id>
          <title type="html">One &lt;i&gt;</title><link rel="self" href="/s"/><link href="/one"/><updated>2024-01-02T03:04:05Z</updated>
          <author><name>Ann</name></author><category term="t"/><content type="xhtml"><div><p>a &lt; b<br/></p></div></content>
          <summary>s</summary></entry></feed>"#;
        assert_eq!(
            told(atom),
            [[
                "urn:1",
                "One <i>",
                "https://h/one",
                "2024-01-02T03:04:05Z",
                "Ann",
                "t",
                "<div><p>a &lt; b<br/></p></div>"
            ]]
        );
    }

    #[test]
    fn what_is_no_feed_is_refused() {
        for wrong in ["", "{}", "<html><body></body></html>", "<rss><channel><item>", "<rss><a></b></rss>"] {
            assert!(entries(wrong, "https://h/").is_err(), "{wrong}");
        }
        let bomb = "<!DOCTYPE r [<!ENTITY a \"&b;&b;\"><!ENTITY x SYSTEM \"file:///etc/passwd\">]><rss><item><guid>1</guid><title>&x;</title></item></rss>";
        assert_eq!(told(bomb)[0][1], "&x;");
        let gbk = encoding_rs::GBK.encode("<?xml version=\"1.0\" encoding=\"gb2312\"?><rss><channel><item><title>课程通知</title></item></channel></rss>").0;
        assert_eq!(told(&text(&gbk, ""))[0][1], "课程通知");
    }
}
