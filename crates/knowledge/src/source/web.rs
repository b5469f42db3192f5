//! Asks web servers: politely (rate, `Retry-After`), with bounds on size, time and redirects, secrets for one host alone.

use super::{address, env};
use crate::{KnowledgeError, Result};
use std::collections::BTreeMap;
use std::io::Read;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use ureq::Agent;
use ureq::http::HeaderMap;
use ureq::tls::{PemItem, RootCerts, TlsConfig, parse_pem};

/// Redirects followed for one answer.
const HOPS: usize = 5;
/// How often a sync tries to get one answer.
const TRIES: u32 = 4;
/// The wait before the second try; doubled each time.
const PAUSE: Duration = Duration::from_millis(300);
/// The longest `Retry-After` that is waited for.
const PATIENCE: u64 = 120;

/// What tells a version of an answer: `ETag`, or else `Last-Modified`.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Version {
    Etag(String),
    Modified(String),
}

impl Version {
    pub(crate) fn stamp(&self) -> String {
        match self {
            Self::Etag(text) => format!("e:{text}"),
            Self::Modified(text) => format!("m:{text}"),
        }
    }

    pub(crate) fn of_stamp(stamp: &str) -> Option<Self> {
        match stamp.split_at_checked(2)? {
            ("e:", text) => Some(Self::Etag(text.into())),
            ("m:", text) => Some(Self::Modified(text.into())),
            _ => None,
        }
    }
}

/// An answer.
#[derive(Debug)]
pub(crate) struct Got {
    pub bytes: Vec<u8>,
    pub version: Option<Version>,
    /// Where it goes on (`Link` with `rel="next"`).
    pub next: Option<String>,
    pub content_type: String,
    /// Where it was found after redirects.
    pub url: String,
}

/// One server and how it is asked.
pub(crate) struct Web {
    agent: Agent,
    origin: (String, String, u16),
    headers: Vec<(String, String)>,
    gap: Duration,
    last: Mutex<Option<Instant>>,
    tries: u32,
    limit: Duration,
}

enum Trouble {
    /// Trying again may help, after so long.
    Passing(String, Option<Duration>),
    Lasting(String),
}

impl Web {
    /// For addresses that begin as `url`, which may hold a user and a password. `limit` is for one whole answer.
    pub(crate) fn new(
        url: &str,
        headers: &BTreeMap<String, String>,
        rate: Option<f64>,
        limit: Duration,
    ) -> Result<Self> {
        let (plain, user) = address::user(url);
        let origin = address::origin(&plain).ok_or_else(|| {
            KnowledgeError::Asked(format!("expected an address with http:// or https://, found {plain:?}"))
        })?;
        let mut all = Vec::new();
        for (name, value) in headers {
            all.push((name.to_ascii_lowercase(), env::expand(value)?));
        }
        if let Some(user) = user {
            all.push(("authorization".into(), address::basic(&user)));
        }
        let mut tls = TlsConfig::builder();
        if let Some(path) = std::env::var_os("SSL_CERT_FILE") {
            tls = tls.root_certs(roots(std::path::Path::new(&path))?);
        }
        let config = Agent::config_builder()
            .http_status_as_error(false)
            // Followed here, so that headers stay with their host.
            .max_redirects(0)
            .max_redirects_will_error(false)
            .tls_config(tls.build())
            .timeout_connect(Some(limit.min(Duration::from_secs(15))))
            .timeout_global(Some(limit))
            .user_agent(concat!("shuyuan/", env!("CARGO_PKG_VERSION")));
        let gap = rate
            .filter(|rate| *rate > 0.0)
            .map_or(Duration::ZERO, |rate| Duration::from_secs_f64(1.0 / rate));
        let agent = config.build().new_agent();
        Ok(Self { agent, origin, headers: all, gap, last: Mutex::default(), tries: TRIES, limit })
    }

    /// Asks once only.
    pub(crate) fn at_once(mut self) -> Self {
        self.tries = 1;
        self
    }

    /// The answer at `url`, of at most `most` bytes; `None` if it is still of the version `known`.
    ///
    /// # Errors
    /// What went wrong the last time, with the address.
    pub(crate) fn get(
        &self,
        url: &str,
        known: Option<&Version>,
        most: u64,
        stop: &AtomicBool,
    ) -> std::result::Result<Option<Got>, String> {
        let mut tries = 0;
        loop {
            self.wait_turn(stop);
            let (reason, pause) = match self.try_get(url, known, most) {
                Ok(got) => return Ok(got),
                Err(Trouble::Lasting(reason)) => return Err(format!("{}: {reason}", shown(url))),
                Err(Trouble::Passing(reason, pause)) => (reason, pause),
            };
            tries += 1;
            let pause = pause.unwrap_or(PAUSE * 2u32.pow(tries - 1));
            if tries >= self.tries || pause.as_secs() > PATIENCE {
                return Err(format!("{}: {reason}", shown(url)));
            }
            sleep(pause, stop);
            if stop.load(Ordering::Relaxed) {
                return Err("stopped".into());
            }
        }
    }

    fn wait_turn(&self, stop: &AtomicBool) {
        if self.gap.is_zero() {
            return;
        }
        // Held while waiting: one after the other.
        let mut last = self.last.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if let Some(last) = *last {
            sleep(self.gap.saturating_sub(last.elapsed()), stop);
        }
        *last = Some(Instant::now());
    }

