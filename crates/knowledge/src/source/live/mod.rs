//! Sources asked for the present value: as tools, with parameters that are checked and bound, within bounds.

mod cache;
mod parameter;
mod template;

pub use parameter::Parameter;

use super::definition::{Definition, Plan};
use super::env::Mask;
use super::http;
use super::record::{Record, get};
use super::statement::{Dialect, Statement};
use super::when;
use crate::access::Reader;
use crate::base::Base;
use crate::{KnowledgeError, Result};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use shuyuan_text::now;
use std::collections::BTreeMap;
use std::sync::atomic::AtomicBool;
use std::time::Duration;
use template::Template;

/// Characters of one cell.
const CELL: usize = 2_000;
/// The longest that an answer may be waited for.
const LONGEST: Duration = Duration::from_secs(120);
/// The most rows of a table.
const ROWS: usize = 1_000;

/// What a tool is for, in both languages; one stands for both where the other is not given.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Description {
    /// In Chinese.
    pub zh: String,
    /// In English.
    pub en: String,
}

/// How a source is asked live.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Live {
    /// What for.
    pub description: Description,
    /// What can be asked.
    pub parameters: BTreeMap<String, Parameter>,
    /// One SELECT with `:name`s, for databases.
    pub sql: Option<String>,
    /// An address with `{name}`s, for APIs.
    pub url: Option<String>,
    /// Where in the answer the rows are; the answer itself if not given.
    pub records: Option<String>,
    /// Which columns, for APIs; all if not given.
    pub columns: Vec<String>,
    /// How long it may take; 5 s if not given.
    pub timeout: Option<String>,
    /// How many rows come at most; 50 if not given.
    pub rows: Option<usize>,
    /// How long an answer stays good; none if not given.
    pub cache: Option<String>,
}

/// A tool as models are told of it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ToolDescription {
    /// The source's name.
    pub name: String,
    /// What for.
    pub description: Description,
    /// The parameters, as a JSON schema.
    pub parameters: Value,
}

/// An answer.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Table {
    /// The columns' names.
    pub columns: Vec<String>,
    /// Values in their order.
    pub rows: Vec<Vec<Value>>,
    /// Whether there are more rows than came.
    pub more: bool,
    /// When the source was asked, in seconds since 1970.
    pub fetched: u64,
    /// Whether this is an answer of before.
    pub cached: bool,
}

/// The tools that this reader may call.
///
/// # Errors
/// If SQLite fails.
pub fn tools(base: &Base, reader: &Reader) -> Result<Vec<ToolDescription>> {
    let mut all = Vec::new();
    for source in base.sources()? {
        // One that cannot be read is no reason to have none.
        let Ok(common) = Definition::of(&source).common() else { continue };
        if let Some(live) = common.live
            && reader.may_read(&common.groups)
        {
            all.push(ToolDescription {
                name: source.name,
                parameters: live.schema(),
                description: live.description.whole(),
            });
        }
    }
    Ok(all)
}

/// Asks a source live.
///
/// # Errors
/// If the reader may not, the parameters are not what they should be, or the source fails. No message holds a secret.
pub fn call(base: &Base, reader: &Reader, name: &str, arguments: &Value) -> Result<Table> {
    // To someone who may not call it, it is not there.
    let unknown = || KnowledgeError::Asked(format!("no source is called {name:?} that can be asked live"));
    let source = base.source(name).map_err(|_| unknown())?;
    let definition = Definition::of(&source);
    let common = definition.common()?;
    let live = common.live.filter(|_| reader.may_read(&common.groups)).ok_or_else(unknown)?;
    let mask = Mask::of(&definition.value);
    let values = live.checked(arguments)?;
    let good = live.cache.as_deref().map_or(Ok(Duration::ZERO), when::duration)?.as_secs();
    let place = format!("{}\n{name}\n{}\n{values:?}", base.dir().display(), definition.value);
    if good > 0
        && let Some(table) = cache::get(&place, now(), good)
    {
        return Ok(table);
    }
    let mut table = live.ask(&definition.plan()?, &values).map_err(|error| mask.error(error))?;
    for cell in table.rows.iter_mut().flatten() {
        if let Value::String(text) = cell {
            *text = mask.hide(text);
        }
    }
    if good > 0 {
        cache::put(place, &table);
    }
    Ok(table)
}

impl Description {
    fn whole(mut self) -> Self {
        if self.zh.is_empty() {
            self.zh.clone_from(&self.en);
        }
        if self.en.is_empty() {
            self.en.clone_from(&self.zh);
        }
        self
    }
}

impl Live {
    pub(crate) fn validate(&self, name: &str, plan: &Plan) -> Result<()> {
        let wrong = |what: &str| Err(KnowledgeError::Asked(format!("[live]: {what}")));
        let plain = |name: &str| {
            !name.is_empty()
                && name.len() <= 64
                && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-')
        };
        if !plain(name) {
            return wrong("name: for a tool, expected letters, digits, - and _ only, at most 64");
        }
        if self.description.zh.is_empty() && self.description.en.is_empty() {
            return wrong("expected description = { zh = \"…\", en = \"…\" }: when a model is to ask this");
        }
        for (name, parameter) in &self.parameters {
            if !plain(name) || name.contains('-') {
                return wrong("parameters: expected names of letters, digits and _ only");
            }
            parameter.validate(name)?;
        }
        if self.rows.is_some_and(|rows| rows == 0 || rows > ROWS) {
            return wrong(&format!("rows: expected 1 to {ROWS}"));
        }
        if self.limit()? > LONGEST {
            return wrong("timeout: expected at most 120s");
        }
        self.cache.as_deref().map(when::duration).transpose()?;
        let used: Vec<String> = match (plan, &self.sql, &self.url) {
            (Plan::Sqlite(_) | Plan::Server(_), Some(_), None) => self.statement(dialect(plan))?.names,
            (Plan::Http(_), None, Some(url)) => Template::new(url)?.names(),
            (Plan::Sqlite(_) | Plan::Server(_), ..) => {
                return wrong("expected sql = \"SELECT …\", and no url");
            }
            (Plan::Http(_), ..) => return wrong("expected url = \"https://…/{name}\", and no sql"),
            _ => return wrong("only sqlite, postgres, mysql and http can be asked live"),
        };
        if let Some(name) = used.iter().find(|name| !self.parameters.contains_key(*name)) {
            return wrong(&format!("{name} is used, but not described in [live.parameters.{name}]"));
        }
        if let Some(name) = self.parameters.keys().find(|name| !used.contains(name)) {
            return wrong(&format!("the parameter {name} is not used"));
        }
        Ok(())
    }

