//! Sources against real servers, which `tests/servers.sh` starts; each test needs the address of its own.
#![cfg(all(feature = "databases", feature = "s3"))]

#[path = "sources/help.rs"]
#[expect(dead_code, reason = "files beside the base are for the other tests")]
mod help;
mod store;

use help::Place;
use serde_json::{Value, json};
use shuyuan_knowledge::{Definition, Reader, live, test};
use sqlx::{AssertSqlSafe, Connection, Executor};

/// Looks signed, which is all that the test's server asks for.
const SIGNED: &str =
    "AWS4-HMAC-SHA256 Credential=me/20240101/us-east-1/s3/aws4_request, SignedHeaders=host, Signature=0";

fn block<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(work)
}

fn variable(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| panic!("{name} is not set; run tests/servers.sh"))
}

fn postgres(sql: &str) {
    block(async {
        let mut connection = sqlx::PgConnection::connect(&variable("SHUYUAN_TEST_POSTGRES")).await.unwrap();
        connection.execute(sqlx::raw_sql(AssertSqlSafe(sql.to_string()))).await.unwrap();
    });
}

fn mysql(sql: &str) {
    block(async {
        let mut connection = sqlx::MySqlConnection::connect(&variable("SHUYUAN_TEST_MYSQL")).await.unwrap();
        connection.execute(sqlx::raw_sql(AssertSqlSafe(sql.to_string()))).await.unwrap();
    });
}

fn definition(kind: &str, table: &str, more: &str) -> String {
    let variable = if kind == "mysql" { "SHUYUAN_TEST_MYSQL" } else { "SHUYUAN_TEST_POSTGRES" };
    format!(
        r#"
name = "db"
kind = "{kind}"
url = "${{{variable}}}"
query = "SELECT * FROM {table} -- all of it"
cursor = "at"
{more}
[map]
key = "id"
title = "title"
text = ["body"]
date = "at"
[live]
description = {{ en = "Looks up titles" }}
sql = "SELECT title, price, :text AS asked, :day AS day FROM {table} WHERE (title = :text OR price > :least) ORDER BY id DESC"
timeout = "2s"
[live.parameters]
text = {{ required = true }}
least = {{ type = "number", default = 1e18 }}
day = {{ type = "date" }}
"#
    )
}

