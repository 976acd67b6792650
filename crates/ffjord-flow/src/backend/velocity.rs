//! A field at a time for each row: what objectives without a solve need.

use super::kernels::KernelEngine;
use super::memory::Memory;
use super::tensors::TensorEngine;
use super::{Evaluation, Gradients, Pullback, Solved, Statistics};
use crate::error::Result;
use candle_core::{Device, Tensor, WithDType};
use ffjord_kernels::mlp::{Stack, StackMut};
use ffjord_kernels::{GradientMut, Opaque, Real, SharedKernel};
use ffjord_nn::{Cotangents, Linearization, NnError, OutputCotangents, VectorField};
use rayon::prelude::*;
use std::fmt;
use std::ops::Range;
use std::sync::Arc;

/// The rows of a block, whatever the number of threads: a block has a gradient of its own, which a few more rows pay for.
const BLOCK_ROWS: usize = 256;
/// The numbers of a block's states in tensor operations, as long as it has more than a few rows: what a network makes of
/// them then stays near the processor.
const BLOCK_NUMBERS: usize = 12_544;
/// The few rows, each block of which pays for a gradient of all parameters.
const FEWEST_BLOCK_ROWS: usize = 16;

/// Rows next to each other that have the same time.
#[derive(Debug, Clone, PartialEq)]
struct Run {
    time: f64,
    rows: Range<usize>,
}

/// Memory for the runs of one block.
struct Block {
    workspace: Opaque,
    tapes: Vec<Opaque>,
}

/// The memory of blocks in one number type; the type keeps them apart in [`Memory`].
struct BlockOf<T>(Block, std::marker::PhantomData<fn() -> T>);

/// A block that was evaluated, kept for its reverse mode.
struct Recorded<T> {
    runs: Vec<Run>,
    block: Box<BlockOf<T>>,
}

/// The reverse mode of an evaluation by tensor operations, block by block.
#[derive(Debug)]
struct TensorPullback {
    field: Arc<dyn VectorField>,
    blocks: Vec<(Range<usize>, Linearization)>,
}

/// The reverse mode of an evaluation by a kernel.
struct KernelPullback<T: Real> {
    kernel: SharedKernel<T>,
    memory: Arc<Memory>,
    blocks: Vec<Recorded<T>>,
    shape: Vec<usize>,
    /// What the rows were given, `[B, G]`, if anything.
    given: Option<Vec<T>>,
}

impl<T: Real> fmt::Debug for KernelPullback<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KernelPullback({} blocks)", self.blocks.len())
    }
}

/// `f(z, t)` by tensor operations: on the CPU in blocks, by all threads.
pub(super) fn by_tensors(engine: &TensorEngine, evaluation: &Evaluation<'_>) -> Result<Solved> {
    let field = &engine.field;
    let Evaluation {
        times, state, given, ..
    } = *evaluation;
    let linearize = |rows: Range<usize>| -> Result<(Range<usize>, Linearization)> {
        let part = |tensor: &Tensor| tensor.narrow(0, rows.start, rows.len())?.contiguous();
        let given = given.map(part).transpose()?;
        let times = &times[rows.clone()];
        let linearization = Linearization::at_times(field.as_ref(), times, &part(state)?, given.as_ref())?;
        Ok((rows, linearization))
    };
    // A vector, so that of several errors the first block's is reported.
    let blocks: Vec<Result<_>> = tensor_blocks(state)?.into_par_iter().map(linearize).collect();
    let blocks = blocks.into_iter().collect::<Result<Vec<_>>>()?;
    let values: Vec<Tensor> = blocks.iter().map(|(_, linearization)| linearization.value()).collect();
    Ok(Solved {
        state: Tensor::cat(&values, 0)?,
        statistics: Statistics::default(),
        pullback: Some(Box::new(TensorPullback {
            field: field.clone(),
            blocks,
        })),
    })
}

