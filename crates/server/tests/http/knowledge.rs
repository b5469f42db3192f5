//! The knowledge base over HTTP: put in, found, read, asked, taken out; and each reader sees what their groups may.

use crate::common::{Answer, World, ask, get, post, send, start, tiny};
use serde_json::{Value, json};
use shuyuan_academy::LiveModel;
use shuyuan_server::{NamedKey, write_keys};
use std::collections::BTreeSet;
use std::io::Read;
use std::time::{Duration, Instant};

const HANDBOOK: &str = "# Handbook\n\n## Trial period\n\nThe trial period lasts three months. It can be extended once.\n\n## Leave\n\nEveryone has 28 days of annual leave.\n";

/// A server whose base has nothing in it: a new one begins with the course.
fn bare(api_key: Option<&str>, model: Option<LiveModel>) -> World {
    let world = start(api_key, model);
    world.academy.knowledge().unwrap().remove("course").unwrap();
    world
}

fn upload(world: &World, name: &str, body: &str) -> Answer {
    ask(world.server.address(), &format!("POST /api/kb/upload?name={name}"), &[], body)
}

fn documents(world: &World) -> Value {
    get(world, "/api/kb/documents").json()
}

#[test]
fn a_file_is_put_in_found_read_asked_and_taken_out() {
    let world = bare(None, None);
    let empty = get(&world, "/api/kb").json();
    assert_eq!(
        (&empty["documents"], &empty["chunks"], &empty["mode"]),
        (&json!(0), &json!(0), &json!("words"))
    );
    assert_eq!(post(&world, "/api/kb/sync", json!({})).status, 400, "nothing to sync yet");

    let done = upload(&world, "handbook.md", HANDBOOK);
    assert_eq!(done.status, 200, "{}", done.body);
    let done = done.json();
    let id = done["documents"][0]["id"].as_u64().unwrap();
    assert_eq!((&done["name"], &done["failures"]), (&json!("handbook.md"), &json!([])));
    upload(&world, "travel.md", "# Travel\n\nTravel expenses are signed by the head of department.\n");

    let found = post(&world, "/api/kb/search", json!({ "query": "how long is the trial period" })).json();
    let passage = &found["passages"][0];
    assert_eq!((&found["mode"], &passage["document"]["id"]), (&json!("words"), &json!(id)));
    assert!(passage["why"]["shares"].as_array().is_some_and(|shares| !shares.is_empty()));

    let text = get(&world, &format!("/api/kb/documents/{id}")).json();
    let characters: Vec<char> = text["text"].as_str().unwrap().chars().collect();
    let slice = |from: &Value, to: &Value| -> String {
        characters[from.as_u64().unwrap() as usize..to.as_u64().unwrap() as usize].iter().collect()
    };
    assert_eq!(passage["text"], json!(slice(&passage["start"], &passage["end"])));

    let answer = post(&world, "/api/kb/ask", json!({ "question": "How long does the trial period last?" }));
    let names: Vec<&str> = answer.body.lines().filter_map(|line| line.strip_prefix("event: ")).collect();
    assert_eq!(names, ["passages", "answer"], "without a model nothing is drafted: {}", answer.body);
    let answer: Value = serde_json::from_str(&answer.events()[1]).unwrap();
    assert_eq!((&answer["found"], &answer["written"]), (&json!(true), &json!(false)));
    let citation = &answer["sentences"][0]["citations"][0];
    assert_eq!(citation["quote"], json!(slice(&citation["start"], &citation["end"])));
    assert!(answer["text"].as_str().unwrap().contains("three months"), "{answer}");
    let nothing = post(&world, "/api/kb/ask", json!({ "question": "Wer hat den Mond gebaut?" }));
    assert!(nothing.events()[1].contains("\"found\":false"), "{}", nothing.body);

    let map = get(&world, "/api/kb/map").json();
    assert_eq!((map["points"].as_array().unwrap().len(), &map["by"]), (2, &json!("words")));
    let near = get(&world, &format!("/api/kb/near/{id}")).json();
    assert_eq!(near["neighbours"][0]["title"], "Travel");

    // A file of the same name takes the place of the old one.
    upload(&world, "travel.md", "# Travel\n\nTravel is forbidden.\n");
    assert_eq!(documents(&world)["total"], 2);
    assert_eq!(post(&world, "/api/kb/search", json!({ "query": "expenses" })).json()["passages"], json!([]));

    let to = world.server.address();
    assert_eq!(ask(to, &format!("DELETE /api/kb/documents/{id}"), &[], "").status, 204);
    assert_eq!(get(&world, &format!("/api/kb/documents/{id}")).status, 404);
    assert_eq!(documents(&world)["total"], 1);
    assert_eq!(ask(to, "DELETE /api/kb/upload?name=travel.md", &[], "").status, 204);
    assert_eq!(ask(to, "DELETE /api/kb/upload?name=travel.md", &[], "").status, 404);
    assert_eq!(get(&world, "/api/kb").json()["documents"], 0);
}

