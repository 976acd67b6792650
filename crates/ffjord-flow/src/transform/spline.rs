//! Monotonic rational-quadratic splines (Durkan, Bekasov, Murray and Papamakarios 2019, *Neural Spline Flows*).

use super::{ColumnTransform, rows};
use crate::error::{FlowError, Result};
use candle_core::Tensor;
use ffjord_nn::ops;

/// The smallest share of the interval that a bin has, and the smallest slope at a knot.
const SMALLEST: f64 = 1e-3;
/// `softplus` of it, plus the smallest slope, is 1: zeros as parameters give the identity.
const UNIT_SLOPE: f64 = 0.539_742_417_236_952_2;

/// An increasing spline of K rational-quadratic pieces on `[−T, T]`, the identity outside.
///
/// Its 3K − 1 parameters an element are widths and heights of the bins (through a softmax) and slopes at the inner knots
/// (through a softplus).
///
/// ```
/// use candle_core::{DType, Device, Tensor};
/// use ffjord_flow::{ColumnTransform, RationalQuadraticSpline};
///
/// let spline = RationalQuadraticSpline::new(8, 3.0)?;
/// let x = Tensor::new(&[[-4.0, 0.3]], &Device::Cpu)?;
/// let zeros = Tensor::zeros((1, 2, spline.parameter_count()), DType::F64, &Device::Cpu)?;
/// let (y, _) = spline.forward(&x, &zeros)?;
/// assert!((y - x)?.abs()?.sum_all()?.to_scalar::<f64>()? < 1e-12);
/// # Ok::<(), ffjord_flow::FlowError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RationalQuadraticSpline {
    bins: usize,
    tail_bound: f64,
}

/// Pieces of splines: where they begin, and how large they are, on both axes; and the slopes at both ends.
///
/// `[N, K]` each for all pieces of N elements, `[N, 1]` each for the one that an element lies in.
struct Pieces {
    left: Tensor,
    width: Tensor,
    bottom: Tensor,
    height: Tensor,
    slope_left: Tensor,
    slope_right: Tensor,
}

impl RationalQuadraticSpline {
    /// A spline with `bins` pieces on `[−tail_bound, tail_bound]`.
    ///
    /// # Errors
    /// [`FlowError::InvalidSetting`] unless there are 2 to 500 bins and a positive, finite bound.
    pub fn new(bins: usize, tail_bound: f64) -> Result<Self> {
        let invalid = |setting, given: String, accepted| Err(FlowError::invalid(setting, given, accepted));
        if !(2..=500).contains(&bins) {
            return invalid("bins of a spline", bins.to_string(), "a whole number from 2 to 500");
        }
        if !(tail_bound.is_finite() && tail_bound > 0.0) {
            return invalid("tail bound of a spline", tail_bound.to_string(), "positive and finite");
        }
        Ok(Self { bins, tail_bound })
    }

    /// Where the bins `[N, K]` begin, and their sizes, for the network's numbers `[N, K]`.
    fn bins(&self, raw: &Tensor) -> Result<(Tensor, Tensor)> {
        let k = self.bins;
        let share = ((rows::softmax(raw)? * (1.0 - SMALLEST * k as f64))? + SMALLEST)?;
        // Sums of what stands before each bin: a product with a strictly triangular matrix of ones.
        let before: Vec<f32> = (0..k * k).map(|i| f32::from(u8::from(i / k < i % k))).collect();
        let before = Tensor::from_vec(before, (k, k), raw.device())?.to_dtype(raw.dtype())?;
        let length = 2.0 * self.tail_bound;
        let start = ((share.matmul(&before)? * length)? - self.tail_bound)?;
        Ok((start, (share * length)?))
    }

    fn pieces(&self, parameters: &Tensor) -> Result<Pieces> {
        let k = self.bins;
        let flat = parameters.flatten_to(1)?;
        let (left, width) = self.bins(&flat.narrow(1, 0, k)?.contiguous()?)?;
        let (bottom, height) = self.bins(&flat.narrow(1, k, k)?.contiguous()?)?;
        let raw = (flat.narrow(1, 2 * k, k - 1)?.contiguous()? + UNIT_SLOPE)?;
        let inner = (ops::softplus(&raw)? + SMALLEST)?;
        let end = Tensor::ones((flat.dim(0)?, 1), flat.dtype(), flat.device())?;
        Ok(Pieces {
            left,
            width,
            bottom,
            height,
            slope_left: Tensor::cat(&[&end, &inner], 1)?,
            slope_right: Tensor::cat(&[&inner, &end], 1)?,
        })
    }

    /// All pieces of N splines with parameters `[N, 3 K − 1]` in one table `[N, 6, K]`: left, width, bottom, height, and the
    /// slopes at the left and at the right.
    pub(crate) fn table(&self, parameters: &Tensor) -> Result<Tensor> {
        let pieces = self.pieces(&parameters.unsqueeze(1)?)?;
        let numbers = [
            &pieces.left,
            &pieces.width,
            &pieces.bottom,
            &pieces.height,
            &pieces.slope_left,
            &pieces.slope_right,
        ];
        Ok(Tensor::stack(&numbers, 1)?)
    }

