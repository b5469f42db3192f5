//! A source as its owner writes it down: one TOML file, no secrets.

use super::folder::Folder;
use super::live::Live;
use super::record::Map;
use super::{env, feed, git, http, listing, server, sqlite, when};
use crate::base::{Base, Source};
use crate::bucket::Bucket;
use crate::{KnowledgeError, Result};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Map as Object, Value};
use xxhash_rust::xxh3::xxh3_64;

/// A source as its owner writes it down.
#[derive(Clone, Debug, PartialEq)]
pub struct Definition {
    /// What people call it; the tool's name too, if it can be asked live.
    pub name: String,
    /// `sqlite`, `http`, `rss`, ….
    pub kind: String,
    /// All else.
    pub value: Value,
}

/// What every kind may have.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Common {
    pub every: Option<String>,
    pub groups: Vec<String>,
    pub tags: Vec<String>,
    pub may_be_empty: bool,
    pub live: Option<Live>,
}

/// What kinds with records have besides.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Records {
    pub map: Map,
    /// A field that grows with every change.
    pub cursor: Option<String>,
    /// How often all records are read all the same.
    pub full: Option<String>,
}

/// How a source is read.
#[derive(Clone, Debug)]
pub(crate) enum Plan {
    Sqlite(sqlite::Sqlite),
    Server(server::Server),
    Http(http::Http),
    Feed(feed::Feed),
    Listing(listing::Listing),
    Git(git::Git),
    Bucket(Bucket),
    Folder,
    /// Files that were given to the base itself.
    Uploads,
}

/// A kind that nobody writes down: see [`super::uploads`].
pub(crate) const UPLOADS: &str = "uploads";
const COMMON: [&str; 5] = ["every", "groups", "tags", "may_be_empty", "live"];
const RECORDS: [&str; 3] = ["map", "cursor", "full"];
/// The kinds that there are.
pub(crate) const KINDS: &str = "sqlite, postgres, mysql, http, rss, listing, git, bucket, folder";

impl Definition {
    /// Reads a definition and checks all of it that can be checked without the source.
    ///
    /// # Errors
    /// If it is no TOML, has a key that does not exist or holds a secret; the message says where and what to write.
    pub fn parse(text: &str) -> Result<Self> {
        let wrong = |error: toml::de::Error| KnowledgeError::Asked(format!("the definition: {error}"));
        let mut value = json(toml::Value::Table(toml::from_str(text).map_err(wrong)?));
        let mut take = |key: &str| match value.as_object_mut().and_then(|object| object.remove(key)) {
            Some(Value::String(text)) if !text.trim().is_empty() => Ok(text),
            _ => Err(KnowledgeError::Asked(format!("the definition: expected {key} = \"…\""))),
        };
        let definition = Self { name: take("name")?, kind: take("kind")?, value };
        definition.validate()?;
        Ok(definition)
    }

    /// The definition of a source that was added.
    pub fn of(source: &Source) -> Self {
        Self { name: source.name.clone(), kind: source.kind.clone(), value: source.definition.clone() }
    }

    fn validate(&self) -> Result<()> {
        let wrong = |what: String| Err(KnowledgeError::Asked(format!("the source {:?}: {what}", self.name)));
        env::refuse_secrets(&self.value)?;
        let common = self.common()?;
        if let Some(every) = &common.every {
            when::duration(every)?;
        }
        let plan = self.plan()?;
        if let Plan::Uploads = plan {
            return wrong(format!("expected a kind of {KINDS}, found {UPLOADS:?}"));
        }
        if let Plan::Folder = plan {
            self.folder()?;
        }
        if let Some(records) = self.records()? {
            if plan.is_synced() {
                records.map.validate()?;
            }
            if records.full.as_deref().map(when::duration).transpose()?.is_some() && records.cursor.is_none()
            {
                return wrong(
                    "full is for sources with a cursor; without one, everything is read every time".into(),
                );
            }
            if records.map.groups.is_some() && common.groups.is_empty() {
                return wrong(
                    "map.groups: say with groups = [\"…\"] who may read a record that names no group; nobody would \
                     expect it to be everyone"
                        .into(),
                );
            }
        }
        match (&common.live, plan.is_synced()) {
            (Some(live), _) => live.validate(&self.name, &plan),
            (None, true) => Ok(()),
            (None, false) => {
                wrong("it says neither what is to be synced nor, with [live], what can be asked".into())
            }
        }
    }

