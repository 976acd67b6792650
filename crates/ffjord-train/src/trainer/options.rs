//! How long and how to train.

use crate::average::check_decay;
use crate::error::{Result, TrainError, check_setting};
use crate::optim::OptimizerKind;
use crate::schedule::ScheduleConfig;
use serde::{Deserialize, Serialize};
use std::num::NonZeroUsize;

/// What happens when an iteration or a validation fails: a solve that cannot go on, a NaN in loss or gradient.
///
/// ```
/// use ffjord_train::{FailurePolicy, TrainerOptions};
/// let options: TrainerOptions = serde_json::from_str(
///     r#"{"iterations": 10, "schedule": {"kind": "constant", "rate": 0.001}, "on_failure": "stop"}"#,
/// )?;
/// assert_eq!(options.on_failure, FailurePolicy::Stop);
/// assert_eq!(TrainerOptions::new(10, 1e-3).on_failure, FailurePolicy::Skip);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Serialize, Deserialize, Debug, Clone, Copy, PartialEq, Eq, Default)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum FailurePolicy {
    /// The failure is reported and changes nothing; training goes on with the next batch.
    #[default]
    Skip,
    /// The failure is reported, and training ends with an error; the last checkpoint stays.
    Stop,
}

/// More than any batch is cut into.
const MAX_SHARDS: usize = 65536;

/// How long and how to train.
///
/// ```
/// use ffjord_train::{ScheduleConfig, TrainerOptions};
///
/// let options = TrainerOptions::new(500, 1e-2).validate_every(25).patience(3).clip_norm(10.0);
/// assert_eq!(options.schedule, ScheduleConfig::Constant { rate: 1e-2 });
/// options.check()?;
///
/// let from_file: TrainerOptions = serde_json::from_str(
///     r#"{"iterations": 500, "schedule": {"kind": "constant", "rate": 1e-2}, "validate_every": 25, "patience": 3,
///         "clip_norm": 10.0}"#,
/// )?;
/// assert_eq!(from_file, options);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Serialize, Deserialize, Debug, Clone, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct TrainerOptions {
    /// Iterations, at least 1; each is a step of the optimiser unless it fails.
    pub iterations: u64,
    /// Rows of a batch whose loss and gradient are computed at a time, and added up; the whole batch if absent.
    ///
    /// A step takes the memory of so many rows, and a gradient whose evaluations fit into the memory for tapes need not
    /// compute them again. The gradient is that of the whole batch, with other probes, where the loss is a mean over
    /// rows that do not depend on each other; what is [drawn](crate::Objective::draw) for rows together, as optimal-transport
    /// coupling is, is drawn for the whole batch. Activation normalisation sets itself by the first part, and models that use
    /// batch statistics are refused.
    #[serde(default)]
    pub accumulate_rows: Option<NonZeroUsize>,
    /// Parts of about equal size, a power of two, that every batch is cut into for several processes; one if absent.
    ///
    /// Each has random numbers of its own, and losses and gradients are added pairwise in a tree over their numbers: the
    /// result has the same bits for any number of processes up to this one. What is said of `accumulate_rows`, which cuts
    /// a shard further, holds of shards too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shards: Option<NonZeroUsize>,
    /// The optimiser; [`OptimizerKind::Adam`] unless set.
    #[serde(default, with = "ffjord_nn::text")]
    pub optimizer: OptimizerKind,
    /// L2 weight decay, added to the gradient; 0 unless set.
    #[serde(default)]
    pub weight_decay: f64,
    /// The learning rate over time.
    pub schedule: ScheduleConfig,
    /// What the tolerances of training solves are multiplied with over time, 1 if absent: loose at first and tight at
    /// the end, for instance. Solves with fixed steps have no tolerance.
    #[serde(default)]
    pub tolerance: Option<ScheduleConfig>,
    /// The largest spectral norm of a layer's weight, positive; larger ones are scaled down after every step.
    #[serde(default)]
    pub spectral_norm: Option<f64>,
    /// The largest global gradient norm, positive; larger gradients are scaled down to it.
    #[serde(default)]
    pub clip_norm: Option<f64>,
    /// Decay of an exponential average of weights and running statistics, in `[0, 1)`; validations and the result then
    /// use the average.
    #[serde(default)]
    pub average: Option<f64>,
    /// Iterations between validations, at least 1, and 50 unless set; a last one follows the last iteration.
    #[serde(default = "validate_every")]
    pub validate_every: u64,
    /// Whether there is a validation before the first iteration, so that the weights of the start are kept as the best ones
    /// should training not improve on them.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub validate_at_start: bool,
    /// Validations without improvement, at least 1, after which training stops early.
    ///
    /// The first finite validation always is an improvement, so a run of fewer than `(patience + 1) · validate_every`
    /// iterations cannot stop early by this. Validations that fail do not count.
    #[serde(default)]
    pub patience: Option<u32>,
    /// Validations in earlier iterations than this never count as ones without improvement, as while a loss is still being
    /// warmed up; 0 unless set.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub patience_from: u64,
    /// Iterations between checkpoints, at least 1, and 500 unless set; a last one follows the last iteration.
    #[serde(default = "checkpoint_every")]
    pub checkpoint_every: u64,
    /// What happens when an iteration or a validation fails; [`FailurePolicy::Skip`] unless set.
    #[serde(default)]
    pub on_failure: FailurePolicy,
}

