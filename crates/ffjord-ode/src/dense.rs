//! Small dense matrices, real and complex, and their LU factors.

use std::ops::{Add, Div, Index, IndexMut, Mul, Sub};

/// A square matrix of f64, for Jacobians and mass matrices: `matrix[(row, column)]`.
///
/// ```
/// use ffjord_ode::Matrix;
/// let mut matrix = Matrix::zeros(2);
/// matrix[(0, 1)] = 3.0;
/// assert_eq!((matrix.size(), matrix[(0, 1)], matrix[(1, 0)]), (2, 3.0, 0.0));
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Matrix {
    size: usize,
    /// Row by row.
    values: Vec<f64>,
}

impl Matrix {
    /// A matrix of `size` rows and columns, all zero.
    pub fn zeros(size: usize) -> Self {
        Self {
            size,
            values: vec![0.0; size * size],
        }
    }

    /// A matrix with these numbers on the diagonal, zero elsewhere.
    ///
    /// ```
    /// use ffjord_ode::Matrix;
    /// let mut matrix = Matrix::diagonal(&[1.0, 2.0]);
    /// matrix.values_mut()[1] = 5.0;
    /// assert_eq!((matrix[(0, 0)], matrix[(0, 1)], matrix[(1, 0)], matrix[(1, 1)]), (1.0, 5.0, 0.0, 2.0));
    /// ```
    pub fn diagonal(values: &[f64]) -> Self {
        let mut matrix = Self::zeros(values.len());
        for (i, &value) in values.iter().enumerate() {
            matrix[(i, i)] = value;
        }
        matrix
    }

    /// Number of rows and of columns.
    pub fn size(&self) -> usize {
        self.size
    }

    /// The numbers row by row.
    pub fn values_mut(&mut self) -> &mut [f64] {
        &mut self.values
    }

    /// The product with a vector.
    pub(crate) fn times(&self, x: &[f64]) -> Vec<f64> {
        let rows = self.values.chunks_exact(self.size.max(1));
        rows.map(|row| row.iter().zip(x).map(|(a, x)| a * x).sum()).collect()
    }
}

impl Index<(usize, usize)> for Matrix {
    type Output = f64;

    fn index(&self, (row, column): (usize, usize)) -> &f64 {
        &self.values[row * self.size + column]
    }
}

impl IndexMut<(usize, usize)> for Matrix {
    fn index_mut(&mut self, (row, column): (usize, usize)) -> &mut f64 {
        &mut self.values[row * self.size + column]
    }
}

/// A complex number.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Complex {
    pub(crate) re: f64,
    pub(crate) im: f64,
}

/// What LU factors are made of.
pub(crate) trait Number:
    Copy + Add<Output = Self> + Sub<Output = Self> + Mul<Output = Self> + Div<Output = Self>
{
    /// A size to choose pivots by, zero for zero alone.
    fn size(self) -> f64;
}

impl Number for f64 {
    fn size(self) -> f64 {
        self.abs()
    }
}

impl Number for Complex {
    fn size(self) -> f64 {
        self.re.abs() + self.im.abs()
    }
}

impl Add for Complex {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            re: self.re + other.re,
            im: self.im + other.im,
        }
    }
}

impl Sub for Complex {
    type Output = Self;

    fn sub(self, other: Self) -> Self {
        Self {
            re: self.re - other.re,
            im: self.im - other.im,
        }
    }
}

impl Mul for Complex {
    type Output = Self;

    fn mul(self, other: Self) -> Self {
        Self {
            re: self.re * other.re - self.im * other.im,
            im: self.re * other.im + self.im * other.re,
        }
    }
}

impl Div for Complex {
    type Output = Self;

    /// Smith's quotient, whose intermediate results do not overflow.
    fn div(self, other: Self) -> Self {
        if other.re.abs() >= other.im.abs() {
            let ratio = other.im / other.re;
            let size = other.re + other.im * ratio;
            Self {
                re: (self.re + self.im * ratio) / size,
                im: (self.im - self.re * ratio) / size,
            }
        } else {
            let ratio = other.re / other.im;
            let size = other.re * ratio + other.im;
            Self {
                re: (self.re * ratio + self.im) / size,
                im: (self.im * ratio - self.re) / size,
            }
        }
    }
}

