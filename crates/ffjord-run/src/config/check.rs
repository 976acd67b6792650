//! What a configuration says that nothing can be done with.

use super::{
    DataConfig, EvaluationConfig, ImageField, ImageModelConfig, ModelConfig, ModelKind, ObjectiveConfig, RunConfig,
    StartMap, StepConfig, TrainingConfig,
};
use ffjord_train::{ScheduleConfig, TrainError};
use std::fmt::Display;

/// What is wrong, with the key and what it accepts.
type Check = Result<(), String>;

/// Finds what nothing can be done with; names are checked where they are read.
pub(super) fn check(config: &RunConfig) -> Check {
    check_device(config)?;
    check_data(&config.data)?;
    check_model(&config.model)?;
    check_start(config)?;
    check_images(config)?;
    super::vae::check(config)?;
    check_objective(config.objective, &config.model)?;
    check_solver(config)?;
    check_training(&config.training)?;
    check_parts(config)?;
    check_tolerance(config)?;
    check_evaluation(&config.data, &config.evaluation)
}

/// A card solves equations; what solves none has nothing for it to do.
fn check_device(config: &RunConfig) -> Check {
    match config.model.kind {
        _ if config.device.is_cpu() => Ok(()),
        ModelKind::Cnf => Ok(()),
        _ => Err(format!(
            "at `device`: {} is for continuous flows, and a model of another kind runs on the processor: accepted is cpu",
            config.device
        )),
    }
}

