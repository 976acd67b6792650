//! Learning rates and tolerances over a run.

use crate::error::{Result, TrainError, check_setting};
use serde::{Deserialize, Serialize};
use std::f64::consts::PI;

/// A learning rate, or what tolerances are multiplied with, as a function of the iteration and of how validations went.
///
/// A schedule has no state of its own: what [`rate`](Self::rate) needs is the iteration and, for
/// [`Plateau`](Self::Plateau), a number that [`Patience`](crate::Patience) keeps.
///
/// ```
/// use ffjord_train::ScheduleConfig;
///
/// let schedule: ScheduleConfig =
///     serde_json::from_str(r#"{"kind": "step-decay", "rate": 0.1, "factor": 0.5, "at": [100, 200]}"#)?;
/// schedule.check()?;
/// assert_eq!(schedule.rate(99, 300, 0), 0.1);
/// assert_eq!(schedule.rate(100, 300, 0), 0.05);
/// assert_eq!(schedule.rate(299, 300, 0), 0.025);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// What follows validations has no need to know how long the run is:
///
/// ```
/// use ffjord_train::ScheduleConfig;
/// let plateau = ScheduleConfig::Plateau { rate: 1e-3, factor: 0.1, after: vec![10, 20] };
/// assert!(!plateau.needs_total());
/// assert_eq!((plateau.rate(5, 100, 9), plateau.rate(5, 100, 10)), (1e-3, 1e-4));
/// let cosine = ScheduleConfig::WarmupCosine { peak: 1e-3, floor: 1e-5, warmup: 10 };
/// assert!(cosine.needs_total() && (cosine.rate(99, 100, 0) - 1e-5).abs() < 1e-15);
/// ```
#[derive(Serialize, Deserialize, Debug, Clone, PartialEq)]
#[serde(
    tag = "kind",
    rename_all = "kebab-case",
    deny_unknown_fields,
    expecting = "a schedule with its kind, as { kind = \"constant\", rate = 1e-3 }"
)]
#[non_exhaustive]
pub enum ScheduleConfig {
    /// The same rate throughout.
    Constant {
        /// The rate.
        rate: f64,
    },
    /// `rate · factorᵏ`, where k counts the listed iterations that are reached.
    StepDecay {
        /// The rate at the start.
        rate: f64,
        /// What the rate is multiplied with.
        factor: f64,
        /// The iterations, counted from 0, from which each multiplication counts, increasing.
        at: Vec<u64>,
    },
    /// A linear rise to `peak` over the first `warmup` iterations, then half a cosine that reaches `floor` in the run's
    /// last iteration (Loshchilov & Hutter 2017, eq. 5, without restarts).
    WarmupCosine {
        /// The largest rate: that of iteration `warmup − 1` and of the one after.
        peak: f64,
        /// The rate of the last iteration.
        floor: f64,
        /// Iterations of the rise.
        warmup: u64,
    },
    /// A constant ratio from each iteration to the next: `first` in the first iteration, `last` in the run's last.
    Geometric {
        /// The rate of the first iteration.
        first: f64,
        /// The rate of the last iteration.
        last: f64,
    },
    /// `rate · factorᵏ`, where k counts the listed numbers of validations without improvement that were reached in a
    /// row at any time so far: a later improvement does not raise the rate again. FFJORD's tabular runs use a factor of
    /// 0.1 after 10 and 20 validations.
    Plateau {
        /// The rate at the start.
        rate: f64,
        /// What the rate is multiplied with.
        factor: f64,
        /// Validations in a row without improvement, increasing.
        after: Vec<u32>,
    },
}

