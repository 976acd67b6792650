//! The fused network against the plain reference: value, tangents and every gradient.

use crate::reference::case::{Case, Minus};
use crate::reference::noises;
use ffjord_kernels::mlp::{MlpArchitecture, MlpKernel};
use ffjord_kernels::simd::SimdLevel;
use ffjord_kernels::{ActivationKind, LayerKind, MinusState, SharedKernel};
use std::sync::Arc;

fn case(architecture: &MlpArchitecture, rows: usize, tangents: usize, seed: usize) -> Case {
    let (inputs, state) = (architecture.inputs(), architecture.outputs());
    let parameters = noises(seed, architecture.parameter_count());
    Case::new((state, inputs - state), parameters, rows, tangents, seed)
}

fn kernels(architecture: &MlpArchitecture, parameters: &[f64]) -> impl Iterator<Item = SharedKernel<f64>> {
    SimdLevel::available().map(move |level| -> SharedKernel<f64> {
        Arc::new(MlpKernel::new(level, architecture.clone(), parameters).unwrap())
    })
}

fn check_all_levels(architecture: &MlpArchitecture, rows: usize, tangents: usize, seed: usize) {
    let case = case(architecture, rows, tangents, seed);
    let wanted = case.reference(architecture);
    kernels(architecture, &case.parameters).for_each(|kernel| case.check(&*kernel, &wanted));
}

#[test]
fn every_conditioning_and_activation_agrees_with_the_reference() {
    for (c, kind) in LayerKind::ALL.into_iter().enumerate() {
        for (a, activation) in ActivationKind::ALL.into_iter().enumerate() {
            for tangents in [0, 1, 3] {
                let given = (c + a + tangents) % 3;
                let architecture = MlpArchitecture::new(&[3 + given, 5, 4, 3], kind, activation).unwrap();
                check_all_levels(&architecture, 2 + a, tangents, 100 * c + 10 * a + tangents);
            }
        }
    }
}

#[test]
fn odd_sizes_agree_with_the_reference() {
    let activation = [ActivationKind::Tanh, ActivationKind::Softplus, ActivationKind::Swish];
    for (i, dimensions) in [
        &[1usize, 1][..],
        &[3, 1],
        &[2, 17, 2],
        &[1, 9, 33, 1],
        &[7, 3, 18, 2],
        &[19, 20, 19],
        &[21, 20, 18],
        &[5, 40, 5],
    ]
    .into_iter()
    .enumerate()
    {
        let kind = LayerKind::ALL[i % LayerKind::ALL.len()];
        let architecture = MlpArchitecture::new(dimensions, kind, activation[i % 3]).unwrap();
        check_all_levels(&architecture, 1 + 3 * i, 1 + i % 2, i);
    }
}

#[test]
fn layers_of_different_conditionings_agree_with_the_reference() {
    let mixed = [
        LayerKind::Concat,
        LayerKind::Hyper,
        LayerKind::ConcatSquash,
        LayerKind::Blend,
    ];
    for given in [0, 2] {
        let dimensions = [3 + given, 6, 5, 4, 3];
        let architecture = MlpArchitecture::with_kinds(&dimensions, &mixed, ActivationKind::Swish).unwrap();
        check_all_levels(&architecture, 7, 2, 1);
    }
}

#[test]
fn a_network_minus_its_state_agrees_with_the_reference() {
    for given in [0, 1] {
        let dimensions = [3 + given, 6, 5, 3];
        let architecture = MlpArchitecture::new(&dimensions, LayerKind::ConcatSquash, ActivationKind::Swish).unwrap();
        let case = case(&architecture, 4, 2, 3);
        let wanted = case.reference(&Minus(architecture.clone()));
        for kernel in kernels(&architecture, &case.parameters) {
            assert_eq!((kernel.state_len(), kernel.given_len()), (3, given));
            case.check(&MinusState::new(kernel), &wanted);
        }
    }
}
