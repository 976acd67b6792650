//! How large an error is: tolerances and the norms that measure an error against them.

use crate::error::SetupError;

/// How much error a step may make: component `i` may err by `atol + rtol · max(|y₀ᵢ|, |y₁ᵢ|)`.
///
/// There is no default on purpose: the tolerance decides accuracy and cost, and only the caller knows which is wanted.
///
/// ```
/// use ffjord_ode::Tolerance;
/// let tolerance = Tolerance::new(1e-6, 1e-8)?;
/// assert_eq!((tolerance.rtol(), tolerance.atol()), (1e-6, 1e-8));
/// assert!(Tolerance::new(-1.0, 1e-8).is_err());
/// # Ok::<(), ffjord_ode::SetupError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Tolerance {
    rtol: f64,
    atol: f64,
}

impl Tolerance {
    /// 1e-5 for both parts: the tolerance of the FFJORD paper's experiments.
    pub const FFJORD: Self = Self { rtol: 1e-5, atol: 1e-5 };

    /// A tolerance of relative part `rtol` and absolute part `atol`.
    ///
    /// # Errors
    /// [`SetupError::InvalidTolerance`] if a part is negative or not finite, or both are zero.
    pub fn new(rtol: f64, atol: f64) -> Result<Self, SetupError> {
        let valid = |part: f64| part.is_finite() && part >= 0.0;
        if valid(rtol) && valid(atol) && rtol + atol > 0.0 {
            Ok(Self { rtol, atol })
        } else {
            Err(SetupError::InvalidTolerance { rtol, atol })
        }
    }

    /// Little more than what rounding leaves of states of this precision.
    pub(crate) fn finest(epsilon: f64) -> Self {
        /// In units of the precision.
        const ROUNDING: f64 = 1e3;
        let part = ROUNDING * epsilon;
        Self { rtol: part, atol: part }
    }

    /// The sizes of components as a tolerance, `|yᵢ| + atol / rtol`: a component smaller than `atol / rtol` is measured
    /// by `atol` alone. An increment of √ε times that stays below `atol` where the state is zero.
    pub(crate) fn sizes(&self, epsilon: f64) -> Self {
        Self {
            rtol: 1.0,
            atol: self.atol / self.rtol.max(epsilon.sqrt()),
        }
    }

    /// The relative part.
    pub fn rtol(&self) -> f64 {
        self.rtol
    }

    /// The absolute part, in the state's units.
    pub fn atol(&self) -> f64 {
        self.atol
    }
}

/// Sums over the components `rᵢ = errᵢ / (atol + rtol · max(|y₀ᵢ|, |y₁ᵢ|))`, enough for every [`ErrorNorm`].
///
/// A NaN or an infinity anywhere in the error or in y₁ makes `sum_squares` NaN or infinite.
///
/// ```
/// use ffjord_ode::{ErrorNorm, State, Tolerance};
/// // Errors of 3e-7 and 4e-7 where 1e-6 is allowed.
/// let (error, y0, y1) = ([3e-7, 4e-7], [1.0, 1.0], [1.0, 1.0]);
/// let scaled = error.scaled_error(&y0, &y1, &Tolerance::new(0.0, 1e-6)?)?;
/// assert!((scaled.sum_squares - 0.25).abs() < 1e-12 && (scaled.max - 0.4).abs() < 1e-12);
/// let both = scaled.merge(scaled);
/// assert_eq!((both.count, both.max), (4, scaled.max));
/// assert!((ErrorNorm::Rms.ratio(&both) - ErrorNorm::Rms.ratio(&scaled)).abs() < 1e-15);
/// // A coarser estimate as large as the fine one damps it by √1.01.
/// let damped = scaled.damped_by(scaled);
/// assert!((ErrorNorm::Max.ratio(&damped) - 0.4 / 1.01_f64.sqrt()).abs() < 1e-12);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct ScaledError {
    /// Σ rᵢ².
    pub sum_squares: f64,
    /// max |rᵢ|, over the components that are numbers.
    pub max: f64,
    /// Number of components.
    pub count: usize,
}

impl ScaledError {
    /// The measure of two parts of a state taken together.
    #[must_use]
    pub fn merge(self, other: Self) -> Self {
        Self {
            sum_squares: self.sum_squares + other.sum_squares,
            max: self.max.max(other.max),
            count: self.count + other.count,
        }
    }

    /// The measure of an estimate that a coarser one damps: `r² / √(r² + 0.01 r'²)` in place of r, in every norm
    /// (Hairer, Nørsett, Wanner I, eq. II.10.17).
    #[must_use]
    pub fn damped_by(self, coarse: Self) -> Self {
        /// Weight of the coarser estimate.
        const DAMPING: f64 = 0.01;
        let damped = |square: f64, coarse: f64| {
            if square == 0.0 {
                0.0
            } else {
                square * (square / (square + DAMPING * coarse))
            }
        };
        Self {
            sum_squares: damped(self.sum_squares, coarse.sum_squares),
            max: damped(self.max * self.max, coarse.max * coarse.max).sqrt(),
            count: self.count,
        }
    }
}

/// The norm that turns a [`ScaledError`] into the error ratio; a step is good enough when the ratio is at most 1.
///
/// ```
/// use ffjord_ode::{ErrorNorm, ScaledError};
/// let error = ScaledError { sum_squares: 0.18, max: 0.4, count: 2 };
/// assert!((ErrorNorm::Rms.ratio(&error) - 0.3).abs() < 1e-15);
/// assert_eq!(ErrorNorm::Max.ratio(&error), 0.4);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum ErrorNorm {
    /// Root mean square over all components (Hairer, Nørsett, Wanner I, eq. II.4.11).
    #[default]
    Rms,
    /// The largest component.
    Max,
}

impl ErrorNorm {
    /// The error ratio; NaN if any component is NaN, 0 for an empty state.
    pub fn ratio(self, error: &ScaledError) -> f64 {
        match self {
            _ if error.sum_squares.is_nan() => f64::NAN,
            _ if error.count == 0 => 0.0,
            Self::Rms => (error.sum_squares / error.count as f64).sqrt(),
            Self::Max => error.max,
        }
    }
}

/// What an adaptive controller measures errors with.
///
/// ```
/// use ffjord_ode::{Adaptive, ErrorMeasure, ErrorNorm, Tolerance};
/// let tolerance = Tolerance::new(1e-6, 1e-8)?;
/// let measure = Adaptive::new(tolerance).norm(ErrorNorm::Max).measure;
/// assert_eq!(measure, ErrorMeasure { tolerance, norm: ErrorNorm::Max });
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ErrorMeasure {
    /// Error allowed per component.
    pub tolerance: Tolerance,
    /// Norm over the components.
    pub norm: ErrorNorm,
}
