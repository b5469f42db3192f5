//! Addresses of the web: joined, encoded, compared.

use ureq::http::Uri;

/// Scheme, host and port, in lower case; `None` for what is not http or https.
pub(crate) fn origin(url: &str) -> Option<(String, String, u16)> {
    let uri: Uri = url.parse().ok()?;
    let scheme = uri.scheme_str()?.to_ascii_lowercase();
    let port = match scheme.as_str() {
        "http" => 80,
        "https" => 443,
        _ => return None,
    };
    let host = uri.host().filter(|host| !host.is_empty())?.to_ascii_lowercase();
    Some((scheme, host, uri.port_u16().unwrap_or(port)))
}

/// Everything but letters, digits and `-_.~` as `%XX`: one segment of a path, one value of a query.
pub(crate) fn encode(text: &str) -> String {
    let mut out = String::new();
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => out.push(byte as char),
            _ => out += &format!("%{byte:02X}"),
        }
    }
    out
}

/// `%XX` as what it stands for, where that is UTF-8.
pub(crate) fn decode(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        let code = (*first == b'%').then(|| tail.get(..2)).flatten();
        let code = code.and_then(|two| u8::from_str_radix(std::str::from_utf8(two).ok()?, 16).ok());
        bytes.push(code.unwrap_or(*first));
        rest = if code.is_some() { &tail[2..] } else { tail };
    }
    String::from_utf8(bytes).unwrap_or_else(|_| text.to_string())
}

/// The address that `link` means, seen from `base`; without what follows `#`.
pub(crate) fn join(base: &str, link: &str) -> Option<String> {
    let link = link.split('#').next().unwrap_or_default().trim();
    if link.starts_with("http://") || link.starts_with("https://") {
        return Some(link.into());
    }
    let (scheme, rest) = base.split_once("://")?;
    if let Some(rest) = link.strip_prefix("//") {
        return Some(format!("{scheme}://{rest}"));
    }
    let scheme_like = link.split(['/', '?']).next().is_some_and(|first| first.contains(':'));
    if scheme_like {
        return None;
    }
    let (host, path) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
    let path = path.split('?').next().unwrap_or_default();
    if link.is_empty() {
        return Some(format!("{scheme}://{host}{path}"));
    }
    if let Some(query) = link.strip_prefix('?') {
        return Some(format!("{scheme}://{host}{path}?{query}"));
    }
    let (target, query) = link.split_once('?').map_or((link, None), |(target, query)| (target, Some(query)));
    let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
    let whole = if target.starts_with('/') { target.to_string() } else { format!("{folder}/{target}") };
    let mut kept: Vec<&str> = Vec::new();
    let segments: Vec<&str> = whole.split('/').skip(1).collect();
    for (n, segment) in segments.iter().enumerate() {
        let last = n + 1 == segments.len();
        match *segment {
            "." if last => kept.push(""),
            "." => {}
            ".." => {
                kept.pop();
                if last {
                    kept.push("");
                }
            }
            other => kept.push(other),
        }
    }
    let query = query.map_or_else(String::new, |query| format!("?{query}"));
    Some(format!("{scheme}://{host}/{}{query}", kept.join("/")))
}

/// An address without user and password, and these, decoded.
pub(crate) fn user(url: &str) -> (String, Option<(String, String)>) {
    let Some((scheme, rest)) = url.split_once("://") else { return (url.into(), None) };
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let Some(at) = rest[..end].rfind('@') else { return (url.into(), None) };
    let (user, password) = rest[..at].split_once(':').unwrap_or((&rest[..at], ""));
    (format!("{scheme}://{}", &rest[at + 1..]), Some((decode(user), decode(password))))
}

/// The value of an `Authorization` header.
pub(crate) fn basic((user, password): &(String, String)) -> String {
    const LETTERS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::from("Basic ");
    for three in format!("{user}:{password}").as_bytes().chunks(3) {
        let bits =
            three.iter().fold(0u32, |bits, &byte| bits << 8 | u32::from(byte)) << (8 * (3 - three.len()));
        for n in 0..4 {
            let letter = LETTERS[(bits >> (18 - 6 * n) & 63) as usize];
            out.push(if n <= three.len() { letter as char } else { '=' });
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_lead_where_they_say() {
        let base = "http://h:1/a/b?c=/d";
        for (link, target) in [
            ("x", Some("http://h:1/a/x")),
            ("./x/", Some("http://h:1/a/x/")),
            ("../x?y=../z#f", Some("http://h:1/x?y=../z")),
            ("../../..", Some("http://h:1/")),
            ("?d=1", Some("http://h:1/a/b?d=1")),
            ("/x", Some("http://h:1/x")),
            ("//k/x", Some("http://k/x")),
            ("https://k/x", Some("https://k/x")),
            ("javascript:void(0)", None),
            ("mailto:a@b", None),
        ] {
            assert_eq!(join(base, link).as_deref(), target, "{link}");
        }
        assert_eq!(join("http://h", "x").as_deref(), Some("http://h/x"));
    }

    #[test]
    fn encoded_is_decoded() {
        let text = "学 期/..?&=%\0'";
        assert!(encode(text).bytes().all(|byte| byte.is_ascii_alphanumeric() || b"%._-~".contains(&byte)));
        assert_eq!(decode(&encode(text)), text);
        assert_eq!(decode("%zz%"), "%zz%");
        let (url, who) = user("https://me:a%40b@h/x?y=@");
        assert_eq!((url.as_str(), who.clone()), ("https://h/x?y=@", Some(("me".into(), "a@b".into()))));
        assert_eq!(basic(&("Aladdin".into(), "open sesame".into())), "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==");
    }
}
