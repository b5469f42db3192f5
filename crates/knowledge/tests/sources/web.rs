//! APIs, feeds and listings against a server that is polite, and one that is not.

use crate::help::Place;
use crate::site::{Answer, Site, answer};
use serde_json::json;
use shuyuan_knowledge::{Definition, Reader, test};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

fn api(site: &Site, more: &str) -> String {
    format!(
        "name = \"api\"\nkind = \"http\"\nurl = \"{}/items?x=1\"\nrecords = \"data\"\ntimeout = \"1s\"\n{more}\n\
         [map]\nkey = \"id\"\ntitle = \"name\"\ntext = [\"text\"]\nurl = \"link\"\n",
        site.address
    )
}

fn page(ids: impl IntoIterator<Item = u64>, more: serde_json::Value) -> String {
    let item =
        |id| json!({ "id": id, "name": format!("Item {id}"), "text": format!("about {id}"), "link": null });
    let mut page = json!({ "data": ids.into_iter().map(item).collect::<Vec<_>>() });
    page.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    page.to_string()
}

#[test]
fn all_ways_of_paging_lead_to_the_end() {
    // Five pages of ten.
    let number = |path: &str, name: &str| -> u64 {
        path.split(['?', '&'])
            .find_map(|pair| pair.strip_prefix(name)?.strip_prefix('=')?.parse().ok())
            .unwrap_or(0)
    };
    for (paging, name) in [
        ("[paging]\nby = \"link\"", "p"),
        ("[paging]\nby = \"next\"\nfield = \"links.next\"", "p"),
        ("[paging]\nby = \"cursor\"\nfield = \"meta.cursor\"\nparameter = \"c\"", "c"),
        ("[paging]\nby = \"page\"\nparameter = \"page\"\nfirst = 0", "page"),
        ("[paging]\nby = \"offset\"\nparameter = \"skip\"", "skip"),
    ] {
        let site = Site::new(move |request, _| {
            assert!(request.path.contains("x=1") || name == "p", "{}", request.path);
            let at = number(&request.path, name) / if name == "skip" { 10 } else { 1 };
            let ids = if at < 5 { at * 10..at * 10 + 10 } else { 0..0 };
            let next = (at < 4).then(|| format!("/items?p={}", at + 1));
            let cursor = (at < 4).then(|| at + 1);
            let answer =
                answer(200, page(ids, json!({ "links": { "next": next }, "meta": { "cursor": cursor } })));
            match next {
                Some(next) => {
                    answer.with("Link", &format!("</first>; rel=\"first\", <{next}>; rel=\"next\""))
                }
                None => answer,
            }
        });
        let place = Place::new();
        place.add(&api(&site, paging));
        assert_eq!(place.counts("api"), [50, 0, 0, 0, 0], "{paging}");
        assert_eq!(place.counts("api"), [0, 0, 50, 0, 0], "{paging}");
    }
}

#[test]
fn what_has_not_changed_is_not_sent_again() {
    let site = Site::new(|request, _| match request.headers.get("if-none-match") {
        Some(etag) if etag == "\"v1\"" => answer(304, ""),
        _ => answer(200, page(0..3, json!({}))).with("ETag", "\"v1\""),
    });
    let place = Place::new();
    place.add(&api(&site, ""));
    assert_eq!(place.counts("api"), [3, 0, 0, 0, 0]);
    assert_eq!(place.counts("api"), [0, 0, 3, 0, 0]);
    assert_eq!(site.take().len(), 2);
    // Under another definition, everything is asked for.
    place.add(&api(&site, "tags = [\"x\"]"));
    assert_eq!(place.counts("api"), [0, 3, 0, 0, 0]);
    assert!(!site.take()[0].headers.contains_key("if-none-match"));
}

