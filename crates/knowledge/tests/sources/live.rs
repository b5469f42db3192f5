//! Live calls: tools, parameters, bounds, the cache, and that values change nothing but themselves.

use crate::help::Place;
use crate::site::{Site, answer};
use rusqlite::Connection;
use serde_json::{Value, json};
use shuyuan_knowledge::{Definition, Reader, live};
use std::time::{Duration, Instant};

fn stock(place: &Place) -> Connection {
    let connection = Connection::open(place.path("s.db")).unwrap();
    connection
        .execute_batch("CREATE TABLE s (item TEXT, count INTEGER, price REAL); INSERT INTO s VALUES ('纸', 5, 1.5), ('ink', 0, 20)")
        .unwrap();
    connection
}

fn definition(place: &Place, more: &str) -> String {
    format!(
        r#"
name = "stock"
kind = "sqlite"
path = {:?}
groups = ["staff"]
[live]
description = {{ zh = "查库存", en = "What is in stock" }}
sql = "SELECT item, count, :item AS asked FROM s WHERE (:item IS NULL OR item = :item) AND count >= :least ORDER BY item"
{more}
[live.parameters.item]
type = "string"
description = {{ en = "The item's name" }}
max_length = 1000
[live.parameters.least]
type = "integer"
default = 0
min = 0
max = 100
"#,
        place.path("s.db")
    )
}

#[test]
fn tools_are_told_of_and_called() {
    let place = Place::new();
    let _connection = stock(&place);
    place.add(&definition(&place, ""));
    let staff = Reader::of(["staff"]);
    let tools = live::tools(&place.base, &staff).unwrap();
    assert_eq!(
        serde_json::to_value(&tools).unwrap(),
        json!([{
            "name": "stock", "description": { "zh": "查库存", "en": "What is in stock" },
            "parameters": {
                "type": "object", "additionalProperties": false, "required": [],
                "properties": {
                    "item": { "type": "string", "maxLength": 1000, "description": "The item's name" },
                    "least": { "type": "integer", "minimum": 0.0, "maximum": 100.0, "default": 0 },
                },
            },
        }])
    );
    let table = live::call(&place.base, &staff, "stock", &json!({ "item": "纸" })).unwrap();
    assert_eq!(table.columns, ["item", "count", "asked"]);
    assert_eq!(table.rows, [[json!("纸"), json!(5), json!("纸")]]);
    assert!(!table.more && !table.cached && table.fetched > 0);
    let all = live::call(&place.base, &staff, "stock", &Value::Null).unwrap();
    assert_eq!(all.rows.len(), 2);
    assert_eq!(live::call(&place.base, &staff, "stock", &json!({ "least": "1" })).unwrap().rows.len(), 1);

    // Nobody else sees it.
    assert!(live::tools(&place.base, &Reader::public()).unwrap().is_empty());
    let hidden = live::call(&place.base, &Reader::public(), "stock", &Value::Null).unwrap_err().to_string();
    let missing = live::call(&place.base, &Reader::Owner, "stack", &Value::Null).unwrap_err().to_string();
    assert_eq!(hidden.replace("stock", "stack"), missing);
    // There is nothing to sync.
    assert_eq!(place.counts("stock"), [0; 5]);

    for (arguments, said) in [
        (json!({ "name": "x" }), "there are: item, least"),
        (json!({ "least": 101 }), "a whole number from 0 to 100"),
        (json!({ "least": 1.5 }), "a whole number"),
        (json!({ "least": "1; DROP TABLE s" }), "a whole number"),
        (json!({ "item": "x".repeat(1001) }), "at most 1000 characters"),
        (json!({ "item": ["x"] }), "expected text"),
        (json!([1]), "expected an object"),
    ] {
        let error = live::call(&place.base, &staff, "stock", &arguments).unwrap_err().to_string();
        assert!(error.contains(said), "{error}");
    }
}

/// Texts that have broken programs, and many that a small generator makes of their parts.
fn nasty() -> Vec<String> {
    let parts = [
        "'",
        "\"",
        "`",
        ";",
        "--",
        "/*",
        "*/",
        "\0",
        "\\",
        "%",
        "_",
        ":item",
        "?1",
        "$1",
        "@x",
        "]",
        "[",
        ")",
        "学",
        "🦀",
        "é",
        "\u{202e}",
        "\n",
        " OR 1=1 ",
        "DROP TABLE s",
        "x",
    ];
    let mut all: Vec<String> = parts.iter().map(|part| part.to_string()).collect();
    all.push("'; DROP TABLE s; --".into());
    all.push("纸' OR '1'='1".into());
    let mut state = 7u64;
    for _ in 0..300 {
        let mut text = String::new();
        for _ in 0..=(state >> 33) % 8 {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            text += parts[(state >> 33) as usize % parts.len()];
        }
        all.push(text);
    }
    all
}

#[test]
fn values_are_bound_and_change_nothing_else() {
    let place = Place::new();
    let connection = stock(&place);
    place.add(&definition(&place, ""));
    for text in nasty() {
        let table = live::call(&place.base, &Reader::Owner, "stock", &json!({ "item": text })).unwrap();
        assert_eq!(table.rows.len(), 0, "{text:?}");
        // The value itself comes back as it was given, where there is a row for it.
        connection.execute("INSERT INTO s VALUES (?1, 1, 1)", [&text]).unwrap();
        let table = live::call(&place.base, &Reader::Owner, "stock", &json!({ "item": text })).unwrap();
        assert_eq!(table.rows, [[json!(text), json!(1), json!(text)]], "{text:?}");
        connection.execute("DELETE FROM s WHERE item = ?1", [&text]).unwrap();
        let rows: i64 = connection.query_row("SELECT count(*) FROM s", [], |row| row.get(0)).unwrap();
        assert_eq!(rows, 2);
    }
}

