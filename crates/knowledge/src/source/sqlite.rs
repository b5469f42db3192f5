//! A SQLite file of another program, opened for reading alone.

use super::record::Record;
use super::records::{Ended, Since, Sink};
use super::statement::{Dialect, Statement, quoted};
use super::{env, when};
use crate::{KnowledgeError, Result};
use rusqlite::types::{Value as Cell, ValueRef};
use rusqlite::{Connection, OpenFlags};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// Rows that are handed on together.
const TOGETHER: usize = 200;

/// What there is to know of a SQLite file.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Sqlite {
    /// Where it is.
    pub path: String,
    /// One SELECT that gives what is to be synced.
    pub query: Option<String>,
    /// How long that may take.
    pub timeout: Option<String>,
}

impl Sqlite {
    fn open(&self, limit: Duration, stop: &std::sync::Arc<AtomicBool>) -> Result<Connection> {
        let path = env::expand(&self.path)?;
        let path = Path::new(&path);
        if !path.is_file() {
            return Err(KnowledgeError::Asked(format!("{}: expected a SQLite file", path.display())));
        }
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let mut connection = Connection::open_with_flags(path, flags).map_err(|error| failed(&error))?;
        connection.busy_timeout(limit.min(Duration::from_secs(10))).map_err(|error| failed(&error))?;
        let set = "PRAGMA query_only = ON; PRAGMA trusted_schema = OFF; PRAGMA cell_size_check = ON;";
        connection.execute_batch(set).map_err(|error| failed(&error))?;
        let (begun, stop) = (Instant::now(), stop.clone());
        let late = move || begun.elapsed() > limit || stop.load(Ordering::Relaxed);
        connection.progress_handler(1_000, Some(late)).map_err(|error| failed(&error))?;
        // One statement of the definition's may read this file, not others (ATTACH), nor set anything (PRAGMA).
        connection
            .authorizer(Some(|context: rusqlite::hooks::AuthContext<'_>| {
                use rusqlite::hooks::{AuthAction as Action, Authorization};
                match context.action {
                    Action::Select | Action::Read { .. } | Action::Function { .. } | Action::Recursive => {
                        Authorization::Allow
                    }
                    _ => Authorization::Deny,
                }
            }))
            .map_err(|error| failed(&error))?;
        Ok(connection)
    }

    /// All rows, or those from the cursor on.
    pub(crate) fn fetch(
        &self,
        since: Option<&Since>,
        cursor: Option<&str>,
        sink: &mut Sink,
        stop: &AtomicBool,
    ) -> Result<Ended> {
        let query = self.query.as_deref().unwrap_or_default();
        let statement = Statement::new(query, Dialect::Sqlite, &|_| "")?;
        if let Some(name) = statement.names.first() {
            return Err(KnowledgeError::Asked(format!(
                "query: nothing is known of :{name}; parameters are for [live]"
            )));
        }
        let mut sql = format!("SELECT * FROM (\n{}\n)", statement.sql);
        if let Some(cursor) = cursor {
            let name = quoted(cursor, Dialect::Sqlite);
            if since.is_some() {
                sql += &format!(" WHERE {name} >= ?1");
            }
            sql += &format!(" ORDER BY {name}");
        }
        let values: Vec<Cell> = since.map(|since| cell(&since.value)).into_iter().collect();
        let limit = self.timeout.as_deref().map_or(Ok(Duration::from_secs(600)), when::duration)?;
        let stopped = std::sync::Arc::new(AtomicBool::new(false));
        let connection = self.open(limit, &stopped)?;
        let mut batch = Vec::new();
        rows(&connection, &sql, values, &mut |_, record| {
            batch.push(record);
            if batch.len() < TOGETHER {
                return !stop.load(Ordering::Relaxed);
            }
            sink(std::mem::take(&mut batch))
        })?;
        if !batch.is_empty() {
            sink(batch);
        }
        Ok(Ended::default())
    }

    /// At most `most` rows of one statement, with values for its parameters in order, within `limit`.
    pub(crate) fn ask(
        &self,
        statement: &Statement,
        values: &[Value],
        most: usize,
        limit: Duration,
    ) -> Result<(Vec<String>, Vec<Record>)> {
        let connection = self.open(limit, &std::sync::Arc::default())?;
        let mut all = Vec::new();
        let columns =
            rows(&connection, &statement.sql, values.iter().map(cell).collect(), &mut |_, record| {
                all.push(record);
                all.len() < most
            })?;
        Ok((columns, all))
    }
}

/// Calls `each` with every row until it says no; returns the columns' names.
fn rows(
    connection: &Connection,
    sql: &str,
    values: Vec<Cell>,
    each: &mut dyn FnMut(usize, Record) -> bool,
) -> Result<Vec<String>> {
    let failed = |error: rusqlite::Error| failed(&error);
    let mut statement = connection.prepare(sql).map_err(failed)?;
    if !statement.readonly() || statement.column_count() == 0 {
        return Err(KnowledgeError::Asked("expected a SELECT, found a statement that gives no rows".into()));
    }
    let names: Vec<String> = statement.column_names().map(str::to_string).collect();
    let mut rows = statement.query(rusqlite::params_from_iter(values)).map_err(failed)?;
    let mut count = 0;
    while let Some(row) = rows.next().map_err(failed)? {
        let mut record = Record::with_capacity(names.len());
        for (at, name) in names.iter().enumerate() {
            record.push((name.clone(), value(row.get_ref(at).map_err(failed)?)));
        }
        if !each(count, record) {
            break;
        }
        count += 1;
    }
    Ok(names)
}

fn value(cell: ValueRef) -> Value {
    match cell {
        ValueRef::Null => Value::Null,
        ValueRef::Integer(number) => number.into(),
        ValueRef::Real(number) => number.into(),
        ValueRef::Text(text) => String::from_utf8_lossy(text).into_owned().into(),
        // Text that was stored as bytes is read; pictures are not.
        ValueRef::Blob(bytes) => std::str::from_utf8(bytes).map_or(Value::Null, Into::into),
    }
}

fn cell(value: &Value) -> Cell {
    match value {
        Value::Null => Cell::Null,
        Value::Bool(fact) => Cell::Integer((*fact).into()),
        Value::Number(number) => match number.as_i64() {
            Some(number) => Cell::Integer(number),
            None => Cell::Real(number.as_f64().unwrap_or_default()),
        },
        Value::String(text) => Cell::Text(text.clone()),
        other => Cell::Text(other.to_string()),
    }
}

fn failed(error: &rusqlite::Error) -> KnowledgeError {
    KnowledgeError::Asked(match error.sqlite_error_code() {
        Some(rusqlite::ErrorCode::OperationInterrupted) => {
            "the SQLite file: no answer in time; ask for less, or allow more time with timeout".into()
        }
        Some(rusqlite::ErrorCode::NotADatabase) => "expected a SQLite file, found another".into(),
        Some(rusqlite::ErrorCode::AuthorizationForStatementDenied) => {
            "the SQLite file: expected a SELECT; nothing else is done".into()
        }
        _ => format!("the SQLite file: {error}"),
    })
}
