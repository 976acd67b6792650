//! GMRES for states: linear equations known by products alone (Saad and Schultz, SIAM J. Sci. Stat. Comput. 7(3), 1986).

use crate::{
    error::StateError,
    state::{State, Terms},
};

/// Vectors of the Krylov space at most; bounds the memory.
const MAX_VECTORS: usize = 40;

/// What came of a linear equation.
pub(super) struct Solution<S> {
    pub(super) x: S,
    /// Norm of what is left of the residual.
    pub(super) left: f64,
    /// The largest factor by which A made a vector of the Krylov space longer: a lower bound of its norm.
    pub(super) growth: f64,
}

/// Solves `A x = b` up to a residual of the norm `tolerance`, or as far as 40 vectors lead.
///
/// The norm is that of the inner product `dot`; `product(v, out)` writes A v into `out`.
pub(super) fn solve<S: State, E: From<StateError>>(
    b: &S,
    tolerance: f64,
    dot: impl Fn(&S, &S) -> Result<f64, StateError>,
    mut product: impl FnMut(&S, &mut S) -> Result<(), E>,
) -> Result<Solution<S>, E> {
    let norm = |x: &S| dot(x, x).map(f64::sqrt);
    let size = norm(b)?;
    let mut x = b.zeros_like()?;
    if size == 0.0 || !size.is_finite() {
        return Ok(Solution {
            x,
            left: size,
            growth: 0.0,
        });
    }
    let mut basis = vec![scaled(b, 1.0 / size)?];
    let mut least_squares = LeastSquares::new(size);
    let mut growth = 0.0_f64;
    while basis.len() <= MAX_VECTORS && least_squares.residual() > tolerance {
        let mut next = b.zeros_like()?;
        product(&basis[basis.len() - 1], &mut next)?;
        let mut column = Vec::with_capacity(basis.len() + 1);
        for vector in &basis {
            let along = dot(vector, &next)?;
            let mut rest = next.zeros_like()?;
            rest.set_sum(&[(1.0, &next), (-along, vector)])?;
            next = rest;
            column.push(along);
        }
        let rest = norm(&next)?;
        column.push(rest);
        growth = growth.max(column.iter().map(|entry| entry * entry).sum::<f64>().sqrt());
        if !least_squares.push(column) || rest == 0.0 {
            break;
        }
        basis.push(scaled(&next, 1.0 / rest)?);
    }
    let weights = least_squares.solution();
    let terms: Terms<'_, S> = weights.into_iter().zip(&basis).collect();
    x.set_sum(&terms)?;
    Ok(Solution {
        x,
        left: least_squares.residual(),
        growth,
    })
}

fn scaled<S: State>(x: &S, factor: f64) -> Result<S, StateError> {
    let mut scaled = x.zeros_like()?;
    scaled.set_sum(&[(factor, x)])?;
    Ok(scaled)
}

/// `min ‖size e₁ − H w‖` for a Hessenberg matrix H that grows by columns, kept triangular by Givens rotations.
struct LeastSquares {
    columns: Vec<Vec<f64>>,
    rotations: Vec<(f64, f64)>,
    right: Vec<f64>,
}

impl LeastSquares {
    fn new(size: f64) -> Self {
        Self {
            columns: Vec::new(),
            rotations: Vec::new(),
            right: vec![size],
        }
    }

    fn residual(&self) -> f64 {
        self.right.last().map_or(0.0, |last| last.abs())
    }

    /// Adds a column, one entry longer than the last; false if it is not finite or depends on the others.
    fn push(&mut self, mut column: Vec<f64>) -> bool {
        for (i, &(cos, sin)) in self.rotations.iter().enumerate() {
            let (a, b) = (column[i], column[i + 1]);
            (column[i], column[i + 1]) = (cos * a + sin * b, cos * b - sin * a);
        }
        let n = self.columns.len();
        let size = column[n].hypot(column[n + 1]);
        if size == 0.0 || !size.is_finite() {
            return false;
        }
        let (cos, sin) = (column[n] / size, column[n + 1] / size);
        column[n] = size;
        column.truncate(n + 1);
        let last = self.right[n];
        self.right[n] = cos * last;
        self.right.push(-sin * last);
        self.rotations.push((cos, sin));
        self.columns.push(column);
        true
    }

    fn solution(&self) -> Vec<f64> {
        let mut weights = self.right[..self.columns.len()].to_vec();
        for j in (0..weights.len()).rev() {
            weights[j] /= self.columns[j][j];
            for i in 0..j {
                weights[i] -= self.columns[j][i] * weights[j];
            }
        }
        weights
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_equations_are_solved_exactly() {
        let a = [[4.0, 1.0, 0.0], [-2.0, 3.0, 1.0], [0.5, 0.0, 1e-3]];
        let apply = |x: &[f64; 3], out: &mut [f64; 3]| {
            *out = a.map(|row| row.iter().zip(x).map(|(a, x)| a * x).sum());
            Ok::<(), StateError>(())
        };
        let exact = [1.0, -2.0, 3.0];
        let mut b = [0.0; 3];
        apply(&exact, &mut b).unwrap();
        let x = solve(&b, 1e-14, State::dot, apply).unwrap().x;
        assert!(x.iter().zip(exact).all(|(x, exact)| (x - exact).abs() < 1e-9), "{x:?}");
    }

    #[test]
    fn the_residual_meets_the_tolerance_with_few_products() {
        let n = 500;
        let b: Vec<f64> = (0..n).map(|i| (f64::from(i) * 0.7).sin()).collect();
        let mut products = 0;
        // Eigenvalues from 1 to 2.
        let mut apply = |x: &Vec<f64>, out: &mut Vec<f64>| {
            products += 1;
            for (i, (out, x)) in out.iter_mut().zip(x).enumerate() {
                *out = x * (1.0 + i as f64 / 500.0);
            }
            Ok::<(), StateError>(())
        };
        let size = State::dot(&b, &b).unwrap().sqrt();
        let Solution { x, left, growth } = solve(&b, 1e-8 * size, State::dot, &mut apply).unwrap();
        assert!((1.4..2.0).contains(&growth), "{growth}");
        let residual = x.iter().enumerate().map(|(i, x)| x * (1.0 + i as f64 / 500.0) - b[i]);
        let residual = residual.map(|r| r * r).sum::<f64>().sqrt();
        assert!(
            (residual - left).abs() < 1e-10 * size && residual < 1.1e-8 * size && products < 20,
            "{residual:e}, {products}"
        );
    }

    #[test]
    fn hopeless_equations_end() {
        let singular = solve(&[1.0, 1.0], 1e-8, State::dot, |_, out: &mut [f64; 2]| {
            *out = [0.0; 2];
            Ok::<(), StateError>(())
        });
        assert_eq!(singular.unwrap().x, [0.0; 2]);
        let nan = solve(&[1.0, 1.0], 1e-8, State::dot, |_, out: &mut [f64; 2]| {
            *out = [f64::NAN; 2];
            Ok::<(), StateError>(())
        });
        assert_eq!(nan.unwrap().x, [0.0; 2]);
    }
}
