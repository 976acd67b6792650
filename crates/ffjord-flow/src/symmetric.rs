//! Eigenvalues and eigenvectors of small symmetric matrices.

/// Sweeps over all pairs: a handful is enough for any matrix.
const SWEEPS: usize = 60;

/// The eigenvalues of the symmetric `matrix` `[D, D]`, row-major, and the matrix whose columns are the eigenvectors, in the
/// order in which the rotations leave them.
///
/// Jacobi's method with cyclic sweeps (Golub and Van Loan 2013, section 8.5), accurate also for small eigenvalues.
pub(crate) fn eigen(mut matrix: Vec<f64>, d: usize) -> (Vec<f64>, Vec<f64>) {
    let mut vectors = vec![0.0; d * d];
    (0..d).for_each(|i| vectors[i * d + i] = 1.0);
    for _ in 0..SWEEPS {
        let mut rotated = false;
        for p in 0..d {
            for q in p + 1..d {
                let (pp, qq, pq) = (matrix[p * d + p], matrix[q * d + q], matrix[p * d + q]);
                if pq.abs() <= f64::EPSILON * (pp * qq).abs().sqrt() {
                    continue;
                }
                rotated = true;
                let (cosine, sine) = rotation(pp, qq, pq);
                rotate_rows(&mut matrix, d, (p, q), (cosine, sine));
                rotate_columns(&mut matrix, d, (p, q), (cosine, sine));
                rotate_columns(&mut vectors, d, (p, q), (cosine, sine));
            }
        }
        if !rotated {
            break;
        }
    }
    ((0..d).map(|i| matrix[i * d + i]).collect(), vectors)
}

/// Cosine and sine of the angle that makes the off-diagonal entry zero.
fn rotation(pp: f64, qq: f64, pq: f64) -> (f64, f64) {
    let ratio = (qq - pp) / (2.0 * pq);
    let tangent = ratio.signum() / (ratio.abs() + (1.0 + ratio * ratio).sqrt());
    let cosine = 1.0 / (1.0 + tangent * tangent).sqrt();
    (cosine, tangent * cosine)
}

fn rotate_rows(matrix: &mut [f64], d: usize, (p, q): (usize, usize), (cosine, sine): (f64, f64)) {
    let (upper, lower) = matrix.split_at_mut(q * d);
    for (a, b) in upper[p * d..(p + 1) * d].iter_mut().zip(&mut lower[..d]) {
        (*a, *b) = (cosine * *a - sine * *b, sine * *a + cosine * *b);
    }
}

fn rotate_columns(matrix: &mut [f64], d: usize, (p, q): (usize, usize), (cosine, sine): (f64, f64)) {
    for row in matrix.chunks_exact_mut(d) {
        (row[p], row[q]) = (cosine * row[p] - sine * row[q], sine * row[p] + cosine * row[q]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_matrix_is_the_sum_of_its_eigenvectors() {
        // Eigenvalues from 1 to 1e-8: a Hilbert matrix.
        let d = 6;
        let matrix: Vec<f64> = (0..d * d).map(|i| 1.0 / ((i / d + i % d) as f64 + 1.0)).collect();
        let (values, vectors) = eigen(matrix.clone(), d);
        for i in 0..d {
            for j in 0..d {
                let entry: f64 = (0..d)
                    .map(|k| vectors[i * d + k] * values[k] * vectors[j * d + k])
                    .sum();
                assert!((entry - matrix[i * d + j]).abs() < 1e-14);
                let product: f64 = (0..d).map(|k| vectors[k * d + i] * vectors[k * d + j]).sum();
                assert!((product - f64::from(u8::from(i == j))).abs() < 1e-14);
            }
        }
        // The smallest eigenvalue of this Hilbert matrix.
        let least = values.iter().copied().fold(f64::INFINITY, f64::min);
        assert!((least / 1.082_799_484_5e-7 - 1.0).abs() < 1e-6, "{least}");
    }

    #[test]
    fn diagonal_and_zero_matrices_are_their_own() {
        assert_eq!(eigen(vec![3.0, 0.0, 0.0, 2.0], 2).0, [3.0, 2.0]);
        assert_eq!(eigen(vec![0.0; 4], 2).0, [0.0, 0.0]);
    }
}
