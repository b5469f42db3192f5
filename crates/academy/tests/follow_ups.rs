//! Questions that lean on the one before them, rewritten by a model: `goldens/knowledge/follow_ups.jsonl`.

use serde::Deserialize;
use shuyuan_academy::LiveModel;
use shuyuan_chain::{By, History, Options, follow_up};
use std::path::Path;

#[derive(Deserialize)]
struct Leaning {
    before: String,
    answered: String,
    query: String,
    /// What the question has once it stands alone.
    needs: Vec<String>,
}

/// `SHUYUAN_LIVE_MODEL=FILE`: a model that chats; without it, only that the rule takes what is needed along.
#[test]
fn a_question_that_leans_stands_alone() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../goldens/knowledge/follow_ups.jsonl");
    let model = std::env::var_os("SHUYUAN_LIVE_MODEL").map(|path| LiveModel::load(Path::new(&path)).unwrap());
    let local = model.map(|model| model.local());
    let (mut all, mut rewritten, mut right) = (0, 0, 0);
    for line in std::fs::read_to_string(file).unwrap().lines() {
        let Leaning { before, answered, query, needs } = serde_json::from_str(line).unwrap();
        let has = |text: &str| needs.iter().all(|need| text.to_lowercase().contains(&need.to_lowercase()));
        let history = History { question: before, answer: answered };
        let ruled = follow_up(None, Some(&history), &query, &Options::default()).unwrap();
        assert_eq!(ruled.by, Some(By::Rule), "{query}");
        let followed = follow_up(local.as_ref(), Some(&history), &query, &Options::default()).unwrap();
        println!("{query} -> {:?} {} ({:?})", followed.by, followed.searched, followed.refused);
        all += 1;
        if followed.by == Some(By::Model) {
            rewritten += 1;
            right += usize::from(has(&followed.searched));
        }
    }
    println!("{rewritten} of {all} rewritten, {right} of them have what they need");
    assert!(local.is_none() || rewritten > 0 && right * 10 >= rewritten * 8, "{right} of {rewritten}");
}
