//! Lanczos' recurrence: an orthonormal basis of `v, Av, A²v, …` in which a symmetric operator is tridiagonal.

use crate::columns::{Columns, dot};
use crate::error::TraceError;
use crate::operator::LinearOperator;
use crate::scalar::Scalar;
use crate::tridiagonal::Tridiagonal;

/// The Krylov space of one vector.
#[derive(Debug)]
pub(crate) struct Krylov {
    /// `‖v‖`.
    pub(crate) norm: f64,
    /// An orthonormal basis Q, whose first column is `v/‖v‖`; none for a vector of zeros.
    pub(crate) basis: Columns,
    /// `QᵀAQ`, with what would stand beside its last row as one more number beside the diagonal.
    pub(crate) matrix: Tridiagonal,
    /// Whether the operator maps the space into itself, so that a larger one would say no more.
    pub(crate) is_invariant: bool,
}

impl Krylov {
    fn new<T: Scalar>(vector: &[T]) -> Self {
        let vector: Vec<f64> = vector.iter().map(|entry| entry.to_f64()).collect();
        let norm = dot(&vector, &vector).sqrt();
        let mut basis = Columns::new(vector.len());
        if norm != 0.0 {
            basis.push(vector.iter().map(|entry| entry / norm));
        }
        Self {
            norm,
            basis,
            matrix: Tridiagonal::default(),
            is_invariant: norm == 0.0,
        }
    }

    /// Takes the product of the last basis vector; false if that shows that the operator is not symmetric.
    fn extend(&mut self, product: &[f64], scale: f64, epsilon: f64) -> bool {
        let along = self.basis.transposed_times(product);
        let Some((diagonal, before)) = along.split_last() else {
            return true;
        };
        let expected =
            std::iter::repeat_n(0.0, before.len().saturating_sub(1)).chain(self.matrix.beside.last().copied());
        // NaN is above nothing, and so no sign of asymmetry.
        let is_off = |(found, expected): (&f64, f64)| (found - expected).abs() > epsilon.sqrt() * scale;
        let is_symmetric = !before.iter().zip(expected).any(is_off);
        self.matrix.diagonal.push(*diagonal);
        // Twice against the whole basis: the recurrence by itself loses orthogonality as eigenvalues converge.
        let rest = self.basis.complement(&self.basis.complement(product));
        let length = dot(&rest, &rest).sqrt();
        if length <= epsilon * scale * (rest.len() as f64).sqrt() {
            self.is_invariant = true;
            self.matrix.beside.push(0.0);
        } else {
            self.matrix.beside.push(length);
            self.basis.push(rest.into_iter().map(|entry| entry / length));
        }
        is_symmetric
    }
}

/// The Krylov spaces of at most `steps` dimensions of vectors `[K, B, D]`, one for each, from as many products.
///
/// # Errors
/// [`TraceError::Empty`] without steps, [`TraceError::Shape`] for vectors of another length,
/// [`TraceError::NotSymmetric`], [`TraceError::Operator`].
pub(crate) fn krylov<T: Scalar, A: LinearOperator<T>>(
    operator: &A,
    vectors: &[T],
    steps: usize,
) -> Result<Vec<Krylov>, TraceError<A::Error>> {
    let (batch, dimension) = (operator.batch(), operator.dimension());
    if steps == 0 || batch == 0 || dimension == 0 {
        return Err(TraceError::Empty {
            what: "the number of steps, of rows or the dimension",
        });
    }
    let block = batch.saturating_mul(dimension);
    if !vectors.len().is_multiple_of(block) {
        return Err(TraceError::Shape {
            given: vectors.len(),
            count: vectors.len().div_ceil(block),
            batch,
            dimension,
        });
    }
    let mut spaces: Vec<Krylov> = vectors.chunks_exact(dimension).map(Krylov::new).collect();
    // The largest product with a unit vector so far: what an operator's entries are compared with.
    let mut scales = vec![0.0_f64; spaces.len()];
    let mut inputs = vec![T::default(); vectors.len()];
    let mut products = inputs.clone();
    for step in 0..steps.min(dimension) {
        if spaces.iter().all(|space| space.is_invariant) {
            break;
        }
        for (input, space) in inputs.chunks_exact_mut(dimension).zip(&spaces) {
            if space.is_invariant {
                input.fill(T::default());
            } else {
                let column = space.basis.get(step);
                input
                    .iter_mut()
                    .zip(column)
                    .for_each(|(input, q)| *input = T::from_f64(*q));
            }
        }
        operator.apply(&inputs, &mut products).map_err(TraceError::Operator)?;
        for (index, space) in spaces.iter_mut().enumerate().filter(|(_, space)| !space.is_invariant) {
            let product = products[index * dimension..][..dimension].iter();
            let product: Vec<f64> = product.map(|entry| entry.to_f64()).collect();
            scales[index] = scales[index].max(dot(&product, &product).sqrt());
            if !space.extend(&product, scales[index], T::EPSILON) {
                return Err(TraceError::NotSymmetric { row: index % batch });
            }
        }
    }
    Ok(spaces)
}
