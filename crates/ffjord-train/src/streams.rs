//! Random numbers that depend on a run's seed and a position in the run alone.

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

/// What random numbers are drawn for; the numbers of one purpose never depend on how many another one takes.
///
/// The codes are part of the generators' keys: changing one changes the results of every run.
///
/// ```
/// use ffjord_train::{Purpose, Streams};
/// use rand::Rng;
/// let streams = Streams::new(7);
/// assert_eq!(streams.seed(), 7);
/// let draw = |purpose, index, part| streams.rng(purpose, index, part).random::<u64>();
/// assert_ne!(draw(Purpose::Shuffle, 0, 0), draw(Purpose::Sample, 0, 0));
/// assert_ne!(draw(Purpose::Shuffle, 0, 0), draw(Purpose::Shuffle, 0, 1));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
#[repr(u64)]
pub enum Purpose {
    /// The initial weights.
    Initialise = 1,
    /// Fresh training samples, or noise added to stored ones.
    Data = 2,
    /// The order of the training rows in an epoch.
    Shuffle = 3,
    /// The probes of trace estimators in training.
    Probe = 4,
    /// Held-out rows and the probes of a validation.
    Validation = 5,
    /// Samples and probes of the final evaluation.
    Test = 6,
    /// Samples drawn from the model.
    Sample = 7,
    /// Which rows of a table are trained on, and which are held out.
    Split = 8,
}

/// The random number generators of a run, one for each purpose, index and part.
///
/// The generator is ChaCha8 with the 32-byte key `[seed, purpose, index, part]`, four little-endian `u64`. Nothing has
/// to be stored to resume a run: the generator of an iteration is a function of the seed and the iteration.
///
/// ```
/// use ffjord_train::{Purpose, Streams};
/// use rand::Rng;
///
/// let streams = Streams::new(7);
/// let first: u64 = streams.rng(Purpose::Data, 12, 0).random();
/// let again: u64 = streams.rng(Purpose::Data, 12, 0).random();
/// let probe: u64 = streams.rng(Purpose::Probe, 12, 0).random();
/// assert_eq!(first, again);
/// assert_ne!(first, probe);
/// ```
#[derive(Debug, Clone, Copy)]
pub struct Streams {
    seed: u64,
}

impl Streams {
    /// The generators of a run with this seed.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self { seed }
    }

    /// The run's seed.
    #[must_use]
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// A generator at its start; `index` counts iterations, epochs or validations, and `part` what is drawn within one.
    #[must_use]
    pub fn rng(&self, purpose: Purpose, index: u64, part: u64) -> ChaCha8Rng {
        let mut key = [0; 32];
        let words = [self.seed, purpose as u64, index, part];
        for (bytes, word) in key.chunks_exact_mut(8).zip(words) {
            bytes.copy_from_slice(&word.to_le_bytes());
        }
        ChaCha8Rng::from_seed(key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::Rng;

    const ALL: [Purpose; 7] = [
        Purpose::Initialise,
        Purpose::Data,
        Purpose::Shuffle,
        Purpose::Probe,
        Purpose::Validation,
        Purpose::Test,
        Purpose::Sample,
    ];

    fn first(seed: u64, purpose: Purpose, index: u64, part: u64) -> u64 {
        Streams::new(seed).rng(purpose, index, part).random()
    }

    #[test]
    fn values_are_pinned() {
        // From an implementation of ChaCha8 independent of this one's.
        let expected = [
            15024004442112299038,
            11201303078424469528,
            6779714151341295239,
            16884719332677751410,
            10465479900608587874,
            9760905820472378083,
            632534131931930102,
        ];
        assert_eq!(ALL.map(|purpose| first(42, purpose, 3, 1)), expected);
    }

    #[test]
    fn every_word_of_the_key_matters() {
        let reference = first(1, Purpose::Data, 2, 3);
        assert_ne!(reference, first(4, Purpose::Data, 2, 3));
        assert_ne!(reference, first(1, Purpose::Shuffle, 2, 3));
        assert_ne!(reference, first(1, Purpose::Data, 4, 3));
        assert_ne!(reference, first(1, Purpose::Data, 2, 4));
        // Index and part are not interchangeable.
        assert_ne!(reference, first(1, Purpose::Data, 3, 2));
    }
}
