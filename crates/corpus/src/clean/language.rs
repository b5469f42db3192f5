//! Language by script.

use serde::{Deserialize, Serialize};

use super::Words;

/// What a document is mostly written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Language {
    /// Han characters.
    Zh,
    /// Latin letters.
    En,
    Other,
}

/// A Han character says about as much as three Latin letters; so a Chinese text with English terms is Chinese. Kana make
/// a text Japanese, which is `Other`.
pub(crate) fn language(words: &Words) -> Language {
    let Words { han, kana, latin, alphanumeric, .. } = *words;
    if kana * 10 > han && kana * 10 > alphanumeric {
        Language::Other
    } else if han > 0 && han * 3 >= latin && han * 6 >= alphanumeric {
        Language::Zh
    } else if latin * 2 > alphanumeric {
        Language::En
    } else {
        Language::Other
    }
}

#[cfg(test)]
mod tests {
    use super::super::words;
    use super::*;

    #[test]
    fn by_script() {
        for (text, expected) in [
            ("我今天吃了狮子头和蔬菜", Language::Zh),
            ("在 Linux 上用 systemd 管理服务，并设置 timer", Language::Zh),
            ("The word 红色 means red in Chinese, they say.", Language::En),
            ("きょうはとてもいい天気です", Language::Other),
            ("Сегодня хорошая погода", Language::Other),
            ("Où est la bibliothèque, s'il vous plaît ?", Language::En),
            ("12 34 56", Language::Other),
        ] {
            assert_eq!(language(&words(text)), expected, "{text}");
        }
    }
}
