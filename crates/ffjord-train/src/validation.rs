//! The likelihood of held-out rows.

use crate::batch::Batch;
use crate::error::{Result, TrainError};
use crate::processes::{Reader, Writer};
use crate::streams::{Purpose, Streams};
use candle_core::DType;
use ffjord_flow::{Density, Pass};

/// The rows that are evaluated at a time unless another number is given.
const ROWS_AT_A_TIME: usize = 1000;

/// The mean negative log-likelihood of held-out rows.
///
/// ```
/// use candle_core::{DType, Device, Tensor};
/// use ffjord_flow::StandardNormal;
/// use ffjord_train::{HeldOut, Streams, Validation, Validator};
/// // One row: its log-density under a standard normal is known, its error is not.
/// let base = StandardNormal::new(&[1], DType::F64, &Device::Cpu)?;
/// let held_out = HeldOut::new(Tensor::new(&[[2.0]], &Device::Cpu)?)?;
/// let Validation { nll, standard_error, test_nll } = held_out.validate(&base, &Streams::new(0))?;
/// assert!((nll - (2.0 + 0.5 * (2.0 * std::f64::consts::PI).ln())).abs() < 1e-12);
/// assert!(standard_error.is_nan() && test_nll.is_none());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Validation {
    /// In nats.
    pub nll: f64,
    /// Its standard error over rows, in nats; NaN for a single row.
    pub standard_error: f64,
    /// The same of test rows, in nats, where a run watches them: it is reported and decides nothing.
    pub test_nll: Option<f64>,
}

impl Validation {
    /// As a message to other processes.
    pub(crate) fn to_bytes(self) -> Vec<u8> {
        let mut message = Writer::default();
        message.float(self.nll).float(self.standard_error);
        if let Some(nll) = self.test_nll {
            message.float(nll);
        }
        message.finish()
    }

    /// The inverse of [`to_bytes`](Self::to_bytes).
    pub(crate) fn from_bytes(message: &[u8]) -> Option<Self> {
        let mut message = Reader::new(message);
        Some(Self {
            nll: message.float()?,
            standard_error: message.float()?,
            test_nll: message.float(),
        })
    }
}

/// How good a model is: what decides about early stopping and the best weights.
///
/// A function `Fn(&M) -> Result<Validation, TrainError>` is one; [`TrainError::own`] carries errors of its own.
///
/// ```
/// use ffjord_flow::{Cnf, Flow};
/// use ffjord_train::{Streams, TrainError, Validation, Validator};
///
/// // The end time as a measure: the shorter the better.
/// let shortest = |flow: &Flow<Cnf>| {
///     let nll = flow.bijection().end_time().map_err(TrainError::from)?;
///     Ok::<_, TrainError>(Validation { nll, standard_error: 0.0, test_nll: None })
/// };
/// let flow = Flow::over_normal(Cnf::builder(2).end_time(0.25).build()?)?;
/// assert_eq!(shortest.validate(&flow, &Streams::new(0))?.nll, 0.25);
/// # Ok::<(), TrainError>(())
/// ```
pub trait Validator<M: ?Sized> {
    /// The held-out likelihood of the model with its present weights; random numbers come from
    /// [`Purpose::Validation`] of `streams`.
    ///
    /// # Errors
    /// When the rows cannot be evaluated; the trainer reports it and treats it as its options say.
    fn validate(&self, model: &M, streams: &Streams) -> Result<Validation>;
}

impl<M: ?Sized, F: Fn(&M) -> Result<Validation>> Validator<M> for F {
    fn validate(&self, model: &M, _streams: &Streams) -> Result<Validation> {
        self(model)
    }
}

/// The validation of a density by held-out rows: their mean negative log-likelihood in evaluation passes, with the same
/// random numbers every time.
///
/// ```
/// use candle_core::{DType, Device, Tensor};
/// use ffjord_flow::StandardNormal;
/// use ffjord_train::{HeldOut, Streams, Validator};
///
/// let base = StandardNormal::new(&[2], DType::F64, &Device::Cpu)?;
/// let rows = Tensor::zeros((5, 2), DType::F64, &Device::Cpu)?;
/// let validation = HeldOut::new(rows)?.validate(&base, &Streams::new(0))?;
/// assert!((validation.nll - (2.0 * std::f64::consts::PI).ln()).abs() < 1e-14);
/// assert!(validation.standard_error < 1e-14);
/// # Ok::<(), ffjord_train::TrainError>(())
/// ```
#[derive(Debug, Clone)]
pub struct HeldOut {
    rows: Batch,
    at_a_time: usize,
}

impl HeldOut {
    /// The validation by these rows `[B, …]`, a tensor or a [`Batch`] with conditions.
    ///
    /// # Errors
    /// As [`Batch::rows`].
    pub fn new(rows: impl Into<Batch>) -> Result<Self> {
        let rows = rows.into();
        rows.rows()?;
        Ok(Self {
            rows,
            at_a_time: ROWS_AT_A_TIME,
        })
    }

    /// The same with at most so many rows evaluated at a time; 1000 unless set.
    ///
    /// # Errors
    /// [`TrainError::InvalidSetting`] for none.
    pub fn at_a_time(mut self, rows: usize) -> Result<Self> {
        if rows == 0 {
            return Err(TrainError::invalid(
                "the rows of a validation at a time",
                rows,
                "a whole number from 1",
            ));
        }
        self.at_a_time = rows;
        Ok(self)
    }
}

impl<M: Density + ?Sized> Validator<M> for HeldOut {
    fn validate(&self, model: &M, streams: &Streams) -> Result<Validation> {
        let mut values = Vec::with_capacity(self.rows.rows()?);
        for (index, part) in self.rows.parts(self.at_a_time)?.iter().enumerate() {
            // Part 0 of the stream is left to whoever draws the held-out rows.
            let mut rng = streams.rng(Purpose::Validation, index as u64, 1);
            let mut pass = Pass::evaluation(&mut rng);
            part.give(&mut pass);
            let log_prob = model.log_prob(&part.x, &mut pass)?;
            values.extend(log_prob.to_dtype(DType::F64)?.to_vec1::<f64>()?);
        }
        let rows = values.len() as f64;
        let mean = values.iter().sum::<f64>() / rows;
        let squares: f64 = values.iter().map(|value| (value - mean) * (value - mean)).sum();
        Ok(Validation {
            nll: -mean,
            standard_error: (squares / (rows - 1.0) / rows).sqrt(),
            test_nll: None,
        })
    }
}
