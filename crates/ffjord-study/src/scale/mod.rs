//! What training in many processes costs: a model of an iteration's time, its constants measured in few processes on this
//! machine, and what follows from it for many.

mod cost;
mod measurement;
mod network;
mod picture;
mod report;
mod subject;

pub use cost::{Constants, Network, Share};
pub use measurement::Measured;
pub use picture::draw;
pub use report::markdown;
pub use subject::Subject;

use crate::error::Result;
use crate::program::Place;
use serde::Serialize;
use std::path::PathBuf;

/// The network that drawn numbers assume beside the measured one: 10 Gbit/s and 20 µs.
pub const ASSUMED: Network = Network {
    latency_seconds: 20e-6,
    bytes_per_second: 1.25e9,
};
/// Rows of the batch that is drawn: 64 a process of 1,024.
pub const DRAWN_ROWS: usize = 65_536;
/// The most processes that are drawn, and the shards of the batch.
pub const DRAWN_RANKS: usize = 1_024;

/// How much is measured.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The program.
    pub program: PathBuf,
    /// Iterations of each run; the first two are left out.
    pub iterations: usize,
    /// The most processes that are started.
    pub ranks: usize,
    /// Messages of each length that travel to measure the network.
    pub messages: usize,
}

/// Everything that was measured and drawn.
#[derive(Debug, Clone, Serialize)]
pub struct Scaling {
    /// The network between processes on this machine, as measured.
    pub loopback: Network,
    /// The one that is assumed.
    pub assumed: Network,
    /// How much longer one of 1, 2, … processes takes that compute at the same time without a word to each other, than one
    /// by itself: what sharing this machine costs.
    pub sharing: Vec<f64>,
    /// One entry a model.
    pub models: Vec<ModelScaling>,
}

/// What was measured and drawn of one model.
#[derive(Debug, Clone, Serialize)]
pub struct ModelScaling {
    /// What the model is.
    pub name: String,
    /// The settings of its runs.
    pub subject: Subject,
    /// Its constants.
    pub constants: Constants,
    /// Runs in one process that the constants were fitted to, and in several.
    pub runs: Vec<Compared>,
    /// Drawn, not measured: seconds of an iteration for 1, 2, 4, … processes.
    pub drawn: Vec<Drawn>,
}

/// A measured run beside the model of it.
#[derive(Debug, Clone, Serialize)]
pub struct Compared {
    /// What was measured.
    pub measured: Measured,
    /// What the model says.
    pub model_seconds: f64,
    /// By how much that differs, relative to what was measured.
    pub error: f64,
    /// Whether the constants were fitted to this run.
    pub fitted: bool,
}

/// Seconds of an iteration on so many processes, each with a core of its own, by the model.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Drawn {
    /// Processes.
    pub ranks: usize,
    /// Without any exchange.
    pub compute_seconds: f64,
    /// Over the network as measured here.
    pub loopback_seconds: f64,
    /// Over the assumed network.
    pub assumed_seconds: f64,
}

/// Measures, fits and draws.
///
/// # Errors
/// When the program cannot be started or fails, or processes cannot meet.
pub fn run(settings: &Settings, subjects: &[Subject], mut tell: impl FnMut(&str)) -> Result<Scaling> {
    let loopback = network::loopback(settings.messages)?;
    tell(&format!(
        "loopback: {:.1} µs a message, {:.2} GB/s",
        loopback.latency_seconds * 1e6,
        loopback.bytes_per_second * 1e-9
    ));
    let place = Place::new(&settings.program)?;
    let sharing = measurement::sharing(settings.ranks);
    let mut models = Vec::new();
    for subject in subjects {
        subject.prepare(&place)?;
        let mut runs = Vec::new();
        for share in subject.alone() {
            runs.push(measurement::run(&place, subject, share, 1, settings.iterations)?);
        }
        let constants = Constants::of_compute(subject.parameter_bytes(&place)?, &runs);
        for ranks in 2..=settings.ranks {
            runs.push(measurement::run(
                &place,
                subject,
                subject.usual(),
                ranks,
                settings.iterations,
            )?);
        }
        for run in &runs {
            tell(&format!(
                "{}: {} rows in {} shards, {} processes: {:.2} ms an iteration",
                subject.name,
                run.share.rows,
                run.share.shards,
                run.ranks,
                run.seconds * 1e3
            ));
        }
        models.push((subject, constants, runs));
    }
    // One constant of all models: what a byte costs the processes themselves, beside its way.
    let pairs = models.iter().flat_map(|(_, constants, runs)| {
        let two = runs.iter().filter(|run| run.ranks == 2);
        two.map(move |run| (*constants, *run))
    });
    let handling = cost::handling(&pairs.collect::<Vec<_>>(), &loopback, &sharing);
    let finish = |(subject, constants, runs): (&Subject, Constants, Vec<Measured>)| {
        finish(
            subject,
            Constants {
                seconds_per_byte: handling,
                ..constants
            },
            &runs,
            &loopback,
            &sharing,
        )
    };
    Ok(Scaling {
        loopback,
        assumed: ASSUMED,
        models: models.into_iter().map(finish).collect(),
        sharing,
    })
}

/// Puts the model beside what was measured, and draws it further.
fn finish(
    subject: &Subject,
    constants: Constants,
    runs: &[Measured],
    loopback: &Network,
    sharing: &[f64],
) -> ModelScaling {
    let compare = |run: &Measured| {
        let slowdown = sharing.get(run.ranks - 1).copied().unwrap_or(1.0);
        let model_seconds = constants.iteration(run.share, run.ranks, slowdown, Some(loopback));
        Compared {
            measured: *run,
            model_seconds,
            error: model_seconds / run.seconds - 1.0,
            fitted: run.ranks <= 2,
        }
    };
    let share = Share {
        rows: DRAWN_ROWS,
        shards: DRAWN_RANKS,
    };
    let draw = |power: u32| {
        let ranks = 1 << power;
        let seconds = |network: Option<&Network>| constants.iteration(share, ranks, 1.0, network);
        Drawn {
            ranks,
            compute_seconds: seconds(None),
            loopback_seconds: seconds(Some(loopback)),
            assumed_seconds: seconds(Some(&ASSUMED)),
        }
    };
    ModelScaling {
        name: subject.name.clone(),
        subject: subject.clone(),
        constants,
        runs: runs.iter().map(compare).collect(),
        drawn: (0..=DRAWN_RANKS.ilog2()).map(draw).collect(),
    }
}