    fn limit(&self) -> Result<Duration> {
        self.timeout.as_deref().map_or(Ok(Duration::from_secs(5)), when::duration)
    }

    fn statement(&self, dialect: Dialect) -> Result<Statement> {
        let cast = |name: &str| self.parameters.get(name).map_or("text", Parameter::sql_type);
        Statement::new(self.sql.as_deref().unwrap_or_default(), dialect, &cast)
    }

    fn schema(&self) -> Value {
        let properties: BTreeMap<&String, Value> =
            self.parameters.iter().map(|(name, parameter)| (name, parameter.schema())).collect();
        let required: Vec<&String> = self
            .parameters
            .iter()
            .filter(|(_, parameter)| parameter.is_needed())
            .map(|(name, _)| name)
            .collect();
        json!({ "type": "object", "properties": properties, "required": required, "additionalProperties": false })
    }

    /// The value of every parameter; `Null` where one is not given.
    fn checked(&self, arguments: &Value) -> Result<BTreeMap<String, Value>> {
        let none = serde_json::Map::new();
        let given = match arguments {
            Value::Object(given) => given,
            Value::Null => &none,
            other => {
                return Err(KnowledgeError::Asked(format!(
                    "expected an object with the parameters, found {other}"
                )));
            }
        };
        if let Some(name) = given.keys().find(|name| !self.parameters.contains_key(*name)) {
            let there: Vec<&str> = self.parameters.keys().map(String::as_str).collect();
            let there = if there.is_empty() {
                "there is none".into()
            } else {
                format!("there are: {}", there.join(", "))
            };
            return Err(KnowledgeError::Asked(format!("no parameter is called {name:?}; {there}")));
        }
        let value = |(name, parameter): (&String, &Parameter)| {
            Ok((name.clone(), parameter.checked(name, given.get(name))?))
        };
        self.parameters.iter().map(value).collect()
    }

    fn ask(&self, plan: &Plan, values: &BTreeMap<String, Value>) -> Result<Table> {
        let (most, limit) = (self.rows.unwrap_or(50), self.limit()?);
        let bound = |statement: &Statement| -> Vec<Value> {
            statement.names.iter().map(|name| values.get(name).cloned().unwrap_or_default()).collect()
        };
        let (columns, mut records) = match plan {
            Plan::Sqlite(plan) => {
                let statement = self.statement(Dialect::Sqlite)?;
                plan.ask(&statement, &bound(&statement), most + 1, limit)?
            }
            Plan::Server(server) => {
                let statement = self.statement(dialect(plan))?;
                server.ask(&statement, &bound(&statement), most + 1, limit)?
            }
            Plan::Http(plan) => self.get(plan, values, limit)?,
            _ => return Err(KnowledgeError::Asked("this source cannot be asked live".into())),
        };
        let more = records.len() > most;
        records.truncate(most);
        let row = |record: Record| {
            columns.iter().map(|column| clipped(get(&record, column).cloned().unwrap_or_default())).collect()
        };
        let rows = records.into_iter().map(row).collect();
        Ok(Table { columns, rows, more, fetched: now(), cached: false })
    }

    fn get(
        &self,
        plan: &http::Http,
        values: &BTreeMap<String, Value>,
        limit: Duration,
    ) -> Result<(Vec<String>, Vec<Record>)> {
        let url = Template::new(self.url.as_deref().unwrap_or_default())?.filled(values)?;
        let web = plan.web(&url, Some(limit))?.at_once();
        let got = web.get(&url, None, http::MOST, &AtomicBool::new(false)).map_err(KnowledgeError::Asked)?;
        let bytes = got.map(|got| got.bytes).unwrap_or_default();
        let answer: Value = serde_json::from_slice(&bytes)
            .map_err(|_| KnowledgeError::Asked("the answer: expected JSON, found something else".into()))?;
        let records = http::records(&answer, self.records.as_deref(), &url)?;
        let mut columns = self.columns.clone();
        if columns.is_empty() {
            for (name, _) in records.iter().flatten() {
                if !columns.contains(name) {
                    columns.push(name.clone());
                }
            }
        }
        Ok((columns, records))
    }
}

fn dialect(plan: &Plan) -> Dialect {
    match plan {
        Plan::Server(server) => server.dialect(),
        _ => Dialect::Sqlite,
    }
}

/// A cell of bounded length.
fn clipped(value: Value) -> Value {
    let long = |text: &str| text.char_indices().nth(CELL).map(|(at, _)| format!("{}…", &text[..at]));
    match &value {
        Value::String(text) => long(text).map_or(value, Value::String),
        Value::Array(_) | Value::Object(_) => long(&value.to_string()).map_or(value, Value::String),
        _ => value,
    }
}
