//! One solve of a batch: memory, launches, and what tiles report.

use crate::arguments::Arguments;
use crate::device::{Device, Launch, Memory};
use crate::program::{Direction, Precision, REPORT, Specification};
use candle_core::{Device as TensorDevice, Tensor, WithDType};
use ffjord_flow::{FlowError, Gradients, Problem, Pullback, Solved, Statistics};
use ffjord_kernels::Real;
use ffjord_nn::NnError;
use ffjord_ode::{NextStep, NonFinite, SolveError, StepControl, StepGrid};
use std::fmt;
use std::ops::Range;
use std::sync::Arc;

/// Blocks of a launch at most: tiles are dealt to them in turn, by their number alone, so that no sum depends on the card.
const MAX_BLOCKS: usize = 512;

/// Accepted steps of a tile that there is room for at first; a solve with more is run again with more room.
const FIRST_CAPACITY: usize = 32;

/// A number type of kernels.
pub(crate) trait Number: Real + WithDType {
    const PRECISION: Precision;
    fn to_bytes(numbers: &[Self]) -> Vec<u8>;
    fn from_bytes(bytes: &[u8]) -> Vec<Self>;
}

macro_rules! number {
    ($type:ty, $precision:expr) => {
        impl Number for $type {
            const PRECISION: Precision = $precision;

            fn to_bytes(numbers: &[Self]) -> Vec<u8> {
                numbers.iter().flat_map(|number| number.to_ne_bytes()).collect()
            }

            fn from_bytes(bytes: &[u8]) -> Vec<Self> {
                let (numbers, _) = bytes.as_chunks();
                numbers
                    .iter()
                    .map(|number| Self::from_ne_bytes(*number))
                    .collect()
            }
        }
    };
}
number!(f32, Precision::Single);
number!(f64, Precision::Double);

/// A problem on a device.
pub(crate) struct Solve<D: Device, T> {
    device: Arc<D>,
    specification: Specification,
    arguments: Arguments,
    rows: usize,
    tiles: usize,
    /// What of the problem is on the device, as long as its addresses are used.
    inputs: Vec<D::Memory>,
    number: std::marker::PhantomData<T>,
}

impl<D: Device, T> fmt::Debug for Solve<D, T> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Solve({} rows)", self.rows)
    }
}

impl<D: Device, T: Number> Solve<D, T> {
    /// Copies what the solve needs to the device.
    pub(crate) fn new(
        device: Arc<D>,
        specification: Specification,
        problem: &Problem<'_>,
        parameters: &[T],
    ) -> Result<Self, FlowError> {
        let rows = problem.state.dim(0)?;
        let tiles = rows.div_ceil(specification.rows).max(1);
        let mut solve = Self {
            arguments: arguments(problem, rows, tiles)?,
            device,
            rows,
            tiles,
            inputs: Vec::new(),
            number: std::marker::PhantomData,
            specification,
        };
        let flat = |tensor: &Tensor| tensor.detach().flatten_all()?.to_vec1::<T>();
        let state = flat(problem.state)?;
        solve.require_finite(&state, problem.span.0)?;
        solve.arguments.start = solve.upload(&state)?;
        solve.arguments.parameters = solve.upload(parameters)?;
        if let Some(given) = problem.given {
            solve.arguments.given = solve.upload(&flat(given)?)?;
        }
        if let Some(trace) = &problem.trace
            && !solve.specification.unit_probes
        {
            solve.arguments.probes = solve.upload(&flat(&trace.vectors)?)?;
        }
        Ok(solve)
    }

    fn upload(&mut self, numbers: &[T]) -> Result<u64, FlowError> {
        let memory = self.device.upload(&T::to_bytes(numbers))?;
        let address = memory.address();
        self.inputs.push(memory);
        Ok(address)
    }

    fn require_finite(&self, state: &[T], t: f64) -> Result<(), FlowError> {
        let width = self.specification.state();
        let mut rows: Vec<usize> = Vec::new();
        for (row, numbers) in state.chunks_exact(width.max(1)).enumerate() {
            if numbers.iter().any(|number| !Real::to_f64(*number).is_finite()) {
                rows.push(row);
            }
        }
        match rows.is_empty() {
            true => Ok(()),
            false => Err(self.failed(0..self.rows, not_finite(t, 0.0, f64::NAN, rows))),
        }
    }

