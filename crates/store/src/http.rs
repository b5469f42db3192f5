//! HTTP as downloads need it: redirects, a token for one host alone, proxies, errors that name the address.
//!
//! Blocking, and without a store of connections to look after. Reads no environment: settings are handed in.

use crate::StoreError;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use ureq::http::{HeaderMap, Response, Uri};
use ureq::tls::{PemItem, RootCerts, TlsConfig, parse_pem};
use ureq::{Agent, Body, Proxy};

/// A failed download: of what, why, and what to do.
#[derive(Debug, thiserror::Error)]
pub enum DownloadError {
    /// An address, a proxy or certificates that cannot be used.
    #[error("{0}")]
    Settings(String),
    /// The server refused.
    #[error("{url}: the server answered {status}{}", advice(*status))]
    Status {
        /// What was asked for.
        url: String,
        /// HTTP's number.
        status: u16,
    },
    /// No answer, or one that broke off, as often as was tried.
    #[error(
        "{url}: {reason}, after {tries} tries without anything new; what came is kept: check the network and run the same command again"
    )]
    Connection {
        /// What was asked for.
        url: String,
        /// The last failure.
        reason: String,
        /// How often in a row.
        tries: u32,
    },
    /// What came is not what was announced.
    #[error(
        "{url}: expected {expected}, found {found}; run the same command again, and if that does not help, choose another revision or mirror"
    )]
    Unexpected {
        /// What was asked for.
        url: String,
        /// What should have come.
        expected: String,
        /// What came.
        found: String,
    },
    /// The caller asked to stop. What came is kept.
    #[error("stopped")]
    Stopped,
    /// The disk.
    #[error(transparent)]
    Store(#[from] StoreError),
}

fn advice(status: u16) -> &'static str {
    match status {
        401 | 403 => {
            " (not allowed): it is private, asks for consent to its licence, or does not exist; set HF_TOKEN to a token \
             that may read it"
        }
        404 => " (not found): check the spelling and the revision",
        429 => " (too many requests): wait some minutes and run the same command again",
        500.. => ": wait a little and run the same command again, or use a mirror (HF_ENDPOINT)",
        _ => "",
    }
}

/// How the server is reached.
#[derive(Clone, Default)]
pub struct HttpOptions {
    /// Where addresses begin: `https://huggingface.co`. The token goes there and nowhere else.
    pub endpoint: String,
    /// A bearer token.
    pub token: Option<String>,
    /// A proxy's address.
    pub proxy: Option<String>,
    /// Hosts that are reached without it, between commas.
    pub no_proxy: Option<String>,
    /// Certificates to trust in place of Mozilla's, as PEM.
    pub roots: Option<Vec<u8>>,
    /// How long to wait before the second try; doubled each time. One second if not given.
    pub pause: Option<Duration>,
}

/// A client for one endpoint.
pub struct Client {
    agent: Agent,
    endpoint: String,
    origin: Origin,
    token: Option<String>,
    pause: Duration,
}

impl fmt::Debug for Client {
    /// Without the token.
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.debug_struct("Client").field("endpoint", &self.endpoint).finish_non_exhaustive()
    }
}

/// Scheme, host and port.
#[derive(PartialEq)]
struct Origin(String, String, u16);

impl Origin {
    fn of(url: &str) -> Option<Self> {
        let uri: Uri = url.parse().ok()?;
        let scheme = uri.scheme_str()?.to_ascii_lowercase();
        let port = match scheme.as_str() {
            "http" => 80,
            "https" => 443,
            _ => return None,
        };
        let host = uri.host().filter(|host| !host.is_empty())?.to_ascii_lowercase();
        Some(Self(scheme, host, uri.port_u16().unwrap_or(port)))
    }
}

/// Why a try did not succeed.
pub(crate) enum Failure {
    /// Trying again may help.
    Passing(String),
    /// It will not.
    Lasting(DownloadError),
}

impl From<DownloadError> for Failure {
    fn from(error: DownloadError) -> Self {
        Self::Lasting(error)
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Self::Lasting(error.into())
    }
}

/// An answer whose body is still to be read.
pub(crate) struct Answer {
    pub(crate) response: Response<Body>,
    /// What tells this version of the file from others, if the server says.
    pub(crate) etag: Option<String>,
    /// The repository's commit, if the server says.
    pub(crate) commit: Option<String>,
}

