//! Small dense algebra on columns: what sketching needs, in double precision.

use crate::error::TraceError;
use crate::operator::LinearOperator;
use crate::scalar::Scalar;

/// A column of which less than this part is left, once those before it are taken off, depends on them: the rest is
/// rounding.
const DEPENDENT: f64 = 1e-14;

/// Columns of D numbers each, one after the other; also a matrix `[D, k]` in column-major order.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Columns {
    dimension: usize,
    entries: Vec<f64>,
}

impl Columns {
    /// No columns of this dimension.
    pub(crate) fn new(dimension: usize) -> Self {
        Self {
            dimension,
            entries: Vec::new(),
        }
    }

    /// The vectors of each row out of `[K, B, D]`: B times K columns.
    pub(crate) fn of_rows<T: Scalar>(vectors: &[T], batch: usize, dimension: usize) -> Vec<Self> {
        let mut rows = vec![Self::new(dimension); batch];
        for (index, vector) in vectors.chunks_exact(dimension).enumerate() {
            rows[index % batch]
                .entries
                .extend(vector.iter().map(|entry| entry.to_f64()));
        }
        rows
    }

    /// The number of columns.
    pub(crate) fn count(&self) -> usize {
        self.entries.len() / self.dimension
    }

    pub(crate) fn iter(&self) -> impl ExactSizeIterator<Item = &[f64]> {
        self.entries.chunks_exact(self.dimension)
    }

    pub(crate) fn get(&self, index: usize) -> &[f64] {
        &self.entries[index * self.dimension..][..self.dimension]
    }

    pub(crate) fn push(&mut self, column: impl IntoIterator<Item = f64>) {
        self.entries.extend(column);
    }

    /// The dimension D of a column.
    pub(crate) fn dimension(&self) -> usize {
        self.dimension
    }

    /// All columns but one.
    pub(crate) fn without(&self, index: usize) -> Self {
        let mut entries = self.entries.clone();
        entries.drain(index * self.dimension..(index + 1) * self.dimension);
        Self {
            dimension: self.dimension,
            entries,
        }
    }

    /// All columns without one of their entries.
    pub(crate) fn without_entry(&self, index: usize) -> Self {
        let entries = self.entries.iter().enumerate();
        let kept = entries.filter(|(place, _)| place % self.dimension != index);
        Self {
            dimension: self.dimension - 1,
            entries: kept.map(|(_, entry)| *entry).collect(),
        }
    }

    /// An orthonormal basis Q of the columns' span, with a column of zeros for every one that depends on those before
    /// it (Gram–Schmidt, every column twice).
    pub(crate) fn orthonormal(&self) -> Self {
        let mut basis = Self::new(self.dimension);
        for column in self.iter() {
            let rest = basis.complement(&basis.complement(column));
            let (norm, before) = (dot(&rest, &rest).sqrt(), dot(column, column).sqrt());
            let scale = if norm > DEPENDENT * before { norm.recip() } else { 0.0 };
            basis.push(rest.into_iter().map(|entry| entry * scale));
        }
        basis
    }

    /// `(I − Q Qᵀ) v` for an orthonormal Q.
    pub(crate) fn complement(&self, vector: &[f64]) -> Vec<f64> {
        let mut rest = vector.to_vec();
        for column in self.iter() {
            let along = dot(column, vector);
            rest.iter_mut().zip(column).for_each(|(rest, q)| *rest -= along * q);
        }
        rest
    }

    /// `A w`, for as many weights as there are columns, or fewer.
    pub(crate) fn times(&self, weights: &[f64]) -> Vec<f64> {
        let mut sum = vec![0.0; self.dimension];
        for (column, weight) in self.iter().zip(weights) {
            sum.iter_mut()
                .zip(column)
                .for_each(|(sum, entry)| *sum += weight * entry);
        }
        sum
    }

    /// `Aᵀ v`.
    pub(crate) fn transposed_times(&self, vector: &[f64]) -> Vec<f64> {
        self.iter().map(|column| dot(column, vector)).collect()
    }

    /// `Aᵀ B`.
    pub(crate) fn transposed_times_all(&self, other: &Self) -> Self {
        let mut product = Self::new(self.count().max(1));
        for column in other.iter() {
            product.push(self.transposed_times(column));
        }
        product
    }

    /// `Σᵢ aᵢ·bᵢ`, the trace of `Aᵀ B`.
    pub(crate) fn contract(&self, other: &Self) -> f64 {
        dot(&self.entries, &other.entries)
    }
}

