//! PostgreSQL and MySQL, in transactions that can only read.

#[cfg(feature = "databases")]
mod mysql;
#[cfg(feature = "databases")]
mod postgres;

use super::record::Record;
use super::records::{Ended, Since, Sink};
use super::statement::{Dialect, Statement};
use super::{env, when};
use crate::{KnowledgeError, Result};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

/// What there is to know of a database server.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Server {
    /// `postgres://user:${PASSWORD}@host/database`, `mysql://…`.
    pub url: String,
    /// One SELECT that gives what is to be synced.
    pub query: Option<String>,
    /// How long that may take.
    pub timeout: Option<String>,
    #[serde(skip)]
    pub mysql: bool,
}

impl Server {
    /// With what it speaks.
    pub(crate) fn speaking(mut self, kind: &str) -> Result<Self> {
        self.mysql = kind == "mysql";
        let fine = if self.mysql {
            self.url.starts_with("mysql://") || self.url.starts_with("mariadb://")
        } else {
            self.url.starts_with("postgres://") || self.url.starts_with("postgresql://")
        };
        if !fine && !self.url.starts_with("${") {
            return Err(KnowledgeError::Asked(format!(
                "url: expected one like {kind}://user:${{PASSWORD}}@host/database"
            )));
        }
        self.timeout.as_deref().map(when::duration).transpose()?;
        Ok(self)
    }

    pub(crate) fn dialect(&self) -> Dialect {
        if self.mysql { Dialect::Mysql } else { Dialect::Postgres }
    }

    /// All rows, or those from the cursor on.
    pub(crate) fn fetch(
        &self,
        since: Option<&Since>,
        cursor: Option<&str>,
        sink: &mut Sink,
        stop: &AtomicBool,
    ) -> Result<Ended> {
        let statement =
            Statement::new(self.query.as_deref().unwrap_or_default(), self.dialect(), &|_| "text")?;
        if let Some(name) = statement.names.first() {
            return Err(KnowledgeError::Asked(format!(
                "query: nothing is known of :{name}; parameters are for [live]"
            )));
        }
        let limit = self.timeout.as_deref().map_or(Ok(Duration::from_secs(600)), when::duration)?;
        let sync = Sync { sql: statement.sql, cursor, since: since.map(|since| &since.value) };
        self.connected(limit, Task::Sync(sync, sink, stop))?;
        Ok(Ended::default())
    }

    /// At most `most` rows of one statement, with values for its places in order, within `limit`.
    pub(crate) fn ask(
        &self,
        statement: &Statement,
        values: &[Value],
        most: usize,
        limit: Duration,
    ) -> Result<(Vec<String>, Vec<Record>)> {
        self.connected(limit, Task::Ask(statement, values, most))
    }

    #[cfg(not(feature = "databases"))]
    fn connected(&self, _limit: Duration, _task: Task) -> Result<(Vec<String>, Vec<Record>)> {
        env::expand_url(&self.url)?;
        Err(KnowledgeError::Asked(
            "this program was built without database servers; build it with --features databases".into(),
        ))
    }

    #[cfg(feature = "databases")]
    fn connected(&self, limit: Duration, task: Task) -> Result<(Vec<String>, Vec<Record>)> {
        let url = env::expand_url(&self.url)?;
        let work = async {
            let done = async {
                if self.mysql {
                    mysql::run(&url, limit, task).await
                } else {
                    postgres::run(&url, limit, task).await
                }
            };
            match tokio::time::timeout(limit, done).await {
                Ok(done) => done,
                Err(_) => Err(KnowledgeError::Asked(format!(
                    "the database: no answer within {} s; ask for less, or allow more time with timeout",
                    limit.as_secs_f64()
                ))),
            }
        };
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_io()
            .enable_time()
            .build()
            .map_err(KnowledgeError::io("start threads for", std::path::Path::new("the database")))?;
        runtime.block_on(work)
    }
}

/// What is to be synced.
#[cfg_attr(not(feature = "databases"), expect(dead_code, reason = "read with the feature only"))]
struct Sync<'t> {
    sql: String,
    cursor: Option<&'t str>,
    since: Option<&'t Value>,
}

#[cfg_attr(not(feature = "databases"), expect(dead_code, reason = "read with the feature only"))]
enum Task<'t, 's> {
    Sync(Sync<'t>, &'t mut Sink<'s>, &'t AtomicBool),
    Ask(&'t Statement, &'t [Value], usize),
}

#[cfg(feature = "databases")]
fn failed(error: sqlx::Error) -> KnowledgeError {
    // What the server says of a statement; of a connection, only what went wrong, not with which address.
    KnowledgeError::Asked(match &error {
        sqlx::Error::Database(said) => format!("the database: {}", said.message()),
        sqlx::Error::Configuration(_) => "the database: its address cannot be read; check url".into(),
        other => format!("the database: {other}"),
    })
}
