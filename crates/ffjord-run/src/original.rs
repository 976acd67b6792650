//! Checkpoints of the original implementation: a pickled dictionary of `args` and `state_dict`.

use crate::error::{Result, RunError};
use crate::model::{Model, Part};
use crate::original_images::{image_model, is_image_model};
use candle_core::pickle::{Object, Stack};
use candle_core::{DType, Device, Tensor};
use ffjord_flow::{Cnf, CnfSettings, MovingBatchNorm, SolveSettings, TraceMode};
use ffjord_nn::{ActivationKind, LayerKind, Mlp, MlpConfig, Residual, VectorField, load_parameters};
use ffjord_ode::adjoint::AdjointMethod;
use ffjord_ode::{Method, Solver, Tolerance};
use ffjord_train::{Purpose, Streams};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

/// The tolerance of evaluations: the checkpoint is the model, the solver's error should not be seen.
const TOLERANCE: f64 = 1e-8;
const BLOCK_ROWS: usize = 256;

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
    let fail = |reason: String| RunError::OriginalCheckpoint {
        path: path.to_path_buf(),
        reason,
    };
    let arguments = arguments(path)?;
    let tensors = candle_core::pickle::read_all_with_key(path, Some("state_dict"))
        .map_err(|error| fail(format!("its state_dict cannot be read: {error}")))?;
    if is_image_model(&arguments) {
        return image_model(&arguments, tensors).map_err(fail);
    }
    let architecture = architecture(&arguments).map_err(&fail)?;
    let mut blocks: BTreeMap<usize, BTreeMap<String, Tensor>> = BTreeMap::new();
    for (name, tensor) in tensors {
        let (index, rest) = name
            .strip_prefix("chain.")
            .and_then(|rest| rest.split_once('.'))
            .and_then(|(index, rest)| Some((index.parse().ok()?, rest)))
            .ok_or_else(|| fail(format!("`{name}` is not part of a chain")))?;
        if let Some(short) = short_name(rest) {
            blocks
                .entry(index)
                .or_default()
                .insert(short, tensor.to_dtype(DType::F64)?);
        }
    }
    let dimension = dimension(&blocks, &architecture)
        .ok_or_else(|| fail("no output layer tells the dimension of the data".to_string()))?;
    let parts = blocks
        .into_values()
        .map(|tensors| part(&tensors, dimension, &architecture).map_err(|error| fail(error.to_string())))
        .collect::<Result<Vec<_>>>()?;
    Model::new(parts, DType::F64)
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

fn part(tensors: &BTreeMap<String, Tensor>, dimension: usize, architecture: &Architecture) -> Result<Part> {
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
        block_rows: BLOCK_ROWS,
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

/// The `args` of a checkpoint.
fn arguments(path: &Path) -> Result<BTreeMap<String, Object>> {
    let fail = |reason: String| RunError::OriginalCheckpoint {
        path: path.to_path_buf(),
        reason,
    };
    let file = std::fs::File::open(path).map_err(RunError::io("open", path))?;
    let mut archive = zip::ZipArchive::new(std::io::BufReader::new(file))
        .map_err(|error| fail(format!("it is no zip archive: {error}")))?;
    let name = archive
        .file_names()
        .filter_map(std::result::Result::ok)
        .find(|name| name.ends_with("data.pkl"))
        .map(|name| name.to_string())
        .ok_or_else(|| fail("the archive has no data.pkl".to_string()))?;
    let entry = archive.by_name(&name).map_err(|error| fail(error.to_string()))?;
    let mut stack = Stack::empty();
    stack
        .read_loop(&mut std::io::BufReader::new(entry))
        .map_err(|error| fail(format!("its pickle cannot be read: {error}")))?;
    let object = stack.finalize().map_err(|error| fail(error.to_string()))?;
    let mut values = attributes(&object, "args").ok_or_else(|| fail("it has no `args`".to_string()))?;
    values.retain(|_, value| !matches!(value, Object::None));
    Ok(values)
}

/// The attributes of the object that a dictionary holds under `key`.
fn attributes(object: &Object, key: &str) -> Option<BTreeMap<String, Object>> {
    let Object::Dict(entries) = object else {
        return None;
    };
    let (_, value) = entries
        .iter()
        .find(|(name, _)| matches!(name, Object::Unicode(name) if name == key))?;
    let entries = match value {
        Object::Build { args, .. } => match args.as_ref() {
            Object::Dict(entries) => entries,
            _ => return None,
        },
        Object::Dict(entries) => entries,
        _ => return None,
    };
    let named = entries.iter().filter_map(|(name, value)| match name {
        Object::Unicode(name) => Some((name.clone(), value.clone())),
        _ => None,
    });
    Some(named.collect())
}

fn architecture(arguments: &BTreeMap<String, Object>) -> std::result::Result<Architecture, String> {
    let text = |key: &str| match arguments.get(key) {
        Some(Object::Unicode(text)) => Ok(text.as_str()),
        _ => Err(format!("its args have no text `{key}`")),
    };
    let hidden = text("dims")?
        .split('-')
        .map(|width| {
            width
                .parse()
                .map_err(|_| format!("its args have dims `{width}`, which is no number"))
        })
        .collect::<std::result::Result<Vec<usize>, String>>()?;
    let layer = text("layer_type")?.parse::<LayerKind>();
    let activation = text("nonlinearity")?.parse::<ActivationKind>();
    Ok(Architecture {
        layer: layer.map_err(|error| error.to_string())?,
        activation: activation.map_err(|error| error.to_string())?,
        hidden,
        residual: matches!(arguments.get("residual"), Some(Object::Bool(true))),
        time_length: match arguments.get("time_length") {
            Some(Object::Float(value)) => *value,
            Some(Object::Int(value)) => f64::from(*value),
            _ => 1.0,
        },
    })
}
