//! The functions under test: what the kernels call them, and their exact values.

use super::double_double::DoubleDouble;
use ffjord_kernels::Real;
use ffjord_kernels::elementwise::Function;
use ffjord_kernels::simd::SimdLevel;

/// Below this exponent e^(−|x|) counts as one of two terms only where it is the leading one.
const TAIL: i32 = -200;

/// What is measured: a function or its derivative.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Measured {
    Tanh,
    Sigmoid,
    SigmoidSlope,
    Softplus,
    SoftplusSlope,
    Elu,
    EluSlope,
    Swish,
}

impl Measured {
    pub const ALL: [Self; 8] = [
        Self::Tanh,
        Self::Sigmoid,
        Self::SigmoidSlope,
        Self::Softplus,
        Self::SoftplusSlope,
        Self::Elu,
        Self::EluSlope,
        Self::Swish,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Self::Tanh => "tanh",
            Self::Sigmoid => "sigmoid",
            Self::SigmoidSlope => "sigmoid′",
            Self::Softplus => "softplus",
            Self::SoftplusSlope => "softplus′",
            Self::Elu => "elu",
            Self::EluSlope => "elu′",
            Self::Swish => "swish, β = 1",
        }
    }

    /// The kernel's values at `x`.
    pub fn by_kernel<T: Real>(self, level: SimdLevel, x: &[T]) -> Vec<T> {
        let function = match self {
            Self::Tanh => Function::Tanh,
            Self::Sigmoid | Self::SigmoidSlope => Function::Sigmoid,
            Self::Softplus | Self::SoftplusSlope => Function::Softplus,
            Self::Elu | Self::EluSlope => Function::Elu,
            Self::Swish => Function::Swish { beta: T::ONE },
        };
        let mut values = x.to_vec();
        match self {
            Self::SigmoidSlope | Self::SoftplusSlope | Self::EluSlope => {
                let mut slopes = x.to_vec();
                function.apply_with_slope(level, &mut values, &mut slopes);
                slopes
            }
            _ => {
                function.apply(level, &mut values);
                values
            }
        }
    }

    /// The value in double precision, within a few units of its last place: exact enough for single precision.
    pub fn in_double(self, x: f64) -> f64 {
        let u = (-x.abs()).exp();
        let sigmoid = if x >= 0.0 { 1.0 } else { u } / (1.0 + u);
        match self {
            Self::Tanh => x.tanh(),
            Self::Sigmoid | Self::SoftplusSlope => sigmoid,
            Self::SigmoidSlope => u / ((1.0 + u) * (1.0 + u)),
            Self::Softplus => x.max(0.0) + u.ln_1p(),
            Self::Elu if x > 0.0 => x,
            Self::Elu => x.exp_m1(),
            Self::EluSlope if x > 0.0 => 1.0,
            Self::EluSlope => x.exp(),
            Self::Swish => x * sigmoid,
        }
    }

    /// The value at a finite `x` as (m, k), standing for m · 2ᵏ.
    pub fn exact(self, x: f64) -> (DoubleDouble, i32) {
        let one = DoubleDouble::ONE;
        match self {
            Self::Tanh => {
                let e = DoubleDouble::exp_m1_of_nonpositive(-2.0 * x.abs());
                let y = -e / (e + DoubleDouble::from(2.0));
                return (if x < 0.0 { -y } else { y }, 0);
            }
            Self::Elu if x > 0.0 => return (DoubleDouble::from(x), 0),
            Self::Elu => return (DoubleDouble::exp_m1_of_nonpositive(x), 0),
            Self::EluSlope if x > 0.0 => return (one, 0),
            _ => {}
        }
        // Beyond −800 even f64's smallest subnormal number is far above the result.
        let (m, k) = DoubleDouble::exp((-x.abs()).max(-800.0));
        let tail = k < TAIL;
        let u = if tail {
            DoubleDouble::from(0.0)
        } else {
            m.scaled(2f64.powi(k))
        };
        let numerator = if x >= 0.0 { one } else { u };
        match self {
            Self::EluSlope => (m, k),
            Self::SigmoidSlope if tail => (m, k),
            Self::SigmoidSlope => (u / ((one + u) * (one + u)), 0),
            Self::Sigmoid | Self::Softplus | Self::SoftplusSlope if tail && x < 0.0 => (m, k),
            Self::Swish if tail && x < 0.0 => (m * DoubleDouble::from(x.max(-800.0)), k),
            Self::Swish if tail => (DoubleDouble::from(x), 0),
            Self::Softplus => (DoubleDouble::from(x.max(0.0)) + u.ln_1p(), 0),
            Self::Swish => (DoubleDouble::from(x) * (numerator / (one + u)), 0),
            _ => (numerator / (one + u), 0),
        }
    }
}
