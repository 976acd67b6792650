//! Flows of images against the reference: values, log-determinants, loss, its gradients, and samples.

use super::network::{Form, Network};
use super::{Case, Comparison, ImageCase, ReferenceFile, Subject};
use crate::error::{Result, StudyError};
use candle_core::{DType, Device, Tensor, Var};
use ffjord_flow::{
    Bijection, Chain, Cnf, CnfSettings, Density, Flow, FlowError, Logit, MovingBatchNorm, Multiscale, Pass,
    SolveSettings, TraceMode, TraceVectors, Transformed, ZeroMean,
};
use ffjord_nn::{Parameter, load_parameters};
use ffjord_ode::adjoint::AdjointMethod;
use ffjord_ode::{Method, Solver, Tolerance};
use ffjord_run::original_tensor_name;
use ffjord_trace::{Probes, TraceError};
use ffjord_train::{Purpose, Streams};
use rand::RngCore;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Tolerances of the solves, in double and in single precision.
const TOLERANCES: (f64, f64) = (1e-11, 1e-6);
/// The largest relative errors accepted, likewise.
const LIMITS: (f64, f64) = (1e-7, 1e-4);

/// Compares passes with the file's probes and with exact traces, all gradients, and samples.
///
/// # Errors
/// When the case cannot be built, a tensor is missing or a solve fails.
pub(super) fn compare_image_flow(file: &ReferenceFile, subject: Subject) -> Result<Vec<Comparison>> {
    let limit = subject.in_precision(LIMITS.0, LIMITS.1);
    let mut comparisons = Vec::new();
    let mut compare = |name: &str, ours: &Tensor| -> Result<()> {
        comparisons.push(Comparison::new(name, ours, file.get(name)?, limit)?);
        Ok(())
    };
    let shape = row_shape(file)?;
    let rows = file.get("x")?;
    let x = Var::from_tensor(&rows.reshape([&[rows.dim(0)?], shape.as_slice()].concat())?)?;
    let dimension = x.elem_count() / x.dim(0)?.max(1);
    let mut rng = Streams::new(0).rng(Purpose::Probe, 0, 0);

    let flow = build(file, subject, false)?;
    let (image, loss) = training_pass(&flow, &x)?;
    compare("z", &image.value.detach())?;
    compare("dlogp", &image.log_det()?.neg()?.detach())?;
    compare("loss", &loss.detach())?;
    compare("bpd", &bits_per_dimension(&loss, dimension)?)?;
    for (name, gradient) in gradients(file, &flow, &x, &loss, "gparam.")? {
        compare(&name, &gradient)?;
    }
    // The training pass has moved the running statistics.
    let flow = build(file, subject, false)?;
    let noise = file.get("sample_z")?.to_dtype(subject.dtype)?;
    let shape = [&[noise.dim(0)?], flow.bijection().output_shape()].concat();
    let sample = flow
        .bijection()
        .inverse(&noise.reshape(shape)?, &mut Pass::evaluation(&mut rng))?;
    compare("sample_x", &sample.value)?;
    compare("sample_dlogp", &sample.log_det()?.neg()?)?;

    let exact = build(file, subject, true)?;
    let image = exact.bijection().forward(&x, &mut Pass::evaluation(&mut rng))?;
    compare("dlogp_exact", &image.log_det()?.neg()?)?;
    let log_prob = exact.evaluate(&x, &mut Pass::evaluation(&mut rng))?.log_prob;
    let loss = log_prob.mean_all()?.neg()?;
    compare("loss_exact", &loss)?;
    compare("bpd_exact", &bits_per_dimension(&loss, dimension)?)?;
    if file.has("gx_exact") {
        let (_, loss) = training_pass(&exact, &x)?;
        for (name, gradient) in gradients(file, &exact, &x, &loss, "gparam_exact.")? {
            compare(&name, &gradient)?;
        }
    }
    Ok(comparisons)
}

type ImageFlow = Flow<Arc<dyn Bijection>>;

/// The image of a training pass and the mean of −ln p(x).
fn training_pass(flow: &ImageFlow, x: &Tensor) -> Result<(Transformed, Tensor)> {
    let mut rng = Streams::new(0).rng(Purpose::Probe, 0, 0);
    let mut pass = Pass::training(&mut rng);
    let image = flow.bijection().forward(x, &mut pass)?;
    let log_prob = (flow.base().log_prob(&image.value, &mut pass)? + image.log_det()?)?;
    Ok((image, log_prob.mean_all()?.neg()?))
}

fn bits_per_dimension(loss: &Tensor, dimension: usize) -> Result<Tensor> {
    let nats = ((loss.detach() / dimension as f64)? + 256f64.ln())?;
    Ok((nats / std::f64::consts::LN_2)?)
}

