//! A base in PostgreSQL with originals in a bucket, against the real servers that `tests/servers.sh` starts.
#![cfg(all(feature = "postgres", feature = "s3"))]
#![expect(clippy::unwrap_used, reason = "a test")]

use shuyuan_knowledge::{Base, Embed, Filter, Folder, Original, Query, Reader, Role, Size, Writer, estimate};
use sqlx::{AssertSqlSafe, Connection, PgConnection, Row};
use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};

fn variable(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| panic!("{name} is not set; run tests/servers.sh"))
}

fn size() -> Size<'static> {
    Size { most: 60, count: &estimate }
}

/// A schema and a part of the bucket that nobody else uses, and a folder.
struct Place {
    dir: tempfile::TempDir,
    name: String,
}

impl Place {
    fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!("store_{}_{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        Self { dir: tempfile::tempdir().unwrap(), name }
    }

    fn address(&self) -> String {
        format!("{}?schema={}", variable("SHUYUAN_TEST_POSTGRES"), self.name)
    }

    /// A server of its own, with a folder of its own.
    fn server(&self, name: &str) -> Base {
        Base::open_at(&self.dir.path().join(name), &self.address()).unwrap()
    }

    /// The same with originals. The bucket needs keys, which the environment of [`run`] has.
    fn with_originals(&self, name: &str) -> Base {
        self.server(name).keep_originals(&self.originals()).unwrap()
    }

    fn originals(&self) -> String {
        format!("s3://originals/{}?endpoint={}", self.name, variable("SHUYUAN_TEST_S3"))
    }

    fn file(&self, path: &str, text: &str) {
        let path = self.dir.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    fn add(&self, base: &Base, folder: &str) -> String {
        base.add_folder(&Folder { path: self.dir.path().join(folder), ..Folder::default() }).unwrap().name
    }

    /// Rows of one column of whole numbers.
    fn numbers(&self, sql: &str) -> Vec<i64> {
        let sql = format!("SET search_path = {}, public; {sql}", self.name);
        block(async {
            let mut connection = PgConnection::connect(&variable("SHUYUAN_TEST_POSTGRES")).await.unwrap();
            let rows = sqlx::raw_sql(AssertSqlSafe(sql)).fetch_all(&mut connection).await.unwrap();
            rows.iter().map(|row| row.try_get(0).unwrap()).collect()
        })
    }

    /// Keys of all that is kept in the bucket, below the prefix.
    fn kept(&self) -> usize {
        let url = format!("{}/originals?list-type=2&prefix={}/", variable("SHUYUAN_TEST_S3"), self.name);
        let text = ureq::get(&url).call().unwrap().body_mut().read_to_string().unwrap();
        text.matches("<Key>").count()
    }
}

fn block<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(work)
}

/// Makes the bucket, and gives the keys that any program would take from the environment.
fn bucket() {
    assert!(std::env::var("AWS_ACCESS_KEY_ID").is_ok(), "run tests/servers.sh");
    ureq::put(&format!("{}/originals", variable("SHUYUAN_TEST_S3")))
        .config()
        .http_status_as_error(false)
        .build()
        .send_empty()
        .unwrap();
}

fn sync(base: &Base, source: &str) -> [u64; 4] {
    let mut writer = base.writer().unwrap();
    let report = base.sync(&mut writer, source, size(), &mut |_| true).unwrap();
    writer.finish().unwrap();
    [report.added, report.changed, report.unchanged, report.removed]
}

fn found(base: &Base, question: &str) -> Vec<String> {
    let found = base.search(&Query::new(question, Reader::Owner)).unwrap();
    found.passages.into_iter().map(|passage| passage.document.item).collect()
}

fn id(base: &Base, item: &str) -> u32 {
    base.find(&Reader::Owner, item).unwrap().unwrap()
}

fn original(base: &Base, item: &str) -> Option<String> {
    match base.original(&Reader::Owner, id(base, item)).unwrap().unwrap() {
        Original::Bytes { bytes, .. } => Some(String::from_utf8(bytes).unwrap()),
        _ => None,
    }
}

