//! The fused convolutions against plain loops: value, tangents and every gradient.

#[path = "convolution/network.rs"]
mod network;
mod reference;

use ffjord_kernels::convolution::{ConvArchitecture, ConvConditioning, ConvKernel, ConvStride};
use ffjord_kernels::mlp::{Activation, Stack, StackMut};
use ffjord_kernels::simd::SimdLevel;
use ffjord_kernels::{KernelError, Real};
use network::network;
use reference::{Dual, Number, noises, relative_error};

const TIME: f64 = 0.37;

struct Case {
    net: ConvArchitecture,
    strides: Vec<ConvStride>,
    hidden: Vec<usize>,
    rows: usize,
    tangents: usize,
    parameters: Vec<f64>,
    z: Vec<f64>,
    e: Vec<f64>,
    of_f: Vec<f64>,
    of_u: Vec<f64>,
}

/// f, u, grad z, the parameters' gradient, grad t.
type Outcome = [Vec<f64>; 5];

impl Case {
    fn new(net: ConvArchitecture, strides: &[ConvStride], hidden: &[usize], rows: usize, tangents: usize) -> Self {
        let size = net.state_shape().iter().product::<usize>() * rows;
        let parameters = noises(1, net.parameter_count());
        Self {
            net,
            strides: strides.to_vec(),
            hidden: hidden.to_vec(),
            rows,
            tangents,
            parameters: parameters.into_iter().map(|p| 0.5 * p).collect(),
            z: noises(2, size),
            e: noises(3, tangents * size),
            of_f: noises(4, size),
            of_u: noises(5, tangents * size),
        }
    }

    fn size(&self) -> usize {
        self.z.len() / self.rows
    }

    fn value<N: Number>(&self, parameters: &[N], t: N, z: &[N]) -> Vec<N> {
        network((&self.net, &self.strides, &self.hidden), parameters, t, z)
    }

    /// Σ of_f f + Σ of_u u of one image, and u.
    fn loss<N: Number>(&self, row: usize, parameters: &[N], t: N, z: &[N]) -> (N, Vec<N>) {
        let (size, zero) = (self.size(), N::constant(0.0));
        let constant = |x: &N| Dual::new(*x, zero);
        let lifted: Vec<Dual<N>> = parameters.iter().map(constant).collect();
        let of = |values: &[f64], k: usize, i: usize| N::constant(values[(k * self.rows + row) * size + i]);
        let f = self.value(parameters, t, z);
        let mut loss = (0..size).fold(zero, |sum, i| sum + of(&self.of_f, 0, i) * f[i]);
        let mut products = Vec::new();
        for k in 0..self.tangents {
            let seeded: Vec<_> = (0..size).map(|i| Dual::new(z[i], of(&self.e, k, i))).collect();
            let u: Vec<N> = self
                .value(&lifted, constant(&t), &seeded)
                .iter()
                .map(|u| u.derivative)
                .collect();
            loss = (0..size).fold(loss, |sum, i| sum + of(&self.of_u, k, i) * u[i]);
            products.extend(u);
        }
        (loss, products)
    }

    fn reference(&self) -> Outcome {
        let (size, count) = (self.size(), self.parameters.len());
        let (mut f, mut grad_z) = (Vec::new(), Vec::new());
        let (mut u, mut gradient, mut grad_t) = (vec![0.0; self.e.len()], vec![0.0; count], 0.0);
        let dual = |values: &[f64], seeded: Option<usize>| -> Vec<Dual<f64>> {
            let seed = |i| if seeded == Some(i) { 1.0 } else { 0.0 };
            values.iter().enumerate().map(|(i, &x)| Dual::new(x, seed(i))).collect()
        };
        for row in 0..self.rows {
            let z = &self.z[row * size..(row + 1) * size];
            f.extend(self.value(&self.parameters, TIME, z));
            let (_, products) = self.loss(row, &self.parameters, TIME, z);
            for (k, product) in products.chunks(size).enumerate() {
                u[(k * self.rows + row) * size..][..size].copy_from_slice(product);
            }
            let (p0, t0, z0) = (dual(&self.parameters, None), Dual::new(TIME, 0.0), dual(z, None));
            let loss = |p: &[Dual<f64>], t, z: &[Dual<f64>]| self.loss(row, p, t, z).0.derivative;
            grad_t += loss(&p0, Dual::new(TIME, 1.0), &z0);
            grad_z.extend((0..size).map(|i| loss(&p0, t0, &dual(z, Some(i)))));
            for (i, g) in gradient.iter_mut().enumerate() {
                *g += loss(&dual(&self.parameters, Some(i)), t0, &z0);
            }
        }
        [f, u, grad_z, gradient, vec![grad_t]]
    }

