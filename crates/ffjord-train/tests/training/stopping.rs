//! Early stopping, and which weights a run ends with.

use crate::harness::{Log, Result, Session, TinyFlow, bits, flow, options, two_steps};
use ffjord_train::{TrainerOptions, TrainingEnd, Validation};
use std::cell::RefCell;

type Weights = Vec<(String, Vec<u32>)>;

/// Validations with given results, and the weights they saw.
struct Script {
    results: Vec<f64>,
    seen: RefCell<Vec<Weights>>,
}

impl Script {
    fn new(results: &[f64]) -> Self {
        Self {
            results: results.to_vec(),
            seen: RefCell::default(),
        }
    }

    fn validate(&self, model: &TinyFlow) -> Result<Validation> {
        let mut seen = self.seen.borrow_mut();
        seen.push(bits(model));
        Ok(Validation {
            nll: self.results[seen.len() - 1],
            standard_error: 0.1,
            test_nll: None,
        })
    }
}

fn patient(average: Option<f64>) -> TrainerOptions {
    TrainerOptions {
        patience: Some(2),
        average,
        ..options(20)
    }
}

#[test]
fn a_run_stops_without_improvement_and_ends_with_the_best_weights() {
    for average in [None, Some(0.8)] {
        let folder = tempfile::tempdir().unwrap();
        let script = Script::new(&[3.0, 2.0, 2.0, f64::NAN]);
        let validate = |model: &TinyFlow| script.validate(model);
        let (log, model) = (Log::default(), flow(0, two_steps()));
        let session = Session::new(folder.path(), patient(average)).validate(&validate);
        let summary = session.observe(log.clone()).run(&model).unwrap();
        assert_eq!((summary.end, summary.iterations), (TrainingEnd::StoppedEarly, 8));
        assert_eq!(summary.best_nll, Some(2.0));
        // An equal result is no improvement.
        let best: Vec<bool> = log.0.borrow().validations.iter().map(|report| report.best).collect();
        assert_eq!(best, [true, true, false, false]);
        let seen = script.seen.borrow();
        assert!(seen[1] != seen[0] && seen[1] != seen[3]);
        assert!(bits(&model) == seen[1]);

        // Going on changes nothing: the run is over.
        let model = flow(99, two_steps());
        let again = Session::new(folder.path(), patient(average))
            .validate(&validate)
            .run(&model)
            .unwrap();
        assert_eq!(again, summary);
        assert!(bits(&model) == seen[1]);
    }
}

#[test]
fn validations_before_patience_begins_count_only_as_best() {
    // Validated every two iterations: those of iterations 2 to 6 are before.
    let folder = tempfile::tempdir().unwrap();
    let script = Script::new(&[2.0, 3.0, 3.0, 3.0, 3.0, 1.0]);
    let validate = |model: &TinyFlow| script.validate(model);
    let model = flow(0, two_steps());
    let options = TrainerOptions {
        patience_from: 8,
        ..patient(None)
    };
    let summary = Session::new(folder.path(), options)
        .validate(&validate)
        .run(&model)
        .unwrap();
    assert_eq!((summary.end, summary.iterations), (TrainingEnd::StoppedEarly, 10));
    assert_eq!(summary.best_nll, Some(2.0));
    assert!(bits(&model) == script.seen.borrow()[0]);
}

#[test]
fn without_a_finite_validation_the_last_weights_stay() {
    for average in [None, Some(0.8)] {
        let folder = tempfile::tempdir().unwrap();
        let script = Script::new(&[f64::NAN, f64::INFINITY]);
        let validate = |model: &TinyFlow| script.validate(model);
        let model = flow(0, two_steps());
        let options = TrainerOptions {
            iterations: 4,
            patience: None,
            ..patient(average)
        };
        let summary = Session::new(folder.path(), options)
            .validate(&validate)
            .run(&model)
            .unwrap();
        assert_eq!((summary.end, summary.best_nll), (TrainingEnd::Finished, None));
        // The validation after the last iteration saw the last weights, or their average.
        assert!(bits(&model) == script.seen.borrow()[1]);
    }
}

