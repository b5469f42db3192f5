//! Files fetched from a server that misbehaves in all the ways that networks do.

mod server;

use server::{Reply, Server};
use shuyuan_store::{Client, Download, DownloadError, Fetched, HttpOptions, part_of};
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

const SIZE: usize = 3_000_000;

fn bytes(seed: u32) -> Vec<u8> {
    (0..SIZE as u32).map(|i| (i.wrapping_mul(2_654_435_761).wrapping_add(seed) >> 13) as u8).collect()
}

/// The checksum of `bytes`.
fn sha_of(bytes: &[u8]) -> String {
    // The server's side of the test asks the client's: an untouched file tells its own checksum.
    let dir = tempfile::tempdir().unwrap();
    let whole = bytes.to_vec();
    let server = Server::start(move |request| Reply::file(request, &whole, "\"x\""));
    fetch(&server.url, &dir.path().join("f"), bytes.len(), None).unwrap().sha256
}

fn client(url: &str, token: Option<&str>) -> Client {
    let (endpoint, token) = (url.to_string(), token.map(str::to_string));
    let pause = Some(Duration::from_millis(1));
    Client::new(&HttpOptions { endpoint, token, pause, ..HttpOptions::default() }).unwrap()
}

fn fetch(url: &str, to: &Path, size: usize, sha256: Option<&str>) -> Result<Fetched, DownloadError> {
    let file = Download { url: &format!("{url}/f"), to, size: size as u64, sha256 };
    client(url, Some("secret")).fetch(&file, None, &AtomicBool::new(false), &mut |_| {})
}

/// Drops the first connection in the middle.
fn dropping(whole: Vec<u8>, etag: impl Fn(usize) -> String + Send + 'static) -> Server {
    let nth = AtomicUsize::new(0);
    Server::start(move |request| {
        let nth = nth.fetch_add(1, Ordering::Relaxed);
        let reply = Reply::file(request, &whole, &etag(nth));
        if nth == 0 { reply.dropped(SIZE / 2) } else { reply }
    })
}

#[test]
fn sha256_is_the_standards() {
    // FIPS 180-2, appendix B.1.
    let known = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
    assert_eq!(sha_of(b"abc"), known);
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(|request| Reply::file(request, b"", "\"x\""));
    assert!(fetch(&server.url, &dir.path().join("f"), 0, None).unwrap().whole);
    assert_eq!(std::fs::read(dir.path().join("f")).unwrap(), b"");
}

#[test]
fn a_dropped_connection_is_taken_up_where_it_broke() {
    let (dir, whole) = (tempfile::tempdir().unwrap(), bytes(1));
    let to = dir.path().join("f");
    let server = dropping(whole.clone(), |_| "\"one\"".into());
    let sha = sha_of(&whole);
    let got = fetch(&server.url, &to, SIZE, Some(&sha)).unwrap();
    assert!(got.whole && got.sha256 == sha && std::fs::read(&to).unwrap() == whole);
    let asked = server.asked();
    assert_eq!(asked.len(), 2);
    assert_eq!(asked[0].header("range"), None);
    assert_eq!(asked[1].header("range"), Some(format!("bytes={}-", SIZE / 2).as_str()));
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1, "nothing else is left");
    // What is there and right is not asked for again.
    fetch(&server.url, &to, SIZE, Some(&sha)).unwrap();
    assert_eq!(server.asked().len(), 2);
}

#[test]
fn a_later_run_goes_on_after_a_stop() {
    for with_sum in [false, true] {
        let (dir, whole) = (tempfile::tempdir().unwrap(), bytes(1));
        let (to, served, sha) = (dir.path().join("f"), whole.clone(), sha_of(&whole));
        let server = Server::start(move |request| Reply::file(request, &served, "\"one\""));
        let url = format!("{}/f", server.url);
        let file = Download { url: &url, to: &to, size: SIZE as u64, sha256: with_sum.then_some(&sha) };
        let stop = AtomicBool::new(false);
        let stopped = client(&server.url, None).fetch(&file, None, &stop, &mut |done| {
            stop.store(done > 1_000_000, Ordering::Relaxed);
        });
        assert!(matches!(stopped, Err(DownloadError::Stopped)), "{stopped:?}");
        let kept = part_of(&to).metadata().unwrap().len();
        assert!(!to.exists() && kept > 1_000_000 && kept < SIZE as u64);
        let got = client(&server.url, None).fetch(&file, None, &AtomicBool::new(false), &mut |_| {}).unwrap();
        assert!(got.sha256 == sha && std::fs::read(&to).unwrap() == whole);
        assert_eq!(server.asked()[1].from() as u64, kept);
    }
}

#[test]
fn the_beginning_alone_can_be_fetched() {
    let (dir, whole) = (tempfile::tempdir().unwrap(), bytes(1));
    let (to, served) = (dir.path().join("f"), whole.clone());
    let server = Server::start(move |request| Reply::file(request, &served, "\"one\""));
    let url = format!("{}/f", server.url);
    let file = Download { url: &url, to: &to, size: SIZE as u64, sha256: None };
    let (client, go) = (client(&server.url, None), AtomicBool::new(false));
    let got = client.fetch(&file, Some(100_000), &go, &mut |_| {}).unwrap();
    let part = std::fs::read(part_of(&to)).unwrap();
    assert!(!got.whole && part.len() >= 100_000 && part.len() < SIZE && whole.starts_with(&part));
    assert!(client.fetch(&file, None, &go, &mut |_| {}).unwrap().whole);
    assert_eq!(std::fs::read(&to).unwrap(), whole);
}

