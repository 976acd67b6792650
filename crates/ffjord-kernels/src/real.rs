//! The floating-point types the kernels are written for.

use std::fmt::{Debug, Display};
use std::ops::{Add, AddAssign, Div, Mul, MulAssign, Neg, Sub, SubAssign};

use crate::simd::Isa;

mod sealed {
    pub trait Sealed {}
    impl Sealed for f32 {}
    impl Sealed for f64 {}
}

/// `f32` or `f64`: arithmetic, constants and the building blocks of the exponential that differ between the two.
///
/// The trait is sealed: kernels reinterpret bits and call matrix products for exactly these two types.
pub trait Real:
    sealed::Sealed
    + Copy
    + Default
    + Debug
    + Display
    + PartialEq
    + PartialOrd
    + Send
    + Sync
    + Add<Output = Self>
    + Sub<Output = Self>
    + Mul<Output = Self>
    + Div<Output = Self>
    + Neg<Output = Self>
    + AddAssign
    + SubAssign
    + MulAssign
    + 'static
{
    /// 0.
    const ZERO: Self;
    /// 1.
    const ONE: Self;
    /// 2.
    const TWO: Self;
    /// ½.
    const HALF: Self;
    /// Coefficients of (eʳ − 1 − r) / r² for |r| ≤ ½ ln 2, the highest power first.
    const EXP_COEFFICIENTS: &'static [Self];
    /// Coefficients of (atanh(√z) / √z − 1) / z for 0 ≤ z ≤ 1/9, the highest power first.
    const ATANH_COEFFICIENTS: &'static [Self];
    /// Below this eˣ is rounded to zero.
    const EXP_UNDERFLOW: Self;
    /// Below this eˣ − 1 has long been −1, while eˣ is still a normal number.
    const EXP_M1_SATURATED: Self;
    /// exp(−2 x) − 1 at the x where tanh x = ½.
    const TANH_HALF: Self;
    /// 1.5 · 2^(mantissa bits): adding it rounds a small number to an integer and leaves that in the low bits.
    const ROUNDER: Self;
    /// log₂ e.
    const LOG2_E: Self;
    /// ln 2, rounded so that its product with a small integer is exact.
    const LN_2_HIGH: Self;
    /// The rest of ln 2.
    const LN_2_LOW: Self;

    /// The nearest value to `x`.
    fn from_f64(x: f64) -> Self;
    /// The same number in double precision.
    fn to_f64(self) -> f64;
    /// |x|.
    fn abs(self) -> Self;
    /// The magnitude of `self` with the sign of `sign`.
    fn copysign(self, sign: Self) -> Self;
    /// `self · a + b`, fused into one rounding where the instruction set `S` can.
    fn fma<S: Isa>(self, a: Self, b: Self) -> Self;
    /// 2ⁿ where n is the integer in the low bits of `self`, a sum of [`Real::ROUNDER`] and n.
    fn exp2_of_rounded(self) -> Self;

    /// eˣ − 1 by the standard library, correct to an ulp: the reference of the kernels.
    fn libm_exp_m1(self) -> Self;
    /// eˣ by the standard library.
    fn libm_exp(self) -> Self;
    /// ln(1 + x) by the standard library.
    fn libm_ln_1p(self) -> Self;
    /// tanh x by the standard library.
    fn libm_tanh(self) -> Self;
    /// √x.
    fn sqrt(self) -> Self;
}

macro_rules! real {
    ($float:ident, $bits:ident, exponent_bias: $bias:literal, mantissa_bits: $mantissa:literal, {$($constants:item)*}) => {
        impl Real for $float {
            const ZERO: Self = 0.0;
            const ONE: Self = 1.0;
            const TWO: Self = 2.0;
            const HALF: Self = 0.5;
            const TANH_HALF: Self = -2.0 / 3.0;
            const LOG2_E: Self = std::$float::consts::LOG2_E;
            $($constants)*

            #[inline(always)]
            #[allow(clippy::cast_possible_truncation, clippy::cast_lossless)]
            fn from_f64(x: f64) -> Self {
                x as $float
            }
            #[inline(always)]
            #[allow(clippy::cast_lossless, clippy::unnecessary_cast)]
            fn to_f64(self) -> f64 {
                self as f64
            }
            #[inline(always)]
            fn abs(self) -> Self {
                $float::abs(self)
            }
            #[inline(always)]
            fn copysign(self, sign: Self) -> Self {
                $float::copysign(self, sign)
            }
            #[inline(always)]
            fn fma<S: Isa>(self, a: Self, b: Self) -> Self {
                if S::FMA { self.mul_add(a, b) } else { self * a + b }
            }
            #[inline(always)]
            fn exp2_of_rounded(self) -> Self {
                $float::from_bits(self.to_bits().wrapping_add($bias) << $mantissa)
            }
            fn libm_exp_m1(self) -> Self {
                $float::exp_m1(self)
            }
            fn libm_exp(self) -> Self {
                $float::exp(self)
            }
            fn libm_ln_1p(self) -> Self {
                $float::ln_1p(self)
            }
            fn libm_tanh(self) -> Self {
                $float::tanh(self)
            }
            fn sqrt(self) -> Self {
                $float::sqrt(self)
            }
        }
    };
}

real!(f32, u32, exponent_bias: 127, mantissa_bits: 23, {
    const EXP_COEFFICIENTS: &'static [Self] =
        &[1.0 / 5040.0, 1.0 / 720.0, 1.0 / 120.0, 1.0 / 24.0, 1.0 / 6.0, 0.5];
    const ATANH_COEFFICIENTS: &'static [Self] =
        &[1.0 / 15.0, 1.0 / 13.0, 1.0 / 11.0, 1.0 / 9.0, 1.0 / 7.0, 1.0 / 5.0, 1.0 / 3.0];
    const EXP_UNDERFLOW: Self = -105.0;
    const EXP_M1_SATURATED: Self = -87.0;
    const ROUNDER: Self = 12_582_912.0;
    const LN_2_HIGH: Self = 0.693_359_4;
    const LN_2_LOW: Self = -2.121_944_4e-4;
});

real!(f64, u64, exponent_bias: 1023, mantissa_bits: 52, {
    const EXP_COEFFICIENTS: &'static [Self] = &[
        1.0 / 87_178_291_200.0, 1.0 / 6_227_020_800.0, 1.0 / 479_001_600.0, 1.0 / 39_916_800.0, 1.0 / 3_628_800.0,
        1.0 / 362_880.0, 1.0 / 40_320.0, 1.0 / 5_040.0, 1.0 / 720.0, 1.0 / 120.0, 1.0 / 24.0, 1.0 / 6.0, 0.5,
    ];
    const ATANH_COEFFICIENTS: &'static [Self] = &[
        1.0 / 33.0, 1.0 / 31.0, 1.0 / 29.0, 1.0 / 27.0, 1.0 / 25.0, 1.0 / 23.0, 1.0 / 21.0, 1.0 / 19.0, 1.0 / 17.0,
        1.0 / 15.0, 1.0 / 13.0, 1.0 / 11.0, 1.0 / 9.0, 1.0 / 7.0, 1.0 / 5.0, 1.0 / 3.0,
    ];
    const EXP_UNDERFLOW: Self = -746.0;
    const EXP_M1_SATURATED: Self = -708.0;
    const ROUNDER: Self = 6_755_399_441_055_744.0;
    const LN_2_HIGH: Self = 6.931_471_803_691_238e-1;
    const LN_2_LOW: Self = 1.908_214_929_270_587_7e-10;
});
