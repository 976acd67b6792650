//! Options outside their range are refused before anything is written.

use crate::harness::{MaximumLikelihoodOnly, Moons, Session, flow, options, two_steps};
use ffjord_train::{OptimizerKind, ScheduleConfig, TrainError, Trainer, TrainerOptions};

/// Part of a setting's name, and what takes it out of its range.
type Change = (&'static str, fn(&mut TrainerOptions));

#[test]
fn options_outside_their_range_are_named() {
    let change: [Change; 11] = [
        ("iterations", |options| options.iterations = 0),
        ("validate_every", |options| options.validate_every = 0),
        ("checkpoint_every", |options| options.checkpoint_every = 0),
        ("patience", |options| options.patience = Some(0)),
        ("clip_norm", |options| options.clip_norm = Some(-1.0)),
        ("clip_norm", |options| options.clip_norm = Some(f64::NAN)),
        ("weight_decay", |options| options.weight_decay = -1e-3),
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

#[test]
fn what_needs_validations_is_refused_without_them() {
    let model = flow(0, two_steps());
    let plateau = ScheduleConfig::Plateau {
        rate: 0.1,
        factor: 0.5,
        after: vec![1],
    };
    let options = TrainerOptions::new(2, 1e-2);
    for options in [options.clone().patience(3), options.schedule(plateau)] {
        let mut trainer = Trainer::new(&model, &MaximumLikelihoodOnly, &Moons::CLEAN, options).unwrap();
        let error = trainer.run().unwrap_err();
        assert!(matches!(error, TrainError::InvalidSetting { .. }), "{error}");
        assert!(error.to_string().contains("without validations"), "{error}");
    }
}

#[test]
fn files_name_every_option_and_nothing_else() {
    let options = options(7).average(0.5).optimizer(OptimizerKind::Adamax);
    let text = serde_json::to_string(&options).unwrap();
    assert!(
        text.contains(r#""optimizer":"adamax""#) && text.contains(r#""on_failure":"skip""#),
        "{text}"
    );
    assert_eq!(serde_json::from_str::<TrainerOptions>(&text).unwrap(), options);
    let misspelt = text.replace("patience", "patients");
    assert!(serde_json::from_str::<TrainerOptions>(&misspelt).is_err());
}