/// A short text from the server.
#[derive(Debug)]
pub struct Page {
    /// The text.
    pub text: String,
    /// Where it goes on (`Link` with `rel="next"`).
    pub next: Option<String>,
}

/// How often in a row a try may bring nothing.
const TRIES: u32 = 5;
/// Redirects followed for one answer.
const HOPS: usize = 10;
/// A connection on which nothing comes for so long is given up.
const SILENCE: Duration = Duration::from_secs(30);

impl Client {
    /// A client of the endpoint in `options`.
    ///
    /// # Errors
    /// If the endpoint or the proxy is no address, or the certificates are none.
    pub fn new(options: &HttpOptions) -> Result<Self, DownloadError> {
        let endpoint = options.endpoint.trim_end_matches('/').to_string();
        let origin = Origin::of(&endpoint).ok_or_else(|| {
            DownloadError::Settings(format!(
                "the hub's address: expected one like https://huggingface.co, found {endpoint:?}; check HF_ENDPOINT"
            ))
        })?;
        let token = options.token.clone().filter(|token| !token.is_empty());
        if token.as_ref().is_some_and(|token| !token.bytes().all(|byte| byte.is_ascii_graphic())) {
            let what = "the token has spaces or other characters that no token has; check HF_TOKEN";
            return Err(DownloadError::Settings(what.into()));
        }
        let mut tls = TlsConfig::builder();
        if let Some(pem) = &options.roots {
            tls = tls.root_certs(roots(pem)?);
        }
        let config = Agent::config_builder()
            .http_status_as_error(false)
            // Followed here, so that the token stays with its host.
            .max_redirects(0)
            .max_redirects_will_error(false)
            .proxy(options.proxy.as_deref().map(|url| proxy(url, options.no_proxy.as_deref())).transpose()?)
            .tls_config(tls.build())
            .timeout_resolve(Some(SILENCE))
            .timeout_connect(Some(SILENCE))
            .timeout_recv_response(Some(2 * SILENCE))
            .timeout_per_read(Some(SILENCE))
            .user_agent(concat!("shuyuan/", env!("CARGO_PKG_VERSION")));
        let pause = options.pause.unwrap_or(Duration::from_secs(1));
        Ok(Self { agent: config.build().new_agent(), endpoint, origin, token, pause })
    }

    /// Where addresses begin, without a slash at the end.
    pub fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// The text at `url`, of at most `most` bytes.
    ///
    /// # Errors
    /// As [`DownloadError`] says; dropped connections are tried again first.
    pub fn text(&self, url: &str, most: u64, stop: &AtomicBool) -> Result<Page, DownloadError> {
        let mut patience = self.patience(url, stop);
        loop {
            let read = || {
                let mut answer = self.get(url, 0)?;
                let next = next_page(answer.response.headers()).and_then(|next| join(url, &next));
                let text = answer.response.body_mut().with_config().limit(most).read_to_string();
                Ok(Page { text: text.map_err(|error| failed(url, &error))?, next })
            };
            match read() {
                Ok(page) => return Ok(page),
                Err(Failure::Lasting(error)) => return Err(error),
                Err(Failure::Passing(reason)) => patience.wait(reason)?,
            }
        }
    }

    /// Asks for `url` from byte `from` on and follows redirects. The answer's status is 200, 206 or 416.
    pub(crate) fn get(&self, url: &str, from: u64) -> Result<Answer, Failure> {
        let (mut at, mut linked, mut commit) = (url.to_string(), None, None);
        for _ in 0..HOPS {
            // Compressed on the way, a file would have other sizes and other bytes to go on from.
            let mut request = self.agent.get(&at).header("accept-encoding", "identity");
            if from > 0 {
                request = request.header("range", format!("bytes={from}-"));
            }
            if let Some(token) = &self.token
                && Origin::of(&at).as_ref() == Some(&self.origin)
            {
                request = request.header("authorization", format!("Bearer {token}"));
            }
            let response = request.call().map_err(|error| failed(url, &error))?;
            let header = |name: &str| response.headers().get(name)?.to_str().ok().map(str::to_string);
            linked = linked.or_else(|| header("x-linked-etag"));
            commit = commit.or_else(|| header("x-repo-commit"));
            match response.status().as_u16() {
                200 | 206 | 416 => {
                    // Weak ones say that a page means the same, not that its bytes are.
                    let etag = linked.or_else(|| header("etag")).filter(|etag| !etag.starts_with("W/"));
                    return Ok(Answer { response, etag, commit });
                }
                301 | 302 | 303 | 307 | 308 => {
                    let target = header("location").and_then(|location| join(&at, &location));
                    let target =
                        target.filter(|target| at.starts_with("http:") || target.starts_with("https:"));
                    let Some(target) = target else {
                        return Err(unexpected(
                            url,
                            "a redirect to another https address",
                            "one to nowhere safe",
                        ));
                    };
                    at = target;
                }
                status @ (408 | 429 | 500 | 502 | 503 | 504) => {
                    return Err(Failure::Passing(format!("the server answered {status}{}", advice(status))));
                }
                status => return Err(DownloadError::Status { url: url.into(), status }.into()),
            }
        }
        Err(unexpected(url, "an answer", &format!("{HOPS} redirects in a row")))
    }