    fn part<T: DeserializeOwned>(&self, wanted: &dyn Fn(&str) -> bool) -> Result<T> {
        let object = self.value.as_object().into_iter().flatten();
        let some: Object<String, Value> =
            object.filter(|(key, _)| wanted(key)).map(|(key, value)| (key.clone(), value.clone())).collect();
        serde_json::from_value(Value::Object(some)).map_err(|error| {
            KnowledgeError::Asked(format!("the definition of {:?} ({}): {error}", self.name, self.kind))
        })
    }

    pub(crate) fn common(&self) -> Result<Common> {
        self.part(&|key| COMMON.contains(&key))
    }

    /// What is said of records, if this kind has any.
    pub(crate) fn records(&self) -> Result<Option<Records>> {
        match self.kind.as_str() {
            "sqlite" | "postgres" | "mysql" | "http" => self.part(&|key| RECORDS.contains(&key)).map(Some),
            "rss" => Ok(Some(Records { map: feed::map(), ..Records::default() })),
            _ => Ok(None),
        }
    }

    pub(crate) fn folder(&self) -> Result<Folder> {
        self.part(&|key| !matches!(key, "every" | "may_be_empty"))
    }

    pub(crate) fn plan(&self) -> Result<Plan> {
        let own = |key: &str| !COMMON.contains(&key);
        let rest = |key: &str| own(key) && !RECORDS.contains(&key);
        Ok(match self.kind.as_str() {
            "folder" => Plan::Folder,
            UPLOADS => Plan::Uploads,
            "sqlite" => Plan::Sqlite(self.part(&rest)?),
            "postgres" | "mysql" => {
                let plan: server::Server = self.part(&rest)?;
                Plan::Server(plan.speaking(&self.kind)?)
            }
            "http" => Plan::Http(self.part::<http::Http>(&rest)?.checked()?),
            "rss" => Plan::Feed(self.part::<feed::Feed>(&own)?.checked()?),
            "listing" => Plan::Listing(self.part::<listing::Listing>(&own)?.checked()?),
            "git" => Plan::Git(self.part::<git::Git>(&own)?.checked()?),
            "bucket" => Plan::Bucket(self.part::<Bucket>(&own)?.checked()?),
            other => {
                return Err(KnowledgeError::Asked(format!(
                    "the source {:?}: expected a kind of {KINDS}, found {other:?}",
                    self.name
                )));
            }
        })
    }

    /// Tells this definition from another.
    pub(crate) fn print(&self) -> u64 {
        let without = |key: &str| !matches!(key, "every" | "live" | "full");
        xxh3_64(self.part::<Value>(&without).unwrap_or_default().to_string().as_bytes())
    }
}

impl Plan {
    /// Whether what it gives are files that it can give again.
    pub(crate) fn gives_files(&self) -> bool {
        matches!(self, Self::Folder | Self::Listing(_) | Self::Git(_) | Self::Bucket(_))
    }

    /// Whether there is something to sync, or it is only asked live.
    pub(crate) fn is_synced(&self) -> bool {
        match self {
            Self::Sqlite(plan) => plan.query.is_some(),
            Self::Server(plan) => plan.query.is_some(),
            Self::Http(plan) => plan.url.is_some(),
            _ => true,
        }
    }
}

impl Base {
    /// Adds a source, or gives one of that name and kind another definition.
    ///
    /// # Errors
    /// If the definition makes no sense.
    pub fn add_source(&self, definition: &Definition) -> Result<Source> {
        definition.validate()?;
        self.set_source(&definition.name, &definition.kind, &definition.value)
    }
}

/// TOML as JSON; moments become text.
fn json(value: toml::Value) -> Value {
    match value {
        toml::Value::String(text) => Value::String(text),
        toml::Value::Integer(number) => number.into(),
        toml::Value::Float(number) => number.into(),
        toml::Value::Boolean(fact) => fact.into(),
        toml::Value::Datetime(moment) => Value::String(moment.to_string()),
        toml::Value::Array(values) => values.into_iter().map(json).collect(),
        toml::Value::Table(values) => {
            Value::Object(values.into_iter().map(|(key, value)| (key, json(value))).collect())
        }
    }
}