#[test]
fn a_server_in_trouble_costs_nothing_that_was_known() {
    let site = Site::new(|_, _| answer(200, page(0..20, json!({}))));
    let place = Place::new();
    place.add(&api(&site, "headers = { X-Key = \"${CARGO_PKG_NAME}\" }"));
    place.sync("api").unwrap();
    let synced = place.source("api").state.synced;
    type Case = (&'static str, Box<dyn Fn() -> Answer + Send + Sync>);
    let cases: Vec<Case> = vec![
        ("expected JSON", Box::new(|| answer(200, "<html>sorry</html>"))),
        ("expected JSON", Box::new(|| answer(200, ""))),
        ("expected records at \"data\"", Box::new(|| answer(200, "{\"error\":1}"))),
        ("expected a list of records", Box::new(|| answer(200, "{\"data\":7}"))),
        ("may_be_empty", Box::new(|| answer(200, page(0..0, json!({}))))),
        ("500", Box::new(|| answer(500, "shuyuan-knowledge"))),
        ("404", Box::new(|| answer(404, ""))),
        ("not allowed", Box::new(|| answer(401, ""))),
        ("no answer in time", Box::new(|| Answer { slow: Duration::from_millis(1500), ..answer(200, "{}") })),
        ("broke off", Box::new(|| Answer { cut: true, ..answer(200, page(0..20, json!({}))) })),
        ("try again in 9999 s", Box::new(|| answer(429, "").with("Retry-After", "9999"))),
        ("nowhere safe", Box::new(|| answer(302, "").with("Location", "file:///etc/passwd"))),
        ("nowhere safe", Box::new(|| answer(302, "").with("Location", "gopher://x/"))),
        ("redirects", Box::new(|| answer(302, "").with("Location", "/items"))),
        (
            "\"text\"",
            Box::new(|| answer(200, "{\"data\":[{\"id\":1,\"name\":\"n\",\"link\":1,\"txt\":\"t\"}]}")),
        ),
    ];
    for (said, case) in cases {
        site.set(move |_, _| case());
        let error = place.sync("api").unwrap_err().to_string();
        assert!(error.contains(said), "{said}: {error}");
        assert!(!error.contains("shuyuan-knowledge"), "{error}");
        let source = place.source("api");
        assert_eq!((source.items, source.state.synced), (20, synced), "{said}");
        assert_eq!(source.state.error.as_deref(), Some(error.as_str()));
        assert!(place.keys().len() == 20);
    }
    site.set(|_, _| answer(200, page(0..20, json!({}))));
    assert_eq!(place.counts("api"), [0, 0, 20, 0, 0]);
    assert_eq!(place.source("api").state.error, None);
}

#[test]
fn a_down_server_is_told_of() {
    let place = Place::new();
    let site = Site::new(|_, _| answer(200, page(0..2, json!({}))));
    place.add(&api(&site, "every = \"1h\""));
    place.sync("api").unwrap();
    // Nobody listens on the port of a listener that is gone.
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    place.add(&api(&site, "every = \"1h\"").replace(&site.address, &format!("http://{free}")));
    let error = place.sync("api").unwrap_err().to_string();
    assert!(error.contains("connection failed"), "{error}");
    assert_eq!(place.source("api").items, 2);
}

#[test]
fn a_busy_server_is_waited_for() {
    let site = Site::new(|_, before| match before {
        0 => answer(429, "").with("Retry-After", "1"),
        1 => answer(503, ""),
        _ => answer(200, page(0..3, json!({}))),
    });
    let place = Place::new();
    place.add(&api(&site, "rate = 20.0"));
    let begun = Instant::now();
    assert_eq!(place.counts("api"), [3, 0, 0, 0, 0]);
    assert!(begun.elapsed() >= Duration::from_secs(1));
}

#[test]
fn headers_stay_with_their_host() {
    let other = Site::new(|_, _| answer(200, page(0..1, json!({}))));
    let address = other.address.clone();
    let site = Site::new(move |_, _| answer(302, "").with("Location", &format!("{address}/x")));
    let place = Place::new();
    place.add(&api(&site, "headers = { Authorization = \"${CARGO_PKG_NAME}\" }"));
    place.sync("api").unwrap();
    assert!(!other.take()[0].headers.contains_key("authorization"));
    assert_eq!(site.take()[0].headers["authorization"], "shuyuan-knowledge");
    // A next page elsewhere is refused.
    let address = other.address.clone();
    site.set(move |_, _| answer(200, page(0..1, json!({ "next": format!("{address}/y") }))));
    place.add(&api(&site, "[paging]\nby = \"next\"\nfield = \"next\""));
    assert!(place.sync("api").unwrap_err().to_string().contains("same server"));
    // One that turns in a circle too.
    site.set(move |_, before| answer(200, page([before as u64], json!({ "next": "/items?x=1" }))));
    assert!(place.sync("api").unwrap_err().to_string().contains("check [paging]"));
    assert!(other.take().is_empty());
}

#[test]
fn a_cursor_asks_for_what_is_new() {
    let site = Site::new(|_, _| {
        answer(
            200,
            "{\"data\":[{\"id\":1,\"name\":\"a\",\"text\":\"t\",\"link\":\"l\",\"at\":\"2024-01-02T00:00:00Z\"},{\"id\":2,\"name\":\"b\",\"text\":\"t\",\"link\":\"l\",\"at\":\"2024-01-01T00:00:00Z\"}]}",
        )
    });
    let place = Place::new();
    place.add(&api(&site, "cursor = \"at\"\nsince = \"from\""));
    assert_eq!(place.counts("api"), [2, 0, 0, 0, 0]);
    site.set(|_, _| answer(200, "{\"data\":[{\"id\":3,\"name\":\"c\",\"text\":\"t\",\"at\":\"2024-01-03T00:00:00Z\",\"more\":1}]}"));
    site.take();
    assert_eq!(place.counts("api"), [1, 0, 0, 0, 0]);
    assert_eq!(site.take()[0].path, "/items?x=1&from=2024-01-02T00%3A00%3A00Z");
    assert_eq!(place.source("api").items, 3);
    // A field that three records have not proves nothing; one that is new is told of.
    assert_eq!(place.source("api").state.drift.len(), 1);
    site.set(|_, _| answer(200, "{\"data\":[]}"));
    assert_eq!(place.counts("api"), [0, 0, 0, 0, 0]);
}

#[test]
fn a_page_that_fails_takes_nothing_out() {
    let broken = Arc::new(AtomicBool::new(false));
    let down = broken.clone();
    let site = Site::new(move |request, _| match request.path.contains("page=1") {
        true => answer(200, page(0..5, json!({}))),
        false if down.load(Ordering::Relaxed) => answer(404, ""),
        false if request.path.contains("page=2") => answer(200, page(5..10, json!({}))),
        false => answer(200, page(0..0, json!({}))),
    });
    let place = Place::new();
    place.add(&api(&site, "[paging]\nby = \"page\"\nparameter = \"page\""));
    broken.store(true, Ordering::Relaxed);
    assert!(place.sync("api").is_err());
    assert_eq!(place.source("api").items, 5);
    broken.store(false, Ordering::Relaxed);
    assert_eq!(place.counts("api"), [5, 0, 5, 0, 0]);
    broken.store(true, Ordering::Relaxed);
    assert!(place.sync("api").is_err());
    assert_eq!(place.source("api").items, 10);
}

#[test]
fn feeds_keep_what_they_no_longer_show() {
    let feed = |entries: &[&str]| {
        let entry = |title: &&str| {
            format!(
                "<item><guid>{title}</guid><title>{title}</title><link>/e/{title}</link><pubDate>Tue, 10 Jun 2003 04:00:00 GMT</pubDate><description>&lt;p&gt;About {title}&lt;/p&gt;</description><category>news</category></item>"
            )
        };
        format!(
            "<rss version=\"2.0\"><channel>{}</channel></rss>",
            entries.iter().map(entry).collect::<String>()
        )
    };
    let now = Arc::new(Mutex::new(feed(&["a", "b"])));
    let shown = now.clone();
    let site = Site::new(move |_, _| answer(200, shown.lock().unwrap().clone()));
    let place = Place::new();
    let definition = format!("name = \"news\"\nkind = \"rss\"\nurl = \"{}/feed\"\n", site.address);
    place.add(&definition);
    assert_eq!(place.counts("news"), [2, 0, 0, 0, 0]);
    *now.lock().unwrap() = feed(&["b", "c"]);
    assert_eq!(place.counts("news"), [1, 0, 1, 0, 0]);
    assert_eq!(place.keys(), ["a", "b", "c"]);
    assert!(place.texts(&Reader::Owner)["a"].contains("About a"));
    let (_, infos) =
        place.base.documents(&Reader::Owner, &shuyuan_knowledge::Filter::default(), 0, 1).unwrap();
    assert_eq!(infos[0].url.as_deref(), Some(format!("{}/e/a", site.address).as_str()));
    assert_eq!(
        (infos[0].date.as_deref(), infos[0].tags.as_slice()),
        (Some("2003-06-10"), ["news".to_string()].as_slice())
    );
    *now.lock().unwrap() = "<html></html>".into();
    assert!(place.sync("news").unwrap_err().to_string().contains("expected RSS or Atom"));
    *now.lock().unwrap() = feed(&["c"]);
    place.add(&format!("{definition}remove = true\n"));
    assert_eq!(place.counts("news")[3], 2);
}

#[test]
fn listings_are_followed() {
    let files =
        Arc::new(Mutex::new(vec![("a.txt", "first"), ("sub/%E5%AD%A6.txt", "学期"), ("skip.zip", "z")]));
    let broken = Arc::new(AtomicBool::new(false));
    let (served, down) = (files.clone(), broken.clone());
    let site = Site::new(move |request, _| {
        let files = served.lock().unwrap().clone();
        let top = files
            .iter()
            .filter(|(name, _)| !name.contains('/'))
            .map(|(name, _)| format!("<a href=\"{name}\">x</a>"));
        match request.path.as_str() {
            "/files/" => answer(
                200,
                top.collect::<String>()
                    + "<a href='sub/'>s</a><a href='../'>up</a><a href='?C=N'>n</a><a href='https://elsewhere/x.txt'>e</a>",
            ),
            "/files/sub/" => answer(200, "<a href=\"%E5%AD%A6.txt\">x</a>"),
            _ if down.load(Ordering::Relaxed) => answer(404, ""),
            path => {
                let Some((_, text)) = files.iter().find(|(name, _)| path == format!("/files/{name}")) else {
                    return answer(404, "");
                };
                let etag = format!("\"{text}\"");
                match request.headers.get("if-none-match") {
                    Some(known) if *known == etag => answer(304, ""),
                    _ => answer(200, *text).with("ETag", &etag),
                }
            }
        }
    });
    let place = Place::new();
    place.add(&format!(
        "name = \"files\"\nkind = \"listing\"\nurl = \"{}/files\"\ndepth = 1\nendings = [\"txt\"]\n",
        site.address
    ));
    let preview = test(&Definition::of(&place.source("files")), place.base.dir()).unwrap();
    assert_eq!((preview.count, preview.items[1].text.as_str()), (2, "学期"));
    assert_eq!(place.counts("files"), [2, 0, 0, 0, 0]);
    assert_eq!(place.counts("files"), [0, 0, 2, 0, 0]);
    assert_eq!(place.texts(&Reader::Owner)["sub/学.txt"], "学期");
    files.lock().unwrap()[0].1 = "first, changed";
    assert_eq!(place.counts("files"), [0, 1, 1, 0, 0]);
    // Files that cannot be had just now stay as they were, and the state says so.
    broken.store(true, Ordering::Relaxed);
    assert_eq!(place.counts("files"), [0, 0, 0, 0, 2]);
    assert!(place.source("files").state.error.unwrap().contains("2 files could not be had"));
    assert_eq!(place.texts(&Reader::Owner)["a.txt"], "first, changed");
    broken.store(false, Ordering::Relaxed);
    files.lock().unwrap().remove(0);
    assert_eq!(place.counts("files"), [0, 0, 1, 1, 0]);
    assert_eq!(place.source("files").state.error, None);
}
