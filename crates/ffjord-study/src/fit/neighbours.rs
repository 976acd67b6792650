//! Distances between all rows of two sets.

use ffjord_data::Matrix;

/// Neighbours of a row that vote on its label.
const VOTERS: usize = 5;

/// Distances `[M, M]` between rows, and the nearest of each.
pub(super) struct Neighbours {
    pub(super) count: usize,
    pub(super) distances: Vec<f32>,
    nearest: Vec<[u32; VOTERS]>,
}

impl Neighbours {
    /// Of all rows of both sets, at least six together; columns are divided by their deviations in the first, so that none
    /// counts more than another by its unit.
    pub(super) fn new(first: &Matrix<f64>, second: &Matrix<f64>) -> Self {
        let means = first.column_means();
        let mut squares = vec![0.0; first.columns()];
        for row in first.iter_rows() {
            for (square, (value, mean)) in squares.iter_mut().zip(row.iter().zip(&means)) {
                *square += (value - mean).powi(2);
            }
        }
        let scale = |square: &f64| match (square / first.rows() as f64).sqrt() {
            deviation if deviation > 0.0 => 1.0 / deviation,
            _ => 1.0,
        };
        let scales: Vec<f64> = squares.iter().map(scale).collect();
        let rows: Vec<Vec<f32>> = (first.iter_rows().chain(second.iter_rows()))
            .map(|row| {
                row.iter()
                    .zip(&scales)
                    .map(|(value, scale)| (value * scale) as f32)
                    .collect()
            })
            .collect();
        let count = rows.len();
        let mut distances = vec![0.0; count * count];
        for i in 0..count {
            for j in 0..i {
                let squares = rows[i].iter().zip(&rows[j]).map(|(a, b)| (a - b) * (a - b));
                let distance = squares.sum::<f32>().sqrt();
                (distances[i * count + j], distances[j * count + i]) = (distance, distance);
            }
        }
        let nearest = (0..count)
            .map(|row| nearest(row, &distances[row * count..][..count]))
            .collect();
        Self {
            count,
            distances,
            nearest,
        }
    }

    /// The share of rows whose nearest neighbours, without themselves, mostly have their label.
    pub(super) fn accuracy(&self, is_first: &[bool]) -> f64 {
        let right = |(row, voters): &(usize, &[u32; VOTERS])| {
            let same = voters
                .iter()
                .filter(|voter| is_first[**voter as usize] == is_first[*row]);
            2 * same.count() > VOTERS
        };
        self.nearest.iter().enumerate().filter(right).count() as f64 / self.count as f64
    }
}

fn nearest(row: usize, distances: &[f32]) -> [u32; VOTERS] {
    let mut others: Vec<u32> = (0..distances.len() as u32)
        .filter(|other| *other as usize != row)
        .collect();
    let by_distance = |a: &u32, b: &u32| distances[*a as usize].total_cmp(&distances[*b as usize]).then(a.cmp(b));
    let mut found = [0; VOTERS];
    if others.len() > VOTERS {
        others.select_nth_unstable_by(VOTERS - 1, by_distance);
    }
    for (place, other) in found.iter_mut().zip(others) {
        *place = other;
    }
    found
}
