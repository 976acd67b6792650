//! A compiled kernel of one's own, for a field of one's own: the planar field `f(z) = U tanh(W z + b)` of M units
//! (Chen et al., NeurIPS 2018, section 4).
//!
//! [`Planar`] is the field in tensor operations, which define it. [`PlanarKernel`] is the same on plain slices, for
//! solves without tensors: values and tangents, their reverse mode by hand, and the trace in closed form.
//! `Planar::kernel` hands it out with the present weights, and the tests hold the two together.

use crate::{Outcome, Trained, moons};
use ffjord::candle::{DType, Device, Tensor, Var};
use ffjord::flow::{Cnf, CnfSettings, Flow, SolveSettings};
use ffjord::kernels::elementwise::Function;
use ffjord::kernels::simd::SimdLevel;
use ffjord::kernels::{GradientMut, Kernel, KernelError, Real, SharedKernel, Stack, StackMut, TraceMut};
use ffjord::nn::{Dual, FieldKernel, Parameter, ParameterBuilder, Result as NnResult, VectorField};
use ffjord::ode::{Method, Solver};
use ffjord::train::rand::RngCore;
use ffjord::train::{Purpose, Streams};
use std::sync::Arc;

/// `f(z) = U tanh(W z + b)` in single precision.
#[derive(Debug)]
pub struct Planar {
    shape: [usize; 1],
    /// W `[M, D]`.
    inner: Var,
    /// b `[M]`.
    bias: Var,
    /// U `[D, M]`.
    outer: Var,
    parameters: Vec<Parameter>,
}

impl Planar {
    /// M units on states of D numbers.
    ///
    /// # Errors
    /// When the tensors cannot be made.
    pub fn new(dimension: usize, units: usize, rng: &mut dyn RngCore) -> NnResult<Self> {
        let mut builder = ParameterBuilder::new(rng, DType::F32, &Device::Cpu);
        Ok(Self {
            shape: [dimension],
            inner: builder.normal("inner", (units, dimension), 1.0)?,
            bias: builder.normal("bias", units, 1.0)?,
            outer: builder.normal("outer", (dimension, units), 0.1)?,
            parameters: builder.finish(),
        })
    }
}

impl VectorField for Planar {
    fn parameters(&self) -> &[Parameter] {
        &self.parameters
    }

    fn dtype(&self) -> DType {
        DType::F32
    }

    fn device(&self) -> &Device {
        &Device::Cpu
    }

    fn state_shape(&self) -> &[usize] {
        &self.shape
    }

    fn dual(&self, _t: &Tensor, z: &Dual, _given: Option<&Tensor>) -> NnResult<Dual> {
        let hidden = z.linear(&self.inner, &self.bias)?.map(Function::Tanh)?;
        let no_bias = Tensor::zeros(self.shape[0], DType::F32, &Device::Cpu)?;
        hidden.linear(&self.outer, &no_bias)
    }

    fn kernel(&self) -> NnResult<Option<FieldKernel>> {
        let numbers = |var: &Var| var.flatten_all()?.to_vec1::<f32>();
        let kernel: SharedKernel<f32> = Arc::new(PlanarKernel {
            dimension: self.shape[0],
            units: self.bias.elem_count(),
            inner: numbers(&self.inner)?,
            bias: numbers(&self.bias)?,
            outer: numbers(&self.outer)?,
        });
        Ok(Some(kernel.into()))
    }
}

/// The same field on slices.
#[derive(Debug, Clone)]
pub struct PlanarKernel<T> {
    dimension: usize,
    units: usize,
    inner: Vec<T>,
    bias: Vec<T>,
    outer: Vec<T>,
}

/// M numbers for each quantity of one row.
#[derive(Debug)]
pub struct Scratch<T> {
    hidden: Vec<T>,
    /// tanh' at each unit.
    slope: Vec<T>,
    /// `W e` of a tangent.
    moved: Vec<T>,
    of_hidden: Vec<T>,
    of_slope: Vec<T>,
    of_moved: Vec<T>,
}

impl<T: Real> PlanarKernel<T> {
    /// tanh and its slope at `W z + b`.
    fn hidden(&self, z: &[T], scratch: &mut Scratch<T>) {
        product(&self.inner, z, &mut scratch.hidden);
        scratch.hidden.iter_mut().zip(&self.bias).for_each(|(a, b)| *a += *b);
        let tanh = Function::<f64>::Tanh.cast::<T>();
        tanh.apply_with_slope(SimdLevel::detect(), &mut scratch.hidden, &mut scratch.slope);
    }

