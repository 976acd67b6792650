//! Symmetric matrices made tridiagonal by Householder's reflections.

/// `Qᵀ A Q` of a symmetric matrix A `[D, D]`.
#[derive(Debug)]
pub(super) struct Tridiagonal {
    /// `[D]`.
    pub(super) diagonal: Vec<f64>,
    /// The entries below the diagonal, `[D]`; the last one is 0.
    pub(super) beside: Vec<f64>,
    pub(super) reflections: Reflections,
}

/// The reflections `H = I − v vᵀ / h` whose product is Qᵀ, one for every row of the matrix.
#[derive(Debug)]
pub(super) struct Reflections {
    /// `[D, D]`: row i holds, before its diagonal, the vector v of its reflection, which is 0 from there on.
    vectors: Vec<f64>,
    /// h of every row; 0 where there is no reflection.
    scales: Vec<f64>,
}

impl Reflections {
    /// The vectors with their h, in the order in which they act.
    pub(super) fn in_order(&self) -> impl Iterator<Item = (&[f64], f64)> {
        let d = self.scales.len();
        let rows = (0..d)
            .rev()
            .map(move |i| (&self.vectors[i * d..i * d + i], self.scales[i]));
        rows.filter(|(_, scale)| *scale != 0.0)
    }
}

/// Makes a matrix `[D, D]` tridiagonal, from its last row to its first (Golub and Van Loan 2013, algorithm 8.3.1, upside
/// down): what is left is then a prefix of every row, and only the lower triangle is read and written.
pub(super) fn reduced(mut matrix: Vec<f64>, d: usize) -> Tridiagonal {
    let (mut beside, mut scales) = (vec![0.0; d], vec![0.0; d]);
    let mut product = vec![0.0; d];
    for i in (1..d).rev() {
        let (left, vector) = matrix.split_at_mut(i * d);
        let vector = &mut vector[..i];
        let Some((entry, scale)) = reflection(vector) else {
            beside[i - 1] = vector[i - 1];
            continue;
        };
        (beside[i - 1], scales[i]) = (entry, scale);
        // A − v qᵀ − q vᵀ with q = p − (vᵀp / 2h) v and p = A v / h is H A H.
        let product = &mut product[..i];
        multiply(left, d, vector, product);
        product.iter_mut().for_each(|p| *p /= scale);
        let along = dot(vector, product) / (2.0 * scale);
        product.iter_mut().zip(&*vector).for_each(|(p, v)| *p -= along * v);
        for (r, row) in left.chunks_exact_mut(d).enumerate() {
            let (v, q) = (vector[r], product[r]);
            let pairs = vector.iter().zip(&*product);
            let entries = row[..=r].iter_mut().zip(pairs);
            entries.for_each(|(entry, (vector, product))| *entry -= v * product + q * vector);
        }
    }
    Tridiagonal {
        diagonal: matrix.iter().step_by(d + 1).copied().collect(),
        beside,
        reflections: Reflections {
            vectors: matrix,
            scales,
        },
    }
}

/// Turns x into the vector v of the reflection that makes all of x but its last entry zero, and gives that entry with
/// h = vᵀv / 2; none where x is of this form.
fn reflection(x: &mut [f64]) -> Option<(f64, f64)> {
    let (last, others) = x.split_last_mut()?;
    let square = dot(others, others);
    if square == 0.0 {
        return None;
    }
    let norm = (square + *last * *last).sqrt();
    let entry = -norm.copysign(*last);
    let scale = norm * (norm + last.abs());
    *last -= entry;
    Some((entry, scale))
}

/// The product of the symmetric matrix whose lower triangle is in `rows` of length d, and a vector: each row once, for its
/// own entry and for those of its columns.
fn multiply(rows: &[f64], d: usize, vector: &[f64], product: &mut [f64]) {
    product.fill(0.0);
    for (r, row) in rows.chunks_exact(d).enumerate() {
        let (before, by) = (&row[..r], vector[r]);
        let entries = product[..r].iter_mut().zip(before);
        entries.for_each(|(entry, factor)| *entry += by * factor);
        product[r] += dot(before, &vector[..r]) + row[r] * by;
    }
}

/// `Σ aᵢ bᵢ` by eight partial sums, which the compiler can keep side by side.
fn dot(a: &[f64], b: &[f64]) -> f64 {
    const LANES: usize = 8;
    let (a, b) = (a.chunks_exact(LANES), b.chunks_exact(LANES));
    let rest: f64 = a.remainder().iter().zip(b.remainder()).map(|(a, b)| a * b).sum();
    let mut sums = [0.0; LANES];
    for (a, b) in a.zip(b) {
        for lane in 0..LANES {
            sums[lane] += a[lane] * b[lane];
        }
    }
    sums.iter().sum::<f64>() + rest
}
