//! The conversations of the web app, in one SQLite file. Each belongs to an owner, who is any text; nobody reads
//! another's.
//!
//! A conversation is written whole. Whoever saves says which version it has changed, so that of two who changed the
//! same one the second is told, and nothing is overwritten unseen.

mod content;
mod error;
mod file;

pub use content::{Conversation, ConversationInfo, Said, Settings};
pub use error::ConversationError;

use crate::Academy;
use error::Result;
use rusqlite::{Connection, OptionalExtension, Row, Transaction, TransactionBehavior};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

/// Conversations of one owner.
const MOST: i64 = 5_000;
/// Bytes of one conversation.
const MOST_BYTES: usize = 2 << 20;
/// Bytes of all conversations of one owner.
const MOST_BYTES_IN_ALL: i64 = 1 << 30;

/// What every list shows; in this order `info_of` reads it.
const INFO: &str = "id, title, version, created, changed";

/// The conversations of a home folder.
pub struct Conversations {
    path: PathBuf,
    connection: Mutex<Connection>,
}

impl Academy {
    /// The conversations of this home; their file is made if it is missing.
    ///
    /// # Errors
    /// If what is there is not ours, or of a newer version.
    pub fn conversations(&self) -> Result<Arc<Conversations>> {
        let mut held = self.conversations.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(conversations) = &*held {
            return Ok(conversations.clone());
        }
        let conversations = Arc::new(Conversations::open(&self.home.conversations())?);
        *held = Some(conversations.clone());
        Ok(conversations)
    }
}

impl Conversations {
    /// Opens the file at `path`, which is made if it is missing.
    ///
    /// # Errors
    /// If it is another file, or one of a newer version.
    pub fn open(path: &Path) -> Result<Self> {
        Ok(Self { path: path.into(), connection: Mutex::new(file::open(path)?) })
    }

    /// How many there are, and `limit` of them behind the first `skip`, newest first. With `text`, only those where it
    /// was said or thought, or stands in the title, in whatever case.
    ///
    /// # Errors
    /// If the file cannot be read.
    pub fn list(
        &self,
        owner: &str,
        text: &str,
        skip: usize,
        limit: usize,
    ) -> Result<(usize, Vec<ConversationInfo>)> {
        let order = "FROM conversations WHERE owner = ?1 ORDER BY changed DESC, id DESC";
        let text = text.trim().to_lowercase();
        if text.is_empty() {
            let connection = self.lock();
            let count = "SELECT count(*) FROM conversations WHERE owner = ?1";
            let total: i64 = connection.prepare_cached(count)?.query_row([owner], |row| row.get(0))?;
            let mut page = connection.prepare_cached(&format!("SELECT {INFO} {order} LIMIT ?2 OFFSET ?3"))?;
            let found = page.query_map((owner, limit as i64, skip as i64), info_of)?;
            return Ok((total as usize, found.collect::<rusqlite::Result<_>>()?));
        }
        // All are read: on a connection of its own, so that nobody waits meanwhile.
        let connection = file::connect(&self.path)?;
        let mut all = connection.prepare(&format!("SELECT {INFO}, content {order}"))?;
        let mut rows = all.query([owner])?;
        let (mut total, mut found) = (0, Vec::new());
        while let Some(row) = rows.next()? {
            let info = info_of(row)?;
            if info.title.to_lowercase().contains(&text) || self.content_of(row)?.says(&text) {
                if (skip..skip.saturating_add(limit)).contains(&total) {
                    found.push(info);
                }
                total += 1;
            }
        }
        Ok((total, found))
    }

    /// One of them, whole.
    ///
    /// # Errors
    /// If this owner has none of that number.
    pub fn read(&self, owner: &str, id: i64) -> Result<(ConversationInfo, Conversation)> {
        let connection = self.lock();
        let one = format!("SELECT {INFO}, content FROM conversations WHERE owner = ?1 AND id = ?2");
        let mut one = connection.prepare_cached(&one)?;
        let mut rows = one.query((owner, id))?;
        let row = rows.next()?.ok_or(ConversationError::Missing { id })?;
        Ok((info_of(row)?, self.content_of(row)?))
    }

    /// Keeps a new one. Its title is its first question until it is renamed.
    ///
    /// # Errors
    /// If it is too large, or the owner has too many.
    pub fn begin(&self, owner: &str, conversation: &Conversation) -> Result<ConversationInfo> {
        let content = content(conversation)?;
        let mut connection = self.lock();
        let transaction = Transaction::new(&mut connection, TransactionBehavior::Immediate)?;
        room(&transaction, owner, 1, content.len())?;
        let insert =
            "INSERT INTO conversations (owner, title, named, version, created, changed, bytes, content)
                      VALUES (?1, ?2, FALSE, 1, ?3, ?3, ?4, ?5)";
        let title = conversation.title();
        transaction.execute(insert, (owner, &title, now(), content.len() as i64, content))?;
        let info = info(&transaction, owner, transaction.last_insert_rowid())?;
        transaction.commit()?;
        Ok(info)
    }

