//! Image models of the original implementation, from the arguments of its `train_cnf.py` and the names of its tensors.

use crate::error::{Result, RunError};
use crate::model::{Model, Part};
use candle_core::{DType, Device, Tensor};
use ffjord_data::pickle::Node;
use ffjord_flow::{
    Bijection, Chain, Cnf, CnfSettings, FlowError, Logit, MovingBatchNorm, Multiscale, SolveSettings, TraceMode,
    ZeroMean,
};
use ffjord_nn::{
    ActivationKind, ConvNet, ConvNetConfig, EncoderDecoder, LayerKind, Mlp, MlpConfig, Parallel, Parameter, Residual,
    Stride, VectorField, load_parameters,
};
use ffjord_ode::adjoint::AdjointMethod;
use ffjord_ode::{Method, Solver, Tolerance};
use ffjord_train::{Purpose, Streams};
use std::collections::BTreeMap;
use std::sync::Arc;

/// The tolerance of evaluations: the checkpoint is the model, the solver's error should not be seen.
const TOLERANCE: f64 = 1e-8;
const BLOCK_ROWS: usize = 16;
/// The scales of a parallel field, which the script does not let one choose.
const PARALLEL_SCALES: usize = 4;

/// Our name of a tensor of an image model, relative to the model itself; none for what is not needed: counters, and copies
/// of a coefficient that all layers share.
///
/// A field stands under `odefunc.diffeq`, `odefunc.odefunc.diffeq` or `odefunc.odefunc.autoencoder_diffeq` there.
///
/// ```
/// let name = ffjord_run::original_tensor_name("transforms.0.chain.1.odefunc.odefunc.diffeq.layers.0._layer.bias");
/// assert_eq!(name.as_deref(), Some("transforms.0.chain.1.odefunc.diffeq.layers.0._layer.bias"));
/// ```
#[must_use]
pub fn original_tensor_name(name: &str) -> Option<String> {
    let unneeded = ["_num_evals", "weight_orig", "weight_u", "weight_v"];
    let copied = name.contains("activation_fns.") && !name.contains("activation_fns.0.");
    if copied || unneeded.iter().any(|end| name.ends_with(end)) {
        return None;
    }
    let field = name.find(".odefunc.").zip(name.find("diffeq."));
    Some(match field {
        Some((flow, field)) => format!("{}.odefunc.diffeq.{}", &name[..flow], &name[field + "diffeq.".len()..]),
        None => name.to_string(),
    })
}

/// Whether a checkpoint's arguments are those of the script for images.
pub(super) fn is_image_model(arguments: &BTreeMap<String, Node>) -> bool {
    arguments.contains_key("multiscale") && arguments.contains_key("conv")
}

/// What the arguments say.
#[derive(Debug)]
struct Architecture {
    shape: [usize; 3],
    kind: Kind,
    convolutions: bool,
    hidden: Vec<usize>,
    strides: Vec<i64>,
    layer: LayerKind,
    activation: ActivationKind,
    blocks: usize,
    alpha: f64,
    end_time: f64,
    residual: bool,
    batch_norm: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Multiscale,
    Parallel,
    EncoderDecoder,
    Plain,
}

/// The model of a checkpoint, in double precision.
///
/// # Errors
/// [`RunError::OriginalCheckpoint`] without its path, in words, when the arguments describe no model or the tensors do not
/// fit it.
pub(super) fn image_model(
    arguments: &BTreeMap<String, Node>,
    tensors: impl IntoIterator<Item = (String, Tensor)>,
) -> std::result::Result<Model, String> {
    let architecture = Architecture::of(arguments)?;
    let mut stored = BTreeMap::new();
    for (name, tensor) in tensors {
        if let Some(name) = original_tensor_name(&name) {
            let tensor = tensor.to_dtype(DType::F64).map_err(|error| error.to_string())?;
            stored.insert(name, tensor);
        }
    }
    architecture.check_sizes(&stored)?;
    architecture.model(stored).map_err(|error| error.to_string())
}

