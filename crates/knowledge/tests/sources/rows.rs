//! SQLite files: changes, deletions, cursors, drift, and what is wrong.

use crate::help::{Place, size};
use rusqlite::Connection;
use shuyuan_knowledge::{Definition, KnowledgeError, Query, Reader, due, test};

fn tickets(place: &Place, rows: usize) -> Connection {
    let connection = Connection::open(place.path("t.db")).unwrap();
    connection
        .execute_batch("CREATE TABLE t (id INTEGER PRIMARY KEY, title TEXT, body TEXT, team TEXT, at TEXT)")
        .unwrap();
    for n in 1..=rows {
        let day = format!("2024-01-{:02}", n.min(28));
        connection
            .execute(
                "INSERT INTO t VALUES (?1, ?2, ?3, 'it', ?4)",
                (n as i64, format!("Printer {n}"), format!("打印机 number {n} is broken"), day),
            )
            .unwrap();
    }
    connection
}

fn definition(place: &Place, more: &str) -> String {
    format!(
        "name = \"tickets\"\nkind = \"sqlite\"\npath = {:?}\nquery = \"SELECT * FROM t;\"\nevery = \"15m\"\n\
         groups = [\"staff\"]\ntags = [\"ticket\"]\n{more}\n[map]\nkey = \"id\"\ntitle = \"title\"\ntext = [\"body\"]\n\
         date = \"at\"\nurl = \"https://desk/{{id}}\"\n",
        place.path("t.db")
    )
}

#[test]
fn rows_come_change_and_go() {
    let place = Place::new();
    let connection = tickets(&place, 300);
    place.add(&definition(&place, ""));
    assert!(due(&place.source("tickets"), 0));
    assert_eq!(place.counts("tickets"), [300, 0, 0, 0, 0]);
    assert!(!due(&place.source("tickets"), place.source("tickets").state.tried.unwrap() + 60));
    assert_eq!(place.counts("tickets"), [0, 0, 300, 0, 0]);
    connection.execute("UPDATE t SET body = 'toner' WHERE id = 7", []).unwrap();
    connection.execute("DELETE FROM t WHERE id IN (8, 9)", []).unwrap();
    connection.execute("INSERT INTO t (id, title) VALUES (400, 'new')", []).unwrap();
    assert_eq!(place.counts("tickets"), [1, 1, 297, 2, 0]);

    let texts = place.texts(&Reader::Owner);
    assert_eq!(texts["7"], "Printer 7\n\ntoner\n\nid: 7\nteam: it\nat: 2024-01-07");
    assert_eq!(texts["400"], "new\n\nid: 400");
    assert!(place.texts(&Reader::public()).is_empty());
    assert_eq!(place.texts(&Reader::of(["staff"])).len(), 299);
    let found = place.base.search(&Query::new("打印机 299", Reader::Owner)).unwrap();
    let passage = &found.passages[0].document;
    assert_eq!((passage.item.as_str(), passage.url.as_deref()), ("299", Some("https://desk/299")));
    // Other groups and tags in the definition reach what is there.
    place.add(&definition(&place, "").replace("staff", "desk"));
    assert_eq!(place.counts("tickets"), [0, 299, 0, 0, 0]);
    assert!(place.texts(&Reader::of(["staff"])).is_empty());
}

#[test]
fn a_cursor_reads_what_is_new_and_a_full_read_what_is_gone() {
    let place = Place::new();
    let connection = tickets(&place, 20);
    let with_cursor = definition(&place, "cursor = \"at\"\nfull = \"1d\"");
    place.add(&with_cursor);
    assert_eq!(place.counts("tickets"), [20, 0, 0, 0, 0]);
    connection.execute("DELETE FROM t WHERE id = 1", []).unwrap();
    connection.execute("UPDATE t SET body = 'again', at = '2024-02-01' WHERE id = 2", []).unwrap();
    // The last row of before is looked at once more: others may have come in the same second.
    assert_eq!(place.counts("tickets"), [0, 1, 1, 0, 0]);
    assert_eq!(place.source("tickets").items, 20);
    place.add(&with_cursor.replace("1d", "0s"));
    assert_eq!(place.counts("tickets"), [0, 0, 19, 1, 0]);
}

