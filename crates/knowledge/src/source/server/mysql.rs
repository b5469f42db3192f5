//! MySQL and MariaDB.

use super::{Sync, Task, failed};
use crate::source::record::Record;
use crate::source::statement::{Dialect, quoted};
use crate::{KnowledgeError, Result};
use serde_json::Value;
use sqlx::mysql::{MySqlArguments, MySqlConnection, MySqlRow, MySqlValueRef};
use sqlx::{Arguments, AssertSqlSafe, Column, Connection, Decode, Executor, MySql, Row, TypeInfo, ValueRef};
use std::future::poll_fn;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// Rows that are handed on together.
const TOGETHER: usize = 200;

pub(super) async fn run(
    url: &str,
    limit: Duration,
    task: Task<'_, '_>,
) -> Result<(Vec<String>, Vec<Record>)> {
    let url = url.replacen("mariadb://", "mysql://", 1);
    let mut connection = MySqlConnection::connect(&url).await.map_err(failed)?;
    // The server's own clock too; MySQL and MariaDB have different names for it.
    for set in [
        format!("SET SESSION max_execution_time = {}", limit.as_millis()),
        format!("SET SESSION max_statement_time = {}", limit.as_secs_f64()),
    ] {
        let _ = connection.execute(sqlx::raw_sql(AssertSqlSafe(set))).await;
    }
    let begin = "SET SESSION time_zone = '+00:00'; START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY";
    connection.execute(sqlx::raw_sql(begin)).await.map_err(failed)?;
    let done = match task {
        Task::Ask(statement, values, most) => {
            let mut arguments = MySqlArguments::default();
            for value in values {
                bind(&mut arguments, value)?;
            }
            let mut all = Vec::new();
            let mut columns = Vec::new();
            rows(&mut connection, statement.sql.clone(), arguments, &mut |names, record| {
                if columns.is_empty() {
                    columns = names;
                }
                all.push(record);
                all.len() < most
            })
            .await
            .map(|()| (columns, all))
        }
        Task::Sync(sync, sink, stop) => {
            let mut arguments = MySqlArguments::default();
            if let Some(since) = sync.since {
                bind(&mut arguments, since)?;
            }
            let mut batch = Vec::new();
            let sql = sql(&sync);
            rows(&mut connection, sql, arguments, &mut |_, record| {
                batch.push(record);
                if batch.len() < TOGETHER {
                    return !stop.load(Ordering::Relaxed);
                }
                sink(std::mem::take(&mut batch))
            })
            .await?;
            if !batch.is_empty() {
                sink(batch);
            }
            Ok(Default::default())
        }
    };
    // Not closed politely: rows of a statement that was left may still be on their way.
    drop(connection);
    done
}

fn sql(sync: &Sync) -> String {
    let mut sql = format!("SELECT * FROM (\n{}\n) q", sync.sql);
    if let Some(cursor) = sync.cursor {
        let name = quoted(cursor, Dialect::Mysql);
        if sync.since.is_some() {
            sql += &format!(" WHERE {name} >= ?");
        }
        sql += &format!(" ORDER BY {name}");
    }
    sql
}

/// Calls `each` with every row, as it comes, until it says no.
async fn rows(
    connection: &mut MySqlConnection,
    sql: String,
    arguments: MySqlArguments,
    each: &mut dyn FnMut(Vec<String>, Record) -> bool,
) -> Result<()> {
    // As a prepared statement, which MySQL allows for one statement only.
    let mut stream = sqlx::query_with(AssertSqlSafe(sql), arguments).fetch(connection);
    while let Some(row) = poll_fn(|context| stream.as_mut().poll_next(context)).await {
        let row = row.map_err(failed)?;
        let names: Vec<String> = row.columns().iter().map(|column| column.name().to_string()).collect();
        let record = record(&row, &names)?;
        if !each(names, record) {
            break;
        }
    }
    Ok(())
}

fn record(row: &MySqlRow, names: &[String]) -> Result<Record> {
    let mut record = Record::with_capacity(names.len());
    for (at, name) in names.iter().enumerate() {
        let cell = row.try_get_raw(at).map_err(failed)?;
        let value = value(cell).map_err(|error| {
            KnowledgeError::Asked(format!("the database: the column {name} cannot be read: {error}"))
        })?;
        record.push((name.clone(), value));
    }
    Ok(record)
}

fn value(cell: MySqlValueRef) -> std::result::Result<Value, sqlx::error::BoxDynError> {
    if cell.is_null() {
        return Ok(Value::Null);
    }
    let kind = cell.type_info().name().to_string();
    Ok(match kind.as_str() {
        "BOOLEAN" => (<i64 as Decode<MySql>>::decode(cell)? != 0).into(),
        "FLOAT" => f64::from(<f32 as Decode<MySql>>::decode(cell)?).into(),
        "DOUBLE" => <f64 as Decode<MySql>>::decode(cell)?.into(),
        "YEAR" | "BIT" => <u64 as Decode<MySql>>::decode(cell)?.into(),
        kind if kind.ends_with("INT UNSIGNED") => <u64 as Decode<MySql>>::decode(cell)?.into(),
        kind if kind.ends_with("INT") => <i64 as Decode<MySql>>::decode(cell)?.into(),
        "DATE" => moment(<&[u8] as Decode<MySql>>::decode(cell)?, false).into(),
        "DATETIME" | "TIMESTAMP" => moment(<&[u8] as Decode<MySql>>::decode(cell)?, true).into(),
        "TIME" => time(<&[u8] as Decode<MySql>>::decode(cell)?).into(),
        // Decimals come as they are written, so that none of their digits is lost.
        _ => std::str::from_utf8(<&[u8] as Decode<MySql>>::decode(cell)?).map_or(Value::Null, Into::into),
    })
}

/// `[length, year (2), month, day, hour, minute, second, microseconds (4)]`, shorter where the end is zero.
fn moment(bytes: &[u8], with_time: bool) -> String {
    let at = |n: usize| u32::from(bytes.get(n).copied().unwrap_or(0));
    let mut out = format!("{:04}-{:02}-{:02}", at(1) | at(2) << 8, at(3), at(4));
    if with_time {
        out += &format!(" {:02}:{:02}:{:02}", at(5), at(6), at(7));
    }
    let micros = at(8) | at(9) << 8 | at(10) << 16 | at(11) << 24;
    if micros > 0 {
        out += &format!(".{micros:06}");
    }
    out
}

/// `[length, negative, days (4), hour, minute, second, microseconds (4)]`.
fn time(bytes: &[u8]) -> String {
    let at = |n: usize| u32::from(bytes.get(n).copied().unwrap_or(0));
    let days = at(2) | at(3) << 8 | at(4) << 16 | at(5) << 24;
    let sign = if at(1) == 1 { "-" } else { "" };
    format!("{sign}{:02}:{:02}:{:02}", days * 24 + at(6), at(7), at(8))
}

fn bind(arguments: &mut MySqlArguments, value: &Value) -> Result<()> {
    let added = match value {
        Value::Bool(fact) => arguments.add(*fact),
        Value::Number(number) => match number.as_i64() {
            Some(number) => arguments.add(number),
            None => arguments.add(number.as_f64()),
        },
        Value::Null => arguments.add(None::<String>),
        other => arguments.add(crate::source::record::plain(other)),
    };
    added.map_err(|error| KnowledgeError::Asked(format!("the database: a parameter: {error}")))
}
