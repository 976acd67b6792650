//! Iterations and validations that fail.

use crate::harness::{
    Log, MaximumLikelihoodOnly, Moons, Result, Session, TinyFlow, bits, flow, flow_of_separate_rows,
    flow_with_act_norm, held_out, options, tensor_file, two_steps,
};
use ffjord_flow::Pass;
use ffjord_ode::{Method, Solver, Tolerance};
use ffjord_train::{
    Batch, BatchSource, CheckpointStore, FailurePolicy, Loss, Model, Objective, Streams, TrainError, TrainerOptions,
    TrainingEnd, Validation, read_metrics,
};
use std::cell::Cell;
use std::sync::atomic::{AtomicU64, Ordering};

fn averaged(iterations: u64) -> TrainerOptions {
    TrainerOptions {
        average: Some(0.8),
        validate_every: 100,
        ..options(iterations)
    }
}

fn stopping(iterations: u64) -> TrainerOptions {
    TrainerOptions {
        on_failure: FailurePolicy::Stop,
        ..options(iterations)
    }
}

/// Runs up to the failing iteration, then through it; the checkpoints around it must be the same, byte by byte.
fn assert_untouched_by_iteration_3(objective: &dyn Objective<TinyFlow>, source: &Moons, cause: &str) {
    let folder = tempfile::tempdir().unwrap();
    let log = Log::default();
    let session = || {
        let mut session = Session::new(folder.path(), averaged(5))
            .source(source)
            .observe(log.clone());
        session.objective = objective;
        session
    };
    let model = flow(0, two_steps());
    session().interrupt_after(2).run(&model).unwrap();
    let before = (bits(&model), tensor_file(folder.path(), 2));
    session().interrupt_after(3).run(&model).unwrap();
    assert!(before == (bits(&model), tensor_file(folder.path(), 3)));
    let summary = session().run(&model).unwrap();
    assert_eq!((summary.end, summary.failures), (TrainingEnd::Finished, 1));

    let reports = log.0.borrow();
    assert_eq!(reports.iterations, [1, 2, 4, 5]);
    let [failure] = reports.failures.as_slice() else {
        panic!("one failure, not {:?}", reports.failures);
    };
    assert_eq!(failure.iteration, 3);
    assert!(failure.cause.contains(cause), "{}", failure.cause);
    let lines = read_metrics(folder.path().join("metrics.jsonl")).unwrap();
    let failed: Vec<_> = lines.iter().filter(|line| line["kind"] == "failure").collect();
    assert_eq!(failed.len(), 1);
    assert_eq!(failed[0]["cause"], failure.cause);
}

#[test]
fn a_nan_in_a_batch_reaches_nothing() {
    // The running statistics in front of the block see the NaN before the solve does.
    assert_untouched_by_iteration_3(&MaximumLikelihoodOnly, &Moons { poisoned: |i| i == 2 }, "NaN");
}

/// Maximum likelihood, but in its third call with a term of value 0 and gradient 0 · ∞.
#[derive(Default)]
struct BadGradient {
    calls: AtomicU64,
}

impl Objective<TinyFlow> for BadGradient {
    fn loss(&self, model: &TinyFlow, batch: &Batch, pass: &mut Pass<'_>) -> Result<Loss> {
        let mut loss = MaximumLikelihoodOnly.loss(model, batch, pass)?;
        if self.calls.fetch_add(1, Ordering::Relaxed) == 2 {
            let weight = Model::parameters(model).swap_remove(0).var;
            let zero = (weight.as_tensor() - weight.detach())?.sqr()?.sum_all()?.sqrt()?;
            loss.total = (loss.total + zero)?;
        }
        Ok(loss)
    }
}

#[test]
fn a_gradient_that_is_not_finite_reaches_nothing() {
    assert_untouched_by_iteration_3(&BadGradient::default(), &Moons::CLEAN, "chain.0.weight");
}

