//! What must hold of the whole world.

use std::collections::{HashMap, HashSet};

use super::cast::Cast;
use super::chooser::Chooser;
use super::lexicon::{Category, range, word};
use super::predicate::{Fact, LOCATED, PERSONAL};
use super::*;

fn text_of(example: &Example) -> String {
    match example {
        Example::Text { text } => text.clone(),
        Example::Chat { messages } => {
            messages.iter().map(|m| m.content.as_str()).collect::<Vec<_>>().join("\n")
        }
    }
}

#[test]
fn a_document_is_a_function_of_seed_split_and_index() {
    let (one, two, other) = (World::new(5), World::new(5), World::new(6));
    let mut differ = 0;
    for index in (0..200).rev() {
        for split in [Split::Train, Split::Test] {
            let (a, b) = (one.document(split, index), two.document(split, index));
            assert_eq!((a.trade, a.lang, &a.example, a.nats), (b.trade, b.lang, &b.example, b.nats));
            differ += usize::from(a.example != other.document(split, index).example);
        }
    }
    assert!(differ > 390, "two seeds agree on {} of 400 documents", 400 - differ);
}

#[test]
fn training_states_no_held_combination() {
    let world = World::new(1);
    let mut stated = 0;
    for index in 0..20_000 {
        let mut chooser = world.chooser(Split::Train, index, 0);
        let trade = Trade::ALL[chooser.weighted(&world.config.mix.weights())];
        let (cast, draft) = world.write(trade, Split::Train, chooser);
        for &(a, b) in &cast.combinations {
            stated += 1;
            assert!(
                !world.ground.is_held(a, b),
                "document {index} ({trade:?}) states {} with {}: {}",
                word(a).en,
                word(b).en,
                text_of(&draft.example)
            );
        }
        for &(operator, a, b) in &cast.sums {
            assert!(!world.ground.is_sum_held(operator, a, b), "document {index} states {a}{operator}{b}");
        }
    }
    assert!(stated > 40_000, "only {stated} combinations in 20,000 documents");
}

/// The same by the text alone, which cannot forget to note a combination: no canonical clause of a held one.
#[test]
fn training_text_holds_no_clause_of_a_held_combination() {
    let world = World::new(1);
    let mut clauses = HashSet::new();
    for predicate in PERSONAL.iter().chain(&LOCATED) {
        for subject in range(predicate.subject) {
            for object in range(predicate.object).filter(|&object| world.ground.is_held(subject, object)) {
                for lang in [Lang::Zh, Lang::En] {
                    let mut cast = Cast::new(&world.ground, Split::Test, lang, Chooser::new(0));
                    Fact { predicate, subject, object }.state(&mut cast);
                    clauses.insert(cast.take().to_lowercase());
                }
            }
        }
    }
    let met = |split| {
        let mut met = Vec::new();
        for index in 0..10_000 {
            let text = text_of(&world.document(split, index).example).to_lowercase();
            let parts = text.split(['。', '，', '；', '：', '.', ',', ';', ':', '\n']);
            met.extend(
                parts
                    .map(|part| part.trim().trim_start_matches("and ").to_owned())
                    .filter(|part| clauses.contains(part)),
            );
        }
        met
    };
    assert_eq!(met(Split::Train), Vec::<String>::new());
    assert!(met(Split::Test).len() > 5_000, "the same search must find them where they are");
}

#[test]
fn test_items_ask_for_held_combinations() {
    let world = World::new(2);
    for (trade, least) in [
        (Trade::OneFact, 1.0),
        (Trade::TwoFacts, 1.0),
        (Trade::Sums, 1.0),
        (Trade::Summary, 0.99),
        (Trade::Translation, 0.7),
    ] {
        let mut held = 0;
        for index in 0..500 {
            let (cast, _) = world.draft(trade, Split::Test, index);
            let pair = cast.combinations.iter().any(|&(a, b)| world.ground.is_held(a, b));
            let sum = cast.sums.iter().any(|&(operator, a, b)| world.ground.is_sum_held(operator, a, b));
            held += usize::from(pair || sum);
        }
        assert!(
            f64::from(held as u32) >= 500.0 * least,
            "{trade:?}: {held} of 500 items hold a held combination"
        );
    }
}

#[test]
fn items_accept_their_answers_and_no_constant_does_well() {
    let world = World::new(3);
    for task in TASKS {
        let items = world.items(task, 300);
        assert_eq!(items.len(), 300);
        for item in &items {
            assert!(
                !item.answer.is_empty() && item.messages.iter().all(|message| !message.content.is_empty())
            );
            assert!(accepts(item, &item.answer), "{item:?}");
            assert!(item.alternatives.iter().all(|answer| accepts(item, answer)), "{item:?}");
            assert!(!accepts(item, "我不知道。") && !accepts(item, ""), "{item:?}");
            assert!(
                item.lang == Lang::Zh || item.task == "translation" || item.answer.is_ascii(),
                "{item:?}"
            );
        }
        let wrong = items.windows(2).filter(|pair| accepts(&pair[0], &pair[1].answer)).count();
        assert!(wrong < 60, "{task}: {wrong} of 300 items accept their neighbour's answer");
        let baseline = world.baseline(task);
        assert!(baseline < 0.2, "{task}: a constant answer reaches {baseline}");
    }
    assert!(world.items("no such task", 3).is_empty());
}