/// Factors of a square matrix by Gaussian elimination with row pivots.
#[derive(Debug, Clone)]
pub(crate) struct Lu<T> {
    size: usize,
    /// Multipliers below the diagonal, the triangular factor on and above it, row by row.
    values: Vec<T>,
    /// The row that took the place of each.
    pivots: Vec<usize>,
}

impl<T: Number> Lu<T> {
    /// Factors the matrix of these numbers, row by row; `None` if it is singular or holds a NaN.
    pub(crate) fn new(size: usize, mut values: Vec<T>) -> Option<Self> {
        let mut pivots = Vec::with_capacity(size);
        for k in 0..size {
            let mut pivot = k;
            for row in k + 1..size {
                if values[row * size + k].size() > values[pivot * size + k].size() {
                    pivot = row;
                }
            }
            let largest = values[pivot * size + k];
            if largest.size() == 0.0 || !largest.size().is_finite() {
                return None;
            }
            if pivot != k {
                for column in 0..size {
                    values.swap(k * size + column, pivot * size + column);
                }
            }
            pivots.push(pivot);
            let (above, below) = values.split_at_mut((k + 1) * size);
            let pivot_row = &above[k * size..];
            for row in below.chunks_exact_mut(size) {
                let factor = row[k] / largest;
                row[k] = factor;
                for (entry, &pivot) in row[k + 1..].iter_mut().zip(&pivot_row[k + 1..]) {
                    *entry = *entry - factor * pivot;
                }
            }
        }
        Some(Self { size, values, pivots })
    }

    /// Replaces b by the solution of `A x = b`.
    pub(crate) fn solve(&self, b: &mut [T]) {
        let row = |i: usize| &self.values[i * self.size..(i + 1) * self.size];
        for (k, &pivot) in self.pivots.iter().enumerate() {
            b.swap(k, pivot);
        }
        for i in 0..self.size {
            let known = row(i)[..i].iter().zip(&*b).fold(b[i], |sum, (&a, &x)| sum - a * x);
            b[i] = known;
        }
        for i in (0..self.size).rev() {
            let upper = row(i)[i + 1..].iter().zip(&b[i + 1..]);
            b[i] = upper.fold(b[i], |sum, (&a, &x)| sum - a * x) / row(i)[i];
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equations_are_solved_with_pivots() {
        let a = [0.0, 2.0, 1.0, 1e-20, 3.0, -1.0, 4.0, 1.0, 0.0];
        let x = [1.0, -2.0, 3.0];
        let mut b: Vec<f64> = a
            .chunks(3)
            .map(|row| row.iter().zip(x).map(|(a, x)| a * x).sum())
            .collect();
        Lu::new(3, a.to_vec()).unwrap().solve(&mut b);
        assert!(b.iter().zip(x).all(|(b, x)| (b - x).abs() < 1e-14), "{b:?}");
    }

    #[test]
    fn complex_equations_are_solved() {
        let complex = |re, im| Complex { re, im };
        let a = [
            complex(0.0, 1.0),
            complex(2.0, -1.0),
            complex(3.0, 0.5),
            complex(-1.0, 4.0),
        ];
        let x = [complex(1.0, 2.0), complex(-3.0, 0.25)];
        let mut b = [a[0] * x[0] + a[1] * x[1], a[2] * x[0] + a[3] * x[1]];
        Lu::new(2, a.to_vec()).unwrap().solve(&mut b);
        assert!(b.iter().zip(x).all(|(&b, x)| (b - x).size() < 1e-14), "{b:?}");
    }

    #[test]
    fn singular_matrices_have_no_factors() {
        assert!(Lu::new(2, vec![1.0, 2.0, 2.0, 4.0]).is_none());
        assert!(Lu::new(1, vec![f64::NAN]).is_none());
    }
}