    pub(crate) fn patience<'a>(&self, url: &'a str, stop: &'a AtomicBool) -> Patience<'a> {
        Patience { url, stop, first: self.pause, tries: 0 }
    }
}

/// Waits between tries, longer each time.
pub(crate) struct Patience<'a> {
    url: &'a str,
    stop: &'a AtomicBool,
    first: Duration,
    tries: u32,
}

impl Patience<'_> {
    /// Something came: count anew.
    pub(crate) fn restore(&mut self) {
        self.tries = 0;
    }

    /// Waits for the next try, or gives up.
    pub(crate) fn wait(&mut self, reason: String) -> Result<(), DownloadError> {
        self.tries += 1;
        if self.tries == TRIES {
            return Err(DownloadError::Connection { url: self.url.into(), reason, tries: self.tries });
        }
        let (begun, pause) = (Instant::now(), self.first * 2u32.pow(self.tries - 1));
        while begun.elapsed() < pause && !self.stop.load(Ordering::Relaxed) {
            std::thread::sleep(Duration::from_millis(20).min(pause));
        }
        if self.stop.load(Ordering::Relaxed) { Err(DownloadError::Stopped) } else { Ok(()) }
    }
}

pub(crate) fn unexpected(url: &str, expected: &str, found: &str) -> Failure {
    DownloadError::Unexpected { url: url.into(), expected: expected.into(), found: found.into() }.into()
}

/// Errors of the network pass; those of certificates and addresses last.
fn failed(url: &str, error: &ureq::Error) -> Failure {
    match error {
        // rustls tells a certificate that it does not trust as invalid data.
        ureq::Error::Io(io) if io.kind() == std::io::ErrorKind::InvalidData => {
            DownloadError::Settings(format!(
                "{url}: no secure connection: {io}; if a proxy of your network opens connections, give its certificate \
                 with SSL_CERT_FILE"
            ))
            .into()
        }
        ureq::Error::Io(io) => Failure::Passing(format!("the connection failed ({io})")),
        ureq::Error::Timeout(what) => Failure::Passing(format!("no answer in time ({what})")),
        ureq::Error::HostNotFound => Failure::Passing("the host was not found".into()),
        ureq::Error::ConnectionFailed => Failure::Passing("the connection failed".into()),
        ureq::Error::Protocol(what) => Failure::Passing(format!("the answer is no HTTP ({what})")),
        ureq::Error::ConnectProxyFailed(what) => Failure::Passing(format!("the proxy refused ({what})")),
        other => DownloadError::Settings(format!("{url}: {other}")).into(),
    }
}

fn roots(pem: &[u8]) -> Result<RootCerts, DownloadError> {
    let certificates: Vec<_> = parse_pem(pem)
        .filter_map(|item| match item {
            Ok(PemItem::Certificate(certificate)) => Some(certificate),
            _ => None,
        })
        .collect();
    if certificates.is_empty() {
        let what = "expected certificates in PEM, found none; check SSL_CERT_FILE";
        return Err(DownloadError::Settings(what.into()));
    }
    Ok(RootCerts::new_with_certs(&certificates))
}

