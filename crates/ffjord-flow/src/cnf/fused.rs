//! The flow's equation on slices, through the fused kernels.
//!
//! The same equation as [`super::system`], with the state of a block as one vector: z `[R, D]`, then the
//! log-determinants `[R]`, then each path integral `[R]`.

use super::memory::Pool;
use super::trace::TraceForm;
use crate::integral::{PathIntegral, RowsEvaluation};
use candle_core::{Device, Tensor, WithDType};
use ffjord_kernels::mlp::{MlpKernel, Stack, StackMut, contract};
use ffjord_kernels::{NetworkKernel, NetworkTape, NetworkWorkspace, Real};
use ffjord_nn::NnError;
use ffjord_ode::adjoint::DifferentiableSystem;
use ffjord_ode::{State, System};
use std::cell::RefCell;

/// The equation for one block of rows.
pub(super) struct FusedSystem<'a, T: Real> {
    kernel: &'a NetworkKernel<T>,
    rows: usize,
    dimension: usize,
    /// The probes `[K, R, D]` and the weight of each.
    trace: Option<(Vec<T>, T)>,
    integrals: &'a [PathIntegral],
    /// The network, where [`Self::in_closed_form`] found that it needs no products.
    closed_form: Option<&'a MlpKernel<T>>,
    scratch: RefCell<Scratch<T>>,
    /// Where tapes come from and go to.
    pool: &'a Pool<FusedTape<T>>,
}

/// Memory of evaluations, made once a solve.
struct Scratch<T: Real> {
    workspace: NetworkWorkspace<T>,
    /// Products, or cotangents of products, `[K, R, D]`.
    products: Vec<T>,
    /// Cotangent of the value, `[R, D]`.
    value: Vec<T>,
}

/// One evaluation kept for its reverse mode.
#[derive(Debug)]
pub(super) struct FusedTape<T: Real> {
    tape: NetworkTape<T>,
    value: Vec<T>,
    products: Vec<T>,
}

impl<'a, T: Real + WithDType> FusedSystem<'a, T> {
    pub(super) fn new(
        (kernel, pool): (&'a NetworkKernel<T>, &'a Pool<FusedTape<T>>),
        rows: usize,
        trace: Option<&TraceForm>,
        integrals: &'a [PathIntegral],
    ) -> candle_core::Result<Self> {
        let dimension = kernel.state_len();
        let trace = trace
            .map(|trace| Ok::<_, candle_core::Error>((trace.vectors.flatten_all()?.to_vec1()?, from_f64(trace.weight))))
            .transpose()?;
        let products = trace.as_ref().map_or(0, |(probes, _): &(Vec<T>, T)| probes.len());
        let scratch = RefCell::new(Scratch {
            workspace: kernel.workspace(rows + products / dimension),
            products: vec![T::ZERO; products],
            value: vec![T::ZERO; rows * dimension],
        });
        Ok(Self {
            kernel,
            rows,
            dimension,
            trace,
            integrals,
            closed_form: None,
            scratch,
            pool,
        })
    }

    /// The same system, given that its trace is exact, with that trace in closed form where the network has one hidden
    /// layer. For solves that nothing is differentiated through: it rounds differently from the recorded evaluations.
    pub(super) fn in_closed_form(mut self) -> Self {
        if let NetworkKernel::Dense(network) = self.kernel
            && network.has_closed_form_trace()
            && self.integrals.is_empty()
            // With a condition the trace is that of a part of the Jacobian.
            && self.probes().len() == self.rows * self.dimension * self.dimension
        {
            self.closed_form = Some(network);
        }
        self
    }

    /// The state at the start: z `[R, D]` and zeros.
    pub(super) fn initial(&self, z: &Tensor) -> candle_core::Result<Vec<T>> {
        let mut state: Vec<T> = z.flatten_all()?.to_vec1()?;
        let columns = if self.trace.is_some() {
            1 + self.integrals.len()
        } else {
            0
        };
        state.resize(self.rows * (self.dimension + columns), T::ZERO);
        Ok(state)
    }

    /// A state as a tensor `[R, D + 1 + m]`, or `[R, D]` without a trace.
    pub(super) fn to_tensor(&self, state: &[T]) -> candle_core::Result<Tensor> {
        let (z, columns) = state.split_at(self.rows * self.dimension);
        let width = state.len() / self.rows;
        let mut rows = Vec::with_capacity(state.len());
        for (row, z) in z.chunks_exact(self.dimension).enumerate() {
            rows.extend_from_slice(z);
            rows.extend(columns.iter().skip(row).step_by(self.rows));
        }
        Tensor::from_vec(rows, (self.rows, width), &Device::Cpu)
    }

    /// The inverse of [`Self::to_tensor`].
    pub(super) fn state_of(&self, tensor: &Tensor) -> candle_core::Result<Vec<T>> {
        let width = tensor.dim(1)?;
        let rows: Vec<T> = tensor.flatten_all()?.to_vec1()?;
        let mut state = Vec::with_capacity(rows.len());
        rows.chunks_exact(width)
            .for_each(|row| state.extend_from_slice(&row[..self.dimension]));
        for column in self.dimension..width {
            state.extend(rows.iter().skip(column).step_by(width));
        }
        Ok(state)
    }

    /// Writes the derivatives of log-determinant and integrals behind that of z, which is there already.
    fn complete(&self, products: &[T], dy: &mut [T]) -> Result<(), NnError> {
        let Some((probes, weight)) = &self.trace else {
            return Ok(());
        };
        let (value, columns) = dy.split_at_mut(self.rows * self.dimension);
        let (log_det, integrals) = columns.split_at_mut(self.rows);
        contract(self.dimension, probes, products, log_det)?;
        log_det.iter_mut().for_each(|sum| *sum *= *weight);
        let evaluation = self.evaluation(value, products);
        for (integral, out) in self.integrals.iter().zip(integrals.chunks_exact_mut(self.rows)) {
            evaluation.integrand(*integral, out)?;
        }
        Ok(())
    }

