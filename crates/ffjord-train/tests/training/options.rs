//! Options outside their range are refused before anything is written.

use crate::harness::{Session, flow, options, two_steps};
use ffjord_train::{ScheduleConfig, TrainError, TrainerOptions};

/// Part of a setting's name, and what takes it out of its range.
type Change = (&'static str, fn(&mut TrainerOptions));

#[test]
fn options_outside_their_range_are_named() {
    let change: [Change; 11] = [
        ("iterations", |options| options.iterations = 0),
        ("validate_every", |options| options.validate_every = 0),
        ("checkpoint_every", |options| options.checkpoint_every = 0),
        ("patience", |options| options.patience = Some(0)),
        ("gradient norm", |options| options.clip_norm = Some(-1.0)),
        ("gradient norm", |options| options.clip_norm = Some(f64::NAN)),
        ("weight decay", |options| options.weight_decay = -1e-3),
        ("average", |options| options.average = Some(1.0)),
        ("`rate`", |options| {
            options.schedule = ScheduleConfig::Constant { rate: -1.0 }
        }),
        ("`rate`", |options| {
            options.schedule = ScheduleConfig::Constant { rate: f64::NAN }
        }),
        ("`rate`", |options| {
            options.schedule = ScheduleConfig::Constant { rate: 0.0 }
        }),
    ];
    for (name, change) in change {
        let folder = tempfile::tempdir().unwrap();
        let mut options = options(3);
        change(&mut options);
        let error = Session::new(folder.path(), options)
            .run(&flow(0, two_steps()))
            .unwrap_err();
        assert!(matches!(error, TrainError::InvalidSetting { .. }), "{error}");
        assert!(error.to_string().contains(name), "{error}");
        assert!(!folder.path().join("checkpoint.json").exists());
    }
}