#[test]
fn what_is_wrong_keeps_what_was_known() {
    let place = Place::new();
    let connection = tickets(&place, 5);
    place.add(&definition(&place, ""));
    place.sync("tickets").unwrap();
    let synced = place.source("tickets").state.synced;

    // A column that is asked for is gone: nothing changes.
    connection.execute_batch("ALTER TABLE t RENAME COLUMN body TO content").unwrap();
    let error = place.sync("tickets").unwrap_err().to_string();
    assert!(error.contains("\"body\"") && error.contains("content"), "{error}");
    assert_eq!(place.source("tickets").items, 5);
    let state = place.source("tickets").state;
    assert_eq!((state.error, state.synced), (Some(error), synced));
    // One that is not asked for is only told of.
    connection
        .execute_batch(
            "ALTER TABLE t RENAME COLUMN content TO body; ALTER TABLE t RENAME COLUMN team TO crew;",
        )
        .unwrap();
    connection.execute("UPDATE t SET crew = 5", []).unwrap();
    place.sync("tickets").unwrap();
    let state = place.source("tickets").state;
    assert!(state.drift.iter().any(|line| line.ends_with("the field team is gone")), "{:?}", state.drift);
    assert!(state.drift.iter().any(|line| line.ends_with("the field crew is new")));
    assert_eq!(state.error, None);

    // An empty table, a file that is none, a file that is gone.
    connection.execute("DELETE FROM t", []).unwrap();
    assert!(place.sync("tickets").unwrap_err().to_string().contains("may_be_empty"));
    drop(connection);
    std::fs::write(place.path("t.db"), "not a database at all, but long enough to be looked at").unwrap();
    assert!(place.sync("tickets").unwrap_err().to_string().contains("expected a SQLite file"));
    std::fs::remove_file(place.path("t.db")).unwrap();
    assert!(place.sync("tickets").unwrap_err().to_string().contains("expected a SQLite file"));
    assert_eq!(place.source("tickets").items, 5);
    assert_eq!(
        place.base.sync_due(&mut place.base.writer().unwrap(), &size(), &mut |_| true).unwrap().len(),
        0
    );
}

#[test]
fn an_empty_table_is_right_where_the_definition_says_so() {
    let place = Place::new();
    let connection = tickets(&place, 5);
    place.add(&definition(&place, "may_be_empty = true"));
    place.sync("tickets").unwrap();
    connection.execute("DELETE FROM t", []).unwrap();
    assert_eq!(place.counts("tickets"), [0, 0, 0, 5, 0]);
}

#[test]
fn a_sync_that_dies_goes_on() {
    let place = Place::new();
    let _connection = tickets(&place, 1_000);
    place.add(&definition(&place, "cursor = \"at\""));
    // Stopped: what was read so far is kept.
    let mut seen = 0;
    let stopped = place.base.sync(&mut place.base.writer().unwrap(), "tickets", size(), &mut |_| {
        seen += 1;
        seen < 300
    });
    assert!(matches!(stopped, Err(KnowledgeError::Stopped)));
    let kept = place.source("tickets").items;
    assert!((300..1_000).contains(&kept), "{kept}");
    // Killed: a writer that is dropped takes back what it had not kept.
    let mut writer = place.base.writer().unwrap();
    writer.remove(place.source("tickets").id, "1").unwrap();
    drop(writer);
    assert_eq!(place.source("tickets").items, kept);
    assert_eq!(place.counts("tickets"), [1_000 - kept, 0, kept, 0, 0]);
    assert_eq!(place.keys().len(), 1_000);
}

#[test]
fn keys_that_come_twice_or_not_at_all_are_told_of() {
    let place = Place::new();
    let connection = Connection::open(place.path("t.db")).unwrap();
    connection
        .execute_batch("CREATE TABLE t (id, title, body, at); INSERT INTO t VALUES ('a', 1, 2, 3), ('a', 4, 5, 6), (NULL, 7, 8, 9)")
        .unwrap();
    place.add(&definition(&place, ""));
    assert_eq!(place.counts("tickets"), [1, 0, 0, 0, 0]);
    assert_eq!(place.counts("tickets"), [0, 0, 1, 0, 0]);
    assert_eq!(place.source("tickets").state.drift.len(), 2);
}

