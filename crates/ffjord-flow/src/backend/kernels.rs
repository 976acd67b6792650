//! The flow's equation on slices, through the compiled kernels.
//!
//! The same equation as [`super::tensors`], with the state of a block as one vector: z `[R, D]`, then the
//! log-determinants `[R]`, then each path integral `[R]`.

use super::blocks::{Block, BlockSystem, Engine};
use super::memory::Memory;
use crate::error::Result;
use crate::integral::{PathIntegral, RowsEvaluation};
use crate::solve::TraceForm;
use candle_core::{Device, Tensor, WithDType};
use ffjord_kernels::mlp::{Stack, StackMut, contract};
use ffjord_kernels::{GradientMut, KernelError, Opaque, Real, SharedKernel, TraceMut};
use ffjord_nn::NnError;
use ffjord_ode::adjoint::DifferentiableSystem;
use ffjord_ode::{State, System};
use std::cell::RefCell;
use std::sync::Arc;

/// A field's kernel with its present weights, and memory for tapes.
#[derive(Debug)]
pub(super) struct KernelEngine<T: Real> {
    pub(super) kernel: SharedKernel<T>,
    pub(super) memory: Arc<Memory>,
    /// Whether a solve's trace is exact, so that a closed form may take its place.
    pub(super) exact: bool,
}

impl<T: Real + WithDType> Engine for KernelEngine<T>
where
    Vec<T>: State,
{
    type State = Vec<T>;
    type Tape = Box<KernelTape<T>>;
    type System<'a> = KernelSystem<'a, T>;

    fn system<'a>(
        &'a self,
        block: &Block,
        integrals: &'a [PathIntegral],
        recorded: bool,
    ) -> Result<KernelSystem<'a, T>> {
        Ok(KernelSystem::new(self, block, integrals, recorded)?)
    }

    fn announce(&self, stacked_rows: &[usize]) {
        self.memory.keep_only::<KernelTape<T>>(stacked_rows);
    }
}

/// The equation for one block of rows.
pub(super) struct KernelSystem<'a, T: Real> {
    engine: &'a KernelEngine<T>,
    rows: usize,
    dimension: usize,
    /// Numbers of a probe: those of a state, or of a bottleneck.
    width: usize,
    /// `[R, G]`.
    given: Vec<T>,
    /// The probes `[K, R, H]` and the weight of each.
    trace: Option<(Vec<T>, T)>,
    integrals: &'a [PathIntegral],
    /// Whether the kernel's closed form takes the place of tangents.
    closed_form: bool,
    scratch: RefCell<Scratch<T>>,
}

/// Memory of evaluations, made once a solve.
struct Scratch<T> {
    workspace: Opaque,
    /// Products, or cotangents of products, `[K, R, H]`.
    products: Vec<T>,
    /// Cotangent of the value, `[R, D]`.
    value: Vec<T>,
}

/// One evaluation kept for its reverse mode.
#[derive(Debug)]
pub(super) struct KernelTape<T> {
    tape: Opaque,
    value: Vec<T>,
    products: Vec<T>,
}

impl<'a, T: Real + WithDType> KernelSystem<'a, T> {
    fn new(
        engine: &'a KernelEngine<T>,
        block: &Block,
        integrals: &'a [PathIntegral],
        recorded: bool,
    ) -> candle_core::Result<Self> {
        let kernel = &engine.kernel;
        let (rows, dimension, width) = (block.rows.len(), kernel.state_len(), kernel.tangent_len());
        // It rounds differently from recorded evaluations, and has no need of vectors.
        let closed_form = engine.exact && kernel.has_exact_trace() && integrals.is_empty() && !recorded;
        let form = |trace: &TraceForm| {
            let vectors = match closed_form {
                true => Vec::new(),
                false => trace.vectors.flatten_all()?.to_vec1()?,
            };
            Ok::<_, candle_core::Error>((vectors, from_f64(trace.weight)))
        };
        let trace = block.trace.as_ref().map(form).transpose()?;
        let products = trace.as_ref().map_or(0, |(probes, _): &(Vec<T>, T)| probes.len());
        let given = block.given.as_ref().map(|given| given.flatten_all()?.to_vec1());
        Ok(Self {
            engine,
            rows,
            dimension,
            width,
            given: given.transpose()?.unwrap_or_default(),
            scratch: RefCell::new(Scratch {
                workspace: kernel.workspace(rows + products / width),
                products: vec![T::ZERO; products],
                value: vec![T::ZERO; rows * dimension],
            }),
            trace,
            integrals,
            closed_form,
        })
    }