#[test]
#[ignore = "needs servers; tests/servers.sh starts them"]
fn two_servers_see_what_each_other_does() {
    let place = Place::new();
    let (one, other) = (place.server("one"), place.server("other"));
    assert!(one.is_shared() && found(&other, "trial period").is_empty());
    place.file("books/trial.md", "# Trial\n\nThe trial period lasts three months.");
    place.file("books/leave.md", "# 年假\n\n工作满一年有十天年假。");
    let name = place.add(&one, "books");
    assert_eq!(sync(&one, &name), [2, 0, 0, 0]);
    assert_eq!(found(&other, "trial period"), ["trial.md"]);
    assert_eq!(found(&other, "年假有几天"), ["leave.md"]);
    // What one changes, the other no longer finds; what the other takes out, neither does.
    place.file("books/trial.md", "# Trial\n\nThe probation is half a year now.");
    assert_eq!(sync(&one, &name), [0, 1, 1, 0]);
    assert!(found(&other, "three months").is_empty());
    assert_eq!(found(&other, "probation"), ["trial.md"]);
    std::fs::remove_file(place.dir.path().join("books/leave.md")).unwrap();
    assert_eq!(sync(&other, &name), [0, 0, 1, 1]);
    assert!(found(&one, "年假有几天").is_empty());
    other.set_setting("embedding model", "x").unwrap();
    assert_eq!(one.setting("embedding model").unwrap().as_deref(), Some("x"));
}

#[test]
#[ignore = "needs servers; tests/servers.sh starts them"]
fn one_writes_at_a_time_and_a_dead_one_lets_go() {
    let place = Place::new();
    let (one, other) = (place.server("one"), place.server("other"));
    let writer = one.writer().unwrap();
    let error = other.writer().map(drop).unwrap_err();
    assert!(error.is_locked() && error.to_string().contains("127.0.0.1"), "{error}");
    drop(writer);
    let mut writer = other.writer().unwrap();
    place.file("books/a.md", "Something that was never committed.");
    let name = place.add(&one, "books");
    other.sync(&mut writer, &name, size(), &mut |_| true).unwrap();
    // The server goes away under everyone: what was committed stays, and both go on.
    place.numbers(&format!(
        "SELECT CAST(count(pg_terminate_backend(pid)) AS BIGINT) FROM pg_locks WHERE locktype = 'advisory'
         AND (CAST(classid AS BIGINT) << 32) + CAST(objid AS BIGINT) = hashtextextended('shuyuan writes {}', 0)",
        place.name
    ));
    assert!(other.sync(&mut writer, &name, size(), &mut |_| true).is_err());
    drop(writer);
    assert_eq!(found(&one, "never committed"), ["a.md"]);
    assert_eq!(sync(&one, &name), [0, 0, 1, 0]);
    let mut writer: Writer = one.writer().unwrap();
    writer.remove(one.source(&name).unwrap().id, "a.md").unwrap();
    drop(writer);
    assert_eq!(found(&other, "never committed"), ["a.md"]);
}

#[test]
#[ignore = "needs servers; tests/servers.sh starts them"]
fn originals_are_there_for_every_server() {
    bucket();
    let place = Place::new();
    // Read before anyone thought of originals: they come with the next sync.
    let early = place.server("one");
    place.file("books/a.md", "The first book.");
    place.file("books/deep/b.txt", "第二本书。");
    let name = place.add(&early, "books");
    assert_eq!(sync(&early, &name), [2, 0, 0, 0]);
    assert_eq!(place.kept(), 0);
    let (one, other) = (place.with_originals("one"), place.with_originals("other"));
    sync(&one, &name);
    assert_eq!(place.kept(), 2);
    assert_eq!(sync(&one, &name), [0, 0, 2, 0]);
    std::fs::rename(place.dir.path().join("books"), place.dir.path().join("away")).unwrap();
    assert_eq!(original(&other, "a.md").as_deref(), Some("The first book."));
    assert_eq!(original(&other, "deep/b.txt").as_deref(), Some("第二本书。"));
    assert_eq!(other.original(&Reader::of(["x"]), 9_999).unwrap().map(drop), None);
    // Of what has changed or is gone nothing is left.
    std::fs::rename(place.dir.path().join("away"), place.dir.path().join("books")).unwrap();
    place.file("books/a.md", "The first book, second edition.");
    std::fs::remove_file(place.dir.path().join("books/deep/b.txt")).unwrap();
    assert_eq!(sync(&one, &name), [0, 1, 0, 1]);
    assert_eq!(place.kept(), 1);
    assert_eq!(original(&other, "a.md").as_deref(), Some("The first book, second edition."));

    // Uploads are in the store and the bucket alone.
    let upload = |base: &Base, name: &str, text: &str| {
        let mut writer = base.writer().unwrap();
        let report = base.upload(&mut writer, name, text.into(), size()).unwrap();
        writer.finish().unwrap();
        report
    };
    assert_eq!(upload(&one, "note.md", "A note on parking.").added, 1);
    assert_eq!(upload(&other, "note.md", "A note on bicycles.").changed, 1);
    assert_eq!(found(&one, "bicycles"), ["note.md"]);
    assert_eq!(original(&one, "note.md").as_deref(), Some("A note on bicycles."));
    assert_eq!(sync(&one, "uploads"), [0, 0, 1, 0]);
    assert_eq!(place.kept(), 2);
    let mut writer = one.writer().unwrap();
    assert!(one.remove_upload(&mut writer, "note.md").unwrap());
    assert!(!one.remove_upload(&mut writer, "note.md").unwrap());
    writer.remove_source(one.source(&name).unwrap().id).unwrap();
    writer.finish().unwrap();
    assert_eq!((place.kept(), other.chunks(&Reader::Owner).unwrap()), (0, 0));

    // Without originals nothing can be uploaded; with a bucket that is away, nothing is lost.
    let mut writer = early.writer().unwrap();
    let error = early.upload(&mut writer, "x.md", b"x".to_vec(), size()).unwrap_err().to_string();
    assert!(error.contains("--originals"), "{error}");
    drop(writer);
    let away = place.server("one").keep_originals("s3://originals/x?endpoint=http://127.0.0.1:9").unwrap();
    let mut writer = away.writer().unwrap();
    let error = away.upload(&mut writer, "x.md", b"x".to_vec(), size()).unwrap_err().to_string();
    assert!(error.contains("original"), "{error}");
    drop(writer);
    assert_eq!(early.documents(&Reader::Owner, &Filter::default(), 0, 9).unwrap().0, 0);
}

