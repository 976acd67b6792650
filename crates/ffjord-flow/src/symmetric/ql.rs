//! The implicit QL method for symmetric tridiagonal matrices.

use super::panels::{Panels, Rotation};

/// Sweeps of rotations that are gathered before they act on the eigenvectors, so that a panel of these is fetched once for
/// all of them.
const SWEEPS: usize = 64;

/// A tridiagonal matrix on its way to a diagonal one.
struct Iteration<'a> {
    diagonal: Vec<f64>,
    /// The entries below the diagonal, as many; the last one is 0.
    beside: Vec<f64>,
    /// Entries beside the diagonal of at most this size are nothing: what rounding makes of a matrix of this norm.
    negligible: f64,
    /// Rotations that the eigenvectors have not seen yet.
    rotations: Vec<Rotation>,
    vectors: &'a mut Panels,
}

/// The eigenvalues of a tridiagonal matrix, and `vectors` turned by the rotations that make it diagonal; none if an
/// eigenvalue takes more than so many iterations.
pub(super) fn diagonalised(
    diagonal: Vec<f64>,
    beside: Vec<f64>,
    vectors: &mut Panels,
    most_iterations: usize,
) -> Option<Vec<f64>> {
    let before = std::iter::once(&0.0).chain(&beside);
    let sums = diagonal.iter().zip(&beside).zip(before);
    let norm = sums.fold(0.0, |most: f64, ((d, after), before)| {
        most.max(d.abs() + after.abs() + before.abs())
    });
    let mut iteration = Iteration {
        negligible: f64::EPSILON * norm,
        diagonal,
        beside,
        rotations: Vec::new(),
        vectors,
    };
    let rows = iteration.diagonal.len();
    let isolated = (0..rows).all(|row| iteration.isolate(row, most_iterations));
    iteration.turn_vectors();
    isolated.then_some(iteration.diagonal)
}

impl Iteration<'_> {
    /// Turns rows from `first` on until `first` stands alone; false if that takes too long.
    fn isolate(&mut self, first: usize, most_iterations: usize) -> bool {
        for _ in 0..=most_iterations {
            let beside = &self.beside[first..];
            // The last entry is 0.
            let alone = |entry: &f64| entry.abs() <= self.negligible;
            match beside.iter().position(alone).unwrap_or(beside.len() - 1) {
                0 => return true,
                coupled => self.sweep(first, first + coupled),
            }
            if self.rotations.len() >= SWEEPS * self.vectors.rows() {
                self.turn_vectors();
            }
        }
        false
    }

    /// One QL step on the block from `first` to `last`, with Wilkinson's shift.
    fn sweep(&mut self, first: usize, last: usize) {
        let (d, beside) = (&mut self.diagonal, &mut self.beside);
        let half = (d[first + 1] - d[first]) / (2.0 * beside[first]);
        let mut g = d[last] - d[first] + beside[first] / (half + half.hypot(1.0).copysign(half));
        let (mut sine, mut cosine, mut p) = (1.0, 1.0, 0.0);
        for row in (first..last).rev() {
            let (f, b) = (sine * beside[row], cosine * beside[row]);
            let r = f64::hypot(f, g);
            beside[row + 1] = r;
            if r == 0.0 {
                // The block falls apart here.
                d[row + 1] -= p;
                beside[last] = 0.0;
                return;
            }
            (sine, cosine) = (f / r, g / r);
            g = d[row + 1] - p;
            let turned = (d[row] - g) * sine + 2.0 * cosine * b;
            p = sine * turned;
            d[row + 1] = g + p;
            g = cosine * turned - b;
            self.rotations.push(Rotation { row, cosine, sine });
        }
        d[first] -= p;
        beside[first] = g;
        beside[last] = 0.0;
    }

    fn turn_vectors(&mut self) {
        self.vectors.rotate(&self.rotations);
        self.rotations.clear();
    }
}
