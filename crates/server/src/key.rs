//! The keys that guard every route, also the pages.
//!
//! `--api-key` is the owner's; the keys of `keys.toml` are readers': they chat, search, ask and read what their groups
//! may. Without any key, whoever is on this machine is the owner.
//!
//! A program sends `Authorization: Bearer KEY`. A browser sends `?key=KEY` once, is given a cookie and sent on to the
//! address without the key, so that it does not stay in the address bar.

use crate::error::ApiError;
use crate::keys::{KeyFile, NamedKey};
use crate::origin;
use axum::extract::{FromRequestParts, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{Html, IntoResponse, Response};
use shuyuan_knowledge::Reader;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::Path;
use std::sync::Arc;
use subtle::ConstantTimeEq;

const COOKIE: &str = "shuyuan_key";

/// Who may come in.
pub(crate) struct Keys {
    owner: Option<String>,
    readers: KeyFile,
}

impl Keys {
    pub fn new(owner: Option<&str>, home: &Path) -> Self {
        Self { owner: owner.map(Into::into), readers: KeyFile::new(home) }
    }

    /// Whether whoever comes is the owner.
    fn are_none(&self) -> bool {
        self.owner.is_none() && self.readers.now().is_empty()
    }

    /// Whose key it is. Takes the same time wherever two keys differ.
    fn caller(&self, given: &str) -> Option<Caller> {
        let owner = self.owner.as_ref().is_some_and(|key| key.as_bytes().ct_eq(given.as_bytes()).into());
        let known = self.readers.now();
        let reader = known.find(given);
        if owner { Some(Caller::owner()) } else { reader.map(Caller::reader) }
    }
}

/// Who has come in.
#[derive(Clone)]
struct Caller {
    reader: Reader,
    /// Whose the conversations are that are kept.
    name: String,
}

impl Caller {
    fn owner() -> Self {
        Self { reader: Reader::Owner, name: "owner".into() }
    }

    /// The name stays when its key is replaced. A prefix, since a reader may be called as anybody likes.
    fn reader(key: &NamedKey) -> Self {
        Self { reader: Reader::Groups(key.groups.clone()), name: format!("reader {}", key.name) }
    }
}

/// Who asks, as the guard has found.
pub(crate) struct Whose(pub Reader);

/// The name under which something is kept for who asks.
pub(crate) struct Name(pub String);

impl Name {
    /// The same for the same name, as long as the program runs.
    pub fn number(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        self.0.hash(&mut hasher);
        hasher.finish()
    }
}

/// Lets nobody but the owner in.
pub(crate) struct Owner;

impl<S: Send + Sync> FromRequestParts<S> for Whose {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        // A route that no guard has seen shows what everyone may see.
        Ok(Self(parts.extensions.get::<Caller>().map_or_else(Reader::public, |caller| caller.reader.clone())))
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Name {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        match parts.extensions.get::<Caller>() {
            Some(caller) => Ok(Self(caller.name.clone())),
            None => Err(ApiError::new(StatusCode::UNAUTHORIZED, "nobody is known to ask")),
        }
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Owner {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        match parts.extensions.get::<Caller>() {
            Some(Caller { reader: Reader::Owner, .. }) => Ok(Self),
            _ => Err(ApiError::new(
                StatusCode::FORBIDDEN,
                "this is the owner's: a reader's key may chat, search, ask and read, nothing else",
            )
            .code("owner_only")),
        }
    }
}

/// Lets a request through that carries a key, and notes whose.
pub(crate) async fn guard(State(keys): State<Arc<Keys>>, mut request: Request, next: Next) -> Response {
    if keys.owner.is_none()
        && let Some(message) = origin::refusal(request.headers(), request.uri())
    {
        return ApiError::new(StatusCode::FORBIDDEN, message).into_response();
    }
    let of = |given: &str| keys.caller(given);
    let caller = if keys.are_none() {
        Some(Caller::owner())
    } else {
        let headers = request.headers();
        bearer(headers).and_then(of).or_else(|| of(&decode(cookie(headers)?)))
    };
    if let Some(caller) = caller {
        request.extensions_mut().insert(caller);
        return next.run(request).await;
    }
    let given = request.uri().query().and_then(|query| parameter(query, "key")).map(decode);
    if let Some((caller, given)) = given.and_then(|given| Some((of(&given)?, given))) {
        request.extensions_mut().insert(caller);
        return welcome(&given, request, next).await;
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
async fn welcome(key: &str, request: Request, next: Next) -> Response {
    let page = wants_page(&request);
    let path = request.uri().path().to_string();
    // A path that begins with two slashes would name another host.
    let here = format!("/{}", path.trim_start_matches('/'));
    let mut response = match page {
        true => (StatusCode::SEE_OTHER, [(header::LOCATION, here)]).into_response(),
        false => next.run(request).await,
    };
    let cookie = format!("{COOKIE}={}; Path=/; HttpOnly; SameSite=Strict", encode(key));
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
