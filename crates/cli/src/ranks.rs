//! `--mpi`: the processes of one job train one model.

use crate::stop::STOP;
use anyhow::{Result, bail};
use shuyuan_academy::Academy;
use shuyuan_ranks::Ranks;

/// The processes of this job, if `wanted`. Without, several are refused: each would train by itself, in one folder.
pub(crate) fn join(wanted: bool) -> Result<Option<Box<dyn Ranks>>> {
    if wanted {
        return start().map(Some);
    }
    let sizes = ["OMPI_COMM_WORLD_SIZE", "PMI_SIZE", "SLURM_STEP_NUM_TASKS"].map(std::env::var);
    let size = sizes.into_iter().flatten().find_map(|size| size.parse().ok().filter(|size: &u32| *size > 1));
    if let Some(size) = size {
        bail!("{size} of this program were started together, and each would train by itself: add --mpi");
    }
    Ok(None)
}

#[cfg(feature = "mpi")]
fn start() -> Result<Box<dyn Ranks>> {
    Ok(Box::new(shuyuan_ranks::Mpi::join(&STOP)?))
}

#[cfg(not(feature = "mpi"))]
fn start() -> Result<Box<dyn Ranks>> {
    let _ = &STOP;
    bail!(
        "this program was built without MPI: cargo build --release --features mpi (the README says what that needs)"
    )
}

/// Has the first of them do the work, and the others what it says; a process alone does it all.
pub(crate) fn lead(academy: &Academy, work: impl FnOnce() -> Result<()>) -> Result<()> {
    let Some(team) = academy.ranks.as_deref() else { return work() };
    if team.rank() > 0 {
        return Ok(shuyuan_train::serve(team, &academy.device)?);
    }
    let done = work();
    let dismissed = shuyuan_train::dismiss(team);
    done?; // Says more than what it led to.
    Ok(dismissed?)
}
