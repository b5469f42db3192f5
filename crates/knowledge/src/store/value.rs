//! What goes into a statement, and what comes out.

use crate::{KnowledgeError, Result};

/// A value in a row.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Value<'v> {
    Null,
    Int(i64),
    Real(f64),
    Text(&'v str),
    Bytes(&'v [u8]),
    /// A vector, of which only PostgreSQL knows.
    #[cfg(feature = "postgres")]
    Vector(&'v [f32]),
}

impl From<i64> for Value<'_> {
    fn from(value: i64) -> Self {
        Self::Int(value)
    }
}

impl From<u32> for Value<'_> {
    fn from(value: u32) -> Self {
        Self::Int(value.into())
    }
}

impl From<usize> for Value<'_> {
    fn from(value: usize) -> Self {
        Self::Int(value as i64)
    }
}

impl From<f64> for Value<'_> {
    fn from(value: f64) -> Self {
        Self::Real(value)
    }
}

impl<'v> From<&'v str> for Value<'v> {
    fn from(value: &'v str) -> Self {
        Self::Text(value)
    }
}

impl<'v> From<&'v String> for Value<'v> {
    fn from(value: &'v String) -> Self {
        Self::Text(value)
    }
}

impl<'v> From<&'v [u8]> for Value<'v> {
    fn from(value: &'v [u8]) -> Self {
        Self::Bytes(value)
    }
}

impl<'v> From<&'v Vec<u8>> for Value<'v> {
    fn from(value: &'v Vec<u8>) -> Self {
        Self::Bytes(value)
    }
}

impl<'v, T: Into<Value<'v>>> From<Option<T>> for Value<'v> {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}

/// A row of an answer.
pub(crate) enum Row<'r> {
    Sqlite(&'r rusqlite::Row<'r>),
    #[cfg(feature = "postgres")]
    Postgres(&'r sqlx::postgres::PgRow),
}

impl Row<'_> {
    /// The value in a column, as it lies there.
    pub fn value(&self, at: usize) -> Result<Value<'_>> {
        match self {
            Self::Sqlite(row) => super::sqlite::value(row, at),
            #[cfg(feature = "postgres")]
            Self::Postgres(row) => super::postgres::value(row, at),
        }
    }

    /// The value in a column.
    pub fn get<'a, T: Column<'a>>(&'a self, at: usize) -> Result<T> {
        let value = self.value(at)?;
        T::of(value).ok_or_else(|| {
            let found = match value {
                Value::Null => "nothing",
                Value::Int(_) => "a whole number out of range",
                Value::Real(_) => "a number",
                Value::Text(_) => "text",
                _ => "bytes",
            };
            KnowledgeError::Damaged(format!("column {at} of an answer holds {found}"))
        })
    }
}

/// What a column can be read as.
pub(crate) trait Column<'a>: Sized {
    /// `None` if the value is of another kind.
    fn of(value: Value<'a>) -> Option<Self>;
}

macro_rules! whole {
    ($($type:ty),*) => {$(
        impl Column<'_> for $type {
            fn of(value: Value) -> Option<Self> {
                match value {
                    Value::Int(number) => number.try_into().ok(),
                    _ => None,
                }
            }
        }
    )*};
}
whole!(i64, u32, u64, usize);

impl Column<'_> for f64 {
    fn of(value: Value) -> Option<Self> {
        match value {
            Value::Real(number) => Some(number),
            Value::Int(number) => Some(number as f64),
            _ => None,
        }
    }
}

impl<'a> Column<'a> for &'a str {
    fn of(value: Value<'a>) -> Option<Self> {
        match value {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }
}

impl<'a> Column<'a> for String {
    fn of(value: Value<'a>) -> Option<Self> {
        <&str>::of(value).map(Into::into)
    }
}

impl<'a> Column<'a> for &'a [u8] {
    fn of(value: Value<'a>) -> Option<Self> {
        match value {
            Value::Bytes(bytes) => Some(bytes),
            _ => None,
        }
    }
}

impl<'a, T: Column<'a>> Column<'a> for Option<T> {
    fn of(value: Value<'a>) -> Option<Self> {
        match value {
            Value::Null => Some(None),
            value => T::of(value).map(Some),
        }
    }
}
