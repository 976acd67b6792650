//! Invertible maps with known log-determinants.

use crate::error::{FlowError, Result};
use crate::integral::PathIntegrals;
use crate::pass::Pass;
use crate::path::ContinuousPath;
use candle_core::{Shape, Tensor};
use ffjord_nn::Parameter;
use std::sync::Arc;

/// What a bijection makes of a batch.
///
/// ```
/// use candle_core::{Device, Tensor};
/// use ffjord_flow::Transformed;
/// // z = 2 x, then z + 1: log-determinants add up.
/// let (one, ln2) = (Tensor::new(&[[1.0]], &Device::Cpu)?, 2.0_f64.ln());
/// let doubled = Transformed::new((&one * 2.0)?, Tensor::new(&[ln2], &Device::Cpu)?);
/// let shifted = Transformed::new((&doubled.value + 1.0)?, Tensor::new(&[0.0], &Device::Cpu)?);
/// let both = doubled.then(shifted)?;
/// assert_eq!(both.value.to_vec2::<f64>()?, [[3.0]]);
/// assert_eq!(both.log_det()?.to_vec1::<f64>()?, [ln2]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct Transformed {
    /// The images of the rows, `[B, …]`.
    pub value: Tensor,
    /// `ln |det ∂value/∂input|` of each row, `[B]`, in nats; none in a sampling pass, which asks for none.
    pub log_det: Option<Tensor>,
    /// Integrals along the path of each row, `[B]` each; empty for maps without a path.
    pub integrals: PathIntegrals,
}

impl Transformed {
    /// Images `[B, …]` with their log-determinants `[B]`, of a map without a path.
    #[must_use]
    pub fn new(value: Tensor, log_det: Tensor) -> Self {
        Self {
            value,
            log_det: Some(log_det),
            integrals: PathIntegrals::none(),
        }
    }

    /// What one operation makes of rows of this shape: images, and in the last of its columns `[B, D + 1]` log-determinants.
    pub(crate) fn of_columns(both: &Tensor, shape: &Shape) -> Result<Self> {
        let columns = both.dim(1)? - 1;
        Ok(Self::new(
            both.narrow(1, 0, columns)?.contiguous()?.reshape(shape)?,
            both.narrow(1, columns, 1)?.squeeze(1)?.contiguous()?,
        ))
    }

    /// The log-determinants `[B]`.
    ///
    /// # Errors
    /// [`FlowError::NoLogDet`] where the pass asked for none.
    pub fn log_det(&self) -> Result<&Tensor> {
        self.log_det.as_ref().ok_or(FlowError::NoLogDet)
    }

    /// What `next` makes of these images, as one map.
    ///
    /// # Errors
    /// When the batch sizes differ.
    pub fn then(mut self, next: Self) -> Result<Self> {
        self.integrals.merge(next.integrals)?;
        let log_det = match (self.log_det, next.log_det) {
            (Some(first), Some(second)) => Some((first + second)?),
            _ => None,
        };
        Ok(Self {
            value: next.value,
            log_det,
            integrals: self.integrals,
        })
    }

    /// Fails unless the images are rows of `shape` and the log-determinants one number for each of `rows` rows.
    pub(crate) fn checked(self, map: &dyn Bijection, rows: usize, shape: &[usize]) -> Result<Self> {
        let fits = self.value.rank() == shape.len() + 1 && &self.value.dims()[1..] == shape;
        let image = fits && self.value.dim(0)? == rows;
        let log_det = self.log_det.as_ref().is_none_or(|log_det| log_det.dims() == [rows]);
        if image && log_det {
            return Ok(self);
        }
        let (what, given, expected) = if image {
            let given = self.log_det.as_ref().map(|log_det| log_det.shape().clone());
            ("log-determinant", given, format!("[{rows}], one number for each row,"))
        } else {
            (
                "image",
                Some(self.value.shape().clone()),
                format!("[{rows}] rows of {shape:?}"),
            )
        };
        Err(FlowError::Image {
            map: format!("{map:?}").chars().take(60).collect(),
            what,
            given: given.unwrap_or_else(|| ().into()),
            expected,
        })
    }
}