    /// Puts a conversation in the place of its `version`.
    ///
    /// # Errors
    /// [`ConversationError::Changed`] if it is of another version by now, unless what is there is the same: then the
    /// saver had not heard that it was saved. Else as [`Conversations::begin`] and [`Conversations::read`].
    pub fn save(
        &self,
        owner: &str,
        id: i64,
        version: i64,
        conversation: &Conversation,
    ) -> Result<ConversationInfo> {
        let content = content(conversation)?;
        let mut connection = self.lock();
        let transaction = Transaction::new(&mut connection, TransactionBehavior::Immediate)?;
        let there = info(&transaction, owner, id)?;
        let (named, before): (bool, String) = transaction
            .prepare_cached("SELECT named, content FROM conversations WHERE id = ?1")?
            .query_row([id], |row| Ok((row.get(0)?, row.get(1)?)))?;
        if before == content {
            return Ok(there);
        }
        if there.version != version {
            return Err(ConversationError::Changed { id, expected: version, found: there.version });
        }
        // One that shrinks is always kept, however full it is.
        room(&transaction, owner, 0, content.len().saturating_sub(before.len()))?;
        let title = if named { there.title } else { conversation.title() };
        let update = "UPDATE conversations SET title = ?2, version = version + 1, changed = ?3, bytes = ?4, content = ?5
                      WHERE id = ?1";
        transaction.execute(update, (id, title, now(), content.len() as i64, content))?;
        let info = info(&transaction, owner, id)?;
        transaction.commit()?;
        Ok(info)
    }

    /// Gives it a title that stays. An empty one: from now on its first question again.
    ///
    /// # Errors
    /// As [`Conversations::read`].
    pub fn rename(&self, owner: &str, id: i64, title: &str) -> Result<ConversationInfo> {
        let title = content::first_line(title);
        let derived = match title.is_empty() {
            true => self.read(owner, id)?.1.title(),
            false => title.clone(),
        };
        let connection = self.lock();
        let update = "UPDATE conversations SET title = ?3, named = ?4 WHERE owner = ?1 AND id = ?2";
        connection.execute(update, (owner, id, derived, !title.is_empty()))?;
        info(&connection, owner, id)
    }

    /// Deletes one for good.
    ///
    /// # Errors
    /// As [`Conversations::read`].
    pub fn delete(&self, owner: &str, id: i64) -> Result<()> {
        let gone =
            self.lock().execute("DELETE FROM conversations WHERE owner = ?1 AND id = ?2", (owner, id))?;
        if gone == 0 { Err(ConversationError::Missing { id }) } else { Ok(()) }
    }

    fn lock(&self) -> MutexGuard<'_, Connection> {
        self.connection.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn content_of(&self, row: &Row) -> Result<Conversation> {
        let (id, content) = (row.get("id")?, row.get::<_, String>("content")?);
        serde_json::from_str(&content).map_err(|error| ConversationError::Damaged {
            path: self.path.clone(),
            id,
            why: error.to_string(),
        })
    }
}

fn info_of(row: &Row) -> rusqlite::Result<ConversationInfo> {
    let seconds = |at| Ok::<_, rusqlite::Error>(row.get::<_, i64>(at)? as f64 / 1000.0);
    Ok(ConversationInfo {
        id: row.get(0)?,
        title: row.get(1)?,
        version: row.get(2)?,
        created: seconds(3)?,
        changed: seconds(4)?,
    })
}

fn info(connection: &Connection, owner: &str, id: i64) -> Result<ConversationInfo> {
    let one = format!("SELECT {INFO} FROM conversations WHERE owner = ?1 AND id = ?2");
    let found = connection.prepare_cached(&one)?.query_row((owner, id), info_of).optional()?;
    found.ok_or(ConversationError::Missing { id })
}

fn content(conversation: &Conversation) -> Result<String> {
    let content = serde_json::to_string(conversation).map_err(ConversationError::Unwritable)?;
    match content.len() {
        bytes if bytes > MOST_BYTES => Err(ConversationError::TooLarge { bytes, most: MOST_BYTES }),
        _ => Ok(content),
    }
}

/// Whether this owner may keep so much more.
fn room(connection: &Connection, owner: &str, more: i64, bytes: usize) -> Result<()> {
    let sum = "SELECT count(*), coalesce(sum(bytes), 0) FROM conversations WHERE owner = ?1";
    let (count, sum): (i64, i64) =
        connection.prepare_cached(sum)?.query_row([owner], |row| Ok((row.get(0)?, row.get(1)?)))?;
    if count + more > MOST {
        return Err(ConversationError::TooMany { most: MOST });
    }
    if bytes > 0 && sum + bytes as i64 > MOST_BYTES_IN_ALL {
        return Err(ConversationError::Full { bytes: sum, most: MOST_BYTES_IN_ALL });
    }
    Ok(())
}

/// Milliseconds since 1970.
fn now() -> i64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_millis() as i64
}
