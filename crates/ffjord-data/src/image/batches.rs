//! Images picked out for a training batch.

use super::Images;
use crate::{DataError, Matrix};
use rand::Rng;

impl Images {
    /// The images of these numbers as rows of `(k + u) / levels`; with `flips` each is turned left to right with
    /// probability one half.
    ///
    /// ```
    /// use ffjord_data::Images;
    /// use rand::SeedableRng;
    /// let images = Images::new([1, 1, 2], 4, vec![0, 3, 1, 2])?;
    /// let rows = images.batch(&[1, 0], false, &mut rand_chacha::ChaCha8Rng::seed_from_u64(0))?;
    /// let levels: Vec<f32> = rows.as_slice().iter().map(|x| (4.0 * x).floor()).collect();
    /// assert_eq!(levels, [1.0, 2.0, 0.0, 3.0]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`DataError::RowOutOfRange`] for a number beyond the last.
    pub fn batch(&self, rows: &[u32], flips: bool, rng: &mut impl Rng) -> Result<Matrix<f32>, DataError> {
        let width = self.shape[2];
        let mut values = Vec::with_capacity(rows.len() * self.dimension());
        for &row in rows {
            let image = self.get(row as usize).ok_or(DataError::RowOutOfRange {
                row: row as usize,
                rows: self.len(),
            })?;
            let flipped = flips && rng.random::<bool>();
            for line in image.chunks_exact(width) {
                let start = values.len();
                values.extend(line.iter().map(|level| self.noisy(*level, rng)));
                if flipped {
                    values[start..].reverse();
                }
            }
        }
        Matrix::new(rows.len(), self.dimension(), values)
    }

    /// The images of these numbers with their levels as grey from 0 to 1, `k / (levels − 1)`.
    ///
    /// ```
    /// let images = ffjord_data::Images::new([1, 1, 2], 5, vec![0, 4, 1, 2])?;
    /// assert_eq!(images.grey(&[0, 1])?.as_slice(), [0.0, 1.0, 0.25, 0.5]);
    /// assert!(images.grey(&[2]).is_err());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// As [`batch`](Self::batch).
    pub fn grey(&self, rows: &[u32]) -> Result<Matrix<f32>, DataError> {
        self.each(rows, |grey| grey)
    }

    /// The images of these numbers made binary: a pixel is 1 with the probability of its grey. Only pixels between black and
    /// white take a random number.
    ///
    /// ```
    /// use rand::SeedableRng;
    /// let images = ffjord_data::Images::new([1, 1, 3], 5, vec![0, 4, 2])?;
    /// let rows = images.binary(&[0; 100], &mut rand_chacha::ChaCha8Rng::seed_from_u64(0))?;
    /// let means = rows.cast::<f64>().column_means();
    /// // Black and white stay; a pixel half-way is either.
    /// assert!(means[0] == 0.0 && means[1] == 1.0 && (means[2] - 0.5).abs() < 0.2);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// As [`batch`](Self::batch).
    pub fn binary(&self, rows: &[u32], rng: &mut impl Rng) -> Result<Matrix<f32>, DataError> {
        self.each(rows, |grey| match grey {
            between if between > 0.0 && between < 1.0 => f32::from(u8::from(rng.random::<f32>() < between)),
            end => end,
        })
    }

    fn each(&self, rows: &[u32], mut pixel: impl FnMut(f32) -> f32) -> Result<Matrix<f32>, DataError> {
        let top = (self.levels - 1) as f32;
        let mut values = Vec::with_capacity(rows.len() * self.dimension());
        for &row in rows {
            let image = self.get(row as usize).ok_or(DataError::RowOutOfRange {
                row: row as usize,
                rows: self.len(),
            })?;
            values.extend(image.iter().map(|level| pixel(f32::from(*level) / top)));
        }
        Matrix::new(rows.len(), self.dimension(), values)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;

    #[test]
    fn ink_has_the_probability_of_its_grey() {
        let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(2);
        let images = Images::new([1, 1, 3], 5, vec![0, 4, 1, 4, 0, 1]).unwrap();
        assert_eq!(
            images.grey(&[1, 0]).unwrap().as_slice(),
            [1.0, 0.0, 0.25, 0.0, 1.0, 0.25]
        );
        let drawn = images.binary(&[0; 4_000], &mut rng).unwrap();
        assert!(
            drawn
                .iter_rows()
                .all(|row| row[..2] == [0.0, 1.0] && [0.0, 1.0].contains(&row[2]))
        );
        let ink: f32 = drawn.iter_rows().map(|row| row[2]).sum();
        assert!((ink - 1_000.0).abs() < 5.0 * 27.4, "{ink}");
        assert!(images.binary(&[2], &mut rng).is_err());
    }

    #[test]
    fn noise_stays_in_its_level_and_flips_turn_lines() {
        let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(1);
        let images = Images::new([2, 1, 3], 4, vec![0, 1, 2, 3, 0, 1]).unwrap();
        let (mut same, mut turned) = (0, 0);
        for _ in 0..50 {
            let levels = |x: &Matrix<f32>| x.row(0).iter().map(|x| (x * 4.0) as u8).collect::<Vec<_>>();
            assert_eq!(
                levels(&images.batch(&[0], false, &mut rng).unwrap()),
                [0, 1, 2, 3, 0, 1]
            );
            match levels(&images.batch(&[0], true, &mut rng).unwrap()).as_slice() {
                [0, 1, 2, 3, 0, 1] => same += 1,
                [2, 1, 0, 1, 0, 3] => turned += 1,
                other => panic!("{other:?}"),
            }
        }
        assert!(same > 5 && turned > 5, "{same} and {turned}");
        assert!(images.batch(&[1], false, &mut rng).is_err());
    }
}
