//! Times as definitions write them (`15m`), dates as sources write them, and which source is due.

use super::definition::Definition;
use crate::base::Source;
use crate::{KnowledgeError, Result};
use serde_json::Value;
use std::time::Duration;

/// `90s`, `15m`, `2h`, `1d`.
pub(crate) fn duration(text: &str) -> Result<Duration> {
    let wrong = || KnowledgeError::Asked(format!("expected a time like 30s, 15m, 2h or 1d, found {text:?}"));
    let text = text.trim();
    let unit = text.chars().last().ok_or_else(wrong)?;
    let seconds = match unit {
        's' => 1,
        'm' => 60,
        'h' => 3600,
        'd' => 86_400,
        _ => return Err(wrong()),
    };
    let number: u64 = text[..text.len() - 1].trim().parse().map_err(|_| wrong())?;
    number.checked_mul(seconds).map(Duration::from_secs).ok_or_else(wrong)
}

/// Whether a source with a schedule (`every`) is to be synced at `now`, in seconds since 1970.
///
/// One that failed is tried again after the same time, not at once.
pub fn due(source: &Source, now: u64) -> bool {
    let every = Definition::of(source).common().ok().and_then(|common| duration(&common.every?).ok());
    every.is_some_and(|every| {
        source.state.tried.is_none_or(|tried| now >= tried.saturating_add(every.as_secs()))
    })
}

/// The day that a value tells, as `YYYY-MM-DD`: ISO 8601, `2024/1/2`, `2024年1月2日`, RFC 2822, seconds or milliseconds
/// since 1970.
pub(crate) fn day(value: &Value) -> Option<String> {
    match value {
        Value::Number(number) => {
            let number = number.as_f64().filter(|number| *number >= 0.0 && *number < 1e14)? as u64;
            // Seconds reach it in the year 5138, milliseconds in 1973.
            let seconds = if number >= 100_000_000_000 { number / 1000 } else { number };
            Some(shuyuan_text::strftime(seconds, "%F"))
        }
        Value::String(text) => written(text.trim()),
        _ => None,
    }
}

fn written(text: &str) -> Option<String> {
    let fine = |year: u32, month: u32, day: u32| {
        let fine = (1..=9999).contains(&year) && (1..=12).contains(&month) && (1..=31).contains(&day);
        fine.then(|| format!("{year:04}-{month:02}-{day:02}"))
    };
    let numbers: Vec<&str> = text.split(|c: char| !c.is_ascii_digit()).collect();
    if let [year, month, day, ..] = numbers[..]
        && year.len() == 4
    {
        return fine(year.parse().ok()?, month.parse().ok()?, day.get(..2).unwrap_or(day).parse().ok()?);
    }
    if text.len() == 8 && numbers.len() == 1 {
        return fine(text[..4].parse().ok()?, text[4..6].parse().ok()?, text[6..].parse().ok()?);
    }
    // RFC 2822: `Tue, 10 Jun 2003 04:00:00 GMT`.
    const MONTHS: [&str; 12] =
        ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
    let words: Vec<&str> = text.split([' ', ',']).filter(|word| !word.is_empty()).collect();
    words.windows(3).find_map(|three| {
        let name = three[1].get(..3)?.to_lowercase();
        let month = MONTHS.iter().position(|month| *month == name)? as u32 + 1;
        fine(three[2].parse().ok()?, month, three[0].parse().ok()?)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::SourceState;
    use serde_json::json;

    #[test]
    fn days_are_told_in_many_ways() {
        for value in [
            json!("2024-03-09"),
            json!("2024-03-09T10:11:12Z"),
            json!("2024-03-09 23:59:59.123+08"),
            json!("2024/3/9"),
            json!("2024年3月9日"),
            json!("20240309"),
            json!("Sat, 09 Mar 2024 10:11:12 +0800"),
            json!("9 March 2024"),
            json!(1_709_942_400),
            json!(1_709_942_400_000_u64),
        ] {
            assert_eq!(day(&value).as_deref(), Some("2024-03-09"), "{value}");
        }
        for value in [json!("soon"), json!(null), json!(""), json!("2024-13-01"), json!(-1), json!("学期")]
        {
            assert_eq!(day(&value), None, "{value}");
        }
    }

    #[test]
    fn sources_are_due_by_their_schedule() {
        assert_eq!(duration("15m").unwrap().as_secs(), 900);
        for wrong in ["", "m", "15", "-1s", "1学", "99999999999999999999d"] {
            assert!(duration(wrong).is_err(), "{wrong}");
        }
        let source = |every: Option<&str>, tried| Source {
            id: 1,
            name: "x".into(),
            kind: "rss".into(),
            definition: every.map_or_else(|| json!({}), |every| json!({ "every": every })),
            state: SourceState { tried, ..SourceState::default() },
            items: 0,
            documents: 0,
            failures: 0,
        };
        assert!(!due(&source(None, None), 1000));
        assert!(due(&source(Some("15m"), None), 1000));
        assert!(!due(&source(Some("15m"), Some(200)), 1000));
        assert!(due(&source(Some("15m"), Some(100)), 1000));
    }
}
