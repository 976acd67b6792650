//! A batch as row blocks with solves of their own.

use super::fused::{FusedSystem, FusedTape};
use super::memory::{Pool, TapeMemory};
use super::settings::{SolveSettings, TraceMode};
use super::system::{AugmentedSystem, EvaluationTape};
use super::trace::TraceForm;
use crate::error::{FlowError, Result};
use crate::integral::PathIntegral;
use candle_core::{Device, Tensor, WithDType};
use ffjord_kernels::{NetworkKernel, Real};
use ffjord_nn::{FusedField, NnError, VectorField};
use ffjord_ode::adjoint::{Adjoint, AdjointMethod, AdjointRecord, AdjointSolution};
use ffjord_ode::{SolveError, State, Stats};
use rayon::prelude::*;
use std::ops::Range;

/// The solve of a batch: where it goes, and what it integrates along the way.
#[derive(Debug, Clone)]
pub(super) struct BatchSolve<'a> {
    pub(super) field: &'a dyn VectorField,
    /// The field packed for the fused kernels; none takes the generic path.
    pub(super) fused: Option<(&'a FusedField, &'a TapeMemory)>,
    pub(super) settings: &'a SolveSettings,
    /// Start and end of time.
    pub(super) span: (f64, f64),
    /// The trace of the whole batch; none solves for the state alone.
    pub(super) trace: Option<TraceForm>,
    pub(super) integrals: &'a [PathIntegral],
}

/// What a block leaves behind for its gradient.
#[derive(Debug)]
pub(super) struct BlockRecord {
    rows: Range<usize>,
    trace: Option<TraceForm>,
    record: Record,
}

/// The record of a block's solve, on the path that it took.
#[derive(Debug)]
enum Record {
    Generic(AdjointRecord<Tensor, EvaluationTape>),
    F32(AdjointRecord<Vec<f32>, FusedTape<f32>>),
    F64(AdjointRecord<Vec<f64>, FusedTape<f64>>),
}

/// The end of a block's solve on the fused path, its statistics and its record.
type RecordedBlock<T> = (Tensor, Stats, AdjointRecord<Vec<T>, FusedTape<T>>);

/// The gradient of a block, as tensors.
struct BlockGradient {
    state: Tensor,
    parameters: Tensor,
    span: (f64, f64),
    stats: Stats,
}

/// A solved batch.
#[derive(Debug)]
pub(super) struct Solved {
    /// `[B, D + 1 + m]`, or `[B, D]` without a trace.
    pub(super) state: Tensor,
    /// Statistics of the blocks with their rows.
    pub(super) blocks: Vec<(usize, Stats)>,
}

/// The gradient of a solved batch.
#[derive(Debug)]
pub(super) struct BatchGradient {
    /// With respect to the initial state, `[B, …]` as the cotangent.
    pub(super) state: Tensor,
    /// With respect to all parameters, `[P]`.
    pub(super) parameters: Tensor,
    /// With respect to the start and the end of time.
    pub(super) span: (f64, f64),
    pub(super) blocks: Vec<(usize, Stats)>,
}

/// The rows of every block: as few blocks as `block_rows` allows, none more than one row larger than another, so that
/// no thread waits for a block that is larger than the rest.
fn ranges(rows: usize, block_rows: usize) -> Vec<Range<usize>> {
    let blocks = rows.div_ceil(block_rows.max(1)).max(1);
    let (size, larger) = (rows / blocks, rows % blocks);
    let start = |block: usize| block * size + block.min(larger);
    (0..blocks).map(|block| start(block)..start(block + 1)).collect()
}

/// All results, or the failure of the first block that failed, whichever thread came to its end first.
fn in_order<T>(results: Vec<Result<T>>) -> Result<Vec<T>> {
    results.into_iter().collect()
}

fn failed(rows: &Range<usize>, source: SolveError<NnError>) -> FlowError {
    FlowError::Solve {
        first_row: rows.start,
        last_row: rows.end.saturating_sub(1),
        source: Box::new(source),
    }
}