/// The inner product.
pub(crate) fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// The lower factor L of a symmetric matrix `L Lᵀ`, row by row; none unless the matrix is positive definite.
pub(crate) fn cholesky(matrix: &Columns) -> Option<Vec<Vec<f64>>> {
    let mut factor: Vec<Vec<f64>> = Vec::with_capacity(matrix.count());
    for i in 0..matrix.count() {
        let mut row: Vec<f64> = Vec::with_capacity(i + 1);
        for j in 0..i {
            let known = dot(&row[..j], &factor[j][..j]);
            row.push((matrix.get(j)[i] - known) / factor[j][j]);
        }
        let rest = matrix.get(i)[i] - dot(&row, &row);
        if !(rest.is_finite() && rest > 0.0) {
            return None;
        }
        row.push(rest.sqrt());
        factor.push(row);
    }
    Some(factor)
}

/// The inverse of a lower factor, row by row.
pub(crate) fn inverse_of_lower(factor: &[Vec<f64>]) -> Vec<Vec<f64>> {
    let mut inverse: Vec<Vec<f64>> = Vec::with_capacity(factor.len());
    for (i, row) in factor.iter().enumerate() {
        let entry = |j: usize| -> f64 {
            let known: f64 = (j..i).map(|k| row[k] * inverse[k][j]).sum();
            (f64::from(u8::from(i == j)) - known) / row[i]
        };
        let inverse_row = (0..=i).map(entry).collect();
        inverse.push(inverse_row);
    }
    inverse
}

/// The products of every row's operator with that row's columns, of which all rows have the same number.
pub(crate) fn products<T: Scalar, A: LinearOperator<T>>(
    operator: &A,
    rows: &[Columns],
) -> Result<Vec<Columns>, TraceError<A::Error>> {
    let (batch, dimension) = (operator.batch(), operator.dimension());
    let count = rows.first().map_or(0, Columns::count);
    let mut vectors = Vec::with_capacity(count * batch * dimension);
    for index in 0..count {
        for row in rows {
            vectors.extend(row.get(index).iter().map(|entry| T::from_f64(*entry)));
        }
    }
    let mut products = vec![T::default(); vectors.len()];
    if count > 0 {
        operator.apply(&vectors, &mut products).map_err(TraceError::Operator)?;
    }
    Ok(Columns::of_rows(&products, batch, dimension))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn columns(dimension: usize, entries: &[f64]) -> Columns {
        Columns {
            dimension,
            entries: entries.to_vec(),
        }
    }

    #[test]
    fn a_basis_is_orthonormal_and_leaves_dependent_columns_empty() {
        let basis = columns(3, &[1.0, 2.0, 2.0, 2.0, 4.0, 4.0, 0.0, 1e-9, 1.0]).orthonormal();
        assert_eq!(basis.get(1), [0.0; 3]);
        let gram = basis.transposed_times_all(&basis);
        for (i, column) in gram.iter().enumerate() {
            for (j, entry) in column.iter().enumerate() {
                let expected = if i == j && i != 1 { 1.0 } else { 0.0 };
                assert!((entry - expected).abs() < 1e-15, "{i}{j}: {entry}");
            }
        }
        assert!(
            basis
                .complement(&[2.0, 4.0, 4.0])
                .iter()
                .all(|entry| entry.abs() < 1e-15)
        );
    }

    #[test]
    fn factors_multiply_to_the_matrix_and_indefinite_ones_have_none() {
        let matrix = columns(3, &[4.0, 2.0, -1.0, 2.0, 5.0, 0.5, -1.0, 0.5, 3.0]);
        let factor = cholesky(&matrix).unwrap();
        let inverse = inverse_of_lower(&factor);
        for i in 0..3 {
            for j in 0..=i {
                assert!((dot(&factor[i][..=j], &factor[j]) - matrix.get(i)[j]).abs() < 1e-14);
                let unit: f64 = (j..=i).map(|k| inverse[i][k] * factor[k][j]).sum();
                assert!((unit - if i == j { 1.0 } else { 0.0 }).abs() < 1e-14);
            }
        }
        assert_eq!(cholesky(&columns(2, &[1.0, 2.0, 2.0, 1.0])), None);
        assert_eq!(cholesky(&columns(1, &[f64::NAN])), None);
    }
}