/// Vectors that depend on a text's letters alone.
struct Letters;

impl Embed for Letters {
    fn name(&self) -> &str {
        "letters"
    }
    fn dimensions(&self) -> usize {
        48
    }
    fn max_tokens(&self) -> usize {
        256
    }
    fn count(&self, text: &str) -> usize {
        estimate(text)
    }
    fn embed(&self, texts: &[&str], _: Role) -> Result<Vec<Vec<f32>>, String> {
        let one = |text: &&str| {
            let mut vector = vec![0.01f32; 48];
            for (at, char) in text.chars().enumerate() {
                vector[(char as usize * 31 + at % 3) % 48] += 1.0;
            }
            let length = vector.iter().map(|x| x * x).sum::<f32>().sqrt();
            vector.into_iter().map(|x| x / length).collect()
        };
        Ok(texts.iter().map(one).collect())
    }
}

fn embed(base: &Base) {
    let mut writer = base.writer().unwrap();
    base.embed(&mut writer, &Letters, &mut |_, _| true).unwrap();
    writer.finish().unwrap();
}

fn nearest(base: &Base, text: &str) -> Vec<u32> {
    let vector = Letters.embed(&[text], Role::Query).unwrap().remove(0);
    let query =
        Query { vector: Some(("letters", &vector)), limit: 5, join: false, ..Query::new(" ", Reader::Owner) };
    base.search(&query).unwrap().passages.into_iter().map(|passage| passage.slot).collect()
}

#[test]
#[ignore = "needs servers; tests/servers.sh starts them"]
fn vectors_are_pgvectors_and_go_with_their_chunks() {
    let place = Place::new();
    let base = place.server("one");
    for n in 0..120 {
        place.file(
            &format!("books/{n}.txt"),
            &format!("Book {n}: {}", "abcdefghijk ".repeat(n % 7) + &n.to_string().repeat(n % 5)),
        );
    }
    let name = place.add(&base, "books");
    sync(&base, &name);
    embed(&base);
    for text in ["Book 17", "abcdefghijk abc", "3333"] {
        let vector = Letters.embed(&[text], Role::Query).unwrap().remove(0);
        let literal: Vec<String> = vector.iter().map(f32::to_string).collect();
        // The distance of the fifth tells which may be among the five: those at the same distance change places.
        let theirs = place.numbers(&format!(
            "SELECT slot FROM vectors WHERE vector <=> '[{0}]' <= 0.003 +
             (SELECT max(d) FROM (SELECT vector <=> '[{0}]' AS d FROM vectors ORDER BY d LIMIT 5) q)",
            literal.join(",")
        ));
        let ours = nearest(&base, text);
        assert_eq!(ours.len(), 5);
        assert!(ours.iter().all(|&slot| theirs.contains(&i64::from(slot))), "{ours:?} {theirs:?}");
        assert!(theirs.len() < 60, "{}", theirs.len());
    }
    let count = || place.numbers("SELECT count(*) FROM vectors")[0];
    assert_eq!(count(), 120);
    std::fs::remove_file(place.dir.path().join("books/3.txt")).unwrap();
    sync(&base, &name);
    assert_eq!(count(), 119);
    assert!(!nearest(&base, "Book 3").is_empty());
}