/// The rows of each block of a batch; there is one at least.
fn tensor_blocks(state: &Tensor) -> Result<Vec<Range<usize>>> {
    let rows = state.dim(0)?;
    if !state.device().is_cpu() {
        return Ok(std::iter::once(0..rows).collect());
    }
    let numbers = state.elem_count() / rows.max(1);
    let most = (BLOCK_NUMBERS / numbers.max(1)).clamp(FEWEST_BLOCK_ROWS, BLOCK_ROWS);
    let count = rows.div_ceil(most).max(1);
    Ok((0..count)
        .map(|block| block * rows / count..(block + 1) * rows / count)
        .collect())
}

impl Pullback for TensorPullback {
    fn pull_back(self: Box<Self>, cotangent: &Tensor) -> Result<Gradients> {
        let Self { field, blocks } = *self;
        let pull = |(rows, linearization): (Range<usize>, Linearization)| -> Result<_> {
            let value = cotangent.narrow(0, rows.start, rows.len())?.contiguous()?;
            let outputs = OutputCotangents {
                value: &value,
                products: None,
                along: &[],
            };
            let Cotangents {
                state,
                given,
                parameters,
                ..
            } = linearization.pullback(field.parameters(), &outputs)?;
            let flat = parameters.iter().map(Tensor::flatten_all);
            let flat = flat.collect::<candle_core::Result<Vec<_>>>()?;
            let parameters = match flat.is_empty() {
                true => Tensor::zeros(0, field.dtype(), field.device())?,
                false => Tensor::cat(&flat, 0)?,
            };
            Ok((state, given, parameters))
        };
        let pulled: Vec<Result<_>> = blocks.into_par_iter().map(pull).collect();
        let (mut states, mut conditions, mut sum) = (Vec::new(), Vec::new(), None);
        // In the order of the blocks, whichever thread came to its end first.
        for block in pulled {
            let (state, given, parameters) = block?;
            states.push(state);
            conditions.extend(given);
            sum = Some(match sum {
                None => parameters,
                Some(sum) => (sum + parameters)?,
            });
        }
        Ok(Gradients {
            state: Tensor::cat(&states, 0)?,
            parameters: match sum {
                Some(sum) => sum,
                None => Tensor::zeros(0, field.dtype(), field.device())?,
            },
            given: match conditions.is_empty() {
                true => None,
                false => Some(Tensor::cat(&conditions, 0)?),
            },
            span: (0.0, 0.0),
            evaluations: 0.0,
        })
    }
}

/// `f(z, t)` by a kernel: rows next to each other that have the same time are evaluated together.
pub(super) fn by_kernel<T: Real + WithDType>(engine: &KernelEngine<T>, evaluation: &Evaluation<'_>) -> Result<Solved> {
    let KernelEngine { kernel, memory, .. } = engine;
    let given = evaluation.given.map(numbers).transpose()?;
    let rows = (evaluation.state, given.as_deref().unwrap_or_default());
    let (state, blocks) = record(kernel, memory, blocks(evaluation.times), rows)?;
    Ok(Solved {
        state,
        statistics: Statistics::default(),
        pullback: Some(Box::new(KernelPullback {
            kernel: kernel.clone(),
            memory: memory.clone(),
            blocks,
            shape: evaluation.state.dims().to_vec(),
            given,
        })),
    })
}

/// The runs of equal times, in blocks of at most [`BLOCK_ROWS`] rows.
fn blocks(times: &[f64]) -> Vec<Vec<Run>> {
    let mut blocks: Vec<Vec<Run>> = Vec::new();
    let (mut first, mut room) = (0, 0);
    while let Some(&time) = times.get(first) {
        let same = |other: &&f64| other.to_bits() == time.to_bits();
        let rows = times[first..].iter().take(BLOCK_ROWS).take_while(same).count();
        let run = Run {
            time,
            rows: first..first + rows,
        };
        match blocks.last_mut() {
            Some(block) if rows <= room => block.push(run),
            _ => {
                blocks.push(vec![run]);
                room = BLOCK_ROWS;
            }
        }
        room -= rows;
        first += rows;
    }
    blocks
}

