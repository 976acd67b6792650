//! Which methods and data a configuration uses, as the table of references names them.

use crate::record::name_of;
use ffjord_run::config::{
    AdjointKind, DataConfig, ImageModelConfig, ModelKind, ObjectiveConfig, PosteriorKind, RunConfig, SolveConfig,
    TraceConfig, VaeConfig,
};
use std::collections::BTreeSet;

/// Every use of a run.
pub(super) fn uses(config: &RunConfig) -> BTreeSet<String> {
    let mut uses = Uses(BTreeSet::new());
    uses.data(&config.data);
    uses.model(config);
    uses.value("objective", name_of(&config.objective));
    uses.training(config);
    uses.solves(config);
    uses.0
}

/// The name of data in the table.
fn data_name(data: &DataConfig) -> String {
    match data {
        DataConfig::Toy { .. } => "toy".to_string(),
        DataConfig::Image { .. } => "image".to_string(),
        DataConfig::Table(_) => "table".to_string(),
        other => other.title(),
    }
}

struct Uses(BTreeSet<String>);

impl Uses {
    fn value(&mut self, key: &str, value: impl std::fmt::Display) {
        self.0.insert(format!("{key}={value}"));
    }

    /// What is used or not, and has no kinds.
    fn flag(&mut self, key: &str, used: bool) {
        if used {
            self.0.insert(key.to_string());
        }
    }

    fn data(&mut self, data: &DataConfig) {
        self.value("data", data_name(data));
    }

    fn model(&mut self, config: &RunConfig) {
        let model = &config.model;
        self.value("model", name_of(&model.kind));
        let start = model.start.iter().flat_map(|start| &start.maps);
        start.for_each(|map| self.value("model.start", name_of(map)));
        self.flag(
            "model.start.noise",
            model.start.as_ref().is_some_and(|start| start.noise > 0.0),
        );
        self.flag("model.batch_norm", model.batch_norm);
        // A Gaussian posterior has no flow whose networks could be asked.
        let flow = config
            .vae
            .as_ref()
            .is_none_or(|vae| vae.posterior != PosteriorKind::Gaussian);
        if flow {
            self.value("model.activation", model.activation);
        }
        if is_continuous(config) {
            self.value("model.layer", model.layer.unwrap_or(ffjord_nn::LayerKind::ConcatSquash));
        }
        if let Some(vae) = &config.vae {
            self.vae(vae);
        } else if matches!(config.data, DataConfig::Images(_)) {
            self.images(&model.image.clone().unwrap_or_default(), model.start.is_some());
        }
    }

    fn images(&mut self, image: &ImageModelConfig, has_start: bool) {
        self.value("model.image.field", name_of(&image.field));
        self.flag("model.image.multiscale", image.multiscale);
        self.flag("model.image.logit", !has_start && image.alpha > 0.0);
        self.value(
            "model.image.dequantization",
            if image.dequantization.is_some() {
                "variational"
            } else {
                "uniform"
            },
        );
    }

    fn vae(&mut self, vae: &VaeConfig) {
        self.value("vae.posterior", name_of(&vae.posterior));
        self.value("vae.networks", name_of(&vae.networks));
        self.value("vae.likelihood", name_of(&vae.likelihood));
        self.value("vae.gradient", name_of(&vae.gradient));
        self.flag("vae.samples", vae.samples > 1);
        self.flag("vae.importance", vae.importance.samples > 0);
        self.flag("vae.warm_up_epochs", vae.warm_up_epochs > 0);
        self.flag("vae.beta", vae.beta != 1.0);
        self.flag("vae.free_nats", vae.free_nats > 0.0);
    }

    fn training(&mut self, config: &RunConfig) {
        let options = &config.training.options;
        self.value("training.optimizer", options.optimizer);
        let schedule = serde_json::to_value(&options.schedule).unwrap_or_default();
        self.value("training.schedule", schedule["kind"].as_str().unwrap_or_default());
        self.flag("training.average", options.average.is_some());
        self.flag("training.spectral_norm", options.spectral_norm.is_some());
        self.flag("training.clip_norm", options.clip_norm.is_some());
        let solves = config.model.kind == ModelKind::Cnf && config.objective == ObjectiveConfig::MaximumLikelihood;
        self.flag(
            "training.end_time_spread",
            solves && config.training.end_time_spread > 0.0,
        );
        if solves {
            for (integral, _) in config.regularisation.weights() {
                self.value("regularisation", integral);
            }
        }
    }

    /// Solves of training, where there are any, and of evaluation.
    fn solves(&mut self, config: &RunConfig) {
        if !is_continuous(config) {
            return;
        }
        self.solve(&config.solver.test);
        let matching = [
            ObjectiveConfig::FlowMatching,
            ObjectiveConfig::OptimalTransportFlowMatching,
        ];
        if matching.contains(&config.objective) {
            return;
        }
        self.solve(&config.solver.train);
        let adjoint = config.solver.adjoint;
        self.value("adjoint", name_of(&adjoint));
        let solved = matches!(adjoint, AdjointKind::Backsolve | AdjointKind::Interpolated);
        self.flag("adjoint=semi-norm", solved && !config.solver.backward.full_norm);
    }

    fn solve(&mut self, solve: &SolveConfig) {
        self.value("solver", solve.method);
        match solve.trace {
            TraceConfig::Exact => self.value("trace", "exact"),
            TraceConfig::Estimated(distribution) => self.value("trace", distribution),
        }
        self.flag("trace=bottleneck", solve.bottleneck);
    }
}

/// Whether an equation is solved anywhere.
fn is_continuous(config: &RunConfig) -> bool {
    let posterior = config.vae.as_ref().is_some_and(|vae| vae.posterior.is_continuous());
    config.model.kind == ModelKind::Cnf || posterior
}
