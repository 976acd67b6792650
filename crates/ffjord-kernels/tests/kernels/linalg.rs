//! Matrix products against loops, for all kinds of shapes and every level.

use crate::reference::{noise, relative_error};
use ffjord_kernels::Real;
use ffjord_kernels::linalg::{PackedMatrix, Rows, RowsMut, accumulate_outer, add_column_sums, multiply};
use ffjord_kernels::simd::SimdLevel;
use proptest::prelude::*;

fn numbers<T: Real>(seed: usize, len: usize) -> Vec<T> {
    (0..len).map(|i| T::from_f64(noise(seed, i))).collect()
}

fn doubles<T: Real>(x: &[T]) -> Vec<f64> {
    x.iter().map(|x| x.to_f64()).collect()
}

/// Rows times a packed matrix, with a gap behind the rows of A and C that must not matter or change.
fn check_multiply<T: Real>(rows: usize, depth: usize, columns: usize, gap: usize, biased: bool) -> f64 {
    let (a_stride, c_stride) = (depth + gap, columns + gap);
    let (a, b) = (numbers::<T>(1, rows * a_stride), numbers::<T>(2, depth * columns));
    let mut worst: f64 = 0.0;
    for level in SimdLevel::available() {
        let mut packed = PackedMatrix::zeros(level, depth, columns);
        packed.fill_with(|k, n| b[k * columns + n]);
        let padded = packed.layout().padded();
        let bias: Vec<T> = if biased { numbers(3, padded) } else { Vec::new() };
        let mut c = numbers::<T>(4, rows * c_stride);
        let mut wanted = doubles(&c);
        // Rounding is measured beside the terms of a sum, which may cancel.
        let mut largest: f64 = 0.0;
        for (r, row) in wanted.chunks_mut(c_stride).enumerate() {
            for (n, to) in row.iter_mut().enumerate().take(padded) {
                let start = if biased { bias[n].to_f64() } else { 0.0 };
                let entry = |k: usize| if n < columns { b[k * columns + n].to_f64() } else { 0.0 };
                let term = |k: usize| a[r * a_stride + k].to_f64() * entry(k);
                *to = (0..depth).fold(start, |sum, k| sum + term(k));
                largest = (0..depth).fold(start.abs(), |sum, k| sum + term(k).abs()).max(largest);
            }
        }
        let target = RowsMut {
            data: &mut c,
            stride: c_stride,
        };
        multiply(
            level,
            Rows {
                data: &a,
                stride: a_stride,
            },
            &packed,
            &bias,
            target,
        );
        let gaps = doubles(&c)
            .into_iter()
            .zip(&wanted)
            .map(|(c, wanted)| (c - wanted).abs());
        worst = worst.max(gaps.fold(0.0, f64::max) / largest.max(f64::MIN_POSITIVE));
    }
    worst
}

/// Entries of a matrix, and of the matrix with scaled columns and with scaled rows.
fn check_scaled<T: Real>(depth: usize, columns: usize) -> Result<(), TestCaseError> {
    let b = numbers::<T>(1, depth * columns);
    for level in SimdLevel::available() {
        let mut matrix = PackedMatrix::zeros(level, depth, columns);
        matrix.fill_with(|k, n| b[k * columns + n]);
        let (of_columns, of_rows) = (numbers::<T>(2, matrix.layout().padded()), numbers::<T>(3, depth));
        let (mut by_columns, mut by_rows) = (matrix.clone(), matrix.clone());
        by_columns.assign_columns_scaled(level, &matrix, &of_columns);
        by_rows.assign_rows_scaled(level, &matrix, &of_rows);
        for k in 0..depth {
            for n in 0..columns {
                let given = b[k * columns + n];
                prop_assert_eq!(matrix.entry(k, n), given);
                prop_assert_eq!(by_columns.entry(k, n), given * of_columns[n]);
                prop_assert_eq!(by_rows.entry(k, n), given * of_rows[k]);
            }
        }
    }
    Ok(())
}

fn check_outer<T: Real>(rows: usize, m: usize, n: usize, gap: usize) -> f64 {
    let (x, y) = (numbers::<T>(1, rows * (m + gap)), numbers::<T>(2, rows * (n + gap)));
    let mut worst: f64 = 0.0;
    for level in SimdLevel::available() {
        let mut c = numbers::<T>(3, m * (n + gap));
        let mut wanted = doubles(&c);
        for (i, row) in wanted.chunks_mut(n + gap).enumerate() {
            for (j, to) in row.iter_mut().enumerate().take(n) {
                let terms = (0..rows).map(|r| x[r * (m + gap) + i].to_f64() * y[r * (n + gap) + j].to_f64());
                *to += terms.sum::<f64>();
            }
        }
        let (a, b) = (
            Rows {
                data: &x,
                stride: m + gap,
            },
            Rows {
                data: &y,
                stride: n + gap,
            },
        );
        accumulate_outer(
            level,
            (m, n),
            a,
            b,
            RowsMut {
                data: &mut c,
                stride: n + gap,
            },
        );
        worst = worst.max(relative_error(&doubles(&c), &wanted));
    }
    worst
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn rows_times_a_packed_matrix(
        rows in 0usize..40, depth in 1usize..50, columns in 1usize..150, gap in 0usize..20, biased: bool,
    ) {
        prop_assert!(check_multiply::<f32>(rows, depth, columns, gap, biased) < 1e-5);
        prop_assert!(check_multiply::<f64>(rows, depth, columns, gap, biased) < 1e-14);
    }

    #[test]
    fn rows_times_a_narrow_packed_matrix(
        rows in 0usize..40, depth in 1usize..90, columns in 1usize..9, gap in 0usize..20, biased: bool,
    ) {
        prop_assert!(check_multiply::<f32>(rows, depth, columns, gap, biased) < 1e-5);
        prop_assert!(check_multiply::<f64>(rows, depth, columns, gap, biased) < 1e-14);
    }

    #[test]
    fn a_scaled_matrix_has_scaled_entries(depth in 1usize..40, columns in 1usize..150) {
        check_scaled::<f32>(depth, columns)?;
        check_scaled::<f64>(depth, columns)?;
        check_scaled::<f32>(depth, columns % 8 + 1)?;
        check_scaled::<f64>(depth, columns % 4 + 1)?;
    }

    #[test]
    fn sums_of_outer_products(rows in 1usize..300, m in 1usize..40, n in 1usize..150, gap in 0usize..20) {
        prop_assert!(check_outer::<f32>(rows, m, n, gap) < 1e-5);
        prop_assert!(check_outer::<f64>(rows, m, n, gap) < 1e-13);
    }
}

#[test]
fn large_results_agree_too() {
    assert!(check_outer::<f32>(37, 193, 230, 5) < 1e-5);
    assert!(check_outer::<f64>(19, 260, 192, 0) < 1e-13);
}

#[test]
fn column_sums_are_the_sums_of_columns() {
    let a = numbers::<f64>(1, 7 * 5);
    for level in SimdLevel::available() {
        let mut sums = [1.0; 5];
        add_column_sums(level, Rows { data: &a, stride: 5 }, &mut sums);
        for (j, sum) in sums.iter().enumerate() {
            let wanted = 1.0 + (0..7).map(|r| a[r * 5 + j]).sum::<f64>();
            assert!((sum - wanted).abs() < 1e-14);
        }
    }
}
