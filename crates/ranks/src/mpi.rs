//! Ranks that `mpirun` or `srun` started.

use crate::{Lost, Ranks};
use ::mpi::collective::SystemOperation;
use ::mpi::environment::{Threading, initialize_with_threading};
use ::mpi::request::{Request, Scope};
use ::mpi::topology::SimpleCommunicator;
use ::mpi::traits::{Communicator, Destination, Equivalence, Root, Source};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Numbers of one collective call, 16 MiB: MPI counts them in 31 bits.
const CHUNK: usize = 1 << 22;

/// How long rank 0 waits on after it was told to stop. When a rank dies, the launcher tells the others so, and ends them a
/// moment later; when the user stops the run, this step may still come to its end.
const GRACE: Duration = Duration::from_millis(300);

/// The processes of one MPI job.
///
/// A thread of its own makes all calls to MPI: it may wait for a rank that died without keeping rank 0 from saving.
pub struct Mpi {
    rank: usize,
    size: usize,
    stop: &'static AtomicBool,
    thread: Mutex<Thread>,
}

struct Thread {
    calls: Option<Sender<Call>>,
    replies: Receiver<Reply>,
    handle: Option<JoinHandle<()>>,
    lost: bool,
}

enum Call {
    Tell(Vec<Vec<u8>>),
    Hear,
    Broadcast(Vec<f32>),
    Sum(Vec<f32>),
}

enum Reply {
    Ready { rank: usize, size: usize },
    Done,
    Order(Vec<u8>),
    Numbers(Vec<f32>),
}

impl Mpi {
    /// Joins the job that this process was started in; waits for the others of it. `stop` is set when the process is asked
    /// to end.
    ///
    /// # Errors
    /// If this process has joined before, or MPI cannot be called beside other threads. MPI itself ends the process where it
    /// finds no job.
    pub fn join(stop: &'static AtomicBool) -> Result<Self, Lost> {
        let (calls, asked) = channel();
        let (answers, replies) = channel();
        let handle = std::thread::Builder::new().name("mpi".into()).spawn(move || work(&asked, &answers));
        let handle = handle.map_err(|error| Lost(format!("a thread for MPI: {error}")))?;
        let Ok(Reply::Ready { rank, size }) = replies.recv() else {
            return Err(Lost("MPI was joined before, or may not be called beside other threads".into()));
        };
        let thread = Mutex::new(Thread { calls: Some(calls), replies, handle: Some(handle), lost: false });
        Ok(Self { rank, size, stop, thread })
    }

    /// Has the thread make a call. Rank 0 waits no longer than `patience`, or [`GRACE`] when it is to stop.
    fn call(&self, call: Call, patience: Duration) -> Result<Reply, Lost> {
        let mut thread = self.thread.lock().unwrap_or_else(|panic| panic.into_inner());
        let gone = || Lost("MPI does not answer any more, since another rank was lost".into());
        if thread.lost || thread.calls.as_ref().is_none_or(|calls| calls.send(call).is_err()) {
            return Err(gone());
        }
        let (started, mut stopped) = (Instant::now(), None);
        let lost = loop {
            match thread.replies.recv_timeout(Duration::from_millis(20)) {
                Ok(reply) => return Ok(reply),
                Err(RecvTimeoutError::Disconnected) => break gone(),
                Err(RecvTimeoutError::Timeout) if self.rank > 0 => {}
                Err(RecvTimeoutError::Timeout) => {
                    if self.stop.load(Ordering::Relaxed) && stopped.is_none() {
                        stopped = Some(Instant::now());
                    }
                    if stopped.is_some_and(|at: Instant| at.elapsed() > GRACE) {
                        break Lost("the run was told to end while another rank did not answer".into());
                    }
                    if started.elapsed() > patience {
                        break Lost(format!("another rank was silent for {} s", patience.as_secs()));
                    }
                }
            }
        };
        thread.lost = true;
        Err(lost)
    }

    fn numbers(&self, call: Call, patience: Duration) -> Result<Vec<f32>, Lost> {
        match self.call(call, patience)? {
            Reply::Numbers(numbers) => Ok(numbers),
            _ => unreachable!("numbers come back as numbers"),
        }
    }
}

/// What passes between ranks without being computed takes no longer.
const PATIENCE: Duration = Duration::from_secs(300);

impl Ranks for Mpi {
    fn rank(&self) -> usize {
        self.rank
    }

    fn size(&self) -> usize {
        self.size
    }

    fn tell(&self, orders: Vec<Vec<u8>>) -> Result<(), Lost> {
        self.call(Call::Tell(orders), PATIENCE).map(|_| ())
    }

