//! Rows of a parquet file: its column `text`, else `messages`, and no other column is read.

use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::record::reader::RowIter;
use parquet::record::{Field, Row};
use parquet::schema::types::Type;

/// An open file.
pub(super) struct Rows {
    rows: RowIter<'static>,
    pub chat: bool,
}

impl Rows {
    /// The error is a reason for the report.
    pub fn open(path: &Path) -> Result<Self, String> {
        let file = File::open(path).map_err(|e| e.to_string())?;
        let reader = SerializedFileReader::new(file).map_err(|e| e.to_string())?;
        let schema = reader.metadata().file_metadata().schema();
        let column = |name: &str| schema.get_fields().iter().find(|f| f.name() == name).cloned();
        let (field, chat) = match (column("text"), column("messages")) {
            (Some(text), _) => (text, false),
            (None, Some(messages)) => (messages, true),
            _ => {
                let names: Vec<&str> = schema.get_fields().iter().map(|f| f.name()).collect();
                return Err(format!("expected a column text or messages, found {}", names.join(", ")));
            }
        };
        let projection = Type::group_type_builder(schema.name())
            .with_fields(vec![Arc::clone(&field)])
            .build()
            .map_err(|e| e.to_string())?;
        let rows = RowIter::from_file_into(Box::new(reader))
            .with_batch_size(256)
            .project(Some(projection))
            .map_err(|e| e.to_string())?;
        Ok(Self { rows, chat })
    }

    /// Appends the next row: text as it is, messages as a line of JSON. `None` at the end; an error inside is of this
    /// row, one outside of the file.
    pub fn next(&mut self, out: &mut Vec<u8>) -> Option<Result<Result<(), &'static str>, String>> {
        Some(match self.rows.next()? {
            Ok(row) => Ok(if self.chat { messages(row, out) } else { text(row, out) }),
            Err(e) => Err(e.to_string()),
        })
    }
}

fn text(row: Row, out: &mut Vec<u8>) -> Result<(), &'static str> {
    match row.into_columns().into_iter().next() {
        Some((_, Field::Str(s))) => out.extend_from_slice(s.as_bytes()),
        Some((_, Field::Bytes(b))) => out.extend_from_slice(b.data()),
        _ => return Err("neither text nor messages"),
    }
    Ok(())
}

fn messages(row: Row, out: &mut Vec<u8>) -> Result<(), &'static str> {
    let bad = "neither text nor messages";
    let Some((_, Field::ListInternal(list))) = row.into_columns().into_iter().next() else { return Err(bad) };
    let mut messages = Vec::new();
    for element in list.elements() {
        let Field::Group(message) = element else { return Err(bad) };
        let mut object = serde_json::Map::new();
        for (name, field) in message.get_column_iter() {
            if let (true, Field::Str(s)) = (name == "role" || name == "content", field) {
                object.insert(name.clone(), s.clone().into());
            }
        }
        messages.push(serde_json::Value::Object(object));
    }
    serde_json::to_writer(out, &serde_json::json!({ "messages": messages })).map_err(|_| bad)
}
