//! Many callers of one engine, in threads of their own.

use crate::common::{Random, packed, plain, text};
use shuyuan_engine::{
    Cancel, Engine, EngineError, EngineOptions, Finish, Overflow, PrefixScope, Reason, Request, Sampling,
};
use std::ops::ControlFlow;

fn write(engine: &Engine, request: &Request) -> (Vec<u32>, Finish) {
    let mut ids = Vec::new();
    let finish = engine.generate(request, &mut |token| {
        ids.push(token.id);
        ControlFlow::Continue(())
    });
    (ids, finish.unwrap())
}

/// Writes until it is cancelled.
fn endless(seed: u64) -> Request {
    let overflow = Overflow::Slide { keep: 2 };
    Request { ids: text(seed, 5, 50), max_tokens: usize::MAX, overflow, ..Request::default() }
}

fn until_running(engine: &Engine, running: usize, waiting: usize) {
    while (engine.stats().running, engine.stats().waiting) != (running, waiting) {
        std::thread::yield_now();
    }
}

#[test]
fn callers_at_once_get_what_each_gets_alone() {
    let (model, _) = packed(256);
    let vocab = model.config().vocab_size;
    let requests: Vec<Request> = (0..8u64)
        .map(|seed| {
            let sampling = Sampling { temperature: (seed % 2) as f32, seed, ..Sampling::default() };
            Request {
                ids: text(seed, 10 + 20 * seed as usize, vocab),
                max_tokens: 40,
                sampling,
                ..Request::default()
            }
        })
        .collect();
    let alone: Vec<Vec<u32>> =
        requests.iter().map(|request| write(&Engine::new(model.clone()), request).0).collect();
    let engine = Engine::new(model);
    std::thread::scope(|scope| {
        let engine = &engine;
        let asked: Vec<_> =
            requests.iter().map(|request| scope.spawn(move || write(engine, request).0)).collect();
        for (asked, expected) in asked.into_iter().zip(&alone) {
            assert_eq!(&asked.join().unwrap(), expected);
        }
    });
    let stats = engine.stats();
    assert_eq!((stats.running, stats.waiting, stats.requests, stats.tokens_written), (0, 0, 8, 320));
}

#[test]
fn a_full_queue_says_so() {
    let options = EngineOptions { max_batch: 1, max_waiting: 1, ..EngineOptions::default() };
    let engine = Engine::with_options(plain(64), options).unwrap();
    let cancel = Cancel::default();
    let request = Request { cancel: cancel.clone(), ..endless(1) };
    std::thread::scope(|scope| {
        let ask = || engine.generate(&request, &mut |_| ControlFlow::Continue(())).unwrap().reason;
        let first = scope.spawn(ask);
        until_running(&engine, 1, 0);
        let second = scope.spawn(ask);
        until_running(&engine, 1, 1);
        let error = engine.generate(&request, &mut |_| ControlFlow::Continue(())).unwrap_err();
        assert!(matches!(error, EngineError::Busy { waiting: 1, retry_after_s: 1..=60 }), "{error}");
        // Also who waits can leave.
        cancel.cancel();
        assert_eq!((first.join().unwrap(), second.join().unwrap()), (Reason::Cancelled, Reason::Cancelled));
    });
}

#[test]
fn a_listener_that_breaks_or_panics_stops_the_work() {
    let engine = Engine::new(plain(64));
    let mut told = 0;
    let finish = engine.generate(&Request { prefix: PrefixScope::Off, ..endless(1) }, &mut |_| {
        told += 1;
        if told == 7 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    });
    let finish = finish.unwrap();
    assert_eq!((finish.reason, finish.tokens), (Reason::Cancelled, 7));
    assert_eq!(engine.stats().pages_used, 0);
    let panics =
        std::panic::AssertUnwindSafe(|| engine.generate(&endless(2), &mut |_| panic!("a listener fails")));
    assert!(std::panic::catch_unwind(panics).is_err());
    until_running(&engine, 0, 0);
}

#[test]
fn what_was_read_before_is_not_read_again_except_by_strangers() {
    let (model, _) = packed(512);
    let vocab = model.config().vocab_size;
    let engine = Engine::new(model);
    let request = Request { ids: text(1, 200, vocab), max_tokens: 100, owner: 1, ..Request::default() };
    let (ids, finish) = write(&engine, &request);
    assert_eq!((finish.prompt_tokens, finish.cached_tokens), (200, 0));
    let (again, finish) = write(&engine, &request);
    assert_eq!((again, finish.cached_tokens), (ids.clone(), 192));
    // A conversation goes on: the answer was read as well, but for its last token.
    let longer = Request { ids: [request.ids.clone(), ids, vec![1]].concat(), ..request.clone() };
    assert_eq!(write(&engine, &longer).1.cached_tokens, 256);
    let stranger = Request { owner: 2, ..request.clone() };
    assert_eq!(write(&engine, &stranger).1.cached_tokens, 0);
    let group = Request { prefix: PrefixScope::Group(1), ..request.clone() };
    assert_eq!(write(&engine, &group).1.cached_tokens, 0);
    assert_eq!(write(&engine, &Request { owner: 9, ..group }).1.cached_tokens, 192);
    let off = Request { prefix: PrefixScope::Off, ..request };
    assert_eq!(write(&engine, &off).1.cached_tokens, 0);
    let stats = engine.stats();
    assert_eq!((stats.prefix_hits, stats.prefix_tokens), (3, 192 + 256 + 192));
    assert_eq!(stats.pages_used, stats.pages_kept);
}

