//! Values and tangents together: forward-mode differentiation on tensors.

use crate::error::{NnError, Result};
use candle_core::Tensor;

/// A batch of values `[B, …]` with `K` tangents `[K·B, …]` (tangent-major), or with none.
///
/// A network written over `Dual` yields its value, its Jacobian-vector products and, since every operation is an
/// ordinary tensor operation, the reverse mode of both by one backward pass.
#[derive(Debug, Clone)]
pub struct Dual {
    value: Tensor,
    tangents: Option<Tensor>,
}

impl Dual {
    /// Values without tangents.
    #[must_use]
    pub fn constant(value: Tensor) -> Self {
        Self { value, tangents: None }
    }

    /// Values `[B, …]` with tangents `[K, B, …]`.
    ///
    /// # Errors
    /// [`NnError::InputShape`] when the tangents' shape is not `[K, B, …]`.
    pub fn new(value: Tensor, tangents: &Tensor) -> Result<Self> {
        if tangents.rank() != value.rank() + 1 || &tangents.dims()[1..] != value.dims() {
            return Err(NnError::InputShape {
                what: "tangent stack",
                given: tangents.shape().clone(),
                expected: format!("[K, …] with the values' shape {:?} after the first axis", value.dims()),
            });
        }
        let tangents = tangents.flatten(0, 1)?;
        Ok(Self {
            value,
            tangents: Some(tangents),
        })
    }

    /// The values `[B, …]`.
    #[must_use]
    pub fn value(&self) -> &Tensor {
        &self.value
    }

    /// The tangents `[K·B, …]`, if there are any.
    pub(crate) fn tangents(&self) -> Option<&Tensor> {
        self.tangents.as_ref()
    }

    /// Applies a function that is linear up to a constant: `affine` to the values, `linear` to the tangents.
    ///
    /// # Errors
    /// Those of the two functions.
    pub fn map_affine(
        &self,
        affine: impl FnOnce(&Tensor) -> Result<Tensor>,
        linear: impl FnOnce(&Tensor) -> Result<Tensor>,
    ) -> Result<Self> {
        Ok(Self {
            value: affine(&self.value)?,
            tangents: self.tangents.as_ref().map(linear).transpose()?,
        })
    }

    /// Applies the same linear function to values and tangents.
    ///
    /// # Errors
    /// Those of the function.
    pub fn map_linear(&self, linear: impl Fn(&Tensor) -> Result<Tensor>) -> Result<Self> {
        self.map_affine(&linear, &linear)
    }

    /// Applies an element-wise function, given the tensors `φ(x)` and `φ'(x)`.
    ///
    /// `derivative` is only called when there are tangents.
    ///
    /// # Errors
    /// Those of `derivative` and of the products.
    pub fn chain(&self, value: Tensor, derivative: impl FnOnce() -> Result<Tensor>) -> Result<Self> {
        let tangents = match &self.tangents {
            None => None,
            Some(tangents) => {
                let slope = derivative()?;
                let count = tangents.dim(0)? / slope.dim(0)?.max(1);
                Some(if count == 1 {
                    (tangents * &slope)?
                } else {
                    let mut stacked = vec![count];
                    stacked.extend_from_slice(slope.dims());
                    tangents
                        .reshape(stacked)?
                        .broadcast_mul(&slope.unsqueeze(0)?)?
                        .flatten(0, 1)?
                })
            }
        };
        Ok(Self { value, tangents })
    }

    /// Multiplies by factors that broadcast over the values and do not depend on the state.
    pub(crate) fn scale(&self, factors: &Tensor) -> Result<Self> {
        self.chain(self.value.broadcast_mul(factors)?, || {
            Ok(factors.broadcast_as(self.value.shape())?.contiguous()?)
        })
    }

    /// Adds what broadcasts over the values and does not depend on the state.
    pub(crate) fn shift(&self, addend: &Tensor) -> Result<Self> {
        self.map_affine(
            |value| Ok(value.broadcast_add(addend)?),
            |tangents| Ok(tangents.clone()),
        )
    }

    /// Appends `count` columns of zeros to `[B, D]`.
    pub(crate) fn pad_columns(self, count: usize) -> Result<Self> {
        if count == 0 {
            return Ok(self);
        }
        let pad = |x: &Tensor| Ok(x.pad_with_zeros(1, 0, count)?);
        self.map_affine(pad, pad)
    }

    /// Puts zeros in place of the last `count` columns of `[B, D]`.
    pub(crate) fn clear_columns(&self, count: usize) -> Result<Self> {
        if count == 0 {
            return Ok(self.clone());
        }
        let clear = |x: &Tensor| Ok(x.narrow(1, 0, x.dim(1)? - count)?.pad_with_zeros(1, 0, count)?);
        self.map_affine(clear, clear)
    }

    /// The sum of two duals of the same shape and tangent count.
    ///
    /// # Errors
    /// When shapes differ or only one side has tangents.
    pub fn add(&self, other: &Self) -> Result<Self> {
        self.combine(other, Tensor::add)
    }

    /// The difference of two duals of the same shape and tangent count.
    ///
    /// # Errors
    /// When shapes differ or only one side has tangents.
    pub fn sub(&self, other: &Self) -> Result<Self> {
        self.combine(other, Tensor::sub)
    }

    fn combine(
        &self,
        other: &Self,
        operation: impl Fn(&Tensor, &Tensor) -> candle_core::Result<Tensor>,
    ) -> Result<Self> {
        let tangents = match (&self.tangents, &other.tangents) {
            (Some(a), Some(b)) => Some(operation(a, b)?),
            (None, None) => None,
            _ => {
                return Err(NnError::InvalidArchitecture {
                    reason: "a dual with tangents cannot be combined with one without".to_string(),
                });
            }
        };
        Ok(Self {
            value: operation(&self.value, &other.value)?,
            tangents,
        })
    }

    /// The values `[B, …]` and the tangents `[K, B, …]`.
    ///
    /// # Errors
    /// Never for duals that were made by this type's own operations.
    pub fn into_parts(self) -> Result<(Tensor, Option<Tensor>)> {
        let tangents = match self.tangents {
            None => None,
            Some(tangents) => {
                let rows = self.value.dim(0)?;
                let mut shape = vec![tangents.dim(0)? / rows.max(1)];
                shape.extend_from_slice(self.value.dims());
                Some(tangents.reshape(shape)?)
            }
        };
        Ok((self.value, tangents))
    }
}
