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
///
/// ```
/// use ffjord_kernels::Real;
/// use ffjord_kernels::elementwise::Function;
/// use ffjord_kernels::simd::SimdLevel;
///
/// /// The largest difference from the standard library's tanh between −1 and 1.
/// fn worst<T: Real>() -> f64 {
///     let points: Vec<T> = (-10..=10).map(|i| T::from_f64(f64::from(i) / 10.0)).collect();
///     let mut y = points.clone();
///     Function::Tanh.apply(SimdLevel::detect(), &mut y);
///     y.iter().zip(&points).map(|(y, x)| (*y - x.libm_tanh()).abs().to_f64()).fold(0.0, f64::max)
/// }
/// assert!(worst::<f32>() < 1e-6 && worst::<f64>() < 1e-15);
/// ```
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
    /// Coefficients of (eʳ − 1 − r) / r² for |r| ≤ ½ ln 2, by Chebyshev's approximation, the highest power first.
    const EXP_COEFFICIENTS: &'static [Self];
    /// Coefficients of (atanh(√z) / √z − 1) / z for 0 ≤ z ≤ 1/9, likewise.
    const ATANH_COEFFICIENTS: &'static [Self];
    /// Below this eˣ is rounded to zero, and so is x eˣ by far; eˣ / `EXP_SCALE` is a normal number down to there.
    const EXP_UNDERFLOW: Self;
    /// Below this eˣ − 1 has long been −1, while eˣ is still a normal number.
    const EXP_M1_SATURATED: Self;
    /// Half of exp(−2 x) − 1 at the x where tanh x = ½.
    const TANH_HALF: Self;
    /// 1.5 · 2^(mantissa bits) plus the exponent's bias: adding it rounds a small number to an integer n and leaves the
    /// biased exponent of 2ⁿ in the low bits.
    const ROUNDER: Self;
    /// As [`Real::ROUNDER`], for the exponent of 2ⁿ / [`Real::EXP_SCALE`].
    const SCALED_ROUNDER: Self;
    /// A power of two by which an exponential is too large until its last step, so that it is a normal number before.
    const EXP_SCALE: Self;
    /// Its product with a number parts the number's digits into two halves.
    const SPLITTER: Self;
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
    /// 2ⁿ for `self` = n + [`Real::ROUNDER`].
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
    ($float:ident, mantissa_bits: $mantissa:literal, {$($constants:item)*}) => {
        impl Real for $float {
            const ZERO: Self = 0.0;
            const ONE: Self = 1.0;
            const TWO: Self = 2.0;
            const HALF: Self = 0.5;
            const TANH_HALF: Self = -1.0 / 3.0;
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
                $float::from_bits(self.to_bits() << $mantissa)
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

real!(f32, mantissa_bits: 23, {
    const EXP_COEFFICIENTS: &'static [Self] = &[
        1.392_621_3e-3, 8.363_203e-3, 4.166_655_6e-2, 0.166_665_77, 0.5,
    ];
    const ATANH_COEFFICIENTS: &'static [Self] =
        &[0.116_121_65, 0.108_532_879, 0.142_961_79, 0.199_998_53, 0.333_333_34];
    const EXP_UNDERFLOW: Self = -131.0;
    const SPLITTER: Self = 4097.0;
    const EXP_M1_SATURATED: Self = -87.0;
    const ROUNDER: Self = 12_582_912.0 + 127.0;
    const SCALED_ROUNDER: Self = Self::ROUNDER + 64.0;
    const EXP_SCALE: Self = 1.0 / 18_446_744_073_709_551_616.0;
    const LN_2_HIGH: Self = 0.693_359_4;
    const LN_2_LOW: Self = -2.121_944_4e-4;
});

real!(f64, mantissa_bits: 52, {
    const EXP_COEFFICIENTS: &'static [Self] = &[
        2.091_471_734_171_637_8e-9, 2.510_525_953_844_849_4e-8, 2.755_727_357_010_214e-7,
        2.755_725_529_796_964_3e-6, 2.480_158_732_605_322_8e-5, 1.984_126_987_490_126e-4,
        1.388_888_888_888_373e-3, 8.333_333_333_326_112e-3, 4.166_666_666_666_667e-2,
        0.166_666_666_666_666_7, 0.5,
    ];
    const ATANH_COEFFICIENTS: &'static [Self] = &[
        7.815_288_900_461_426e-2, 3.746_071_897_775_383e-2, 5.422_589_197_440_007e-2,
        5.867_139_530_651_597_4e-2, 6.667_589_315_724_629e-2, 7.692_271_982_430_275e-2,
        9.090_909_948_981_357e-2, 0.111_111_110_991_183_86, 0.142_857_142_858_000_5,
        0.199_999_999_999_997_62, 0.333_333_333_333_333_3,
    ];
    const EXP_UNDERFLOW: Self = -1060.0;
    const SPLITTER: Self = 134_217_729.0;
    const EXP_M1_SATURATED: Self = -708.0;
    const ROUNDER: Self = 6_755_399_441_055_744.0 + 1023.0;
    const SCALED_ROUNDER: Self = Self::ROUNDER + 512.0;
    const EXP_SCALE: Self = f64::from_bits((1023 - 512) << 52);
    const LN_2_HIGH: Self = 6.931_471_803_691_238e-1;
    const LN_2_LOW: Self = 1.908_214_929_270_587_7e-10;
});
