//! Values and tangents together: forward-mode differentiation on tensors.

use crate::error::{NnError, Result};
use crate::ops::{self, Function};
use candle_core::Tensor;

/// A batch of values `[B, …]` with `K` tangents `[K, B, …]`, or with none.
///
/// A network written over `Dual` yields its value, its Jacobian-vector products and, since every operation is an
/// ordinary tensor operation, the reverse mode of both by one backward pass. Every operation must be applied to the whole
/// dual: what is added to the values as a constant must not be added to the tangents, and a network must not drop them.
/// [`check_field`](crate::check_field) finds fields that break this.
///
/// Values and tangents lie in one tensor, one after another, so that a dense layer is one product and a nonlinearity one
/// pass over both.
///
/// ```
/// use candle_core::{Device, Tensor};
/// use ffjord_nn::{Dual, ops::Function};
///
/// let x = Tensor::new(&[[0.5f64, -1.0]], &Device::Cpu)?;
/// let v = Tensor::new(&[[[1.0f64, 1.0]]], &Device::Cpu)?; // [K, B, D]
/// // x ⊙ tanh x and its derivative along v.
/// let x = Dual::new(&x, &v)?;
/// let (value, products) = x.mul(&x.map(Function::Tanh)?)?.into_parts()?;
/// let (y, dy) = (value.to_vec2::<f64>()?[0][0], products.ok_or("no tangents")?.to_vec3::<f64>()?[0][0][0]);
/// assert!((y - 0.5 * 0.5f64.tanh()).abs() < 1e-12);
/// assert!((dy - (0.5f64.tanh() + 0.5 / 0.5f64.cosh().powi(2))).abs() < 1e-12);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// Operations carry the tangents along by the rules of differentiation:
///
/// ```
/// use candle_core::{Device, Tensor};
/// use ffjord_nn::Dual;
///
/// let (x, v) = (Tensor::new(&[[1.0f64]], &Device::Cpu)?, Tensor::new(&[[[1.0f64]]], &Device::Cpu)?);
/// let (one, x) = (Tensor::new(&[[1.0f64]], &Device::Cpu)?, Dual::new(&x, &v)?);
/// let parts = |dual: Dual| -> Result<(f64, f64), Box<dyn std::error::Error>> {
///     let (value, products) = dual.into_parts()?;
///     Ok((value.sum_all()?.to_scalar()?, products.ok_or("no tangents")?.sum_all()?.to_scalar()?))
/// };
/// // 2 x / (x + 1) and its slope 2 / (x + 1)² at x = 1.
/// assert_eq!(parts(x.times(2.0)?.div(&x.shift(&one)?)?)?, (1.0, 0.5));
/// // x − x² and 1 − 2 x; a column that does not depend on x has no slope.
/// assert_eq!(parts(x.sub(&x.mul(&x)?)?)?, (0.0, -1.0));
/// assert_eq!(parts(x.beside(&one)?.sum_columns()?)?, (2.0, 1.0));
/// // A function of your own, given with its slope.
/// let cube = x.chain(&x.value()?.powf(3.0)?, || Ok((x.value()?.sqr()? * 3.0)?))?;
/// assert_eq!((cube.count(), cube.shape()), (1, vec![1, 1]));
/// assert_eq!(parts(cube)?, (1.0, 3.0));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct Dual {
    /// The values, then each tangent: `[(1 + K) B, …]`.
    stack: Tensor,
    /// B.
    rows: usize,
}

impl Dual {
    /// Values `[B, …]` without tangents: what does not depend on the state.
    ///
    /// ```
    /// use candle_core::{Device, Tensor};
    /// use ffjord_nn::Dual;
    /// let values = Dual::constant(Tensor::new(&[[1.0f64, 2.0]], &Device::Cpu)?)?;
    /// assert_eq!((values.count(), values.shape()), (0, vec![1, 2]));
    /// assert!(values.tangents()?.is_none());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`NnError::InputShape`] for a scalar, which has no batch axis.
    pub fn constant(values: Tensor) -> Result<Self> {
        let rows = match values.dims() {
            [rows, ..] => *rows,
            [] => {
                return Err(NnError::InputShape {
                    what: "batch of values",
                    given: values.shape().clone(),
                    expected: "a batch axis".to_string(),
                });
            }
        };
        Ok(Self { stack: values, rows })
    }

