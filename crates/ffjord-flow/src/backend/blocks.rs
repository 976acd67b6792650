//! A batch as row blocks with solves of their own, whatever evaluates the field.

use super::{Gradients, Problem, Pullback, Solved, Statistics};
use crate::error::{FlowError, Result, name_rows};
use crate::integral::PathIntegral;
use crate::solve::{SolveSettings, TraceForm};
use candle_core::Tensor;
use ffjord_nn::NnError;
use ffjord_ode::adjoint::{Adjoint, AdjointMethod, AdjointRecord, DifferentiableSystem};
use ffjord_ode::{SolveError, State, Stats};
use rayon::prelude::*;
use std::fmt;
use std::ops::Range;
use std::sync::Arc;

/// A field ready for the solves of row blocks, on states of one kind of memory.
pub(super) trait Engine: Send + Sync + 'static {
    /// The state of a block.
    type State: State + Send;
    /// What an evaluation keeps for its reverse mode.
    type Tape: Send + 'static;
    /// The flow's equation for one block.
    type System<'a>: BlockSystem<Self::State, Tape = Self::Tape>
    where
        Self: 'a;

    /// The equation for a block; of a solve that nothing is differentiated through it may be evaluated in another way than
    /// of a recorded one.
    fn system<'a>(&'a self, block: &Block, integrals: &'a [PathIntegral], recorded: bool) -> Result<Self::System<'a>>;

    /// Told before recorded solves of blocks of so many stacked rows.
    fn announce(&self, _stacked_rows: &[usize]) {}
}

/// The flow's equation for one block, and how its states and gradients become tensors.
pub(super) trait BlockSystem<S: State>: DifferentiableSystem<S, Error = NnError> + Sized {
    /// The state at the start, from z `[R, …]`.
    fn initial(&self, z: &Tensor) -> candle_core::Result<S>;

    /// A state as a tensor `[R, D + 1 + m]`, or `[R, D]` without a trace.
    fn to_tensor(&self, state: &S) -> candle_core::Result<Tensor>;

    /// The inverse of [`to_tensor`](Self::to_tensor).
    fn state_of(&self, tensor: &Tensor) -> candle_core::Result<S>;

    /// The gradients of the parameters `[P]` and of what the rows were given `[R, G]`.
    fn gradients(&self, gradient: Self::Gradient) -> candle_core::Result<(Tensor, Option<Tensor>)>;

    /// The row of a state's element, as the state's indices of what is not finite count.
    fn row_of(&self, index: usize) -> usize;
}

/// One block of a batch.
#[derive(Debug, Clone)]
pub(super) struct Block {
    pub(super) rows: Range<usize>,
    /// With views of the batch's vectors: those of all blocks are never held at once.
    pub(super) trace: Option<TraceForm>,
    /// `[R, G]`.
    pub(super) given: Option<Tensor>,
}

impl Block {
    /// Every block of a batch.
    fn all(problem: &Problem<'_>) -> Result<Vec<Self>> {
        ranges(problem.state.dim(0)?, most_rows(problem)?)
            .into_iter()
            .map(|rows| {
                let part = |tensor: &Tensor, axis: usize| tensor.narrow(axis, rows.start, rows.len());
                let trace = problem.trace.as_ref().map(|trace| {
                    Ok::<_, FlowError>(TraceForm {
                        vectors: part(&trace.vectors, 1)?,
                        ..*trace
                    })
                });
                let given = problem.given.map(|given| part(&given.detach(), 0)?.contiguous());
                Ok(Self {
                    trace: trace.transpose()?,
                    given: given.transpose()?,
                    rows,
                })
            })
            .collect()
    }

    /// Rows of the block in a tensor of the batch.
    fn part(&self, tensor: &Tensor) -> Result<Tensor> {
        Ok(tensor.narrow(0, self.rows.start, self.rows.len())?)
    }

    /// The failure of this block's solve, with the rows of the batch that it concerns.
    fn failed<S: State>(&self, system: &impl BlockSystem<S>, mut source: SolveError<NnError>) -> FlowError {
        name_rows(&mut source, |index| self.rows.start + system.row_of(index));
        FlowError::Solve {
            first_row: self.rows.start,
            last_row: self.rows.end.saturating_sub(1),
            source: Box::new(source),
        }
    }
}

