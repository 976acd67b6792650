//! Checkpoints of the original implementation: a pickled dictionary of `args` and `state_dict`.

mod archive;
mod images;
#[cfg(test)]
mod tests;
mod view;

pub use images::original_tensor_name;

use crate::error::{Result, RunError};
use crate::model::{Model, Part};
use archive::{Archive, Values};
use candle_core::{DType, Device, Tensor};
use ffjord_data::pickle::{Node, Pickle};
use ffjord_flow::{Cnf, CnfSettings, MovingBatchNorm, SolveSettings, TraceMode};
use ffjord_nn::{ActivationKind, LayerKind, Mlp, MlpConfig, Residual, VectorField, load_parameters};
use ffjord_ode::adjoint::AdjointMethod;
use ffjord_ode::{Method, Solver, Tolerance};
use ffjord_train::{Purpose, Streams};
use images::{image_model, is_image_model};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

/// The tolerance of evaluations: the checkpoint is the model, the solver's error should not be seen.
const TOLERANCE: f64 = 1e-8;
/// Rows that are evaluated together.
pub(crate) const BLOCK_ROWS: usize = 256;

/// The arguments that describe the architecture.
#[derive(Debug, Clone, PartialEq)]
struct Architecture {
    layer: LayerKind,
    activation: ActivationKind,
    hidden: Vec<usize>,
    residual: bool,
    time_length: f64,
}

/// The flow of a `.pth` file, in double precision.
///
/// The stacking is read from the names in `state_dict`, the architecture from `args`; everything else is ignored.
///
/// # Errors
/// [`RunError::OriginalCheckpoint`] when the file is none, or describes a model that does not exist here.
pub fn load_original(path: &Path) -> Result<Model> {
    original_in_blocks(path, BLOCK_ROWS)
}

/// The tensors of a `.pth` file that holds a state dictionary, by name, without the `module.` of several GPUs.
///
/// # Errors
/// [`RunError::OriginalCheckpoint`] when the file is none, which for a module that was pickled whole says what to do.
pub(crate) fn state_dict(path: &Path) -> Result<BTreeMap<String, Tensor>> {
    let fail = |reason: String| RunError::OriginalCheckpoint {
        path: path.to_path_buf(),
        reason,
    };
    let mut archive = Archive::open(path).map_err(&fail)?;
    if !matches!(archive.pickle.root(), Node::Dict(_)) {
        return Err(fail(
            "it is a module that was pickled whole, which only its own code can read; save its state dictionary where \
             that code is: python -c \"import torch; m = torch.load('IN', map_location='cpu', weights_only=False); \
             torch.save({'state_dict': m.state_dict()}, 'OUT.pth')\""
                .to_string(),
        ));
    }
    let mut tensors = Vec::new();
    for (name, Values { values, shape }) in archive.state_dict().map_err(&fail)? {
        tensors.push((name, Tensor::from_vec(values, shape, &Device::Cpu)?));
    }
    Ok(without_common_prefix(tensors).into_iter().collect())
}

/// As [`load_original`], evaluated in blocks of so many rows.
pub(crate) fn original_in_blocks(path: &Path, block_rows: usize) -> Result<Model> {
    let fail = |reason: String| RunError::OriginalCheckpoint {
        path: path.to_path_buf(),
        reason,
    };
    let mut archive = Archive::open(path).map_err(&fail)?;
    let arguments = arguments(&archive.pickle).map_err(&fail)?;
    let stored = archive.state_dict().map_err(&fail)?;
    let mut tensors = Vec::new();
    for (name, Values { values, shape }) in stored {
        if let Some(value) = values.iter().find(|value| !value.is_finite()) {
            return Err(fail(format!(
                "its tensor `{name}` holds {value}: the training that saved it had failed, so take an earlier checkpoint"
            )));
        }
        tensors.push((name, Tensor::from_vec(values, shape, &Device::Cpu)?));
    }
    if is_image_model(&arguments) {
        return image_model(&arguments, without_common_prefix(tensors)).map_err(fail);
    }
    let architecture = architecture(&arguments).map_err(&fail)?;
    let prefix = common_prefix(&tensors).map_err(&fail)?;
    let mut blocks: BTreeMap<usize, BTreeMap<String, Tensor>> = BTreeMap::new();
    for (name, tensor) in tensors {
        let (index, rest) = name[prefix.len()..]
            .strip_prefix(CHAIN)
            .and_then(|rest| rest.split_once('.'))
            .and_then(|(index, rest)| Some((index.parse().ok()?, rest)))
            .ok_or_else(|| fail(format!("`{name}` is not part of a chain")))?;
        let Some(short) = short_name(rest) else { continue };
        blocks.entry(index).or_default().insert(short, tensor);
    }
    let dimension = dimension(&blocks, &architecture)
        .ok_or_else(|| fail("no output layer tells the dimension of the data".to_string()))?;
    // Normalisation has no layers.
    for tensors in blocks.values().filter(|tensors| !tensors.contains_key("running_mean")) {
        check_sizes(&architecture, dimension, tensors).map_err(&fail)?;
    }
    let parts = blocks
        .into_values()
        .map(|tensors| part(&tensors, dimension, &architecture, block_rows).map_err(|error| fail(error.to_string())))
        .collect::<Result<Vec<_>>>()?;
    Model::new(parts, DType::F64)
}

