//! Values and gradients of a card beside those of the processor, for every layer type and nonlinearity.

use super::Found;
use crate::error::Result;
use candle_core::{DType, Device};
use ffjord_cuda::{AgreementCase, DeviceName};
use ffjord_flow::{CpuBackend, PathIntegral, SolveSettings, TraceMode};
use ffjord_nn::{ActivationKind, LayerKind, Mlp, MlpConfig, Residual, VectorField};
use ffjord_ode::{Method, Solver, Tolerance};
use ffjord_trace::ProbeDistribution;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use serde_json::json;
use std::sync::Arc;

/// The largest relative difference that is accepted: rounding, and what it does to steps.
fn bound(dtype: DType) -> f64 {
    match dtype {
        DType::F64 => 1e-9,
        _ => 2e-4,
    }
}

/// Rows that share steps on both sides: the smallest tile of a card.
const TILE: usize = 4;

/// Compares every case.
pub(super) fn measure(device: DeviceName) -> Result<Found> {
    let (card, processor) = (device.backend()?, CpuBackend::default());
    let (mut all, mut passed) = (Vec::new(), true);
    for (name, case) in cases()? {
        let dtype = case.field.dtype();
        let difference = case.run(card.as_ref())?.difference(&case.run(&processor)?);
        let fits = difference.relative <= bound(dtype);
        passed &= fits;
        all.push(json!({
            "case": name,
            "type": format!("{dtype:?}"),
            "difference": difference.relative,
            "part": difference.part,
            "bound": bound(dtype),
            "passed": fits,
        }));
    }
    Ok(Found {
        passed: Some(passed),
        found: json!(all),
    })
}

/// Every layer type once, every nonlinearity once, then exact traces, conditions, residual fields and other methods.
fn cases() -> Result<Vec<(String, AgreementCase)>> {
    let estimate = TraceMode::Hutchinson {
        distribution: ProbeDistribution::Rademacher,
        probes: 1,
    };
    let fixed = SolveSettings::new(Solver::new(Method::Rk4).fixed_steps(4)).trace(estimate.clone());
    let adaptive = |method, tolerance| -> Result<SolveSettings> {
        let solver = Solver::new(method).adaptive(Tolerance::new(tolerance, tolerance)?);
        Ok(SolveSettings::new(solver).trace(estimate.clone()).block_rows(TILE))
    };
    let mut cases = Vec::new();
    let mut add = |name: String, field: Arc<dyn VectorField>, settings: &SolveSettings| {
        cases.push((name, AgreementCase::new(field, 100, settings.clone())));
    };
    let usual = (LayerKind::ConcatSquash, ActivationKind::Tanh);
    for layer in LayerKind::ALL {
        add(
            format!("layer {layer}"),
            network(3, 0, (layer, usual.1), DType::F64)?,
            &fixed,
        );
    }
    for activation in ActivationKind::ALL {
        let name = format!("nonlinearity {activation}");
        add(name, network(3, 0, (usual.0, activation), DType::F64)?, &fixed);
    }
    let exact = SolveSettings {
        trace: TraceMode::Exact,
        ..fixed.clone()
    };
    add("exact trace".to_string(), network(6, 0, usual, DType::F64)?, &exact);
    add("condition".to_string(), network(3, 2, usual, DType::F64)?, &fixed);
    let residual = Residual::new(mlp(3, 0, usual, DType::F64)?);
    add("residual".to_string(), Arc::new(residual), &fixed);
    for (method, tolerance) in [(Method::Dopri5, 1e-5), (Method::Dopri8, 1e-6), (Method::Tsit5, 1e-5)] {
        let name = format!("{}, adaptive", method.name());
        add(
            name.clone(),
            network(3, 0, usual, DType::F64)?,
            &adaptive(method, tolerance)?,
        );
        add(name, network(3, 0, usual, DType::F32)?, &adaptive(method, tolerance)?);
    }
    add(
        "single precision".to_string(),
        network(6, 0, usual, DType::F32)?,
        &fixed,
    );
    add(
        "single precision, exact trace".to_string(),
        network(6, 0, usual, DType::F32)?,
        &exact,
    );
    if let Some((_, last)) = cases.last_mut() {
        last.integrals = vec![PathIntegral::Kinetic, PathIntegral::Jacobian];
    }
    Ok(cases)
}

fn network(
    dimension: usize,
    given: usize,
    kind: (LayerKind, ActivationKind),
    dtype: DType,
) -> Result<Arc<dyn VectorField>> {
    Ok(Arc::new(mlp(dimension, given, kind, dtype)?))
}

fn mlp(dimension: usize, given: usize, kind: (LayerKind, ActivationKind), dtype: DType) -> Result<Mlp> {
    let config = MlpConfig::new(dimension)
        .given(given)
        .hidden([32, 48])
        .layer(kind.0)
        .activation(kind.1);
    Ok(Mlp::new(
        &config,
        &mut ChaCha8Rng::seed_from_u64(3),
        dtype,
        &Device::Cpu,
    )?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_processor_agrees_with_itself_on_every_case() -> Result<()> {
        let found = measure(DeviceName::Cpu)?;
        assert_eq!(found.passed, Some(true));
        assert!(found.found.as_array().is_some_and(|cases| cases.len() > 20));
        Ok(())
    }
}