    /// What the integrands see.
    fn evaluation<'s>(&'s self, value: &'s [T], products: &'s [T]) -> RowsEvaluation<'s, T> {
        RowsEvaluation {
            dimension: self.dimension,
            value,
            probes: self.probes(),
            products,
            weight: self.trace.as_ref().map_or(T::ZERO, |(_, weight)| *weight),
        }
    }

    /// Writes the cotangents of value and products that belong to the cotangent `v` of the whole derivative.
    fn disassemble(&self, tape: &FusedTape<T>, v: &[T], value: &mut [T], products: &mut [T]) {
        let (z, columns) = v.split_at(self.rows * self.dimension);
        value.copy_from_slice(z);
        let Some((probes, weight)) = &self.trace else {
            return;
        };
        let mut columns = columns.chunks_exact(self.rows);
        let Some(log_det) = columns.next() else {
            return;
        };
        let block = (self.rows * self.dimension).max(1);
        for (out, probes) in products.chunks_exact_mut(block).zip(probes.chunks_exact(block)) {
            let rows = out
                .chunks_exact_mut(self.dimension)
                .zip(probes.chunks_exact(self.dimension));
            for ((out, probe), by) in rows.zip(log_det) {
                let slope = *by * *weight;
                out.iter_mut().zip(probe).for_each(|(out, probe)| *out = slope * *probe);
            }
        }
        let evaluation = self.evaluation(&tape.value, &tape.products);
        for (integral, column) in self.integrals.iter().zip(columns) {
            evaluation.pull_back(*integral, column, value, products);
        }
    }

    /// Rows × (1 + probes).
    fn stacked_rows(&self) -> usize {
        self.rows + self.probes().len() / self.dimension
    }

    fn probes(&self) -> &[T] {
        self.trace.as_ref().map_or(&[], |(probes, _)| probes)
    }
}

/// The nearest number of this precision.
fn from_f64<T: WithDType>(value: f64) -> T {
    T::from_f64(value)
}

impl<T: Real + WithDType> System<Vec<T>> for FusedSystem<'_, T>
where
    Vec<T>: State,
{
    type Error = NnError;

    fn rhs(&self, t: f64, y: &Vec<T>, dy: &mut Vec<T>) -> Result<(), NnError> {
        let mut scratch = self.scratch.borrow_mut();
        let Scratch {
            workspace, products, ..
        } = &mut *scratch;
        let split = self.rows * self.dimension;
        if let (Some(network), NetworkWorkspace::Dense(workspace)) = (self.closed_form, &mut *workspace) {
            let (value, log_det) = dy.split_at_mut(split);
            return Ok(network.closed_form_trace(t, &y[..split], value, log_det, workspace)?);
        }
        let input = Stack {
            value: &y[..split],
            tangents: self.probes(),
        };
        let output = StackMut {
            value: &mut dy[..split],
            tangents: products,
        };
        self.kernel.forward(t, input, output, workspace)?;
        self.complete(products, dy)
    }
}

impl<T: Real + WithDType> DifferentiableSystem<Vec<T>> for FusedSystem<'_, T>
where
    Vec<T>: State,
{
    type Tape = FusedTape<T>;
    /// All parameters' gradients one after the other, `[P]`.
    type Gradient = Vec<T>;

    fn zero_gradient(&self) -> Result<Vec<T>, NnError> {
        Ok(vec![T::ZERO; self.kernel.parameter_count()])
    }

    fn linearize(&self, t: f64, y: &Vec<T>, dy: &mut Vec<T>) -> Result<FusedTape<T>, NnError> {
        let mut scratch = self.scratch.borrow_mut();
        let split = self.rows * self.dimension;
        let mut tape = self.pool.take(self.stacked_rows()).unwrap_or_else(|| FusedTape {
            tape: self.kernel.tape(self.stacked_rows()),
            value: vec![T::ZERO; split],
            products: vec![T::ZERO; self.probes().len()],
        });
        let input = Stack {
            value: &y[..split],
            tangents: self.probes(),
        };
        let output = StackMut {
            value: &mut dy[..split],
            tangents: &mut tape.products,
        };
        self.kernel
            .record(t, input, output, &mut tape.tape, &mut scratch.workspace)?;
        tape.value.copy_from_slice(&dy[..split]);
        self.complete(&tape.products, dy)?;
        Ok(tape)
    }

    fn tape_bytes(&self, tape: &FusedTape<T>) -> usize {
        tape.tape.bytes() + size_of::<T>() * (tape.value.len() + tape.products.len())
    }

    fn pullback(
        &self,
        tape: FusedTape<T>,
        v: &Vec<T>,
        grad_y: &mut Vec<T>,
        gradient: &mut Vec<T>,
    ) -> Result<f64, NnError> {
        let mut scratch = self.scratch.borrow_mut();
        let Scratch {
            workspace,
            products,
            value,
        } = &mut *scratch;
        self.disassemble(&tape, v, value, products);
        let (grad_z, rest) = grad_y.split_at_mut(self.rows * self.dimension);
        rest.fill(T::ZERO);
        let cotangent = Stack {
            value,
            tangents: products,
        };
        let time = self.kernel.reverse(&tape.tape, cotangent, grad_z, gradient, workspace);
        self.pool.put(self.stacked_rows(), tape);
        Ok(time?)
    }
}
