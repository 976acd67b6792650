//! From the unit interval to all numbers.

use crate::bijection::{Bijection, Transformed, check_rows};
use crate::channels;
use crate::error::{FlowError, Result};
use crate::finite::non_finite_rows;
use crate::pass::Pass;
use candle_core::Tensor;
use ffjord_nn::{Parameter, ops};

/// `z = ln s − ln(1 − s)` with `s = α + (1 − 2 α) x` for rows in [0, 1] (Dinh et al. 2017, section 4.1): pixels become
/// numbers without bounds, and the margin α keeps the ends finite.
///
/// The log-determinant is `Σ [ln(1 − 2 α) − ln s − ln(1 − s)]`. `1 − s` is formed as `α + (1 − 2 α)(1 − x)`, and backwards
/// both logarithms as softplus of ∓z, so that neither cancels at the ends.
///
/// ```
/// use candle_core::{Device, Tensor};
/// use ffjord_flow::{Bijection, Logit, Pass};
/// use rand::SeedableRng;
///
/// let logit = Logit::new(&[2], 1e-6)?;
/// let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(0);
/// let x = Tensor::new(&[[0.0, 1.0]], &Device::Cpu)?;
/// let z = logit.forward(&x, &mut Pass::evaluation(&mut rng))?.value.to_vec2::<f64>()?;
/// assert_eq!(z[0][0], -z[0][1]);
/// # Ok::<(), ffjord_flow::FlowError>(())
/// ```
#[derive(Debug, Clone)]
pub struct Logit {
    row_shape: Vec<usize>,
    alpha: f64,
}

impl Logit {
    /// The map of rows of this shape with a margin `alpha`: 1e-6 in the released code, 0.05 is usual for CIFAR-10.
    ///
    /// # Errors
    /// [`FlowError::InvalidSetting`] unless the margin lies in [0, ½), and for a row without elements.
    pub fn new(row_shape: &[usize], alpha: f64) -> Result<Self> {
        channels::count(row_shape)?;
        if !(0.0..0.5).contains(&alpha) {
            return Err(FlowError::invalid(
                "margin of a logit",
                alpha,
                "a number from 0 to below 0.5",
            ));
        }
        Ok(Self {
            row_shape: row_shape.to_vec(),
            alpha,
        })
    }

    /// 1 − 2 α.
    fn slope(&self) -> f64 {
        1.0 - 2.0 * self.alpha
    }

    /// The log-determinant of z with respect to x, `[B]`, from `ln s` and `ln(1 − s)`.
    fn log_det(&self, log_s: &Tensor, log_rest: &Tensor) -> Result<Tensor> {
        let numbers: usize = self.row_shape.iter().product();
        let sum = (log_s + log_rest)?.flatten_from(1)?.sum(1)?;
        Ok((sum.neg()? + numbers as f64 * self.slope().ln())?)
    }
}

impl Bijection for Logit {
    /// Also fails with [`FlowError::OutsideDomain`] for rows with numbers beyond [0, 1] and the margin around it.
    fn forward(&self, x: &Tensor, _pass: &mut Pass<'_>) -> Result<Transformed> {
        check_rows("batch", x, &self.row_shape)?;
        let log_s = x.affine(self.slope(), self.alpha)?.log()?;
        // (1 − x) first: for numbers near 1 that is exact.
        let rest = x.affine(-1.0, 1.0)?;
        let log_rest = rest.affine(self.slope(), self.alpha)?.log()?;
        let value = (&log_s - &log_rest)?;
        let rows = non_finite_rows(&value)?;
        if !rows.is_empty() {
            let reach = self.alpha / self.slope();
            return Err(FlowError::OutsideDomain {
                what: "the logit",
                rows,
                accepted: format!(
                    "numbers between {} and {}; pixels are scaled to [0, 1] and dequantised before it",
                    -reach,
                    1.0 + reach
                ),
            });
        }
        let log_det = self.log_det(&log_s, &log_rest)?;
        Ok(Transformed::new(value, log_det))
    }

    fn inverse(&self, z: &Tensor, _pass: &mut Pass<'_>) -> Result<Transformed> {
        check_rows("batch", z, &self.row_shape)?;
        let (log_s, log_rest) = (ops::softplus(&z.neg()?)?.neg()?, ops::softplus(z)?.neg()?);
        let scale = 1.0 / self.slope();
        let value = ops::sigmoid(z)?.affine(scale, -self.alpha * scale)?;
        let log_det = self.log_det(&log_s, &log_rest)?.neg()?;
        Ok(Transformed::new(value, log_det))
    }

    fn parameters(&self) -> Vec<Parameter> {
        Vec::new()
    }

    fn input_shape(&self) -> &[usize] {
        &self.row_shape
    }

    fn is_fixed(&self) -> bool {
        true
    }
}