    fn failed(&self, rows: Range<usize>, source: SolveError<NnError>) -> FlowError {
        FlowError::Solve {
            first_row: rows.start,
            last_row: rows.end.saturating_sub(1),
            source: Box::new(source),
        }
    }

    /// The rows of a tile: as equal as can be.
    fn rows_of(&self, tile: usize) -> Range<usize> {
        let (size, larger) = (self.rows / self.tiles, self.rows % self.tiles);
        let start = |tile: usize| tile * size + tile.min(larger);
        start(tile)..start(tile + 1)
    }

    fn blocks(&self) -> usize {
        self.tiles.min(MAX_BLOCKS)
    }

    fn bytes(&self, numbers: usize) -> usize {
        numbers * size_of::<T>()
    }

    fn download(&self, memory: &D::Memory, numbers: usize) -> Result<Vec<T>, FlowError> {
        let mut bytes = vec![0; self.bytes(numbers)];
        self.device.download(memory, &mut bytes)?;
        Ok(T::from_bytes(&bytes))
    }

    fn download_doubles(&self, memory: &D::Memory, numbers: usize) -> Result<Vec<f64>, FlowError> {
        let mut bytes = vec![0; 8 * numbers];
        self.device.download(memory, &mut bytes)?;
        Ok(<f64 as Number>::from_bytes(&bytes))
    }

    /// Solves; with `record` the result can be pulled back.
    pub(crate) fn run(mut self, record: bool) -> Result<Solved, FlowError> {
        if self.rows == 0 {
            return self.nothing();
        }
        let columns = self.specification.columns();
        let program = self
            .specification
            .program(Direction::Forward, self.device.shared_memory())?;
        let module = self.device.compile(&program)?;
        let result = self.device.allocate(self.bytes(self.rows * columns))?;
        let reports = self.device.allocate(8 * REPORT * self.tiles)?;
        let scratch = self
            .device
            .allocate(self.bytes(self.blocks() * program.scratch_numbers))?;
        self.arguments.result = result.address();
        self.arguments.reports = reports.address();
        self.arguments.scratch = scratch.address();
        let launch = Launch {
            kernel: "forward",
            blocks: self.blocks(),
            threads: program.threads,
            shared_bytes: program.shared_bytes,
        };
        let mut capacity = if record { self.first_capacity() } else { 0 };
        let (told, kept) = loop {
            let kept = Kept::new(&*self.device, &self.specification, self.tiles, capacity, size_of::<T>())?;
            self.arguments.capacity = capacity as i64;
            self.arguments.inputs = kept.inputs.address();
            self.arguments.times = kept.times.address();
            // SAFETY: all memory was allocated above for these counts, and lives until the download has waited.
            unsafe { self.device.launch(&module, &launch, &self.arguments)? };
            let told = self.download_doubles(&reports, REPORT * self.tiles)?;
            let most = told
                .chunks_exact(REPORT)
                .map(|report| report[0] as usize)
                .max()
                .unwrap_or(0);
            if !record || most <= capacity {
                break (told, kept);
            }
            capacity = most;
        };
        self.check(&told)?;
        let statistics = self.statistics(&told);
        let state = self.download(&result, self.rows * columns)?;
        let state = Tensor::from_vec(state, (self.rows, columns), &TensorDevice::Cpu)?;
        drop(scratch);
        let pullback = record.then(|| {
            Box::new(DevicePullback {
                solve: self,
                kept,
                reports,
                told,
            }) as Box<dyn Pullback>
        });
        Ok(Solved {
            state,
            statistics,
            pullback,
        })
    }

    /// As many steps as are planned, or a guess.
    fn first_capacity(&self) -> usize {
        let steps = self.arguments.grid_steps;
        if steps > 0.0 { steps as usize } else { FIRST_CAPACITY }
    }

