use super::*;
use rand::{Rng, SeedableRng};
use rayon::ThreadPoolBuilder;
use std::error::Error;

type TestResult = Result<(), Box<dyn Error>>;

fn decomposed(matrix: &[f64], d: usize) -> Result<Spectrum, Box<dyn Error>> {
    Ok(eigen(matrix.to_vec(), d).ok_or("no eigenvalues")?)
}

/// Normal enough for a matrix that has no structure.
fn random(seed: u64, rows: usize, columns: usize) -> Vec<f64> {
    let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(seed);
    (0..rows * columns).map(|_| rng.random_range(-1.0..1.0)).collect()
}

/// `Xᵀ X` of `[N, D]`.
fn products(rows: &[f64], d: usize) -> Vec<f64> {
    let entry = |at: usize| rows.chunks_exact(d).map(|row| row[at / d] * row[at % d]).sum();
    (0..d * d).map(entry).collect()
}

fn transposed(matrix: &[f64], d: usize) -> Vec<f64> {
    (0..d * d).map(|at| matrix[at % d * d + at / d]).collect()
}

/// The largest entries of `Σ λ v vᵀ − A` and of `V Vᵀ − I`.
fn errors(matrix: &[f64], Spectrum { values, vectors }: &Spectrum) -> (f64, f64) {
    let d = values.len();
    let of_columns = transposed(vectors, d);
    let mut most = (0.0f64, 0.0f64);
    for i in 0..d {
        for j in 0..d {
            let row = |matrix: &[f64], i: usize| matrix[i * d..(i + 1) * d].to_vec();
            let (a, b) = (row(&of_columns, i), row(&of_columns, j));
            let entry: f64 = a.iter().zip(&b).zip(values).map(|((a, b), value)| a * b * value).sum();
            most.0 = most.0.max((entry - matrix[i * d + j]).abs());
            let product: f64 = row(vectors, i).iter().zip(row(vectors, j)).map(|(a, b)| a * b).sum();
            most.1 = most.1.max((product - f64::from(u8::from(i == j))).abs());
        }
    }
    most
}

fn sorted(mut values: Vec<f64>) -> Vec<f64> {
    values.sort_unstable_by(f64::total_cmp);
    values
}

#[test]
fn a_matrix_is_the_sum_of_its_eigenvectors() -> TestResult {
    // Eigenvalues from 1 to 1e-8: a Hilbert matrix.
    let d = 6;
    let matrix: Vec<f64> = (0..d * d).map(|i| 1.0 / ((i / d + i % d) as f64 + 1.0)).collect();
    let spectrum = decomposed(&matrix, d)?;
    let (off, turned) = errors(&matrix, &spectrum);
    assert!(off < 1e-14 && turned < 1e-14, "{off:e} {turned:e}");
    // The smallest eigenvalue of this Hilbert matrix.
    let least = sorted(spectrum.values)[0];
    assert!((least / 1.082_799_484_5e-7 - 1.0).abs() < 1e-6, "{least}");
    Ok(())
}

#[test]
fn a_matrix_of_many_rows() -> TestResult {
    // More than three panels, the last of them a narrow one.
    let d = 203;
    let half = random(1, d, d);
    let matrix: Vec<f64> = half.iter().zip(transposed(&half, d)).map(|(a, b)| a + b).collect();
    let spectrum = decomposed(&matrix, d)?;
    let (off, turned) = errors(&matrix, &spectrum);
    assert!(off < 1e-12 && turned < 1e-12, "{off:e} {turned:e}");
    assert!(spectrum.values.iter().any(|value| *value < -1.0));
    Ok(())
}

#[test]
fn diagonal_and_zero_matrices_are_their_own() -> TestResult {
    assert_eq!(decomposed(&[3.0, 0.0, 0.0, 2.0], 2)?.values, [3.0, 2.0]);
    assert_eq!(decomposed(&[0.0; 4], 2)?.values, [0.0, 0.0]);
    assert_eq!(decomposed(&[-5.0], 1)?.values, [-5.0]);
    assert!(decomposed(&[], 0)?.values.is_empty());
    let d = 70;
    let matrix: Vec<f64> = (0..d * d)
        .map(|at| if at % (d + 1) == 0 { at as f64 } else { 0.0 })
        .collect();
    let Spectrum { values, vectors } = decomposed(&matrix, d)?;
    assert!(
        values
            .iter()
            .enumerate()
            .all(|(i, value)| (value / (i * (d + 1)) as f64 - 1.0).abs() < 1e-15 || i == 0)
    );
    assert!(
        vectors
            .iter()
            .enumerate()
            .all(|(at, entry)| *entry == f64::from(u8::from(at % (d + 1) == 0)))
    );
    Ok(())
}

