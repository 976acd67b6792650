//! The two floating-point types.

/// `f32` or `f64`.
///
/// ```
/// use ffjord_trace::{DenseOperator, Exact, Scalar, TraceError, TraceEstimator};
/// use ffjord_trace::rand::{SeedableRng, rngs::StdRng};
///
/// fn trace_of<T: Scalar>(entries: [f64; 4]) -> Result<f64, TraceError> {
///     let operator = DenseOperator::new(2, entries.map(T::from_f64).to_vec())?;
///     Ok(Exact.draw_and_estimate(&operator, &mut StdRng::seed_from_u64(0))?.trace[0])
/// }
/// let entries = [0.1, 0.0, 0.0, 0.2];
/// assert!((trace_of::<f64>(entries)? - 0.3).abs() < 1e-15);
/// assert!((trace_of::<f32>(entries)? - 0.3).abs() < <f32 as Scalar>::EPSILON);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub trait Scalar: Copy + Default + PartialEq + std::fmt::Debug + Send + Sync + 'static + sealed::Sealed {
    /// The distance from 1 to the next larger number.
    const EPSILON: f64;
    /// The value rounded to this type.
    fn from_f64(value: f64) -> Self;
    /// The value in double precision.
    fn to_f64(self) -> f64;
}

mod sealed {
    pub trait Sealed {}
    impl Sealed for f32 {}
    impl Sealed for f64 {}
}

impl Scalar for f32 {
    const EPSILON: f64 = f32::EPSILON as f64;

    #[allow(clippy::cast_possible_truncation)]
    fn from_f64(value: f64) -> Self {
        value as Self
    }

    fn to_f64(self) -> f64 {
        f64::from(self)
    }
}

impl Scalar for f64 {
    const EPSILON: f64 = Self::EPSILON;

    fn from_f64(value: f64) -> Self {
        value
    }

    fn to_f64(self) -> f64 {
        self
    }
}
