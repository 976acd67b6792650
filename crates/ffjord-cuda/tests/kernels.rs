//! The kernels' own text against the kernels of the CPU: values, log-determinants, integrals and all gradients.

mod common;
mod emulator;

use candle_core::DType;
use common::Mixed;
use emulator::Emulator;
use ffjord_cuda::{AgreementCase, AgreementOutcome, CudaBackend};
use ffjord_flow::{CpuBackend, PathIntegral, SolveSettings, TraceMode};
use ffjord_kernels::{ActivationKind, LayerKind};
use ffjord_ode::{Method, Solver, Tolerance};
use ffjord_trace::ProbeDistribution;
use std::sync::Arc;

/// Bytes of shared memory that hold everything a small network needs.
const LARGE: usize = 200_000;

const KINDS: [LayerKind; 7] = [
    LayerKind::Ignore,
    LayerKind::Concat,
    LayerKind::ConcatV2,
    LayerKind::Squash,
    LayerKind::ConcatSquash,
    LayerKind::Blend,
    LayerKind::Hyper,
];

fn probes(probes: usize) -> TraceMode {
    TraceMode::Hutchinson {
        distribution: ProbeDistribution::Gaussian,
        probes,
    }
}

fn fixed(method: Method, steps: usize) -> SolveSettings {
    SolveSettings::new(Solver::new(method).fixed_steps(steps))
}

fn adaptive(method: Method, tolerance: f64) -> SolveSettings {
    let tolerance = Tolerance::new(tolerance, tolerance).unwrap();
    SolveSettings::new(Solver::new(method).adaptive(tolerance))
}

/// A small network of every layer type, in an order that begins with `first`.
fn all_kinds(first: usize, activation: ActivationKind, dtype: DType) -> Mixed {
    let kinds: Vec<LayerKind> = (0..=KINDS.len())
        .map(|layer| KINDS[(first + layer) % KINDS.len()])
        .collect();
    Mixed::new(&[3, 6, 5, 7, 4, 6, 5, 8, 3], &kinds, activation, dtype)
}

/// A network like those of tables.
fn plain(given: usize, dtype: DType) -> Mixed {
    let dimensions = [3 + given, 12, 9, 3];
    Mixed::new(&dimensions, &[LayerKind::ConcatSquash; 3], ActivationKind::Tanh, dtype)
}

fn case(field: Mixed, rows: usize, settings: SolveSettings) -> AgreementCase {
    AgreementCase::new(Arc::new(field), rows, settings)
}

fn expected(case: &AgreementCase) -> AgreementOutcome {
    case.run(&CpuBackend::default()).unwrap()
}

/// Fails unless the emulated kernels agree with the CPU's; tiles are the CPU's row blocks.
fn agrees(emulator: Emulator, case: &AgreementCase, bound: f64) {
    let backend = CudaBackend::new(Arc::new(emulator)).tile_rows(64).threads(32);
    let (ours, theirs) = (case.run(&backend).unwrap(), expected(case));
    let difference = ours.difference(&theirs);
    assert!(difference.relative <= bound, "{difference:?}: {:?}", case.field);
    let counts = |outcome: &AgreementOutcome| (outcome.evaluations, outcome.accepted);
    assert_eq!(counts(&ours), counts(&theirs), "{:?}", case.field);
}

#[test]
fn every_layer_type_meets_every_nonlinearity() {
    for (first, activation) in ActivationKind::ALL.into_iter().enumerate() {
        let Some(emulator) = Emulator::new(LARGE) else { return };
        let field = all_kinds(first, activation, DType::F64);
        agrees(emulator, &case(field, 3, fixed(Method::Rk4, 2).trace(probes(1))), 1e-12);
    }
}

#[test]
fn single_precision_is_that_of_the_cpu() {
    let Some(emulator) = Emulator::new(LARGE) else { return };
    let field = all_kinds(0, ActivationKind::Softplus, DType::F32);
    agrees(emulator, &case(field, 3, fixed(Method::Rk4, 2).trace(probes(1))), 2e-5);
}

