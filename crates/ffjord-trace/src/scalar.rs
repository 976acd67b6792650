//! The two floating-point types.

/// `f32` or `f64`.
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
