//! The fused convolutions against plain loops: value, tangents and every gradient.

use crate::network::Network;
use crate::reference::case::{Case, Field, Minus};
use crate::reference::{Number, noises, relative_error};
use Stride::{Double, Halve, Keep};
use ffjord_kernels::convolution::{ConvArchitecture, ConvKernel};
use ffjord_kernels::simd::SimdLevel;
use ffjord_kernels::{
    ActivationKind, GradientMut, Kernel, KernelError, LayerKind, MinusState, Real, SharedKernel, Stack, StackMut,
    Stride, Sum,
};
use std::sync::Arc;

fn case(network: &Network, rows: usize, tangents: usize) -> Case {
    let size = network.net.state_shape().iter().product();
    let parameters = noises(1, network.net.parameter_count())
        .iter()
        .map(|p| 0.5 * p)
        .collect();
    Case::new((size, 0), parameters, rows, tangents, 1)
}

fn kernel<T: Real>(level: SimdLevel, network: &Network, parameters: &[f64]) -> SharedKernel<T> {
    let parameters: Vec<T> = parameters.iter().map(|&p| T::from_f64(p)).collect();
    Arc::new(ConvKernel::new(level, network.net.clone(), &parameters).unwrap())
}

fn check(net: ConvArchitecture, strides: &[Stride], hidden: &[usize], rows: usize, tangents: usize) {
    let network = Network {
        net,
        strides: strides.to_vec(),
        hidden: hidden.to_vec(),
        squeezes: 0,
    };
    let case = case(&network, rows, tangents);
    let wanted = case.reference(&network);
    for level in SimdLevel::available() {
        case.check(&*kernel(level, &network, &case.parameters), &wanted);
    }
}

#[test]
fn every_conditioning_and_activation_agrees_with_the_reference() {
    for (c, kind) in LayerKind::ALL.into_iter().enumerate() {
        for (a, activation) in ActivationKind::ALL.into_iter().enumerate() {
            let net = ConvArchitecture::new(1, (3, 2), &[2], &[Keep; 2], kind, activation).unwrap();
            check(net, &[Keep; 2], &[2], 2, (c + a) % 3);
        }
    }
}

#[test]
fn every_stride_agrees_with_the_reference() {
    for (c, kind) in LayerKind::ALL.into_iter().enumerate() {
        for (s, (strides, hidden)) in [([Halve, Double], [3]), ([Double, Halve], [2]), ([Keep, Keep], [5])]
            .into_iter()
            .enumerate()
        {
            let net = ConvArchitecture::new(2, (4, 2), &hidden, &strides, kind, ActivationKind::Softplus);
            check(net.unwrap(), &strides, &hidden, 2, (c + s) % 3);
        }
    }
}

/// Channels that are many enough for every method: patches of either image, and transposed sums.
#[test]
fn wide_and_narrow_layers_agree_with_the_reference() {
    let kind = LayerKind::ConcatCoord;
    for (strides, hidden) in [(vec![Keep; 3], vec![4, 7]), (vec![Keep], vec![])] {
        let net = ConvArchitecture::new(1, (2, 3), &hidden, &strides, kind, ActivationKind::Tanh).unwrap();
        check(net, &strides, &hidden, 1, 1);
    }
}

/// Channels that are many enough for convolutions by windows.
#[test]
fn layers_by_windows_agree_with_the_reference() {
    let (strides, hidden) = (vec![Keep; 3], vec![16, 17]);
    for kind in [LayerKind::Concat, LayerKind::ConcatSquash] {
        let net = ConvArchitecture::new(1, (3, 2), &hidden, &strides, kind, ActivationKind::Softplus).unwrap();
        check(net, &strides, &hidden, 1, 1);
    }
}

