//! A question that leans on the one before it.

use super::support::content;

/// What to search for: the question, with the words of the one before it where it cannot stand alone.
///
/// A question leans on its predecessor if it points back (*it*, 那, *what about*) or has hardly a word of its own.
pub fn follow_up(before: Option<&str>, question: &str) -> String {
    let Some(before) = before else { return question.to_string() };
    let lower = question.to_lowercase();
    let words: Vec<&str> =
        lower.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()).collect();
    let points = [
        "it", "its", "they", "them", "their", "this", "that", "these", "those", "there", "he", "she", "his",
        "her",
    ];
    let begins = [
        "what about",
        "how about",
        "and ",
        "why",
        "how long",
        "how much",
        "how many",
        "then ",
        "where",
        "when",
    ];
    let chinese = ["它", "他", "她", "这", "那", "此", "其", "呢", "还有"];
    let own = content(question);
    let leans = words.iter().any(|word| points.contains(word))
        || (begins.iter().any(|begin| lower.starts_with(begin)) && own.len() <= 3)
        || chinese.iter().any(|word| question.contains(word))
        || own.len() <= 1;
    if !leans {
        return question.to_string();
    }
    let missing: Vec<String> = content(before).into_iter().filter(|word| !own.contains(word)).collect();
    if missing.is_empty() { question.to_string() } else { format!("{question} {}", before.trim()) }
}

#[cfg(test)]
mod tests {
    use super::follow_up;

    #[test]
    fn what_points_back_takes_the_question_before_along() {
        let before = Some("How long is the trial period?");
        assert_eq!(
            follow_up(before, "Can it be extended?"),
            "Can it be extended? How long is the trial period?"
        );
        assert_eq!(follow_up(before, "Who signs travel expenses?"), "Who signs travel expenses?");
        assert_eq!(follow_up(Some("试用期多长？"), "那年假呢？"), "那年假呢？ 试用期多长？");
        assert_eq!(follow_up(None, "那年假呢？"), "那年假呢？");
    }
}