#[test]
fn replies_are_judged_by_their_conclusion() {
    let world = World::new(3);
    let item = world.items("sums", 1).remove(0);
    let right = item.alternatives[0].clone();
    assert!(accepts(&item, &format!("个位：…… 所以答案是{right}。")));
    assert!(accepts(&item, &format!("ones: ... so the answer is {right}")));
    assert!(!accepts(&item, &format!("所以答案是{right}0。")));
}

/// Every sentence has one translation: no source text is met with two answers.
#[test]
fn translations_agree_and_go_both_ways() {
    let world = World::new(4);
    let mut met: HashMap<String, String> = HashMap::new();
    let mut seen_both_ways = 0;
    for index in 0..20_000 {
        let document = world.document_of(Trade::Translation, Split::Train, index);
        let Example::Chat { messages } = document.example else { panic!("a translation is a chat") };
        let [question, answer] = &messages[..] else { panic!("of two turns") };
        let (_, source) =
            question.content.split_once(['：']).or(question.content.split_once(": ")).expect("asks");
        let source = source.to_owned();
        if let Some(before) = met.insert(source.clone(), answer.content.clone()) {
            assert_eq!(before, answer.content, "two translations of {source}");
        }
        if let Some(back) = met.get(&answer.content) {
            seen_both_ways += 1;
            assert_eq!(back, &source, "{} goes back to another sentence", answer.content);
        }
        let zh = if document.lang == Lang::Zh { &source } else { &answer.content };
        let en = if document.lang == Lang::Zh { &answer.content } else { &source };
        assert!(en.is_ascii() && !zh.contains(|c: char| c.is_ascii_alphabetic()), "{zh} / {en}");
    }
    assert!(seen_both_ways > 100, "{seen_both_ways}");
}

#[test]
fn documents_are_distinct() {
    let world = World::new(8);
    let mut seen = HashSet::new();
    let (mut count, mut repeated) = (0, 0);
    let mut by_trade: HashMap<&str, usize> = HashMap::new();
    for index in 0..100_000 {
        let document = world.document(Split::Train, index);
        if document.trade != Trade::Sums {
            count += 1;
            if !seen.insert(xxh3_64_with_seed(text_of(&document.example).as_bytes(), 0)) {
                repeated += 1;
                *by_trade.entry(document.trade.name()).or_insert(0) += 1;
            }
        }
    }
    assert!(repeated * 100 < count, "{repeated} of {count} documents repeat another: {by_trade:?}");
}

#[test]
fn text_is_clean() {
    let world = World::new(9);
    for trade in Trade::ALL {
        for index in 0..2_000 {
            let document = world.document_of(trade, Split::Train, index);
            let text = text_of(&document.example);
            for bad in
                ["{", "}", "[", "]", "|", "~", "  ", "。。", "..", " .", " ,", "，。", " a a ", " the the "]
            {
                assert!(!text.contains(bad), "{trade:?} {index} has {bad:?}: {text}");
            }
            if document.lang == Lang::En && trade != Trade::Translation {
                assert!(text.is_ascii(), "{trade:?} {index}: {text}");
            }
            if document.lang == Lang::Zh && !matches!(trade, Trade::Translation | Trade::Sums) {
                assert!(!text.bytes().any(|b| b.is_ascii_alphabetic()), "{trade:?} {index}: {text}");
            }
            assert!(document.bytes() < 1_200, "{trade:?} {index} has {} bytes", document.bytes());
        }
    }
}

#[test]
fn the_floor_is_sane() {
    let world = World::new(10);
    let floor = world.floor(4_000);
    let per_byte = floor.all.per_byte();
    assert!((0.05..0.6).contains(&per_byte), "{per_byte} nats a byte");
    assert_eq!(floor.trades.iter().map(|(_, rate)| rate.documents).sum::<u64>(), 4_000);
    let again = world.floor(8_000).all.per_byte();
    assert!((again / per_byte - 1.0).abs() < 0.03, "{per_byte} from 4,000 documents, {again} from 8,000");
}

#[test]
fn words_are_told_apart() {
    for lang in [Lang::Zh, Lang::En] {
        let mut seen = HashMap::new();
        for word in lexicon() {
            let form = if lang == Lang::Zh { word.zh } else { word.en };
            assert!(!form.is_empty());
            if let Some(other) = seen.insert(form, word) {
                // An orange is orange.
                assert!(form == "orange", "{form} is both {:?} and {:?}", other.category, word.category);
            }
        }
    }
    let firsts: HashSet<_> = range(Category::Person).map(|id| word(id).zh.chars().next()).collect();
    assert_eq!(firsts.len(), range(Category::Person).len());
    let (red, qualities) = World::near().next().expect("colours");
    assert_eq!((red.zh, qualities[0].zh, qualities[1].zh), ("红色", "温暖", "强烈"));
    assert_eq!(World::near().count(), 12);
}