    /// Values `[B, …]` with tangents `[K, B, …]`.
    ///
    /// # Errors
    /// [`NnError::InputShape`] when the tangents' shape is not `[K, B, …]`.
    pub fn new(value: &Tensor, tangents: &Tensor) -> Result<Self> {
        if value.rank() == 0 || tangents.rank() != value.rank() + 1 || &tangents.dims()[1..] != value.dims() {
            return Err(NnError::InputShape {
                what: "tangent stack",
                given: tangents.shape().clone(),
                expected: format!("[K, …] with the values' shape {:?} after the first axis", value.dims()),
            });
        }
        Self::stacked(value, Some(&tangents.flatten(0, 1)?))
    }

    /// Values `[B, …]` with tangents `[K·B, …]`, or none.
    pub(crate) fn stacked(value: &Tensor, tangents: Option<&Tensor>) -> Result<Self> {
        Ok(Self {
            rows: value.dim(0)?,
            stack: match tangents {
                Some(tangents) => Tensor::cat(&[value, tangents], 0)?,
                None => value.clone(),
            },
        })
    }

    /// The values `[B, …]`.
    ///
    /// # Errors
    /// When a tensor operation fails.
    pub fn value(&self) -> Result<Tensor> {
        Ok(match self.count() {
            0 => self.stack.clone(),
            _ => self.stack.narrow(0, 0, self.rows)?,
        })
    }

    /// The tangents `[K·B, …]`, tangent after tangent, if there are any.
    ///
    /// # Errors
    /// When a tensor operation fails.
    pub fn tangents(&self) -> Result<Option<Tensor>> {
        let count = self.count();
        Ok(match count {
            0 => None,
            _ => Some(self.stack.narrow(0, self.rows, count * self.rows)?),
        })
    }

    /// The number K of tangents.
    #[must_use]
    pub fn count(&self) -> usize {
        (self.stack.dims()[0] / self.rows.max(1)).saturating_sub(1)
    }

    /// The shape of the values, `[B, …]`.
    #[must_use]
    pub fn shape(&self) -> Vec<usize> {
        let mut shape = self.stack.dims().to_vec();
        shape[0] = self.rows;
        shape
    }

    /// The values `[B, …]` and the tangents `[K, B, …]`.
    ///
    /// # Errors
    /// When a tensor operation fails.
    pub fn into_parts(self) -> Result<(Tensor, Option<Tensor>)> {
        let tangents = match self.tangents()? {
            None => None,
            Some(tangents) => {
                let mut shape = vec![self.count()];
                shape.extend(self.shape());
                Some(tangents.reshape(shape)?)
            }
        };
        Ok((self.value()?, tangents))
    }

    /// Applies a function that is linear up to a constant: `affine` to the values, `linear` to the tangents `[K·B, …]`.
    ///
    /// # Errors
    /// Those of the two functions.
    pub fn map_affine(
        &self,
        affine: impl FnOnce(&Tensor) -> Result<Tensor>,
        linear: impl FnOnce(&Tensor) -> Result<Tensor>,
    ) -> Result<Self> {
        let tangents = self.tangents()?.as_ref().map(linear).transpose()?;
        Self::stacked(&affine(&self.value()?)?, tangents.as_ref())
    }

    /// Applies the same linear function to the values and to the tangents, each with as many rows as there are.
    ///
    /// # Errors
    /// Those of the function.
    pub fn map_linear(&self, linear: impl Fn(&Tensor) -> Result<Tensor>) -> Result<Self> {
        self.map_affine(&linear, &linear)
    }

    /// Applies a linear function of every row by itself to values and tangents at once: what it is given has their rows
    /// one after another, and what it returns must have as many.
    ///
    /// # Errors
    /// Those of the function, and [`NnError::InputShape`] if it changes the number of rows.
    pub fn map_rows(&self, linear: impl FnOnce(&Tensor) -> Result<Tensor>) -> Result<Self> {
        let stack = linear(&self.stack)?;
        if stack.dims().first() != self.stack.dims().first() {
            return Err(NnError::InputShape {
                what: "result of a function of rows",
                given: stack.shape().clone(),
                expected: format!("{} rows, as many as the function was given,", self.stack.dims()[0]),
            });
        }
        Ok(Self { stack, rows: self.rows })
    }

