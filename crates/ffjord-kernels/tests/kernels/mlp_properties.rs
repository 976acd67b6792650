//! Properties of the fused network that need no reference: traces, precision, independence of rows, refusals.

use crate::reference::case::{Case, Outcome};
use crate::reference::{noises, relative_error};
use ffjord_kernels::mlp::{MlpArchitecture, MlpKernel, contract};
use ffjord_kernels::simd::SimdLevel;
use ffjord_kernels::{
    ActivationKind, GradientMut, Kernel, KernelError, LayerKind, MinusState, Real, SharedKernel, Stack, StackMut,
    TraceMut,
};
use proptest::prelude::*;
use std::sync::Arc;

fn numbers<T: Real>(seed: usize, len: usize, scale: f64) -> Vec<T> {
    noises(seed, len).into_iter().map(|x| T::from_f64(scale * x)).collect()
}

/// Everything that a network in `T` gives.
fn outcome<T: Real>(level: SimdLevel, net: &MlpArchitecture, rows: usize, tangents: usize) -> Outcome {
    let widest = net.dimensions().iter().copied().max().unwrap_or(1) as f64;
    let parameters = numbers(1, net.parameter_count(), widest.powf(-0.5));
    let sizes = (net.outputs(), net.inputs() - net.outputs());
    let case = Case::new(sizes, parameters, rows, tangents, 1);
    let parameters: Vec<T> = case.parameters.iter().map(|&p| T::from_f64(p)).collect();
    case.evaluate(&MlpKernel::new(level, net.clone(), &parameters).unwrap(), 0.0)
}

#[test]
fn single_precision_agrees_with_double_precision() {
    for (dimensions, activation) in [
        (&[2usize, 64, 64, 64, 2][..], ActivationKind::Tanh),
        (&[8, 60, 60, 60, 6], ActivationKind::Swish),
        (&[43, 250, 250, 43], ActivationKind::Softplus),
    ] {
        for kind in [LayerKind::ConcatSquash, LayerKind::Blend] {
            let net = MlpArchitecture::new(dimensions, kind, activation).unwrap();
            for level in SimdLevel::available() {
                let single = outcome::<f32>(level, &net, 61, 1);
                let double = outcome::<f64>(level, &net, 61, 1);
                for ((what, single), (_, double)) in single.iter().zip(&double) {
                    let error = relative_error(single, double);
                    assert!(error < 1e-4, "{level} {dimensions:?} {kind:?}: {what} {error:e}");
                }
            }
        }
    }
}

#[test]
fn a_row_does_not_depend_on_its_neighbours() {
    let net = MlpArchitecture::new(&[3, 20, 17, 3], LayerKind::ConcatSquash, ActivationKind::Softplus).unwrap();
    let kernel = MlpKernel::<f32>::new(
        SimdLevel::detect(),
        net.clone(),
        &numbers(1, net.parameter_count(), 0.5),
    )
    .unwrap();
    let mut workspace = kernel.workspace(2 * 29);
    let (z, e) = (numbers::<f32>(2, 29 * 3, 1.0), numbers::<f32>(3, 29 * 3, 1.0));
    let mut run = |z: &[f32], e: &[f32]| {
        let (mut f, mut u) = (vec![0.0; z.len()], vec![0.0; z.len()]);
        let output = StackMut {
            value: &mut f,
            tangents: &mut u,
        };
        kernel
            .forward(0.7, Stack { value: z, tangents: e }, &[], output, &mut workspace)
            .unwrap();
        (f, u)
    };
    let (f, u) = run(&z, &e);
    for (first, rows) in [(0, 1), (3, 7), (13, 16)] {
        let span = 3 * first..3 * (first + rows);
        assert_eq!(
            run(&z[span.clone()], &e[span.clone()]),
            (f[span.clone()].to_vec(), u[span].to_vec())
        );
    }
}