/// A tensor's numbers in row-major order.
fn numbers<T: WithDType>(tensor: &Tensor) -> candle_core::Result<Vec<T>> {
    tensor.detach().flatten_all()?.to_vec1()
}

/// Evaluates every block and keeps what its gradient needs.
fn record<T: Real + WithDType>(
    kernel: &SharedKernel<T>,
    memory: &Memory,
    blocks: Vec<Vec<Run>>,
    (state, given): (&Tensor, &[T]),
) -> Result<(Tensor, Vec<Recorded<T>>)> {
    let (width, given_width) = (kernel.state_len(), kernel.given_len());
    let states: Vec<T> = numbers(state)?;
    let mut value = vec![T::ZERO; states.len()];
    let longest = longest(blocks.iter().flatten());
    memory.keep_only::<BlockOf<T>>(&[longest]);
    let recorded = split(&mut value, &blocks, width)
        .into_par_iter()
        .zip(blocks)
        .map(|(mut value, runs)| {
            let mut block: Box<BlockOf<T>> = memory.take(longest).unwrap_or_else(|| {
                let block = Block {
                    workspace: kernel.workspace(longest),
                    tapes: Vec::new(),
                };
                Box::new(BlockOf(block, std::marker::PhantomData))
            });
            let Block { workspace, tapes } = &mut block.0;
            tapes.resize_with(tapes.len().max(runs.len()), || kernel.tape(longest));
            for (run, tape) in runs.iter().zip(tapes) {
                let (of_run, rest) = value.split_at_mut(run.rows.len() * width);
                value = rest;
                let input = Stack {
                    value: &states[run.rows.start * width..run.rows.end * width],
                    tangents: &[],
                };
                let output = StackMut {
                    value: of_run,
                    tangents: &mut [],
                };
                let given = &given[run.rows.start * given_width..run.rows.end * given_width];
                kernel.record(run.time, input, given, output, tape, workspace)?;
            }
            Ok(Recorded { runs, block })
        })
        .collect::<Vec<std::result::Result<_, NnError>>>();
    let recorded = recorded.into_iter().collect::<std::result::Result<_, _>>()?;
    let value = Tensor::from_vec(value, state.shape(), &Device::Cpu)?;
    Ok((value, recorded))
}

fn longest<'a>(runs: impl Iterator<Item = &'a Run>) -> usize {
    runs.map(|run| run.rows.len()).max().unwrap_or(0)
}

impl<T: Real + WithDType> Pullback for KernelPullback<T> {
    fn pull_back(self: Box<Self>, cotangent: &Tensor) -> Result<Gradients> {
        let Self {
            kernel,
            memory,
            blocks,
            shape,
            given: was_given,
        } = *self;
        let (width, given_width) = (kernel.state_len(), kernel.given_len());
        let cotangents: Vec<T> = cotangent.flatten_all()?.to_vec1()?;
        let rows = cotangents.len() / width.max(1);
        let (mut state, mut given) = (vec![T::ZERO; cotangents.len()], vec![T::ZERO; rows * given_width]);
        let numbers = was_given.as_deref().unwrap_or_default();
        let runs: Vec<Vec<Run>> = blocks.iter().map(|block| block.runs.clone()).collect();
        let longest = longest(runs.iter().flatten());
        let gradients = split(&mut state, &runs, width)
            .into_par_iter()
            .zip(split(&mut given, &runs, given_width))
            .zip(blocks)
            .map(|((mut state, mut given), Recorded { runs, mut block })| {
                let mut gradient = vec![T::ZERO; kernel.parameter_count()];
                let Block { workspace, tapes } = &mut block.0;
                for (run, tape) in runs.iter().zip(tapes) {
                    let (state_of_run, state_rest) = state.split_at_mut(run.rows.len() * width);
                    let (given_of_run, given_rest) = given.split_at_mut(run.rows.len() * given_width);
                    (state, given) = (state_rest, given_rest);
                    let cotangent = Stack {
                        value: &cotangents[run.rows.start * width..run.rows.end * width],
                        tangents: &[],
                    };
                    let gradient = GradientMut {
                        state: state_of_run,
                        parameters: &mut gradient,
                        given: given_of_run,
                    };
                    let numbers = &numbers[run.rows.start * given_width..run.rows.end * given_width];
                    kernel.reverse(tape, numbers, cotangent, gradient, workspace)?;
                }
                memory.put(longest, block);
                Ok(gradient)
            })
            .collect::<Vec<std::result::Result<_, NnError>>>();
        // In the order of the blocks, whichever thread came to its end first.
        let mut sum = vec![T::ZERO; kernel.parameter_count()];
        for gradient in gradients {
            sum.iter_mut().zip(gradient?).for_each(|(sum, part)| *sum += part);
        }
        let count = sum.len();
        let given = match was_given {
            None => None,
            Some(_) => Some(Tensor::from_vec(given, (rows, given_width), &Device::Cpu)?),
        };
        Ok(Gradients {
            state: Tensor::from_vec(state, shape, &Device::Cpu)?,
            parameters: Tensor::from_vec(sum, count, &Device::Cpu)?,
            given,
            span: (0.0, 0.0),
            evaluations: 0.0,
        })
    }
}