    /// `x Wᵀ + b` for values `[B, i]`, W `[o, i]` and b `[o]`; weights and bias do not depend on the state.
    ///
    /// ```
    /// use candle_core::{Device, Tensor};
    /// use ffjord_nn::Dual;
    /// let (x, v) = (Tensor::new(&[[1.0f64, 2.0]], &Device::Cpu)?, Tensor::new(&[[[0.0f64, 1.0]]], &Device::Cpu)?);
    /// let (weight, bias) = (Tensor::new(&[[3.0f64, 4.0]], &Device::Cpu)?, Tensor::new(&[10.0f64], &Device::Cpu)?);
    /// let (value, products) = Dual::new(&x, &v)?.linear(&weight, &bias)?.into_parts()?;
    /// assert_eq!(value.to_vec2::<f64>()?, [[21.0]]);
    /// // The bias moves with no tangent.
    /// assert_eq!(products.ok_or("no tangents")?.to_vec3::<f64>()?, [[[4.0]]]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// When the shapes do not fit together.
    pub fn linear(&self, weight: &Tensor, bias: &Tensor) -> Result<Self> {
        Ok(Self {
            stack: ops::linear(&self.stack, weight, bias, self.rows)?,
            rows: self.rows,
        })
    }

    /// `x_b M_b` for values `[B, i]` and a matrix for each row, M `[B, i, o]`; the matrices do not depend on the state.
    ///
    /// # Errors
    /// When the shapes do not fit together.
    pub fn times_matrices(&self, matrices: &Tensor) -> Result<Self> {
        let (rows, inputs, _) = matrices.dims3()?;
        let stacked = self.count() + 1;
        self.map_rows(|stack| {
            let of_rows = stack.reshape((stacked, rows, inputs))?.transpose(0, 1)?.contiguous()?;
            let product = of_rows.matmul(matrices)?.transpose(0, 1)?.contiguous()?;
            Ok(product.flatten(0, 1)?)
        })
    }

    /// φ(x), element by element.
    ///
    /// # Errors
    /// When a tensor operation fails.
    pub fn map(&self, function: Function<f64>) -> Result<Self> {
        Ok(Self {
            stack: ops::with_tangents(function, &self.stack, self.rows)?,
            rows: self.rows,
        })
    }

    /// `γ h + β` for images `[B, H, W, C]`, where h has mean 0 and variance 1 over each of `groups` groups of channels; γ and β
    /// are `[C]`, or `[B, C]` with numbers for each image, and do not depend on the state.
    ///
    /// # Errors
    /// As [`ops::group_norm`].
    pub fn group_norm(&self, groups: usize, scale: &Tensor, shift: &Tensor) -> Result<Self> {
        Ok(Self {
            stack: ops::group_norm(&self.stack, self.rows, groups, scale, shift)?,
            rows: self.rows,
        })
    }

    /// Applies an element-wise function of your own, given the tensors `φ(x)` and `φ'(x)`.
    ///
    /// `derivative` is only called when there are tangents.
    ///
    /// # Errors
    /// Those of `derivative` and of the products.
    pub fn chain(&self, value: &Tensor, derivative: impl FnOnce() -> Result<Tensor>) -> Result<Self> {
        let tangents = match self.tangents()? {
            None => None,
            Some(tangents) => Some(times_rows(&tangents, &derivative()?)?),
        };
        Self::stacked(value, tangents.as_ref())
    }

    /// Multiplies by factors that broadcast over the values and do not depend on the state.
    ///
    /// # Errors
    /// When the shapes do not fit together.
    pub fn scale(&self, factors: &Tensor) -> Result<Self> {
        let value = self.value()?;
        self.chain(&value.broadcast_mul(factors)?, || {
            Ok(factors.broadcast_as(value.shape())?.contiguous()?)
        })
    }

    /// Adds what broadcasts over the values and does not depend on the state.
    ///
    /// # Errors
    /// When the shapes do not fit together.
    pub fn shift(&self, addend: &Tensor) -> Result<Self> {
        self.map_affine(
            |value| Ok(value.broadcast_add(addend)?),
            |tangents| Ok(tangents.clone()),
        )
    }

    /// Multiplies everything by one number.
    ///
    /// # Errors
    /// When a tensor operation fails.
    pub fn times(&self, factor: f64) -> Result<Self> {
        self.map_rows(|stack| Ok((stack * factor)?))
    }

