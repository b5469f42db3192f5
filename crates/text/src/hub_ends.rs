//! The post-processor of `tokenizer.json`: which tokens a text begins and ends with.

use serde_json::Value;

use crate::TokenId;
use crate::hub_load::{Refusal, corrupt, kind_of, unsupported};

type Ends = (Vec<TokenId>, Vec<TokenId>);

/// The ids before and after a single text.
pub(crate) fn read(step: &Value) -> Result<Ends, Refusal> {
    match kind_of(step) {
        None | Some("ByteLevel") => Ok(Ends::default()),
        Some("TemplateProcessing") => template(step),
        Some("BertProcessing" | "RobertaProcessing") => {
            let id = |field: &str| match step[field][1].as_u64().and_then(|id| u32::try_from(id).ok()) {
                Some(id) => Ok(vec![id]),
                None => corrupt(format!("the post-processor's {field} is {}, not [text, id]", step[field])),
            };
            Ok((id("cls")?, id("sep")?))
        }
        Some("Sequence") => {
            let mut ends = Ends::default();
            for step in step["processors"].as_array().into_iter().flatten() {
                // Each puts its own around what the ones before have made.
                let (mut prefix, suffix) = read(step)?;
                prefix.append(&mut ends.0);
                ends.0 = prefix;
                ends.1.extend(suffix);
            }
            Ok(ends)
        }
        Some(other) => unsupported(format!("post-processor {other}")),
    }
}

fn template(step: &Value) -> Result<Ends, Refusal> {
    let (mut before, mut after, mut seen) = (Vec::new(), Vec::new(), false);
    for piece in step["single"].as_array().into_iter().flatten() {
        if !piece["Sequence"].is_null() {
            if std::mem::replace(&mut seen, true) {
                return unsupported("a post-processor that repeats the text");
            }
            continue;
        }
        let Some(name) = piece["SpecialToken"]["id"].as_str() else {
            return corrupt(format!(
                "a piece of the post-processor is {piece}, neither text nor special token"
            ));
        };
        let ids = step["special_tokens"][name]["ids"].as_array();
        for id in ids.map_or(&[][..], Vec::as_slice) {
            let Some(id) = id.as_u64().and_then(|id| u32::try_from(id).ok()) else {
                return corrupt(format!("the post-processor's {name} has id {id}, not a token's"));
            };
            if seen { &mut after } else { &mut before }.push(id);
        }
        if ids.is_none() {
            return corrupt(format!("the post-processor adds {name}, but does not say which ids that is"));
        }
    }
    Ok((before, after))
}