/// What the names of a chain's tensors begin with.
const CHAIN: &str = "chain.";

/// What stands before `chain.` in the names of all tensors: `module.` in checkpoints of models that ran on several GPUs.
fn common_prefix(tensors: &[(String, Tensor)]) -> Result<String, String> {
    let prefix = |name: &str| name.split_once(CHAIN).map(|(prefix, _)| prefix.to_string());
    let Some((first, _)) = tensors.first() else {
        return Err("its state_dict holds no tensor".to_string());
    };
    let common = prefix(first).ok_or_else(|| format!("`{first}` is not part of a chain"))?;
    match tensors.iter().find(|(name, _)| prefix(name).as_ref() != Some(&common)) {
        Some((other, _)) => Err(format!("`{other}` is not part of the chain that `{first}` is part of")),
        None => Ok(common),
    }
}

/// The tensors of an image model without the `module.` of models that ran on several GPUs.
fn without_common_prefix(tensors: Vec<(String, Tensor)>) -> Vec<(String, Tensor)> {
    const PREFIX: &str = "module.";
    if !tensors.iter().all(|(name, _)| name.starts_with(PREFIX)) {
        return tensors;
    }
    let shorter = |(name, tensor): (String, Tensor)| (name[PREFIX.len()..].to_string(), tensor);
    tensors.into_iter().map(shorter).collect()
}

/// Fails if the layers that `args` claim need more weights than are stored: a network is made before it gets them.
fn check_sizes(
    architecture: &Architecture,
    dimension: usize,
    tensors: &BTreeMap<String, Tensor>,
) -> Result<(), String> {
    let stored: usize = tensors.values().map(Tensor::elem_count).sum();
    let hidden = architecture.hidden.iter().copied();
    let widths: Vec<usize> = std::iter::once(dimension).chain(hidden).chain([dimension]).collect();
    let weights = widths.windows(2).map(|pair| pair[0].saturating_mul(pair[1]));
    let needed = weights.fold(0, usize::saturating_add);
    if needed > stored {
        return Err(format!(
            "layers of {widths:?}, as its args have them, have {needed} weights or more, but a block of it holds {stored} \
             numbers"
        ));
    }
    Ok(())
}

/// Our name of a tensor within its part of the chain; none for what is not needed.
fn short_name(rest: &str) -> Option<String> {
    if let Some(position) = rest.rfind("diffeq.") {
        let name = &rest[position + "diffeq.".len()..];
        // One learned β is shared by all layers and stored once for each.
        let repeated = name.starts_with("activation_fns.") && !name.starts_with("activation_fns.0.");
        return (!repeated).then(|| format!("odefunc.diffeq.{name}"));
    }
    (!rest.ends_with("_num_evals")).then(|| rest.to_string())
}