    fn kernel<T: Real>(&self, level: SimdLevel) -> Outcome {
        let numbers = |x: &[f64]| -> Vec<T> { x.iter().map(|&x| T::from_f64(x)).collect() };
        let kernel = ConvKernel::new(level, self.net.clone(), &numbers(&self.parameters)).unwrap();
        let stacked = self.rows * (1 + self.tangents);
        let (mut workspace, mut tape) = (kernel.workspace(stacked + 2), kernel.tape(stacked + 1));
        let (z, e, of_f, of_u) = (
            numbers(&self.z),
            numbers(&self.e),
            numbers(&self.of_f),
            numbers(&self.of_u),
        );
        let (mut f, mut u) = (vec![T::ZERO; z.len()], vec![T::ZERO; e.len()]);
        let (mut other_f, mut other_u) = (f.clone(), u.clone());
        let input = Stack {
            value: &z,
            tangents: &e,
        };
        let output = StackMut {
            value: &mut f,
            tangents: &mut u,
        };
        kernel.record(TIME, input, output, &mut tape, &mut workspace).unwrap();
        // An evaluation in between, at another time, must not disturb the tape.
        for (time, same) in [(TIME + 1.0, false), (TIME, true)] {
            let output = StackMut {
                value: &mut other_f,
                tangents: &mut other_u,
            };
            kernel.forward(time, input, output, &mut workspace).unwrap();
            assert!(!same || (&other_f, &other_u) == (&f, &u), "recording changes no bit");
        }
        let cotangent = Stack {
            value: &of_f,
            tangents: &of_u,
        };
        let (mut grad_z, mut gradient) = (vec![T::ONE; z.len()], vec![T::ZERO; self.parameters.len()]);
        let grad_t = kernel
            .reverse(&tape, cotangent, &mut grad_z, &mut gradient, &mut workspace)
            .unwrap();
        let double = |x: &[T]| x.iter().map(|x| x.to_f64()).collect();
        [double(&f), double(&u), double(&grad_z), double(&gradient), vec![grad_t]]
    }

    fn check(&self) {
        let wanted = self.reference();
        for level in SimdLevel::available() {
            let got = self.kernel::<f64>(level);
            for (what, (got, wanted)) in ["f", "u", "grad z", "gradient"].iter().zip(got.iter().zip(&wanted)) {
                let error = relative_error(got, wanted);
                assert!(error < 1e-12, "{level}: {what} of {:?} is off by {error:e}", self.net);
            }
            // A sum that happens to be small is judged by the size of what was added up.
            let scale = wanted[3].iter().fold(1.0f64, |m, g| m.max(g.abs()));
            let error = (got[4][0] - wanted[4][0]).abs() / scale;
            assert!(error < 1e-12, "{level}: grad t of {:?} is off by {error:e}", self.net);
        }
    }
}

use ConvStride::{Double, Halve, Keep};

#[test]
fn every_conditioning_and_activation_agrees_with_the_reference() {
    for (c, conditioning) in ConvConditioning::ALL.into_iter().enumerate() {
        for (a, activation) in Activation::ALL.into_iter().enumerate() {
            let net = ConvArchitecture::new(1, (3, 2), &[2], &[Keep; 2], conditioning, activation).unwrap();
            Case::new(net, &[Keep; 2], &[2], 2, (c + a) % 3).check();
        }
    }
}

#[test]
fn every_stride_agrees_with_the_reference() {
    for (c, conditioning) in ConvConditioning::ALL.into_iter().enumerate() {
        for (s, (strides, hidden)) in [([Halve, Double], [3]), ([Double, Halve], [2]), ([Keep, Keep], [5])]
            .into_iter()
            .enumerate()
        {
            let net = ConvArchitecture::new(2, (4, 2), &hidden, &strides, conditioning, Activation::Softplus);
            Case::new(net.unwrap().residual(), &strides, &hidden, 2, (c + s) % 3).check();
        }
    }
}

/// Channels that are many enough for every method: patches of either image, and transposed sums.
#[test]
fn wide_and_narrow_layers_agree_with_the_reference() {
    let conditioning = ConvConditioning::ConcatCoord;
    for (strides, hidden) in [(vec![Keep; 3], vec![4, 7]), (vec![Keep], vec![])] {
        let net = ConvArchitecture::new(1, (2, 3), &hidden, &strides, conditioning, Activation::Tanh).unwrap();
        Case::new(net, &strides, &hidden, 1, 1).check();
    }
}

#[test]
fn single_precision_agrees_with_double_precision() {
    let strides = [Keep, Halve, Double, Keep];
    for conditioning in ConvConditioning::ALL {
        let net = ConvArchitecture::new(2, (10, 8), &[17, 9, 12], &strides, conditioning, Activation::Softplus);
        let mut case = Case::new(net.unwrap(), &strides, &[17, 9, 12], 3, 1);
        case.parameters.iter_mut().for_each(|p| *p *= 0.2);
        for level in SimdLevel::available() {
            let (single, double) = (case.kernel::<f32>(level), case.kernel::<f64>(level));
            for (single, double) in single.iter().zip(&double) {
                let error = relative_error(single, double);
                assert!(error < 1e-4, "{level} {conditioning:?}: {error:e}");
            }
        }
    }
}

#[test]
fn an_image_does_not_depend_on_its_neighbours() {
    let net = ConvArchitecture::new(1, (5, 7), &[6], &[Keep; 2], ConvConditioning::Concat, Activation::Elu).unwrap();
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
        kernel.forward(0.1, input, output, &mut kernel.workspace(4)).unwrap();
        f
    };
    let together = evaluate(&z);
    let alone: Vec<f64> = z.chunks(35).flat_map(evaluate).collect();
    assert_eq!(together, alone);
}

#[test]
fn networks_that_cannot_be_are_refused() {
    let new = |channels, size, hidden: &[usize], strides: &[ConvStride]| {
        ConvArchitecture::new(
            channels,
            size,
            hidden,
            strides,
            ConvConditioning::Ignore,
            Activation::Tanh,
        )
        .unwrap_err()
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

    let net = ConvArchitecture::new(1, (4, 4), &[], &[Keep], ConvConditioning::Ignore, Activation::Tanh).unwrap();
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
    let refused = kernel.forward(0.0, input, output, &mut kernel.workspace(1));
    assert!(matches!(refused, Err(KernelError::Capacity { rows: 2, .. })));
    let (tape, mut grad_z, mut gradient) = (kernel.tape(2), [0.0; 32], [0.0; 10]);
    let refused = kernel.reverse(&tape, input, &mut grad_z, &mut gradient, &mut kernel.workspace(2));
    assert_eq!(refused, Err(KernelError::EmptyTape));
}