    /// Applies a piece's function to the elements on `[−T, T]` and the identity to the others.
    fn apply(
        &self,
        input: &Tensor,
        parameters: &Tensor,
        starts: impl Fn(&Pieces) -> &Tensor,
        function: impl Fn(&Tensor, &Pieces) -> Result<(Tensor, Tensor)>,
    ) -> Result<(Tensor, Tensor)> {
        let column = input.contiguous()?.flatten_all()?.unsqueeze(1)?;
        let inside = column.detach().abs()?.le(self.tail_bound)?;
        // Elements outside take part at 0, so that no gradient of theirs overflows.
        let within = inside.where_cond(&column, &column.zeros_like()?)?;
        let pieces = self.pieces(parameters)?;
        let piece = pieces.at(&within, starts(&pieces))?;
        let (value, log_slope) = function(&within, &piece)?;
        let value = inside.where_cond(&value, &column)?;
        let log_slope = inside.where_cond(&log_slope, &column.zeros_like()?)?;
        Ok((value.reshape(input.shape())?, log_slope.reshape(input.shape())?))
    }
}

impl Pieces {
    /// The piece of each element of a column `[N, 1]`: the last that begins at or before it.
    fn at(&self, column: &Tensor, starts: &Tensor) -> Result<Self> {
        let k = starts.dim(1)?;
        let reached = column
            .detach()
            .broadcast_ge(&starts.detach())?
            .to_dtype(column.dtype())?;
        // The first bin takes everything, whatever rounding does at the interval's border.
        let first = Tensor::ones((column.dim(0)?, 1), column.dtype(), column.device())?;
        let reached = Tensor::cat(&[&first, &reached.narrow(1, 1, k - 1)?], 1)?;
        let next = reached.narrow(1, 1, k - 1)?.pad_with_zeros(1, 0, 1)?;
        let chosen = (reached - next)?;
        let choose = |values: &Tensor| rows::row_sums(&(values * &chosen)?);
        Ok(Self {
            left: choose(&self.left)?,
            width: choose(&self.width)?,
            bottom: choose(&self.bottom)?,
            height: choose(&self.height)?,
            slope_left: choose(&self.slope_left)?,
            slope_right: choose(&self.slope_right)?,
        })
    }

    /// `s = h / w`, the mean slope.
    fn mean_slope(&self) -> Result<Tensor> {
        Ok((&self.height / &self.width)?)
    }

    /// `d₀ + d₁ − 2 s`.
    fn bend(&self, mean_slope: &Tensor) -> Result<Tensor> {
        Ok(((&self.slope_left + &self.slope_right)? - (mean_slope * 2.0)?)?)
    }

    /// The share of the height at a share ξ of the width, and the logarithm of the slope there (eq. 4 and 5).
    fn rise(&self, share: &Tensor) -> Result<(Tensor, Tensor)> {
        let s = self.mean_slope()?;
        let rest = (1.0 - share)?;
        let both = (share * &rest)?;
        let denominator = (&s + (self.bend(&s)? * &both)?)?;
        let rise = (((&s * share.sqr()?)? + (&self.slope_left * &both)?)? / &denominator)?;
        let numerator =
            ((&self.slope_right * share.sqr()?)? + ((&s * &both)? * 2.0)? + (&self.slope_left * rest.sqr()?)?)?;
        let log_slope = ((s.log()? * 2.0)? + numerator.log()? - (denominator.log()? * 2.0)?)?;
        Ok((rise, log_slope))
    }

    /// The share of the width at which the function reaches `y` (eq. 6 to 8).
    fn share_at(&self, y: &Tensor) -> Result<Tensor> {
        let s = self.mean_slope()?;
        let above = (y - &self.bottom)?;
        let bent = (&above * self.bend(&s)?)?;
        let a = ((&self.height * (&s - &self.slope_left)?)? + &bent)?;
        let b = ((&self.height * &self.slope_left)? - &bent)?;
        let c = (s * above)?.neg()?;
        let discriminant = (b.sqr()? - ((a * &c)? * 4.0)?)?.relu()?;
        Ok(((c * -2.0)? / (b + discriminant.sqrt()?)?)?)
    }
}

impl ColumnTransform for RationalQuadraticSpline {
    fn parameter_count(&self) -> usize {
        3 * self.bins - 1
    }

    fn forward(&self, x: &Tensor, parameters: &Tensor) -> Result<(Tensor, Tensor)> {
        self.apply(
            x,
            parameters,
            |pieces| &pieces.left,
            |x, piece| {
                let share = ((x - &piece.left)? / &piece.width)?;
                let (rise, log_slope) = piece.rise(&share)?;
                Ok((((rise * &piece.height)? + &piece.bottom)?, log_slope))
            },
        )
    }

    fn inverse(&self, y: &Tensor, parameters: &Tensor) -> Result<(Tensor, Tensor)> {
        self.apply(
            y,
            parameters,
            |pieces| &pieces.bottom,
            |y, piece| {
                let share = piece.share_at(y)?;
                let (_, log_slope) = piece.rise(&share)?;
                Ok((((share * &piece.width)? + &piece.left)?, log_slope.neg()?))
            },
        )
    }
}
