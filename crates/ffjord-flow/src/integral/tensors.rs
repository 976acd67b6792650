//! Integrands and their slopes on tensors, for the generic path.

use super::PathIntegral;
use candle_core::{D, Result, Tensor};

/// One evaluation of a batch of R rows of dimension D.
#[derive(Clone, Copy)]
pub(crate) struct BatchEvaluation<'a> {
    /// f, `[R, D]`.
    pub(crate) value: &'a Tensor,
    /// The probes ε, `[K, R, D]`.
    pub(crate) probes: &'a Tensor,
    /// The products with them, `[K, R, D]`.
    pub(crate) products: &'a Tensor,
    /// The weight of each probe.
    pub(crate) weight: f64,
}

/// What an integrand's slope belongs to.
pub(crate) enum BatchCotangent {
    /// The value, `[R, D]`.
    Value(Tensor),
    /// The products, `[K, R, D]`.
    Products(Tensor),
    /// The value `[R, D]` and the products `[K, R, D]`.
    ValueAndProducts(Tensor, Tensor),
    /// The derivative along the path, `[R, D]`.
    Along(Tensor),
}

impl BatchEvaluation<'_> {
    /// The integrand of every row, `[R, 1]`; `along` `[R, D]` is the derivative along the path, if it needs one.
    pub(crate) fn integrand(&self, integral: PathIntegral, along: Option<&Tensor>) -> Result<Tensor> {
        let along = || required(along);
        match integral {
            PathIntegral::Kinetic => squares(self.value),
            PathIntegral::L1 => self.value.abs()?.sum_keepdim(D::Minus1),
            PathIntegral::L2 => squares(self.value)?.sqrt(),
            PathIntegral::Jacobian => (self.products.sqr()?.sum(D::Minus1)?.sum(0)? * self.weight)?.unsqueeze(1),
            PathIntegral::Frobenius | PathIntegral::Diagonal | PathIntegral::OffDiagonal => {
                squares(&self.measured(integral)?)?.sum(0)?.sqrt()
            }
            PathIntegral::EnergyGradient => self.energy_gradient()?.sqr()?.sum(0)?.sqrt(),
            PathIntegral::TraceVariance => self.centred_forms()?.sqr()?.sum(0)? * self.variance_scale()?,
            PathIntegral::Directional => squares(along()?)?.sqrt(),
            PathIntegral::Acceleration => squares(along()?),
        }
    }

    /// The integrand's slope times `by` `[R, 1]`.
    pub(crate) fn pull_back(
        &self,
        integral: PathIntegral,
        by: &Tensor,
        along: Option<&Tensor>,
    ) -> Result<BatchCotangent> {
        let norm = || self.integrand(integral, along);
        let along = || required(along);
        Ok(match integral {
            PathIntegral::Kinetic => BatchCotangent::Value(self.value.broadcast_mul(&(by * 2.0)?)?),
            PathIntegral::L1 => BatchCotangent::Value(self.value.sign()?.broadcast_mul(by)?),
            PathIntegral::L2 => BatchCotangent::Value(self.value.broadcast_mul(&per_norm(by, &norm()?)?)?),
            PathIntegral::Jacobian => {
                BatchCotangent::Products(self.products.broadcast_mul(&(by * (2.0 * self.weight))?)?)
            }
            PathIntegral::Frobenius | PathIntegral::Diagonal | PathIntegral::OffDiagonal => {
                BatchCotangent::Products(self.measured(integral)?.broadcast_mul(&per_norm(by, &norm()?)?)?)
            }
            PathIntegral::EnergyGradient => {
                // The slope of every entry of Jᵀf, `[D, R, 1]`.
                let entries = self.energy_gradient()?.broadcast_mul(&per_norm(by, &norm()?)?)?;
                BatchCotangent::ValueAndProducts(
                    self.products.broadcast_mul(&entries)?.sum(0)?,
                    self.value.unsqueeze(0)?.broadcast_mul(&entries)?,
                )
            }
            PathIntegral::TraceVariance => {
                let slopes = (self.centred_forms()?.broadcast_mul(by)? * (2.0 * self.variance_scale()?))?;
                BatchCotangent::Products(self.probes.broadcast_mul(&slopes)?)
            }
            PathIntegral::Directional => BatchCotangent::Along(along()?.broadcast_mul(&per_norm(by, &norm()?)?)?),
            PathIntegral::Acceleration => BatchCotangent::Along(along()?.broadcast_mul(&(by * 2.0)?)?),
        })
    }

    /// The columns of the Jacobian, with zeros for the entries that the integral does not measure.
    fn measured(&self, integral: PathIntegral) -> Result<Tensor> {
        let (columns, _, entries) = self.products.dims3()?;
        let mask = (0..columns).flat_map(|j| (0..entries).map(move |i| f64::from(u8::from(integral.measures(i, j)))));
        let mask = Tensor::from_iter(mask, self.products.device())?.to_dtype(self.products.dtype())?;
        self.products.broadcast_mul(&mask.reshape((columns, 1, entries))?)
    }

    /// The entries of `Jᵀ f`, `[D, R, 1]`; products with unit vectors are columns.
    fn energy_gradient(&self) -> Result<Tensor> {
        self.products
            .broadcast_mul(&self.value.unsqueeze(0)?)?
            .sum_keepdim(D::Minus1)
    }

    /// `εₖᵀ J εₖ` less their mean, `[K, R, 1]`.
    fn centred_forms(&self) -> Result<Tensor> {
        let forms = (self.probes * self.products)?.sum_keepdim(D::Minus1)?;
        forms.broadcast_sub(&forms.mean_keepdim(0)?)
    }

    /// `1/(K(K − 1))`.
    fn variance_scale(&self) -> Result<f64> {
        let count = self.products.dim(0)? as f64;
        Ok((count * (count - 1.0)).recip())
    }
}

fn required(along: Option<&Tensor>) -> Result<&Tensor> {
    along.ok_or_else(|| {
        candle_core::Error::Msg("an integral along the path was evaluated without its derivative".into())
    })
}

/// The sum of squares of every row, `[…, R, 1]`.
fn squares(rows: &Tensor) -> Result<Tensor> {
    rows.sqr()?.sum_keepdim(D::Minus1)
}

/// `by / norm`, 0 for a norm of 0.
fn per_norm(by: &Tensor, norm: &Tensor) -> Result<Tensor> {
    let zero = norm.eq(0.0)?;
    let divided = (by / (norm + zero.to_dtype(norm.dtype())?)?)?;
    zero.where_cond(&by.zeros_like()?, &divided)
}