impl Architecture {
    fn of(arguments: &BTreeMap<String, Node>) -> std::result::Result<Self, String> {
        let text = |key: &str| match arguments.get(key) {
            Some(Node::Text(text)) => Ok(text.as_str()),
            _ => Err(format!("its args have no text `{key}`")),
        };
        let flag = |key: &str| matches!(arguments.get(key), Some(Node::Bool(true)));
        let number = |key: &str| match arguments.get(key) {
            Some(Node::Float(value)) => Some(*value),
            Some(Node::Int(value)) => Some(*value as f64),
            _ => None,
        };
        let list = |key: &str| -> std::result::Result<Vec<i64>, String> {
            let numbers = text(key)?.split(',').filter(|number| !number.is_empty());
            let parsed = numbers.map(|number| number.trim().parse().map_err(|_| number.to_string()));
            let parsed: std::result::Result<_, String> = parsed.collect();
            parsed.map_err(|number| format!("its args have {key} `{number}`, which is no number"))
        };
        let (channels, usual) = match text("data")? {
            "mnist" => (1, 28),
            "svhn" | "cifar10" => (3, 32),
            "lsun_church" => (3, 64),
            other => return Err(format!("its args name the data `{other}`, whose images are not known")),
        };
        let side = number("imagesize").map_or(usual, |side| side as usize);
        let kind = match (flag("multiscale"), flag("parallel"), flag("autoencode")) {
            (true, _, _) => Kind::Multiscale,
            (_, true, _) => Kind::Parallel,
            (_, _, true) => Kind::EncoderDecoder,
            _ => Kind::Plain,
        };
        let hidden = list("dims")?.into_iter().map(usize::try_from).collect::<Result<_, _>>();
        let hidden: Vec<usize> = hidden.map_err(|_| "its args have negative dims".to_string())?;
        let mut architecture = Self {
            shape: [channels, side, side],
            kind,
            convolutions: flag("conv"),
            strides: list("strides")?,
            hidden,
            layer: text("layer_type")?.parse().map_err(|error| format!("{error}"))?,
            activation: text("nonlinearity")?.parse().map_err(|error| format!("{error}"))?,
            blocks: number("num_blocks").map_or(1, |blocks| blocks as usize),
            alpha: number("alpha").unwrap_or(1e-6),
            end_time: number("time_length").unwrap_or(1.0),
            residual: flag("residual"),
            batch_norm: flag("batch_norm"),
        };
        architecture.as_the_script_does_it();
        Ok(architecture)
    }

    /// Fails if the networks that the arguments claim need more weights than are stored: they are made before they get them.
    fn check_sizes(&self, stored: &BTreeMap<String, Tensor>) -> std::result::Result<(), String> {
        let numbers: usize = stored.values().map(Tensor::elem_count).sum();
        let weights = self.hidden.windows(2).map(|pair| pair[0].saturating_mul(pair[1]));
        let widest = self.hidden.iter().copied().max().unwrap_or(0);
        let needed = weights
            .fold(widest, usize::saturating_add)
            .saturating_mul(self.blocks.max(1));
        if needed > numbers {
            return Err(format!(
                "{} flows with dims {:?}, as its args have them, have {needed} weights or more, but it holds {numbers} numbers",
                self.blocks, self.hidden
            ));
        }
        Ok(())
    }

    /// What the script does not do with its options.
    fn as_the_script_does_it(&mut self) {
        if matches!(self.kind, Kind::Multiscale | Kind::Parallel) {
            self.strides = vec![1; self.hidden.len() + 1];
            self.layer = LayerKind::Concat;
            self.batch_norm = false;
            self.convolutions = true;
        }
        if self.kind == Kind::Parallel {
            self.activation = ActivationKind::Softplus;
        }
        if self.layer == LayerKind::Hyper && self.convolutions {
            self.layer = LayerKind::HyperOverlapping;
        }
    }

    /// The model with weights that all are to be replaced.
    fn blank(&self) -> Result<Model> {
        let row_shape = match self.convolutions {
            true => self.shape.to_vec(),
            false => vec![self.shape.iter().product()],
        };
        let first: Arc<dyn Bijection> = match self.alpha > 0.0 {
            true => Arc::new(Logit::new(&row_shape, self.alpha)?),
            false => Arc::new(ZeroMean::new(&row_shape)?),
        };
        let parts = match self.kind {
            Kind::Multiscale => {
                let [_, height, width] = self.shape;
                let scales = Multiscale::scales_of(height, width);
                let block = |shape: [usize; 3]| {
                    let own = |error: RunError| FlowError::Own(Box::new(error));
                    Ok(Box::new(self.flow(&shape).map_err(own)?) as Box<dyn Bijection>)
                };
                let flow = Multiscale::build(self.shape, scales, self.blocks, vec![Box::new(first)], block)?;
                vec![Part::Discrete(Arc::new(flow))]
            }
            Kind::Parallel => {
                let mut chain: Vec<Box<dyn Bijection>> = vec![Box::new(first)];
                for _ in 0..self.blocks {
                    chain.push(Box::new(self.flow(&row_shape)?));
                }
                let flow = Multiscale::new(vec![Box::new(Chain::new(chain)?)])?;
                vec![Part::Discrete(Arc::new(flow))]
            }
            Kind::EncoderDecoder | Kind::Plain => {
                let mut parts = vec![Part::Discrete(first)];
                for _ in 0..self.blocks {
                    parts.push(Part::Continuous(Arc::new(self.flow(&row_shape)?)));
                }
                if self.batch_norm {
                    let norm = MovingBatchNorm::new(&row_shape, DType::F64, &Device::Cpu)?;
                    parts.push(Part::Discrete(Arc::new(norm)));
                }
                parts
            }
        };
        Model::new(parts, DType::F64)
    }

