//! The training loop.

mod descent;
mod exchange;
mod fingerprint;
mod iteration;
mod options;
mod session;
mod snapshot;
mod stored;
mod summary;

pub use options::{FailurePolicy, TrainerOptions};
pub use summary::{TrainingEnd, TrainingSummary};

use crate::checkpoint::CheckpointStore;
use crate::error::{Result, TrainError};
use crate::model::Model;
use crate::objective::Objective;
use crate::observer::Observer;
use crate::processes::{Alone, Communicator, Deal};
use crate::source::BatchSource;
use crate::streams::Streams;
use crate::validation::Validator;
use session::Session;
use std::fmt;
use std::sync::atomic::AtomicBool;

/// What a run makes of a checkpoint that is in its store.
///
/// A run is the same if its seed, its objective, the names, shapes and types of the model's tensors, and the options
/// are. Of the options `patience`, `checkpoint_every` and `on_failure` may differ, and `iterations` where the schedules
/// do not depend on them: such a run can be made longer. Data and validation are not compared.
///
/// ```
/// # use candle_core::DType;
/// # use ffjord_data::ToyDensity;
/// # use ffjord_flow::{Cnf, Flow};
/// # let flow = Flow::over_normal(Cnf::builder(2).hidden([8]).tolerance(1e-2).build()?)?;
/// # let moons = ffjord_train::FreshSamples::new(8, DType::F32, |rows, rng| ToyDensity::Moons.sample(rows, rng));
/// use ffjord_train::{CheckpointStore, MaximumLikelihood, Resume, TrainError, Trainer, TrainerOptions};
/// # let folder = tempfile::tempdir()?;
/// let (store, objective) = (CheckpointStore::new(folder.path()), MaximumLikelihood::default());
/// let trainer = |iterations, resume| {
///     let trainer = Trainer::new(&flow, &objective, &moons, TrainerOptions::new(iterations, 1e-3))?;
///     trainer.store(store.clone()).resume(resume).run()
/// };
/// assert!(matches!(trainer(2, Resume::Require), Err(TrainError::NothingToResume { .. })));
/// assert_eq!(trainer(2, Resume::IfSame)?.iterations, 2);
/// // The same run, longer.
/// assert_eq!(trainer(3, Resume::Require)?.iterations, 3);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Resume {
    /// The run starts anew; its first checkpoint replaces the one in the store.
    Never,
    /// The run goes on from a checkpoint of the same run, and starts anew in an empty store. A checkpoint of another
    /// run is an error, which keeps it. One from before runs were recorded counts as the same if its tensors fit.
    #[default]
    IfSame,
    /// The run goes on from a checkpoint of the same run; anything else is an error.
    Require,
}

/// Trains a model; owns the loop and nothing else.
///
/// Everything random in an iteration is a function of the seed and the iteration's number, and a checkpoint holds
/// weights, buffers, optimiser moments, averages, the best weights so far and early stopping's state, so that a run
/// that was interrupted anywhere ends with the same bits as one that was not.
///
/// ```
/// use candle_core::DType;
/// use ffjord_data::ToyDensity;
/// use ffjord_flow::{Cnf, Flow};
/// use ffjord_train::{FreshSamples, MaximumLikelihood, Streams, Trainer, TrainerOptions};
///
/// let flow = Flow::over_normal(Cnf::builder(2).hidden([16]).tolerance(1e-3).build()?)?;
/// let moons = FreshSamples::new(32, DType::F32, |rows, rng| ToyDensity::Moons.sample(rows, rng));
/// let objective = MaximumLikelihood::default();
/// let summary = Trainer::new(&flow, &objective, &moons, TrainerOptions::new(5, 1e-2))?
///     .streams(Streams::new(7))
///     .run()?;
/// assert_eq!((summary.iterations, summary.failures), (5, 0));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// With validations, early stopping and checkpoints:
///
/// ```
/// # use candle_core::DType;
/// # use ffjord_data::ToyDensity;
/// # use ffjord_flow::{Cnf, Flow};
/// # let flow = Flow::over_normal(Cnf::builder(2).hidden([8]).tolerance(1e-2).build()?)?;
/// # let moons = ffjord_train::FreshSamples::new(8, DType::F32, |rows, rng| ToyDensity::Moons.sample(rows, rng));
/// use ffjord_train::{CheckpointStore, HeldOut, MaximumLikelihood, Trainer, TrainerOptions, to_tensor};
/// use rand::SeedableRng;
/// # let folder = tempfile::tempdir()?;
/// let rows = ToyDensity::Moons.sample(50, &mut rand_chacha::ChaCha8Rng::seed_from_u64(1));
/// let held_out = HeldOut::new(to_tensor(&rows, DType::F32, &candle_core::Device::Cpu)?)?.at_a_time(25)?;
/// let options = TrainerOptions::new(4, 1e-3).validate_every(2).patience(5);
/// let summary = Trainer::new(&flow, &MaximumLikelihood::default(), &moons, options)?
///     .validate(&held_out)
///     .store(CheckpointStore::new(folder.path()))
///     .run()?;
/// assert!(summary.best_nll.is_some_and(|nll| nll > 0.0));
/// assert!(folder.path().join("checkpoint.json").exists());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Trainer<'a, M> {
    model: &'a M,
    objective: &'a dyn Objective<M>,
    source: &'a dyn BatchSource,
    /// Checked when the trainer was made.
    options: TrainerOptions,
    streams: Streams,
    validator: Option<&'a dyn Validator<M>>,
    store: Option<CheckpointStore>,
    resume: Resume,
    observers: Vec<Box<dyn Observer + 'a>>,
    stop: Option<&'a AtomicBool>,
    communicator: &'a dyn Communicator,
}