#[test]
fn solves_that_fail_are_counted_and_named() {
    let folder = tempfile::tempdir().unwrap();
    let tolerance = Tolerance::new(1e-9, 1e-9).unwrap();
    let model = flow(0, Solver::new(Method::Dopri5).adaptive(tolerance).max_steps(1));
    let before = bits(&model);
    let log = Log::default();
    let summary = Session::new(folder.path(), options(3))
        .observe(log.clone())
        .run(&model)
        .unwrap();
    assert_eq!((summary.end, summary.failures), (TrainingEnd::Finished, 3));
    assert_eq!(bits(&model), before);
    let reports = log.0.borrow();
    assert_eq!(reports.failures.len(), 3);
    for failure in &reports.failures {
        assert!(failure.cause.contains("max_steps"), "{}", failure.cause);
    }
    // Validations have their own solver, and take place.
    assert_eq!(reports.validations.len(), 2);
}

#[test]
fn a_policy_of_stopping_keeps_the_last_checkpoint() {
    let folder = tempfile::tempdir().unwrap();
    let model = flow(0, two_steps());
    let poisoned = Moons { poisoned: |i| i == 4 };
    let log = Log::default();
    let session = Session::new(folder.path(), stopping(6))
        .source(&poisoned)
        .observe(log.clone());
    let error = session.run(&model).unwrap_err();
    assert!(matches!(error, TrainError::StepFailed { iteration: 5, .. }), "{error}");
    assert_eq!(log.0.borrow().failures.len(), 1);
    let checkpoint = CheckpointStore::new(folder.path()).load().unwrap().unwrap();
    assert_eq!(checkpoint.iteration, 3);
    let summary = Session::new(folder.path(), stopping(6)).run(&model).unwrap();
    assert_eq!((summary.end, summary.failures), (TrainingEnd::Finished, 0));
}

#[test]
fn too_many_failures_in_a_row_end_a_run() {
    let folder = tempfile::tempdir().unwrap();
    let model = flow(0, two_steps());
    let before = bits(&model);
    let log = Log::default();
    let poisoned = Moons { poisoned: |_| true };
    let session = Session::new(folder.path(), averaged(90))
        .source(&poisoned)
        .observe(log.clone());
    let error = session.run(&model).unwrap_err();
    assert!(
        matches!(error, TrainError::TooManyFailures { count: 25, .. }),
        "{error}"
    );
    assert_eq!(log.0.borrow().failures.len(), 25);
    assert_eq!(bits(&model), before);
}

#[test]
fn failures_that_are_not_in_a_row_end_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let poisoned = Moons {
        poisoned: |i| i % 20 != 19,
    };
    let session = Session::new(folder.path(), averaged(40)).source(&poisoned);
    let summary = session.run(&flow(0, two_steps())).unwrap();
    assert_eq!((summary.end, summary.failures), (TrainingEnd::Finished, 38));
}

/// A validation that fails in its second call.
fn failing_second(calls: &Cell<u32>, model: &TinyFlow) -> Result<Validation> {
    calls.set(calls.get() + 1);
    if calls.get() == 2 {
        return Err(TrainError::ValidationFailed {
            cause: "a bad row".to_string(),
        });
    }
    held_out(model)
}