#[test]
fn a_tridiagonal_matrix_has_the_eigenvalues_of_a_chain() -> TestResult {
    // 2 on the diagonal and −1 beside it: λₖ = 2 − 2 cos(π k / (D + 1)).
    let d = 80;
    let entry = |at: usize| match (at / d).abs_diff(at % d) {
        0 => 2.0,
        1 => -1.0,
        _ => 0.0,
    };
    let matrix: Vec<f64> = (0..d * d).map(entry).collect();
    let spectrum = decomposed(&matrix, d)?;
    let (off, turned) = errors(&matrix, &spectrum);
    assert!(off < 1e-13 && turned < 1e-13, "{off:e} {turned:e}");
    for (k, value) in sorted(spectrum.values).into_iter().enumerate() {
        let exact = 2.0 - 2.0 * (std::f64::consts::PI * (k + 1) as f64 / (d + 1) as f64).cos();
        assert!((value - exact).abs() < 1e-14 * 4.0, "{value} {exact}");
    }
    Ok(())
}

#[test]
fn repeated_eigenvalues_have_orthogonal_vectors() -> TestResult {
    // I + u uᵀ: 1, D − 1 times, and 1 + uᵀu.
    let d = 90;
    let matrix: Vec<f64> = (0..d * d)
        .map(|at| f64::from(u8::from(at % (d + 1) == 0)) + 0.5)
        .collect();
    let spectrum = decomposed(&matrix, d)?;
    let (off, turned) = errors(&matrix, &spectrum);
    assert!(off < 1e-13 && turned < 1e-13, "{off:e} {turned:e}");
    let values = sorted(spectrum.values);
    assert!(values[..d - 1].iter().all(|value| (value - 1.0).abs() < 1e-13));
    assert!((values[d - 1] - 46.0).abs() < 1e-12, "{}", values[d - 1]);
    Ok(())
}

#[test]
fn products_of_few_rows_have_as_many_eigenvalues() -> TestResult {
    let (d, rank) = (150, 20);
    let matrix = products(&random(2, rank, d), d);
    let spectrum = decomposed(&matrix, d)?;
    let (off, turned) = errors(&matrix, &spectrum);
    assert!(off < 1e-12 && turned < 1e-12, "{off:e} {turned:e}");
    let values = sorted(spectrum.values);
    assert!(values[..d - rank].iter().all(|value| value.abs() < 1e-12), "{values:?}");
    assert!(values[d - rank] > 1.0, "{}", values[d - rank]);
    Ok(())
}

#[test]
fn entries_of_any_size_have_eigenvalues() -> TestResult {
    for size in [1e-300, 1e-160, 1e160, 1e300] {
        let values = sorted(decomposed(&[2.0 * size, size, size, 2.0 * size], 2)?.values);
        assert!(
            (values[0] / size - 1.0).abs() < 1e-14 && (values[1] / size - 3.0).abs() < 1e-14,
            "{size:e}"
        );
    }
    Ok(())
}

#[test]
fn what_has_no_end_has_no_eigenvalues() {
    for entry in [f64::NAN, f64::INFINITY] {
        assert!(eigen(vec![1.0, entry, entry, 1.0], 2).is_none());
    }
    let matrix = products(&random(3, 40, 30), 30);
    assert!(within(matrix.clone(), 30, 1).is_none());
    assert!(within(matrix, 30, MOST_ITERATIONS).is_some());
}

#[test]
fn threads_change_no_bit() -> TestResult {
    let d = 150;
    let matrix = products(&random(4, 60, d), d);
    let on = |threads: usize| -> Result<Spectrum, Box<dyn Error>> {
        let pool = ThreadPoolBuilder::new().num_threads(threads).build()?;
        Ok(pool.install(|| eigen(matrix.clone(), d)).ok_or("no eigenvalues")?)
    };
    let (one, two) = (on(1)?, on(2)?);
    assert_eq!(one.values, two.values);
    assert_eq!(one.vectors, two.vectors);
    Ok(())
}