fn check_data(data: &DataConfig) -> Check {
    match data {
        DataConfig::Toy { .. } | DataConfig::Image { .. } | DataConfig::Table(_) => Ok(()),
        DataConfig::Images(images) => {
            optional("data.train_images", images.train_images.as_ref(), at_least_one)?;
            optional("data.test_images", images.test_images.as_ref(), at_least_one)
        }
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

/// What stands between the data and the flow.
fn check_start(config: &RunConfig) -> Check {
    let Some(start) = &config.model.start else {
        return Ok(());
    };
    let accepted = "a whole number from 2 to 65536";
    require(
        (2..=65_536).contains(&start.knots),
        "model.start.knots",
        &start.knots,
        accepted,
    )?;
    require(
        (0.0..=1.0).contains(&start.noise),
        "model.start.noise",
        &start.noise,
        "a number from 0 to 1, of rows that are near a unit normal",
    )?;
    require(
        start.learned_bins == 0 || (2..=500).contains(&start.learned_bins),
        "model.start.learned_bins",
        &start.learned_bins,
        "0 for none, or a whole number from 2 to 500",
    )?;
    let images = matches!(config.data, DataConfig::Images(_));
    let refused = if images && start.maps != [StartMap::Marginals] {
        "at `model.start.maps`: images can start with [\"marginals\"]; leave `model.start` out for a logit"
    } else if images && start.noise > 0.0 {
        "at `model.start.noise`: images have none, for the noise within their levels is part of them"
    } else if images && start.learned_bins > 0 {
        "at `model.start.learned_bins`: images have none, for their maps know all levels; leave it out"
    } else {
        return Ok(());
    };
    Err(refused.to_string())
}

/// Images have flows of their own, and other data do not have them.
fn check_images(config: &RunConfig) -> Check {
    let (images, model) = (matches!(config.data, DataConfig::Images(_)), &config.model);
    let Some(image) = &model.image else {
        return match images && model.kind != ModelKind::Vae {
            true => check_kind_of_images(model.kind, ImageField::default()),
            false => Ok(()),
        };
    };
    if !images {
        return Err("at `model.image`: it is for data of kind `images`; leave it out for others".to_string());
    }
    require(
        (0.0..0.5).contains(&image.alpha),
        "model.image.alpha",
        &image.alpha,
        "a number from 0 to below 0.5",
    )?;
    check_kind_of_images(model.kind, image.field)?;
    check_dequantization(config, image)?;
    at_least_one("model.image.scales", &image.scales)?;
    at_least_one("model.image.residual_blocks", &image.residual_blocks)?;
    if image.multiscale && config.objective != ObjectiveConfig::MaximumLikelihood {
        return Err(
            "at `objective`: flow matching follows one path through all pixels, which `model.image.multiscale` cuts in \
             pieces; leave one of them out"
                .to_string(),
        );
    }
    let convolutions = image.field == ImageField::Convolutional;
    if image.multiscale && (!convolutions || model.batch_norm) {
        return Err(
            "at `model.image.multiscale`: it is for fields of convolutions, without `model.batch_norm`".to_string(),
        );
    }
    if !image.strides.is_empty() && image.strides.len() != model.hidden.len() + 1 {
        return Err(format!(
            "at `model.image.strides`: {} are given for {} hidden layers: accepted are none, or one more than hidden layers",
            image.strides.len(),
            model.hidden.len()
        ));
    }
    Ok(())
}

fn check_kind_of_images(kind: ModelKind, field: ImageField) -> Check {
    match kind {
        ModelKind::Cnf => Ok(()),
        ModelKind::Glow | ModelKind::RealNvp if field == ImageField::Convolutional => Ok(()),
        ModelKind::Glow | ModelKind::RealNvp => Err(
            "at `model.image.field`: couplings of images have convolutional networks alone; leave it out".to_string(),
        ),
        _ => Err("at `model.kind`: images have flows of kind `cnf`, `glow` and `real-nvp`, or `vae`".to_string()),
    }
}

fn check_dequantization(config: &RunConfig, image: &ImageModelConfig) -> Check {
    let Some(dequantization) = &image.dequantization else {
        return Ok(());
    };
    for width in &dequantization.hidden {
        at_least_one("model.image.dequantization.hidden", width)?;
    }
    let obstacle = if image.field == ImageField::Dense {
        "`model.image.field=dense`, which sees images as rows of numbers"
    } else if config.objective != ObjectiveConfig::MaximumLikelihood {
        "flow matching, whose loss does not see how noise is drawn: train so first, then by maximum likelihood"
    } else {
        return Ok(());
    };
    Err(format!(
        "at `model.image.dequantization`: this does not go together with {obstacle}; leave it out, or change the other"
    ))
}

fn check_objective(objective: ObjectiveConfig, model: &ModelConfig) -> Check {
    if !objective.is_flow_matching() || (model.kind == ModelKind::Cnf && !model.batch_norm) {
        return Ok(());
    }
    Err(
        "at `objective`: flow matching trains models of kind `cnf` with `model.batch_norm=false`; accepted for others \
         is maximum-likelihood"
            .to_string(),
    )
}

/// Discrete flows solve nothing.
fn check_solver(config: &RunConfig) -> Check {
    let continuous = config.vae.as_ref().is_some_and(|vae| vae.posterior.is_continuous());
    if config.model.kind != ModelKind::Cnf && !continuous {
        return Ok(());
    }
    let built = config.solver.build(config.model.blocks);
    built.map(drop).map_err(|error| error.under("solver").to_string())
}

fn check_training(training: &TrainingConfig) -> Check {
    at_least_one("training.batch", &training.batch)?;
    at_least_one("training.validation_rows", &training.validation_rows)?;
    let spread = training.end_time_spread;
    require(
        (0.0..1.0).contains(&spread),
        "training.end_time_spread",
        &spread,
        "a number from 0 to below 1",
    )?;
    require(
        (0.1..=10.0).contains(&training.toward_data),
        "training.toward_data",
        &training.toward_data,
        "a number from 0.1 to 10",
    )?;
    let (schedule, tolerance) = (&training.options.schedule, &training.options.tolerance);
    for (key, schedule) in [("schedule", Some(schedule)), ("tolerance", tolerance.as_ref())] {
        let checked = schedule.map_or(Ok(()), ScheduleConfig::check);
        checked.map_err(|error| format!("at `training.{key}`: {error}"))?;
    }
    training.options.check().map_err(|error| match error {
        TrainError::InvalidSetting {
            setting,
            given,
            accepted,
        } => format!("at `training.{setting}`: {given} is given: accepted is {accepted}"),
        other => format!("at `training`: {other}"),
    })
}

/// Parts of a batch must be worth as much as the whole.
fn check_parts(config: &RunConfig) -> Check {
    let options = &config.training.options;
    if let Some(shards) = options.shards
        && shards.get() > config.training.batch
    {
        return Err(format!(
            "at `training.shards`: {shards} is given for a batch of {} rows: accepted is a power of two up to the rows of \
             a batch",
            config.training.batch
        ));
    }
    let key = match (options.shards, options.accumulate_rows) {
        (Some(shards), _) if shards.get() > 1 => "shards",
        (_, Some(_)) => "accumulate_rows",
        _ => return Ok(()),
    };
    let obstacle = if config.model.batch_norm {
        "`model.batch_norm=true`, which takes its statistics from the whole batch"
    } else if key == "shards" && config.objective == ObjectiveConfig::OptimalTransportFlowMatching {
        "`objective=optimal-transport-flow-matching`, which matches the rows of a whole batch"
    } else {
        return Ok(());
    };
    Err(format!(
        "at `training.{key}`: this does not go together with {obstacle}; leave it out, or change the other"
    ))
}

fn check_tolerance(config: &RunConfig) -> Check {
    match (&config.training.options.tolerance, config.solver.train.control) {
        (Some(_), StepConfig::Fixed { .. }) => Err(
            "at `training.tolerance`: a schedule is given, but `solver.train.control` has fixed steps and so no \
             tolerance: accepted is `none`, or an adaptive control"
                .to_string(),
        ),
        _ => Ok(()),
    }
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

fn require(accepted: bool, key: &str, given: &impl Display, what: &str) -> Check {
    if accepted {
        return Ok(());
    }
    Err(format!("at `{key}`: {given} is given: accepted is {what}"))
}
