//! One solve of a batch: memory, launches, and what tiles report.

use crate::arguments::Arguments;
use crate::device::{Device, Launch, Memory};
use crate::program::{Direction, Precision, REPORT, Specification};
use crate::pullback::{DevicePullback, Kept};
use candle_core::{Device as TensorDevice, Tensor, WithDType};
use ffjord_flow::{FlowError, Problem, Pullback, Solved, Statistics};
use ffjord_kernels::Real;
use ffjord_nn::NnError;
use ffjord_ode::{NonFinite, SolveError};
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
    pub(crate) device: Arc<D>,
    pub(crate) specification: Specification,
    pub(crate) arguments: Arguments,
    pub(crate) rows: usize,
    pub(crate) tiles: usize,
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
            arguments: Arguments::of_problem(problem, rows, tiles)?,
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

    pub(crate) fn upload(&mut self, numbers: &[T]) -> Result<u64, FlowError> {
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

    pub(crate) fn failed(&self, rows: Range<usize>, source: SolveError<NnError>) -> FlowError {
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

    pub(crate) fn blocks(&self) -> usize {
        self.tiles.min(MAX_BLOCKS)
    }

    pub(crate) fn bytes(&self, numbers: usize) -> usize {
        numbers * size_of::<T>()
    }

    pub(crate) fn download(&self, memory: &D::Memory, numbers: usize) -> Result<Vec<T>, FlowError> {
        let mut bytes = vec![0; self.bytes(numbers)];
        self.device.download(memory, &mut bytes)?;
        Ok(T::from_bytes(&bytes))
    }

    pub(crate) fn download_doubles(&self, memory: &D::Memory, numbers: usize) -> Result<Vec<f64>, FlowError> {
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
                    min_step: self.smallest_step(*t),
                    error_ratio: *ratio,
                },
                _ => not_finite(*t, *tried, *ratio, rows.clone().collect()),
            };
            return Err(self.failed(rows, source));
        }
        Ok(())
    }

    /// The smallest step worth trying from a time, as the kernels have it.
    fn smallest_step(&self, t: f64) -> f64 {
        let span = (self.arguments.t1 - self.arguments.t0).abs();
        let rounding = 16.0 * f64::EPSILON * t.abs().max(1e-8 * span);
        self.arguments.smallest_step.max(rounding)
    }

    /// Means over tiles, weighted by their rows.
    pub(crate) fn statistics(&self, told: &[f64]) -> Statistics {
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

/// Rows that are not finite.
pub(crate) fn non_finite(rows: Vec<usize>) -> NonFinite {
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