#[test]
fn answers_are_bounded_and_kept_for_a_while() {
    let place = Place::new();
    let connection = stock(&place);
    place.add(&definition(&place, "rows = 1\ncache = \"1h\""));
    let first = live::call(&place.base, &Reader::Owner, "stock", &json!({})).unwrap();
    assert!(first.more && !first.cached && first.rows.len() == 1);
    connection.execute("DELETE FROM s", []).unwrap();
    let again = live::call(&place.base, &Reader::Owner, "stock", &json!({ "least": 0 })).unwrap();
    assert!(again.cached && again.rows == first.rows && again.fetched == first.fetched);
    assert!(
        live::call(&place.base, &Reader::Owner, "stock", &json!({ "least": 1 })).unwrap().rows.is_empty()
    );
    assert!(live::call(&place.base, &Reader::public(), "stock", &json!({})).is_err());

    let endless = definition(&place, "timeout = \"1s\"").replace(
        "SELECT item, count, :item AS asked FROM s",
        "WITH RECURSIVE n(item) AS (SELECT 1 UNION ALL SELECT item + 1 FROM n), c AS (SELECT max(item) AS item, 1 AS count FROM n) SELECT * FROM c",
    );
    place.add(&endless);
    let begun = Instant::now();
    let error = live::call(&place.base, &Reader::Owner, "stock", &json!({})).unwrap_err().to_string();
    assert!(error.contains("no answer in time") && begun.elapsed() < Duration::from_secs(5), "{error}");
    let before: i64 = connection.query_row("PRAGMA data_version", [], |row| row.get(0)).unwrap();
    for sql in
        ["DELETE FROM s WHERE item = :item OR count = :least", "ATTACH :item AS x", "PRAGMA user_version"]
    {
        let changed = definition(&place, "").replace(
            "SELECT item, count, :item AS asked FROM s WHERE (:item IS NULL OR item = :item) AND count >= :least ORDER BY item",
            sql,
        );
        match Definition::parse(&changed) {
            Ok(definition) => {
                place.base.add_source(&definition).unwrap();
                let called = live::call(&place.base, &Reader::Owner, "stock", &json!({ "item": "x" }));
                assert!(called.unwrap_err().to_string().contains("expected a SELECT"), "{sql}");
            }
            Err(error) => assert!(error.to_string().contains("is not used"), "{error}"),
        }
    }
    assert_eq!(before, connection.query_row("PRAGMA data_version", [], |row| row.get::<_, i64>(0)).unwrap());
}

#[test]
fn apis_are_asked_live() {
    let place = Place::new();
    let site = Site::new(|request, _| match request.path.as_str() {
        "/room/a%2F1?day=2024-05-06" => {
            answer(200, r#"{"data":[{"at":"9:00","who":{"name":"Ann"},"x":1},{"at":"10:00"}]}"#)
        }
        "/room/one" => answer(200, r#"{"data":{"at":"now"}}"#),
        "/room/echo" => {
            answer(200, format!("{{\"data\":[{{\"at\":\"{}\"}}]}}", request.headers["authorization"]))
        }
        "/room/html" => answer(200, "<html>"),
        "/room/slow" => crate::site::Answer { slow: Duration::from_secs(5), ..answer(200, "{}") },
        _ => answer(404, "shuyuan-knowledge"),
    });
    place.add(&format!(
        r#"
name = "rooms"
kind = "http"
headers = {{ Authorization = "Bearer ${{CARGO_PKG_NAME}}" }}
[live]
description = {{ en = "Who has a room" }}
url = "{}/room/{{room}}?day={{day}}"
records = "data"
columns = ["at", "who.name"]
timeout = "1s"
[live.parameters.room]
required = true
[live.parameters.day]
type = "date"
"#,
        site.address
    ));
    let call = |arguments: Value| live::call(&place.base, &Reader::Owner, "rooms", &arguments);
    let table = call(json!({ "room": "a/1", "day": "2024-05-06" })).unwrap();
    assert_eq!(table.rows, [[json!("9:00"), json!("Ann")], [json!("10:00"), Value::Null]]);
    assert_eq!(site.take()[0].headers["authorization"], "Bearer shuyuan-knowledge");
    assert_eq!(call(json!({ "room": "one" })).unwrap().rows, [[json!("now"), Value::Null]]);
    // A server that tells the secret back does not get it out.
    assert_eq!(call(json!({ "room": "echo" })).unwrap().rows[0][0], json!("Bearer ${CARGO_PKG_NAME}"));
    for (arguments, said) in [
        (json!({}), "room is missing"),
        (json!({ "room": ".." }), "which is a folder"),
        (json!({ "room": "html" }), "expected JSON"),
        (json!({ "room": "none" }), "404"),
        (json!({ "room": "slow" }), "no answer in time"),
        (json!({ "room": "x", "day": "tomorrow" }), "YYYY-MM-DD"),
    ] {
        let error = call(arguments).unwrap_err().to_string();
        assert!(error.contains(said) && !error.contains("shuyuan-knowledge"), "{error}");
    }
}