    /// Fails unless a result has the length of its input, and that is whole rows.
    fn check(&self, what: &'static str, input: &[T], result: &[T]) -> Result<(), KernelError> {
        let (given, of) = (input.len(), self.dimension);
        if !given.is_multiple_of(of) {
            return Err(KernelError::NotWhole { what, given, of });
        }
        match result.len() {
            length if length == given => Ok(()),
            length => Err(KernelError::Length {
                what,
                given: length,
                expected: given,
            }),
        }
    }
}

impl<T: Real> Kernel<T> for PlanarKernel<T> {
    type Workspace = Scratch<T>;
    /// The states and tangents of the evaluation; the rest is computed again.
    type Tape = (Vec<T>, Vec<T>);

    fn state_len(&self) -> usize {
        self.dimension
    }

    fn parameter_count(&self) -> usize {
        self.inner.len() + self.bias.len() + self.outer.len()
    }

    fn workspace(&self, _stacked_rows: usize) -> Scratch<T> {
        let zeros = || vec![T::ZERO; self.units];
        Scratch {
            hidden: zeros(),
            slope: zeros(),
            moved: zeros(),
            of_hidden: zeros(),
            of_slope: zeros(),
            of_moved: zeros(),
        }
    }

    fn tape(&self, _stacked_rows: usize) -> Self::Tape {
        Self::Tape::default()
    }

    fn tape_bytes(&self, tape: &Self::Tape) -> usize {
        size_of::<T>() * (tape.0.capacity() + tape.1.capacity())
    }

    fn forward(
        &self,
        _t: f64,
        input: Stack<'_, T>,
        _given: &[T],
        output: StackMut<'_, T>,
        scratch: &mut Scratch<T>,
    ) -> Result<(), KernelError> {
        self.check("the output", input.value, output.value)?;
        self.check("the output's tangents", input.tangents, output.tangents)?;
        let (columns, batch) = (self.dimension, input.value.len());
        for start in (0..batch).step_by(columns) {
            let row = start..start + columns;
            self.hidden(&input.value[row.clone()], scratch);
            product(&self.outer, &scratch.hidden, &mut output.value[row]);
            for start in (start..input.tangents.len()).step_by(batch) {
                let row = start..start + columns;
                product(&self.inner, &input.tangents[row.clone()], &mut scratch.moved);
                let slopes = scratch.slope.iter();
                scratch.moved.iter_mut().zip(slopes).for_each(|(a, s)| *a *= *s);
                product(&self.outer, &scratch.moved, &mut output.tangents[row]);
            }
        }
        Ok(())
    }

    fn record(
        &self,
        t: f64,
        input: Stack<'_, T>,
        given: &[T],
        output: StackMut<'_, T>,
        tape: &mut Self::Tape,
        scratch: &mut Scratch<T>,
    ) -> Result<(), KernelError> {
        tape.0.clear();
        tape.1.clear();
        tape.0.extend_from_slice(input.value);
        tape.1.extend_from_slice(input.tangents);
        self.forward(t, input, given, output, scratch)
    }

