//! numpy's legacy random generator, which the published POWER split was made with.

use rand_mt::Mt;

/// numpy's `RandomState(seed)`: MT19937 seeded by `init_genrand`, with the legacy shuffle and 53-bit uniforms.
///
/// It reproduces numpy's streams bit for bit and is meant for that alone: use a generator of the `rand` crates for
/// everything else.
///
/// ```
/// use ffjord_data::numpy::LegacyGenerator;
///
/// let mut generator = LegacyGenerator::new(42);
/// // numpy.random.RandomState(42).random_sample()
/// assert_eq!(generator.random_sample(), 0.3745401188473625);
/// ```
#[derive(Debug, Clone)]
pub struct LegacyGenerator {
    twister: Mt,
}

impl LegacyGenerator {
    /// The generator of `numpy.random.RandomState(seed)` or `numpy.random.seed(seed)`.
    pub fn new(seed: u32) -> Self {
        Self { twister: Mt::new(seed) }
    }

    /// A uniform integer in `0..=maximum`, by rejecting draws masked to the width of `maximum`.
    fn interval(&mut self, maximum: u64) -> u64 {
        if maximum == 0 {
            return 0;
        }
        let mask = u64::MAX >> maximum.leading_zeros();
        loop {
            let value = mask
                & match u32::try_from(maximum) {
                    Ok(_) => u64::from(self.twister.next_u32()),
                    // numpy's 64-bit draw takes the high word first.
                    Err(_) => u64::from(self.twister.next_u32()) << 32 | u64::from(self.twister.next_u32()),
                };
            if value <= maximum {
                return value;
            }
        }
    }

    /// `shuffle(items)`: Fisher–Yates in place from the last item down.
    ///
    /// ```
    /// let mut items: Vec<u32> = (0..10).collect();
    /// ffjord_data::numpy::LegacyGenerator::new(42).shuffle(&mut items);
    /// assert_eq!(items, [8, 1, 5, 0, 7, 2, 9, 4, 3, 6]);
    /// ```
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            // The draw is at most `last`, so it is an index.
            items.swap(last, self.interval(last as u64) as usize);
        }
    }

    /// `binomial(1, p)` of a probability, by inversion as numpy had it before version 1.17: a pixel that is never ink takes
    /// a draw, too.
    ///
    /// ```
    /// use ffjord_data::numpy::LegacyGenerator;
    /// let mut generator = LegacyGenerator::new(1);
    /// let ink = (0..1000).filter(|_| generator.bernoulli(0.3)).count();
    /// assert!((250..350).contains(&ink));
    /// ```
    pub fn bernoulli(&mut self, p: f64) -> bool {
        if p > 0.5 {
            return !self.inversion(1.0 - p);
        }
        self.inversion(p)
    }

    /// Whether a uniform number lies beyond the probability of 0; one that rounding leaves beyond 1, too, is drawn again.
    fn inversion(&mut self, p: f64) -> bool {
        let q = 1.0 - p;
        let none = q.ln().exp();
        loop {
            let rest = self.random_sample() - none;
            if rest <= 0.0 {
                return false;
            }
            if rest <= p * none / q {
                return true;
            }
        }
    }

    /// `random_sample()`, also called `rand()`: a uniform multiple of 2⁻⁵³ in [0, 1).
    pub fn random_sample(&mut self) -> f64 {
        let high = self.twister.next_u32() >> 5;
        let low = self.twister.next_u32() >> 6;
        (f64::from(high) * f64::from(1 << 26) + f64::from(low)) / (1_u64 << 53) as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uniforms_are_numpys() {
        let mut generator = LegacyGenerator::new(42);
        let expected = [
            0.3745401188473625,
            0.9507143064099162,
            0.7319939418114051,
            0.5986584841970366,
        ];
        for value in expected {
            assert_eq!(generator.random_sample(), value);
        }
    }

    #[test]
    fn bernoulli_numbers_are_uniform_ones_beyond_a_threshold() {
        // The first four uniform numbers are those above: each is ink where it exceeds 1 − p, or for p > ½ is at most p.
        let mut generator = LegacyGenerator::new(42);
        let drawn = [0.3, 0.06, 0.8, 0.3].map(|p| generator.bernoulli(p));
        assert_eq!(drawn, [false, true, true, false]);
        let mut generator = LegacyGenerator::new(1);
        assert!((0..100).all(|_| !generator.bernoulli(0.0) && generator.bernoulli(1.0)));
        let count = (0..10_000).filter(|_| generator.bernoulli(0.7)).count();
        assert!(count.abs_diff(7_000) < 5 * 46, "{count}");
    }

    #[test]
    fn intervals_cover_their_range_without_bias() {
        let mut generator = LegacyGenerator::new(7);
        let mut counts = [0_u32; 6];
        for _ in 0..60_000 {
            counts[generator.interval(5) as usize] += 1;
        }
        // Six binomial counts of mean 10,000 and standard deviation 91: none strays five of them.
        assert!(counts.iter().all(|count| count.abs_diff(10_000) < 457), "{counts:?}");
        let wide = u64::from(u32::MAX) + 5;
        assert!((0..100).all(|_| generator.interval(wide) <= wide));
        assert_eq!(generator.interval(0), 0);
    }
}
