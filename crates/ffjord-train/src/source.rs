//! Where training batches come from.
//!
//! A batch is a function of the iteration and the run's seed alone, so that a resumed run sees what an uninterrupted
//! one does.

use crate::batch::{Batch, IntoBatch, to_tensor};
use crate::error::{Result, TrainError};
use crate::streams::{Purpose, Streams};
use candle_core::{DType, Device, WithDType};
use ffjord_data::{Batches, Element, LastBatch, Matrix, permutation};
use rand_chacha::ChaCha8Rng;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

/// A source of training batches.
///
/// ```
/// use candle_core::{DType, Device};
/// use ffjord_data::ToyDensity;
/// use ffjord_train::{Batch, BatchSource, Purpose, Streams, TrainError, to_tensor};
///
/// /// Moons in even iterations, rings in odd ones.
/// struct Alternating;
///
/// impl BatchSource for Alternating {
///     fn batch(&self, iteration: u64, streams: &Streams) -> Result<Batch, TrainError> {
///         let density = [ToyDensity::Moons, ToyDensity::Rings][(iteration % 2) as usize];
///         let points = density.sample(10, &mut streams.rng(Purpose::Data, iteration, 0));
///         Ok(to_tensor(&points, DType::F32, &Device::Cpu)?.into())
///     }
/// }
///
/// let first = |streams: &Streams| Alternating.batch(3, streams)?.x.flatten_all()?.to_vec1::<f32>().map_err(TrainError::from);
/// assert_eq!(first(&Streams::new(1))?, first(&Streams::new(1))?);
/// # Ok::<(), TrainError>(())
/// ```
pub trait BatchSource {
    /// The batch of an iteration, counted from 0: rows `[B, …]`, with their conditions if there are any.
    ///
    /// # Errors
    /// When the data cannot be read or put on the device.
    fn batch(&self, iteration: u64, streams: &Streams) -> Result<Batch>;
}

impl<S: BatchSource + ?Sized> BatchSource for Arc<S> {
    fn batch(&self, iteration: u64, streams: &Streams) -> Result<Batch> {
        self.as_ref().batch(iteration, streams)
    }
}

/// Fresh samples for every batch, drawn by a function; see [`IntoBatch`] for what it may return.
///
/// ```
/// use candle_core::DType;
/// use ffjord_data::ToyDensity;
/// use ffjord_train::{BatchSource, FreshSamples, Streams};
///
/// let source = FreshSamples::new(64, DType::F32, |rows, rng| ToyDensity::Moons.sample(rows, rng));
/// assert_eq!(source.batch(0, &Streams::new(0))?.x.dims(), [64, 2]);
/// # Ok::<(), ffjord_train::TrainError>(())
/// ```
pub struct FreshSamples<F> {
    draw: F,
    rows: usize,
    dtype: DType,
    device: Device,
}

impl<F: Fn(usize, &mut ChaCha8Rng) -> D, D: IntoBatch> FreshSamples<F> {
    /// Batches of `rows` samples, each drawn by `draw(rows, generator)`, on the CPU.
    pub fn new(rows: usize, dtype: DType, draw: F) -> Self {
        Self {
            draw,
            rows,
            dtype,
            device: Device::Cpu,
        }
    }

    /// The same batches on another device.
    #[must_use]
    pub fn on(mut self, device: &Device) -> Self {
        self.device = device.clone();
        self
    }
}

impl<F> fmt::Debug for FreshSamples<F> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("FreshSamples")
            .field("rows", &self.rows)
            .field("dtype", &self.dtype)
            .field("device", &self.device)
            .finish_non_exhaustive()
    }
}

impl<F: Fn(usize, &mut ChaCha8Rng) -> D, D: IntoBatch> BatchSource for FreshSamples<F> {
    fn batch(&self, iteration: u64, streams: &Streams) -> Result<Batch> {
        let mut rng = streams.rng(Purpose::Data, iteration, 0);
        (self.draw)(self.rows, &mut rng).into_batch(self.dtype, &self.device)
    }
}

/// Rows of a table in an order that is drawn anew for every epoch.
///
/// ```
/// use candle_core::DType;
/// use ffjord_data::Matrix;
/// use ffjord_train::{BatchSource, ShuffledRows, Streams};
///
/// let images = Matrix::new(10, 12, vec![0.5; 120])?;
/// let labels = Matrix::new(10, 1, vec![1.0; 10])?;
/// let source = ShuffledRows::new(images, 4, DType::F64)?.shaped(&[3, 2, 2])?.given(labels)?;
/// let batch = source.batch(0, &Streams::new(0))?;
/// assert_eq!(batch.x.dims(), [4, 3, 2, 2]);
/// assert_eq!(batch.given.ok_or("no labels")?.dims(), [4, 1]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct ShuffledRows<T = f32> {
    table: Matrix<T>,
    given: Option<Matrix<T>>,
    row_shape: Vec<usize>,
    batches: Batches,
    dtype: DType,
    device: Device,
    /// The order of the epoch that was asked for last: a cache, not a state.
    order: Mutex<Option<(u64, Vec<u32>)>>,
}