#[test]
fn a_model_drafts_and_what_nothing_supports_is_told_apart() {
    let world = bare(None, Some(tiny(4096)));
    upload(&world, "handbook.md", HANDBOOK);
    let body = json!({ "question": "How long does the trial period last?", "max_tokens": 8 });
    let answer = post(&world, "/api/kb/ask", body);
    assert!(answer.body.contains("event: draft"), "{}", answer.body);
    let last: Value = serde_json::from_str(answer.events().last().unwrap()).unwrap();
    assert_eq!((&last["written"], &last["found"]), (&json!(true), &json!(false)), "{last}");
    let quoted = json!({ "question": "How long does the trial period last?", "quote": true });
    assert!(post(&world, "/api/kb/ask", quoted).body.contains("\"found\":true"));
    let unknown = post(&world, "/api/kb/ask", json!({ "question": "x?", "model": "nobody" }));
    assert_eq!((unknown.status, &unknown.json()["error"]["code"]), (404, &json!("model_not_found")));
}

/// A live source whose rows say what was asked.
fn shelf(world: &World) {
    let file = world.academy.home.root().join("rows.db");
    std::fs::write(&file, "").unwrap();
    let definition = format!(
        "name = \"shelf\"\nkind = \"sqlite\"\npath = {file:?}\ngroups = [\"staff\"]\n[live]\n\
         description = {{ en = \"Whether a book stands on the shelf now\" }}\n\
         sql = \"SELECT :title AS title, :room AS room, :copy AS copy\"\n\
         [live.parameters.title]\nrequired = true\n\
         [live.parameters.room]\ntype = \"enum\"\nvalues = [\"north\", \"south\"]\n\
         [live.parameters.copy]\ntype = \"integer\"\nmax = 9\n"
    );
    let definition = shuyuan_knowledge::Definition::parse(&definition).unwrap();
    world.academy.knowledge().unwrap().base.add_source(&definition).unwrap();
}

#[test]
fn a_model_asks_a_live_source_within_what_the_question_says() {
    // It was taught nothing: that its calls are fine is the constraint's doing.
    let world = bare(None, Some(tiny(4096)));
    upload(&world, "handbook.md", HANDBOOK);
    shelf(&world);
    let question = "Does the book Dune stand on the shelf in the north room now?";
    let ask = |body: Value| -> Vec<Value> {
        let answer = post(&world, "/api/kb/ask", body);
        let events = answer.events().into_iter().filter(|data| !data.starts_with("{\"text\""));
        events.map(|data| serde_json::from_str(&data).unwrap()).collect()
    };
    let [about, answer] = &ask(json!({ "question": question, "max_tokens": 8 }))[..] else { panic!() };
    let call = &about["calls"][0];
    assert_eq!((&call["source"], &call["rows"], &call["error"]), (&json!("shelf"), &json!(1), &Value::Null));
    let title = call["arguments"]["title"].as_str().unwrap();
    assert!(question.contains(title) && !title.is_empty(), "{call}");
    let room = &call["arguments"]["room"];
    assert!(room.is_null() || *room == "north", "{call}");
    assert!(call["arguments"].get("copy").is_none(), "nobody said a number: {call}");
    assert_eq!(
        about["passages"][0]["text"].as_str().unwrap().split(',').next(),
        Some(format!("title: {title}").as_str())
    );
    assert_eq!(about["considered"][0]["asked"], true);
    assert!(about["considered"][0]["likelihood"].is_f64(), "{about}");
    assert_eq!(answer["calls"], about["calls"]);
    // It makes nothing of the row, which was asked for this question: so the row itself answers.
    assert_eq!((&answer["written"], &answer["text"]), (&json!(false), &about["passages"][0]["text"]));
    for body in [
        json!({ "question": question, "max_tokens": 8, "live": false }),
        json!({ "question": "How long does the trial period last?", "max_tokens": 8, "filter": { "source": "uploads" } }),
    ] {
        assert_eq!(ask(body)[0]["calls"], json!([]));
    }
    // Quoted, the title is no guess.
    let quoted = "Does the book “Dune” stand on the shelf now?";
    let [about, answer] = &ask(json!({ "question": quoted, "quote": true }))[..] else { panic!() };
    assert_eq!(about["calls"][0]["arguments"], json!({ "title": "Dune" }));
    let sentence = &answer["sentences"][0];
    assert_eq!((&sentence["text"], &sentence["citations"][0]["call"]), (&json!("title: Dune"), &json!(0)));
}