    fn try_get(
        &self,
        url: &str,
        known: Option<&Version>,
        most: u64,
    ) -> std::result::Result<Option<Got>, Trouble> {
        let mut at = address::user(url).0;
        let begun = Instant::now();
        for _ in 0..HOPS {
            let origin = address::origin(&at)
                .ok_or_else(|| Trouble::Lasting("expected an address with http:// or https://".into()))?;
            let mut request = self.agent.get(&at);
            // What is left of the time, over all redirects.
            let left = self.limit.saturating_sub(begun.elapsed());
            request = request.config().timeout_global(Some(left)).build();
            if origin == self.origin {
                for (name, value) in &self.headers {
                    request = request.header(name, value);
                }
            }
            match known {
                Some(Version::Etag(etag)) => request = request.header("if-none-match", etag),
                Some(Version::Modified(time)) => request = request.header("if-modified-since", time),
                None => {}
            }
            let mut response = request.call().map_err(failed)?;
            let header =
                |headers: &HeaderMap, name: &str| headers.get(name)?.to_str().ok().map(str::to_string);
            let status = response.status().as_u16();
            let headers = response.headers().clone();
            match status {
                200 => {
                    let mut bytes = Vec::new();
                    let body = response.body_mut().as_reader();
                    body.take(most + 1).read_to_end(&mut bytes).map_err(|error| {
                        Trouble::Passing(format!("the answer broke off or came too slowly ({error})"), None)
                    })?;
                    if bytes.len() as u64 > most {
                        return Err(Trouble::Lasting(format!(
                            "the answer is larger than {} MiB",
                            most >> 20
                        )));
                    }
                    let version = header(&headers, "etag")
                        .map(Version::Etag)
                        .or_else(|| header(&headers, "last-modified").map(Version::Modified));
                    let next =
                        header(&headers, "link").and_then(|link| address::join(&at, &next_link(&link)?));
                    let content_type = header(&headers, "content-type").unwrap_or_default();
                    return Ok(Some(Got { bytes, version, next, content_type, url: at }));
                }
                304 if known.is_some() => return Ok(None),
                301 | 302 | 303 | 307 | 308 => {
                    let target =
                        header(&headers, "location").and_then(|location| address::join(&at, &location));
                    let safe = |target: &String| at.starts_with("http:") || target.starts_with("https:");
                    at = target.filter(safe).ok_or_else(|| {
                        Trouble::Lasting(
                            "expected a redirect to another web address, found one to nowhere safe".into(),
                        )
                    })?;
                }
                408 | 429 | 500 | 502 | 503 | 504 => {
                    let pause = header(&headers, "retry-after").and_then(|text| text.trim().parse().ok());
                    let reason = match pause {
                        Some(seconds) => format!("the server answered {status}, try again in {seconds} s"),
                        None => format!("the server answered {status}"),
                    };
                    return Err(Trouble::Passing(reason, pause.map(Duration::from_secs)));
                }
                401 | 403 => {
                    return Err(Trouble::Lasting(format!(
                        "the server answered {status} (not allowed); check the headers, and the variables they name"
                    )));
                }
                _ => return Err(Trouble::Lasting(format!("the server answered {status}"))),
            }
        }
        Err(Trouble::Lasting(format!("expected an answer, found {HOPS} redirects in a row")))
    }

    /// Whether an address is of this server: only then may a list go on there.
    pub(crate) fn is_home(&self, url: &str) -> bool {
        address::origin(url).as_ref() == Some(&self.origin)
    }
}

/// An address as it may be shown: without user, password and query.
pub(crate) fn shown(url: &str) -> String {
    address::user(url).0.split('?').next().unwrap_or_default().to_string()
}

fn sleep(pause: Duration, stop: &AtomicBool) {
    let begun = Instant::now();
    while begun.elapsed() < pause && !stop.load(Ordering::Relaxed) {
        std::thread::sleep(Duration::from_millis(20).min(pause.saturating_sub(begun.elapsed())));
    }
}

fn failed(error: ureq::Error) -> Trouble {
    match error {
        ureq::Error::Io(io) if io.kind() == std::io::ErrorKind::InvalidData => Trouble::Lasting(format!(
            "no secure connection: {io}; if the certificate is your organisation's own, name it with SSL_CERT_FILE"
        )),
        ureq::Error::Io(io) => Trouble::Passing(format!("the connection failed ({io})"), None),
        ureq::Error::Timeout(what) => Trouble::Passing(format!("no answer in time ({what})"), None),
        ureq::Error::HostNotFound => Trouble::Passing("the host was not found".into(), None),
        ureq::Error::ConnectionFailed => Trouble::Passing("the connection failed".into(), None),
        ureq::Error::Protocol(what) => Trouble::Passing(format!("the answer is no HTTP ({what})"), None),
        // An address or a header that is none: it may hold a secret, so what it was is not said.
        _ => Trouble::Lasting(
            "the address or a header cannot be sent; check the definition and its variables".into(),
        ),
    }
}

fn roots(path: &std::path::Path) -> Result<RootCerts> {
    let pem = std::fs::read(path).map_err(KnowledgeError::io("read", path))?;
    let certificates: Vec<_> = parse_pem(&pem)
        .filter_map(|item| match item {
            Ok(PemItem::Certificate(certificate)) => Some(certificate),
            _ => None,
        })
        .collect();
    if certificates.is_empty() {
        let what = "expected certificates in PEM, found none; check SSL_CERT_FILE";
        return Err(KnowledgeError::Asked(what.into()));
    }
    Ok(RootCerts::new_with_certs(&certificates))
}

/// The target of `<target>; rel="next"`.
fn next_link(link: &str) -> Option<String> {
    link.split(',').find_map(|part| {
        let (target, rest) = part.trim().strip_prefix('<')?.split_once('>')?;
        (rest.contains("rel=\"next\"") || rest.contains("rel=next")).then(|| target.to_string())
    })
}
