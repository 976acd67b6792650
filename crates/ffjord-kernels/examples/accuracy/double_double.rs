//! Arithmetic with unevaluated sums of two `f64`, about 104 bits, and the exponential in it.
//!
//! The algorithms are Dekker's and Knuth's error-free transformations (Hida, Li & Bailey 2001, section 3).

use std::ops::{Add, Div, Mul, Neg, Sub};

/// `high + low` with |low| at most half a unit in the last place of `high`.
#[derive(Clone, Copy, Debug)]
pub struct DoubleDouble {
    pub high: f64,
    pub low: f64,
}

const LN_2: DoubleDouble = DoubleDouble {
    high: std::f64::consts::LN_2,
    low: 2.319_046_813_846_299_6e-17,
};

/// The argument of the exponential's series is divided by 2 to this power.
const HALVINGS: i32 = 8;

impl DoubleDouble {
    pub const ONE: Self = Self { high: 1.0, low: 0.0 };

    /// The sum of two numbers of which the first is the larger.
    fn renormalised(high: f64, low: f64) -> Self {
        let sum = high + low;
        Self {
            high: sum,
            low: low - (sum - high),
        }
    }

    fn exact_sum(a: f64, b: f64) -> Self {
        let sum = a + b;
        let b_part = sum - a;
        Self {
            high: sum,
            low: (a - (sum - b_part)) + (b - b_part),
        }
    }

    fn exact_product(a: f64, b: f64) -> Self {
        let product = a * b;
        Self {
            high: product,
            low: a.mul_add(b, -product),
        }
    }

    /// The product with a power of two, exact while nothing becomes subnormal.
    pub fn scaled(self, power: f64) -> Self {
        Self {
            high: self.high * power,
            low: self.low * power,
        }
    }

    /// eˣ = m · 2ᵏ, returned as (m, k) so that it keeps all its bits where eˣ itself is subnormal.
    pub fn exp(x: f64) -> (Self, i32) {
        let k = (x / std::f64::consts::LN_2).round();
        let r = Self::from(x) - LN_2 * Self::from(k);
        let mut e = r.scaled(2f64.powi(-HALVINGS)).exp_m1_series(10);
        for _ in 0..HALVINGS {
            // (1 + e)² − 1.
            e = e.scaled(2.0) + e * e;
        }
        (Self::ONE + e, k as i32)
    }

    /// eˣ − 1 for x ≤ 0.
    pub fn exp_m1_of_nonpositive(x: f64) -> Self {
        if x > -0.1 {
            return Self::from(x).exp_m1_series(20);
        }
        // Far out the exponential is below the last bit of one.
        let (m, k) = Self::exp(x.max(-150.0));
        m.scaled(2f64.powi(k)) - Self::ONE
    }

    /// ln(1 + u) for 0 ≤ u ≤ 1.
    pub fn ln_1p(self) -> Self {
        if self.high < 1e-6 {
            // u − u²/2 + u³/3 − …, by Horner's rule.
            let sum = (1..=6).rev().fold(Self::from(0.0), |sum, n| {
                Self::ONE / Self::from(f64::from(n)) - self * sum
            });
            return self * sum;
        }
        // One step of Newton's method on e^y = 1 + u doubles the digits of the standard library's logarithm.
        let start = self.high.ln_1p();
        let (m, k) = Self::exp(-start);
        Self::from(start) + ((Self::ONE + self) * m.scaled(2f64.powi(k)) - Self::ONE)
    }

    /// eˣ − 1 by this many terms of its Taylor series: 20 suffice for |x| ≤ 0.1, 10 for |x| ≤ 0.002.
    fn exp_m1_series(self, terms: u32) -> Self {
        let sum = (2..=terms)
            .rev()
            .fold(Self::ONE, |sum, n| Self::ONE + self * sum / Self::from(f64::from(n)));
        self * sum
    }
}

impl From<f64> for DoubleDouble {
    fn from(x: f64) -> Self {
        Self { high: x, low: 0.0 }
    }
}

impl Neg for DoubleDouble {
    type Output = Self;
    fn neg(self) -> Self {
        Self {
            high: -self.high,
            low: -self.low,
        }
    }
}

impl Add for DoubleDouble {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        let high = Self::exact_sum(self.high, other.high);
        let low = Self::exact_sum(self.low, other.low);
        let sum = Self::renormalised(high.high, high.low + low.high);
        Self::renormalised(sum.high, sum.low + low.low)
    }
}

impl Sub for DoubleDouble {
    type Output = Self;
    fn sub(self, other: Self) -> Self {
        self + -other
    }
}

impl Mul for DoubleDouble {
    type Output = Self;
    fn mul(self, other: Self) -> Self {
        let product = Self::exact_product(self.high, other.high);
        let cross = self.high.mul_add(other.low, self.low * other.high);
        Self::renormalised(product.high, product.low + cross)
    }
}

impl Div for DoubleDouble {
    type Output = Self;
    fn div(self, other: Self) -> Self {
        let first = self.high / other.high;
        let rest = self - other * Self::from(first);
        let second = rest.high / other.high;
        let rest = rest - other * Self::from(second);
        Self::renormalised(first, second) + Self::from(rest.high / other.high)
    }
}
