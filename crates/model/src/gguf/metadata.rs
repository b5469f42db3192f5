//! The settings in a GGUF file: keys and values, in the order of the file.

use super::GgufError;
use std::collections::HashMap;

/// One value, of any type that GGUF has.
#[derive(Clone, Debug, PartialEq)]
#[expect(missing_docs, reason = "the types' names are all there is to say")]
pub enum Value {
    U8(u8),
    I8(i8),
    U16(u16),
    I16(i16),
    U32(u32),
    I32(i32),
    F32(f32),
    Bool(bool),
    String(String),
    Array(Array),
    U64(u64),
    I64(i64),
    F64(f64),
}

/// Values of one type. A vocabulary has some hundred thousand, so they lie side by side.
#[derive(Clone, Debug, PartialEq)]
#[expect(missing_docs, reason = "the types' names are all there is to say")]
pub enum Array {
    U8(Vec<u8>),
    I8(Vec<i8>),
    U16(Vec<u16>),
    I16(Vec<i16>),
    U32(Vec<u32>),
    I32(Vec<i32>),
    F32(Vec<f32>),
    Bool(Vec<bool>),
    String(Vec<String>),
    Array(Vec<Array>),
    U64(Vec<u64>),
    I64(Vec<i64>),
    F64(Vec<f64>),
}

macro_rules! value_from {
    ($($type:ty => $variant:ident),*) => {$(
        impl From<$type> for Value {
            fn from(value: $type) -> Self {
                Self::$variant(value)
            }
        }
        impl From<Vec<$type>> for Value {
            fn from(values: Vec<$type>) -> Self {
                Self::Array(Array::$variant(values))
            }
        }
    )*};
}
value_from!(u8 => U8, i8 => I8, u16 => U16, i16 => I16, u32 => U32, i32 => I32, f32 => F32, bool => Bool,
    String => String, u64 => U64, i64 => I64, f64 => F64, Array => Array);

impl From<&str> for Value {
    fn from(value: &str) -> Self {
        Self::String(value.into())
    }
}

/// Runs an expression for whichever integers a value or array holds.
macro_rules! for_integers {
    ($of:ident, $value:expr, $x:ident => $result:expr) => {
        match $value {
            $of::U8($x) => Some($result),
            $of::I8($x) => Some($result),
            $of::U16($x) => Some($result),
            $of::I16($x) => Some($result),
            $of::U32($x) => Some($result),
            $of::I32($x) => Some($result),
            $of::U64($x) => Some($result),
            $of::I64($x) => Some($result),
            _ => None,
        }
    };
}

impl Value {
    /// What the value is, for an error: type, and the value or its length.
    pub(super) fn describe(&self) -> String {
        let (kind, length) = match self {
            Self::String(x) => return format!("the string {:?}", x.chars().take(60).collect::<String>()),
            Self::Bool(x) => return format!("the bool {x}"),
            Self::F32(x) => return format!("the number {x:?}"),
            Self::F64(x) => return format!("the number {x:?}"),
            Self::Array(array) => match array {
                Array::F32(x) => ("f32", x.len()),
                Array::F64(x) => ("f64", x.len()),
                Array::Bool(x) => ("bool", x.len()),
                Array::String(x) => ("strings", x.len()),
                Array::Array(x) => ("arrays", x.len()),
                integers => ("integers", for_integers!(Array, integers, x => x.len()).unwrap_or(0)),
            },
            integer => {
                let x = for_integers!(Self, integer, x => i128::from(*x)).unwrap_or(0);
                return format!("the integer {x}");
            }
        };
        format!("an array of {length} {kind}")
    }

    fn to_u64(&self) -> Option<u64> {
        for_integers!(Self, self, x => u64::try_from(i128::from(*x)).ok())?
    }

    fn to_f32(&self) -> Option<f32> {
        match self {
            Self::F32(x) => Some(*x),
            Self::F64(x) => Some(*x as f32),
            _ => None,
        }
    }
}