fn is_zero(iterations: &u64) -> bool {
    *iterations == 0
}

fn validate_every() -> u64 {
    50
}

fn checkpoint_every() -> u64 {
    500
}

/// Methods that set one field each.
macro_rules! setters {
    ($($field:ident: $type:ty => $value:expr),* $(,)?) => {$(
        #[doc = concat!("The same options with another `", stringify!($field), "`.")]
        #[must_use]
        pub fn $field(mut self, $field: $type) -> Self {
            self.$field = $value;
            self
        }
    )*};
}

impl TrainerOptions {
    /// Adam with a constant learning rate, and every other field as its description says it is unless set.
    #[must_use]
    pub fn new(iterations: u64, learning_rate: f64) -> Self {
        Self {
            iterations,
            accumulate_rows: None,
            shards: None,
            optimizer: OptimizerKind::default(),
            weight_decay: 0.0,
            schedule: ScheduleConfig::Constant { rate: learning_rate },
            tolerance: None,
            spectral_norm: None,
            clip_norm: None,
            average: None,
            validate_every: validate_every(),
            validate_at_start: false,
            patience: None,
            patience_from: 0,
            checkpoint_every: checkpoint_every(),
            on_failure: FailurePolicy::default(),
        }
    }

    setters! {
        accumulate_rows: NonZeroUsize => Some(accumulate_rows),
        shards: NonZeroUsize => Some(shards),
        optimizer: OptimizerKind => optimizer,
        weight_decay: f64 => weight_decay,
        schedule: ScheduleConfig => schedule,
        tolerance: ScheduleConfig => Some(tolerance),
        spectral_norm: f64 => Some(spectral_norm),
        clip_norm: f64 => Some(clip_norm),
        average: f64 => Some(average),
        validate_every: u64 => validate_every,
        validate_at_start: bool => validate_at_start,
        patience: u32 => Some(patience),
        patience_from: u64 => patience_from,
        checkpoint_every: u64 => checkpoint_every,
        on_failure: FailurePolicy => on_failure,
    }

    /// Checks that every option lies in its range; [`Trainer::new`](crate::Trainer::new) does it too.
    ///
    /// # Errors
    /// [`TrainError::InvalidSetting`] names the first that does not.
    pub fn check(&self) -> Result<()> {
        check_count("iterations", self.iterations)?;
        check_count("validate_every", self.validate_every)?;
        check_count("checkpoint_every", self.checkpoint_every)?;
        if let Some(shards) = self.shards
            && !(shards.is_power_of_two() && shards.get() <= MAX_SHARDS)
        {
            return Err(TrainError::invalid("shards", shards, "a power of two from 1 to 65536"));
        }
        if let Some(patience) = self.patience {
            check_count("patience", u64::from(patience))?;
        }
        if let Some(norm) = self.clip_norm {
            check_setting("clip_norm", norm, "a positive number", |norm| norm > 0.0)?;
        }
        if let Some(norm) = self.spectral_norm {
            check_setting("spectral_norm", norm, "a positive, finite number", |norm| {
                norm > 0.0 && norm.is_finite()
            })?;
        }
        if let Some(decay) = self.average {
            check_decay(decay)?;
        }
        self.optimizer.build(Vec::new(), self.weight_decay)?;
        if let Some(tolerance) = &self.tolerance {
            tolerance.check()?;
        }
        self.schedule.check()
    }

    /// Refuses what only validations can bring about.
    pub(super) fn check_without_validations(&self) -> Result<()> {
        let plateau = |schedule: &ScheduleConfig| matches!(schedule, ScheduleConfig::Plateau { .. });
        let (setting, given) = if let Some(patience) = self.patience {
            ("patience", patience.to_string())
        } else if plateau(&self.schedule) || self.tolerance.as_ref().is_some_and(plateau) {
            ("a schedule", "of kind `plateau`".to_string())
        } else {
            return Ok(());
        };
        Err(TrainError::invalid(
            setting,
            format!("{given} in a run without validations"),
            "only what needs no validations, unless `Trainer::validate` gives the trainer some",
        ))
    }

    /// Whether what an iteration does depends on how many there are.
    ///
    /// ```
    /// use ffjord_train::{ScheduleConfig, TrainerOptions};
    /// let options = TrainerOptions::new(100, 1e-3);
    /// assert!(!options.needs_total());
    /// assert!(options.schedule(ScheduleConfig::Geometric { first: 1e-2, last: 1e-4 }).needs_total());
    /// ```
    pub fn needs_total(&self) -> bool {
        self.schedule.needs_total() || self.tolerance.as_ref().is_some_and(ScheduleConfig::needs_total)
    }
}

fn check_count(setting: &'static str, given: u64) -> Result<()> {
    if given > 0 {
        return Ok(());
    }
    Err(TrainError::invalid(setting, given, "a whole number from 1"))
}