/// The rows of a block at most: `block_rows`, or as many whose states and tangents fit into
/// [`SolveSettings::BLOCK_BYTES`], and one row if not even that does.
fn most_rows(problem: &Problem<'_>) -> Result<usize> {
    let vectors = problem.trace.as_ref().map_or(0, |trace| trace.vectors.elem_count());
    let numbers = problem.state.elem_count() + vectors;
    let row_bytes = numbers / problem.state.dim(0)?.max(1) * problem.state.dtype().size_in_bytes();
    Ok((SolveSettings::BLOCK_BYTES / row_bytes.max(1)).clamp(1, problem.settings.block_rows.max(1)))
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

/// Solves every block, without anything for gradients.
pub(super) fn solve<E: Engine>(engine: &E, problem: &Problem<'_>) -> Result<Solved> {
    let (z, (start, end)) = (problem.state.detach(), problem.span);
    let solved = Block::all(problem)?
        .into_par_iter()
        .map(|block| {
            let system = engine.system(&block, problem.integrals, false)?;
            let y0 = system.initial(&block.part(&z)?)?;
            let solution = problem.settings.solver.solve(&system, &y0, start, end);
            let solution = solution.map_err(|source| block.failed(&system, source))?;
            Ok((system.to_tensor(&solution.state)?, (block.rows.len(), solution.stats)))
        })
        .collect::<Vec<_>>();
    let (states, statistics): (Vec<_>, Vec<_>) = in_order(solved)?.into_iter().unzip();
    Ok(Solved {
        state: Tensor::cat(&states, 0)?,
        statistics: summary(&statistics),
        pullback: None,
    })
}

/// Solves every block and keeps what its gradient needs.
pub(super) fn record<E: Engine>(engine: Arc<E>, problem: &Problem<'_>, adjoint: &AdjointMethod) -> Result<Solved> {
    let (z, (start, end)) = (problem.state.detach(), problem.span);
    let blocks = Block::all(problem)?;
    let tangents = problem.trace.as_ref().map_or(Ok(0), |trace| trace.vectors.dim(0))?;
    let mut sizes: Vec<usize> = blocks.iter().map(|block| block.rows.len() * (1 + tangents)).collect();
    sizes.dedup();
    engine.announce(&sizes);
    // Every block gets the same part of the memory for tapes, however many are solved at a time.
    let shared = adjoint.shared_by(blocks.len());
    let solved = blocks
        .into_par_iter()
        .map(|block| {
            let system = engine.system(&block, problem.integrals, true)?;
            let y0 = system.initial(&block.part(&z)?)?;
            let solution = shared.forward(&problem.settings.solver, &system, &y0, start, end);
            let (solution, record) = solution.map_err(|source| block.failed(&system, source))?;
            let state = system.to_tensor(&solution.state)?;
            let statistics = (block.rows.len(), solution.stats);
            drop(system);
            Ok(((state, statistics), (block, record)))
        })
        .collect::<Vec<_>>();
    let (solved, records): (Vec<_>, Vec<_>) = in_order(solved)?.into_iter().unzip();
    let (states, statistics): (Vec<_>, Vec<_>) = solved.into_iter().unzip();
    let pullback = BlocksPullback {
        engine,
        records,
        integrals: problem.integrals.to_vec(),
        adjoint: adjoint.clone(),
    };
    Ok(Solved {
        state: Tensor::cat(&states, 0)?,
        statistics: summary(&statistics),
        pullback: Some(Box::new(pullback)),
    })
}

/// A block with the record of its solve.
type RecordedBlock<E> = (Block, AdjointRecord<<E as Engine>::State, <E as Engine>::Tape>);

/// What the solves of all blocks leave behind for their gradient.
struct BlocksPullback<E: Engine> {
    engine: Arc<E>,
    records: Vec<RecordedBlock<E>>,
    integrals: Vec<PathIntegral>,
    adjoint: AdjointMethod,
}

impl<E: Engine> fmt::Debug for BlocksPullback<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "BlocksPullback({} blocks)", self.records.len())
    }
}

impl<E: Engine> Pullback for BlocksPullback<E> {
    /// Gradients are summed in the blocks' order.
    fn pull_back(self: Box<Self>, cotangent: &Tensor) -> Result<Gradients> {
        let Self {
            engine,
            records,
            integrals,
            adjoint,
        } = *self;
        let cotangent = cotangent.detach();
        let gradients = records
            .into_par_iter()
            .map(|(block, record)| {
                let system = engine.system(&block, &integrals, true)?;
                let cotangent = system.state_of(&block.part(&cotangent)?.contiguous()?)?;
                let solution = adjoint.backward(&system, record, &cotangent);
                let solution = solution.map_err(|source| block.failed(&system, source))?;
                let (parameters, given) = system.gradients(solution.gradient)?;
                let gradients = Gradients {
                    state: system.to_tensor(&solution.y0)?,
                    parameters,
                    given,
                    span: (solution.t0, solution.t1),
                    evaluations: 0.0,
                };
                Ok((gradients, (block.rows.len(), solution.stats)))
            })
            .collect::<Vec<_>>();
        let (mut states, mut givens, mut statistics) = (Vec::new(), Vec::new(), Vec::new());
        let mut parameters: Option<Tensor> = None;
        let (mut start, mut end) = (0.0, 0.0);
        for (gradient, of_block) in in_order(gradients)? {
            states.push(gradient.state);
            givens.extend(gradient.given);
            parameters = Some(match parameters {
                None => gradient.parameters,
                Some(sum) => (sum + gradient.parameters)?,
            });
            start += gradient.span.0;
            end += gradient.span.1;
            statistics.push(of_block);
        }
        let parameters = match parameters {
            Some(parameters) => parameters,
            None => Tensor::zeros(0, cotangent.dtype(), cotangent.device())?,
        };
        Ok(Gradients {
            state: Tensor::cat(&states, 0)?,
            parameters,
            given: match givens.is_empty() {
                true => None,
                false => Some(Tensor::cat(&givens, 0)?),
            },
            span: (start, end),
            evaluations: summary(&statistics).evaluations,
        })
    }
}