#[test]
fn an_average_is_what_validations_see_and_never_what_is_trained() {
    let run = |average| {
        let folder = tempfile::tempdir().unwrap();
        let script = Script::new(&[3.0, 2.0]);
        let validate = |model: &TinyFlow| script.validate(model);
        let options = TrainerOptions {
            iterations: 4,
            ..patient(average)
        };
        Session::new(folder.path(), options)
            .validate(&validate)
            .run(&flow(0, two_steps()))
            .unwrap();
        let losses: Vec<String> = ffjord_train::read_metrics(folder.path().join("metrics.jsonl"))
            .unwrap()
            .iter()
            .filter(|line| line["kind"] == "train")
            .map(|line| line["loss"].to_string())
            .collect();
        (script.seen.into_inner(), losses)
    };
    let (plain, plain_losses) = run(None);
    let (averaged, averaged_losses) = run(Some(0.8));
    assert_eq!(plain_losses, averaged_losses);
    assert!(plain != averaged);
}

#[test]
fn patience_takes_one_validation_more_than_its_number() {
    // Five validations, of which the first is the best.
    let results = [1.0, 2.0, 2.0, 2.0, 2.0];
    for (patience, end, iterations) in [
        (3, TrainingEnd::StoppedEarly, 16),
        (4, TrainingEnd::StoppedEarly, 20),
        (5, TrainingEnd::Finished, 20),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let script = Script::new(&results);
        let validate = |model: &TinyFlow| script.validate(model);
        let options = options(20).validate_every(4).patience(patience);
        let session = Session::new(folder.path(), options).validate(&validate);
        let summary = session.run(&flow(0, two_steps())).unwrap();
        assert_eq!((summary.end, summary.iterations), (end, iterations), "{patience}");
    }
}

#[test]
fn a_run_that_stopped_early_goes_on_with_more_patience() {
    let folder = tempfile::tempdir().unwrap();
    let script = Script::new(&[1.0, 2.0, 2.0, 2.0, 0.5]);
    let validate = |model: &TinyFlow| script.validate(model);
    let run = |patience| {
        let options = options(20).validate_every(4).patience(patience);
        let session = Session::new(folder.path(), options).validate(&validate);
        session.run(&flow(0, two_steps())).unwrap()
    };
    assert_eq!(run(2).iterations, 12);
    let summary = run(9);
    assert_eq!((summary.iterations, summary.best_nll), (20, Some(0.5)));
}

#[test]
fn running_statistics_are_averaged_with_the_weights() {
    const DECAY: f64 = 0.8;
    let seen = |average| {
        let folder = tempfile::tempdir().unwrap();
        let script = Script::new(&[4.0, 3.0, 2.0, 1.0]);
        let validate = |model: &TinyFlow| script.validate(model);
        let options = TrainerOptions {
            average,
            ..options(4).validate_every(1)
        };
        let session = Session::new(folder.path(), options).validate(&validate);
        session.run(&flow(0, two_steps())).unwrap();
        script.seen.into_inner()
    };
    // The average is no part of training: it sees what the other run's validations see.
    let (plain, averaged) = (seen(None), seen(Some(DECAY)));
    let mut compared = 0;
    for (tensor, (name, _)) in plain[0].iter().enumerate() {
        let values = |weights: &Weights, index: usize| f64::from(f32::from_bits(weights[tensor].1[index]));
        for index in 0..plain[0][tensor].1.len() {
            let (mut sum, mut shares) = (0.0, 0.0);
            for (plain, averaged) in plain.iter().zip(&averaged) {
                sum = DECAY * sum + values(plain, index);
                shares = DECAY * shares + 1.0;
                let average = values(averaged, index);
                assert!(
                    (average - sum / shares).abs() < 1e-5,
                    "{name}: {average}, not {}",
                    sum / shares
                );
            }
            compared += usize::from(name.contains("running"));
        }
    }
    assert_eq!(compared, 8, "two means and two variances of two normalisations");
}
