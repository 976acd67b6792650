//! Images picked out for a training batch.

use super::Images;
use crate::{DataError, Matrix};
use rand::Rng;

impl Images {
    /// The images of these numbers as rows of `(k + u) / levels`; with `flips` each is turned left to right with
    /// probability one half.
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
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;

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
