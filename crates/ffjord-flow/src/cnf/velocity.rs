//! The vector field itself on a batch, as one node of the autograd graph: what objectives without a solve need.

use super::Cnf;
use super::memory::Pool;
use super::node::SolveNode;
use super::settings::Backend;
use crate::error::{FlowError, Result};
use candle_core::{Device, Tensor, WithDType};
use ffjord_kernels::mlp::{Stack, StackMut};
use ffjord_kernels::{NetworkKernel, NetworkTape, NetworkWorkspace, Real};
use ffjord_nn::{Dual, FusedField, NnError};
use rayon::prelude::*;
use std::ops::Range;
use std::sync::Arc;

/// The rows of a block, whatever the number of threads: a block has a gradient of its own, which a few more rows pay for.
const BLOCK_ROWS: usize = 256;

/// Rows next to each other that have the same time.
#[derive(Debug, Clone, PartialEq)]
struct Run {
    time: f64,
    rows: Range<usize>,
}

/// Workspaces and tapes that are not in use, in both number types, by the rows that they hold.
#[derive(Debug, Default)]
pub(super) struct VelocityMemory {
    single: Pool<Block<f32>>,
    double: Pool<Block<f64>>,
}

/// Memory for the runs of one block.
struct Block<T: Real> {
    workspace: NetworkWorkspace<T>,
    tapes: Vec<NetworkTape<T>>,
}

/// A block that was evaluated, kept for its reverse mode.
struct Recorded<T: Real> {
    runs: Vec<Run>,
    block: Block<T>,
}

/// What an evaluation leaves behind for its gradient.
enum Record {
    F32(NetworkKernel<f32>, Vec<Recorded<f32>>),
    F64(NetworkKernel<f64>, Vec<Recorded<f64>>),
}

impl Cnf {
    /// `f(z, t)` `[B, …]` for `z` `[B, …]` with a time for each row, `times` `[B]`, and a condition `[B, C]` if the
    /// field has one; differentiable in the field's parameters and in `z`, its gradient can be taken once.
    ///
    /// The fused kernels evaluate rows next to each other together where their times are the same: a time for every hundred
    /// rows costs a fraction of one for every row.
    ///
    /// # Errors
    /// [`FlowError::InputShape`] unless there are as many times as rows; when an input does not fit.
    pub fn velocity(&self, times: &[f64], z: &Tensor, condition: Option<&Tensor>) -> Result<Tensor> {
        self.check_input(z)?;
        if times.len() != z.dim(0)? {
            return Err(FlowError::InputShape {
                what: "times",
                given: times.len().into(),
                expected: format!("[{}], one for each row,", z.dim(0)?),
            });
        }
        let state = self.with_condition(z, condition)?;
        let fused = match self.settings.backend {
            Backend::Fused => self.field.fused(false)?,
            Backend::Generic => None,
        };
        let value = match fused {
            Some(fused) => self.fused_velocity(fused, times, &state)?,
            None => {
                let times = Tensor::from_slice(times, (times.len(), 1), &Device::Cpu)?;
                let times = times.to_dtype(self.field.dtype())?.to_device(self.field.device())?;
                self.field.dual(&times, &Dual::constant(state))?.into_parts()?.0
            }
        };
        match self.field.condition_width() {
            0 => Ok(value),
            _ => Ok(value.narrow(1, 0, self.row_shape[0])?.contiguous()?),
        }
    }

