//! Several processes that run one command.

use crate::error::{LabError, Result};
use clap::Args;
use ffjord_run::RunError;
use ffjord_train::{Communicator, TcpCommunicator, TrainError};
use std::env::VarError;
use std::process::ExitCode;
use std::time::Duration;

/// What launchers call the number of a process and how many there are, the innermost first: torchrun, Open MPI, MPICH and
/// others that speak PMI, Slurm.
const LAUNCHERS: [(&str, &str); 4] = [
    ("RANK", "WORLD_SIZE"),
    ("OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE"),
    ("PMI_RANK", "PMI_SIZE"),
    ("SLURM_PROCID", "SLURM_NTASKS"),
];

/// How a process finds the others that run the same command.
#[derive(Clone, Debug, Default, Args)]
pub struct Together {
    /// Runs as one of several processes, which meet where the first one waits
    #[arg(long, value_name = "HOST:PORT", help_heading = "Several processes")]
    meet: Option<String>,
    /// The number of this process, from 0 (default: what torchrun, Open MPI, PMI or Slurm say)
    #[arg(long, value_name = "N", requires_all = ["meet", "ranks"], help_heading = "Several processes")]
    rank: Option<usize>,
    /// The number of processes
    #[arg(long, value_name = "N", requires_all = ["meet", "rank"], help_heading = "Several processes")]
    ranks: Option<usize>,
    /// How long the processes wait for each other until the run ends
    #[arg(
        long,
        value_name = "SECONDS",
        requires = "meet",
        default_value_t = 600,
        help_heading = "Several processes"
    )]
    time_limit: u64,
}

impl Together {
    /// Runs a command as one of the processes that `communicator` connects, or of those that the command line names. What
    /// the first process tells of as well is a failure without a word on the others.
    ///
    /// # Errors
    /// The command's own, with the number of the process; and when processes do not meet.
    pub fn run(
        &self,
        communicator: &dyn Communicator,
        command: impl FnOnce(&dyn Communicator) -> Result<ExitCode>,
    ) -> Result<ExitCode> {
        let joined = self.join()?;
        let communicator: &dyn Communicator = match &joined {
            Some(_) if communicator.size() > 1 => return Err(LabError::MetAlready),
            Some(joined) => joined,
            None => communicator,
        };
        match (communicator.rank(), command(communicator)) {
            (0, ended) => ended,
            (_, Err(error)) if is_told_by_the_first(&error) => Ok(ExitCode::FAILURE),
            (rank, Err(error)) => Err(LabError::InProcess {
                rank,
                source: Box::new(error),
            }),
            (_, ended) => ended,
        }
    }

    /// Meets the other processes, if the command line says that there are some.
    fn join(&self) -> Result<Option<TcpCommunicator>> {
        let Some(address) = &self.meet else { return Ok(None) };
        let (rank, ranks) = match (self.rank, self.ranks) {
            (Some(rank), Some(ranks)) => (rank, ranks),
            _ => launched(&|name| std::env::var(name))?,
        };
        let limit = Duration::from_secs(self.time_limit);
        Ok(Some(TcpCommunicator::join(address, rank, ranks, limit)?))
    }
}

/// Number and count of processes as the variables of a launcher have them.
fn launched(variable: &dyn Fn(&str) -> Result<String, VarError>) -> Result<(usize, usize)> {
    let number = |name: &str| variable(name).ok()?.trim().parse().ok();
    LAUNCHERS
        .iter()
        .find_map(|(rank, size)| Some((number(rank)?, number(size)?)))
        .ok_or(LabError::UnknownRank)
}

/// Whether process 0 tells of this error, so that the others need not.
fn is_told_by_the_first(error: &LabError) -> bool {
    let error = match error {
        LabError::Train(error) => Some(error),
        LabError::Run(source) | LabError::InRowsOf { source, .. } => match source.as_ref() {
            RunError::Train(error) => Some(error),
            _ => None,
        },
        _ => None,
    };
    let Some(error) = error else { return false };
    matches!(
        error,
        TrainError::Agreed { .. }
            | TrainError::Diverged { .. }
            | TrainError::StepFailed { .. }
            | TrainError::TooManyFailures { .. }
            | TrainError::ValidationFailed { .. }
    )
}

/// Fails where a command is for one process and there are several.
///
/// # Errors
/// [`LabError::OneProcess`].
pub fn require_alone(communicator: &dyn Communicator) -> Result<()> {
    match communicator.size() {
        1 => Ok(()),
        processes => Err(LabError::OneProcess { processes }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_innermost_launcher_says_which_process_this_is() {
        let known = |variables: &'static [(&str, &str)]| {
            move |name: &str| {
                let found = variables.iter().find(|(known, _)| *known == name);
                found.map(|(_, value)| value.to_string()).ok_or(VarError::NotPresent)
            }
        };
        let slurm: &[(&str, &str)] = &[("SLURM_PROCID", "3"), ("SLURM_NTASKS", "8")];
        assert_eq!(launched(&known(slurm)).ok(), Some((3, 8)));
        let inside: &[(&str, &str)] = &[
            ("SLURM_PROCID", "0"),
            ("SLURM_NTASKS", "1"),
            ("OMPI_COMM_WORLD_RANK", "2"),
            ("OMPI_COMM_WORLD_SIZE", "4"),
        ];
        assert_eq!(launched(&known(inside)).ok(), Some((2, 4)));
        let half: &[(&str, &str)] = &[("RANK", "1"), ("PMI_RANK", "1"), ("PMI_SIZE", "2")];
        assert_eq!(launched(&known(half)).ok(), Some((1, 2)));
        assert!(matches!(launched(&known(&[])), Err(LabError::UnknownRank)));
    }
}
