//! Symmetric tridiagonal matrices: what remains of an operator in a Krylov space.

/// A symmetric tridiagonal matrix of m rows.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Tridiagonal {
    /// The diagonal, m numbers.
    pub(crate) diagonal: Vec<f64>,
    /// The numbers beside the diagonal, m − 1 of them; further ones are ignored.
    pub(crate) beside: Vec<f64>,
}

/// Eigenvalues of a matrix, each with its unit eigenvector or the first entries of it.
pub(crate) struct Spectrum {
    pub(crate) values: Vec<f64>,
    pub(crate) vectors: Vec<Vec<f64>>,
}

/// Every eigenvalue takes two or three iterations; LAPACK gives up after 30.
const MAX_ITERATIONS: usize = 50;

impl Tridiagonal {
    /// The number m of rows.
    pub(crate) fn rows(&self) -> usize {
        self.diagonal.len()
    }

    /// The leading rows and columns.
    pub(crate) fn leading(&self, rows: usize) -> Self {
        Self {
            diagonal: self.diagonal[..rows].to_vec(),
            beside: self.beside[..rows.saturating_sub(1)].to_vec(),
        }
    }

    /// All eigenvalues, with the first `entries` entries of every eigenvector, by the implicit QL method (Golub, Van
    /// Loan 2013, section 8.3). Entries that are not finite give eigenvalues that are NaN.
    pub(crate) fn spectrum(&self, entries: usize) -> Spectrum {
        let rows = self.rows();
        let unit = |row: usize| (0..entries).map(|entry| f64::from(u8::from(entry == row))).collect();
        let mut spectrum = Spectrum {
            values: self.diagonal.clone(),
            vectors: (0..rows).map(unit).collect(),
        };
        let mut beside = self.beside.clone();
        beside.resize(rows, 0.0);
        let is_finite = self.diagonal.iter().chain(&beside).all(|entry| entry.is_finite());
        if !(is_finite && (0..rows).all(|row| spectrum.isolate(&mut beside, row))) {
            spectrum.values.fill(f64::NAN);
        }
        spectrum
    }
}

impl Spectrum {
    /// Turns rows from `first` on until `first` stands alone; false if that takes too long.
    fn isolate(&mut self, beside: &mut [f64], first: usize) -> bool {
        for _ in 0..MAX_ITERATIONS {
            let values = &self.values;
            let is_small = |row: usize| beside[row].abs() <= f64::EPSILON * (values[row].abs() + values[row + 1].abs());
            let last = (first..values.len() - 1)
                .find(|row| is_small(*row))
                .unwrap_or(values.len() - 1);
            if last == first {
                return true;
            }
            self.sweep(beside, first, last);
        }
        false
    }

    /// One QL step on the block from `first` to `last`, with Wilkinson's shift.
    fn sweep(&mut self, beside: &mut [f64], first: usize, last: usize) {
        let d = &mut self.values;
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
            let (left, right) = self.vectors.split_at_mut(row + 1);
            for (x, y) in left[row].iter_mut().zip(&mut right[0]) {
                (*x, *y) = (cosine * *x - sine * *y, sine * *x + cosine * *y);
            }
        }
        d[first] -= p;
        beside[first] = g;
        beside[last] = 0.0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn eigenvectors_give_back_the_matrix() {
        for matrix in [
            Tridiagonal {
                diagonal: vec![2.0; 9],
                beside: vec![-1.0; 8],
            },
            // Entries of many scales, with rows that stand alone.
            Tridiagonal {
                diagonal: vec![1e6, 3.0, -2.0, 1e-7, 0.0, 5.0],
                beside: vec![10.0, 0.0, 1.5, 1e-3, 0.0],
            },
        ] {
            let rows = matrix.rows();
            let Spectrum { values, vectors } = matrix.spectrum(rows);
            let scale = values.iter().fold(0.0, |most: f64, value| most.max(value.abs()));
            for i in 0..rows {
                for j in 0..rows {
                    let sum = |weight: &dyn Fn(usize) -> f64| -> f64 {
                        (0..rows).map(|k| weight(k) * vectors[k][i] * vectors[k][j]).sum()
                    };
                    let entry = match i.abs_diff(j) {
                        0 => matrix.diagonal[i],
                        1 => matrix.beside[i.min(j)],
                        _ => 0.0,
                    };
                    assert!((sum(&|k| values[k]) - entry).abs() < 1e-14 * scale, "{i}{j}");
                    assert!((sum(&|_| 1.0) - f64::from(u8::from(i == j))).abs() < 1e-14, "{i}{j}");
                }
            }
        }
    }

    #[test]
    fn nan_gives_nan_and_nothing_has_no_eigenvalues() {
        let matrix = Tridiagonal {
            diagonal: vec![1.0, f64::NAN],
            beside: vec![1.0],
        };
        assert!(matrix.spectrum(1).values.iter().all(|value| value.is_nan()));
        assert!(Tridiagonal::default().spectrum(0).values.is_empty());
    }
}
