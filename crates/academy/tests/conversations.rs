//! Kept conversations: each owner's own, never overwritten unseen, and there after a crash.

use shuyuan_academy::{Conversation, ConversationError, Conversations, Said};
use shuyuan_text::{Message, ToolCall};
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

fn said(message: Message, finish_reason: Option<&str>) -> Said {
    Said { message, finish_reason: finish_reason.map(str::to_string) }
}

fn conversation(words: &str) -> Conversation {
    let mut answer = Message::assistant(format!("You said: {words}"));
    answer.reasoning_content = Some("What do they want?".into());
    answer.tool_calls = vec![ToolCall::new("weather", r#"{"city":"Ulm"}"#)];
    let mut conversation = Conversation {
        model: Some("tiny".into()),
        messages: vec![said(Message::user(words), None), said(answer, Some("stop"))],
        ..Conversation::default()
    };
    conversation.settings.system = "Be brief.".into();
    conversation.settings.temperature = Some(0.3);
    conversation.settings.seed = Some(7);
    conversation
}

#[test]
fn what_is_kept_is_read_again() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("conversations.sqlite");
    let whole = conversation("\n  书院 \"quoted\"\nsecond line");
    let first = Conversations::open(&path).unwrap();
    let begun = first.begin("owner", &whole).unwrap();
    assert_eq!((begun.version, begun.title.as_str()), (1, "书院 \"quoted\""));
    drop(first);
    let again = Conversations::open(&path).unwrap();
    assert_eq!(again.read("owner", begun.id).unwrap(), (begun.clone(), whole.clone()));

    // A title that was given stays; an empty one is the first question again.
    assert_eq!(again.rename("owner", begun.id, " Greeting ").unwrap().title, "Greeting");
    let saved = again.save("owner", begun.id, 1, &conversation("other")).unwrap();
    assert_eq!((saved.version, saved.title.as_str()), (2, "Greeting"));
    assert_eq!(again.rename("owner", begun.id, "").unwrap().title, "other");
    let long = again.rename("owner", begun.id, &"长".repeat(500)).unwrap().title;
    assert_eq!(long.chars().count(), 81);
    #[cfg(unix)]
    for file in ["conversations.sqlite", "conversations.sqlite-wal"] {
        use std::os::unix::fs::PermissionsExt;
        let mode = std::fs::metadata(home.path().join(file)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{file}");
    }
}

#[test]
fn of_two_who_changed_it_the_second_is_told() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("c.sqlite");
    // As two programs would.
    let (one, two) = (Conversations::open(&path).unwrap(), Conversations::open(&path).unwrap());
    let id = one.begin("owner", &conversation("a")).unwrap().id;
    assert_eq!(one.save("owner", id, 1, &conversation("one")).unwrap().version, 2);
    let error = two.save("owner", id, 1, &conversation("two")).unwrap_err();
    assert!(matches!(error, ConversationError::Changed { expected: 1, found: 2, .. }), "{error}");
    assert!(error.to_string().contains("expected version 1, found version 2"), "{error}");
    assert_eq!(two.read("owner", id).unwrap().1, conversation("one"), "nothing is overwritten");
    // Whoever did not hear that it was saved saves again.
    assert_eq!(one.save("owner", id, 1, &conversation("one")).unwrap().version, 2);
    two.delete("owner", id).unwrap();
    assert!(matches!(one.save("owner", id, 2, &conversation("x")), Err(ConversationError::Missing { .. })));
    let next = one.begin("owner", &conversation("b")).unwrap().id;
    assert!(next > id, "a number is never given again");
}

/// Any order of saves, renames and deletes by several owners, against the same in memory.
#[test]
fn each_owner_has_only_their_own() {
    let home = tempfile::tempdir().unwrap();
    let kept = Conversations::open(&home.path().join("c.sqlite")).unwrap();
    let owners = ["owner", "reader owner", "reader 安娜", ""];
    let mut model: BTreeMap<i64, (&str, i64, String)> = BTreeMap::new();
    let mut state = 7u64;
    let mut random = |below: usize| {
        state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (state >> 33) as usize % below
    };
    for step in 0..400 {
        let owner = owners[random(owners.len())];
        let id = 1 + random(model.len() + 2) as i64;
        let words = format!("words {step}");
        let mine = model.get(&id).filter(|(whose, ..)| *whose == owner).map(|(_, version, _)| *version);
        match random(6) {
            0..=1 => {
                let info = kept.begin(owner, &conversation(&words)).unwrap();
                assert!(model.insert(info.id, (owner, 1, words)).is_none());
            }
            2 | 3 => match (kept.save(owner, id, mine.unwrap_or(1), &conversation(&words)), mine) {
                (Ok(info), Some(version)) => {
                    assert_eq!(info.version, version + 1);
                    model.insert(id, (owner, info.version, words));
                }
                (Err(ConversationError::Missing { .. }), None) => {}
                (other, _) => panic!("{owner:?} {id}: {other:?}"),
            },
            4 => {
                assert_eq!(kept.delete(owner, id).is_ok(), mine.is_some());
                if mine.is_some() {
                    model.remove(&id);
                }
            }
            _ => {
                assert_eq!(kept.rename(owner, id, "words").is_ok(), mine.is_some());
                assert_eq!(kept.read(owner, id).is_ok(), mine.is_some());
                if mine.is_some() {
                    kept.rename(owner, id, "").unwrap();
                }
            }
        }
    }
    for owner in owners {
        let mine: Vec<i64> = model.iter().filter(|(_, one)| one.0 == owner).map(|(id, _)| *id).collect();
        let (total, list) = kept.list(owner, "", 0, 1000).unwrap();
        let mut listed: Vec<i64> = list.iter().map(|info| info.id).collect();
        assert!(list.windows(2).all(|two| two[0].changed >= two[1].changed), "newest first");
        listed.sort_unstable();
        assert_eq!((total, &listed), (mine.len(), &mine));
        assert_eq!(kept.list(owner, "WORDS", 0, 1).unwrap().0, mine.len());
        assert_eq!(kept.list(owner, "", 1, 2).unwrap().1, list[1.min(list.len())..3.min(list.len())]);
        for id in mine {
            assert_eq!(kept.read(owner, id).unwrap().1, conversation(&model[&id].2));
        }
    }
    assert_eq!(kept.list("owner", "they want", 0, 10).unwrap().0, kept.list("owner", "", 0, 0).unwrap().0);
    assert_eq!(kept.list("owner", "finish_reason", 0, 10).unwrap().0, 0, "only what was said");
}

#[test]
fn too_much_is_refused() {
    let home = tempfile::tempdir().unwrap();
    let kept = Conversations::open(&home.path().join("c.sqlite")).unwrap();
    let error = kept.begin("owner", &conversation(&"x".repeat(3 << 20))).unwrap_err();
    assert!(matches!(error, ConversationError::TooLarge { .. }), "{error}");
    // Written straight, since 5,000 synchronisations take a while.
    let raw = rusqlite(&home.path().join("c.sqlite"));
    raw.execute_batch(
        "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 5000)
         INSERT INTO conversations (owner, title, named, version, created, changed, bytes, content)
         SELECT 'owner', '', 0, 1, i, i, 20, '{\"messages\":[]}' FROM n",
    )
    .unwrap();
    let error = kept.begin("owner", &conversation("x")).unwrap_err();
    assert!(matches!(error, ConversationError::TooMany { .. }), "{error}");
    kept.begin("reader anna", &conversation("x")).unwrap();
    kept.delete("owner", 1).unwrap();
    let id = kept.begin("owner", &conversation("x")).unwrap().id;
    raw.execute_batch("UPDATE conversations SET bytes = 1 << 30 WHERE id = 2").unwrap();
    let error = kept.save("owner", id, 1, &conversation("a longer text")).unwrap_err();
    assert!(error.to_string().contains("delete some"), "{error}");
    assert_eq!(kept.save("owner", id, 1, &conversation("")).unwrap().version, 2, "less is always kept");
}

fn rusqlite(path: &std::path::Path) -> rusqlite::Connection {
    rusqlite::Connection::open(path).unwrap()
}

#[test]
fn another_file_is_refused_untouched() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("conversations.sqlite");
    let refused = || {
        let before = std::fs::read(&path).unwrap();
        let error = Conversations::open(&path).err().expect("refused").to_string();
        assert_eq!(std::fs::read(&path).unwrap(), before, "{error}");
        assert!(error.contains("conversations.sqlite: "), "{error}");
        error
    };
    std::fs::write(&path, "a text of more than sixteen characters, and of no database").unwrap();
    assert!(refused().contains("found another file"));
    std::fs::remove_file(&path).unwrap();
    rusqlite(&path).execute_batch("CREATE TABLE mine (a)").unwrap();
    assert!(refused().contains("another SQLite file"));
    std::fs::remove_file(&path).unwrap();
    drop(Conversations::open(&path).unwrap());
    rusqlite(&path).pragma_update(None, "user_version", 2).unwrap();
    assert!(refused().contains("version 2; this program reads version 1"));
}