/// Keys with their values, in the order of the file. No key is empty, none appears twice.
///
/// Getters come in pairs: `u64` fails if the key is missing, `opt_u64` gives `None`; both fail if the value is of another
/// type. Integers of any width will do, so long as the value fits.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Metadata {
    entries: Vec<(String, Value)>,
    index: HashMap<String, usize>,
}

macro_rules! getters {
    ($($(#[$doc:meta])* $name:ident $opt:ident $expected:literal -> $type:ty, $read:expr;)*) => {$(
        $(#[$doc])*
        ///
        /// # Errors
        /// If the key is missing or its value of another type.
        pub fn $name(&self, key: &str) -> Result<$type, GgufError> {
            self.$opt(key)?.ok_or_else(|| GgufError::NoKey { key: key.into(), expected: $expected })
        }
        $(#[$doc])*
        /// `None` if the key is missing.
        ///
        /// # Errors
        /// If the value is of another type.
        pub fn $opt(&self, key: &str) -> Result<Option<$type>, GgufError> {
            self.read(key, $expected, $read)
        }
    )*};
}

impl Metadata {
    /// The value of a key, of whatever type.
    pub fn get(&self, key: &str) -> Option<&Value> {
        self.index.get(key).map(|&at| &self.entries[at].1)
    }

    /// All keys and values, in the order of the file.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&str, &Value)> {
        self.entries.iter().map(|(key, value)| (key.as_str(), value))
    }

    /// Adds a key.
    ///
    /// # Errors
    /// If the key is empty, longer than 65,535 bytes or there already.
    pub fn insert(&mut self, key: impl Into<String>, value: impl Into<Value>) -> Result<(), GgufError> {
        let key = key.into();
        let refused = if key.is_empty() {
            "a key must not be empty"
        } else if key.len() > 65_535 {
            "a key must not be longer than 65,535 bytes"
        } else if self.index.contains_key(&key) {
            "the key is there twice"
        } else {
            self.index.insert(key.clone(), self.entries.len());
            self.entries.push((key, value.into()));
            return Ok(());
        };
        let key = key.chars().take(100).collect();
        Err(GgufError::Key { key, what: refused.into() })
    }

    getters! {
        /// An integer from 0 on.
        u64 opt_u64 "an integer from 0 on" -> u64, Value::to_u64;
        /// A number.
        f32 opt_f32 "a number" -> f32, Value::to_f32;
        /// A bool.
        bool opt_bool "a bool" -> bool, |value| match value { Value::Bool(x) => Some(*x), _ => None };
        /// A string.
        str opt_str "a string" -> &str, |value| match value { Value::String(x) => Some(x.as_str()), _ => None };
        /// An array of strings.
        strs opt_strs "an array of strings" -> &[String],
            |value| match value { Value::Array(Array::String(x)) => Some(x.as_slice()), _ => None };
        /// An array of integers.
        i64s opt_i64s "an array of integers" -> Vec<i64>, |value| {
            let Value::Array(array) = value else { return None };
            for_integers!(Array, array, x => x.iter().map(|&x| i64::try_from(i128::from(x)).ok()).collect::<Option<Vec<_>>>())?
        };
        /// An array of numbers.
        f32s opt_f32s "an array of numbers" -> Vec<f32>, |value| match value {
            Value::Array(Array::F32(x)) => Some(x.clone()),
            Value::Array(Array::F64(x)) => Some(x.iter().map(|&x| x as f32).collect()),
            _ => None,
        };
        /// An array of bools.
        bools opt_bools "an array of bools" -> &[bool],
            |value| match value { Value::Array(Array::Bool(x)) => Some(x.as_slice()), _ => None };
    }

    fn read<'a, T>(
        &'a self,
        key: &str,
        expected: &'static str,
        read: impl Fn(&'a Value) -> Option<T>,
    ) -> Result<Option<T>, GgufError> {
        let Some(value) = self.get(key) else { return Ok(None) };
        match read(value) {
            Some(value) => Ok(Some(value)),
            None => Err(GgufError::WrongType { key: key.into(), expected, found: value.describe() }),
        }
    }
}