impl ScheduleConfig {
    /// Checks that all rates are positive and finite and all lists increase.
    ///
    /// # Errors
    /// [`TrainError::InvalidSetting`] names the first setting that does not fit.
    pub fn check(&self) -> Result<()> {
        match self {
            Self::Constant { rate } => check_positive("the schedule's `rate`", *rate),
            Self::StepDecay { rate, factor, at } => {
                check_positive("the schedule's `rate`", *rate)?;
                check_positive("the schedule's `factor`", *factor)?;
                check_increasing("the schedule's `at`", at)
            }
            Self::WarmupCosine { peak, floor, warmup: _ } => {
                check_positive("the schedule's `peak`", *peak)?;
                let within = |floor| (0.0..=*peak).contains(&floor);
                check_setting(
                    "the schedule's `floor`",
                    *floor,
                    "a number from 0 to the schedule's `peak`",
                    within,
                )
            }
            Self::Geometric { first, last } => {
                check_positive("the schedule's `first`", *first)?;
                check_positive("the schedule's `last`", *last)
            }
            Self::Plateau { rate, factor, after } => {
                check_positive("the schedule's `rate`", *rate)?;
                check_positive("the schedule's `factor`", *factor)?;
                check_increasing("the schedule's `after`", after)
            }
        }
    }

    /// Whether the rate of an iteration depends on how many the run has: then a run cannot be made longer later.
    #[must_use]
    pub fn needs_total(&self) -> bool {
        matches!(self, Self::WarmupCosine { .. } | Self::Geometric { .. })
    }

    /// The learning rate of iteration `iteration`, counted from 0, in a run of `total` iterations.
    ///
    /// `longest_without_improvement` is [`Patience::longest_without_improvement`]; only [`Plateau`](Self::Plateau)
    /// uses it.
    ///
    /// [`Patience::longest_without_improvement`]: crate::Patience::longest_without_improvement
    #[must_use]
    pub fn rate(&self, iteration: u64, total: u64, longest_without_improvement: u32) -> f64 {
        match self {
            Self::Constant { rate } => *rate,
            Self::StepDecay { rate, factor, at } => decayed(*rate, *factor, at.iter().filter(|at| **at <= iteration)),
            Self::WarmupCosine { peak, floor, warmup } => {
                if iteration < *warmup {
                    return peak * (iteration + 1) as f64 / *warmup as f64;
                }
                let span = total.saturating_sub(1).saturating_sub(*warmup).max(1);
                let progress = ((iteration - warmup) as f64 / span as f64).min(1.0);
                floor + (peak - floor) * 0.5 * (1.0 + (PI * progress).cos())
            }
            Self::Geometric { first, last } => {
                let progress = iteration as f64 / total.saturating_sub(1).max(1) as f64;
                first * (last / first).powf(progress.min(1.0))
            }
            Self::Plateau { rate, factor, after } => decayed(
                *rate,
                *factor,
                after.iter().filter(|after| **after <= longest_without_improvement),
            ),
        }
    }
}

/// `rate` times `factor` for every item.
fn decayed<T>(rate: f64, factor: f64, reached: impl Iterator<Item = T>) -> f64 {
    reached.fold(rate, |rate, _| rate * factor)
}

fn check_positive(setting: &'static str, value: f64) -> Result<()> {
    check_setting(setting, value, "a positive, finite number", |value| {
        value > 0.0 && value.is_finite()
    })
}