impl BatchSolve<'_> {
    fn trace_of(&self, rows: &Range<usize>) -> Result<Option<TraceForm>> {
        self.trace
            .as_ref()
            .map(|trace| {
                let vectors = trace.vectors.narrow(1, rows.start, rows.len())?.contiguous()?;
                Ok(TraceForm { vectors, ..*trace })
            })
            .transpose()
    }

    /// Solves every block, without anything for gradients.
    pub(super) fn solve(&self, z: &Tensor) -> Result<Solved> {
        let z = z.detach();
        let blocks = ranges(z.dim(0)?, self.settings.block_rows)
            .into_par_iter()
            .map(|rows| {
                let (state, stats) = self.solve_block(&rows, &z.narrow(0, rows.start, rows.len())?)?;
                Ok((rows.len(), state, stats))
            })
            .collect::<Vec<_>>();
        collect(in_order(blocks)?)
    }

    fn solve_block(&self, rows: &Range<usize>, z: &Tensor) -> Result<(Tensor, Stats)> {
        let trace = self.trace_of(rows)?;
        let (solver, (start, end)) = (&self.settings.solver, self.span);
        let fail = |source| failed(rows, source);
        match self.fused {
            None => {
                let system = self.generic_system(trace);
                let solution = solver.solve(&system, &self.initial(z)?, start, end).map_err(fail)?;
                Ok((solution.state, solution.stats))
            }
            Some((FusedField::F32(kernel), memory)) => {
                self.solve_fused((kernel, &memory.single), rows, z, trace.as_ref())
            }
            Some((FusedField::F64(kernel), memory)) => {
                self.solve_fused((kernel, &memory.double), rows, z, trace.as_ref())
            }
        }
    }

    fn solve_fused<T: Real + WithDType>(
        &self,
        (kernel, pool): (&NetworkKernel<T>, &Pool<FusedTape<T>>),
        rows: &Range<usize>,
        z: &Tensor,
        trace: Option<&TraceForm>,
    ) -> Result<(Tensor, Stats)>
    where
        Vec<T>: State,
    {
        let mut system = FusedSystem::new((kernel, pool), rows.len(), trace, self.integrals)?;
        if self.settings.trace == TraceMode::Exact {
            system = system.in_closed_form();
        }
        let (solver, (start, end)) = (&self.settings.solver, self.span);
        let solution = solver
            .solve(&system, &system.initial(z)?, start, end)
            .map_err(|source| failed(rows, source))?;
        Ok((system.to_tensor(&solution.state)?, solution.stats))
    }

    /// Solves every block and keeps what its gradient needs.
    pub(super) fn solve_recorded(&self, z: &Tensor, adjoint: &AdjointMethod) -> Result<(Solved, Vec<BlockRecord>)> {
        let z = z.detach();
        let blocks = ranges(z.dim(0)?, self.settings.block_rows);
        // Every block gets the same part of the memory for tapes, however many are solved at a time.
        let adjoint = &adjoint.shared_by(blocks.len());
        if let Some((_, memory)) = self.fused {
            let tangents = self.trace.as_ref().map_or(Ok(0), |trace| trace.vectors.dim(0))?;
            let mut sizes: Vec<usize> = blocks.iter().map(|rows| rows.len() * (1 + tangents)).collect();
            sizes.dedup();
            memory.keep_only(&sizes);
        }
        let solved = blocks
            .into_par_iter()
            .map(|rows| {
                let trace = self.trace_of(&rows)?;
                let z = z.narrow(0, rows.start, rows.len())?;
                let (state, stats, record) = self.record_block(&rows, &z, trace.clone(), adjoint)?;
                Ok(((rows.len(), state, stats), BlockRecord { rows, trace, record }))
            })
            .collect::<Vec<_>>();
        let (blocks, records) = in_order(solved)?.into_iter().unzip();
        Ok((collect(blocks)?, records))
    }

    fn record_block(
        &self,
        rows: &Range<usize>,
        z: &Tensor,
        trace: Option<TraceForm>,
        adjoint: &AdjointMethod,
    ) -> Result<(Tensor, Stats, Record)> {
        let (solver, (start, end)) = (&self.settings.solver, self.span);
        let fail = |source| failed(rows, source);
        match self.fused {
            None => {
                let system = self.generic_system(trace);
                let (solution, record) = adjoint
                    .forward(solver, &system, &self.initial(z)?, start, end)
                    .map_err(fail)?;
                Ok((solution.state, solution.stats, Record::Generic(record)))
            }
            Some((FusedField::F32(kernel), memory)) => {
                let (state, stats, record) =
                    self.record_fused((kernel, &memory.single), rows, z, trace.as_ref(), adjoint)?;
                Ok((state, stats, Record::F32(record)))
            }
            Some((FusedField::F64(kernel), memory)) => {
                let (state, stats, record) =
                    self.record_fused((kernel, &memory.double), rows, z, trace.as_ref(), adjoint)?;
                Ok((state, stats, Record::F64(record)))
            }
        }
    }

    fn record_fused<T: Real + WithDType>(
        &self,
        (kernel, pool): (&NetworkKernel<T>, &Pool<FusedTape<T>>),
        rows: &Range<usize>,
        z: &Tensor,
        trace: Option<&TraceForm>,
        adjoint: &AdjointMethod,
    ) -> Result<RecordedBlock<T>>
    where
        Vec<T>: State,
    {
        let system = FusedSystem::new((kernel, pool), rows.len(), trace, self.integrals)?;
        let (solver, (start, end)) = (&self.settings.solver, self.span);
        let (solution, record) = adjoint
            .forward(solver, &system, &system.initial(z)?, start, end)
            .map_err(|source| failed(rows, source))?;
        Ok((system.to_tensor(&solution.state)?, solution.stats, record))
    }

    /// Pulls the cotangent `[B, D + 1 + m]` back through every block; gradients are summed in the blocks' order.
    pub(super) fn pull_back(
        &self,
        records: Vec<BlockRecord>,
        adjoint: &AdjointMethod,
        cotangent: &Tensor,
    ) -> Result<BatchGradient> {
        let cotangent = cotangent.detach();
        let gradients = records
            .into_par_iter()
            .map(|block| {
                let cotangent = cotangent.narrow(0, block.rows.start, block.rows.len())?.contiguous()?;
                Ok((block.rows.len(), self.pull_back_block(block, adjoint, &cotangent)?))
            })
            .collect::<Vec<_>>();
        let mut states = Vec::new();
        let mut parameters: Option<Tensor> = None;
        let (mut start, mut end) = (0.0, 0.0);
        let mut blocks = Vec::new();
        for (rows, gradient) in in_order(gradients)? {
            states.push(gradient.state);
            parameters = Some(match parameters {
                None => gradient.parameters,
                Some(sum) => (sum + gradient.parameters)?,
            });
            start += gradient.span.0;
            end += gradient.span.1;
            blocks.push((rows, gradient.stats));
        }
        let parameters = match parameters {
            Some(parameters) => parameters,
            None => Tensor::zeros(0, cotangent.dtype(), cotangent.device())?,
        };
        Ok(BatchGradient {
            state: Tensor::cat(&states, 0)?,
            parameters,
            span: (start, end),
            blocks,
        })
    }

    fn pull_back_block(
        &self,
        block: BlockRecord,
        adjoint: &AdjointMethod,
        cotangent: &Tensor,
    ) -> Result<BlockGradient> {
        let BlockRecord { rows, trace, record } = block;
        let fail = |source| failed(&rows, source);
        match (record, self.fused) {
            (Record::Generic(record), _) => {
                let system = self.generic_system(trace);
                let solution: AdjointSolution<Tensor, Tensor> =
                    adjoint.backward(&system, record, cotangent).map_err(fail)?;
                Ok(BlockGradient {
                    state: solution.y0,
                    parameters: solution.gradient,
                    span: (solution.t0, solution.t1),
                    stats: solution.stats,
                })
            }
            (Record::F32(record), Some((FusedField::F32(kernel), memory))) => self.pull_back_fused(
                (kernel, &memory.single),
                &rows,
                trace.as_ref(),
                record,
                adjoint,
                cotangent,
            ),
            (Record::F64(record), Some((FusedField::F64(kernel), memory))) => self.pull_back_fused(
                (kernel, &memory.double),
                &rows,
                trace.as_ref(),
                record,
                adjoint,
                cotangent,
            ),
            (Record::F32(_) | Record::F64(_), _) => Err(FlowError::InvalidSetting {
                setting: "backend of a gradient",
                given: "another one than the solve's".to_string(),
                accepted: "the backend that the solve was recorded with",
            }),
        }
    }

    fn pull_back_fused<T: Real + WithDType>(
        &self,
        (kernel, pool): (&NetworkKernel<T>, &Pool<FusedTape<T>>),
        rows: &Range<usize>,
        trace: Option<&TraceForm>,
        record: AdjointRecord<Vec<T>, FusedTape<T>>,
        adjoint: &AdjointMethod,
        cotangent: &Tensor,
    ) -> Result<BlockGradient>
    where
        Vec<T>: State,
    {
        let system = FusedSystem::new((kernel, pool), rows.len(), trace, self.integrals)?;
        let cotangent = system.state_of(cotangent)?;
        let solution: AdjointSolution<Vec<T>, Vec<T>> = adjoint
            .backward(&system, record, &cotangent)
            .map_err(|source| failed(rows, source))?;
        let count = solution.gradient.len();
        Ok(BlockGradient {
            state: system.to_tensor(&solution.y0)?,
            parameters: Tensor::from_vec(solution.gradient, count, &Device::Cpu)?,
            span: (solution.t0, solution.t1),
            stats: solution.stats,
        })
    }

    fn generic_system(&self, trace: Option<TraceForm>) -> AugmentedSystem<'_> {
        AugmentedSystem {
            field: self.field,
            trace,
            integrals: self.integrals,
        }
    }

    /// `[z, 0, …]`: the state with a zero for the log-determinant and every integral.
    fn initial(&self, z: &Tensor) -> Result<Tensor> {
        let z = z.flatten_from(1)?;
        Ok(match &self.trace {
            None => z.contiguous()?,
            Some(_) => z.pad_with_zeros(1, 0, 1 + self.integrals.len())?,
        })
    }
}