fn dimension(blocks: &BTreeMap<usize, BTreeMap<String, Tensor>>, architecture: &Architecture) -> Option<usize> {
    blocks.values().find_map(|tensors| {
        if let Some(mean) = tensors.get("running_mean") {
            return Some(mean.elem_count());
        }
        let last = format!("odefunc.diffeq.layers.{}.", architecture.hidden.len());
        let of = |name: &str| tensors.get(&format!("{last}{name}")).map(Tensor::elem_count);
        let inputs = architecture.hidden.last().copied().unwrap_or(0);
        of("_layer.bias")
            .or_else(|| of("_layer0.bias"))
            .or_else(|| Some(of("_hypernet.2.bias")? / (inputs + 1)))
    })
}

fn part(
    tensors: &BTreeMap<String, Tensor>,
    dimension: usize,
    architecture: &Architecture,
    block_rows: usize,
) -> Result<Part> {
    use ffjord_flow::Bijection;
    if tensors.contains_key("running_mean") {
        let norm = MovingBatchNorm::new(&[dimension], DType::F64, &Device::Cpu)?;
        let all: Vec<_> = norm.parameters().into_iter().chain(norm.buffers()).collect();
        load_parameters(&all, tensors)?;
        return Ok(Part::Discrete(Arc::new(norm)));
    }
    let config = MlpConfig {
        dimension,
        given: 0,
        hidden: architecture.hidden.clone(),
        layer: architecture.layer,
        activation: architecture.activation,
    };
    // The weights drawn here are all replaced.
    let mut rng = Streams::new(0).rng(Purpose::Initialise, 0, 0);
    let network = Mlp::new(&config, &mut rng, DType::F64, &Device::Cpu)?;
    let field: Arc<dyn VectorField> = if architecture.residual {
        Arc::new(Residual::new(network))
    } else {
        Arc::new(network)
    };
    let solve = SolveSettings {
        solver: Solver::new(Method::Dopri5).adaptive(Tolerance::new(TOLERANCE, TOLERANCE)?),
        trace: TraceMode::Exact,
        block_rows,
    };
    let settings = CnfSettings {
        end_time: architecture.time_length,
        learn_end_time: true,
        training: solve.clone(),
        evaluation: solve,
        adjoint: AdjointMethod::default(),
        integrals: Vec::new(),
    };
    let cnf = Cnf::new(field, settings)?;
    let mut stored = tensors.clone();
    if let Some(root) = stored.get("sqrt_end_time").map(|root| root.reshape(())).transpose()? {
        stored.insert("sqrt_end_time".to_string(), root);
    } else {
        let root = Tensor::new(architecture.time_length.sqrt(), &Device::Cpu)?;
        stored.insert("sqrt_end_time".to_string(), root);
    }
    load_parameters(&cnf.parameters(), &stored)?;
    Ok(Part::Continuous(Arc::new(cnf)))
}

/// A checkpoint's `args`, a namespace or a dictionary.
fn arguments(pickle: &Pickle) -> Result<BTreeMap<String, Node>, String> {
    let arguments = match pickle.get(pickle.root(), "args").ok_or("it has no `args`")? {
        Node::Call { state: Some(state), .. } => pickle.node(*state),
        other => other,
    };
    let entries = pickle.entries(arguments);
    Ok(entries.map(|(name, value)| (name.to_string(), value.clone())).collect())
}

/// What the arguments of the scripts for tables and toy densities say of the model.
fn architecture(arguments: &BTreeMap<String, Node>) -> Result<Architecture, String> {
    let text = |key: &str| match arguments.get(key) {
        Some(Node::Text(text)) => Ok(text.as_str()),
        _ => Err(format!("its args have no text `{key}`")),
    };
    let hidden = text("dims")?
        .split('-')
        .map(|width| match width.parse() {
            Ok(0) | Err(_) => Err(format!("its args have dims `{width}`, which is no width of a layer")),
            Ok(width) => Ok(width),
        })
        .collect::<Result<Vec<usize>, String>>()?;
    let layer = text("layer_type")?.parse::<LayerKind>();
    let activation = text("nonlinearity")?.parse::<ActivationKind>();
    Ok(Architecture {
        layer: layer.map_err(|error| error.to_string())?,
        activation: activation.map_err(|error| error.to_string())?,
        hidden,
        residual: arguments.get("residual") == Some(&Node::Bool(true)),
        time_length: match arguments.get("time_length") {
            Some(Node::Float(value)) => *value,
            Some(Node::Int(value)) => *value as f64,
            _ => 1.0,
        },
    })
}
