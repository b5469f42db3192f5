//! The scheduler step by step, without its thread.

use super::*;
use crate::common::{Random, packed, plain, text};
use crate::queue::Event;
use crate::{Finish, PrefixScope, Request, Sampling};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::time::Instant;

struct Caller {
    events: Receiver<Event>,
    gone: Arc<AtomicBool>,
    ids: Vec<u32>,
    end: Option<Result<Finish, EngineError>>,
}

impl Caller {
    /// Tokens that came since the last look.
    fn look(&mut self) -> usize {
        let before = self.ids.len();
        for event in self.events.try_iter() {
            match event {
                Event::Token(token) => self.ids.push(token.id),
                Event::End(end) => self.end = Some(end),
            }
        }
        self.ids.len() - before
    }
}

fn scheduler(model: &Arc<Decoder>, options: EngineOptions, pages: usize) -> Scheduler {
    Scheduler::new(model.clone(), options, pages, Arc::default())
}

fn ask(scheduler: &Scheduler, request: Request) -> Caller {
    let (events, heard) = channel();
    let gone = Arc::<AtomicBool>::default();
    let job = Job { request, events, gone: gone.clone(), since: Instant::now() };
    scheduler.shared.submit(job, usize::MAX, 1).unwrap();
    Caller { events: heard, gone, ids: Vec::new(), end: None }
}

fn run(scheduler: &mut Scheduler, callers: &mut [&mut Caller]) {
    for _ in 0..10_000 {
        scheduler.step();
        assert!(scheduler.held() <= scheduler.pages);
        callers.iter_mut().for_each(|caller| {
            caller.look();
        });
        if callers.iter().all(|caller| caller.end.is_some()) {
            return;
        }
    }
    panic!("no end after 10,000 steps");
}

fn request(ids: Vec<u32>, max_tokens: usize) -> Request {
    Request { ids, max_tokens, ..Request::default() }
}

fn quiet() -> EngineOptions {
    EngineOptions { speculate: 0, ..EngineOptions::default() }
}

#[test]
fn a_long_prompt_does_not_hold_up_who_writes() {
    let model = plain(4096);
    let mut scheduler = scheduler(&model, quiet(), 200);
    let mut writer = ask(&scheduler, request(text(1, 5, 50), 1000));
    scheduler.step();
    assert_eq!(writer.look(), 1);
    let mut reader = ask(&scheduler, Request { owner: 1, ..request(text(2, 4000, 50), 3) });
    let mut steps = 0;
    while reader.look() == 0 {
        scheduler.step();
        steps += 1;
        assert_eq!(writer.look(), 1, "step {steps}");
    }
    assert_eq!(steps, 4000_usize.div_ceil(128));
    // Alone it is read in larger pieces.
    let mut alone = self::scheduler(&model, quiet(), 200);
    let mut reader = ask(&alone, request(text(2, 4000, 50), 3));
    let mut steps = 0;
    while reader.look() == 0 {
        alone.step();
        steps += 1;
    }
    assert_eq!(steps, 8);
}

#[test]
fn owners_take_turns_whatever_each_asks_for() {
    let model = plain(1024);
    let mut scheduler = scheduler(&model, EngineOptions { max_batch: 4, ..quiet() }, 100);
    let mut greedy: Vec<Caller> =
        (0..10).map(|i| ask(&scheduler, Request { owner: 1, ..request(text(i, 1000, 50), 20) })).collect();
    scheduler.step();
    let mut modest = ask(&scheduler, Request { owner: 2, ..request(text(99, 600, 50), 20) });
    let mut finished = 0;
    while modest.end.is_none() {
        scheduler.step();
        modest.look();
        finished = greedy
            .iter_mut()
            .filter_map(|caller| (caller.look(), caller.end.is_some()).1.then_some(()))
            .count();
    }
    // It has a place as soon as one of the four is done, and then as much of each step as all the others together.
    assert!(finished <= 4, "{finished}");
}

#[test]
fn who_leaves_gives_pages_back_within_a_step() {
    let model = plain(1024);
    let mut scheduler = scheduler(&model, quiet(), 100);
    let off = |request| Request { prefix: PrefixScope::Off, ..request };
    let mut stays = ask(&scheduler, off(request(text(1, 10, 50), 50)));
    let reads = ask(&scheduler, off(request(text(2, 1000, 50), 50)));
    let writes = ask(&scheduler, off(request(text(3, 10, 50), 500)));
    scheduler.step();
    scheduler.step();
    assert!(scheduler.held() > 2);
    reads.gone.store(true, Ordering::Relaxed);
    drop(writes.events);
    scheduler.step();
    assert_eq!((scheduler.running.len(), scheduler.held()), (1, 1));
    assert!(matches!(
        reads.events.try_iter().last(),
        Some(Event::End(Ok(Finish { reason: Reason::Cancelled, .. })))
    ));
    run(&mut scheduler, &mut [&mut stays]);
    assert_eq!((stays.ids.len(), scheduler.held()), (50, 0));
}