fn check_increasing<T: PartialOrd + std::fmt::Debug>(setting: &'static str, values: &[T]) -> Result<()> {
    if values.windows(2).all(|pair| pair[0] < pair[1]) {
        return Ok(());
    }
    Err(TrainError::invalid(
        setting,
        format!("{values:?}"),
        "a list of strictly increasing numbers",
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cosine_rises_to_the_peak_and_ends_at_the_floor() {
        let schedule = ScheduleConfig::WarmupCosine {
            peak: 1.0,
            floor: 0.2,
            warmup: 4,
        };
        let rates: Vec<f64> = (0..13).map(|iteration| schedule.rate(iteration, 13, 0)).collect();
        assert_eq!(rates[..5], [0.25, 0.5, 0.75, 1.0, 1.0]);
        // Half of the cosine lies at iteration 8 of 4..=12.
        assert!((rates[8] - 0.6).abs() < 1e-15);
        assert!((rates[12] - 0.2).abs() < 1e-15);
        assert!(rates[4..].windows(2).all(|pair| pair[1] < pair[0]));
        // A run that is made longer than planned stays at the floor.
        assert_eq!(schedule.rate(50, 13, 0), rates[12]);
    }

    #[test]
    fn cosine_without_room_for_the_cosine_is_still_finite() {
        let schedule = ScheduleConfig::WarmupCosine {
            peak: 1.0,
            floor: 0.0,
            warmup: 5,
        };
        assert_eq!(schedule.rate(4, 5, 0), 1.0);
        assert_eq!(schedule.rate(2, 3, 0), 0.6);
        let none = ScheduleConfig::WarmupCosine {
            peak: 1.0,
            floor: 0.0,
            warmup: 0,
        };
        assert_eq!(none.rate(0, 1, 0), 1.0);
    }

    #[test]
    fn geometric_keeps_its_ratio_and_ends_at_the_last() {
        let schedule = ScheduleConfig::Geometric {
            first: 100.0,
            last: 1.0,
        };
        let rates: Vec<f64> = [0, 1, 2, 3, 4, 9]
            .map(|iteration| schedule.rate(iteration, 5, 0))
            .into();
        for (rate, expected) in
            rates
                .iter()
                .zip([100.0, 31.622_776_601_683_793, 10.0, 3.162_277_660_168_379_5, 1.0, 1.0])
        {
            assert!((rate / expected - 1.0).abs() < 1e-14, "{rate} against {expected}");
        }
        assert_eq!(schedule.rate(0, 1, 0), 100.0);
    }

    #[test]
    fn plateau_follows_the_longest_stretch() {
        let schedule = ScheduleConfig::Plateau {
            rate: 1.0,
            factor: 0.5,
            after: vec![10, 20],
        };
        let rates = [0, 9, 10, 19, 20, 100].map(|longest| schedule.rate(0, 1, longest));
        assert_eq!(rates, [1.0, 1.0, 0.5, 0.5, 0.25, 0.25]);
    }

    #[test]
    fn settings_out_of_range_are_refused() {
        let refused = [
            ScheduleConfig::Constant { rate: 0.0 },
            ScheduleConfig::Constant { rate: f64::NAN },
            ScheduleConfig::Constant { rate: f64::INFINITY },
            ScheduleConfig::StepDecay {
                rate: 1.0,
                factor: -0.1,
                at: vec![],
            },
            ScheduleConfig::StepDecay {
                rate: 1.0,
                factor: 0.1,
                at: vec![5, 5],
            },
            ScheduleConfig::WarmupCosine {
                peak: 0.1,
                floor: 0.2,
                warmup: 0,
            },
            ScheduleConfig::WarmupCosine {
                peak: 0.1,
                floor: f64::NAN,
                warmup: 0,
            },
            ScheduleConfig::Geometric { first: 1.0, last: 0.0 },
            ScheduleConfig::Plateau {
                rate: 1.0,
                factor: 0.1,
                after: vec![20, 10],
            },
        ];
        for schedule in refused {
            let error = schedule.check().unwrap_err();
            assert!(
                matches!(error, TrainError::InvalidSetting { .. }),
                "{schedule:?}: {error}"
            );
        }
        ScheduleConfig::Plateau {
            rate: 1e-3,
            factor: 0.1,
            after: vec![10, 20],
        }
        .check()
        .unwrap();
    }

    #[test]
    fn unknown_kinds_and_fields_are_refused() {
        for text in [
            r#"{"kind": "linear", "rate": 1.0}"#,
            r#"{"kind": "constant", "rate": 1.0, "warmup": 3}"#,
            r#"{"kind": "constant"}"#,
        ] {
            assert!(serde_json::from_str::<ScheduleConfig>(text).is_err(), "{text}");
        }
        let schedule = ScheduleConfig::WarmupCosine {
            peak: 5e-3,
            floor: 1e-6,
            warmup: 100,
        };
        let text = serde_json::to_string(&schedule).unwrap();
        assert_eq!(
            text,
            r#"{"kind":"warmup-cosine","peak":0.005,"floor":1e-6,"warmup":100}"#
        );
        assert_eq!(serde_json::from_str::<ScheduleConfig>(&text).unwrap(), schedule);
    }
}
