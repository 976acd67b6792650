//! One evaluation with its gradients, by a kernel and by the reference.

use super::{Dual, Number, noises, relative_error};
use ffjord_kernels::{DynKernel, GradientMut, Real, Stack, StackMut};

/// A vector field over any number type.
pub trait Field {
    /// f(z, t; given) for one row.
    fn value<N: Number>(&self, parameters: &[N], t: N, z: &[N], given: &[N]) -> Vec<N>;
}

/// The field minus its state.
pub struct Minus<F>(pub F);

impl<F: Field> Field for Minus<F> {
    fn value<N: Number>(&self, parameters: &[N], t: N, z: &[N], given: &[N]) -> Vec<N> {
        let f = self.0.value(parameters, t, z, given);
        f.into_iter().zip(z).map(|(f, &z)| f - z).collect()
    }
}

/// Arguments of an evaluation and its reverse pass.
pub struct Case {
    pub parameters: Vec<f64>,
    pub t: f64,
    pub rows: usize,
    pub tangents: usize,
    pub z: Vec<f64>,
    pub given: Vec<f64>,
    pub e: Vec<f64>,
    pub of_f: Vec<f64>,
    pub of_u: Vec<f64>,
}

/// What comes of it, by name.
pub type Outcome = [(&'static str, Vec<f64>); 6];

impl Case {
    /// Noise, for states of `state` numbers and rows that are given `given` more.
    pub fn new(
        (state, given): (usize, usize),
        parameters: Vec<f64>,
        rows: usize,
        tangents: usize,
        seed: usize,
    ) -> Self {
        Self {
            parameters,
            t: 0.37,
            rows,
            tangents,
            z: noises(seed + 1, rows * state),
            given: noises(seed + 5, rows * given),
            e: noises(seed + 2, tangents * rows * state),
            of_f: noises(seed + 3, rows * state),
            of_u: noises(seed + 4, tangents * rows * state),
        }
    }

    /// Σ of_f f + Σ of_u u of one row, and u.
    fn loss<N: Number>(&self, field: &impl Field, row: usize, (p, t, z, c): (&[N], N, &[N], &[N])) -> (N, Vec<N>) {
        let (state, zero) = (z.len(), N::constant(0.0));
        let constant = |x: &N| Dual::new(*x, zero);
        let lift = |x: &[N]| -> Vec<Dual<N>> { x.iter().map(constant).collect() };
        let (lifted_p, lifted_c) = (lift(p), lift(c));
        let of = |values: &[f64], k: usize, i: usize| N::constant(values[(k * self.rows + row) * state + i]);
        let f = field.value(p, t, z, c);
        let mut loss = (0..state).fold(zero, |sum, i| sum + of(&self.of_f, 0, i) * f[i]);
        let mut products = Vec::new();
        for k in 0..self.tangents {
            let seeded: Vec<_> = (0..state).map(|i| Dual::new(z[i], of(&self.e, k, i))).collect();
            let u = field.value(&lifted_p, constant(&t), &seeded, &lifted_c);
            let u: Vec<N> = u.iter().map(|u| u.derivative).collect();
            loss = (0..state).fold(loss, |sum, i| sum + of(&self.of_u, k, i) * u[i]);
            products.extend(u);
        }
        (loss, products)
    }

    pub fn reference(&self, field: &impl Field) -> Outcome {
        let (state, given) = (self.z.len() / self.rows, self.given.len() / self.rows);
        let (mut f, mut of_z, mut of_given) = (Vec::new(), Vec::new(), Vec::new());
        let mut u = vec![0.0; self.e.len()];
        let (mut of_parameters, mut of_t) = (vec![0.0; self.parameters.len()], 0.0);
        let dual = |values: &[f64], seeded: Option<usize>| -> Vec<Dual<f64>> {
            let seed = |i| if seeded == Some(i) { 1.0 } else { 0.0 };
            values.iter().enumerate().map(|(i, &x)| Dual::new(x, seed(i))).collect()
        };
        for row in 0..self.rows {
            let z = &self.z[row * state..(row + 1) * state];
            let c = &self.given[row * given..(row + 1) * given];
            f.extend(field.value(&self.parameters, self.t, z, c));
            let (_, products) = self.loss(field, row, (&self.parameters, self.t, z, c));
            for (k, product) in products.chunks(state).enumerate() {
                u[(k * self.rows + row) * state..][..state].copy_from_slice(product);
            }
            let (p0, t0, z0, c0) = (
                dual(&self.parameters, None),
                Dual::new(self.t, 0.0),
                dual(z, None),
                dual(c, None),
            );
            let loss = |p: &[_], t: Dual<f64>, z: &[_], c: &[_]| self.loss(field, row, (p, t, z, c)).0.derivative;
            of_t += loss(&p0, Dual::new(self.t, 1.0), &z0, &c0);
            of_z.extend((0..state).map(|i| loss(&p0, t0, &dual(z, Some(i)), &c0)));
            of_given.extend((0..given).map(|i| loss(&p0, t0, &z0, &dual(c, Some(i)))));
            for (i, g) in of_parameters.iter_mut().enumerate() {
                *g += loss(&dual(&self.parameters, Some(i)), t0, &z0, &c0);
            }
        }
        outcome([f, u, of_z, of_parameters, of_given, vec![of_t]])
    }

    /// The kernel's outcome, with the gradients that are added to `start`.
    pub fn evaluate<T: Real>(&self, kernel: &dyn DynKernel<T>, start: f64) -> Outcome {
        let numbers = |x: &[f64]| -> Vec<T> { x.iter().map(|&x| T::from_f64(x)).collect() };
        let stacked = self.rows * (1 + self.tangents);
        let (mut workspace, mut tape) = (kernel.workspace(stacked + 5), kernel.tape(stacked + 2));
        let (z, e, given) = (numbers(&self.z), numbers(&self.e), numbers(&self.given));
        let (of_f, of_u) = (numbers(&self.of_f), numbers(&self.of_u));
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
        kernel
            .record(self.t, input, &given, output, &mut tape, &mut workspace)
            .unwrap();
        // An evaluation in between, at another time, must not disturb the tape.
        for (time, same) in [(self.t + 1.0, false), (self.t, true)] {
            let output = StackMut {
                value: &mut other_f,
                tangents: &mut other_u,
            };
            kernel.forward(time, input, &given, output, &mut workspace).unwrap();
            assert!(!same || (&other_f, &other_u) == (&f, &u), "recording changes no bit");
        }
        let cotangent = Stack {
            value: &of_f,
            tangents: &of_u,
        };
        // The state's gradient is set, the others are added to.
        let filled = |x, len| vec![T::from_f64(x); len];
        let (mut of_z, mut of_given) = (filled(f64::NAN, z.len()), filled(start, given.len()));
        let mut of_parameters = filled(start, self.parameters.len());
        let gradient = GradientMut {
            state: &mut of_z,
            parameters: &mut of_parameters,
            given: &mut of_given,
        };
        let of_t = kernel
            .reverse(&tape, &given, cotangent, gradient, &mut workspace)
            .unwrap();
        let double = |x: &[T]| x.iter().map(|x| x.to_f64()).collect();
        let added = |x: &[T]| x.iter().map(|x| x.to_f64() - start).collect();
        outcome([
            double(&f),
            double(&u),
            double(&of_z),
            added(&of_parameters),
            added(&of_given),
            vec![of_t],
        ])
    }

    /// Compares a kernel's outcome with the reference's.
    pub fn check(&self, kernel: &dyn DynKernel<f64>, wanted: &Outcome) {
        let got = self.evaluate(kernel, 1.0);
        for ((what, got), (_, wanted_numbers)) in got.iter().zip(wanted) {
            let error = if *what == "gradient of t" {
                // A sum that happens to be small is judged by the size of what was added up.
                let scale = wanted[3].1.iter().fold(1.0f64, |m, g| m.max(g.abs()));
                (got[0] - wanted_numbers[0]).abs() / scale
            } else {
                relative_error(got, wanted_numbers)
            };
            assert!(
                error < 1e-12,
                "{what} of {kernel:?} with {} tangents is off by {error:e}",
                self.tangents
            );
        }
    }
}

fn outcome(numbers: [Vec<f64>; 6]) -> Outcome {
    let [f, u, of_z, of_parameters, of_given, of_t] = numbers;
    [
        ("f", f),
        ("u", u),
        ("gradient of z", of_z),
        ("gradient of the parameters", of_parameters),
        ("gradient of what is given", of_given),
        ("gradient of t", of_t),
    ]
}