/// Channels that are many enough for convolutions in tiles have too many weights to differentiate the reference by each of
/// them: its value, and the gradients by differences of the kernel's own loss.
#[test]
fn layers_in_tiles_agree_with_the_reference_and_with_differences() {
    let (strides, hidden) = (vec![Keep; 3], vec![48, 49]);
    let kind = LayerKind::ConcatSquash;
    let net = ConvArchitecture::new(1, (3, 5), &hidden, &strides, kind, ActivationKind::Softplus).unwrap();
    let network = Network {
        net,
        strides,
        hidden,
        squeezes: 0,
    };
    let mut case = case(&network, 1, 1);
    case.parameters.iter_mut().for_each(|p| *p *= 0.2);
    for level in SimdLevel::available() {
        let evaluate = |case: &Case| case.evaluate(&*kernel::<f64>(level, &network, &case.parameters), 0.0);
        let [(_, value), _, (_, of_z), (_, of_parameters), ..] = evaluate(&case);
        let error = relative_error(&value, &network.value(&case.parameters, case.t, &case.z, &[]));
        assert!(error < 1e-12, "{level}: {error:e}");
        let loss = |case: &Case| -> f64 {
            let [(_, f), (_, u), ..] = evaluate(case);
            let products = f.iter().zip(&case.of_f).chain(u.iter().zip(&case.of_u));
            products.map(|(value, weight)| value * weight).sum()
        };
        let step = 1e-5;
        let mut along = |numbers: fn(&mut Case) -> &mut Vec<f64>, gradient: &[f64], name: &str| {
            let direction = noises(9, gradient.len());
            let mut moved = |by: f64| {
                numbers(&mut case)
                    .iter_mut()
                    .zip(&direction)
                    .for_each(|(x, d)| *x += by * d);
                loss(&case)
            };
            let (up, down) = (moved(step), moved(-2.0 * step));
            moved(step);
            let slope: f64 = gradient.iter().zip(&direction).map(|(g, d)| g * d).sum();
            let difference = (up - down) / (2.0 * step);
            assert!(
                (slope - difference).abs() < 1e-6 * slope.abs().max(1.0),
                "{level} {name}: {slope} and {difference}"
            );
        };
        along(|case| &mut case.parameters, &of_parameters, "parameters");
        along(|case| &mut case.z, &of_z, "state");
    }
}

#[test]
fn single_precision_agrees_with_double_precision() {
    let strides = [Keep, Halve, Double, Keep];
    for kind in LayerKind::ALL {
        let net = ConvArchitecture::new(2, (10, 8), &[17, 9, 12], &strides, kind, ActivationKind::Softplus);
        let network = Network {
            net: net.unwrap(),
            strides: strides.to_vec(),
            hidden: vec![17, 9, 12],
            squeezes: 0,
        };
        let mut case = case(&network, 3, 1);
        case.parameters.iter_mut().for_each(|p| *p *= 0.2);
        for level in SimdLevel::available() {
            let single = case.evaluate(&*kernel::<f32>(level, &network, &case.parameters), 0.0);
            let double = case.evaluate(&*kernel::<f64>(level, &network, &case.parameters), 0.0);
            for ((what, single), (_, double)) in single.iter().zip(&double) {
                let error = relative_error(single, double);
                assert!(error < 1e-4, "{level} {kind:?}: {what} {error:e}");
            }
        }
    }
}

#[test]
fn a_network_minus_its_state_agrees_with_the_reference() {
    let (strides, hidden) = ([Halve, Double], [3]);
    let net = ConvArchitecture::new(2, (4, 2), &hidden, &strides, LayerKind::Concat, ActivationKind::Tanh).unwrap();
    let network = Network {
        net,
        strides: strides.to_vec(),
        hidden: hidden.to_vec(),
        squeezes: 0,
    };
    let case = case(&network, 2, 1);
    let kernel = kernel(SimdLevel::detect(), &network, &case.parameters);
    case.check(&MinusState::new(kernel), &case.reference(&Minus(network)));
}

/// A network of images squeezed so many times.
fn squeezed(squeezes: usize, kind: LayerKind, (strides, hidden): (&[Stride], &[usize])) -> Network {
    let channels = 4usize.pow(squeezes as u32);
    let net = ConvArchitecture::new(channels, (2, 1), hidden, strides, kind, ActivationKind::Softplus).unwrap();
    Network {
        net: net.squeezed(squeezes).unwrap(),
        strides: strides.to_vec(),
        hidden: hidden.to_vec(),
        squeezes,
    }
}

#[test]
fn networks_of_squeezed_images_agree_with_the_reference() {
    for kind in LayerKind::ALL {
        for squeezes in [1, 2] {
            let network = squeezed(squeezes, kind, (&[Double, Halve], &[2]));
            let case = case(&network, 2, squeezes);
            let wanted = case.reference(&network);
            for level in SimdLevel::available() {
                case.check(&*kernel(level, &network, &case.parameters), &wanted);
            }
        }
    }
}

/// The sum of networks, with their parameters one after another.
struct Total(Vec<Network>);

impl Field for Total {
    fn value<N: Number>(&self, parameters: &[N], t: N, z: &[N], given: &[N]) -> Vec<N> {
        let (mut total, mut rest) = (vec![N::constant(0.0); z.len()], parameters);
        for network in &self.0 {
            let (own, behind) = rest.split_at(network.net.parameter_count());
            let f = network.value(own, t, z, given);
            total.iter_mut().zip(f).for_each(|(total, f)| *total = *total + f);
            rest = behind;
        }
        total
    }
}