/// What the killed program does: saves one conversation again and again, and says each version that was confirmed.
#[test]
#[ignore = "run by the test below"]
fn saver() {
    let kept = Conversations::open(std::env::var("SAVER").expect("by the test below").as_ref()).unwrap();
    let mut info = match kept.list("owner", "", 0, 1).unwrap().1.pop() {
        Some(info) => info,
        None => kept.begin("owner", &conversation("1")).unwrap(),
    };
    loop {
        // Of many pages, so that a kill hits the midst of a write.
        let words = format!("{} {}", info.version + 1, "狮子头".repeat(20_000));
        info = kept.save("owner", info.id, info.version, &conversation(&words)).unwrap();
        println!("saved {}", info.version);
    }
}

#[test]
fn a_kill_loses_nothing_that_was_confirmed() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("c.sqlite");
    let mut last = 0;
    for round in 0..12u64 {
        let mut saver = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "saver", "--ignored", "--nocapture"])
            .env("SAVER", &path)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(saver.stdout.take().unwrap()).lines().map_while(Result::ok);
        let mut confirmed = |line: String| {
            if let Some(version) = line.rsplit_once("saved ").and_then(|(_, version)| version.parse().ok()) {
                last = version;
            }
        };
        let mut first = lines.by_ref().skip_while(|line| !line.contains("saved "));
        confirmed(first.next().expect("a first save"));
        let start = Instant::now();
        while start.elapsed() < Duration::from_millis(5 + 17 * round) {
            confirmed(lines.next().expect("a next save"));
        }
        saver.kill().unwrap();
        saver.wait().unwrap();
        lines.for_each(&mut confirmed);

        let kept = Conversations::open(&path).unwrap();
        let info = kept.list("owner", "", 0, 1).unwrap().1.pop().unwrap();
        let (_, whole) = kept.read("owner", info.id).unwrap();
        assert!([last, last + 1].contains(&info.version), "confirmed {last}, found {}", info.version);
        let words = format!("{} {}", info.version, "狮子头".repeat(20_000));
        assert_eq!(whole, conversation(&words), "whole");
        assert_eq!(
            rusqlite(&path).query_row("PRAGMA integrity_check", [], |row| row.get(0)),
            Ok("ok".to_string())
        );
    }
    println!("the last version was {last}");
}