#[test]
fn a_text_slides_only_where_it_was_asked_to() {
    let engine = Engine::new(plain(64));
    let long = Request { ids: text(1, 100, 50), max_tokens: 5, ..Request::default() };
    let error = engine.generate(&long, &mut |_| ControlFlow::Continue(())).unwrap_err().to_string();
    assert!(error.contains("100 tokens, the model's context holds 64"), "{error}");
    let slide = |keep| Request { overflow: Overflow::Slide { keep }, ..long.clone() };
    // 4 stay, and half of the 60 others.
    let (ids, finish) = write(&engine, &slide(4));
    assert_eq!((ids.len(), finish.dropped_tokens, finish.prompt_tokens), (5, 66, 100));
    let short = [&long.ids[..4], &long.ids[70..]].concat();
    assert_eq!(ids, write(&engine, &Request { ids: short, ..long.clone() }).0);
    let (ids, finish) = write(&engine, &Request { max_tokens: 500, ..slide(4) });
    assert_eq!((ids.len(), finish.reason), (500, Reason::Length));
    // What was read and written, less what is still there: 34 to 64 tokens.
    assert!((600 - 64..=600 - 34).contains(&finish.dropped_tokens), "{finish:?}");
    let error = engine.generate(&slide(33), &mut |_| ControlFlow::Continue(())).unwrap_err().to_string();
    assert!(error.contains("overflow.keep"), "{error}");
}

#[test]
fn guesses_change_nothing_and_repetitions_take_half_the_steps() {
    let (model, _) = packed(1024);
    let vocab = model.config().vocab_size;
    let options = |speculate| EngineOptions { speculate, ..EngineOptions::default() };
    let plainly = Engine::with_options(model.clone(), options(0)).unwrap();
    let guessing = Engine::with_options(model, options(8)).unwrap();
    for seed in 0..30u64 {
        let unit = text(seed, 2 + seed as usize, vocab);
        let ids = if seed % 3 == 0 { unit } else { unit.repeat(4) };
        let sampling =
            Sampling { temperature: [0.0, 0.3, 1.0][seed as usize % 3], seed, ..Sampling::default() };
        let stop_ids = if seed % 5 == 0 { (0..20).collect() } else { Vec::new() };
        let request = Request { ids, max_tokens: 100, sampling, stop_ids, ..Request::default() };
        let (expected, told) = write(&plainly, &request);
        let (found, finish) = write(&guessing, &request);
        assert_eq!((&found, finish.reason), (&expected, told.reason), "seed {seed}");
        assert_eq!(told.guessed.proposed, 0);
    }
    // A model whose greedy text repeats itself, as small random ones' soon do.
    let request = Request { ids: text(1, 40, vocab), max_tokens: 600, ..Request::default() };
    let before = guessing.stats().steps;
    let (ids, finish) = write(&guessing, &request);
    let steps = (guessing.stats().steps - before) as usize;
    assert_eq!(steps, ids.len() - finish.guessed.accepted);
    assert!(2 * steps < ids.len(), "{steps} steps for {} tokens, {:?}", ids.len(), finish.guessed);
}

#[test]
fn thousands_of_random_requests_leave_nothing_behind() {
    let model = plain(128);
    let page_bytes = model.cache().page_bytes();
    let options =
        EngineOptions { kv_bytes: Some(20 * page_bytes), max_waiting: 8, ..EngineOptions::default() };
    let engine = Engine::with_options(model, options).unwrap();
    let (mut busy, mut done) = (0, 0);
    std::thread::scope(|scope| {
        let engine = &engine;
        let callers: Vec<_> = (0..16u64)
            .map(|caller| {
                scope.spawn(move || {
                    let mut random = Random(caller);
                    let (mut busy, mut done) = (0, 0);
                    for _ in 0..200 {
                        let request = Request {
                            ids: text(random.below(5) as u64, 1 + random.below(120), 50),
                            max_tokens: random.below(60),
                            owner: caller % 3,
                            prefix: [PrefixScope::Owner, PrefixScope::Off][random.below(2)],
                            ..Request::default()
                        };
                        let mut left = random.below(100);
                        let heard = engine.generate(&request, &mut |_| {
                            left = left.saturating_sub(1);
                            if left == 0 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
                        });
                        match heard {
                            Ok(_) => done += 1,
                            Err(EngineError::Busy { .. }) => busy += 1,
                            Err(error) => panic!("{error}"),
                        }
                    }
                    (busy, done)
                })
            })
            .collect();
        for caller in callers {
            let (b, d) = caller.join().unwrap();
            busy += b;
            done += d;
        }
    });
    assert_eq!(busy + done, 3200);
    let stats = engine.stats();
    assert!(done > 100 && stats.pages_peak <= 20, "{stats:?}");
    assert_eq!((stats.running, stats.waiting), (0, 0));
    assert_eq!(stats.pages_used, stats.pages_kept);
}

#[test]
fn the_thread_ends_with_the_last_clone() {
    let model = plain(64);
    let engine = Engine::new(model.clone());
    let clone = engine.clone();
    write(&engine, &Request { max_tokens: 3, overflow: Overflow::Refuse, ..endless(1) });
    drop(engine);
    write(&clone, &Request { max_tokens: 3, overflow: Overflow::Refuse, ..endless(1) });
    drop(clone);
    assert_eq!(std::sync::Arc::strong_count(&model), 1);
}
