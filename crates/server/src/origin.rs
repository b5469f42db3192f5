//! Without a key, only pages of this server itself may talk to it from a browser.
//!
//! A page from elsewhere could otherwise send requests to 127.0.0.1, or let its own name point there. Programs that are
//! not browsers send no `Origin`, and reach a loopback server under a loopback name.

use crate::error::ApiError;
use axum::extract::Request;
use axum::http::{HeaderMap, StatusCode, Uri, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use std::net::IpAddr;

/// Lets a request through whose host is this machine and whose page, if any, came from here.
pub(crate) async fn guard(request: Request, next: Next) -> Response {
    match refusal(request.headers(), request.uri()) {
        Some(message) => ApiError::new(StatusCode::FORBIDDEN, message).into_response(),
        None => next.run(request).await,
    }
}

pub(crate) fn refusal(headers: &HeaderMap, uri: &Uri) -> Option<String> {
    let text = |name| headers.get(name).map(|value| value.to_str().unwrap_or("not text"));
    let host = text(header::HOST).or_else(|| uri.authority().map(|authority| authority.as_str()));
    match (host, text(header::ORIGIN)) {
        (Some(host), _) if !is_loopback(host) => Some(format!(
            "this server is for its own machine; it was asked for as {host}. Use 127.0.0.1, or start it with --api-key"
        )),
        (host, Some(origin)) if !host.is_some_and(|host| same(origin, host)) => {
            Some(format!("a page from {origin} may not use this server"))
        }
        _ => None,
    }
}

fn is_loopback(host: &str) -> bool {
    let Ok(uri) = host.parse::<axum::http::uri::Authority>() else { return false };
    let name = uri.host().trim_start_matches('[').trim_end_matches(']');
    name.eq_ignore_ascii_case("localhost") || name.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

fn same(origin: &str, host: &str) -> bool {
    origin.parse::<Uri>().ok().and_then(|uri| uri.authority().map(|a| a.as_str() == host)).unwrap_or(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_this_machine_under_its_own_names() {
        for host in ["localhost", "LOCALHOST:8787", "127.0.0.1:8787", "[::1]:80", "127.9.9.9"] {
            assert!(is_loopback(host), "{host}");
        }
        for host in ["example.com", "10.0.0.1:8787", "localhost.example.com", "", "127.0.0.1.example.com"] {
            assert!(!is_loopback(host), "{host}");
        }
        assert!(same("http://localhost:8787", "localhost:8787"));
        assert!(!same("http://localhost:1", "localhost:8787") && !same("null", "localhost:8787"));
    }
}