#[test]
fn several_recordings_add_up_and_no_rows_are_no_error() {
    let net = MlpArchitecture::new(&[2, 9, 2], LayerKind::ConcatV2, ActivationKind::Elu).unwrap();
    let kernel = MlpKernel::<f64>::new(
        SimdLevel::detect(),
        net.clone(),
        &numbers(1, net.parameter_count(), 0.5),
    )
    .unwrap();
    let (mut workspace, mut tape) = (kernel.workspace(8), kernel.tape(8));
    let z = numbers::<f64>(2, 8, 1.0);
    let gradient_of = |parts: &[&[f64]], workspace: &mut _, tape: &mut _| {
        let mut gradient = vec![0.0; net.parameter_count()];
        for z in parts {
            let (mut f, mut grad_z) = (vec![0.0; z.len()], vec![0.0; z.len()]);
            let output = StackMut {
                value: &mut f,
                tangents: &mut [],
            };
            kernel
                .record(
                    0.1,
                    Stack {
                        value: z,
                        tangents: &[],
                    },
                    &[],
                    output,
                    tape,
                    workspace,
                )
                .unwrap();
            let ones = vec![1.0; z.len()];
            let cotangent = Stack {
                value: &ones,
                tangents: &[],
            };
            let to = GradientMut {
                state: &mut grad_z,
                parameters: &mut gradient,
                given: &mut [],
            };
            kernel.reverse(tape, &[], cotangent, to, workspace).unwrap();
        }
        gradient
    };
    let whole = gradient_of(&[&z], &mut workspace, &mut tape);
    let parts = gradient_of(&[&z[..6], &z[6..]], &mut workspace, &mut tape);
    assert!(relative_error(parts.as_slice(), whole.as_slice()) < 1e-14);
    let nothing = StackMut {
        value: &mut [],
        tangents: &mut [],
    };
    kernel
        .forward(
            0.0,
            Stack {
                value: &[],
                tangents: &[],
            },
            &[],
            nothing,
            &mut workspace,
        )
        .unwrap();
}

#[test]
fn wrong_arguments_are_refused() {
    let net = |dimensions: &[usize]| MlpArchitecture::new(dimensions, LayerKind::Ignore, ActivationKind::Tanh);
    assert_eq!(net(&[2]), Err(KernelError::Dimensions(vec![2])));
    assert_eq!(net(&[2, 0, 2]), Err(KernelError::Dimensions(vec![2, 0, 2])));
    assert_eq!(net(&[2, 3]), Err(KernelError::Outputs { inputs: 2, outputs: 3 }));
    let net = net(&[2, 4, 2]).unwrap();
    assert!(matches!(
        MlpKernel::<f32>::new(SimdLevel::detect(), net.clone(), &[0.0; 3]),
        Err(KernelError::Length {
            given: 3,
            expected: 22,
            ..
        })
    ));
    let kernel = MlpKernel::<f32>::new(SimdLevel::detect(), net, &[0.1; 22]).unwrap();
    let (mut workspace, mut tape) = (kernel.workspace(2), kernel.tape(1));
    let mut f = [0.0; 8];
    let mut call = |z: &[f32], f: &mut [f32]| {
        let output = StackMut {
            value: f,
            tangents: &mut [],
        };
        kernel.record(
            0.0,
            Stack {
                value: z,
                tangents: &[],
            },
            &[],
            output,
            &mut tape,
            &mut workspace,
        )
    };
    assert!(matches!(
        call(&[0.0; 3], &mut f[..3]),
        Err(KernelError::NotWhole { given: 3, of: 2, .. })
    ));
    assert!(matches!(
        call(&[0.0; 2], &mut f[..3]),
        Err(KernelError::Length {
            given: 3,
            expected: 2,
            ..
        })
    ));
    assert!(matches!(
        call(&[0.0; 6], &mut f[..6]),
        Err(KernelError::Capacity {
            rows: 3,
            max_rows: 2,
            ..
        })
    ));
    assert!(matches!(
        call(&[0.0; 4], &mut f[..4]),
        Err(KernelError::Capacity {
            rows: 2,
            max_rows: 1,
            ..
        })
    ));
    let gradient = GradientMut {
        state: &mut [],
        parameters: &mut [0.0; 22],
        given: &mut [],
    };
    let cotangent = Stack {
        value: &[],
        tangents: &[],
    };
    let refusal = kernel.reverse(&kernel.tape(1), &[], cotangent, gradient, &mut workspace);
    assert_eq!(refusal, Err(KernelError::EmptyTape));
}

