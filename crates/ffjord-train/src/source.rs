//! Where training batches come from.
//!
//! A batch is a function of the iteration and the run's seed alone, so that a resumed run sees what an uninterrupted
//! one does.

use crate::error::Result;
use crate::streams::{Purpose, Streams};
use candle_core::{DType, Device, Tensor, WithDType};
use ffjord_data::{Batches, Element, LastBatch, Matrix, permutation};
use rand_chacha::ChaCha8Rng;
use std::sync::{Mutex, PoisonError};

/// A source of training batches.
pub trait BatchSource {
    /// The batch `[B, …]` of an iteration, counted from 0.
    ///
    /// # Errors
    /// When the data cannot be read or put on the device.
    fn batch(&self, iteration: u64, streams: &Streams) -> Result<Tensor>;
}

/// Puts a matrix `[rows, columns]` on the CPU as a tensor of the given type.
///
/// # Errors
/// When the tensor cannot be made.
pub fn to_tensor<T: Element + WithDType>(matrix: &Matrix<T>, dtype: DType) -> Result<Tensor> {
    let shape = (matrix.rows(), matrix.columns());
    Ok(Tensor::from_slice(matrix.as_slice(), shape, &Device::Cpu)?.to_dtype(dtype)?)
}

/// Fresh samples for every batch, drawn by a function.
pub struct FreshSamples<F> {
    draw: F,
    rows: usize,
    dtype: DType,
}

impl<F: Fn(usize, &mut ChaCha8Rng) -> Matrix<f32>> FreshSamples<F> {
    /// Batches of `rows` samples, each drawn by `draw(rows, generator)`.
    pub fn new(rows: usize, dtype: DType, draw: F) -> Self {
        Self { draw, rows, dtype }
    }
}

impl<F: Fn(usize, &mut ChaCha8Rng) -> Matrix<f32>> BatchSource for FreshSamples<F> {
    fn batch(&self, iteration: u64, streams: &Streams) -> Result<Tensor> {
        to_tensor(
            &(self.draw)(self.rows, &mut streams.rng(Purpose::Data, iteration, 0)),
            self.dtype,
        )
    }
}

/// Rows of a table in an order that is drawn anew for every epoch.
#[derive(Debug)]
pub struct ShuffledRows {
    table: Matrix<f32>,
    batches: Batches,
    dtype: DType,
    /// The order of the epoch that was asked for last: a cache, not a state.
    order: Mutex<Option<(u64, Vec<u32>)>>,
}

impl ShuffledRows {
    /// Batches of `rows` rows of `table`; the rows left over at the end of an epoch are not used in it.
    ///
    /// # Errors
    /// When the table has fewer rows than a batch.
    pub fn new(table: Matrix<f32>, rows: usize, dtype: DType) -> Result<Self> {
        let batches = Batches::new(table.rows(), rows, LastBatch::Drop)?;
        Ok(Self {
            table,
            batches,
            dtype,
            order: Mutex::new(None),
        })
    }
}

impl BatchSource for ShuffledRows {
    fn batch(&self, iteration: u64, streams: &Streams) -> Result<Tensor> {
        let (epoch, index) = self.batches.position(iteration);
        let mut order = self.order.lock().unwrap_or_else(PoisonError::into_inner);
        let rows = match order.take() {
            Some((cached, rows)) if cached == epoch => rows,
            _ => permutation(self.table.rows(), &mut streams.rng(Purpose::Shuffle, epoch, 0))?,
        };
        let batch = self.table.select(&rows[self.batches.range(index)]);
        *order = Some((epoch, rows));
        to_tensor(&batch?, self.dtype)
    }
}