#[test]
fn several_tiles_of_different_sizes_have_steps_of_their_own() {
    for (method, dtype, bound) in [(Method::Dopri5, DType::F64, 1e-10), (Method::Dopri5, DType::F32, 2e-4)] {
        let Some(emulator) = Emulator::new(LARGE) else { return };
        let settings = adaptive(method, 1e-4).trace(probes(1)).block_rows(5);
        agrees(emulator, &case(plain(0, dtype), 13, settings), bound);
    }
}

#[test]
fn step_control_is_that_of_the_solvers() {
    // Damped estimates, predicted steps, a method that is not first-same-as-last, both directions of time.
    for (method, tolerance) in [(Method::Dopri8, 1e-6), (Method::Tsit5, 1e-6), (Method::Bosh3, 1e-5)] {
        let Some(emulator) = Emulator::new(LARGE) else { return };
        let settings = adaptive(method, tolerance).trace(probes(1)).block_rows(4);
        let mut case = case(plain(0, DType::F64), 7, settings);
        case.span = (0.9, -0.4);
        agrees(emulator, &case, 1e-9);
    }
}

#[test]
fn a_solve_of_more_steps_than_there_is_room_for_is_run_again() {
    let Some(emulator) = Emulator::new(LARGE) else { return };
    let settings = adaptive(Method::Bosh3, 1e-10).trace(probes(1)).block_rows(2);
    let case = case(plain(0, DType::F64), 3, settings);
    assert!(expected(&case).accepted > 40.0);
    agrees(emulator, &case, 1e-8);
}

#[test]
fn fixed_steps_of_a_size_end_on_the_end() {
    let Some(emulator) = Emulator::new(LARGE) else { return };
    let settings = SolveSettings::new(Solver::new(Method::Midpoint).fixed_size(0.3)).trace(probes(1));
    let case = case(plain(0, DType::F64), 3, settings);
    assert_eq!(expected(&case).accepted, 3.0);
    agrees(emulator, &case, 1e-12);
}

#[test]
fn exact_traces_have_all_integrals_of_columns() {
    let Some(emulator) = Emulator::new(LARGE) else { return };
    let mut case = case(plain(0, DType::F64), 5, fixed(Method::Rk4, 2));
    case.integrals = vec![
        PathIntegral::Kinetic,
        PathIntegral::Jacobian,
        PathIntegral::L1,
        PathIntegral::L2,
        PathIntegral::Frobenius,
        PathIntegral::Diagonal,
        PathIntegral::OffDiagonal,
    ];
    agrees(emulator, &case, 1e-12);
}

#[test]
fn conditions_residual_fields_and_several_probes_have_gradients() {
    let Some(emulator) = Emulator::new(LARGE) else { return };
    let mut field = plain(2, DType::F64);
    field.minus_state = true;
    let mut case = case(field, 7, fixed(Method::Rk4, 2).trace(probes(3)).block_rows(3));
    case.integrals = vec![PathIntegral::Kinetic, PathIntegral::Jacobian];
    agrees(emulator, &case, 1e-12);
}

#[test]
fn a_state_alone_is_solved_without_tangents() {
    let Some(emulator) = Emulator::new(LARGE) else { return };
    agrees(
        emulator,
        &case(plain(0, DType::F64), 5, fixed(Method::Rk4, 2).trace(probes(0))),
        1e-12,
    );
}

#[test]
fn arrays_that_do_not_fit_into_shared_memory_lie_in_global_memory() {
    let Some(emulator) = Emulator::new(1_500) else { return };
    let case = case(
        plain(1, DType::F64),
        9,
        fixed(Method::Rk4, 2).trace(probes(1)).block_rows(4),
    );
    agrees(emulator, &case, 1e-12);
}

#[test]
fn the_order_of_threads_changes_no_bit() {
    let run = |backwards: bool| {
        let mut emulator = Emulator::new(LARGE)?;
        emulator.backwards = backwards;
        let backend = CudaBackend::new(Arc::new(emulator)).tile_rows(16).threads(64);
        let field = all_kinds(2, ActivationKind::Swish, DType::F32);
        let settings = adaptive(Method::Dopri5, 1e-3).trace(probes(1));
        Some(case(field, 11, settings).run(&backend).unwrap().parts)
    };
    assert_eq!(run(false), run(true));
}
