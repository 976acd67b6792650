//! A chain of continuous flows against the reference: values, log-determinants, loss and its gradients.

use super::network::field;
use super::{Case, Comparison, ReferenceFile, Subject};
use crate::error::Result;
use candle_core::{DType, Device, Tensor, Var};
use ffjord_flow::{Bijection, Cnf, CnfSettings, Density, Pass, SolveCost, SolveSettings, StandardNormal, TraceMode};
use ffjord_nn::{Parameter, load_parameters};
use ffjord_ode::adjoint::{AdjointMethod, Backsolve};
use ffjord_ode::{Method, Solver, Tolerance};
use ffjord_train::{Purpose, Streams};

/// Tolerances of the solves, in double and in single precision: tight enough that the reference's own error or rounding
/// is what is seen.
const TOLERANCES: (f64, f64) = (1e-12, 1e-6);
/// The largest relative errors accepted, likewise.
const LIMITS: (f64, f64) = (1e-7, 1e-4);
const BACKSOLVE_LIMITS: (f64, f64) = (1e-5, 1e-4);

/// Compares values and gradients by the checkpointed adjoint, then gradients by the backsolve adjoint.
///
/// # Errors
/// When the case cannot be built, a tensor is missing or a solve fails.
pub fn compare_flow(file: &ReferenceFile, subject: Subject) -> Result<Vec<Comparison>> {
    let limit = subject.in_precision(LIMITS.0, LIMITS.1);
    let backsolve_limit = subject.in_precision(BACKSOLVE_LIMITS.0, BACKSOLVE_LIMITS.1);
    let mut comparisons = Vec::new();
    let chain = chain(file, subject, AdjointMethod::default())?;
    let forward = forward(file, &chain)?;
    for (name, ours) in [
        ("z", &forward.z),
        ("dlogp_hutch", &forward.dlogp),
        ("loss", &forward.loss),
    ] {
        comparisons.push(Comparison::new(name, &ours.detach(), file.get(name)?, limit)?);
    }
    comparisons.push(Comparison::new(
        "dlogp_exact",
        &exact(file, &chain)?,
        file.get("dlogp_exact")?,
        limit,
    )?);
    comparisons.extend(gradients(file, &chain, &forward, "", limit)?);

    let chain = self::chain(file, subject, AdjointMethod::Backsolve(Backsolve::new()))?;
    let forward = self::forward(file, &chain)?;
    comparisons.extend(gradients(file, &chain, &forward, "backsolve ", backsolve_limit)?);
    Ok(comparisons)
}

fn chain(file: &ReferenceFile, subject: Subject, adjoint: AdjointMethod) -> Result<Vec<Cnf>> {
    let Case::Flow { blocks, end_time, .. } = &file.case else {
        return Ok(Vec::new());
    };
    let tolerance = subject.in_precision(TOLERANCES.0, TOLERANCES.1);
    let solve = SolveSettings {
        solver: Solver::new(Method::Dopri5).adaptive(Tolerance::new(tolerance, tolerance)?),
        trace: TraceMode::Exact,
        block_rows: usize::MAX,
    };
    let settings = CnfSettings {
        end_time: *end_time,
        learn_end_time: false,
        training: solve.clone(),
        evaluation: solve,
        adjoint,
        integrals: Vec::new(),
    };
    let chain: Vec<Cnf> = (0..*blocks)
        .map(|_| Ok(Cnf::new(field(file, subject.dtype)?, settings.clone())?.with_backend(subject.path.backend())))
        .collect::<Result<_>>()?;
    load_parameters(&parameters(&chain), &file.under_as("param.", subject.dtype)?)?;
    Ok(chain)
}

fn parameters(chain: &[Cnf]) -> Vec<Parameter> {
    let of = |(index, cnf): (usize, &Cnf)| {
        let prefix = format!("chain.{index}");
        cnf.parameters()
            .into_iter()
            .map(move |parameter| parameter.under(&prefix))
    };
    chain.iter().enumerate().flat_map(of).collect()
}

/// The number type of a chain, which is never empty.
fn dtype_of(chain: &[Cnf]) -> DType {
    chain.first().map_or(DType::F64, |cnf| cnf.field().dtype())
}

struct Forward {
    x: Var,
    z: Tensor,
    dlogp: Tensor,
    loss: Tensor,
}

fn forward(file: &ReferenceFile, chain: &[Cnf]) -> Result<Forward> {
    let dtype = dtype_of(chain);
    let x = Var::from_tensor(&file.get("x")?.to_dtype(dtype)?)?;
    let mut z = x.as_tensor().clone();
    let mut log_det: Option<Tensor> = None;
    for (index, cnf) in chain.iter().enumerate() {
        let probes = file.get(&format!("e.{index}"))?.to_dtype(dtype)?.unsqueeze(0)?;
        let image = cnf.forward_with_probes(&z, &probes, &SolveCost::default())?;
        let of_block = image.log_det()?;
        log_det = Some(match log_det {
            None => of_block.clone(),
            Some(sum) => (sum + of_block)?,
        });
        z = image.value;
    }
    let log_det = log_det.ok_or_else(|| file.refuse("its flow has no blocks"))?;
    let mut rng = Streams::new(0).rng(Purpose::Probe, 0, 0);
    let base = StandardNormal::new(&z.dims()[1..], dtype, &Device::Cpu)?;
    let log_prob = (base.log_prob(&z, &mut Pass::training(&mut rng))? + &log_det)?;
    Ok(Forward {
        x,
        z,
        dlogp: log_det.neg()?,
        loss: log_prob.mean_all()?.neg()?,
    })
}

/// The log-determinant with the exact trace, in the reference's sign.
fn exact(file: &ReferenceFile, chain: &[Cnf]) -> Result<Tensor> {
    let mut rng = Streams::new(0).rng(Purpose::Probe, 0, 0);
    let mut pass = Pass::evaluation(&mut rng);
    let mut z = file.get("x")?.to_dtype(dtype_of(chain))?;
    let mut dlogp = Tensor::zeros(z.dim(0)?, z.dtype(), &Device::Cpu)?;
    for cnf in chain {
        let image = cnf.forward(&z, &mut pass)?;
        dlogp = (dlogp - image.log_det()?)?;
        z = image.value;
    }
    Ok(dlogp)
}

fn gradients(
    file: &ReferenceFile,
    chain: &[Cnf],
    forward: &Forward,
    label: &str,
    limit: f64,
) -> Result<Vec<Comparison>> {
    let store = forward.loss.backward()?;
    let gradient = |var: &Var| -> Result<Tensor> {
        Ok(match store.get(var) {
            Some(gradient) => gradient.clone(),
            None => var.zeros_like()?,
        })
    };
    let mut comparisons = vec![Comparison::new(
        format!("{label}gx"),
        &gradient(&forward.x)?,
        file.get("gx")?,
        limit,
    )?];
    for parameter in parameters(chain) {
        let name = format!("gparam.{}", parameter.name);
        comparisons.push(Comparison::new(
            format!("{label}{name}"),
            &gradient(&parameter.var)?,
            file.get(&name)?,
            limit,
        )?);
    }
    Ok(comparisons)
}