    fn reverse(
        &self,
        (values, tangents): &Self::Tape,
        _given: &[T],
        cotangent: Stack<'_, T>,
        gradient: GradientMut<'_, T>,
        scratch: &mut Scratch<T>,
    ) -> Result<f64, KernelError> {
        self.check("the cotangent", values, cotangent.value)?;
        self.check("the cotangent's tangents", tangents, cotangent.tangents)?;
        self.check("the gradient", values, gradient.state)?;
        let (columns, batch) = (self.dimension, values.len());
        let (of_inner, rest) = gradient.parameters.split_at_mut(self.inner.len());
        let (of_bias, of_outer) = rest.split_at_mut(self.units);
        gradient.state.fill(T::ZERO);
        for start in (0..batch).step_by(columns) {
            let row = start..start + columns;
            self.hidden(&values[row.clone()], scratch);
            scratch.of_hidden.fill(T::ZERO);
            scratch.of_slope.fill(T::ZERO);
            transposed_product(&self.outer, &cotangent.value[row.clone()], &mut scratch.of_hidden);
            outer_product(&cotangent.value[row.clone()], &scratch.hidden, of_outer);
            for start in (start..tangents.len()).step_by(batch) {
                let (e, v) = (
                    &tangents[start..start + columns],
                    &cotangent.tangents[start..start + columns],
                );
                product(&self.inner, e, &mut scratch.moved);
                scratch.of_moved.fill(T::ZERO);
                transposed_product(&self.outer, v, &mut scratch.of_moved);
                for unit in 0..self.units {
                    let (moved, of_moved, slope) = (scratch.moved[unit], scratch.of_moved[unit], scratch.slope[unit]);
                    scratch.of_slope[unit] += of_moved * moved;
                    scratch.of_moved[unit] = of_moved * slope;
                    scratch.moved[unit] = moved * slope;
                }
                outer_product(v, &scratch.moved, of_outer);
                outer_product(&scratch.of_moved, e, of_inner);
            }
            // tanh'' = −2 tanh tanh'.
            for (unit, of_bias) in of_bias.iter_mut().enumerate() {
                let (hidden, slope) = (scratch.hidden[unit], scratch.slope[unit]);
                let of_unit = slope * (scratch.of_hidden[unit] - T::TWO * hidden * scratch.of_slope[unit]);
                scratch.of_hidden[unit] = of_unit;
                *of_bias += of_unit;
            }
            outer_product(&scratch.of_hidden, &values[row.clone()], of_inner);
            transposed_product(&self.inner, &scratch.of_hidden, &mut gradient.state[row]);
        }
        // Time is no argument of this field.
        Ok(0.0)
    }

    fn has_exact_trace(&self) -> bool {
        true
    }

    /// `Σ tanh'(aₘ) (Uᵀ W)ₘₘ`.
    fn exact_trace(
        &self,
        _t: f64,
        z: &[T],
        _given: &[T],
        output: TraceMut<'_, T>,
        scratch: &mut Scratch<T>,
    ) -> Result<(), KernelError> {
        self.check("the output", z, output.value)?;
        let columns = self.dimension;
        for (unit, weight) in scratch.moved.iter_mut().enumerate() {
            let terms = (0..columns).map(|i| self.outer[i * self.units + unit] * self.inner[unit * columns + i]);
            *weight = terms.fold(T::ZERO, |sum, term| sum + term);
        }
        let rows = z.chunks_exact(columns).zip(output.value.chunks_exact_mut(columns));
        for ((z, f), trace) in rows.zip(output.trace) {
            self.hidden(z, scratch);
            product(&self.outer, &scratch.hidden, f);
            *trace = dot(&scratch.slope, &scratch.moved);
        }
        Ok(())
    }
}

fn dot<T: Real>(a: &[T], b: &[T]) -> T {
    a.iter().zip(b).fold(T::ZERO, |sum, (a, b)| sum + *a * *b)
}

/// y = A x.
fn product<T: Real>(matrix: &[T], x: &[T], y: &mut [T]) {
    for (y, row) in y.iter_mut().zip(matrix.chunks_exact(x.len())) {
        *y = dot(row, x);
    }
}

/// y += Aᵀ x.
fn transposed_product<T: Real>(matrix: &[T], x: &[T], y: &mut [T]) {
    for (row, x) in matrix.chunks_exact(y.len()).zip(x) {
        y.iter_mut().zip(row).for_each(|(y, entry)| *y += *entry * *x);
    }
}

/// A += x yᵀ.
fn outer_product<T: Real>(x: &[T], y: &[T], matrix: &mut [T]) {
    for (row, x) in matrix.chunks_exact_mut(y.len()).zip(x) {
        row.iter_mut().zip(y).for_each(|(entry, y)| *entry += *x * *y);
    }
}

/// Trains a flow along such a field, by its kernel.
///
/// # Errors
/// When training fails.
pub fn train() -> Outcome<Trained> {
    let field = Planar::new(2, 32, &mut Streams::new(0).rng(Purpose::Initialise, 0, 0))?;
    let solve = SolveSettings::new(Solver::new(Method::Rk4).fixed_steps(4));
    let settings = CnfSettings {
        training: solve.clone(),
        evaluation: solve,
        ..CnfSettings::default()
    };
    moons::train(&Flow::over_normal(Cnf::new(Arc::new(field), settings)?)?)
}