    /// Writes the derivatives of log-determinant and integrals behind that of z, which is there already.
    fn complete(&self, products: &[T], dy: &mut [T]) -> Result<(), NnError> {
        let Some((probes, weight)) = &self.trace else {
            return Ok(());
        };
        let (value, columns) = dy.split_at_mut(self.rows * self.dimension);
        let (log_det, integrals) = columns.split_at_mut(self.rows);
        contract(self.width, probes, products, log_det)?;
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
            width: self.width,
            value,
            probes: self.probes(),
            products,
            weight: self.trace.as_ref().map_or(T::ZERO, |(_, weight)| *weight),
        }
    }

    /// Writes the cotangents of value and products that belong to the cotangent `v` of the whole derivative.
    fn disassemble(&self, tape: &KernelTape<T>, v: &[T], value: &mut [T], products: &mut [T]) -> Result<(), NnError> {
        let (z, columns) = v.split_at(self.rows * self.dimension);
        value.copy_from_slice(z);
        let Some((probes, weight)) = &self.trace else {
            return Ok(());
        };
        let (log_det, columns) = columns.split_at(self.rows);
        let columns = columns.chunks_exact(self.rows);
        let block = (self.rows * self.width).max(1);
        for (out, probes) in products.chunks_exact_mut(block).zip(probes.chunks_exact(block)) {
            let rows = out.chunks_exact_mut(self.width).zip(probes.chunks_exact(self.width));
            for ((out, probe), by) in rows.zip(log_det) {
                let slope = *by * *weight;
                out.iter_mut().zip(probe).for_each(|(out, probe)| *out = slope * *probe);
            }
        }
        let evaluation = self.evaluation(&tape.value, &tape.products);
        for (integral, column) in self.integrals.iter().zip(columns) {
            evaluation.pull_back(*integral, column, value, products)?;
        }
        Ok(())
    }

    /// Rows × (1 + probes).
    fn stacked_rows(&self) -> usize {
        self.rows + self.probes().len() / self.width
    }

    fn probes(&self) -> &[T] {
        self.trace.as_ref().map_or(&[], |(probes, _)| probes)
    }
}

/// The nearest number of this precision.
fn from_f64<T: WithDType>(value: f64) -> T {
    T::from_f64(value)
}

