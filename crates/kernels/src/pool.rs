//! The threads of inference: fork and join in under a microsecond while a token is computed, asleep when nothing is asked.
//!
//! Between two operations of a token a worker spins, for [`SPINS`] rounds at most, then it sleeps. A job begins at once on
//! the calling thread; workers join while tasks are left, so a sleeper that wakes too late costs nothing.

use std::any::Any;
use std::cell::{Cell, UnsafeCell};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::*};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread::{self, Thread};

/// Rounds of waiting before a worker sleeps: some tens of microseconds, longer than any gap within a token.
const SPINS: usize = 4000;
/// Set in [`Shared::members`] while a job may be joined.
const OPEN: usize = 1 << (usize::BITS - 1);

/// Runs `f(0)` to `f(tasks - 1)`, each once, on all threads, and returns when all are done.
///
/// Tasks are taken one by one, so uneven ones even out. Called from within a task it runs there alone. A task that panics
/// does so here, once the others have ended.
pub fn parallel(tasks: usize, f: impl Fn(usize) + Sync) {
    let pool = pool();
    if tasks <= 1 || pool.workers.is_empty() || INSIDE.get() {
        (0..tasks).for_each(f);
        return;
    }
    pool.run(tasks, &f);
}

/// Threads that [`parallel`] runs on, the calling one included.
pub fn threads() -> usize {
    pool().workers.len() + 1
}

/// How many threads there are to be; false if the pool has begun with another number.
pub fn set_threads(count: usize) -> bool {
    let wanted = *THREADS.get_or_init(|| count.max(1));
    wanted == count.max(1) && threads() == wanted
}

/// Runs `f` with everything that it calls on this thread alone.
#[cfg(test)]
pub(crate) fn alone<R>(f: impl FnOnce() -> R) -> R {
    let before = INSIDE.replace(true);
    let result = f();
    INSIDE.set(before);
    result
}

static THREADS: OnceLock<usize> = OnceLock::new();

thread_local! {
    static INSIDE: Cell<bool> = const { Cell::new(false) };
}

fn pool() -> &'static Pool {
    static POOL: OnceLock<Pool> = OnceLock::new();
    POOL.get_or_init(|| Pool::new(*THREADS.get_or_init(|| thread::available_parallelism().map_or(1, usize::from))))
}

type Task<'a> = &'a (dyn Fn(usize) + Sync);

struct Pool {
    shared: &'static Shared,
    workers: Vec<Worker>,
    /// Held while a job runs.
    turn: Mutex<()>,
}

struct Worker {
    thread: Thread,
    asleep: &'static AtomicBool,
}

/// A line of the cache to itself, or those who wait would disturb those who work.
#[repr(align(128))]
#[derive(Default)]
struct Line<T>(T);

#[derive(Default)]
struct Shared {
    /// Counts jobs.
    job: Line<AtomicUsize>,
    /// Workers in the present job; [`OPEN`] while more may join.
    members: Line<AtomicUsize>,
    /// The next task.
    next: Line<AtomicUsize>,
    tasks: AtomicUsize,
    task: UnsafeCell<Option<Task<'static>>>,
    panic: Mutex<Option<Box<dyn Any + Send>>>,
}

// SAFETY: `task` is written by the thread that holds the turn while nobody is a member, and read by members alone.
unsafe impl Sync for Shared {}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Pool {
    fn new(threads: usize) -> Self {
        let shared: &'static Shared = Box::leak(Box::default());
        let worker = |index: usize| {
            let asleep: &'static AtomicBool = Box::leak(Box::default());
            let name = format!("shuyuan-{index}");
            let handle = thread::Builder::new().name(name).spawn(move || work(shared, asleep)).ok()?;
            Some(Worker { thread: handle.thread().clone(), asleep })
        };
        // Where the system gives fewer threads, fewer do the work.
        Self { shared, workers: (1..threads).map_while(worker).collect(), turn: Mutex::new(()) }
    }

