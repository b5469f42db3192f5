//! Generation on a random model: the cache changes nothing, bad requests are named.

use shuyuan_engine::{Engine, Passage, Reason, Request, Sampling};
use std::ops::ControlFlow;

fn engine() -> Engine {
    Engine::new(crate::common::plain(40))
}

fn write(engine: &Engine, request: &Request) -> (Vec<u32>, Reason) {
    let mut ids = Vec::new();
    let finish = engine.generate(request, &mut |token| {
        ids.push(token.id);
        ControlFlow::Continue(())
    });
    (ids, finish.unwrap().reason)
}

fn prompt(n: usize) -> Vec<u32> {
    (0..n as u32).map(|i| (i * 7 + 3) % 50).collect()
}

#[test]
fn cached_decoding_equals_the_full_forward() {
    let engine = engine();
    let ids = prompt(23);
    let full = engine.model().forward(&ids).unwrap();
    for chunk in [1, 2, 5, 23] {
        let mut cache = engine.model().cache();
        for (index, part) in ids.chunks(chunk).enumerate() {
            let logits = engine.model().extend(part, &mut cache).unwrap();
            let at = index * chunk + part.len() - 1;
            for (a, b) in logits.iter().zip(&full[at * 50..][..50]) {
                // Sums of some dozens of f32 products in another order, logits of size 1.
                assert!((a - b).abs() < 2e-5, "chunk {chunk}, position {at}: {a} and {b}");
            }
        }
    }
}

#[test]
fn greedy_is_the_argmax_of_the_full_forward() {
    let engine = engine();
    let mut ids = prompt(6);
    let request = Request { ids: ids.clone(), max_tokens: 12, ..Request::default() };
    for id in write(&engine, &request).0 {
        let logits = engine.model().forward(&ids).unwrap();
        let last = &logits[logits.len() - 50..];
        let best = last.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        assert!(last[id as usize] > best - 4e-5, "{id} is not the likeliest");
        ids.push(id);
    }
}

#[test]
fn it_ends_where_it_should() {
    let engine = engine();
    let request = Request { ids: prompt(6), max_tokens: 12, ..Request::default() };
    let (ids, reason) = write(&engine, &request);
    assert_eq!((ids.len(), reason), (12, Reason::Length));
    let stop = Request { stop_ids: vec![ids[4]], ..request.clone() };
    let cut = ids.iter().position(|id| *id == ids[4]).unwrap();
    assert_eq!(write(&engine, &stop), (ids[..cut].to_vec(), Reason::Stop));
    // The context holds 40: 30 of the prompt, ten new ones are read, and one more is written after the last.
    let full = Request { ids: prompt(30), max_tokens: usize::MAX, ..Request::default() };
    assert_eq!(write(&engine, &full).0.len(), 11);
    let mut told = 0;
    let finish = engine.generate(&request, &mut |_| {
        told += 1;
        if told == 3 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    });
    assert_eq!(finish.unwrap().reason, Reason::Cancelled);
}

#[test]
fn alternatives_are_the_likeliest_and_sum_below_one() {
    let engine = engine();
    let request = Request { ids: prompt(6), max_tokens: 3, alternatives: 5, ..Request::default() };
    engine
        .generate(&request, &mut |token| {
            assert_eq!(token.alternatives.len(), 5);
            assert_eq!(token.alternatives[0], (token.id, token.logprob));
            assert!(token.alternatives.windows(2).all(|w| w[0].1 >= w[1].1));
            assert!(token.alternatives.iter().map(|a| a.1.exp()).sum::<f32>() < 1.0);
            ControlFlow::Continue(())
        })
        .unwrap();
}

#[test]
fn scores_add_up() {
    let engine = engine();
    let ids = prompt(10);
    let (whole, _) = engine.score(&ids[..2], &ids[2..]).unwrap();
    let parts =
        engine.score(&ids[..2], &ids[2..5]).unwrap().0 + engine.score(&ids[..5], &ids[5..]).unwrap().0;
    assert!((whole - parts).abs() < 1e-4, "{whole} and {parts}");
}

#[test]
fn passages_together_score_as_alone() {
    let engine = engine();
    // Enough rows for several passes, of uneven lengths, two of them as long as can be: 40 inputs.
    let passages: Vec<Passage> = (0..150)
        .map(|i| {
            let n = if i % 70 == 0 { 41 } else { 2 + i % 37 };
            Passage {
                ids: (0..n as u32).map(|k| (k * k + 5 * i as u32) % 50).collect(),
                from: 1 + i % (n - 1),
            }
        })
        .collect();
    let together = engine.logprobs(&passages).unwrap();
    for (passage, sum) in passages.iter().zip(together) {
        let (alone, _) = engine.score(&passage.ids[..passage.from], &passage.ids[passage.from..]).unwrap();
        // Forty terms of size 4, each right to about 1e-6.
        assert!((alone - sum).abs() < 2e-4, "{passage:?}: {alone} and {sum}");
    }
    assert_eq!(engine.logprobs(&[]).unwrap(), Vec::<f64>::new());
    for (ids, from, named) in [
        (vec![1, 2], 0, "from"),
        (vec![1, 2], 2, "from"),
        (vec![1, 50], 1, "50"),
        (prompt(42), 1, "41 tokens, the model's context holds 40"),
    ] {
        let error = engine.logprobs(&[Passage { ids, from }]).unwrap_err().to_string();
        assert!(error.contains(named), "{error}");
    }
}

#[test]
fn bad_requests_are_named() {
    let engine = engine();
    let good = Request { ids: prompt(4), max_tokens: 1, ..Request::default() };
    for (request, named) in [
        (Request { ids: vec![], ..good.clone() }, "at least one token"),
        (Request { ids: vec![50], ..good.clone() }, "50"),
        (Request { ids: prompt(41), ..good.clone() }, "41 tokens, the model's context holds 40"),
        (Request { alternatives: 21, ..good.clone() }, "alternatives"),
        (Request { sampling: Sampling { temperature: -1.0, ..Sampling::default() }, ..good }, "temperature"),
    ] {
        let error = engine.generate(&request, &mut |_| ControlFlow::Continue(())).unwrap_err().to_string();
        assert!(error.contains(named), "{error}");
    }
}
