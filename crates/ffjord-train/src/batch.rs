//! A batch: rows, and what they are given.

use crate::error::{Result, TrainError};
use candle_core::{DType, Device, Tensor, WithDType};
use ffjord_data::{Element, Matrix};
use ffjord_flow::Pass;

/// Rows `[B, …]`, and the conditions `[B, …]` that they are given, if any; row i of one belongs to row i of the other.
///
/// ```
/// use candle_core::{DType, Device, Tensor};
/// use ffjord_train::Batch;
///
/// let x = Tensor::zeros((6, 2), DType::F32, &Device::Cpu)?;
/// let labels = Tensor::zeros((6, 1), DType::F32, &Device::Cpu)?;
/// let batch = Batch::new(x.clone(), Some(labels))?;
/// assert_eq!(batch.rows()?, 6);
/// assert!(Batch::from(x).given.is_none());
/// # Ok::<(), ffjord_train::TrainError>(())
/// ```
#[derive(Debug, Clone)]
pub struct Batch {
    /// The rows, `[B, …]`.
    pub x: Tensor,
    /// What p(x | given) is conditioned on, `[B, …]`.
    pub given: Option<Tensor>,
}

impl From<Tensor> for Batch {
    fn from(x: Tensor) -> Self {
        Self { x, given: None }
    }
}

impl Batch {
    /// Rows and their conditions.
    ///
    /// # Errors
    /// As [`rows`](Self::rows).
    pub fn new(x: Tensor, given: Option<Tensor>) -> Result<Self> {
        let batch = Self { x, given };
        batch.rows()?;
        Ok(batch)
    }

    /// The number of rows B, at least 1.
    ///
    /// # Errors
    /// [`TrainError::EmptyBatch`] for none, [`TrainError::ConditionRows`] if there are more or fewer conditions.
    pub fn rows(&self) -> Result<usize> {
        let rows = self.x.dim(0)?;
        if rows == 0 {
            return Err(TrainError::EmptyBatch);
        }
        match self.given.as_ref().map(|given| given.dim(0)).transpose()? {
            Some(given) if given != rows => Err(TrainError::ConditionRows { rows, given }),
            _ => Ok(rows),
        }
    }

    /// The batch cut, in order, into the fewest parts of about equal size that have at most `rows` rows each.
    ///
    /// ```
    /// use candle_core::{DType, Device, Tensor};
    /// use ffjord_train::Batch;
    /// let batch = Batch::from(Tensor::zeros((7, 2), DType::F32, &Device::Cpu)?);
    /// let rows = batch.parts(3)?.iter().map(Batch::rows).collect::<Result<Vec<_>, _>>()?;
    /// assert_eq!((rows.len(), rows.iter().sum::<usize>()), (3, 7));
    /// assert!(rows.iter().all(|rows| *rows <= 3));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// As [`rows`](Self::rows).
    pub fn parts(&self, rows: usize) -> Result<Vec<Self>> {
        let count = self.rows()?.div_ceil(rows.max(1));
        let x = self.x.chunk(count, 0)?;
        let Some(given) = &self.given else {
            return Ok(x.into_iter().map(Self::from).collect());
        };
        let parts = x.into_iter().zip(given.chunk(count, 0)?);
        Ok(parts.map(|(x, given)| Self { x, given: Some(given) }).collect())
    }

    /// One of `count` parts of about equal size, counted from 0.
    ///
    /// # Errors
    /// As [`rows`](Self::rows); [`TrainError::FewerRowsThanShards`] if a part would have no row.
    pub(crate) fn shard(&self, index: usize, count: usize) -> Result<Self> {
        let rows = self.rows()?;
        if rows < count {
            return Err(TrainError::FewerRowsThanShards { rows, shards: count });
        }
        if count == 1 {
            return Ok(self.clone());
        }
        let start = |index: usize| index * rows / count;
        let (first, length) = (start(index), start(index + 1) - start(index));
        let part = |tensor: &Tensor| tensor.narrow(0, first, length);
        Ok(Self {
            x: part(&self.x)?,
            given: self.given.as_ref().map(part).transpose()?,
        })
    }

    /// Gives the conditions to a pass; a batch without conditions leaves the pass as it is.
    ///
    /// ```
    /// use candle_core::{DType, Device, Tensor};
    /// use ffjord_flow::Pass;
    /// use ffjord_train::Batch;
    /// use rand::SeedableRng;
    ///
    /// let x = Tensor::zeros((2, 3), DType::F32, &Device::Cpu)?;
    /// let labels = Tensor::ones((2, 1), DType::F32, &Device::Cpu)?;
    /// let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(0);
    /// let mut pass = Pass::training(&mut rng);
    /// Batch::new(x, Some(labels))?.give(&mut pass);
    /// assert_eq!(pass.condition().map(|condition| condition.dims()), Some(&[2, 1][..]));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn give(&self, pass: &mut Pass<'_>) {
        if self.given.is_some() {
            pass.set_given(self.given.clone());
        }
    }
}