    fn model(&self, mut stored: BTreeMap<String, Tensor>) -> Result<Model> {
        let model = self.blank()?;
        if matches!(self.kind, Kind::Multiscale | Kind::Parallel) {
            // The whole flow is one part of ours.
            let named = stored
                .into_iter()
                .map(|(name, tensor)| (format!("chain.0.{name}"), tensor));
            stored = named.collect();
        }
        let bijection = model.flow.bijection();
        let all: Vec<Parameter> = bijection.parameters().into_iter().chain(bijection.buffers()).collect();
        for parameter in all.iter().filter(|parameter| parameter.name.ends_with("sqrt_end_time")) {
            // Stored with or without an axis.
            if let Some(root) = stored.get_mut(&parameter.name) {
                *root = root.reshape(())?;
            }
        }
        load_parameters(&all, &stored)?;
        Ok(model)
    }

    /// One continuous flow; the weights drawn here are all replaced.
    fn flow(&self, shape: &[usize]) -> Result<Cnf> {
        let solve = SolveSettings {
            solver: Solver::new(Method::Dopri5).adaptive(Tolerance::new(TOLERANCE, TOLERANCE)?),
            trace: TraceMode::Exact,
            block_rows: BLOCK_ROWS,
        };
        let settings = CnfSettings {
            end_time: self.end_time,
            learn_end_time: true,
            training: solve.clone(),
            evaluation: solve,
            adjoint: AdjointMethod::default(),
            integrals: Vec::new(),
        };
        Ok(Cnf::new(self.field(shape)?, settings)?)
    }

    fn field(&self, shape: &[usize]) -> Result<Arc<dyn VectorField>> {
        let (mut rng, device) = (Streams::new(0).rng(Purpose::Initialise, 0, 0), &Device::Cpu);
        let cut = self.kind == Kind::EncoderDecoder;
        match *shape {
            [channels, height, width] => {
                let strides = self.strides.iter().map(|stride| Stride::try_from(*stride));
                let strides: Vec<Stride> = strides.collect::<Result<_, _>>().map_err(ffjord_nn::NnError::from)?;
                let config = ConvNetConfig::new(channels, (height, width))
                    .hidden(self.hidden.clone())
                    .strides(strides)
                    .layer(self.layer)
                    .activation(self.activation);
                Ok(match self.kind {
                    Kind::Parallel => {
                        self.finish(Parallel::new(&config, PARALLEL_SCALES, &mut rng, DType::F64, device)?)
                    }
                    _ if cut => self.finish(EncoderDecoder::convolutional(&config, &mut rng, DType::F64, device)?),
                    _ => self.finish(ConvNet::new(&config, &mut rng, DType::F64, device)?),
                })
            }
            _ => {
                let config = MlpConfig::new(shape.iter().product())
                    .hidden(self.hidden.clone())
                    .layer(self.layer)
                    .activation(self.activation);
                Ok(match cut {
                    true => self.finish(EncoderDecoder::dense(&config, &mut rng, DType::F64, device)?),
                    false => self.finish(Mlp::new(&config, &mut rng, DType::F64, device)?),
                })
            }
        }
    }