    /// Appends columns `[B, c]` that do not depend on the state to values `[B, D]`.
    ///
    /// # Errors
    /// When the shapes do not fit together.
    pub fn beside(&self, columns: &Tensor) -> Result<Self> {
        let width = columns.dim(1)?;
        self.map_affine(
            |value| Ok(Tensor::cat(&[value, columns], 1)?),
            |tangents| Ok(tangents.pad_with_zeros(1, 0, width)?),
        )
    }

    /// Appends the channels of another dual `[B, …, c]` to values `[B, …, C]`.
    ///
    /// # Errors
    /// When the shapes do not fit together.
    pub fn beside_channels(&self, other: &Self) -> Result<Self> {
        let count = self.count().max(other.count());
        let with_tangents = |dual: &Self| match dual.count() {
            0 if count > 0 => dual.with_zeros(count),
            _ => Ok(dual.clone()),
        };
        let (a, b) = (with_tangents(self)?, with_tangents(other)?);
        Ok(Self {
            stack: Tensor::cat(&[&a.stack, &b.stack], candle_core::D::Minus1)?,
            rows: self.rows,
        })
    }

    /// The sum of two duals of the same shape.
    ///
    /// # Errors
    /// When shapes differ.
    pub fn add(&self, other: &Self) -> Result<Self> {
        let (a, b) = self.alike(other)?;
        Ok(Self {
            stack: (&a.stack + &b.stack)?,
            rows: self.rows,
        })
    }

    /// The difference of two duals of the same shape.
    ///
    /// # Errors
    /// When shapes differ.
    pub fn sub(&self, other: &Self) -> Result<Self> {
        let (a, b) = self.alike(other)?;
        Ok(Self {
            stack: (&a.stack - &b.stack)?,
            rows: self.rows,
        })
    }

    /// The product of two duals of the same shape, element by element: `(a b)' = a' b + a b'`.
    ///
    /// # Errors
    /// When shapes differ.
    pub fn mul(&self, other: &Self) -> Result<Self> {
        let (a, b) = self.alike(other)?;
        let (x, y) = (a.value()?, b.value()?);
        let tangents = match (a.tangents()?, b.tangents()?) {
            (Some(dx), Some(dy)) => Some((times_rows(&dx, &y)? + times_rows(&dy, &x)?)?),
            _ => None,
        };
        Self::stacked(&(x * y)?, tangents.as_ref())
    }

    /// The quotient of two duals of the same shape, element by element.
    ///
    /// # Errors
    /// When shapes differ.
    pub fn div(&self, other: &Self) -> Result<Self> {
        let value = other.value()?;
        let inverse = value.recip()?;
        self.mul(&other.chain(&inverse, || Ok(inverse.sqr()?.neg()?))?)
    }

    /// The sum over every axis but the first: `[B, 1]`.
    ///
    /// # Errors
    /// When a tensor operation fails.
    pub fn sum_columns(&self) -> Result<Self> {
        self.map_rows(|stack| Ok(stack.flatten_from(1)?.sum_keepdim(1)?))
    }

    /// Both with as many tangents: one without is constant, and its tangents are zeros.
    fn alike(&self, other: &Self) -> Result<(Self, Self)> {
        if self.shape() != other.shape() {
            return Err(NnError::InputShape {
                what: "second operand",
                given: other.shape().into(),
                expected: format!("that of the first, {:?},", self.shape()),
            });
        }
        match (self.count(), other.count()) {
            (a, b) if a == b => Ok((self.clone(), other.clone())),
            (0, count) => Ok((self.with_zeros(count)?, other.clone())),
            (count, 0) => Ok((self.clone(), other.with_zeros(count)?)),
            (a, b) => Err(NnError::InvalidArchitecture {
                reason: format!("a dual with {a} tangents cannot be combined with one that has {b}"),
            }),
        }
    }

    fn with_zeros(&self, count: usize) -> Result<Self> {
        Ok(Self {
            stack: self.stack.pad_with_zeros(0, 0, count * self.rows)?,
            rows: self.rows,
        })
    }
}

/// Tangents `[K·B, …]` times factors `[B, …]`.
fn times_rows(tangents: &Tensor, factors: &Tensor) -> Result<Tensor> {
    let count = tangents.dim(0)? / factors.dim(0)?.max(1);
    if count == 1 {
        return Ok((tangents * factors)?);
    }
    let mut stacked = vec![count];
    stacked.extend_from_slice(factors.dims());
    let product = tangents.reshape(stacked)?.broadcast_mul(&factors.unsqueeze(0)?)?;
    Ok(product.flatten(0, 1)?)
}
