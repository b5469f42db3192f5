//! Words that say nothing about what a text is about.

/// Articles, prepositions, pronouns that stand in every text.
pub(super) fn is_english(word: &str) -> bool {
    matches!(
        word,
        "a" | "an"
            | "and"
            | "are"
            | "as"
            | "at"
            | "be"
            | "but"
            | "by"
            | "for"
            | "if"
            | "in"
            | "into"
            | "is"
            | "it"
            | "no"
            | "not"
            | "of"
            | "on"
            | "or"
            | "such"
            | "that"
            | "the"
            | "their"
            | "then"
            | "there"
            | "these"
            | "they"
            | "this"
            | "to"
            | "was"
            | "will"
            | "with"
    )
}

/// Particles, and words that hold a sentence together.
pub(super) fn is_chinese(word: &str) -> bool {
    matches!(
        word,
        "的" | "了"
            | "和"
            | "是"
            | "在"
            | "与"
            | "及"
            | "或"
            | "也"
            | "就"
            | "都"
            | "而"
            | "着"
            | "吗"
            | "呢"
            | "吧"
            | "啊"
            | "之"
            | "于"
            | "以"
            | "为"
            | "把"
            | "被"
            | "对"
            | "从"
            | "其"
            | "等"
    )
}
