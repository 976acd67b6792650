//! The fused network against the plain reference: value, tangents and every gradient.

mod reference;

use ffjord_kernels::mlp::{Activation, Conditioning, MlpArchitecture, MlpKernel, Stack, StackMut};
use ffjord_kernels::simd::SimdLevel;
use reference::{Dual, Number, network_with_tangent, noises, relative_error};

struct Case {
    architecture: MlpArchitecture,
    parameters: Vec<f64>,
    t: f64,
    rows: usize,
    tangents: usize,
    z: Vec<f64>,
    e: Vec<f64>,
    of_f: Vec<f64>,
    of_u: Vec<f64>,
}

struct Outcome {
    f: Vec<f64>,
    u: Vec<f64>,
    grad_z: Vec<f64>,
    gradient: Vec<f64>,
    grad_t: f64,
}

impl Case {
    fn new(architecture: MlpArchitecture, rows: usize, tangents: usize, seed: usize) -> Self {
        let (inputs, outputs) = (architecture.inputs() * rows, architecture.outputs() * rows);
        Self {
            parameters: noises(seed, architecture.parameter_count()),
            t: 0.37,
            z: noises(seed + 1, inputs),
            e: noises(seed + 2, tangents * inputs),
            of_f: noises(seed + 3, outputs),
            of_u: noises(seed + 4, tangents * outputs),
            architecture,
            rows,
            tangents,
        }
    }

    /// Σ of_f f + Σ of_u u of one row, over any number type.
    fn row_loss<N: Number>(&self, row: usize, parameters: &[N], t: N, z: &[N]) -> N {
        let (d_in, d_out) = (self.architecture.inputs(), self.architecture.outputs());
        let mut loss = N::constant(0.0);
        for k in 0..self.tangents.max(1) {
            let e: Vec<N> = (0..d_in)
                .map(|i| N::constant(self.e.get((k * self.rows + row) * d_in + i).copied().unwrap_or(0.0)))
                .collect();
            let (f, u) = network_with_tangent(&self.architecture, parameters, t, z, &e);
            for j in 0..d_out {
                if k == 0 {
                    loss = loss + N::constant(self.of_f[row * d_out + j]) * f[j];
                }
                if self.tangents > 0 {
                    loss = loss + N::constant(self.of_u[(k * self.rows + row) * d_out + j]) * u[j];
                }
            }
        }
        loss
    }

    fn reference(&self) -> Outcome {
        let (d_in, d_out) = (self.architecture.inputs(), self.architecture.outputs());
        let mut outcome = Outcome {
            f: Vec::new(),
            u: vec![0.0; self.of_u.len()],
            grad_z: Vec::new(),
            gradient: vec![0.0; self.parameters.len()],
            grad_t: 0.0,
        };
        let dual = |values: &[f64], seeded: Option<usize>| -> Vec<Dual<f64>> {
            let seed = |i| if seeded == Some(i) { 1.0 } else { 0.0 };
            values.iter().enumerate().map(|(i, &x)| Dual::new(x, seed(i))).collect()
        };
        for row in 0..self.rows {
            let z = &self.z[row * d_in..(row + 1) * d_in];
            for k in 0..self.tangents {
                let at = k * self.rows + row;
                let e = &self.e[at * d_in..(at + 1) * d_in];
                let (_, u) = network_with_tangent(&self.architecture, &self.parameters, self.t, z, e);
                outcome.u[at * d_out..(at + 1) * d_out].copy_from_slice(&u);
            }
            outcome
                .f
                .extend(reference::network(&self.architecture, &self.parameters, self.t, z));
            let loss = |p: &[Dual<f64>], t, z: &[Dual<f64>]| self.row_loss(row, p, t, z).derivative;
            let (p0, z0, t0) = (dual(&self.parameters, None), dual(z, None), Dual::new(self.t, 0.0));
            outcome.grad_t += loss(&p0, Dual::new(self.t, 1.0), &z0);
            outcome
                .grad_z
                .extend((0..d_in).map(|i| loss(&p0, t0, &dual(z, Some(i)))));
            for (i, g) in outcome.gradient.iter_mut().enumerate() {
                *g += loss(&dual(&self.parameters, Some(i)), t0, &z0);
            }
        }
        outcome
    }