#[test]
fn the_same_whatever_is_read_together_kept_or_lost() {
    let (model, _) = packed(512);
    let vocab = model.config().vocab_size;
    let common = text(7, 200, vocab);
    let requests: Vec<Request> = (0..12u64)
        .map(|i| {
            // Some begin alike, some repeat themselves.
            let mut ids = if i % 3 == 0 { common.clone() } else { text(i, 3 + 20 * i as usize, vocab) };
            ids.extend(text(i + 50, 1 + i as usize, vocab));
            ids.extend(ids.clone().iter().take(30 * (i as usize % 2)));
            let sampling = if i % 2 == 0 {
                Sampling::default()
            } else {
                Sampling {
                    temperature: 0.7,
                    top_p: 0.9,
                    frequency_penalty: 0.2,
                    seed: i,
                    ..Sampling::default()
                }
            };
            Request { sampling, owner: i % 2, ..request(ids, 150) }
        })
        .collect();
    let alone: Vec<Vec<u32>> = requests
        .iter()
        .map(|request| {
            let mut scheduler = scheduler(&model, quiet(), 100);
            let mut caller = ask(&scheduler, request.clone());
            run(&mut scheduler, &mut [&mut caller]);
            caller.ids
        })
        .collect();
    let whole = 512 / PAGE_TOKENS;
    for (piece, speculate, pages) in
        [(512, 0, 100), (1, 8, 100), (7, 8, whole), (100, 3, whole + 4), (64, 8, 14)]
    {
        let options = EngineOptions { piece, piece_beside: piece, speculate, ..EngineOptions::default() };
        let mut scheduler = scheduler(&model, options, pages);
        // Twice: the second time much is kept.
        for round in 0..2 {
            let mut callers: Vec<Caller> =
                requests.iter().map(|request| ask(&scheduler, request.clone())).collect();
            let mut those: Vec<&mut Caller> = callers.iter_mut().collect();
            run(&mut scheduler, &mut those);
            for (caller, expected) in callers.iter().zip(&alone) {
                assert_eq!(&caller.ids, expected, "pieces of {piece}, {pages} pages, round {round}");
            }
            assert_eq!(scheduler.held(), scheduler.prefixes.len());
        }
        let stats = *scheduler.shared.stats();
        assert!(stats.prefix_hits > 0 && stats.pages_peak <= pages, "{stats:?}");
        assert!(pages > 50 || stats.preempted > 0, "{stats:?}");
    }
}

#[test]
fn pages_are_counted_right_whatever_happens() {
    let model = plain(256);
    let mut random = Random(3);
    let mut scheduler = scheduler(&model, EngineOptions { max_batch: 6, ..EngineOptions::default() }, 11);
    let mut callers: Vec<Caller> = Vec::new();
    for _ in 0..3000 {
        if random.below(4) == 0 {
            let ids = {
                let longest = [30, 250][random.below(2)];
                text(random.below(6) as u64, 1 + random.below(longest), 50)
            };
            let prefix = [PrefixScope::Owner, PrefixScope::Group(1), PrefixScope::Off][random.below(3)];
            let overflow =
                if random.below(4) == 0 { crate::Overflow::Slide { keep: 5 } } else { Default::default() };
            let owner = random.below(3) as u64;
            callers.push(ask(
                &scheduler,
                Request { prefix, overflow, owner, ..request(ids, random.below(200)) },
            ));
        }
        if random.below(6) == 0 && !callers.is_empty() {
            let leaves = callers.swap_remove(random.below(callers.len()));
            if random.below(2) == 0 {
                leaves.gone.store(true, Ordering::Relaxed);
            }
        }
        scheduler.step();
        assert!(scheduler.held() <= 11);
        assert_eq!(scheduler.held(), scheduler.counted());
        callers.retain_mut(|caller| {
            caller.look();
            caller.end.is_none()
        });
    }
    let stats = *scheduler.shared.stats();
    assert!(stats.preempted > 0 && stats.prefix_hits > 0 && stats.accepted > 0, "{stats:?}");
    let mut rest: Vec<&mut Caller> = callers.iter_mut().collect();
    run(&mut scheduler, &mut rest);
    scheduler.step();
    assert_eq!(scheduler.held(), scheduler.prefixes.len());
    assert_eq!((scheduler.running.len(), scheduler.prefixes.busy()), (0, 0));
}

#[test]
fn those_who_come_together_read_the_same_beginning_once() {
    let model = plain(1024);
    let mut scheduler = scheduler(&model, quiet(), 100);
    let common = text(1, 640, 50);
    let ask_with = |i: u64| ask(&scheduler, request([common.clone(), text(i, 10, 50)].concat(), 2));
    let mut callers: Vec<Caller> = (2..10).map(ask_with).collect();
    let mut those: Vec<&mut Caller> = callers.iter_mut().collect();
    run(&mut scheduler, &mut those);
    let stats = *scheduler.shared.stats();
    // All of the first, and of the others at most a step's budget before the first has read so far.
    assert!(stats.tokens_read < 650 + 8 * 20 + 512, "{stats:?}");
}