/// The gradients that the file has under this prefix, with respect to images, parameters and end times.
fn gradients(
    file: &ReferenceFile,
    flow: &ImageFlow,
    x: &Var,
    loss: &Tensor,
    prefix: &str,
) -> Result<Vec<(String, Tensor)>> {
    let store = loss.backward()?;
    let gradient = |var: &Var| -> Result<Tensor> {
        Ok(match store.get(var) {
            Some(gradient) => gradient.clone(),
            None => var.zeros_like()?,
        })
    };
    let parameters = flow.bijection().parameters();
    // The released code has one learned coefficient for all flows: its gradient is the sum over ours.
    let is_shared = |name: &str| name.ends_with("activation_fns.0.beta");
    let shared = parameters.iter().filter(|parameter| is_shared(&parameter.name));
    let shared = shared
        .map(|parameter| gradient(&parameter.var))
        .collect::<Result<Vec<_>>>()?;
    let mut all = vec![(prefix.replace("gparam", "gx").replace('.', ""), gradient(x)?)];
    for name in file.under(prefix).keys() {
        let own = original_tensor_name(name).unwrap_or_default();
        let found = parameters.iter().find(|parameter| parameter.name == own);
        let of_own = match found {
            _ if is_shared(&own) => Tensor::stack(&shared, 0)?.sum(0)?,
            Some(parameter) => gradient(&parameter.var)?,
            None => return Err(file.refuse(format!("`{name}` is no parameter of the flow that it describes"))),
        };
        all.push((format!("{prefix}{name}"), of_own));
    }
    if prefix == "gparam." {
        for name in file.under("gT.").keys() {
            let own = format!("{name}.sqrt_end_time");
            let found = parameters.iter().find(|parameter| parameter.name == own);
            let root = found.ok_or_else(|| file.refuse(format!("there is no flow `{name}`")))?;
            // d/dT = d/d√T / (2 √T).
            let of_time = (gradient(&root.var)? / (root.var.as_detached_tensor() * 2.0)?)?;
            all.push((format!("gT.{name}"), of_time));
        }
    }
    Ok(all)
}

/// The flow of a file, with exact traces or the file's probes in all passes.
fn build(file: &ReferenceFile, subject: Subject, exact: bool) -> Result<ImageFlow> {
    let (Case::Multiscale(case) | Case::ImageFlow(case) | Case::ParallelFlow(case)) = &file.case else {
        return Err(file.refuse("it describes no flow of images"));
    };
    let shape = row_shape(file)?;
    let mut names = flow_names(file).into_iter();
    let mut block = |shape: &[usize]| -> Result<Box<dyn Bijection>> {
        let name = names
            .next()
            .ok_or_else(|| file.refuse("it has fewer end times than flows"))?;
        let cnf = Cnf::new(
            network(file, case, shape).build(file, subject.dtype)?,
            settings(file, case, subject, &name, exact)?,
        )?;
        Ok(Box::new(cnf.with_backend(subject.path.backend())))
    };
    let first: Box<dyn Bijection> = match case.alpha > 0.0 {
        true => Box::new(Logit::new(&shape, case.alpha)?),
        false => Box::new(ZeroMean::new(&shape)?),
    };
    let dtype = subject.dtype;
    let mut parts: Vec<Box<dyn Bijection>> = vec![Box::new(InDouble { map: first, dtype })];
    let bijection: Arc<dyn Bijection> = match (&file.case, shape.as_slice()) {
        (Case::Multiscale(_), &[channels, height, width]) => {
            let scales = case.scales.unwrap_or_else(|| Multiscale::scales_of(height, width));
            let own = |error: StudyError| FlowError::Own(error.to_string().into());
            let shape = [channels, height, width];
            let block = |shape: [usize; 3]| block(&shape).map_err(own);
            Arc::new(Multiscale::build(shape, scales, case.blocks, parts, block)?)
        }
        _ => {
            for _ in 0..case.blocks {
                parts.push(block(&shape)?);
            }
            if case.batch_norm {
                parts.push(Box::new(MovingBatchNorm::new(&shape, dtype, &Device::Cpu)?));
            }
            let chain = Chain::new(parts)?;
            match file.case {
                Case::ParallelFlow(_) => Arc::new(Multiscale::new(vec![Box::new(chain)])?),
                _ => Arc::new(chain),
            }
        }
    };
    let all: Vec<Parameter> = bijection.parameters().into_iter().chain(bijection.buffers()).collect();
    load_parameters(&all, &stored(file, &all, dtype)?)?;
    Ok(Flow::over_normal(bijection)?)
}

/// The shape of a row, `[D]` for networks of dense layers.
fn row_shape(file: &ReferenceFile) -> Result<Vec<usize>> {
    let shape = file.row_shape("x")?;
    Ok(match &file.case {
        Case::ImageFlow(case) if !case.conv => vec![shape.iter().product()],
        _ => shape,
    })
}