/// The means over blocks, weighted by their rows.
fn summary(blocks: &[(usize, Stats)]) -> Statistics {
    let rows: usize = blocks.iter().map(|(rows, _)| rows).sum();
    let mean = |number: fn(&Stats) -> usize| {
        let sum: f64 = blocks.iter().map(|(rows, stats)| (rows * number(stats)) as f64).sum();
        sum / rows.max(1) as f64
    };
    Statistics {
        evaluations: mean(|stats| stats.nfe),
        accepted: mean(|stats| stats.accepted),
        rejected: mean(|stats| stats.rejected),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::solve::TraceMode;
    use candle_core::{DType, Device};
    use ffjord_nn::{Mlp, MlpConfig, VectorField};
    use ffjord_ode::{Method, Solver};
    use rand::SeedableRng;
    use std::error::Error;

    /// The blocks of a batch of so many rows and columns.
    fn blocks(
        (rows, columns): (usize, usize),
        dtype: DType,
        trace: Option<TraceMode>,
        block_rows: usize,
    ) -> Result<Vec<Block>, Box<dyn Error>> {
        let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(0);
        let network = MlpConfig::new(columns).hidden([1]);
        let field: Arc<dyn VectorField> = Arc::new(Mlp::new(&network, &mut rng, dtype, &Device::Cpu)?);
        let settings = SolveSettings::new(Solver::new(Method::Rk4).fixed_steps(1)).block_rows(block_rows);
        let form = trace
            .map(|trace| trace.form(field.as_ref(), rows, &mut rng))
            .transpose()?;
        let problem = Problem {
            field: &field,
            state: &Tensor::zeros((rows, columns), dtype, &Device::Cpu)?,
            given: None,
            span: (0.0, 1.0),
            settings: &settings,
            trace: form,
            integrals: &[],
        };
        Ok(Block::all(&problem)?)
    }

    #[test]
    fn a_block_of_many_columns_has_as_many_rows_as_fit() -> Result<(), Box<dyn Error>> {
        let sizes = |shape, dtype, trace, block_rows| -> Result<Vec<usize>, Box<dyn Error>> {
            let blocks = blocks(shape, dtype, trace, block_rows)?;
            Ok(blocks.into_iter().map(|block| block.rows.len()).collect())
        };
        let (exact, whole) = (Some(TraceMode::Exact), SolveSettings::WHOLE_BATCH);
        // A row has 2,001 · 2,000 numbers: four rows are 64.03 million bytes of 67.1.
        assert_eq!(sizes((10, 2000), DType::F32, exact.clone(), 256)?, [4, 3, 3]);
        assert_eq!(sizes((10, 2000), DType::F32, exact.clone(), whole)?, [4, 3, 3]);
        assert_eq!(sizes((3, 2000), DType::F32, exact.clone(), 1)?, [1, 1, 1]);
        assert_eq!(sizes((5, 2000), DType::F64, exact.clone(), 256)?, [2, 2, 1]);
        // No row fits, and each has a block.
        assert_eq!(sizes((2, 4097), DType::F32, exact.clone(), 256)?, [1, 1]);
        // What fits is not cut: 63 columns with the exact trace, and 2,000 without a trace.
        assert_eq!(sizes((4000, 63), DType::F32, exact, whole)?, [4000]);
        assert_eq!(sizes((4000, 2000), DType::F32, None, whole)?, [4000]);
        Ok(())
    }

    #[test]
    fn blocks_share_the_unit_vectors() -> Result<(), Box<dyn Error>> {
        for block in blocks((6, 3), DType::F64, Some(TraceMode::Exact), 2)? {
            let vectors = block.trace.ok_or("no trace")?.vectors;
            assert_eq!((vectors.dims(), vectors.stride()[1]), (&[3, 2, 3][..], 0));
            assert_eq!(
                vectors.narrow(1, 1, 1)?.flatten_all()?.to_vec1::<f64>()?,
                [1., 0., 0., 0., 1., 0., 0., 0., 1.]
            );
        }
        Ok(())
    }

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
