//! PostgreSQL. It writes rows as JSON itself, so that every type it has comes as text, number or truth.

use super::{Sync, Task, failed};
use crate::source::record::Record;
use crate::source::statement::{Dialect, quoted};
use crate::{KnowledgeError, Result};
use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::Value;
use serde_json::value::RawValue;
use sqlx::postgres::{PgArguments, PgConnection};
use sqlx::{Arguments, AssertSqlSafe, Connection, Executor, Row};
use std::sync::atomic::Ordering;
use std::time::Duration;

/// Rows that come together.
const TOGETHER: usize = 200;

pub(super) async fn run(
    url: &str,
    limit: Duration,
    task: Task<'_, '_>,
) -> Result<(Vec<String>, Vec<Record>)> {
    let mut connection = PgConnection::connect(url).await.map_err(failed)?;
    let milliseconds = limit.as_millis().clamp(1, i32::MAX as u128);
    // The server's own clock too: it stops even if this program is gone.
    let begin = format!(
        "BEGIN TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY; SET LOCAL statement_timeout = {milliseconds}; \
         SET LOCAL idle_in_transaction_session_timeout = {milliseconds}; SET LOCAL timezone = 'UTC'"
    );
    connection.execute(sqlx::raw_sql(AssertSqlSafe(begin))).await.map_err(failed)?;
    let done = match task {
        Task::Ask(statement, values, most) => {
            let mut arguments = PgArguments::default();
            for value in values {
                bind(&mut arguments, value)?;
            }
            ask(&mut connection, &statement.sql, arguments, most).await
        }
        Task::Sync(sync, sink, stop) => {
            let (sql, since) = match sync.since {
                Some(since) => match column_type(&mut connection, &sync).await? {
                    Some(kind) => (rows(&sync, Some(&kind)), Some(since)),
                    // No type without a row: there is nothing.
                    None => return Ok(Default::default()),
                },
                None => (rows(&sync, None), None),
            };
            let mut arguments = PgArguments::default();
            if let Some(since) = since {
                put(&mut arguments, crate::source::record::plain(since))?;
            }
            // A cursor of the server's: a table of any size passes through a window of its rows.
            let declare = format!("DECLARE shuyuan NO SCROLL CURSOR FOR {sql}");
            sqlx::query_with(AssertSqlSafe(declare), arguments)
                .execute(&mut connection)
                .await
                .map_err(failed)?;
            loop {
                let fetch = format!("FETCH FORWARD {TOGETHER} FROM shuyuan");
                let some =
                    sqlx::query(AssertSqlSafe(fetch)).fetch_all(&mut connection).await.map_err(failed)?;
                let (last, mut records) = (some.len() < TOGETHER, Vec::with_capacity(some.len()));
                for row in some {
                    records.push(record(row.try_get(0).map_err(failed)?)?);
                }
                if (!records.is_empty() && !sink(records)) || last || stop.load(Ordering::Relaxed) {
                    break Ok(Default::default());
                }
            }
        }
    };
    let _ = connection.close().await;
    done
}

async fn ask(
    connection: &mut PgConnection,
    sql: &str,
    arguments: PgArguments,
    most: usize,
) -> Result<(Vec<String>, Vec<Record>)> {
    // Within brackets only a query can stand, and only one.
    let sql = format!("SELECT row_to_json(q)::text FROM (\n{sql}\n) q LIMIT {most}");
    let rows = sqlx::query_with(AssertSqlSafe(sql), arguments).fetch_all(connection).await.map_err(failed)?;
    let mut records = Vec::with_capacity(rows.len());
    for row in rows {
        records.push(record(row.try_get(0).map_err(failed)?)?);
    }
    let columns = records
        .first()
        .map_or_else(Vec::new, |record: &Record| record.iter().map(|(name, _)| name.clone()).collect());
    Ok((columns, records))
}

fn rows(sync: &Sync, since: Option<&str>) -> String {
    let mut sql = format!("SELECT row_to_json(q)::text FROM (\n{}\n) q", sync.sql);
    if let Some(cursor) = sync.cursor {
        let name = quoted(cursor, Dialect::Postgres);
        if let Some(kind) = since {
            sql += &format!(" WHERE q.{name} >= $1::text::{kind}");
        }
        sql += &format!(" ORDER BY q.{name}");
    }
    sql
}

/// What the server calls the cursor's type.
async fn column_type(connection: &mut PgConnection, sync: &Sync<'_>) -> Result<Option<String>> {
    let Some(cursor) = sync.cursor else { return Ok(None) };
    let name = quoted(cursor, Dialect::Postgres);
    let sql = format!("SELECT pg_typeof(q.{name})::text FROM (\n{}\n) q LIMIT 1", sync.sql);
    let row = sqlx::query(AssertSqlSafe(sql)).fetch_optional(connection).await.map_err(failed)?;
    let kind: Option<String> = row.map(|row| row.try_get(0)).transpose().map_err(failed)?;
    match kind {
        // It becomes part of the statement.
        Some(kind) if !kind.chars().all(|c| c.is_ascii_alphanumeric() || c == ' ' || c == '_') => {
            Err(KnowledgeError::Asked(format!(
                "cursor: expected a column of a plain type, found one of {kind:?}"
            )))
        }
        kind => Ok(kind),
    }
}

fn put<'q, T: 'q + sqlx::Encode<'q, sqlx::Postgres> + sqlx::Type<sqlx::Postgres>>(
    arguments: &mut PgArguments,
    value: T,
) -> Result<()> {
    arguments.add(value).map_err(|error| KnowledgeError::Asked(format!("the database: a parameter: {error}")))
}

fn bind(arguments: &mut PgArguments, value: &Value) -> Result<()> {
    match value {
        Value::Bool(fact) => put(arguments, *fact),
        Value::Number(number) => match number.as_i64() {
            Some(number) => put(arguments, number),
            None => put(arguments, number.as_f64()),
        },
        Value::Null => put(arguments, None::<String>),
        other => put(arguments, crate::source::record::plain(other)),
    }
}

/// A row in the order of its columns. Numbers with more digits than a double has stay as they are written.
fn record(json: &str) -> Result<Record> {
    struct Ordered(Record);
    impl<'d> Deserialize<'d> for Ordered {
        fn deserialize<D: Deserializer<'d>>(deserializer: D) -> std::result::Result<Self, D::Error> {
            struct Fields;
            impl<'d> Visitor<'d> for Fields {
                type Value = Ordered;
                fn expecting(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
                    f.write_str("a row")
                }
                fn visit_map<M: MapAccess<'d>>(self, mut map: M) -> std::result::Result<Ordered, M::Error> {
                    let mut record = Record::new();
                    while let Some((name, value)) = map.next_entry::<String, Box<RawValue>>()? {
                        record.push((name, number(value.get())));
                    }
                    Ok(Ordered(record))
                }
            }
            deserializer.deserialize_map(Fields)
        }
    }
    let Ordered(record) = serde_json::from_str(json).map_err(|error| {
        KnowledgeError::Asked(format!("the database: expected a row, found something else ({error})"))
    })?;
    Ok(record)
}

fn number(written: &str) -> Value {
    let digits = written.bytes().filter(u8::is_ascii_digit).count();
    let value = serde_json::from_str(written).unwrap_or_default();
    match value {
        Value::Number(number) if number.is_f64() && digits > 15 => Value::String(written.into()),
        value => value,
    }
}
