//! Timing training beside the same training on other projects' software, in turn on one machine.

mod autoencoder;
mod contest;
mod exchange;
mod peer;
mod report;
mod rival;

pub use autoencoder::{AutoencoderContest, AutoencoderKind};
pub use contest::{Contest, FlowContest, Program};
pub use peer::{Description, Peer};
pub use report::{header, markdown, row};
pub use rival::Rival;

use crate::bench::{Repetitions, median, peak_mb, reset_peak};
use crate::error::Result;
use ffjord_cuda::DeviceName;
use serde::Serialize;

/// How often each side is timed in turn, and how long each time.
const ROUND: Repetitions = Repetitions {
    warm_up: 1,
    least: 1,
    most: 200,
    seconds: 2.0,
};

/// A workload with a solver, on this project and on one rival.
#[derive(Debug, Clone, Serialize)]
pub struct Comparison {
    /// The workload.
    pub workload: String,
    /// The solver.
    pub solver: String,
    /// What it was compared with.
    pub rival: &'static str,
    /// The versions of what the rival is made of.
    pub versions: String,
    /// Median seconds of a training iteration here.
    pub seconds: f64,
    /// Median seconds of a training iteration of the rival.
    pub rival_seconds: f64,
    /// The rival's seconds over ours: how many times faster this project is.
    pub ratio: f64,
    /// The smallest and the largest ratio of the medians of one round.
    pub ratio_range: (f64, f64),
    /// Evaluations forward and in the gradient here.
    pub evaluations: (f64, f64),
    /// The rival's, where it counts them.
    pub rival_evaluations: Option<(f64, f64)>,
    /// The loss of the first iteration here,
    pub loss: f64,
    /// and of the rival, from the same weights, rows and probes.
    pub rival_loss: f64,
    /// The norm of its gradient here,
    pub gradient_norm: f64,
    /// and of the rival.
    pub rival_gradient_norm: f64,
    /// The largest resident memory in MB (10⁶ bytes) from the first iteration here on, with what this process had before;
    /// none where the system does not tell.
    pub peak_memory_mb: Option<f64>,
    /// That of the rival's process.
    pub rival_peak_memory_mb: Option<f64>,
}

/// How rivals are run.
#[derive(Debug, Clone, Copy)]
pub struct Python<'a> {
    /// The program.
    pub program: &'a std::path::Path,
    /// Where they compute.
    pub device: DeviceName,
}

/// Times a contest here and on every rival that has a program for it, in turn for some rounds.
///
/// # Errors
/// When a rival cannot be run or computes something else, or a solve here fails.
pub fn compare(contest: &dyn Contest, rivals: &[Rival], python: &Python<'_>, rounds: usize) -> Result<Vec<Comparison>> {
    let with_program = |rival: &Rival| Some((*rival, contest.program(*rival)?));
    let rivals: Vec<_> = rivals.iter().filter_map(with_program).collect();
    if rivals.is_empty() {
        return Ok(Vec::new());
    }
    let folder = exchange::write(contest, python.device)?;
    reset_peak();
    let reference = contest.first_step()?;
    let mut peers = Vec::new();
    for (rival, program) in rivals {
        let peer = Peer::start(rival, program, python.program, folder.path())?;
        peer.check(reference)?;
        peers.push((peer, Vec::new()));
    }
    let (mut ours, mut evaluations) = (Vec::new(), (0.0, 0.0));
    for _ in 0..rounds {
        let training = contest.train(ROUND)?;
        evaluations = training.evaluations();
        ours.push(training.seconds().to_vec());
        for (peer, rounds) in &mut peers {
            rounds.push(peer.time(ROUND)?);
        }
    }
    let peak_memory_mb = peak_mb();
    let seconds = median(&ours.concat());
    Ok(peers
        .into_iter()
        .map(|(peer, theirs)| {
            let rival_seconds = median(&theirs.concat());
            let ratios = theirs
                .iter()
                .zip(&ours)
                .map(|(theirs, ours)| median(theirs) / median(ours));
            let ratio_range = ratios.fold((f64::INFINITY, 0.0), |(low, high), ratio| {
                (f64::min(low, ratio), f64::max(high, ratio))
            });
            let description = peer.description();
            Comparison {
                workload: contest.name(),
                solver: contest.solver(),
                rival: peer.rival().name(),
                versions: description.versions.clone(),
                seconds,
                rival_seconds,
                ratio: rival_seconds / seconds,
                ratio_range,
                evaluations,
                rival_evaluations: description.forward_evaluations.zip(description.backward_evaluations),
                loss: reference.loss,
                rival_loss: description.loss,
                gradient_norm: reference.gradient_norm,
                rival_gradient_norm: description.gradient_norm,
                peak_memory_mb,
                rival_peak_memory_mb: peer.peak_mb(),
            }
        })
        .collect())
}