impl<T: Element + WithDType> ShuffledRows<T> {
    /// Batches of `rows` rows of `table`, on the CPU; the rows left over at the end of an epoch are not used in it.
    ///
    /// # Errors
    /// When the table has fewer rows than a batch.
    pub fn new(table: Matrix<T>, rows: usize, dtype: DType) -> Result<Self> {
        Ok(Self {
            batches: Batches::new(table.rows(), rows, LastBatch::Drop)?,
            given: None,
            row_shape: vec![table.columns()],
            table,
            dtype,
            device: Device::Cpu,
            order: Mutex::new(None),
        })
    }

    /// The same batches with conditions: row i of `conditions` belongs to row i of the table.
    ///
    /// # Errors
    /// [`TrainError::ConditionRows`] if there are more or fewer conditions than rows.
    pub fn given(mut self, conditions: Matrix<T>) -> Result<Self> {
        let (rows, given) = (self.table.rows(), conditions.rows());
        if rows != given {
            return Err(TrainError::ConditionRows { rows, given });
        }
        self.given = Some(conditions);
        Ok(self)
    }

    /// The same batches with rows of another shape and as many values, `[C, H, W]` for example.
    ///
    /// # Errors
    /// [`TrainError::InvalidSetting`] if such a row has more or fewer values than the table has columns.
    pub fn shaped(mut self, row_shape: &[usize]) -> Result<Self> {
        if row_shape.iter().product::<usize>() != self.table.columns() {
            return Err(TrainError::invalid(
                "the shape of a row",
                format!("{row_shape:?} for {} columns", self.table.columns()),
                "a shape with as many values as the table has columns",
            ));
        }
        self.row_shape = row_shape.to_vec();
        Ok(self)
    }

    /// The same batches on another device.
    #[must_use]
    pub fn on(mut self, device: &Device) -> Self {
        self.device = device.clone();
        self
    }

    /// The rows in their own order.
    ///
    /// ```
    /// use candle_core::{DType, Device};
    /// use ffjord_data::Matrix;
    /// use ffjord_train::{BatchSource, ShuffledRows, Streams};
    /// let source = ShuffledRows::new(Matrix::from_rows(&[[1.0_f32], [2.0], [3.0]]), 3, DType::F32)?.on(&Device::Cpu);
    /// let mut rows = source.batch(0, &Streams::new(0))?.x.flatten_all()?.to_vec1::<f32>()?;
    /// rows.sort_by(f32::total_cmp);
    /// assert_eq!(rows, source.table().as_slice());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn table(&self) -> &Matrix<T> {
        &self.table
    }
}

impl<T: Element + WithDType> BatchSource for ShuffledRows<T> {
    fn batch(&self, iteration: u64, streams: &Streams) -> Result<Batch> {
        let (epoch, index) = self.batches.position(iteration);
        let mut order = self.order.lock().unwrap_or_else(PoisonError::into_inner);
        let epoch_rows = match order.take() {
            Some((cached, rows)) if cached == epoch => rows,
            _ => permutation(self.table.rows(), &mut streams.rng(Purpose::Shuffle, epoch, 0))?,
        };
        let rows = &epoch_rows[self.batches.range(index)];
        let tensor = |matrix: &Matrix<T>| to_tensor(&matrix.select(rows)?, self.dtype, &self.device);
        let x = tensor(&self.table);
        let given = self.given.as_ref().map(tensor).transpose();
        *order = Some((epoch, epoch_rows));
        let x = x?;
        let mut shape = vec![x.dim(0)?];
        shape.extend_from_slice(&self.row_shape);
        Batch::new(x.reshape(shape)?, given?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_in_double_precision_arrive_as_they_are() {
        // Neither number is one of single precision.
        let table = Matrix::new(2, 1, vec![1.0 + 1e-12, 2.0 + 1e-12]).unwrap();
        let drawn = table.clone();
        let sources: [Box<dyn BatchSource>; 2] = [
            Box::new(ShuffledRows::new(table.clone(), 2, DType::F64).unwrap()),
            Box::new(FreshSamples::new(2, DType::F64, move |_, _| drawn.clone())),
        ];
        for source in sources {
            let batch = source.batch(0, &Streams::new(1)).unwrap();
            let mut values = batch.x.flatten_all().unwrap().to_vec1::<f64>().unwrap();
            values.sort_by(f64::total_cmp);
            assert_eq!(values, table.as_slice());
        }
    }

    #[test]
    fn conditions_are_shuffled_with_their_rows() {
        let column = |factor: f32| Matrix::new(20, 1, (0..20).map(|row| factor * row as f32).collect()).unwrap();
        let source = ShuffledRows::new(column(1.0), 6, DType::F32).unwrap();
        let source = source.given(column(3.0)).unwrap();
        for iteration in 0..9 {
            let Batch { x, given } = source.batch(iteration, &Streams::new(1)).unwrap();
            let values = |tensor: &candle_core::Tensor| tensor.flatten_all().unwrap().to_vec1::<f32>().unwrap();
            let (x, given) = (values(&x), values(&given.unwrap()));
            assert!(x.iter().zip(&given).all(|(x, given)| 3.0 * x == *given));
        }
        let refused = ShuffledRows::new(column(1.0), 6, DType::F32).unwrap();
        let refused = refused.given(Matrix::new(2, 1, vec![0.0; 2]).unwrap());
        assert!(matches!(refused, Err(TrainError::ConditionRows { rows: 20, given: 2 })));
        let refused = ShuffledRows::new(column(1.0), 6, DType::F32).unwrap().shaped(&[2, 3]);
        assert!(matches!(refused, Err(TrainError::InvalidSetting { .. })));
    }
}