fn network<'a>(file: &ReferenceFile, case: &'a ImageCase, shape: &'a [usize]) -> Network<'a> {
    Network {
        shape,
        hidden: &case.hidden,
        strides: case.strides.as_deref(),
        layer: &case.layer,
        activation: &case.activation,
        form: match &file.case {
            Case::ParallelFlow(_) => Form::Parallel {
                scales: parallel_scales(file),
            },
            _ if case.autoencode => Form::Cut,
            _ => Form::Plain { squeezes: 0 },
        },
        residual: case.residual,
    }
}

/// The scales of a parallel field, as its parameters tell.
fn parallel_scales(file: &ReferenceFile) -> usize {
    let number = |name: &String| name.split_once(".models.")?.1.split_once('.')?.0.parse::<usize>().ok();
    let last = file.under("param.").keys().filter_map(number).max();
    last.map_or(1, |last| last + 1)
}

/// The names of the continuous flows, in the order in which they stand.
fn flow_names(file: &ReferenceFile) -> Vec<String> {
    let mut names: Vec<String> = file.under("T.").into_keys().collect();
    let numbers = |name: &str| {
        name.split('.')
            .filter_map(|part| part.parse().ok())
            .collect::<Vec<usize>>()
    };
    names.sort_by_key(|name| numbers(name));
    names
}

fn settings(file: &ReferenceFile, case: &ImageCase, subject: Subject, name: &str, exact: bool) -> Result<CnfSettings> {
    let tolerance = subject.in_precision(TOLERANCES.0, TOLERANCES.1);
    let trace = match exact {
        true => TraceMode::Exact,
        false => {
            let probes = file.get(&format!("e.{name}"))?.flatten_all()?.to_vec1()?;
            let vectors = Arc::new(GivenProbes { probes });
            match case.autoencode {
                true => TraceMode::BottleneckOwn(vectors),
                false => TraceMode::Own(vectors),
            }
        }
    };
    let solve = SolveSettings {
        solver: Solver::new(Method::Dopri5).adaptive(Tolerance::new(tolerance, tolerance)?),
        trace,
        block_rows: usize::MAX,
    };
    Ok(CnfSettings {
        end_time: file.get(&format!("T.{name}"))?.sum_all()?.to_scalar()?,
        learn_end_time: true,
        training: solve.clone(),
        evaluation: solve,
        adjoint: AdjointMethod::default(),
        integrals: Vec::new(),
    })
}

/// The file's parameters, statistics and end times under our names.
fn stored(file: &ReferenceFile, all: &[Parameter], dtype: DType) -> Result<BTreeMap<String, Tensor>> {
    let mut stored = BTreeMap::new();
    for (name, tensor) in file.under("param.").into_iter().chain(file.under("buffer.")) {
        if let Some(name) = original_tensor_name(&name) {
            stored.insert(name, tensor.to_dtype(dtype)?);
        }
    }
    for (name, end_time) in file.under("T.") {
        let root = end_time.sqrt()?.reshape(())?.to_dtype(dtype)?;
        stored.insert(format!("{name}.sqrt_end_time"), root);
    }
    // One learned coefficient is shared by all flows, and may be stored once.
    let beta = stored.iter().find(|(name, _)| name.ends_with(".beta"));
    if let Some(beta) = beta.map(|(_, beta)| beta.clone()) {
        for parameter in all.iter().filter(|parameter| parameter.name.ends_with(".beta")) {
            stored.entry(parameter.name.clone()).or_insert_with(|| beta.clone());
        }
    }
    Ok(stored)
}

/// The probes of a reference, one for each row.
#[derive(Debug)]
pub(super) struct GivenProbes {
    pub(super) probes: Vec<f64>,
}

impl TraceVectors for GivenProbes {
    fn draw(&self, rows: usize, dimension: usize, _rng: &mut dyn RngCore) -> Result<Probes<f64>, TraceError> {
        Probes::from_vectors(1, rows, dimension, self.probes.clone())
    }
}

/// A map in double precision before a flow in another: near the ends of the unit interval a logit makes differences out of
/// what single precision rounds away.
#[derive(Debug)]
struct InDouble {
    map: Box<dyn Bijection>,
    dtype: DType,
}

impl InDouble {
    fn converted(image: &Transformed, dtype: DType) -> ffjord_flow::Result<Transformed> {
        Ok(Transformed::new(
            image.value.to_dtype(dtype)?,
            image.log_det()?.to_dtype(dtype)?,
        ))
    }
}

impl Bijection for InDouble {
    fn forward(&self, x: &Tensor, pass: &mut Pass<'_>) -> ffjord_flow::Result<Transformed> {
        Self::converted(&self.map.forward(x, pass)?, self.dtype)
    }

    fn inverse(&self, z: &Tensor, pass: &mut Pass<'_>) -> ffjord_flow::Result<Transformed> {
        Self::converted(&self.map.inverse(&z.to_dtype(DType::F64)?, pass)?, self.dtype)
    }

    fn parameters(&self) -> Vec<Parameter> {
        self.map.parameters()
    }

    fn input_shape(&self) -> &[usize] {
        self.map.input_shape()
    }
}