    fn kernel(&self, level: SimdLevel) -> Outcome {
        let kernel = MlpKernel::new(level, self.architecture.clone(), &self.parameters).unwrap();
        let stacked = self.rows * (1 + self.tangents);
        let (mut workspace, mut tape) = (kernel.workspace(stacked + 5), kernel.tape(stacked + 2));
        let mut gradient = vec![0.0; self.architecture.parameter_count()];
        let (mut f, mut u) = (vec![0.0; self.of_f.len()], vec![0.0; self.of_u.len()]);
        let mut grad_z = vec![f64::NAN; self.z.len()];
        let input = Stack {
            value: &self.z,
            tangents: &self.e,
        };
        let output = StackMut {
            value: &mut f,
            tangents: &mut u,
        };
        kernel.record(self.t, input, output, &mut tape, &mut workspace).unwrap();
        // An evaluation in between, at another time, must not disturb the tape.
        let (mut other_f, mut other_u) = (f.clone(), u.clone());
        let output = StackMut {
            value: &mut other_f,
            tangents: &mut other_u,
        };
        kernel.forward(self.t + 1.0, input, output, &mut workspace).unwrap();
        let cotangent = Stack {
            value: &self.of_f,
            tangents: &self.of_u,
        };
        let grad_t = kernel
            .reverse(&tape, cotangent, &mut grad_z, &mut gradient, &mut workspace)
            .unwrap();
        let output = StackMut {
            value: &mut other_f,
            tangents: &mut other_u,
        };
        kernel.forward(self.t, input, output, &mut workspace).unwrap();
        assert_eq!((&other_f, &other_u), (&f, &u), "recording changes no bit");
        Outcome {
            f,
            u,
            grad_z,
            gradient,
            grad_t,
        }
    }

    fn check(&self, level: SimdLevel, wanted: &Outcome) {
        let got = self.kernel(level);
        let grad_t = ([got.grad_t], [wanted.grad_t]);
        // A sum that happens to be small is judged by the size of what was added up.
        let time_scale = wanted.gradient.iter().fold(1.0f64, |m, g| m.max(g.abs()));
        for (what, error) in [
            ("f", relative_error(&got.f, &wanted.f)),
            ("u", relative_error(&got.u, &wanted.u)),
            ("grad z", relative_error(&got.grad_z, &wanted.grad_z)),
            ("gradient", relative_error(&got.gradient, &wanted.gradient)),
            ("grad t", (grad_t.0[0] - grad_t.1[0]).abs() / time_scale),
        ] {
            assert!(
                error < 1e-12,
                "{level}: {what} of {:?} K={} is off by {error:e}",
                self.architecture,
                self.tangents
            );
        }
    }
}

fn check_all_levels(architecture: &MlpArchitecture, rows: usize, tangents: usize, seed: usize) {
    let case = Case::new(architecture.clone(), rows, tangents, seed);
    let wanted = case.reference();
    for level in SimdLevel::available() {
        case.check(level, &wanted);
    }
}

#[test]
fn every_conditioning_and_activation_agrees_with_the_reference() {
    for (c, conditioning) in Conditioning::ALL.into_iter().enumerate() {
        for (a, activation) in Activation::ALL.into_iter().enumerate() {
            let architecture = MlpArchitecture::new(&[3, 5, 4, 3], conditioning, activation).unwrap();
            for tangents in [0, 1, 3] {
                check_all_levels(&architecture, 2 + a, tangents, 100 * c + 10 * a + tangents);
            }
        }
    }
}

#[test]
fn odd_sizes_agree_with_the_reference() {
    let activation = [Activation::Tanh, Activation::Softplus, Activation::Swish];
    for (i, dimensions) in [
        &[1usize, 1][..],
        &[2, 17, 2],
        &[1, 9, 33, 1],
        &[7, 3, 18, 2],
        &[19, 20, 19],
        &[5, 40, 5],
    ]
    .into_iter()
    .enumerate()
    {
        let conditioning = Conditioning::ALL[i % Conditioning::ALL.len()];
        let architecture = MlpArchitecture::new(dimensions, conditioning, activation[i % 3]).unwrap();
        check_all_levels(&architecture, 1 + 3 * i, 1 + i % 2, i);
    }
}

#[test]
fn layers_of_different_conditionings_and_residuals_agree_with_the_reference() {
    let mixed = [
        Conditioning::Concat,
        Conditioning::Hyper,
        Conditioning::ConcatSquash,
        Conditioning::Blend,
    ];
    let architecture = MlpArchitecture::with_conditionings(&[3, 6, 5, 4, 3], &mixed, Activation::Swish).unwrap();
    check_all_levels(&architecture.residual().unwrap(), 7, 2, 1);
}
