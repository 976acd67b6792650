//! Eigenvalues and eigenvectors of symmetric matrices.

mod panels;
mod ql;
#[cfg(test)]
mod tests;
mod tridiagonal;

use panels::Panels;
use tridiagonal::Tridiagonal;

/// Iterations that an eigenvalue may take: two or three are usual, and LAPACK gives up after 30.
const MOST_ITERATIONS: usize = 50;

/// The eigenvalues of a symmetric matrix with its eigenvectors, in no particular order.
#[derive(Debug)]
pub(crate) struct Spectrum {
    /// `[D]`.
    pub(crate) values: Vec<f64>,
    /// `[D, D]`, row-major; each row is the unit eigenvector of the value at its place.
    pub(crate) vectors: Vec<f64>,
}

/// The spectrum of the symmetric `matrix` `[D, D]`, row-major, of which the lower triangle is read; none if an entry is not
/// finite, or in the case, which no matrix is known for, that the iteration does not end.
///
/// Householder's reflections make the matrix tridiagonal and the implicit QL method makes that diagonal (Golub and Van Loan
/// 2013, section 8.3). Eigenvalues are off by the rounding of the largest one. The number of threads changes no bit.
pub(crate) fn eigen(matrix: Vec<f64>, d: usize) -> Option<Spectrum> {
    within(matrix, d, MOST_ITERATIONS)
}

fn within(mut matrix: Vec<f64>, d: usize, most_iterations: usize) -> Option<Spectrum> {
    if !matrix.iter().all(|entry| entry.is_finite()) {
        return None;
    }
    // Squares of entries neither overflow nor vanish beside those of the largest one.
    let scale = matrix.iter().fold(0.0, |most: f64, entry| most.max(entry.abs()));
    if scale > 0.0 {
        matrix.iter_mut().for_each(|entry| *entry /= scale);
    }
    let Tridiagonal {
        diagonal,
        beside,
        reflections,
    } = tridiagonal::reduced(matrix, d);
    // Turned from the unit vectors into the eigenvectors by all that the matrix is turned by.
    let mut vectors = Panels::identity(d);
    vectors.reflect(&reflections);
    drop(reflections);
    let values = ql::diagonalised(diagonal, beside, &mut vectors, most_iterations)?;
    Some(Spectrum {
        values: values.into_iter().map(|value| value * scale).collect(),
        vectors: vectors.into_rows(),
    })
}