/// The same for both: what comes, changes, goes; a cursor; live calls; what is wrong.
fn database(kind: &str, run: fn(&str), types: &str) {
    let table = format!("things_{kind}");
    run(&format!("DROP TABLE IF EXISTS {table}; CREATE TABLE {table} {types}"));
    for n in 1..=450 {
        run_row(run, &table, n);
    }
    let place = Place::new();
    let text = definition(kind, &table, "");
    let preview = test(&Definition::parse(&text).unwrap(), place.base.dir()).unwrap();
    assert_eq!((preview.count, preview.items.len()), (450, 5));
    place.add(&text);
    assert_eq!(place.counts("db"), [450, 0, 0, 0, 0]);
    let seen = &place.texts(&Reader::Owner)["7"];
    for part in ["课程 7", "body of 7", "price: 12345678901234567.89", "flag: "] {
        assert!(seen.contains(part), "{seen}");
    }
    // By the cursor: changes come, what is gone stays until all is read again.
    run(&format!("UPDATE {table} SET body = 'changed', at = '2030-01-01 00:00:00.5' WHERE id = 3"));
    run(&format!("DELETE FROM {table} WHERE id = 4"));
    let [added, changed, _, removed, _] = place.counts("db");
    assert_eq!((added, changed, removed), (0, 1, 0));
    assert_eq!(place.counts("db"), [0, 0, 1, 0, 0]);
    place.add(&definition(kind, &table, "full = \"0s\""));
    assert_eq!(place.counts("db"), [0, 0, 449, 1, 0]);

    let call = |arguments: Value| live::call(&place.base, &Reader::Owner, "db", &arguments);
    let found = call(json!({ "text": "课程 7", "day": "2024-02-29" })).unwrap();
    assert_eq!(found.columns, ["title", "price", "asked", "day"]);
    assert_eq!(
        found.rows,
        [[json!("课程 7"), json!("12345678901234567.89"), json!("课程 7"), json!("2024-02-29")]]
    );
    let all = call(json!({ "text": "x", "least": 0 })).unwrap();
    assert!(all.more && all.rows.len() == 50 && all.rows[0][0] == json!("课程 450"));
    for text in ["'; DROP TABLE things; --", "' OR '1'='1", "\\' OR 1=1 -- ", "学🦀\"`;%_", "$1 ? :text"] {
        assert!(call(json!({ "text": text })).unwrap().rows.is_empty(), "{text}");
    }
    // PostgreSQL's text has no NUL: an error, or no row.
    assert!(call(json!({ "text": "a\0b" })).map_or(true, |table| table.rows.is_empty()));
    let again = call(json!({ "text": "课程 7" })).unwrap();
    assert_eq!(again.rows.len(), 1);

    // What writes, waits or is several statements does nothing.
    let lasting = if kind == "mysql" { "SLEEP(8)" } else { "pg_sleep(8)::text" };
    for (sql, said) in [
        (format!("DELETE FROM {table} WHERE title = :text"), ""),
        (format!("WITH d AS (DELETE FROM {table} RETURNING *) SELECT * FROM d WHERE title = :text"), ""),
        (format!("SELECT {lasting} AS x WHERE 'x' = :text"), ""),
        ("SELECT :text AS a FROM nowhere".into(), "nowhere"),
    ] {
        let begin = text.find("sql = ").unwrap();
        let end = begin + text[begin..].find("\ntimeout").unwrap();
        let mut changed = text.clone();
        changed.replace_range(begin..end, &format!("sql = {sql:?}"));
        let changed = changed.split("least =").next().unwrap();
        place.add(changed);
        let begun = std::time::Instant::now();
        let error = call(json!({ "text": "x" })).unwrap_err().to_string();
        assert!(error.contains(said) && !error.contains("word"), "{error}");
        assert!(begun.elapsed().as_secs() < 5, "{error}");
    }
    place.add(&text);
    assert_eq!(call(json!({ "text": "课程 7" })).unwrap().rows.len(), 1);

    // A table without a column that is asked for, and a server that is not there.
    run(&format!("ALTER TABLE {table} RENAME COLUMN body TO content"));
    assert!(place.sync("db").unwrap_err().to_string().contains("\"body\""));
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let scheme = if kind == "mysql" { "mysql" } else { "postgres" };
    let away = format!("url = \"{scheme}://me:${{CARGO_PKG_NAME}}@127.0.0.1:{port}/x\"\n");
    let lines: String = text
        .lines()
        .map(|line| if line.starts_with("url") { away.clone() } else { format!("{line}\n") })
        .collect();
    place.add(&lines);
    let error = place.sync("db").unwrap_err().to_string();
    assert!(error.starts_with("the database:") && !error.contains("shuyuan-knowledge"), "{error}");
    let source = place.source("db");
    assert!(source.items == 449 && source.state.error.is_some() && source.state.synced.is_some());
}

fn run_row(run: fn(&str), table: &str, n: usize) {
    run(&format!(
        "INSERT INTO {table} (id, title, body, price, at, flag) VALUES ({n}, '课程 {n}', 'body of {n}', \
         12345678901234567.89, '2024-01-01 10:{:02}:{:02}.25', true)",
        n / 60,
        n % 60
    ));
}

#[test]
#[ignore = "needs a server; tests/servers.sh starts it"]
fn postgres_is_read() {
    database(
        "postgres",
        postgres,
        "(id int PRIMARY KEY, title varchar(50), body text, price numeric(30,2), at timestamptz, flag boolean, tags text[], j jsonb)",
    );
}