/// `url` without the hosts in `no_proxy`.
fn proxy(url: &str, no_proxy: Option<&str>) -> Result<Proxy, DownloadError> {
    // The address may hold a password: it is not shown.
    let wrong = |error| {
        DownloadError::Settings(format!(
            "the proxy: expected an address like http://host:port ({error}); check HTTPS_PROXY and ALL_PROXY"
        ))
    };
    let given = Proxy::new(url).map_err(wrong)?;
    if given.host().is_empty() {
        let what = "the proxy: expected an address like http://host:port, found no host; check HTTPS_PROXY and ALL_PROXY";
        return Err(DownloadError::Settings(what.into()));
    }
    let mut proxy = Proxy::builder(given.protocol()).host(given.host()).port(given.port());
    if let Some(name) = given.username() {
        proxy = proxy.username(name);
    }
    if let Some(password) = given.password() {
        proxy = proxy.password(password);
    }
    for host in no_proxy.unwrap_or_default().split(',').map(str::trim).filter(|host| !host.is_empty()) {
        proxy = proxy.no_proxy(host);
    }
    proxy.build().map_err(wrong)
}

/// The target of `Link: <target>; rel="next"`.
fn next_page(headers: &HeaderMap) -> Option<String> {
    let link = headers.get("link")?.to_str().ok()?;
    link.split(',').find_map(|part| {
        let (target, rest) = part.trim().strip_prefix('<')?.split_once('>')?;
        rest.contains("rel=\"next\"").then(|| target.to_string())
    })
}

/// The address that `location` means, seen from `base`.
fn join(base: &str, location: &str) -> Option<String> {
    let location = location.split('#').next()?;
    if location.starts_with("http://") || location.starts_with("https://") {
        return Some(location.into());
    }
    let (scheme, rest) = base.split_once("://")?;
    if let Some(rest) = location.strip_prefix("//") {
        return Some(format!("{scheme}://{rest}"));
    }
    let (host, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    match location {
        "" => None,
        _ if location.starts_with('/') => Some(format!("{scheme}://{host}{location}")),
        _ if location.contains("://") => None,
        _ => {
            let folder = path
                .split('?')
                .next()
                .and_then(|path| path.rsplit_once('/'))
                .map_or("", |(folder, _)| folder);
            Some(format!("{scheme}://{host}{folder}/{location}"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn redirects_lead_where_they_say() {
        let base = "https://hub.co/a/b?c=/d";
        for (location, target) in [
            ("https://cdn.co/x?y=1#z", Some("https://cdn.co/x?y=1")),
            ("//cdn.co/x", Some("https://cdn.co/x")),
            ("/x", Some("https://hub.co/x")),
            ("x", Some("https://hub.co/a/x")),
            ("file:///etc/passwd", None),
            ("", None),
        ] {
            assert_eq!(join(base, location).as_deref(), target, "{location}");
        }
        assert_eq!(join("http://h:1", "/x").as_deref(), Some("http://h:1/x"));
    }

    #[test]
    fn settings_are_checked_and_secrets_not_shown() {
        let options = HttpOptions { endpoint: "https://Hub.co/".into(), ..HttpOptions::default() };
        let client = Client::new(&HttpOptions { token: Some("secret".into()), ..options.clone() }).unwrap();
        assert_eq!(client.endpoint(), "https://Hub.co");
        assert!(!format!("{client:?}").contains("secret"));
        assert!(Origin::of("https://hub.co:443/x") == Some(client.origin));
        for wrong in [
            HttpOptions { endpoint: "hub.co".into(), ..options.clone() },
            HttpOptions { endpoint: "ftp://hub.co".into(), ..options.clone() },
            HttpOptions { token: Some("secret\r\nHost: x".into()), ..options.clone() },
            HttpOptions { proxy: Some("http://me:secret@:x".into()), ..options.clone() },
            HttpOptions { roots: Some(b"none".to_vec()), ..options.clone() },
        ] {
            let error = Client::new(&wrong).unwrap_err().to_string();
            assert!(error.contains("; check ") && !error.contains("secret"), "{error}");
        }
        let proxy = proxy("http://me:word@proxy.co:81", Some("localhost, .cn")).unwrap();
        assert_eq!((proxy.host(), proxy.port(), proxy.password()), ("proxy.co", 81, Some("word")));
        assert!(proxy.is_no_proxy(&"http://hub.cn/".parse().unwrap()));
        assert!(!proxy.is_no_proxy(&"http://hub.co/".parse().unwrap()));
    }
}