/// An invertible map of batches, with the log-determinant of its Jacobian.
///
/// `forward` leads from data to noise and `inverse` back, so that
/// `ln p(x) = ln p_base(forward(x)) + log_det` (FFJORD, eq. 3 integrated).
///
/// ```
/// use candle_core::{Device, Tensor};
/// use ffjord_flow::{Bijection, Flow, Pass, Result, Transformed};
/// use ffjord_nn::Parameter;
/// use rand::SeedableRng;
///
/// /// z = x / 2 on rows of three numbers.
/// #[derive(Debug)]
/// struct Halve;
///
/// impl Bijection for Halve {
///     fn forward(&self, x: &Tensor, _pass: &mut Pass<'_>) -> Result<Transformed> {
///         let log_det = Tensor::full(-3.0 * 2.0f64.ln(), x.dim(0)?, x.device())?;
///         Ok(Transformed::new((x / 2.0)?, log_det))
///     }
///     fn inverse(&self, z: &Tensor, _pass: &mut Pass<'_>) -> Result<Transformed> {
///         let log_det = Tensor::full(3.0 * 2.0f64.ln(), z.dim(0)?, z.device())?;
///         Ok(Transformed::new((z * 2.0)?, log_det))
///     }
///     fn parameters(&self) -> Vec<Parameter> { Vec::new() }
///     fn input_shape(&self) -> &[usize] { &[3] }
/// }
///
/// let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(0);
/// let x = Tensor::new(&[[2.0, 0.0, -2.0]], &Device::Cpu)?;
/// let z = Halve.forward(&x, &mut Pass::evaluation(&mut rng))?;
/// assert_eq!(z.value.to_vec2::<f64>()?, [[1.0, 0.0, -1.0]]);
/// # Ok::<(), ffjord_flow::FlowError>(())
/// ```
pub trait Bijection: std::fmt::Debug + Send + Sync {
    /// From data `[B, …]` to noise.
    ///
    /// # Errors
    /// When the input does not fit, or a solve fails.
    fn forward(&self, x: &Tensor, pass: &mut Pass<'_>) -> Result<Transformed>;

    /// From noise `[B, …]` to data; the log-determinant is that of this direction.
    ///
    /// # Errors
    /// When the input does not fit, or a solve fails.
    fn inverse(&self, z: &Tensor, pass: &mut Pass<'_>) -> Result<Transformed>;

    /// The trainable parameters in a fixed order, under their checkpoint names.
    fn parameters(&self) -> Vec<Parameter>;

    /// What is saved with the parameters but not trained, such as running statistics.
    fn buffers(&self) -> Vec<Parameter> {
        Vec::new()
    }

    /// The shape of one row of data: `[D]` or `[C, H, W]`.
    fn input_shape(&self) -> &[usize];

    /// The shape of one row of noise; that of the data unless the map says otherwise.
    fn output_shape(&self) -> &[usize] {
        self.input_shape()
    }

    /// The columns of the condition that the map depends on; none unless it says so.
    fn given_len(&self) -> usize {
        0
    }

    /// Whether a row's image in a training pass depends on the other rows of its batch, as with batch normalisation: then a
    /// batch must not be taken in parts.
    fn uses_batch_statistics(&self) -> bool {
        false
    }

    /// Whether a training pass may set parameters, as activation normalisation does with its first batch: a trainer that
    /// leaves out a failed pass must put them back then.
    fn sets_parameters_in_training(&self) -> bool {
        false
    }

    /// The end times of the continuous parts, in order, for reports.
    fn end_times(&self) -> Vec<f64> {
        Vec::new()
    }

    /// Whether the map stays as it is in training: it has no parameters, and no pass moves its buffers.
    fn is_fixed(&self) -> bool {
        false
    }

    /// The continuous parts, for objectives that need their velocities and no solve; none unless the map is made of nothing
    /// else but for [fixed](Self::is_fixed) maps before the first of them.
    fn path(&self) -> Option<ContinuousPath<'_>> {
        None
    }
}

/// A map that follows a vector field, for objectives that need the field and no solve.
///
/// A velocity that is constant, as the path of a map:
///
/// ```
/// use candle_core::{Device, Tensor};
/// use ffjord_flow::{ContinuousPath, Pass, Result, Velocity};
/// use rand::SeedableRng;
///
/// struct Drift;
///
/// impl Velocity for Drift {
///     fn velocity(&self, _times: &[f64], z: &Tensor, _given: Option<&Tensor>) -> Result<Tensor> {
///         Ok(z.ones_like()?)
///     }
///     fn end_time(&self) -> Result<f64> { Ok(2.0) }
/// }
///
/// let path = ContinuousPath::of(&Drift);
/// let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(0);
/// let x = Tensor::new(&[[0.5, -1.0]], &Device::Cpu)?;
/// // No fixed maps come first, so that the path begins at the data.
/// assert_eq!(path.start(&x, &mut Pass::evaluation(&mut rng))?.to_vec2::<f64>()?, [[0.5, -1.0]]);
/// let velocity = path.velocities()[0];
/// let end = (&x + (velocity.velocity(&[0.0], &x, None)? * velocity.end_time()?)?)?;
/// assert_eq!(end.to_vec2::<f64>()?, [[2.5, 1.0]]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub trait Velocity {
    /// `f(z, t)` `[B, …]` for `z` `[B, …]` with a time for each row, `times` `[B]`, and a condition `[B, C]` if the
    /// field has one; differentiable in the field's parameters, in `z` and in the condition. Its gradient can be taken once.
    ///
    /// The kernels evaluate rows next to each other together where their times are the same: a time for every hundred
    /// rows costs a fraction of one for every row.
    ///
    /// # Errors
    /// [`FlowError::InputShape`] unless there are as many times as rows; when an input does not fit.
    fn velocity(&self, times: &[f64], z: &Tensor, given: Option<&Tensor>) -> Result<Tensor>;

