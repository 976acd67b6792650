//! Epochs of shuffled batches, addressable by position so that an interrupted run resumes exactly.

use std::ops::Range;

use rand::{Rng, seq::SliceRandom};

use crate::DataError;

/// A uniform random order of the row numbers `0..rows`, `[rows]`.
///
/// # Errors
/// [`DataError::TooManyRows`] beyond 2³² − 1 rows.
///
/// ```
/// use rand::SeedableRng;
/// let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(1);
/// let mut order = ffjord_data::permutation(5, &mut rng)?;
/// order.sort();
/// assert_eq!(order, [0, 1, 2, 3, 4]);
/// # Ok::<(), ffjord_data::DataError>(())
/// ```
pub fn permutation<R: Rng + ?Sized>(rows: usize, rng: &mut R) -> Result<Vec<u32>, DataError> {
    let count = u32::try_from(rows).map_err(|_| DataError::TooManyRows { rows })?;
    let mut order: Vec<u32> = (0..count).collect();
    order.shuffle(rng);
    Ok(order)
}

/// What becomes of an epoch's last batch when the batch size does not divide the rows.
///
/// ```
/// use ffjord_data::{Batches, LastBatch};
/// let sizes = |last| {
///     let lengths = |batches: Batches| batches.ranges().map(|range| range.len()).collect::<Vec<_>>();
///     Batches::new(10, 4, last).map(lengths)
/// };
/// assert_eq!(sizes(LastBatch::Keep)?, [4, 4, 2]);
/// assert_eq!(sizes(LastBatch::Drop)?, [4, 4]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum LastBatch {
    /// It is smaller than the others: every row is seen once an epoch. For evaluation.
    Keep,
    /// It is left out: all batches are of one size. For training.
    Drop,
}

/// How `rows` rows are cut into batches.
///
/// Batch `index` of an epoch is a range into that epoch's [`permutation`]. A training step number is a pair
/// (epoch, index), so a run that derives the epoch's generator from (seed, epoch) resumes at any step:
///
/// ```
/// use ffjord_data::{Batches, LastBatch, permutation};
/// use rand::SeedableRng;
/// use rand_chacha::ChaCha8Rng;
///
/// let batches = Batches::new(10, 4, LastBatch::Drop)?;
/// assert_eq!(batches.len(), 2);
/// let (epoch, index) = batches.position(7);
/// assert_eq!((epoch, index), (3, 1));
///
/// let order = permutation(10, &mut ChaCha8Rng::seed_from_u64(epoch))?;
/// let rows = &order[batches.range(index)];
/// assert_eq!(rows.len(), 4);
/// # Ok::<(), ffjord_data::DataError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Batches {
    rows: usize,
    size: usize,
    last: LastBatch,
}

impl Batches {
    /// Batches of `size` of `rows` rows.
    ///
    /// # Errors
    /// [`DataError::BatchSize`] if an epoch would have no batch: `size` or `rows` is 0, or `size` exceeds `rows` and
    /// incomplete batches are dropped.
    pub fn new(rows: usize, size: usize, last: LastBatch) -> Result<Self, DataError> {
        if size == 0 || rows == 0 || (last == LastBatch::Drop && size > rows) {
            return Err(DataError::BatchSize { size, rows });
        }
        Ok(Self { rows, size, last })
    }

    /// The number of batches an epoch has, at least 1.
    #[allow(clippy::len_without_is_empty)] // There is no empty one.
    pub fn len(&self) -> usize {
        match self.last {
            LastBatch::Keep => self.rows.div_ceil(self.size),
            LastBatch::Drop => self.rows / self.size,
        }
    }

    /// The epoch and the batch index within it of training step `step`, all counted from 0.
    pub fn position(&self, step: u64) -> (u64, usize) {
        let batches = self.len() as u64;
        (step / batches, (step % batches) as usize)
    }

    /// Where batch `index` lies in an epoch's order of rows; empty beyond the last batch.
    pub fn range(&self, index: usize) -> Range<usize> {
        if index >= self.len() {
            return self.rows..self.rows;
        }
        let start = index * self.size;
        start..(start + self.size).min(self.rows)
    }

    /// The ranges of all batches of an epoch, in order.
    pub fn ranges(&self) -> impl ExactSizeIterator<Item = Range<usize>> + use<> {
        let batches = *self;
        (0..batches.len()).map(move |index| batches.range(index))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;

    use super::*;

    proptest! {
        #[test]
        fn batches_tile_the_epoch(rows in 1_usize..500, size in 1_usize..60) {
            let kept = Batches::new(rows, size, LastBatch::Keep).unwrap();
            let mut next = 0;
            for range in kept.ranges() {
                prop_assert_eq!(range.start, next);
                prop_assert!(!range.is_empty() && range.len() <= size);
                next = range.end;
            }
            prop_assert_eq!(next, rows);
            prop_assert!(kept.range(kept.len()).is_empty());
            match Batches::new(rows, size, LastBatch::Drop) {
                Ok(dropped) => {
                    prop_assert!(dropped.ranges().all(|range| range.len() == size));
                    prop_assert_eq!(dropped.len(), rows / size);
                }
                Err(_) => prop_assert!(size > rows),
            }
        }

        #[test]
        fn a_step_has_one_place(rows in 1_usize..500, size in 1_usize..60, step in 0_u64..10_000) {
            let batches = Batches::new(rows, size, LastBatch::Keep).unwrap();
            let (epoch, index) = batches.position(step);
            prop_assert!(index < batches.len());
            prop_assert_eq!(epoch * batches.len() as u64 + index as u64, step);
        }
    }

    #[test]
    fn permutations_depend_on_the_generator_alone() {
        let order = |seed| permutation(1000, &mut ChaCha8Rng::seed_from_u64(seed)).unwrap();
        assert_eq!(order(3), order(3));
        assert_ne!(order(3), order(4));
        let mut sorted = order(3);
        sorted.sort_unstable();
        assert!(sorted.into_iter().eq(0..1000));
    }

    #[test]
    fn every_row_reaches_every_place() {
        let mut seen = [[0_u32; 4]; 4];
        let mut rng = ChaCha8Rng::seed_from_u64(0);
        for _ in 0..4000 {
            for (place, row) in permutation(4, &mut rng).unwrap().into_iter().enumerate() {
                seen[place][row as usize] += 1;
            }
        }
        // Binomial with mean 1000 and standard deviation 27.
        assert!(
            seen.as_flattened().iter().all(|count| count.abs_diff(1000) < 140),
            "{seen:?}"
        );
    }

    #[test]
    fn impossible_batches_are_errors() {
        for (rows, size, last) in [
            (0, 1, LastBatch::Keep),
            (5, 0, LastBatch::Keep),
            (5, 6, LastBatch::Drop),
        ] {
            assert!(matches!(
                Batches::new(rows, size, last),
                Err(DataError::BatchSize { .. })
            ));
        }
    }
}