/// The rows of every block, which follow one another, of numbers `[B, width]`.
fn split<'a, T>(mut numbers: &'a mut [T], blocks: &[Vec<Run>], width: usize) -> Vec<&'a mut [T]> {
    let mut parts = Vec::with_capacity(blocks.len());
    for block in blocks {
        let rows: usize = block.iter().map(|run| run.rows.len()).sum();
        let (part, rest) = numbers.split_at_mut(rows * width);
        parts.push(part);
        numbers = rest;
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_of_tensors_cover_the_batch() -> Result<()> {
        let lengths = |shape: &[usize]| -> Result<Vec<usize>> {
            let blocks = tensor_blocks(&Tensor::zeros(shape, candle_core::DType::F32, &Device::Cpu)?)?;
            let rows: Vec<usize> = blocks.iter().flat_map(Clone::clone).collect();
            assert_eq!(rows, (0..shape[0]).collect::<Vec<_>>());
            Ok(blocks.iter().map(ExactSizeIterator::len).collect())
        };
        assert_eq!(lengths(&[0, 3])?, [0]);
        assert_eq!(lengths(&[600, 3])?, [200; 3]);
        assert_eq!(lengths(&[64, 1, 28, 28])?, [16; 4]);
        assert_eq!(lengths(&[33, 3, 32, 32])?, [11; 3]);
        Ok(())
    }

    #[test]
    fn runs_are_of_one_time_and_blocks_of_few_rows() {
        let lengths = |times: &[f64]| -> Vec<Vec<usize>> {
            let blocks = blocks(times);
            let runs: Vec<&Run> = blocks.iter().flatten().collect();
            let rows: Vec<usize> = runs.iter().flat_map(|run| run.rows.clone()).collect();
            assert_eq!(rows, (0..times.len()).collect::<Vec<_>>());
            for run in runs {
                // Bits, because a time that is not a number equals nothing, itself included.
                let same = |time: &f64| time.to_bits() == run.time.to_bits();
                assert!(times[run.rows.clone()].iter().all(same));
            }
            blocks
                .iter()
                .map(|block| block.iter().map(|run| run.rows.len()).collect())
                .collect()
        };
        assert_eq!(lengths(&[]), Vec::<Vec<usize>>::new());
        assert_eq!(lengths(&[0.1, 0.1, 0.2, 0.1]), [[2, 1, 1]]);
        assert_eq!(lengths(&[0.5; 600]), [[256], [256], [88]]);
        let times: Vec<f64> = (0..300).map(|row| f64::from(row / 100)).collect();
        assert_eq!(lengths(&times), [vec![100, 100], vec![100]]);
        assert_eq!(lengths(&[f64::NAN; 3]).len(), 1);
    }
}