fn collect(blocks: Vec<(usize, Tensor, Stats)>) -> Result<Solved> {
    let mut states = Vec::with_capacity(blocks.len());
    let mut statistics = Vec::with_capacity(blocks.len());
    for (rows, state, stats) in blocks {
        states.push(state);
        statistics.push((rows, stats));
    }
    Ok(Solved {
        state: Tensor::cat(&states, 0)?,
        blocks: statistics,
    })
}

/// The mean over blocks, weighted by their rows.
pub(super) fn weighted_mean(blocks: &[(usize, Stats)], number: impl Fn(&Stats) -> usize) -> f64 {
    let rows: usize = blocks.iter().map(|(rows, _)| rows).sum();
    blocks
        .iter()
        .map(|(rows, stats)| (rows * number(stats)) as f64)
        .sum::<f64>()
        / rows.max(1) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_cover_every_row_once() {
        assert_eq!(ranges(10, 4), [0..4, 4..7, 7..10]);
        assert_eq!(ranges(3, usize::MAX), vec![0..3; 1]);
        assert_eq!(ranges(8, 4), [0..4, 4..8]);
        assert_eq!(ranges(100, 64), [0..50, 50..100]);
        assert_eq!(ranges(3, 1), [0..1, 1..2, 2..3]);
        assert_eq!(ranges(0, 4), vec![0..0; 1]);
    }
}
