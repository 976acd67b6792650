//! Numbers of a configuration that must lie in a range.

use super::{
    DataConfig, EvaluationConfig, ModelConfig, ModelKind, ObjectiveConfig, RegularisationConfig, RunConfig,
    SolveConfig, SolverConfig, StepConfig, TrainingConfig,
};
use ffjord_ode::adjoint::AdjointMethod;
use std::fmt::Display;

/// What is wrong, with the key and what it accepts.
type Check = Result<(), String>;

/// Finds numbers that nothing can be done with; names are checked where they are used.
pub(super) fn check(config: &RunConfig) -> Check {
    check_data(&config.data)?;
    check_model(&config.model)?;
    check_objective(config.objective, &config.model)?;
    check_solve("train", &config.solver.train)?;
    check_solve("test", &config.solver.test)?;
    check_backward(&config.solver)?;
    check_adjoint(&config.solver, config.model.kind)?;
    check_training(&config.training)?;
    check_accumulation(config)?;
    check_tolerance(&config.training, &config.solver.train)?;
    check_regularisation(&config.regularisation)?;
    check_evaluation(&config.data, &config.evaluation)
}

fn check_data(data: &DataConfig) -> Check {
    match data {
        DataConfig::Toy { .. } | DataConfig::Image { .. } | DataConfig::Table { .. } => Ok(()),
        DataConfig::Power(rows)
        | DataConfig::Gas(rows)
        | DataConfig::Hepmass(rows)
        | DataConfig::Miniboone(rows)
        | DataConfig::MinibooneReduced(rows)
        | DataConfig::Bsds300(rows) => {
            optional("data.train_rows", rows.train_rows.as_ref(), at_least_one)?;
            optional("data.test_rows", rows.test_rows.as_ref(), at_least_one)
        }
    }
}

fn check_model(model: &ModelConfig) -> Check {
    at_least_one("model.blocks", &model.blocks)?;
    for width in &model.hidden {
        at_least_one("model.hidden", width)?;
    }
    optional("model.end_time", model.end_time.as_ref(), positive)?;
    match model.foreign_key() {
        Some((key, kind)) => Err(format!(
            "at `model.{key}`: only models of kind `{kind}` have it; leave it out, or set the whole of `model`"
        )),
        None => Ok(()),
    }
}

fn check_objective(objective: ObjectiveConfig, model: &ModelConfig) -> Check {
    if objective == ObjectiveConfig::MaximumLikelihood || (model.kind == ModelKind::Cnf && !model.batch_norm) {
        return Ok(());
    }
    Err(
        "at `objective`: flow matching trains models of kind `cnf` with `model.batch_norm=false`; accepted for others \
         is maximum-likelihood"
            .to_string(),
    )
}

fn check_solve(which: &str, solve: &SolveConfig) -> Check {
    at_least_one(&format!("solver.{which}.probes"), &solve.probes)?;
    match &solve.control {
        StepConfig::Fixed { steps } => at_least_one(&format!("solver.{which}.control.steps"), steps),
        // What tolerances must be, the solver knows.
        StepConfig::Adaptive { .. } => Ok(()),
    }
}

/// Settings that the adjoint would leave unread are a mistake.
fn check_backward(solver: &SolverConfig) -> Check {
    let (adjoint, backward) = (solver.adjoint.as_str(), &solver.backward);
    let solves_backwards = matches!(adjoint, "backsolve" | "interpolated");
    let tolerance = backward.rtol.is_some() || backward.atol.is_some();
    if (tolerance || backward.full_norm) && !solves_backwards {
        return Err(format!(
            "at `solver.backward`: rtol, atol and full_norm are for the adjoints `backsolve` and `interpolated`, not \
             `{adjoint}`"
        ));
    }
    if backward.rtol.is_some() != backward.atol.is_some() {
        return Err("at `solver.backward`: give both rtol and atol, or neither".to_string());
    }
    if backward.tape_mb.is_some() && adjoint != "checkpointed" {
        return Err(format!(
            "at `solver.backward.tape_mb`: this is for the adjoint `checkpointed`, not `{adjoint}`"
        ));
    }
    if backward.snapshots.is_some() && adjoint != "binomial" {
        return Err(format!(
            "at `solver.backward.snapshots`: this is for the adjoint `binomial`, not `{adjoint}`"
        ));
    }
    Ok(())
}

/// The adjoint must differentiate through the training method, unless there is nothing to solve.
fn check_adjoint(solver: &SolverConfig, kind: ModelKind) -> Check {
    match (solver.adjoint.parse::<AdjointMethod>(), solver.train.method.parse()) {
        (Ok(adjoint), Ok(method)) if kind == ModelKind::Cnf => adjoint
            .require(method)
            .map_err(|error| format!("at `solver.adjoint`: {error}")),
        _ => Ok(()),
    }
}