#[test]
fn sums_of_networks_agree_with_the_reference() {
    let (strides, hidden) = ([Keep, Keep], [2]);
    let plain = ConvArchitecture::new(
        1,
        (4, 2),
        &hidden,
        &strides,
        LayerKind::Concat,
        ActivationKind::Softplus,
    );
    let plain = Network {
        net: plain.unwrap(),
        strides: strides.to_vec(),
        hidden: hidden.to_vec(),
        squeezes: 0,
    };
    let networks = vec![plain, squeezed(1, LayerKind::ConcatSquash, (&strides, &hidden))];
    let counts: Vec<usize> = networks.iter().map(|network| network.net.parameter_count()).collect();
    let parameters: Vec<f64> = noises(3, counts.iter().sum()).iter().map(|p| 0.5 * p).collect();
    let (first, second) = parameters.split_at(counts[0]);
    let level = SimdLevel::detect();
    let kernels = vec![kernel(level, &networks[0], first), kernel(level, &networks[1], second)];
    let case = Case::new((8, 0), parameters, 3, 2, 1);
    case.check(&Sum::new(kernels).unwrap(), &case.reference(&Total(networks)));
}

#[test]
fn an_image_does_not_depend_on_its_neighbours() {
    // In patches of few channels, and in tiles of many.
    for hidden in [[6, 6], [16, 20]] {
        check_neighbours(&hidden);
    }
}

fn check_neighbours(hidden: &[usize]) {
    let net = ConvArchitecture::new(1, (5, 7), hidden, &[Keep; 3], LayerKind::Concat, ActivationKind::Elu).unwrap();
    let kernel = ConvKernel::new(SimdLevel::detect(), net.clone(), &noises(1, net.parameter_count())).unwrap();
    let z = noises(2, 4 * 35);
    let evaluate = |z: &[f64]| {
        let mut f = vec![0.0; z.len()];
        let (input, output) = (
            Stack {
                value: z,
                tangents: &[],
            },
            StackMut {
                value: &mut f,
                tangents: &mut [],
            },
        );
        kernel
            .forward(0.1, input, &[], output, &mut kernel.workspace(4))
            .unwrap();
        f
    };
    let together = evaluate(&z);
    let alone: Vec<f64> = z.chunks(35).flat_map(evaluate).collect();
    assert_eq!(together, alone);
}

#[test]
fn networks_that_cannot_be_are_refused() {
    let new = |channels, size, hidden: &[usize], strides: &[Stride]| {
        ConvArchitecture::new(channels, size, hidden, strides, LayerKind::Ignore, ActivationKind::Tanh).unwrap_err()
    };
    assert!(matches!(new(0, (4, 4), &[], &[Keep]), KernelError::Dimensions(_)));
    assert!(matches!(
        new(1, (4, 4), &[2], &[Keep]),
        KernelError::Strides { given: 1, layers: 2 }
    ));
    assert!(matches!(
        new(1, (4, 0), &[], &[Keep]),
        KernelError::ImageSize { layer: 0, .. }
    ));
    assert!(matches!(
        new(1, (6, 6), &[2], &[Halve, Halve]),
        KernelError::ImageSize { layer: 1, .. }
    ));
    assert!(matches!(
        new(1, (4, 4), &[], &[Double]),
        KernelError::ImageReturn { to: (8, 8), .. }
    ));

    let net = ConvArchitecture::new(1, (4, 4), &[], &[Keep], LayerKind::Ignore, ActivationKind::Tanh).unwrap();
    let refused = net.clone().squeezed(1).unwrap_err();
    assert_eq!(
        refused,
        KernelError::Squeezes {
            squeezes: 1,
            channels: 1
        }
    );
    assert!(net.clone().squeezed(usize::MAX).is_err());
    let kernel = ConvKernel::new(SimdLevel::detect(), net, &[0.0; 10]).unwrap();
    let (z, mut f) = ([0.0; 32], [0.0; 32]);
    let input = Stack {
        value: &z,
        tangents: &[],
    };
    let output = StackMut {
        value: &mut f,
        tangents: &mut [],
    };
    let refused = kernel.forward(0.0, input, &[], output, &mut kernel.workspace(1));
    assert!(matches!(refused, Err(KernelError::Capacity { rows: 2, .. })));
    let (tape, mut of_z, mut of_parameters) = (kernel.tape(2), [0.0; 32], [0.0; 10]);
    let gradient = GradientMut {
        state: &mut of_z,
        parameters: &mut of_parameters,
        given: &mut [],
    };
    let refused = kernel.reverse(&tape, &[], input, gradient, &mut kernel.workspace(2));
    assert_eq!(refused, Err(KernelError::EmptyTape));
}