    fn finish<F: VectorField + 'static>(&self, field: F) -> Arc<dyn VectorField> {
        match self.residual {
            true => Arc::new(Residual::new(field)),
            false => Arc::new(field),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ffjord_flow::{Density, Pass};

    type Arguments = BTreeMap<String, Node>;

    /// The script's defaults, for images of 8 × 8 pixels of one channel.
    fn arguments(changed: &[(&str, Node)]) -> Arguments {
        let text = |text: &str| Node::Text(text.to_string());
        let usual = [
            ("data", text("mnist")),
            ("dims", text("3,2")),
            ("strides", text("1,1,1,")),
            ("num_blocks", Node::Int(1)),
            ("conv", Node::Bool(true)),
            ("layer_type", text("concat")),
            ("nonlinearity", text("tanh")),
            ("imagesize", Node::Int(8)),
            ("alpha", Node::Float(1e-6)),
            ("time_length", Node::Float(0.5)),
            ("multiscale", Node::Bool(false)),
        ];
        let all = usual.iter().chain(changed);
        all.map(|(key, value)| (key.to_string(), value.clone())).collect()
    }

    /// Our name of a tensor under the name that the original has for it.
    fn theirs(name: &str, autoencode: bool, parallel: bool) -> String {
        let name = name
            .strip_prefix("chain.0.")
            .filter(|rest| rest.starts_with("transforms"))
            .unwrap_or(name);
        let field = match (autoencode, parallel) {
            (true, _) => ".odefunc.odefunc.autoencoder_diffeq.",
            (_, true) => ".odefunc.diffeq.",
            _ => ".odefunc.odefunc.diffeq.",
        };
        name.replace(".odefunc.diffeq.", field)
    }

    /// The model that arguments describe gets back the weights that it is stored with under the original's names.
    fn comes_back(changed: &[(&str, Node)]) -> std::result::Result<Model, Box<dyn std::error::Error>> {
        let arguments = arguments(changed);
        assert!(is_image_model(&arguments));
        let set = |key: &str| {
            changed
                .iter()
                .any(|(name, value)| *name == key && matches!(value, Node::Bool(true)))
        };
        let empty = image_model(&arguments, Vec::new()).err().ok_or("nothing was missing")?;
        assert!(empty.contains("it holds 0 numbers"), "{empty}");
        let architecture = Architecture::of(&arguments)?;
        let mut rng = Streams::new(1).rng(Purpose::Data, 0, 0);
        let blank = architecture.blank()?;
        let all: Vec<Parameter> = blank
            .flow
            .bijection()
            .parameters()
            .into_iter()
            .chain(blank.flow.bijection().buffers())
            .collect();
        let mut stored = vec![(
            "transforms.0.chain.1.odefunc.odefunc._num_evals".to_string(),
            Tensor::new(3.0, &Device::Cpu)?,
        )];
        for parameter in &all {
            let count = parameter.var.elem_count();
            let values: Vec<f64> = (0..count)
                .map(|_| rand::Rng::random_range(&mut rng, 0.1..0.3))
                .collect();
            let tensor = Tensor::from_vec(values, parameter.var.shape(), &Device::Cpu)?;
            parameter.var.set(&tensor)?;
            stored.push((theirs(&parameter.name, set("autoencode"), set("parallel")), tensor));
        }
        let loaded = image_model(&arguments, stored)?;
        let x = Tensor::rand(0.1, 0.9, [&[1], Density::row_shape(&blank.flow)].concat(), &Device::Cpu)?;
        let log_prob = |model: &Model| -> std::result::Result<f64, Box<dyn std::error::Error>> {
            let mut rng = Streams::new(0).rng(Purpose::Probe, 0, 0);
            Ok(model.flow.log_prob(&x, &mut Pass::evaluation(&mut rng))?.to_vec1()?[0])
        };
        assert_eq!(log_prob(&loaded)?, log_prob(&blank)?);
        Ok(loaded)
    }

    #[test]
    fn every_kind_of_image_model_comes_back() -> std::result::Result<(), Box<dyn std::error::Error>> {
        let (yes, text) = (Node::Bool(true), |text: &str| Node::Text(text.to_string()));
        let multiscale = comes_back(&[("multiscale", yes.clone()), ("strides", text("2,2,1,-2,-2"))])?;
        assert_eq!(multiscale.flow.bijection().end_times().len(), 3);
        comes_back(&[("parallel", yes.clone()), ("num_blocks", Node::Int(2))])?;
        let cut = comes_back(&[
            ("autoencode", yes.clone()),
            ("layer_type", text("hyper")),
            ("residual", yes.clone()),
        ])?;
        assert_eq!(cut.parts.len(), 2);
        comes_back(&[
            ("batch_norm", yes.clone()),
            ("nonlinearity", text("swish")),
            ("alpha", Node::Int(0)),
        ])?;
        let dense = comes_back(&[("conv", Node::Bool(false)), ("autoencode", yes)])?;
        assert_eq!(Density::row_shape(&dense.flow), &[64]);
        Ok(())
    }

    #[test]
    fn arguments_that_describe_no_model_are_named() {
        let text = |text: &str| Node::Text(text.to_string());
        for (key, value, word) in [
            ("data", text("faces"), "faces"),
            ("dims", text("3,many"), "many"),
            ("dims", text("-3"), "negative"),
            ("nonlinearity", text("magic"), "magic"),
            ("strides", text("1,7,1"), "7"),
            ("strides", text("1"), "strides"),
        ] {
            // As many numbers as the networks need at the least.
            let stored = vec![(
                "stored".to_string(),
                Tensor::zeros(1000, DType::F64, &Device::Cpu).unwrap(),
            )];
            let error = image_model(&arguments(&[(key, value)]), stored)
                .err()
                .unwrap_or_default();
            assert!(error.contains(word), "{key}: {error}");
        }
    }
}