fn check_training(training: &TrainingConfig) -> Check {
    at_least_one("training.iterations", &training.iterations)?;
    at_least_one("training.batch", &training.batch)?;
    not_negative("training.weight_decay", &training.weight_decay)?;
    optional("training.clip_norm", training.clip_norm.as_ref(), positive)?;
    optional("training.spectral_norm", training.spectral_norm.as_ref(), positive)?;
    let spread = training.end_time_spread;
    require(
        (0.0..1.0).contains(&spread),
        "training.end_time_spread",
        &spread,
        "a number from 0 to below 1",
    )?;
    optional("training.average", training.average.as_ref(), |key, decay| {
        require((0.0..1.0).contains(decay), key, decay, "a number from 0 to below 1")
    })?;
    at_least_one("training.validate_every", &training.validate_every)?;
    optional("training.patience", training.patience.as_ref(), at_least_one)?;
    at_least_one("training.validation_rows", &training.validation_rows)?;
    at_least_one("training.checkpoint_every", &training.checkpoint_every)?;
    let schedule = training.schedule.check();
    schedule.map_err(|error| format!("at `training.schedule`: {error}"))
}

/// Parts of a batch must be worth as much as the whole.
fn check_accumulation(config: &RunConfig) -> Check {
    if config.training.accumulate_rows.is_none() {
        return Ok(());
    }
    let obstacle = if config.model.batch_norm {
        "`model.batch_norm=true`, which takes its statistics from the whole batch"
    } else if config.objective == ObjectiveConfig::OptimalTransportFlowMatching {
        "`objective=optimal-transport-flow-matching`, which matches the rows of a whole batch"
    } else {
        return Ok(());
    };
    Err(format!(
        "at `training.accumulate_rows`: this does not go together with {obstacle}; leave it out, or change the other"
    ))
}

fn check_tolerance(training: &TrainingConfig, solve: &SolveConfig) -> Check {
    let Some(schedule) = &training.tolerance else {
        return Ok(());
    };
    let schedule = schedule.check();
    schedule.map_err(|error| format!("at `training.tolerance`: {error}"))?;
    match solve.control {
        StepConfig::Adaptive { .. } => Ok(()),
        StepConfig::Fixed { .. } => Err(
            "at `training.tolerance`: a schedule is given, but `solver.train.control` has fixed steps and so no \
             tolerance: accepted is `none`, or an adaptive control"
                .to_string(),
        ),
    }
}

fn check_regularisation(weights: &RegularisationConfig) -> Check {
    for (key, weight) in [
        ("kinetic", weights.kinetic),
        ("jacobian", weights.jacobian),
        ("l1", weights.l1),
        ("l2", weights.l2),
        ("frobenius", weights.frobenius),
        ("diagonal", weights.diagonal),
        ("off_diagonal", weights.off_diagonal),
        ("energy_gradient", weights.energy_gradient),
        ("trace_variance", weights.trace_variance),
        ("directional", weights.directional),
        ("acceleration", weights.acceleration),
    ] {
        not_negative(&format!("regularisation.{key}"), &weight)?;
    }
    Ok(())
}

fn check_evaluation(data: &DataConfig, evaluation: &EvaluationConfig) -> Check {
    at_least_one("evaluation.batch", &evaluation.batch)?;
    if matches!(data, DataConfig::Toy { .. } | DataConfig::Image { .. }) {
        at_least_one("evaluation.toy_rows", &evaluation.toy_rows)?;
        at_least_one("evaluation.samples", &evaluation.samples)?;
        let grid = evaluation.grid;
        require(grid >= 2, "evaluation.grid", &grid, "a whole number from 2")?;
    }
    Ok(())
}

fn optional<T>(key: &str, value: Option<&T>, check: impl FnOnce(&str, &T) -> Check) -> Check {
    value.map_or(Ok(()), |value| check(key, value))
}

fn at_least_one<T: Display + PartialOrd + Default>(key: &str, value: &T) -> Check {
    require(*value > T::default(), key, value, "a whole number from 1")
}

fn positive(key: &str, value: &f64) -> Check {
    require(
        *value > 0.0 && value.is_finite(),
        key,
        value,
        "a positive, finite number",
    )
}

fn not_negative(key: &str, value: &f64) -> Check {
    require(
        *value >= 0.0 && value.is_finite(),
        key,
        value,
        "a finite number, not negative",
    )
}

fn require(accepted: bool, key: &str, given: &impl Display, what: &str) -> Check {
    if accepted {
        return Ok(());
    }
    Err(format!("at `{key}`: {given} is given: accepted is {what}"))
}