#[test]
fn records_may_have_groups_of_their_own() {
    let place = Place::new();
    let connection = tickets(&place, 3);
    connection.execute("UPDATE t SET team = 'a, b' WHERE id = 1", []).unwrap();
    connection.execute("UPDATE t SET team = NULL WHERE id = 2", []).unwrap();
    let with_groups = definition(&place, "") + "groups = \"team\"\n";
    place.add(&with_groups);
    place.sync("tickets").unwrap();
    assert_eq!(place.texts(&Reader::of(["b"])).into_keys().collect::<Vec<_>>(), ["1"]);
    assert_eq!(place.texts(&Reader::of(["staff"])).into_keys().collect::<Vec<_>>(), ["2"]);
    let error =
        Definition::parse(&with_groups.replace("groups = [\"staff\"]\n", "")).unwrap_err().to_string();
    assert!(error.contains("map.groups"), "{error}");
}

#[test]
fn a_test_shows_and_writes_nothing() {
    let place = Place::new();
    let _connection = tickets(&place, 30);
    let definition = Definition::parse(&definition(&place, "")).unwrap();
    let preview = test(&definition, place.base.dir()).unwrap();
    assert_eq!((preview.items.len(), preview.count, preview.more), (5, 30, false));
    assert_eq!(preview.items[0].title, "Printer 1");
    assert!(preview.items[0].text.contains("打印机 number 1 is broken"));
    assert_eq!(preview.items[0].date.as_deref(), Some("2024-01-01"));
    assert!(preview.columns.contains(&("id".into(), "integer".into())));
    assert!(place.base.sources().unwrap().is_empty() && place.keys().is_empty());
}

#[test]
fn definitions_are_checked() {
    let place = Place::new();
    let fine = definition(&place, "");
    for (from, to, said) in [
        ("kind = \"sqlite\"", "kind = \"oracle\"", "expected a kind of sqlite, postgres"),
        ("every = \"15m\"", "every = \"soon\"", "expected a time like"),
        ("query = \"SELECT * FROM t;\"", "", "neither what is to be synced"),
        ("every =", "evry =", "evry"),
        ("key = \"id\"", "", "key"),
        ("key = \"id\"", "key = \"id\"\nbody = \"x\"", "body"),
        ("name = \"tickets\"", "", "name"),
        ("groups", "token = \"abc\"\ngroups", "${NAME}"),
    ] {
        let error = Definition::parse(&fine.replacen(from, to, 1)).unwrap_err().to_string();
        assert!(error.contains(said), "{error}");
        assert!(!error.contains("abc"));
    }
    let bad = Definition::parse(&fine.replace("SELECT * FROM t;", "SELECT 1; DROP TABLE t")).unwrap();
    place.base.add_source(&bad).unwrap();
    let _connection = tickets(&place, 1);
    assert!(place.sync("tickets").unwrap_err().to_string().contains("one SQL statement"));
    for (sql, said) in [
        ("DELETE FROM t", "syntax error"),
        ("SELECT * FROM t) UNION SELECT * FROM (SELECT * FROM missing", "no such table"),
        ("PRAGMA user_version", "the SQLite file"),
        ("SELECT load_extension('x'), * FROM t", "not authorized"),
    ] {
        place.add(&fine.replace("SELECT * FROM t;", sql));
        let error = place.sync("tickets").unwrap_err().to_string();
        assert!(error.contains(said), "{sql}: {error}");
    }
    // One that never ends.
    let endless = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT max(x) AS id, 1 AS title, 2 AS body, 3 AS at FROM n";
    place.add(&fine.replace("SELECT * FROM t;", endless).replace("every =", "timeout = \"1s\"\nevery ="));
    assert!(place.sync("tickets").unwrap_err().to_string().contains("no answer in time"));
}