    fn fused_velocity(&self, field: FusedField, times: &[f64], state: &Tensor) -> Result<Tensor> {
        let blocks = blocks(times);
        let memory = &self.velocity_memory;
        let (value, record) = match field {
            FusedField::F32(kernel) => {
                let (value, blocks) = record(&kernel, &memory.single, blocks, state)?;
                (value, Record::F32(kernel, blocks))
            }
            FusedField::F64(kernel) => {
                let (value, blocks) = record(&kernel, &memory.double, blocks, state)?;
                (value, Record::F64(kernel, blocks))
            }
        };
        let memory = Arc::clone(memory);
        let node = SolveNode::new(value, move |cotangent| {
            let (state, parameters) = match record {
                Record::F32(kernel, blocks) => pull_back(&kernel, &memory.single, blocks, cotangent)?,
                Record::F64(kernel, blocks) => pull_back(&kernel, &memory.double, blocks, cotangent)?,
            };
            Ok((state, parameters, None))
        });
        // The times are numbers: no gradient reaches the end time.
        let no_time = Tensor::zeros((), state.dtype(), state.device())?;
        Ok(state
            .contiguous()?
            .apply_op3(&self.flat_parameters()?, &no_time, node)?)
    }
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

/// Evaluates every block and keeps what its gradient needs.
fn record<T: Real + WithDType>(
    kernel: &NetworkKernel<T>,
    pool: &Pool<Block<T>>,
    blocks: Vec<Vec<Run>>,
    state: &Tensor,
) -> Result<(Tensor, Vec<Recorded<T>>)> {
    let width = kernel.state_len();
    let states: Vec<T> = state.detach().flatten_all()?.to_vec1()?;
    let mut value = vec![T::ZERO; states.len()];
    let longest = blocks.iter().flatten().map(|run| run.rows.len()).max().unwrap_or(0);
    pool.keep_only(&[longest]);
    let recorded = split(&mut value, &blocks, width)
        .into_par_iter()
        .zip(blocks)
        .map(|(mut value, runs)| {
            let mut block = pool.take(longest).unwrap_or_else(|| Block {
                workspace: kernel.workspace(longest),
                tapes: Vec::new(),
            });
            block
                .tapes
                .resize_with(block.tapes.len().max(runs.len()), || kernel.tape(longest));
            for (run, tape) in runs.iter().zip(&mut block.tapes) {
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
                kernel.record(run.time, input, output, tape, &mut block.workspace)?;
            }
            Ok(Recorded { runs, block })
        })
        .collect::<Vec<std::result::Result<_, NnError>>>();
    let recorded = recorded.into_iter().collect::<std::result::Result<_, _>>()?;
    Ok((Tensor::from_vec(value, state.shape(), &Device::Cpu)?, recorded))
}

/// Gradients with respect to the state, `[B, …]`, and all parameters, `[P]`.
fn pull_back<T: Real + WithDType>(
    kernel: &NetworkKernel<T>,
    pool: &Pool<Block<T>>,
    blocks: Vec<Recorded<T>>,
    cotangent: &Tensor,
) -> candle_core::Result<(Tensor, Tensor)> {
    let width = kernel.state_len();
    let cotangents: Vec<T> = cotangent.flatten_all()?.to_vec1()?;
    let mut state = vec![T::ZERO; cotangents.len()];
    let runs: Vec<Vec<Run>> = blocks.iter().map(|block| block.runs.clone()).collect();
    let longest = runs.iter().flatten().map(|run| run.rows.len()).max().unwrap_or(0);
    let gradients = split(&mut state, &runs, width)
        .into_par_iter()
        .zip(blocks)
        .map(|(mut state, Recorded { runs, mut block })| {
            let mut gradient = vec![T::ZERO; kernel.parameter_count()];
            for (run, tape) in runs.iter().zip(&block.tapes) {
                let (of_run, rest) = state.split_at_mut(run.rows.len() * width);
                state = rest;
                let cotangent = Stack {
                    value: &cotangents[run.rows.start * width..run.rows.end * width],
                    tangents: &[],
                };
                kernel.reverse(tape, cotangent, of_run, &mut gradient, &mut block.workspace)?;
            }
            pool.put(longest, block);
            Ok(gradient)
        })
        .collect::<Vec<std::result::Result<_, NnError>>>();
    // In the order of the blocks, whichever thread came to its end first.
    let mut sum = vec![T::ZERO; kernel.parameter_count()];
    for gradient in gradients {
        let gradient = gradient.map_err(candle_core::Error::wrap)?;
        sum.iter_mut().zip(gradient).for_each(|(sum, part)| *sum += part);
    }
    let count = sum.len();
    Ok((
        Tensor::from_vec(state, cotangent.shape(), &Device::Cpu)?,
        Tensor::from_vec(sum, count, &Device::Cpu)?,
    ))
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