    fn hear(&self) -> Result<Vec<u8>, Lost> {
        match self.call(Call::Hear, Duration::MAX)? {
            Reply::Order(order) => Ok(order),
            _ => unreachable!("an order was asked for"),
        }
    }

    fn broadcast(&self, numbers: Vec<f32>) -> Result<Vec<f32>, Lost> {
        self.numbers(Call::Broadcast(numbers), PATIENCE)
    }

    fn sum(&self, numbers: Vec<f32>, patience: Duration) -> Result<Vec<f32>, Lost> {
        self.numbers(Call::Sum(numbers), patience)
    }
}

impl Drop for Mpi {
    /// Leaves the job together with the others. After a loss they would be waited for in vain: then the end of the process
    /// is the end of it.
    fn drop(&mut self) {
        let thread = self.thread.get_mut().unwrap_or_else(|panic| panic.into_inner());
        thread.calls = None;
        if !thread.lost
            && let Some(handle) = thread.handle.take()
        {
            // It has no panic of its own; MPI's errors end the process.
            let _ = handle.join();
        }
    }
}

/// Makes calls until there are no more.
fn work(calls: &Receiver<Call>, replies: &Sender<Reply>) {
    let Some((universe, threading)) = initialize_with_threading(Threading::Funneled) else { return };
    if threading < Threading::Funneled {
        return;
    }
    let world = universe.world();
    let (rank, size) = (world.rank(), world.size());
    let ready = Reply::Ready { rank: rank as usize, size: size as usize };
    if replies.send(ready).is_err() {
        return;
    }
    while let Ok(call) = calls.recv() {
        let reply = match call {
            Call::Tell(orders) => {
                for (order, to) in orders.iter().zip(1..) {
                    ::mpi::request::scope(|scope| {
                        wait(world.process_at_rank(to).immediate_send(scope, &order[..]))
                    });
                }
                Reply::Done
            }
            Call::Hear => Reply::Order(hear(&world)),
            Call::Broadcast(mut numbers) => {
                for chunk in numbers.chunks_mut(CHUNK) {
                    let root = world.process_at_rank(0);
                    ::mpi::request::scope(|scope| wait(root.immediate_broadcast_into(scope, chunk)));
                }
                Reply::Numbers(numbers)
            }
            Call::Sum(mut numbers) => {
                sum(&world, &mut numbers);
                Reply::Numbers(numbers)
            }
        };
        if replies.send(reply).is_err() {
            return;
        }
    }
}

fn hear(world: &SimpleCommunicator) -> Vec<u8> {
    let mut nap = Nap::default();
    let (message, status) = loop {
        if let Some(found) = world.process_at_rank(0).immediate_matched_probe() {
            break found;
        }
        nap.take();
    };
    let mut order = vec![0u8; status.count(u8::equivalent_datatype()) as usize];
    ::mpi::request::scope(|scope| wait(message.immediate_matched_receive_into(scope, &mut order[..])));
    order
}

fn sum(world: &SimpleCommunicator, numbers: &mut [f32]) {
    let (root, rank) = (world.process_at_rank(0), world.rank());
    let mut given = vec![0.0; if rank == 0 { CHUNK.min(numbers.len()) } else { 0 }];
    for chunk in numbers.chunks_mut(CHUNK) {
        if rank > 0 {
            ::mpi::request::scope(|scope| {
                wait(root.immediate_reduce_into(scope, &*chunk, SystemOperation::sum()));
            });
            continue;
        }
        let given = &mut given[..chunk.len()];
        given.copy_from_slice(chunk);
        ::mpi::request::scope(|scope| {
            wait(root.immediate_reduce_into_root(scope, &*given, chunk, SystemOperation::sum()));
        });
    }
}

/// Waits without keeping a core busy, as MPI's own waiting would: other ranks may compute on it.
fn wait<'a, D: ?Sized, S: Scope<'a>>(mut request: Request<'a, D, S>) {
    let mut nap = Nap::default();
    loop {
        match request.test() {
            Ok(_) => return,
            Err(pending) => request = pending,
        }
        nap.take();
    }
}

/// Short at first, since messages are handed on by who looks for them.
#[derive(Default)]
struct Nap(u32);

impl Nap {
    fn take(&mut self) {
        self.0 += 1;
        if self.0 < 200 {
            std::thread::yield_now();
        } else {
            std::thread::sleep(Duration::from_micros(if self.0 < 2000 { 50 } else { 500 }));
        }
    }
}