impl<T: Real + WithDType> BlockSystem<Vec<T>> for KernelSystem<'_, T>
where
    Vec<T>: State,
{
    fn initial(&self, z: &Tensor) -> candle_core::Result<Vec<T>> {
        let mut state: Vec<T> = z.flatten_all()?.to_vec1()?;
        let columns = if self.trace.is_some() {
            1 + self.integrals.len()
        } else {
            0
        };
        state.resize(self.rows * (self.dimension + columns), T::ZERO);
        Ok(state)
    }

    fn to_tensor(&self, state: &Vec<T>) -> candle_core::Result<Tensor> {
        let (z, columns) = state.split_at(self.rows * self.dimension);
        let width = state.len() / self.rows.max(1);
        let mut rows = Vec::with_capacity(state.len());
        for (row, z) in z.chunks_exact(self.dimension).enumerate() {
            rows.extend_from_slice(z);
            rows.extend(columns.iter().skip(row).step_by(self.rows));
        }
        Tensor::from_vec(rows, (self.rows, width), &Device::Cpu)
    }

    fn state_of(&self, tensor: &Tensor) -> candle_core::Result<Vec<T>> {
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

    fn gradients(&self, mut gradient: Vec<T>) -> candle_core::Result<(Tensor, Option<Tensor>)> {
        let given = gradient.split_off(self.engine.kernel.parameter_count());
        let (count, width) = (gradient.len(), given.len() / self.rows.max(1));
        let given = match width {
            0 => None,
            _ => Some(Tensor::from_vec(given, (self.rows, width), &Device::Cpu)?),
        };
        Ok((Tensor::from_vec(gradient, count, &Device::Cpu)?, given))
    }

    fn row_of(&self, index: usize) -> usize {
        match index.checked_sub(self.rows * self.dimension) {
            None => index / self.dimension,
            Some(column) => column % self.rows.max(1),
        }
    }
}

impl<T: Real + WithDType> System<Vec<T>> for KernelSystem<'_, T>
where
    Vec<T>: State,
{
    type Error = NnError;

    fn rhs(&self, t: f64, y: &Vec<T>, dy: &mut Vec<T>) -> Result<(), NnError> {
        let mut scratch = self.scratch.borrow_mut();
        let Scratch {
            workspace, products, ..
        } = &mut *scratch;
        let (kernel, split) = (&self.engine.kernel, self.rows * self.dimension);
        if self.closed_form && self.trace.is_some() {
            let (value, trace) = dy.split_at_mut(split);
            let output = TraceMut { value, trace };
            return Ok(kernel.exact_trace(t, &y[..split], &self.given, output, workspace)?);
        }
        let input = Stack {
            value: &y[..split],
            tangents: self.probes(),
        };
        let output = StackMut {
            value: &mut dy[..split],
            tangents: products,
        };
        kernel.forward(t, input, &self.given, output, workspace)?;
        self.complete(products, dy)
    }
}

impl<T: Real + WithDType> DifferentiableSystem<Vec<T>> for KernelSystem<'_, T>
where
    Vec<T>: State,
{
    type Tape = Box<KernelTape<T>>;
    /// The gradients of all parameters one after the other `[P]`, then those of what the rows were given `[R, G]`.
    type Gradient = Vec<T>;

    fn zero_gradient(&self) -> Result<Vec<T>, NnError> {
        Ok(vec![T::ZERO; self.engine.kernel.parameter_count() + self.given.len()])
    }

    fn linearize(&self, t: f64, y: &Vec<T>, dy: &mut Vec<T>) -> Result<Box<KernelTape<T>>, NnError> {
        let mut scratch = self.scratch.borrow_mut();
        let (KernelEngine { kernel, memory, .. }, split) = (self.engine, self.rows * self.dimension);
        let fresh = || {
            Box::new(KernelTape {
                tape: kernel.tape(self.stacked_rows()),
                value: vec![T::ZERO; split],
                products: vec![T::ZERO; self.probes().len()],
            })
        };
        let mut record = |tape: &mut KernelTape<T>| {
            let input = Stack {
                value: &y[..split],
                tangents: self.probes(),
            };
            let output = StackMut {
                value: &mut dy[..split],
                tangents: &mut tape.products,
            };
            kernel.record(t, input, &self.given, output, &mut tape.tape, &mut scratch.workspace)
        };
        // One backend may serve several networks: a tape of another one is no use.
        let fits = |tape: &KernelTape<T>| tape.value.len() == split && tape.products.len() == self.probes().len();
        let kept = memory.take::<KernelTape<T>>(self.stacked_rows());
        let mut tape = kept.filter(|tape| fits(tape)).unwrap_or_else(fresh);
        match record(&mut tape) {
            Err(KernelError::Foreign(_)) => {
                tape = fresh();
                record(&mut tape)?;
            }
            recorded => recorded?,
        }
        tape.value.copy_from_slice(&dy[..split]);
        self.complete(&tape.products, dy)?;
        Ok(tape)
    }

    fn tape_bytes(&self, tape: &Box<KernelTape<T>>) -> usize {
        self.engine.kernel.tape_bytes(&tape.tape) + size_of::<T>() * (tape.value.len() + tape.products.len())
    }

    fn pullback(
        &self,
        tape: Box<KernelTape<T>>,
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
        self.disassemble(&tape, v, value, products)?;
        let kernel = &self.engine.kernel;
        let (state, rest) = grad_y.split_at_mut(self.rows * self.dimension);
        rest.fill(T::ZERO);
        let (parameters, given) = gradient.split_at_mut(kernel.parameter_count());
        let cotangent = Stack {
            value,
            tangents: products,
        };
        let gradient = GradientMut {
            state,
            parameters,
            given,
        };
        let time = kernel.reverse(&tape.tape, &self.given, cotangent, gradient, workspace);
        self.engine.memory.put(self.stacked_rows(), tape);
        Ok(time?)
    }
}