impl<'a, M: Model> Trainer<'a, M> {
    /// Training of `model` on batches of `source`: with seed 0, without validations, without checkpoints, and watched
    /// by nobody, unless the other methods say so.
    ///
    /// # Errors
    /// [`TrainError::InvalidSetting`] for options outside their range, and for `accumulate_rows` and `shards` with a model
    /// that [uses batch statistics](Model::uses_batch_statistics).
    pub fn new(
        model: &'a M,
        objective: &'a dyn Objective<M>,
        source: &'a dyn BatchSource,
        options: TrainerOptions,
    ) -> Result<Self> {
        options.check()?;
        let parts = [
            ("`accumulate_rows`", options.accumulate_rows),
            ("`shards`", options.shards.filter(|shards| shards.get() > 1)),
        ];
        if let Some((setting, given)) = parts.into_iter().find_map(|(setting, given)| Some((setting, given?)))
            && model.uses_batch_statistics()
        {
            return Err(TrainError::invalid(
                setting,
                given,
                "none for a model that uses statistics of the whole batch, as batch normalisation does",
            ));
        }
        Ok(Self {
            model,
            objective,
            source,
            options,
            streams: Streams::new(0),
            validator: None,
            store: None,
            resume: Resume::default(),
            observers: Vec::new(),
            stop: None,
            communicator: &Alone,
        })
    }

    /// Takes every random number from `streams`.
    #[must_use]
    pub fn streams(mut self, streams: Streams) -> Self {
        self.streams = streams;
        self
    }

    /// Validates every `validate_every` iterations: that is what early stopping and the best weights go by.
    #[must_use]
    pub fn validate(mut self, validator: &'a dyn Validator<M>) -> Self {
        self.validator = Some(validator);
        self
    }

    /// Saves checkpoints, and goes on from the one that is there as [`resume`](Self::resume) says.
    #[must_use]
    pub fn store(mut self, store: CheckpointStore) -> Self {
        self.store = Some(store);
        self
    }

    /// What to make of a checkpoint in the store; [`Resume::IfSame`] unless set.
    #[must_use]
    pub fn resume(mut self, resume: Resume) -> Self {
        self.resume = resume;
        self
    }

    /// Reports to one more observer; `&mut observer` leaves it to be read after the run.
    #[must_use]
    pub fn observe(mut self, observer: impl Observer + 'a) -> Self {
        self.observers.push(Box::new(observer));
        self
    }

    /// Stops after the iteration in hand once `stop` is set, by Ctrl-C for example.
    #[must_use]
    pub fn stop_on(mut self, stop: &'a AtomicBool) -> Self {
        self.stop = Some(stop);
        self
    }

    /// Trains together with other processes, which make the same trainer and call [`run`](Self::run) as well; alone unless
    /// set.
    ///
    /// The options must have `shards`: each process computes losses and gradients of some of them, and all end with the
    /// same weights, for any number of processes with the same bits. Every process reads the checkpoint in its store, which
    /// must be the same on all, and process 0 alone writes. Validators and sources are called on every process, and must
    /// do the same there; observers are a process's own. Whoever is asked to stop stops all after the same iteration, and
    /// what fails on one process fails on all.
    #[must_use]
    pub fn together(mut self, communicator: &'a dyn Communicator) -> Self {
        self.communicator = communicator;
        self
    }

    /// Who computes which parts of a batch.
    fn deal(&self) -> Deal {
        Deal {
            shards: self.options.shards.map_or(1, usize::from),
            processes: self.communicator.size(),
        }
    }

    /// Fails unless there is something to compute for every process.
    fn check_shards(&self) -> Result<()> {
        let Deal { shards, processes } = self.deal();
        if processes <= shards {
            return Ok(());
        }
        Err(TrainError::invalid(
            "shards",
            format!("{shards} for {processes} processes"),
            "a power of two that is not smaller than the number of processes",
        ))
    }

    /// Trains until the last iteration, until early stopping, or until it is asked to stop; continues from the
    /// checkpoint in the store if there is one. After a finished run the model holds the best weights of all
    /// validations, or without any finite validation the average or the last weights.
    ///
    /// # Errors
    /// [`TrainError::InvalidSetting`] for options that need validations where there are none, and for fewer `shards` than
    /// processes; [`TrainError::LostProcess`] and [`TrainError::Diverged`] for several processes;
    /// [`TrainError::OtherModel`], [`TrainError::OtherRun`] and [`TrainError::NothingToResume`] as [`Resume`] says;
    /// [`TrainError::NoGradient`] if no parameter gets a gradient. Later, when a checkpoint cannot be read or written,
    /// an observer fails, or iterations or validations fail and the policy or their number ends the run; the last
    /// checkpoint stays.
    pub fn run(&mut self) -> Result<TrainingSummary> {
        if self.validator.is_none() {
            self.options.check_without_validations()?;
        }
        self.check_shards()?;
        Session::start(self)?.run()
    }
}

impl<M> fmt::Debug for Trainer<'_, M> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Trainer")
            .field("options", &self.options)
            .field("streams", &self.streams)
            .field("store", &self.store)
            .field("resume", &self.resume)
            .finish_non_exhaustive()
    }
}
