//! Integrands and their slopes on slices, for the fused path.

use super::PathIntegral;
use ffjord_kernels::Real;
use ffjord_kernels::mlp::contract;
use ffjord_nn::NnError;

/// One evaluation of a block of R rows of dimension D.
#[derive(Clone, Copy)]
pub(crate) struct RowsEvaluation<'a, T> {
    /// D.
    pub(crate) dimension: usize,
    /// H: D, or the numbers of the bottleneck where the trace is taken.
    pub(crate) width: usize,
    /// f, `[R, D]`.
    pub(crate) value: &'a [T],
    /// The probes ε, `[K, R, H]`.
    pub(crate) probes: &'a [T],
    /// `J ε`, or the products at the bottleneck, `[K, R, H]`.
    pub(crate) products: &'a [T],
    /// The weight of each probe.
    pub(crate) weight: T,
}

impl<T: Real> RowsEvaluation<'_, T> {
    /// Writes the integrand of every row into `out` `[R]`.
    ///
    /// # Errors
    /// For what needs a derivative along the path: those are for tensors.
    pub(crate) fn integrand(&self, integral: PathIntegral, out: &mut [T]) -> Result<(), NnError> {
        let values = || self.value.chunks_exact(self.dimension);
        match integral {
            PathIntegral::Kinetic => {
                for (out, row) in out.iter_mut().zip(values()) {
                    *out = squares(row);
                }
            }
            PathIntegral::L1 => {
                for (out, row) in out.iter_mut().zip(values()) {
                    *out = row.iter().fold(T::ZERO, |sum, entry| sum + entry.abs());
                }
            }
            PathIntegral::L2 => {
                for (out, row) in out.iter_mut().zip(values()) {
                    *out = squares(row).sqrt();
                }
            }
            PathIntegral::Jacobian => {
                contract(self.dimension, self.products, self.products, out)?;
                out.iter_mut().for_each(|sum| *sum *= self.weight);
            }
            PathIntegral::Frobenius | PathIntegral::Diagonal | PathIntegral::OffDiagonal => {
                for (row, out) in out.iter_mut().enumerate() {
                    *out = self.entry_norm(integral, row);
                }
            }
            PathIntegral::EnergyGradient => {
                for (row, out) in out.iter_mut().enumerate() {
                    *out = self.energy_gradient_norm(row);
                }
            }
            PathIntegral::TraceVariance => {
                for (row, out) in out.iter_mut().enumerate() {
                    let (mean, scale) = (self.mean_form(row), self.variance_scale());
                    let square = |probe| (self.form(probe, row) - mean) * (self.form(probe, row) - mean);
                    *out = scale * (0..self.count()).map(square).fold(T::ZERO, |sum, square| sum + square);
                }
            }
            PathIntegral::Directional | PathIntegral::Acceleration => return Err(along_path()),
        }
        Ok(())
    }

    /// Adds the integrand's slopes times `by` `[R]` to the cotangents of value `[R, D]` and products `[K, R, D]`.
    ///
    /// # Errors
    /// As [`integrand`](Self::integrand).
    pub(crate) fn pull_back(
        &self,
        integral: PathIntegral,
        by: &[T],
        value: &mut [T],
        products: &mut [T],
    ) -> Result<(), NnError> {
        match integral {
            PathIntegral::Kinetic => add_scaled(self.dimension, value, self.value, by, T::TWO),
            PathIntegral::Jacobian => {
                add_scaled(self.dimension, products, self.products, by, T::TWO * self.weight);
            }
            PathIntegral::L1 => {
                let rows = value
                    .chunks_exact_mut(self.dimension)
                    .zip(self.value.chunks_exact(self.dimension));
                for ((out, row), by) in rows.zip(by) {
                    for (out, entry) in out.iter_mut().zip(row) {
                        *out += *by * sign(*entry);
                    }
                }
            }
            PathIntegral::L2 => {
                let norms = self.value.chunks_exact(self.dimension).map(|row| squares(row).sqrt());
                let slopes: Vec<T> = by.iter().zip(norms).map(|(by, norm)| per_norm(*by, norm)).collect();
                add_scaled(self.dimension, value, self.value, &slopes, T::ONE);
            }
            PathIntegral::Frobenius | PathIntegral::Diagonal | PathIntegral::OffDiagonal => {
                for (row, by) in by.iter().enumerate() {
                    let slope = per_norm(*by, self.entry_norm(integral, row));
                    for j in 0..self.count() {
                        let start = self.start(j, row);
                        for i in (0..self.dimension).filter(|i| integral.measures(*i, j)) {
                            products[start + i] += slope * self.products[start + i];
                        }
                    }
                }
            }
            PathIntegral::EnergyGradient => {
                for (row, by) in by.iter().enumerate() {
                    let slope = per_norm(*by, self.energy_gradient_norm(row));
                    let fields = row * self.dimension;
                    for j in 0..self.count() {
                        let (start, entry) = (self.start(j, row), slope * self.energy_gradient(j, row));
                        for i in 0..self.dimension {
                            value[fields + i] += entry * self.products[start + i];
                            products[start + i] += entry * self.value[fields + i];
                        }
                    }
                }
            }
            PathIntegral::TraceVariance => {
                for (row, by) in by.iter().enumerate() {
                    let mean = self.mean_form(row);
                    for probe in 0..self.count() {
                        let slope = *by * T::TWO * self.variance_scale() * (self.form(probe, row) - mean);
                        let span = self.start(probe, row)..self.start(probe, row) + self.width;
                        let pairs = products[span.clone()].iter_mut().zip(&self.probes[span]);
                        pairs.for_each(|(out, entry)| *out += slope * *entry);
                    }
                }
            }
            PathIntegral::Directional | PathIntegral::Acceleration => return Err(along_path()),
        }
        Ok(())
    }

    /// The number K of probes.
    fn count(&self) -> usize {
        self.products.len() / (self.rows() * self.width).max(1)
    }

    fn rows(&self) -> usize {
        self.value.len() / self.dimension
    }

    /// Where the product of one probe with one row begins.
    fn start(&self, probe: usize, row: usize) -> usize {
        (probe * self.rows() + row) * self.width
    }

    /// `εᵀ J ε` of one probe and row.
    fn form(&self, probe: usize, row: usize) -> T {
        let span = self.start(probe, row)..self.start(probe, row) + self.width;
        let pairs = self.probes[span.clone()].iter().zip(&self.products[span]);
        pairs.fold(T::ZERO, |sum, (e, u)| sum + *e * *u)
    }

    /// Entry j of a row's `Jᵀ f`; products with unit vectors are columns.
    fn energy_gradient(&self, j: usize, row: usize) -> T {
        let value = &self.value[row * self.dimension..][..self.dimension];
        let column = &self.products[self.start(j, row)..][..self.dimension];
        value
            .iter()
            .zip(column)
            .fold(T::ZERO, |sum, (f, entry)| sum + *f * *entry)
    }

    fn energy_gradient_norm(&self, row: usize) -> T {
        let squares = (0..self.count()).map(|j| self.energy_gradient(j, row) * self.energy_gradient(j, row));
        squares.fold(T::ZERO, |sum, square| sum + square).sqrt()
    }

    fn mean_form(&self, row: usize) -> T {
        let sum = (0..self.count()).fold(T::ZERO, |sum, probe| sum + self.form(probe, row));
        sum / T::from_f64(self.count() as f64)
    }

    /// `1/(K(K − 1))`.
    fn variance_scale(&self) -> T {
        let count = self.count() as f64;
        T::from_f64((count * (count - 1.0)).recip())
    }

    /// The norm of those entries of a row's Jacobian that the integral measures; products with unit vectors are columns.
    fn entry_norm(&self, integral: PathIntegral, row: usize) -> T {
        let mut sum = T::ZERO;
        for j in 0..self.count() {
            let start = self.start(j, row);
            for i in (0..self.dimension).filter(|i| integral.measures(*i, j)) {
                sum += self.products[start + i] * self.products[start + i];
            }
        }
        sum.sqrt()
    }
}

/// Adds `by · factor` times every row of `with` `[…, R, D]` to that of `out`.
fn add_scaled<T: Real>(dimension: usize, out: &mut [T], with: &[T], by: &[T], factor: T) {
    let rows = out.chunks_exact_mut(dimension).zip(with.chunks_exact(dimension));
    for ((out, with), by) in rows.zip(by.iter().cycle()) {
        let slope = *by * factor;
        for (out, with) in out.iter_mut().zip(with) {
            *out += slope * *with;
        }
    }
}

fn squares<T: Real>(row: &[T]) -> T {
    row.iter().fold(T::ZERO, |sum, entry| sum + *entry * *entry)
}

/// −1, 0 or 1.
fn sign<T: Real>(number: T) -> T {
    if number == T::ZERO {
        number
    } else {
        T::ONE.copysign(number)
    }
}

/// `by / norm`, 0 for a norm of 0.
fn per_norm<T: Real>(by: T, norm: T) -> T {
    if norm == T::ZERO { T::ZERO } else { by / norm }
}

fn along_path() -> NnError {
    NnError::Unsupported {
        what: "derivatives along its path in a compiled kernel",
        remedy: "take the integral with `TensorBackend`",
    }
}