/// What a function that draws batches may return: a matrix, a pair of matrices (rows and their conditions), a tensor, a
/// [`Batch`], or a result with one of them.
///
/// One of your own, and a pair of matrices:
///
/// ```
/// use candle_core::{DType, Device, Tensor};
/// use ffjord_data::Matrix;
/// use ffjord_train::{Batch, IntoBatch, TrainError};
///
/// /// Angles, as points on the circle.
/// struct Angles(Vec<f64>);
///
/// impl IntoBatch for Angles {
///     fn into_batch(self, dtype: DType, device: &Device) -> Result<Batch, TrainError> {
///         let points: Vec<f64> = self.0.iter().flat_map(|angle| [angle.cos(), angle.sin()]).collect();
///         Ok(Tensor::from_vec(points, (self.0.len(), 2), device)?.to_dtype(dtype)?.into())
///     }
/// }
///
/// let batch = Angles(vec![0.0, 1.0]).into_batch(DType::F32, &Device::Cpu)?;
/// assert_eq!(batch.x.to_vec2::<f32>()?[0], [1.0, 0.0]);
/// let pair = (Matrix::from_rows(&[[1.0_f32, 2.0]]), Matrix::from_rows(&[[7.0_f32]]));
/// let given = pair.into_batch(DType::F32, &Device::Cpu)?.given.ok_or("the second matrix")?;
/// assert_eq!(given.to_vec2::<f32>()?, [[7.0]]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub trait IntoBatch {
    /// The batch with numbers of this type on this device.
    ///
    /// # Errors
    /// When a tensor cannot be made, or the rows cannot be drawn.
    fn into_batch(self, dtype: DType, device: &Device) -> Result<Batch>;
}

impl IntoBatch for Batch {
    fn into_batch(self, dtype: DType, device: &Device) -> Result<Batch> {
        let place = |tensor: &Tensor| tensor.to_dtype(dtype)?.to_device(device);
        Batch::new(place(&self.x)?, self.given.as_ref().map(place).transpose()?)
    }
}

impl IntoBatch for Tensor {
    fn into_batch(self, dtype: DType, device: &Device) -> Result<Batch> {
        Batch::from(self).into_batch(dtype, device)
    }
}

impl<T: Element + WithDType> IntoBatch for Matrix<T> {
    fn into_batch(self, dtype: DType, device: &Device) -> Result<Batch> {
        Ok(to_tensor(&self, dtype, device)?.into())
    }
}

impl<T: Element + WithDType, U: Element + WithDType> IntoBatch for (Matrix<T>, Matrix<U>) {
    fn into_batch(self, dtype: DType, device: &Device) -> Result<Batch> {
        let given = to_tensor(&self.1, dtype, device)?;
        Batch::new(to_tensor(&self.0, dtype, device)?, Some(given))
    }
}

impl<D: IntoBatch, E: Into<TrainError>> IntoBatch for std::result::Result<D, E> {
    fn into_batch(self, dtype: DType, device: &Device) -> Result<Batch> {
        self.map_err(Into::into)?.into_batch(dtype, device)
    }
}

/// A matrix `[rows, columns]` as a tensor of the given type on a device.
///
/// ```
/// use candle_core::{DType, Device};
/// use ffjord_data::Matrix;
/// use ffjord_train::to_tensor;
///
/// let rows = Matrix::from_rows(&[[1.0f64, 2.0], [3.0, 4.0], [5.0, 6.0]]);
/// let tensor = to_tensor(&rows, DType::F32, &Device::Cpu)?;
/// assert_eq!((tensor.dims(), tensor.dtype()), (&[3, 2][..], DType::F32));
/// # Ok::<(), ffjord_train::TrainError>(())
/// ```
///
/// # Errors
/// When the tensor cannot be made.
pub fn to_tensor<T: Element + WithDType>(matrix: &Matrix<T>, dtype: DType, device: &Device) -> Result<Tensor> {
    let shape = (matrix.rows(), matrix.columns());
    let tensor = Tensor::from_slice(matrix.as_slice(), shape, &Device::Cpu)?;
    Ok(tensor.to_dtype(dtype)?.to_device(device)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn column(rows: usize) -> Tensor {
        let values = Tensor::arange(0f64, rows as f64, &Device::Cpu).unwrap();
        values.reshape((rows, 1)).unwrap()
    }

    #[test]
    fn conditions_stay_with_their_rows_in_parts() {
        let batch = Batch::new(column(7), Some((column(7) * 2.0).unwrap())).unwrap();
        for rows in [1, 2, 3, 7, 100] {
            let parts = batch.parts(rows).unwrap();
            assert_eq!(parts.len(), 7usize.div_ceil(rows));
            let mut seen = 0;
            for part in parts {
                let x = part.x.flatten_all().unwrap().to_vec1::<f64>().unwrap();
                let given = part.given.unwrap().flatten_all().unwrap().to_vec1::<f64>().unwrap();
                assert!(!x.is_empty() && x.len() <= rows);
                assert!(x.iter().zip(&given).all(|(x, given)| 2.0 * x == *given));
                assert_eq!(x[0], seen as f64);
                seen += x.len();
            }
            assert_eq!(seen, 7);
        }
    }

    #[test]
    fn rows_and_conditions_that_do_not_fit_are_refused() {
        let error = Batch::new(column(3), Some(column(4))).unwrap_err();
        assert!(matches!(error, TrainError::ConditionRows { rows: 3, given: 4 }));
        let empty = Batch::from(Tensor::zeros((0, 2), DType::F32, &Device::Cpu).unwrap());
        assert!(matches!(empty.rows(), Err(TrainError::EmptyBatch)));
        assert!(matches!(empty.parts(2), Err(TrainError::EmptyBatch)));
    }
}
