//! SQL with `:name`s in it: one statement, its values bound by the database, never written into the text.

use crate::{KnowledgeError, Result};

/// Whose SQL it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Dialect {
    Sqlite,
    Postgres,
    Mysql,
}

/// A statement whose parameters are numbered.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Statement {
    /// With `?1`, `$1` or `?` where the names were.
    pub sql: String,
    /// The name for each place, in order: SQLite's and PostgreSQL's each once, MySQL's as often as used.
    pub names: Vec<String>,
}

impl Statement {
    /// Reads `sql`; `cast` says what PostgreSQL is to take a parameter for.
    ///
    /// # Errors
    /// If it is empty or more than one statement.
    pub(crate) fn new(sql: &str, dialect: Dialect, cast: &dyn Fn(&str) -> &'static str) -> Result<Self> {
        let mut out = String::new();
        let mut names: Vec<String> = Vec::new();
        let mut ended = false;
        let mut rest = sql;
        while let Some(c) = rest.chars().next() {
            let length = skipped(rest, dialect).unwrap_or(0);
            let comment = rest.starts_with("--") || rest.starts_with("/*") || (length > 0 && c == '#');
            if length > 0 {
                if ended && !comment {
                    return Err(several());
                }
                // Within brackets, a comment to the line's end would swallow what comes after.
                out += if comment { " " } else { &rest[..length] };
                rest = &rest[length..];
                continue;
            }
            if ended && !c.is_whitespace() && c != ';' {
                return Err(several());
            }
            if c == ';' {
                ended = true;
                rest = &rest[1..];
                continue;
            }
            // PostgreSQL's cast, `a::text`.
            if rest.starts_with("::") {
                out += "::";
                rest = &rest[2..];
                continue;
            }
            let name = name(&rest[c.len_utf8()..]);
            if c == ':' && !name.is_empty() {
                let at = names.iter().position(|known| known == name).filter(|_| dialect != Dialect::Mysql);
                let at = at.unwrap_or_else(|| {
                    names.push(name.into());
                    names.len() - 1
                });
                match dialect {
                    Dialect::Sqlite => out += &format!("?{}", at + 1),
                    Dialect::Postgres => out += &format!("(${}::{})", at + 1, cast(name)),
                    Dialect::Mysql => out.push('?'),
                }
                rest = &rest[1 + name.len()..];
                continue;
            }
            out.push(c);
            rest = &rest[c.len_utf8()..];
        }
        if out.trim().is_empty() {
            return Err(KnowledgeError::Asked("the SQL is empty".into()));
        }
        Ok(Self { sql: out.trim().to_string(), names })
    }
}

fn several() -> KnowledgeError {
    KnowledgeError::Asked(
        "expected one SQL statement, found several; leave out what comes after the `;`".into(),
    )
}

/// A parameter's name at the beginning of `text`.
fn name(text: &str) -> &str {
    let end = text.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(text.len());
    if text.starts_with(|c: char| c.is_ascii_digit()) { "" } else { &text[..end] }
}

/// How long a string, a quoted name or a comment at the beginning of `text` is.
fn skipped(text: &str, dialect: Dialect) -> Option<usize> {
    let until =
        |begin: usize, end: &str| text[begin..].find(end).map_or(text.len(), |at| begin + at + end.len());
    let first = text.chars().next()?;
    match first {
        _ if text.starts_with("--") => Some(until(2, "\n")),
        _ if text.starts_with("/*") => Some(until(2, "*/")),
        '#' if dialect == Dialect::Mysql => Some(until(1, "\n")),
        '[' if dialect == Dialect::Sqlite => Some(until(1, "]")),
        '$' if dialect == Dialect::Postgres => {
            let tag = name(&text[1..]);
            let mark = format!("${tag}$");
            text.starts_with(&mark).then(|| until(mark.len(), &mark))
        }
        '\'' | '"' | '`' => {
            // A doubled quote ends one string and begins the next: for us the same.
            let mut chars = text.char_indices().skip(1);
            while let Some((at, c)) = chars.next() {
                if c == '\\' && dialect == Dialect::Mysql && first != '`' {
                    chars.next();
                } else if c == first {
                    return Some(at + 1);
                }
            }
            Some(text.len())
        }
        _ => None,
    }
}

/// A column's name in quotes.
pub(crate) fn quoted(name: &str, dialect: Dialect) -> String {
    let quote = if dialect == Dialect::Mysql { "`" } else { "\"" };
    format!("{quote}{}{quote}", name.replace(quote, &quote.repeat(2)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(sql: &str, dialect: Dialect) -> Result<(String, Vec<String>)> {
        Statement::new(sql, dialect, &|_| "text").map(|statement| (statement.sql, statement.names))
    }

    #[test]
    fn names_become_places() {
        let sql =
            "SELECT ':a', \":b\", x::int -- :c\n FROM t WHERE a = :a AND b = :b OR a = :a /* ; */ ; -- end";
        let (out, names) = read(sql, Dialect::Postgres).unwrap();
        assert!(out.ends_with("WHERE a = ($1::text) AND b = ($2::text) OR a = ($1::text)"), "{out}");
        assert!(out.starts_with("SELECT ':a', \":b\", x::int"));
        assert_eq!(names, ["a", "b"]);
        assert_eq!(read("SELECT :a, :b, :a", Dialect::Mysql).unwrap().0, "SELECT ?, ?, ?");
        assert_eq!(read("SELECT :a, :b, :a", Dialect::Mysql).unwrap().1, ["a", "b", "a"]);
        assert_eq!(read("SELECT '\\':a', :b # :c", Dialect::Mysql).unwrap().1, ["b"]);
        assert_eq!(read("SELECT [:a], '12:30', :学", Dialect::Sqlite).unwrap().1.len(), 0);
        assert_eq!(read("SELECT $x$ :a ; $x$, :b", Dialect::Postgres).unwrap().1, ["b"]);
    }

    #[test]
    fn one_statement_only() {
        for wrong in ["", " ; ", "SELECT 1; DROP TABLE t", "SELECT 1;;SELECT 2", "SELECT 1; 'x'"] {
            assert!(read(wrong, Dialect::Sqlite).is_err(), "{wrong}");
        }
        assert_eq!(read("SELECT ';' ;\n", Dialect::Sqlite).unwrap().0, "SELECT ';'");
        assert_eq!(quoted("a\"b", Dialect::Sqlite), "\"a\"\"b\"");
    }
}
