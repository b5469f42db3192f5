//! The file: its one table, and how it is opened.

use super::error::{ConversationError, Result};
use rusqlite::{Connection, ErrorCode, OpenFlags, Transaction, TransactionBehavior};
use std::path::Path;
use std::time::Duration;

/// Of the file's layout.
const VERSION: i64 = 1;
/// "SYCV", in the file's header.
const APPLICATION: i64 = 0x5359_4356;

/// Times are milliseconds since 1970; `content` is JSON; `named`: the title was given by a person.
const TABLES: &str = "
CREATE TABLE conversations (
    id INTEGER PRIMARY KEY AUTOINCREMENT, owner TEXT NOT NULL, title TEXT NOT NULL, named INTEGER NOT NULL,
    version INTEGER NOT NULL, created INTEGER NOT NULL, changed INTEGER NOT NULL, bytes INTEGER NOT NULL,
    content TEXT NOT NULL
);
CREATE INDEX conversations_newest ON conversations (owner, changed, bytes);
";

/// Opens the file at `path`, which is made if it is missing. Another file is refused untouched.
pub(super) fn open(path: &Path) -> Result<Connection> {
    make_private(path)?;
    is_ours(path, &plain(path)?)?;
    let mut connection = connect(path)?;
    // An empty file gets its table in one transaction, so that two programs may start at once.
    let transaction = Transaction::new(&mut connection, TransactionBehavior::Immediate)?;
    if !is_ours(path, &transaction)? {
        transaction.execute_batch(TABLES)?;
        transaction.pragma_update(None, "application_id", APPLICATION)?;
        transaction.pragma_update(None, "user_version", VERSION)?;
    }
    transaction.commit()?;
    Ok(connection)
}

/// Whether the tables are there; false if nothing is.
fn is_ours(path: &Path, connection: &Connection) -> Result<bool> {
    let refused = |reason: String| Err(ConversationError::NotOurs { path: path.into(), reason });
    let pragma = |name| connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
    let tables =
        || connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get::<_, i64>(0));
    let found = pragma("application_id").and_then(|id| Ok((id, pragma("user_version")?, tables()?)));
    match found {
        Ok((APPLICATION, VERSION, _)) => Ok(true),
        Ok((0, 0, 0)) => Ok(false),
        Ok((APPLICATION, other, _)) => refused(format!(
            "conversations of version {other}; this program reads version {VERSION}: use the program that wrote them, \
             or move the file away"
        )),
        Ok(_) => refused("expected kept conversations, found another SQLite file: move it away".into()),
        Err(error) if error.sqlite_error_code() == Some(ErrorCode::NotADatabase) => {
            refused("expected kept conversations, found another file: move it away".into())
        }
        Err(error) => Err(error.into()),
    }
}

/// Another connection to a file that was opened.
pub(super) fn connect(path: &Path) -> Result<Connection> {
    let connection = plain(path)?;
    // Full: nobody could say again what a power cut took. What is deleted is overwritten.
    let set = "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA secure_delete = ON;
               PRAGMA cell_size_check = ON; PRAGMA trusted_schema = OFF;";
    connection.execute_batch(set)?;
    Ok(connection)
}

fn plain(path: &Path) -> Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(Duration::from_secs(10))?;
    Ok(connection)
}

/// Makes the file, if it is missing, for its owner's eyes; SQLite gives those beside it the same rights.
fn make_private(path: &Path) -> Result<()> {
    let mut options = std::fs::OpenOptions::new();
    options.append(true).create(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    match options.open(path) {
        Ok(_) => Ok(()),
        Err(source) => Err(ConversationError::Io { path: path.into(), source }),
    }
}