#[test]
#[ignore = "needs a server; tests/servers.sh starts it"]
fn mysql_is_read() {
    database(
        "mysql",
        mysql,
        "(id int PRIMARY KEY, title varchar(50), body text, price decimal(30,2), at datetime(6), flag boolean, y year, t time, b blob, f float) \
         DEFAULT CHARACTER SET utf8mb4",
    );
    mysql(
        "INSERT INTO things_mysql (id, y, t, b, f, at) VALUES (999, 2024, '-10:11:12', 0xFF00, 1.5, '2024-03-09')",
    );
    let place = Place::new();
    let text = definition("mysql", "things_mysql", "").replace("text = [\"body\"]", "text = [\"content\"]");
    place.add(&text);
    place.sync("db").unwrap();
    let seen = &place.texts(&Reader::Owner)["999"];
    for part in ["y: 2024", "t: -10:11:12", "f: 1.5", "at: 2024-03-09 00:00:00"] {
        assert!(seen.contains(part), "{seen}");
    }
}

#[test]
#[ignore = "needs a server; tests/servers.sh starts it"]
fn a_bucket_is_read() {
    let server = variable("SHUYUAN_TEST_S3");
    let put = |path: &str, text: &str| {
        ureq::put(format!("{server}/{path}")).header("authorization", SIGNED).send(text).unwrap();
    };
    let name = "shuyuan-test";
    put(name, "");
    put(&format!("{name}/docs/a.txt"), "first");
    put(&format!("{name}/docs/b.txt"), "second");
    put(&format!("{name}/docs/c.bin"), "third");
    put(&format!("{name}/other/d.txt"), "fourth");
    let place = Place::new();
    let definition = format!(
        "name = \"bucket\"\nkind = \"bucket\"\nbucket = \"{name}\"\nprefix = \"docs\"\nendpoint = \"${{SHUYUAN_TEST_S3}}\"\n\
         access_key_id = \"${{CARGO_PKG_NAME}}\"\nsecret_access_key = \"${{CARGO_PKG_NAME}}\"\nendings = [\"txt\"]\ntimeout = \"5s\"\n"
    );
    place.add(&definition);
    assert_eq!(place.counts("bucket"), [2, 0, 0, 0, 0]);
    assert_eq!(place.counts("bucket"), [0, 0, 2, 0, 0]);
    assert_eq!(place.texts(&Reader::Owner)["docs/b.txt"], "second");
    put(&format!("{name}/docs/b.txt"), "second, changed");
    ureq::delete(format!("{server}/{name}/docs/a.txt")).header("authorization", SIGNED).call().unwrap();
    assert_eq!(place.counts("bucket"), [0, 1, 0, 1, 0]);
    place.add(&definition.replace(name, "shuyuan-nothing"));
    assert!(place.sync("bucket").is_err());
    assert_eq!(place.keys(), ["docs/b.txt"]);
}

#[test]
#[ignore = "needs a server; tests/servers.sh starts it"]
fn a_secure_server_is_read() {
    // The authority is in SSL_CERT_FILE.
    let place = Place::new();
    let address = variable("SHUYUAN_TEST_HTTPS");
    place.add(&format!("name = \"safe\"\nkind = \"listing\"\nurl = \"https://{address}/\"\n"));
    assert_eq!(place.counts("safe"), [1, 0, 0, 0, 0]);
    assert!(place.texts(&Reader::Owner)["safe.md"].contains("in the cellar"));
    // A certificate for another name is none.
    let named = address.replace("127.0.0.1", "localhost");
    place.add(&format!("name = \"safe\"\nkind = \"listing\"\nurl = \"https://{named}/\"\n"));
    let error = place.sync("safe").unwrap_err().to_string();
    assert!(error.contains("secure connection"), "{error}");
    assert_eq!(place.keys(), ["safe.md"]);
}
