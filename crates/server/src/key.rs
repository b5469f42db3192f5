//! The key that guards every route, also the pages.
//!
//! A program sends `Authorization: Bearer KEY`. A browser sends `?key=KEY` once, is given a cookie and sent on to the
//! address without the key, so that it does not stay in the address bar.

use crate::error::ApiError;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{Html, IntoResponse, Response};
use std::sync::Arc;
use subtle::ConstantTimeEq;

const COOKIE: &str = "shuyuan_key";

/// The key in the two forms in which it comes: as it is, and percent-encoded in addresses and cookies.
pub(crate) struct Key {
    plain: String,
    encoded: String,
}

impl Key {
    pub fn new(key: &str) -> Self {
        Self { plain: key.into(), encoded: encode(key) }
    }

    /// Takes the same time wherever two keys differ.
    fn fits(&self, given: &str) -> bool {
        self.plain.as_bytes().ct_eq(given.as_bytes()).into()
    }
}

/// Lets a request through that carries the key.
pub(crate) async fn guard(State(key): State<Arc<Key>>, request: Request, next: Next) -> Response {
    if bearer(request.headers()).is_some_and(|given| key.fits(given))
        || cookie(request.headers()).is_some_and(|given| key.fits(&decode(given)))
    {
        return next.run(request).await;
    }
    let given = request.uri().query().and_then(|query| parameter(query, "key"));
    if given.is_some_and(|given| key.fits(&decode(given))) {
        return welcome(&key, request, next).await;
    }
    if wants_page(&request) {
        let page = Html(include_str!("key.html"));
        return (StatusCode::UNAUTHORIZED, [(header::CACHE_CONTROL, "no-store")], page).into_response();
    }
    let message = "this server wants its API key: send the header `Authorization: Bearer KEY`";
    let mut response =
        ApiError::new(StatusCode::UNAUTHORIZED, message).code("invalid_api_key").into_response();
    response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    response
}

/// Answers a request that had the key in its address: with a cookie, and a page only at the address without it.
async fn welcome(key: &Key, request: Request, next: Next) -> Response {
    let page = wants_page(&request);
    let path = request.uri().path().to_string();
    // A path that begins with two slashes would name another host.
    let here = format!("/{}", path.trim_start_matches('/'));
    let mut response = match page {
        true => (StatusCode::SEE_OTHER, [(header::LOCATION, here)]).into_response(),
        false => next.run(request).await,
    };
    let cookie = format!("{COOKIE}={}; Path=/; HttpOnly; SameSite=Strict", key.encoded);
    if let Ok(cookie) = HeaderValue::from_str(&cookie) {
        response.headers_mut().insert(header::SET_COOKIE, cookie);
    }
    response
}

fn wants_page(request: &Request) -> bool {
    let accept = request.headers().get(header::ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or("");
    request.method() == Method::GET && accept.contains("text/html")
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, key) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| key.trim())
}

fn cookie(headers: &HeaderMap) -> Option<&str> {
    let all = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    all.flat_map(|value| value.split(';'))
        .find_map(|pair| pair.trim().strip_prefix(COOKIE)?.strip_prefix('='))
}

fn parameter<'q>(query: &'q str, name: &str) -> Option<&'q str> {
    query.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='))
}

fn encode(text: &str) -> String {
    let letter = |byte: u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => char::from(byte).to_string(),
        _ => format!("%{byte:02X}"),
    };
    text.bytes().map(letter).collect()
}

fn decode(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        let hex = |at: usize| tail.get(at).and_then(|digit| char::from(*digit).to_digit(16));
        rest = tail;
        match (first, hex(0), hex(1)) {
            (b'%', Some(high), Some(low)) => {
                bytes.push((high * 16 + low) as u8);
                rest = &tail[2..];
            }
            (b'+', ..) => bytes.push(b' '),
            _ => bytes.push(*first),
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_survives_address_and_cookie() {
        for key in ["simple", "a b+c/d=%41;é\"", "书院"] {
            assert_eq!(decode(&encode(key)), key);
            assert!(encode(key).bytes().all(|byte| byte.is_ascii_graphic() && byte != b';'));
        }
        assert_eq!(decode("%zz%4"), "%zz%4");
    }
}