#[test]
#[ignore = "needs servers; tests/servers.sh starts them"]
fn a_backup_is_a_file_and_goes_from_store_to_store() {
    let place = Place::new();
    let base = place.server("one");
    for n in 0..30 {
        place.file(
            &format!("books/{n}.md"),
            &format!("# Book {n}\n\nThe book number {n} is about 年假 {}.", n * n),
        );
    }
    let name = place.add(&base, "books");
    sync(&base, &name);
    std::fs::remove_file(place.dir.path().join("books/3.md")).unwrap();
    sync(&base, &name);
    embed(&base);
    let all = |base: &Base| {
        let (count, documents) = base.documents(&Reader::Owner, &Filter::default(), 0, 1000).unwrap();
        let text = |id| base.document(&Reader::Owner, id).unwrap().unwrap();
        let texts: Vec<_> = documents.into_iter().map(|info| text(info.id)).collect();
        (count, texts, found(base, "book about 年假 25"), nearest(base, "Book 17"))
    };
    let before = all(&base);
    let file = place.dir.path().join("backup.sqlite");
    base.backup(&file).unwrap();
    // On one machine, in a file.
    let home = place.dir.path().join("home");
    let alone = Base::open(&home).unwrap();
    alone.restore(&file).unwrap();
    assert_eq!(all(&alone), before);
    assert_eq!(sync(&alone, &name), [0, 0, 29, 0]);
    // And back, over something else, while another server reads.
    let elsewhere = Place::new();
    let (one, other) = (elsewhere.server("one"), elsewhere.server("other"));
    elsewhere.file("else/x.md", "Something else.");
    let own = elsewhere.add(&one, "else");
    sync(&one, &own);
    assert_eq!(found(&other, "something"), ["x.md"]);
    let again = place.dir.path().join("again.sqlite");
    alone.backup(&again).unwrap();
    one.restore(&again).unwrap();
    assert_eq!(all(&one), before);
    assert_eq!(all(&other), before);
    // Numbers go on behind those that came.
    place.file("books/new.md", "A brand new book.");
    assert_eq!(sync(&one, &name), [1, 0, 29, 0]);
    embed(&one);
    assert_eq!(found(&other, "brand new")[0], "new.md");
    let garbage: &Path = &place.dir.path().join("garbage");
    std::fs::write(garbage, "no database at all, but long enough".repeat(200)).unwrap();
    assert!(one.restore(garbage).is_err());
    assert_eq!(found(&other, "brand new")[0], "new.md");
}

#[test]
#[ignore = "needs servers; tests/servers.sh starts them"]
fn what_is_wrong_is_told() {
    let dir = tempfile::tempdir().unwrap();
    let said = |address: &str| Base::open_at(dir.path(), address).map(drop).unwrap_err().to_string();
    let good = variable("SHUYUAN_TEST_POSTGRES");
    for (address, part) in [
        ("mysql://me@127.0.0.1/x", "postgres://"),
        ("postgres://me:secret@127.0.0.1:9/x", "127.0.0.1:9"),
        (&format!("{good}?schema=Bad-Name"), "small letters"),
        (&good.replace("/postgres", "/nowhere"), "nowhere"),
    ] {
        let error = said(address);
        assert!(error.contains(part) && !error.contains("secret"), "{address}: {error}");
    }
    // A table of someone else's, in a schema that everyone sees, is none of ours.
    Place::new().numbers("CREATE TABLE IF NOT EXISTS public.meta (x BIGINT); SELECT CAST(1 AS BIGINT)");
    let place = Place::new();
    drop(place.server("one"));
    place.numbers("UPDATE meta SET value = '7' WHERE key = 'version'; SELECT CAST(1 AS BIGINT)");
    assert!(said(&place.address()).contains("version 7"));
    let base = Place::new().server("one");
    for address in ["ftp://x", "s3://", "s3://b/p?size=3"] {
        assert!(base.is_shared());
        let base = Base::open(&dir.path().join("file")).unwrap();
        assert!(base.keep_originals(address).is_err(), "{address}");
    }
}