#[test]
fn a_question_that_leans_is_searched_with_what_it_leans_on() {
    let world = bare(None, Some(tiny(4096)));
    upload(&world, "handbook.md", HANDBOOK);
    let about = |body: Value| -> Value {
        serde_json::from_str(&post(&world, "/api/kb/ask", body).events()[0]).unwrap()
    };
    let before = "How long does the trial period last?";
    let leans = json!({ "question": "Can it be extended?", "before": before, "answered": "Three months.", "max_tokens": 4 });
    let told = about(leans);
    // What a model that was taught nothing writes is not the question.
    assert_eq!(
        (&told["searched"], &told["by"]),
        (&json!(format!("Can it be extended? {before}")), &json!("rule"))
    );
    assert!(told["refused"].is_string(), "{told}");
    let alone = about(
        json!({ "question": "How many days of annual leave are there?", "before": before, "quote": true }),
    );
    assert_eq!(
        (&alone["searched"], &alone["by"]),
        (&json!("How many days of annual leave are there?"), &Value::Null)
    );
}

#[test]
fn who_leaves_ends_the_work() {
    let world = bare(None, Some(tiny(100_000)));
    upload(&world, "handbook.md", HANDBOOK);
    let body = json!({ "question": "How long does the trial period last?", "max_tokens": 4096 }).to_string();
    let to = world.server.address();
    let mut stream = send(to, "POST /api/kb/ask", &[], &body);
    stream.read_exact(&mut [0; 64]).unwrap();
    assert!(world.server.is_busy());
    drop(stream);
    let start = Instant::now();
    while world.server.is_busy() {
        assert!(start.elapsed() < Duration::from_secs(20), "the turn is given back");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn a_name_is_a_name_and_nothing_else() {
    let world = bare(None, None);
    for name in [
        "",
        "..",
        "../up.md",
        "a/b.md",
        "%2e%2e%2fup.md",
        "..%5Cup.md",
        ".hidden",
        "a%00.md",
        "%2Fetc%2Fpasswd",
    ] {
        let answer = upload(&world, name, "text");
        assert_eq!(answer.status, 400, "{name}: {}", answer.body);
        assert_eq!(answer.json()["error"]["param"], "name", "{name}");
    }
    assert_eq!(documents(&world)["total"], 0);
    let odd = upload(&world, "%E5%91%98%E5%B7%A5%3A%20a.txt", "试用期为三个月。").json();
    assert_eq!(odd["name"], "员工_ a.txt");
    let to = world.server.address();
    let large = send(to, "POST /api/kb/upload?name=large.txt", &[("X", "y")], "");
    drop(large);
    let uploads = world.academy.home.knowledge().join("uploads");
    let there = || -> Vec<_> {
        std::fs::read_dir(&uploads).unwrap().flatten().map(|entry| entry.file_name()).collect()
    };
    let in_part = |name: &std::ffi::OsString| name.to_string_lossy().ends_with(".part");
    // The server may be at it still.
    let begun = Instant::now();
    while there().iter().any(in_part) && begun.elapsed() < Duration::from_secs(10) {
        std::thread::sleep(Duration::from_millis(5));
    }
    assert!(!there().iter().any(in_part), "{:?}", there());
}

#[test]
fn half_a_file_is_no_file() {
    let world = bare(None, None);
    let to = world.server.address();
    let headers = [("Content-Length", "1000")];
    let mut stream = std::net::TcpStream::connect(to).unwrap();
    use std::io::Write;
    let head = format!(
        "POST /api/kb/upload?name=half.txt HTTP/1.0\r\nHost: {to}\r\n{}: {}\r\n\r\nhalf",
        headers[0].0, headers[0].1
    );
    stream.write_all(head.as_bytes()).unwrap();
    std::thread::sleep(Duration::from_millis(200));
    drop(stream);
    std::thread::sleep(Duration::from_millis(300));
    let uploads = world.academy.home.knowledge().join("uploads");
    let there = std::fs::read_dir(uploads).map_or(0, |entries| entries.flatten().count());
    assert_eq!((there, &documents(&world)["total"]), (0, &json!(0)));
}

#[test]
fn the_file_itself_is_given_and_runs_nothing() {
    let world = bare(None, None);
    let to = world.server.address();
    let page =
        upload(&world, "page.html", "<html><body><p>The trial period lasts three months.</p></body></html>")
            .json();
    let id = page["documents"][0]["id"].as_u64().unwrap();
    let file = get(&world, &format!("/api/kb/documents/{id}/original"));
    assert_eq!(file.status, 200);
    for header in [
        "content-disposition: attachment; filename*=utf-8''page.html",
        "x-content-type-options: nosniff",
        "content-security-policy: sandbox;",
        "content-type: application/octet-stream",
    ] {
        assert!(file.head.contains(header), "{header}: {}", file.head);
    }
    let outside = tempfile::tempdir().unwrap();
    std::fs::write(outside.path().join("note.txt"), "Something to read.").unwrap();
    let path = outside.path().to_string_lossy().into_owned();
    assert_eq!(post(&world, "/api/kb/sources", json!({ "path": "relative" })).status, 400);
    assert_eq!(post(&world, "/api/kb/sources", json!({ "path": format!("{path}/nowhere") })).status, 400);
    assert_eq!(post(&world, "/api/kb/sources", json!({ "path": path })).status, 202);
    settle(&world);
    let found = post(&world, "/api/kb/search", json!({ "query": "something" })).json();
    let note = &found["passages"][0]["document"];
    let (id, source) = (note["id"].as_u64().unwrap(), note["source"].as_str().unwrap().to_string());
    assert_eq!(get(&world, &format!("/api/kb/documents/{id}/original")).body, "Something to read.");
    assert_eq!(ask(to, &format!("DELETE /api/kb/documents/{id}"), &[], "").status, 400, "not an upload");
    std::fs::write(outside.path().join("note.txt"), "Something else to read.").unwrap();
    assert_eq!(get(&world, &format!("/api/kb/documents/{id}/original")).status, 409);
    // A link that leads out leads nowhere.
    #[cfg(unix)]
    {
        let secret = tempfile::tempdir().unwrap();
        std::fs::write(secret.path().join("note.txt"), "Something to read.").unwrap();
        std::fs::remove_file(outside.path().join("note.txt")).unwrap();
        std::os::unix::fs::symlink(secret.path().join("note.txt"), outside.path().join("note.txt")).unwrap();
        assert_eq!(get(&world, &format!("/api/kb/documents/{id}/original")).status, 409);
    }
    assert_eq!(ask(to, &format!("DELETE /api/kb/sources/{source}"), &[], "").status, 204);
    assert_eq!(ask(to, &format!("DELETE /api/kb/sources/{source}"), &[], "").status, 404);
    assert_eq!(ask(to, "DELETE /api/kb/sources/uploads", &[], "").status, 400);
}

/// Waits until nothing is read any more.
fn settle(world: &World) {
    let start = Instant::now();
    while get(world, "/api/kb").json()["syncing"] == true {
        assert!(start.elapsed() < Duration::from_secs(60));
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn what_cannot_be_asked_is_refused_by_name() {
    let world = bare(None, None);
    for (path, body, param) in [
        ("/api/kb/search", json!({}), "query"),
        ("/api/kb/search", json!({ "query": " " }), "query"),
        ("/api/kb/search", json!({ "query": "x", "limit": 0 }), "limit"),
        ("/api/kb/search", json!({ "query": "x", "filter": { "colour": "red" } }), "filter"),
        ("/api/kb/search", json!({ "query": "x", "filter": { "after": "yesterday" } }), "filter.after"),
        ("/api/kb/ask", json!({ "question": 1 }), "question"),
        ("/api/kb/ask", json!({ "question": "x", "passages": 99 }), "passages"),
        ("/api/kb/sources", json!({}), "path"),
    ] {
        let answer = post(&world, path, body.clone());
        assert_eq!(answer.status, 400, "{path} {body}: {}", answer.body);
        assert_eq!(answer.json()["error"]["param"], param, "{path} {body}");
    }
    assert_eq!(post(&world, "/api/kb/sync", json!({ "source": "nothing" })).status, 404);
    for path in
        ["/api/kb/documents/7", "/api/kb/documents/x", "/api/kb/documents/7/original", "/api/kb/near/7"]
    {
        assert_eq!(get(&world, path).status, 404, "{path}");
    }
}

#[test]
fn a_reader_sees_what_their_groups_may_and_changes_nothing() {
    let world = bare(Some("owner"), None);
    let to = world.server.address();
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in [
        ("hr/pay.md", "# Pay\n\nThe secret bonus is nine thousand.\n"),
        ("sales/prices.md", "# Prices\n\nThe secret discount is forty percent.\n"),
        ("open.md", "# Canteen\n\nThe canteen has no secret menu.\n"),
    ] {
        let path = folder.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
    let auth = |key: &str| format!("Bearer {key}");
    let by = |key: &str, line: &str, body: &Value| {
        let auth = auth(key);
        ask(to, line, &[("Authorization", auth.as_str())], &body.to_string())
    };
    let rules = json!([{ "folder": "hr", "groups": ["hr"] }, { "folder": "sales", "groups": ["sales"] }]);
    let added = by("owner", "POST /api/kb/sources", &json!({ "path": folder.path(), "rules": rules }));
    assert_eq!(added.status, 202, "{}", added.body);
    let source = added.json()["name"].as_str().unwrap().to_string();
    let start = Instant::now();
    while by("owner", "GET /api/kb", &json!({})).json()["syncing"] == true {
        assert!(start.elapsed() < Duration::from_secs(60));
        std::thread::sleep(Duration::from_millis(20));
    }

    // The file is read when it changes.
    assert_eq!(by("nobody", "GET /api/kb", &json!({})).status, 401);
    let home = world.academy.home.root();
    let (key, kept) = NamedKey::make("anna", BTreeSet::from(["hr".into()])).unwrap();
    write_keys(home, std::slice::from_ref(&kept)).unwrap();

    let all = by("owner", "GET /api/kb/documents", &json!({})).json();
    assert_eq!(all["total"], 3);
    let prices = all["documents"].as_array().unwrap().iter().find(|one| one["title"] == "Prices").unwrap();
    let hidden = prices["id"].as_u64().unwrap();

    let state = by(&key, "GET /api/kb", &json!({})).json();
    assert_eq!((&state["documents"], &state["chunks"]), (&json!(2), &json!(2)));
    assert_eq!(state["reader"], json!({ "owner": false, "groups": ["hr"] }));
    assert!(state["sources"][0]["path"].is_null() && state["failures"].is_null(), "{state}");

    for (line, body) in [
        ("GET /api/kb", json!({})),
        ("GET /api/kb/documents", json!({})),
        ("POST /api/kb/search", json!({ "query": "secret discount prices", "limit": 50 })),
        ("POST /api/kb/ask", json!({ "question": "What is the secret discount in the prices?" })),
        ("GET /api/kb/map", json!({})),
        ("GET /api/kb/near/1", json!({})),
        ("GET /api/kb/near/2", json!({})),
        ("GET /api/kb/near/3", json!({})),
    ] {
        let seen = by(&key, line, &body);
        assert!(!seen.body.contains("Prices") && !seen.body.contains("forty"), "{line}: {}", seen.body);
        assert!(!seen.body.contains("prices.md"), "{line}: {}", seen.body);
    }
    for path in ["", "/original"] {
        assert_eq!(by(&key, &format!("GET /api/kb/documents/{hidden}{path}"), &json!({})).status, 404);
        assert_eq!(by("owner", &format!("GET /api/kb/documents/{hidden}{path}"), &json!({})).status, 200);
    }
    assert_eq!(by(&key, &format!("GET /api/kb/near/{hidden}"), &json!({})).status, 404);
    let pay = by(&key, "POST /api/kb/ask", &json!({ "question": "How much is the secret bonus?" }));
    assert!(pay.body.contains("nine thousand"), "what is theirs they may read: {}", pay.body);

    for line in [
        "POST /api/kb/upload?name=a.txt",
        "DELETE /api/kb/upload?name=a.txt",
        "POST /api/kb/sources",
        "POST /api/kb/sync",
        &format!("DELETE /api/kb/sources/{source}"),
        "DELETE /api/kb/documents/1",
        "GET /api/kb/failures",
        "POST /api/teach",
        "POST /api/prompt",
        "GET /api/corpus",
        "GET /metrics",
    ] {
        let answer = by(&key, line, &json!({}));
        assert_eq!((answer.status, &answer.json()["error"]["code"]), (403, &json!("owner_only")), "{line}");
    }
    for line in ["GET /v1/models", "GET /api/status", "GET /"] {
        assert_eq!(by(&key, line, &json!({})).status, 200, "{line}");
    }

    // Taken back, it opens nothing.
    write_keys(home, &[]).unwrap();
    assert_eq!(by(&key, "GET /api/kb", &json!({})).status, 401);
    assert_eq!(by("owner", "GET /api/kb", &json!({})).status, 200);
}

#[test]
fn a_reader_gives_the_key_once_in_a_browser_and_hears_no_messages() {
    let world = bare(Some("owner"), None);
    let to = world.server.address();
    let (key, kept) = NamedKey::make("anna", BTreeSet::new()).unwrap();
    write_keys(world.academy.home.root(), &[kept]).unwrap();
    let welcome = ask(to, &format!("GET /?key={key}"), &[("Accept", "text/html")], "");
    assert!(
        welcome.status == 303 && welcome.head.contains(&format!("shuyuan_key={key}")),
        "{}",
        welcome.head
    );
    let cookie = format!("shuyuan_key={key}");
    assert_eq!(ask(to, "GET /api/kb", &[("Cookie", &cookie)], "").json()["reader"]["owner"], false);
    world.academy.events.message(shuyuan_academy::Level::Warn, "hr/pay.md: cannot be read");
    world.academy.events.message(shuyuan_academy::Level::Info, "the end");
    let mut stream = send(to, "GET /api/events", &[("Cookie", &cookie)], "");
    stream.set_read_timeout(Some(Duration::from_millis(700))).unwrap();
    let mut seen = Vec::new();
    let _ = stream.read_to_end(&mut seen);
    let seen = String::from_utf8_lossy(&seen).into_owned();
    assert!(seen.contains("text/event-stream") && !seen.contains("pay.md"), "{seen}");
}

#[test]
fn readers_without_an_owner_are_no_way_to_serve() {
    let world = bare(None, None);
    let (key, kept) = NamedKey::make("anna", BTreeSet::new()).unwrap();
    assert_eq!(get(&world, "/api/kb").json()["reader"]["owner"], true, "on this machine, without keys");
    write_keys(world.academy.home.root(), &[kept]).unwrap();
    assert_eq!(get(&world, "/api/kb").status, 401, "with a key about, nobody is the owner by being here");
    let auth = format!("Bearer {key}");
    let headers = [("Authorization", auth.as_str())];
    assert_eq!(ask(world.server.address(), "GET /api/kb", &headers, "").json()["reader"]["owner"], false);
    let options = shuyuan_server::ServeOptions { port: Some(0), ..Default::default() };
    let error = shuyuan_server::serve(world.academy.clone(), &options).err().map(|error| error.to_string());
    assert!(error.is_some_and(|error| error.contains("--api-key")));
}
