//! A batch as row blocks with solves of their own.

use super::settings::SolveSettings;
use super::system::{AugmentedSystem, TraceForm};
use crate::error::{FlowError, Result};
use crate::integral::PathIntegral;
use candle_core::Tensor;
use ffjord_nn::{NnError, VectorField};
use ffjord_ode::adjoint::{Adjoint, AdjointMethod, AdjointRecord, AdjointSolution};
use ffjord_ode::{SolveError, Stats};
use rayon::prelude::*;
use std::ops::Range;

/// The solve of a batch: where it goes, and what it integrates along the way.
#[derive(Debug, Clone)]
pub(super) struct BatchSolve<'a> {
    pub(super) field: &'a dyn VectorField,
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
    record: AdjointRecord<Tensor>,
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

fn ranges(rows: usize, block_rows: usize) -> Vec<Range<usize>> {
    (0..rows)
        .step_by(block_rows.min(rows).max(1))
        .map(|start| start..rows.min(start.saturating_add(block_rows)))
        .collect()
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
                Ok(TraceForm {
                    vectors,
                    weight: trace.weight,
                })
            })
            .transpose()
    }

    fn system(&self, trace: Option<TraceForm>) -> AugmentedSystem<'_> {
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

    /// Solves every block, without anything for gradients.
    pub(super) fn solve(&self, z: &Tensor) -> Result<Solved> {
        let z = z.detach();
        let blocks = ranges(z.dim(0)?, self.settings.block_rows)
            .into_par_iter()
            .map(|rows| {
                let initial = self.initial(&z.narrow(0, rows.start, rows.len())?)?;
                let system = self.system(self.trace_of(&rows)?);
                let solution = self
                    .settings
                    .solver
                    .solve(&system, &initial, self.span.0, self.span.1)
                    .map_err(|source| failed(&rows, source))?;
                Ok((rows.len(), solution.state, solution.stats))
            })
            .collect::<Vec<_>>();
        collect(in_order(blocks)?)
    }

    /// Solves every block and keeps what its gradient needs.
    pub(super) fn solve_recorded(&self, z: &Tensor, adjoint: &AdjointMethod) -> Result<(Solved, Vec<BlockRecord>)> {
        let z = z.detach();
        let solved = ranges(z.dim(0)?, self.settings.block_rows)
            .into_par_iter()
            .map(|rows| {
                let initial = self.initial(&z.narrow(0, rows.start, rows.len())?)?;
                let trace = self.trace_of(&rows)?;
                let (solution, record) = adjoint
                    .forward(
                        &self.settings.solver,
                        &self.system(trace.clone()),
                        &initial,
                        self.span.0,
                        self.span.1,
                    )
                    .map_err(|source| failed(&rows, source))?;
                Ok((
                    (rows.len(), solution.state, solution.stats),
                    BlockRecord { rows, trace, record },
                ))
            })
            .collect::<Vec<_>>();
        let (blocks, records) = in_order(solved)?.into_iter().unzip();
        Ok((collect(blocks)?, records))
    }

    /// Pulls the cotangent `[B, D + 1 + m]` back through every block; gradients are summed in the blocks' order.
    pub(super) fn pull_back(
        &self,
        records: Vec<BlockRecord>,
        adjoint: &AdjointMethod,
        cotangent: &Tensor,
    ) -> Result<BatchGradient> {
        let cotangent = cotangent.detach();
        let solutions = records
            .into_par_iter()
            .map(|BlockRecord { rows, trace, record }| {
                let cotangent = cotangent.narrow(0, rows.start, rows.len())?.contiguous()?;
                let solution: AdjointSolution<Tensor, Tensor> = adjoint
                    .backward(&self.system(trace), record, &cotangent)
                    .map_err(|source| failed(&rows, source))?;
                Ok((rows.len(), solution))
            })
            .collect::<Vec<_>>();
        let solutions = in_order(solutions)?;
        let mut states = Vec::with_capacity(solutions.len());
        let mut parameters: Option<Tensor> = None;
        let (mut start, mut end) = (0.0, 0.0);
        let mut blocks = Vec::with_capacity(solutions.len());
        for (rows, solution) in solutions {
            states.push(solution.y0);
            parameters = Some(match parameters {
                None => solution.gradient,
                Some(sum) => (sum + solution.gradient)?,
            });
            start += solution.t0;
            end += solution.t1;
            blocks.push((rows, solution.stats));
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
        assert_eq!(ranges(10, 4), [0..4, 4..8, 8..10]);
        assert_eq!(ranges(3, usize::MAX), [0..3]);
        assert_eq!(ranges(4, 4), [0..4]);
    }
}