#[test]
fn a_validation_that_fails_is_left_out() {
    let folder = tempfile::tempdir().unwrap();
    let (calls, log, model) = (Cell::new(0), Log::default(), flow(0, two_steps()));
    let validate = |model: &TinyFlow| failing_second(&calls, model);
    let session = Session::new(folder.path(), averaged_validating(6)).validate(&validate);
    let summary = session.observe(log.clone()).run(&model).unwrap();
    assert_eq!((summary.end, summary.failures), (TrainingEnd::Finished, 0));
    let reports = log.0.borrow();
    assert_eq!(reports.iterations, [1, 2, 3, 4, 5, 6]);
    let validated: Vec<u64> = reports.validations.iter().map(|report| report.iteration).collect();
    assert_eq!(validated, [2, 6]);
    assert_eq!(reports.failures.len(), 1);
    assert_eq!(
        (reports.failures[0].iteration, reports.failures[0].cause.as_str()),
        (4, "validation failed: a bad row")
    );

    // Training itself went on as if nothing had happened: the weights were put back in place of the average.
    let clean = tempfile::tempdir().unwrap();
    Session::new(clean.path(), averaged_validating(6))
        .run(&flow(0, two_steps()))
        .unwrap();
    assert!(tensor_file(clean.path(), 6) == tensor_file(folder.path(), 6));
}

fn averaged_validating(iterations: u64) -> TrainerOptions {
    TrainerOptions {
        validate_every: 2,
        ..averaged(iterations)
    }
}

#[test]
fn a_policy_of_stopping_holds_for_validations_too() {
    let folder = tempfile::tempdir().unwrap();
    let calls = Cell::new(0);
    let validate = |model: &TinyFlow| failing_second(&calls, model);
    let session = Session::new(folder.path(), stopping(6)).validate(&validate);
    let error = session.run(&flow(0, two_steps())).unwrap_err();
    assert!(matches!(error, TrainError::ValidationFailed { .. }), "{error}");
    assert_eq!(
        CheckpointStore::new(folder.path()).load().unwrap().unwrap().iteration,
        3
    );
}

#[test]
fn a_first_iteration_that_fails_leaves_activation_normalisation_unset() {
    let folder = tempfile::tempdir().unwrap();
    let tolerance = Tolerance::new(1e-9, 1e-9).unwrap();
    let model = flow_with_act_norm(Solver::new(Method::Dopri5).adaptive(tolerance).max_steps(1));
    let before = bits(&model);
    let summary = Session::new(folder.path(), options(1)).run(&model).unwrap();
    assert_eq!(summary.failures, 1);
    assert_eq!(bits(&model), before);
}

/// Maximum likelihood that is cut from what it depends on.
struct Unrecorded;

impl Objective<TinyFlow> for Unrecorded {
    fn loss(&self, model: &TinyFlow, batch: &Batch, pass: &mut Pass<'_>) -> Result<Loss> {
        let loss = MaximumLikelihoodOnly.loss(model, batch, pass)?;
        Ok(Loss {
            total: loss.total.detach(),
            ..loss
        })
    }
}

#[test]
fn a_loss_without_a_gradient_ends_the_run() {
    let folder = tempfile::tempdir().unwrap();
    let model = flow_of_separate_rows(0);
    let before = bits(&model);
    let mut session = Session::new(folder.path(), options(3));
    session.objective = &Unrecorded;
    let error = session.run(&model).unwrap_err();
    assert!(matches!(error, TrainError::NoGradient), "{error}");
    assert_eq!(bits(&model), before);
}

/// A source with an error of its own in its third batch.
struct Sensor;

impl BatchSource for Sensor {
    fn batch(&self, iteration: u64, streams: &Streams) -> Result<Batch> {
        if iteration == 2 {
            return Err(TrainError::own("reading the sensor", "no answer"));
        }
        Moons::CLEAN.batch(iteration, streams)
    }
}

#[test]
fn errors_of_a_users_own_are_reported_in_their_words() {
    let folder = tempfile::tempdir().unwrap();
    let log = Log::default();
    let session = Session::new(folder.path(), options(4))
        .source(&Sensor)
        .observe(log.clone());
    assert_eq!(session.run(&flow(0, two_steps())).unwrap().failures, 1);
    assert_eq!(log.0.borrow().failures[0].cause, "reading the sensor: no answer");

    let error = TrainError::own("reading the sensor", std::io::Error::other("no answer"));
    let source = std::error::Error::source(&error).expect("a source");
    assert!(source.is::<std::io::Error>());
}