    fn run(&self, tasks: usize, f: Task) {
        let turn = locked(&self.turn);
        let shared = self.shared;
        // SAFETY: the reference outlives its use: this function leaves only when the job is closed and nobody is a member.
        let f: Task<'static> = unsafe { std::mem::transmute::<Task<'_>, Task<'static>>(f) };
        // SAFETY: nobody is a member, see above.
        unsafe { *shared.task.get() = Some(f) };
        shared.tasks.store(tasks, Relaxed);
        shared.next.0.store(0, Relaxed);
        shared.members.0.store(OPEN, Release);
        shared.job.0.fetch_add(1, SeqCst);
        for worker in self.workers.iter().take(tasks - 1) {
            if worker.asleep.load(SeqCst) {
                worker.thread.unpark();
            }
        }
        shared.tasks_of(f);
        shared.members.0.fetch_and(!OPEN, AcqRel);
        let mut rounds = 0;
        while shared.members.0.load(Acquire) != 0 {
            pause(&mut rounds);
        }
        let panic = locked(&shared.panic).take();
        drop(turn);
        if let Some(panic) = panic {
            resume_unwind(panic);
        }
    }
}

impl Shared {
    fn tasks_of(&self, f: Task) {
        INSIDE.set(true);
        let result = catch_unwind(AssertUnwindSafe(|| {
            let tasks = self.tasks.load(Relaxed);
            loop {
                let task = self.next.0.fetch_add(1, Relaxed);
                if task >= tasks {
                    break;
                }
                f(task);
            }
        }));
        INSIDE.set(false);
        if let Err(panic) = result {
            self.next.0.store(usize::MAX / 2, Relaxed);
            locked(&self.panic).get_or_insert(panic);
        }
    }

    /// Becomes a member of the job, if it is open.
    fn join(&self) -> bool {
        let join = |members| (members & OPEN != 0).then_some(members + 1);
        self.members.0.fetch_update(AcqRel, Relaxed, join).is_ok()
    }
}

fn work(shared: &Shared, asleep: &AtomicBool) {
    let mut done = 0;
    loop {
        let mut rounds = 0;
        let mut job = shared.job.0.load(Acquire);
        while job == done {
            if rounds < SPINS {
                rounds += 1;
                std::hint::spin_loop();
            } else {
                asleep.store(true, SeqCst);
                if shared.job.0.load(SeqCst) == done {
                    thread::park();
                }
                asleep.store(false, SeqCst);
            }
            job = shared.job.0.load(Acquire);
        }
        done = job;
        if shared.join() {
            // SAFETY: as a member; the task was written before the job was opened.
            if let Some(f) = unsafe { *shared.task.get() } {
                shared.tasks_of(f);
            }
            shared.members.0.fetch_sub(1, Release);
        }
    }
}

/// Waits a little; longer where another thread may need this core to go on.
fn pause(rounds: &mut usize) {
    *rounds += 1;
    if *rounds < SPINS { std::hint::spin_loop() } else { thread::yield_now() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_task_runs_once() {
        for tasks in [0, 1, 2, 3, 17, 1000] {
            let runs: Vec<AtomicUsize> = (0..tasks).map(|_| AtomicUsize::new(0)).collect();
            parallel(tasks, |task| {
                runs[task].fetch_add(1, Relaxed);
            });
            assert!(runs.iter().all(|runs| runs.load(Relaxed) == 1), "{tasks}");
        }
    }

    #[test]
    fn many_callers_and_calls_within_calls() {
        let total = AtomicUsize::new(0);
        thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..500 {
                        parallel(5, |_| {
                            parallel(3, |_| {
                                total.fetch_add(1, Relaxed);
                            });
                        });
                    }
                });
            }
        });
        assert_eq!(total.into_inner(), 4 * 500 * 15);
    }

    #[test]
    fn a_panic_comes_out_and_the_pool_goes_on() {
        let result = catch_unwind(|| parallel(8, |task| assert!(task != 5, "five")));
        assert!(result.is_err());
        every_task_runs_once();
    }
}