    fn nothing(&self) -> Result<Solved, FlowError> {
        let shape = (0, self.specification.columns());
        Ok(Solved {
            state: Tensor::from_vec(Vec::<T>::new(), shape, &TensorDevice::Cpu)?,
            statistics: Statistics::default(),
            pullback: None,
        })
    }

    /// The failure of the first tile that failed.
    fn check(&self, told: &[f64]) -> Result<(), FlowError> {
        for (tile, report) in told.chunks_exact(REPORT).enumerate() {
            let [_, _, _, status, t, tried, ratio, _] = report else {
                continue;
            };
            let rows = self.rows_of(tile);
            let source = match *status as i32 {
                0 => continue,
                1 => SolveError::MaxSteps {
                    limit: self.arguments.max_steps as usize,
                    t: *t,
                    t1: self.arguments.t1,
                },
                2 => SolveError::StepTooSmall {
                    t: *t,
                    dt: *tried,
                    min_step: self.arguments.smallest_step,
                    error_ratio: *ratio,
                },
                _ => not_finite(*t, *tried, *ratio, rows.clone().collect()),
            };
            return Err(self.failed(rows, source));
        }
        Ok(())
    }

    /// Means over tiles, weighted by their rows.
    fn statistics(&self, told: &[f64]) -> Statistics {
        let mean = |number: usize| {
            let of_tiles = told.chunks_exact(REPORT).enumerate();
            let sum: f64 = of_tiles
                .map(|(tile, report)| self.rows_of(tile).len() as f64 * report[number])
                .sum();
            sum / self.rows.max(1) as f64
        };
        Statistics {
            accepted: mean(0),
            rejected: mean(1),
            evaluations: mean(2),
        }
    }
}

/// What a solve keeps for its gradient: where its stages were evaluated.
#[derive(Debug)]
struct Kept<M> {
    inputs: M,
    times: M,
}

impl<M: Memory> Kept<M> {
    fn new<D: Device<Memory = M>>(
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
struct DevicePullback<D: Device, T> {
    solve: Solve<D, T>,
    kept: Kept<D::Memory>,
    reports: D::Memory,
    told: Vec<f64>,
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

/// The numbers of a problem that a kernel is told at each launch.
fn arguments(problem: &Problem<'_>, rows: usize, tiles: usize) -> Result<Arguments, FlowError> {
    let solver = &problem.settings.solver;
    let (t0, t1) = problem.span;
    let mut arguments = Arguments {
        rows: rows as i64,
        tiles: tiles as i64,
        t0,
        t1,
        weight: problem.trace.as_ref().map_or(0.0, |trace| trace.weight),
        max_steps: solver.limits().max_steps as f64,
        ..Arguments::default()
    };
    match solver.control() {
        StepControl::Constant(grid) => {
            let steps = grid.steps(t0, t1)?;
            match grid {
                StepGrid::Size(size) => arguments.grid_size = *size,
                _ => arguments.grid_steps = steps as f64,
            }
        }
        StepControl::Adaptive(adaptive) => {
            let tolerance = adaptive.measure.tolerance;
            arguments.rtol = tolerance.rtol();
            arguments.atol = tolerance.atol();
            arguments.integral = adaptive.pid.integral;
            arguments.proportional = adaptive.pid.proportional;
            arguments.derivative = adaptive.pid.derivative;
            arguments.safety = adaptive.safety;
            arguments.smallest_factor = adaptive.min_factor;
            arguments.largest_factor = adaptive.max_factor;
            arguments.next_step = match adaptive.next_step {
                NextStep::NotShorter => 0.0,
                NextStep::ByError => 1.0,
                _ => 2.0,
            };
            arguments.first_step = adaptive.first_step.unwrap_or(0.0);
            arguments.smallest_step = adaptive.min_step;
            arguments.largest_step = adaptive.max_step;
        }
        _ => {}
    }
    Ok(arguments)
}

fn non_finite(rows: Vec<usize>) -> NonFinite {
    NonFinite::new("row", rows)
}

fn not_finite(t: f64, dt: f64, error_ratio: f64, rows: Vec<usize>) -> SolveError<NnError> {
    SolveError::NonFinite {
        t,
        dt,
        error_ratio,
        found: non_finite(rows),
    }
}