#[test]
fn rows_that_are_given_too_little_or_too_much_are_refused() {
    let net = MlpArchitecture::new(&[3, 4, 2], LayerKind::Ignore, ActivationKind::Tanh).unwrap();
    let parameters = vec![0.1; net.parameter_count()];
    let kernel = MlpKernel::<f32>::new(SimdLevel::detect(), net, &parameters).unwrap();
    let (mut workspace, mut tape) = (kernel.workspace(2), kernel.tape(2));
    let (mut f, mut trace) = ([0.0; 4], [0.0; 2]);
    let input = Stack {
        value: &[0.5; 4],
        tangents: &[],
    };
    let wrong = |error| matches!(error, Err(KernelError::Length { expected: 2, .. }));
    for given in [&[][..], &[1.0], &[1.0; 3]] {
        let output = StackMut {
            value: &mut f,
            tangents: &mut [],
        };
        assert!(wrong(kernel.record(
            0.0,
            input,
            given,
            output,
            &mut tape,
            &mut workspace
        )));
        let output = TraceMut {
            value: &mut f,
            trace: &mut trace,
        };
        assert!(wrong(kernel.exact_trace(
            0.0,
            input.value,
            given,
            output,
            &mut workspace
        )));
    }
    let output = StackMut {
        value: &mut f,
        tangents: &mut [],
    };
    kernel
        .record(0.0, input, &[1.0; 2], output, &mut tape, &mut workspace)
        .unwrap();
    let gradient = GradientMut {
        state: &mut [0.0; 4],
        parameters: &mut vec![0.0; parameters.len()],
        given: &mut [],
    };
    assert!(wrong(
        kernel
            .reverse(&tape, &[1.0; 2], input, gradient, &mut workspace)
            .map(|_| ())
    ));
}

/// The D unit vectors for every row, `[D, R, D]`.
fn unit_tangents(rows: usize, dimension: usize) -> Vec<f64> {
    let column = |i: usize| (i / (rows * dimension), i % dimension);
    let unit = |i| if column(i).0 == column(i).1 { 1.0 } else { 0.0 };
    (0..dimension * rows * dimension).map(unit).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_closed_form_is_the_trace_of_the_unit_tangents(
        dimension in 1usize..7,
        units in 1usize..40,
        rows in 1usize..20,
        kind in 0..LayerKind::ALL.len(),
        activation in 0..ActivationKind::ALL.len(),
        given in 0usize..3,
        minus: bool,
        seed in 0usize..1000,
    ) {
        let (kind, activation) = (LayerKind::ALL[kind], ActivationKind::ALL[activation]);
        let net = MlpArchitecture::new(&[dimension + given, units, dimension], kind, activation).unwrap();
        let parameters = numbers::<f64>(seed, net.parameter_count(), 1.0);
        let z = numbers::<f64>(seed + 1, rows * dimension, 1.0);
        let c = numbers::<f64>(seed + 2, rows * given, 1.0);
        for level in SimdLevel::available() {
            let kernel = MlpKernel::new(level, net.clone(), &parameters).unwrap();
            let mut kernel: SharedKernel<f64> = Arc::new(kernel);
            if minus {
                kernel = Arc::new(MinusState::new(kernel));
            }
            let mut workspace = kernel.workspace(rows * (1 + dimension));
            let units = unit_tangents(rows, dimension);
            let (mut f, mut u) = (vec![0.0; z.len()], vec![0.0; units.len()]);
            let output = StackMut { value: &mut f, tangents: &mut u };
            kernel.forward(0.4, Stack { value: &z, tangents: &units }, &c, output, &mut workspace).unwrap();
            let (mut exact, mut closed, mut g) = (vec![0.0; rows], vec![0.0; rows], vec![0.0; z.len()]);
            contract(dimension, &units, &u, &mut exact).unwrap();
            prop_assert!(kernel.has_exact_trace());
            let output = TraceMut { value: &mut g, trace: &mut closed };
            kernel.exact_trace(0.4, &z, &c, output, &mut workspace).unwrap();
            prop_assert_eq!(&f, &g);
            for (exact, closed) in exact.iter().zip(&closed) {
                prop_assert!((exact - closed).abs() < 1e-11 * (1.0 + exact.abs()), "{} and {}", exact, closed);
            }
        }
    }
}