    /// The time T at which the path ends.
    ///
    /// # Errors
    /// When the device cannot be read.
    fn end_time(&self) -> Result<f64>;
}

impl<B: Bijection + ?Sized> Bijection for Arc<B> {
    fn forward(&self, x: &Tensor, pass: &mut Pass<'_>) -> Result<Transformed> {
        self.as_ref().forward(x, pass)
    }

    fn inverse(&self, z: &Tensor, pass: &mut Pass<'_>) -> Result<Transformed> {
        self.as_ref().inverse(z, pass)
    }

    fn parameters(&self) -> Vec<Parameter> {
        self.as_ref().parameters()
    }

    fn buffers(&self) -> Vec<Parameter> {
        self.as_ref().buffers()
    }

    fn input_shape(&self) -> &[usize] {
        self.as_ref().input_shape()
    }

    fn output_shape(&self) -> &[usize] {
        self.as_ref().output_shape()
    }

    fn given_len(&self) -> usize {
        self.as_ref().given_len()
    }

    fn uses_batch_statistics(&self) -> bool {
        self.as_ref().uses_batch_statistics()
    }

    fn sets_parameters_in_training(&self) -> bool {
        self.as_ref().sets_parameters_in_training()
    }

    fn end_times(&self) -> Vec<f64> {
        self.as_ref().end_times()
    }

    fn is_fixed(&self) -> bool {
        self.as_ref().is_fixed()
    }

    fn path(&self) -> Option<ContinuousPath<'_>> {
        self.as_ref().path()
    }
}

/// Fails unless `input` is a batch of rows of this shape.
pub(crate) fn check_rows(what: &'static str, input: &Tensor, row_shape: &[usize]) -> Result<()> {
    if input.rank() == row_shape.len() + 1 && &input.dims()[1..] == row_shape {
        return Ok(());
    }
    Err(FlowError::InputShape {
        what,
        given: input.shape().clone(),
        expected: format!("a batch of rows of shape {row_shape:?} each"),
    })
}
