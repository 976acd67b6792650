//! Numbers with their derivatives with respect to a piece of a spline and to where it is taken.

use std::ops::{Add, Div, Mul, Sub};

/// The numbers that a point of a spline depends on: x, and left, width, bottom, height and both slopes of its piece.
pub(super) const INPUTS: usize = 7;

/// A value and its derivatives with respect to the [`INPUTS`].
#[derive(Debug, Clone, Copy)]
pub(super) struct Jet {
    pub(super) value: f64,
    pub(super) by: [f64; INPUTS],
}

impl Jet {
    /// The input with this number.
    pub(super) fn input(value: f64, number: usize) -> Self {
        let mut by = [0.0; INPUTS];
        by[number] = 1.0;
        Self { value, by }
    }

    /// `f(self)`, with the value and the derivative of f there.
    fn map(self, value: f64, slope: f64) -> Self {
        Self {
            value,
            by: self.by.map(|by| by * slope),
        }
    }

    pub(super) fn ln(self) -> Self {
        self.map(self.value.ln(), 1.0 / self.value)
    }

    pub(super) fn scale(self, factor: f64) -> Self {
        self.map(self.value * factor, factor)
    }

    /// `1 − self`.
    pub(super) fn rest(self) -> Self {
        self.map(1.0 - self.value, -1.0)
    }

    /// A value of two, with its derivatives with respect to them.
    fn join(self, other: Self, value: f64, (left, right): (f64, f64)) -> Self {
        let by = std::array::from_fn(|at| left * self.by[at] + right * other.by[at]);
        Self { value, by }
    }
}

impl Add for Jet {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        self.join(other, self.value + other.value, (1.0, 1.0))
    }
}

impl Sub for Jet {
    type Output = Self;

    fn sub(self, other: Self) -> Self {
        self.join(other, self.value - other.value, (1.0, -1.0))
    }
}

impl Mul for Jet {
    type Output = Self;

    fn mul(self, other: Self) -> Self {
        self.join(other, self.value * other.value, (other.value, self.value))
    }
}

impl Div for Jet {
    type Output = Self;

    fn div(self, other: Self) -> Self {
        let value = self.value / other.value;
        self.join(other, value, (1.0 / other.value, -value / other.value))
    }
}
