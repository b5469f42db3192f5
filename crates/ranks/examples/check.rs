//! Every call of `Ranks` between the processes of an MPI job, against what it must give; `tests/mpi.sh` starts them.
//!
//! With the argument `silent`, the last rank stops answering: rank 0 must notice within its patience, and end.

use shuyuan_ranks::{Lost, Mpi, Ranks};
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

static STOP: AtomicBool = AtomicBool::new(false);
const PATIENCE: Duration = Duration::from_secs(60);

fn main() -> Result<(), Lost> {
    let ranks = Mpi::join(&STOP)?;
    let (rank, size) = (ranks.rank(), ranks.size());
    assert!(size > 1, "start it with mpirun -n 2 or more");
    assert!(Mpi::join(&STOP).is_err(), "a job is joined once");
    orders(&ranks)?;
    // More numbers than go in one message, none, and a few.
    for count in [(9 << 20) + 5, 0, 3] {
        numbers(&ranks, count)?;
    }
    if std::env::args().nth(1).as_deref() != Some("silent") {
        println!("rank {rank} of {size}: all is as it must be");
        return Ok(());
    }
    if rank + 1 == size {
        std::thread::sleep(Duration::from_secs(600));
    }
    let (started, patience) = (Instant::now(), Duration::from_secs(2));
    let lost = ranks.sum(vec![1.0; 1 << 20], patience).expect_err("one rank says nothing");
    assert!(started.elapsed() > patience && started.elapsed() < 2 * patience, "{:?}", started.elapsed());
    assert!(lost.to_string().contains("silent for 2 s"), "{lost}");
    // What was lost stays lost.
    assert!(ranks.tell(Vec::new()).is_err() && ranks.broadcast(Vec::new()).is_err());
    println!("rank 0 noticed: {lost}");
    Ok(())
}

fn orders(ranks: &Mpi) -> Result<(), Lost> {
    let order = |round: usize, rank: usize| vec![(round + rank) as u8; round * 100_000 * rank];
    for round in 0..3 {
        if ranks.rank() == 0 {
            ranks.tell((1..ranks.size()).map(|rank| order(round, rank)).collect())?;
        } else {
            assert_eq!(ranks.hear()?, order(round, ranks.rank()));
        }
    }
    Ok(())
}

fn numbers(ranks: &Mpi, count: usize) -> Result<(), Lost> {
    // Whole numbers, so that sums are exact in any order.
    let number = |rank: usize, i: usize| (i % 1000 * (rank + 1)) as f32;
    let own: Vec<f32> = (0..count).map(|i| number(ranks.rank(), i)).collect();
    let given = ranks.broadcast(own.clone())?;
    assert!(given.iter().enumerate().all(|(i, x)| *x == number(0, i)) && given.len() == count);
    let sum = ranks.sum(own.clone(), PATIENCE)?;
    if ranks.rank() == 0 {
        let wanted = |i| (0..ranks.size()).map(|rank| number(rank, i)).sum::<f32>();
        assert!(sum.iter().enumerate().all(|(i, x)| *x == wanted(i)) && sum.len() == count);
    } else {
        assert_eq!(sum, own);
    }
    Ok(())
}