#[test]
fn two_versions_are_never_joined() {
    // The file changes while the connection is down: only its ETag tells.
    let (dir, whole) = (tempfile::tempdir().unwrap(), bytes(1));
    let to = dir.path().join("f");
    let server = dropping(whole.clone(), |nth| format!("\"{}\"", nth.min(1)));
    fetch(&server.url, &to, SIZE, None).unwrap();
    assert_eq!(std::fs::read(&to).unwrap(), whole);
    let from: Vec<usize> = server.asked().iter().map(server::Request::from).collect();
    assert_eq!(from, [0, SIZE / 2, 0]);

    // No ETag at all, or one that says that it is weak: nothing is certain, so it begins anew.
    let server = dropping(whole.clone(), |_| "W/\"one\"".into());
    fetch(&server.url, &to, SIZE, None).unwrap();
    assert_eq!(server.asked().len(), 3);

    // A part that another version left, with the same size and another sum.
    let (old, new) = (bytes(1), bytes(77_777_777));
    let (old_sha, new_sha) = (sha_of(&old), sha_of(&new));
    std::fs::remove_file(&to).unwrap();
    let server = Server::start(move |request| Reply::file(request, &old, "\"same\""));
    let file =
        Download { url: &format!("{}/f", server.url), to: &to, size: SIZE as u64, sha256: Some(&old_sha) };
    client(&server.url, None).fetch(&file, Some(9999), &AtomicBool::new(false), &mut |_| {}).unwrap();
    assert!(part_of(&to).metadata().unwrap().len() > 0);
    let served = new.clone();
    let server = Server::start(move |request| Reply::file(request, &served, "\"same\""));
    fetch(&server.url, &to, SIZE, Some(&new_sha)).unwrap();
    assert_eq!((std::fs::read(&to).unwrap(), server.asked()[0].from()), (new, 0));
}

#[test]
fn a_wrong_checksum_is_refused_and_nothing_kept() {
    let (dir, whole) = (tempfile::tempdir().unwrap(), bytes(1));
    let server = Server::start(move |request| Reply::file(request, &whole, "\"one\""));
    let error =
        fetch(&server.url, &dir.path().join("f"), SIZE, Some(&"0".repeat(64))).unwrap_err().to_string();
    assert!(error.contains("expected the SHA-256 0000") && error.contains(&server.url), "{error}");
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
}

#[test]
fn too_much_or_too_little_is_refused() {
    let (dir, whole) = (tempfile::tempdir().unwrap(), bytes(1));
    let to = dir.path().join("f");
    for (listed, chunked) in [(SIZE - 1, false), (SIZE + 1, false), (SIZE - 1, true)] {
        let served = whole.clone();
        let server =
            Server::start(move |request| Reply { chunked, ..Reply::file(request, &served, "\"one\"") });
        let error = fetch(&server.url, &to, listed, None).unwrap_err().to_string();
        assert!(error.contains(&format!("expected {listed} bytes")), "{error}");
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
    }
    // Without a length, an end that comes early is a dropped connection; after some tries it is told.
    let server =
        Server::start(move |request| Reply { chunked: true, ..Reply::file(request, &whole, "\"one\"") });
    let error = fetch(&server.url, &to, SIZE + 1, None).unwrap_err().to_string();
    assert!(error.contains(&format!("of {} bytes", SIZE + 1)) || error.contains("changed"), "{error}");
    assert!(!to.exists() && server.asked().len() < 12);
}

#[test]
fn the_token_stays_with_its_host() {
    let (dir, whole) = (tempfile::tempdir().unwrap(), bytes(1));
    let served = whole.clone();
    let other = Server::start(move |request| Reply::file(request, &served, "\"other\""));
    let target = format!("{}/elsewhere?signature=1", other.url);
    let hub = Server::start(move |request| match request.path.as_str() {
        "/f" => Reply::status(307).with("Location", "/g"),
        _ => Reply::status(302)
            .with("Location", &target)
            .with("X-Linked-ETag", "\"linked\"")
            .with("X-Repo-Commit", "c0"),
    });
    let got = fetch(&hub.url, &dir.path().join("f"), SIZE, None).unwrap();
    assert_eq!(got.commit.as_deref(), Some("c0"));
    let asked = hub.asked();
    assert_eq!((asked.len(), asked[1].path.as_str()), (2, "/g"));
    assert!(asked.iter().all(|request| request.header("authorization") == Some("Bearer secret")));
    let asked = other.asked();
    assert_eq!((asked.len(), asked[0].path.as_str()), (1, "/elsewhere?signature=1"));
    assert_eq!(asked[0].header("authorization"), None);
}

#[test]
fn refusals_are_told_and_passing_ones_tried_again() {
    let dir = tempfile::tempdir().unwrap();
    let to = dir.path().join("f");
    for (status, advice, tries) in
        [(404, "spelling", 1), (401, "HF_TOKEN", 1), (403, "licence", 1), (503, "mirror", 5)]
    {
        let server = Server::start(move |_| Reply::status(status));
        let error = fetch(&server.url, &to, SIZE, None).unwrap_err().to_string();
        assert!(
            error.contains(&status.to_string()) && error.contains(advice) && !error.contains("secret"),
            "{error}"
        );
        assert_eq!(server.asked().len(), tries, "{status}");
    }
    let server = Server::start(|_| Reply::status(302).with("Location", "/f"));
    let error = fetch(&server.url, &to, SIZE, None).unwrap_err().to_string();
    assert!(error.contains("10 redirects"), "{error}");
    // Nobody listens.
    let error = fetch("http://127.0.0.1:1", &to, SIZE, None).unwrap_err().to_string();
    assert!(error.contains("connection failed") && error.contains("check the network"), "{error}");
}
