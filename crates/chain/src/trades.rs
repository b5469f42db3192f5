//! The trades as prompts, worded as the built-in world teaches them.

/// Which way to translate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// From Chinese into English.
    ToEnglish,
    /// From English into Chinese.
    ToChinese,
}

/// Whether a text is Chinese: it has more Han characters than Latin words.
pub(crate) fn is_chinese(text: &str) -> bool {
    let han = text.chars().filter(|c| ('\u{4e00}'..='\u{9fff}').contains(c)).count();
    let latin =
        text.split_whitespace().filter(|word| word.starts_with(|c: char| c.is_ascii_alphabetic())).count();
    han > latin
}

impl Direction {
    /// Into the other language than the text's.
    pub fn of(text: &str) -> Self {
        if is_chinese(text) { Self::ToEnglish } else { Self::ToChinese }
    }
}

/// The prompt that asks for a translation into the other language.
pub fn translate(text: &str, direction: Direction) -> String {
    match direction {
        Direction::ToEnglish => format!("翻译成英文：{text}"),
        Direction::ToChinese => format!("Translate into Chinese: {text}"),
    }
}

/// The prompt that asks for a summary in the text's language.
pub fn summarize(text: &str) -> String {
    if is_chinese(text) { format!("概括一下：\n{text}") } else { format!("Sum up this story:\n{text}") }
}

/// The prompt that asks a question about a text.
pub fn ask(question: &str, context: Option<&str>) -> String {
    match context {
        Some(context) => format!("{}\n{question}", context.trim_end()),
        None => question.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_decides_the_language() {
        assert_eq!(Direction::of("猫在桥下面。"), Direction::ToEnglish);
        assert_eq!(Direction::of("The cat is under the bridge."), Direction::ToChinese);
        assert!(summarize("他去了公园。").starts_with("概括"));
        assert_eq!(ask("Who?", Some("A story.\n")), "A story.\nWho?");
    }

    /// A prompt worded otherwise than in training is answered worse.
    #[test]
    fn the_world_words_its_questions_so() {
        use shuyuan_corpus::world::World;
        let worded = |task: &str, prompt: &dyn Fn(&str) -> String| {
            let items = World::new(1).items(task, 60);
            let texts: Vec<String> =
                items.into_iter().map(|mut item| item.messages.remove(0).content).collect();
            let of = |zh: bool| {
                texts.iter().any(|text| {
                    let (_, body) = text.split_once(['：', ':']).unwrap_or_default();
                    is_chinese(text) == zh && prompt(body.trim_start()) == *text
                })
            };
            assert!(of(true) && of(false), "{task}");
        };
        // What stands before the text is Chinese when the text is: a translation is asked for in its own language.
        worded("translation", &|text| translate(text, Direction::of(text)));
        worded("summary", &summarize);
    }
}
