//! The gradient of a solve on a device.

use crate::arguments::Arguments;
use crate::device::{Device, Launch, Memory};
use crate::program::{Direction, Specification};
use crate::solve::{Number, Solve, non_finite};
use candle_core::{Device as TensorDevice, Tensor};
use ffjord_flow::{FlowError, Gradients, Pullback};
use ffjord_kernels::Real;
use ffjord_ode::SolveError;
use std::fmt;

/// What a solve keeps for its gradient: where its stages were evaluated.
#[derive(Debug)]
pub(crate) struct Kept<M> {
    pub(crate) inputs: M,
    pub(crate) times: M,
}

impl<M: Memory> Kept<M> {
    pub(crate) fn new<D: Device<Memory = M>>(
        device: &D,
        specification: &Specification,
        tiles: usize,
        capacity: usize,
        bytes: usize,
    ) -> Result<Self, FlowError> {
        let of_step = specification.used_stages() * specification.rows * specification.state();
        Ok(Self {
            inputs: device.allocate(tiles * capacity * of_step * bytes)?,
            times: device.allocate(tiles * (capacity + 1) * 8)?,
        })
    }
}

/// The reverse mode of a solve on a device.
pub(crate) struct DevicePullback<D: Device, T> {
    pub(crate) solve: Solve<D, T>,
    pub(crate) kept: Kept<D::Memory>,
    /// What the tiles reported, on the device.
    pub(crate) reports: D::Memory,
    /// The same here.
    pub(crate) told: Vec<f64>,
}

impl<D: Device, T> fmt::Debug for DevicePullback<D, T> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "DevicePullback({:?})", self.solve)
    }
}

impl<D: Device, T: Number> Pullback for DevicePullback<D, T> {
    fn pull_back(self: Box<Self>, cotangent: &Tensor) -> Result<Gradients, FlowError> {
        self.gradients(cotangent)
    }
}

impl<D: Device, T: Number> DevicePullback<D, T> {
    fn gradients(self, cotangent: &Tensor) -> Result<Gradients, FlowError> {
        let Self {
            mut solve,
            kept,
            reports,
            told,
        } = self;
        let (state, given) = (solve.specification.state(), solve.specification.given());
        let count = solve.specification.network.parameter_count();
        let program = solve
            .specification
            .program(Direction::Reverse, solve.device.shared_memory())?;
        let module = solve.device.compile(&program)?;
        let cotangent: Vec<T> = cotangent.detach().flatten_all()?.to_vec1()?;
        solve.arguments.cotangent = solve.upload(&cotangent)?;
        let of_start = solve.device.allocate(solve.bytes(solve.rows * state))?;
        let of_given = solve.device.allocate(solve.bytes(solve.rows * given))?;
        let of_span = solve.device.allocate(16 * solve.tiles)?;
        let partial = solve.device.allocate(solve.bytes(solve.blocks() * count))?;
        let gradient = solve.device.allocate(solve.bytes(count))?;
        let scratch = solve
            .device
            .allocate(solve.bytes(solve.blocks() * program.scratch_numbers))?;
        let arguments = Arguments {
            inputs: kept.inputs.address(),
            times: kept.times.address(),
            reports: reports.address(),
            of_start: of_start.address(),
            of_given: of_given.address(),
            of_span: of_span.address(),
            partial: partial.address(),
            gradient: gradient.address(),
            scratch: scratch.address(),
            blocks: solve.blocks() as i64,
            ..solve.arguments
        };
        let launch = |kernel, blocks| Launch {
            kernel,
            blocks,
            threads: program.threads,
            shared_bytes: program.shared_bytes,
        };
        let collect = launch("collect", count.div_ceil(program.threads));
        // SAFETY: all memory was allocated for these counts, above or by the solve, and lives until the downloads have
        // waited; the launches run one after the other.
        unsafe {
            solve
                .device
                .launch(&module, &launch("reverse", solve.blocks()), &arguments)?;
            solve.device.launch(&module, &collect, &arguments)?;
        }
        let spans = solve.download_doubles(&of_span, 2 * solve.tiles)?;
        let part = |end: usize| spans.iter().skip(end).step_by(2).sum::<f64>();
        let of_state = solve.download(&of_start, solve.rows * state)?;
        if of_state.iter().any(|number| !Real::to_f64(*number).is_finite()) {
            let rows = (0..solve.rows)
                .filter(|row| {
                    let numbers = &of_state[row * state..][..state];
                    numbers.iter().any(|number| !Real::to_f64(*number).is_finite())
                })
                .collect();
            let found = non_finite(rows);
            let source = SolveError::NonFiniteGradient { t: arguments.t0, found };
            return Err(solve.failed(0..solve.rows, source));
        }
        let cpu = &TensorDevice::Cpu;
        let of_given = match given {
            0 => None,
            _ => {
                let numbers = solve.download(&of_given, solve.rows * given)?;
                Some(Tensor::from_vec(numbers, (solve.rows, given), cpu)?)
            }
        };
        let parameters = solve.download(&gradient, count)?;
        let stages = solve.specification.used_stages() as f64;
        Ok(Gradients {
            state: Tensor::from_vec(of_state, (solve.rows, state), cpu)?,
            parameters: Tensor::from_vec(parameters, count, cpu)?,
            given: of_given,
            span: (part(0), part(1)),
            evaluations: stages * solve.statistics(&told).accepted,
        })
    }
}
