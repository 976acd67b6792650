//! Random vectors with mean zero and unit covariance.

use crate::columns::Columns;
use crate::error::TraceError;
use crate::scalar::Scalar;
use rand::Rng;
use rand_distr::{Distribution, StandardNormal};
use std::fmt;
use std::str::FromStr;

/// The distribution of a probe ε, with `E ε = 0` and `Cov ε = I`.
///
/// ```
/// use ffjord_trace::ProbeDistribution;
/// assert_eq!("rademacher".parse::<ProbeDistribution>()?, ProbeDistribution::Rademacher);
/// # Ok::<(), ffjord_trace::TraceError>(())
/// ```
///
/// Two of three dimensions of a row, at right angles and of length √3:
///
/// ```
/// use ffjord_trace::ProbeDistribution;
/// use ffjord_trace::rand::{SeedableRng, rngs::StdRng};
/// let mut probes = [0.0_f64; 6];
/// ProbeDistribution::Orthogonal.fill(&mut StdRng::seed_from_u64(0), 3, &mut probes);
/// let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
/// let (first, second) = probes.split_at(3);
/// assert!(dot(first, second).abs() < 1e-12 && (dot(first, first) - 3.0).abs() < 1e-12);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ProbeDistribution {
    /// Independent signs ±1: the least variance of all distributions with independent entries (Hutchinson 1990).
    Rademacher,
    /// Independent standard normal entries.
    Gaussian,
    /// Uniform on the sphere of radius √D.
    Sphere,
    /// Each uniform on that sphere, and all of a row at right angles to each other (a frame of Haar's distribution):
    /// the variance of K ≤ D of them is `(D − K)/(D − 1)` times that of independent ones, and D give the exact trace.
    Orthogonal,
}

impl ProbeDistribution {
    /// Every distribution.
    pub const ALL: [Self; 4] = [Self::Rademacher, Self::Gaussian, Self::Sphere, Self::Orthogonal];

    /// Fills `out` with the probes of one row, of `dimension` entries each, one after the other.
    ///
    /// They are independent; orthogonal ones are so from one frame of `dimension` to the next.
    pub fn fill<T: Scalar, R: Rng + ?Sized>(self, rng: &mut R, dimension: usize, out: &mut [T]) {
        match self {
            Self::Rademacher => {
                // One word of the generator holds 64 signs.
                for signs in out.chunks_mut(64) {
                    let mut bits = rng.next_u64();
                    for sign in signs {
                        *sign = T::from_f64(if bits & 1 == 0 { 1.0 } else { -1.0 });
                        bits >>= 1;
                    }
                }
            }
            Self::Gaussian => out
                .iter_mut()
                .for_each(|entry| *entry = T::from_f64(StandardNormal.sample(rng))),
            Self::Orthogonal => {
                let radius = (dimension as f64).sqrt();
                for frame in out.chunks_mut(dimension.pow(2).max(1)) {
                    let mut draws = Columns::new(dimension.max(1));
                    draws.push(frame.iter().map(|_| StandardNormal.sample(rng)));
                    let basis = draws.orthonormal();
                    let entries = basis.iter().flatten();
                    frame
                        .iter_mut()
                        .zip(entries)
                        .for_each(|(entry, unit)| *entry = T::from_f64(unit * radius));
                }
            }
            Self::Sphere => {
                for probe in out.chunks_mut(dimension.max(1)) {
                    let draws: Vec<f64> = probe.iter().map(|_| StandardNormal.sample(rng)).collect();
                    let norm = draws.iter().map(|draw| draw * draw).sum::<f64>().sqrt();
                    let scale = (draws.len() as f64).sqrt() / norm;
                    probe
                        .iter_mut()
                        .zip(draws)
                        .for_each(|(entry, draw)| *entry = T::from_f64(draw * scale));
                }
            }
        }
    }
}

impl fmt::Display for ProbeDistribution {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Rademacher => "rademacher",
            Self::Gaussian => "gaussian",
            Self::Sphere => "sphere",
            Self::Orthogonal => "orthogonal",
        })
    }
}

impl FromStr for ProbeDistribution {
    type Err = TraceError;

    fn from_str(name: &str) -> Result<Self, TraceError> {
        Self::ALL
            .into_iter()
            .find(|distribution| distribution.to_string() == name)
            .ok_or_else(|| TraceError::UnknownDistribution {
                given: name.to_string(),
                accepted: "rademacher, gaussian, sphere, orthogonal",
            })
    }
}

/// K vectors for each of B rows, `[K, B, D]`, drawn once and then fixed.
///
/// ```
/// use ffjord_trace::{ProbeDistribution, Probes};
/// use ffjord_trace::rand::{SeedableRng, rngs::StdRng};
///
/// let mut rng = StdRng::seed_from_u64(0);
/// let probes = Probes::<f32>::draw(ProbeDistribution::Rademacher, 4, 10, 3, &mut rng)?;
/// assert_eq!(probes.vectors().len(), 4 * 10 * 3);
/// assert!(probes.vectors().iter().all(|entry| entry.abs() == 1.0));
/// # Ok::<(), ffjord_trace::TraceError>(())
/// ```
///
/// Vectors that are not drawn:
///
/// ```
/// use ffjord_trace::Probes;
/// let units = Probes::<f64>::unit_vectors(1, 2)?;
/// assert_eq!((units.count(), units.batch(), units.dimension()), (2, 1, 2));
/// assert_eq!(units, Probes::from_vectors(2, 1, 2, vec![1.0, 0.0, 0.0, 1.0])?);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Probes<T> {
    count: usize,
    batch: usize,
    dimension: usize,
    vectors: Vec<T>,
}

impl<T: Scalar> Probes<T> {
    /// Probes: `count` for each of `batch` rows of `dimension` numbers, independent from row to row.
    ///
    /// # Errors
    /// [`TraceError::Empty`] when a size is 0, [`TraceError::TooLarge`] when memory cannot hold so many,
    /// [`TraceError::TooManyOrthogonal`] when orthogonal ones are more than the dimension.
    pub fn draw<R: Rng + ?Sized>(
        distribution: ProbeDistribution,
        count: usize,
        batch: usize,
        dimension: usize,
        rng: &mut R,
    ) -> Result<Self, TraceError> {
        let mut vectors = vec![T::default(); elements(count, batch, dimension)?];
        if distribution == ProbeDistribution::Orthogonal {
            if count > dimension {
                return Err(TraceError::TooManyOrthogonal { count, dimension });
            }
            let mut frame = vec![T::default(); count * dimension];
            for row in 0..batch {
                distribution.fill(rng, dimension, &mut frame);
                for (index, probe) in frame.chunks_exact(dimension).enumerate() {
                    vectors[(index * batch + row) * dimension..][..dimension].copy_from_slice(probe);
                }
            }
        } else {
            distribution.fill(rng, dimension, &mut vectors);
        }
        Ok(Self {
            count,
            batch,
            dimension,
            vectors,
        })
    }

    /// The D unit vectors for each of `batch` rows.
    ///
    /// # Errors
    /// [`TraceError::Empty`] when a size is 0, [`TraceError::TooLarge`] when memory cannot hold so many.
    pub fn unit_vectors(batch: usize, dimension: usize) -> Result<Self, TraceError> {
        let mut vectors = vec![T::default(); elements(dimension, batch, dimension)?];
        for (index, vector) in vectors.chunks_exact_mut(dimension).enumerate() {
            vector[index / batch] = T::from_f64(1.0);
        }
        Ok(Self {
            count: dimension,
            batch,
            dimension,
            vectors,
        })
    }

    /// Given vectors `[count, batch, dimension]`.
    ///
    /// # Errors
    /// As for [`draw`](Self::draw), and [`TraceError::Shape`] when the length does not fit.
    pub fn from_vectors(count: usize, batch: usize, dimension: usize, vectors: Vec<T>) -> Result<Self, TraceError> {
        if vectors.len() != elements(count, batch, dimension)? {
            return Err(TraceError::Shape {
                given: vectors.len(),
                count,
                batch,
                dimension,
            });
        }
        Ok(Self {
            count,
            batch,
            dimension,
            vectors,
        })
    }

    /// These vectors and then those of `other`, for the same rows.
    pub(crate) fn followed_by(mut self, other: &Self) -> Self {
        self.vectors.extend_from_slice(&other.vectors);
        self.count += other.count;
        self
    }

    /// The number K of vectors for each row.
    pub fn count(&self) -> usize {
        self.count
    }

    /// The number B of rows.
    pub fn batch(&self) -> usize {
        self.batch
    }

    /// The dimension D.
    pub fn dimension(&self) -> usize {
        self.dimension
    }

    /// The vectors `[K, B, D]`.
    pub fn vectors(&self) -> &[T] {
        &self.vectors
    }
}

/// The number of elements of `[count, batch, dimension]`.
fn elements(count: usize, batch: usize, dimension: usize) -> Result<usize, TraceError> {
    for (size, what) in [
        (count, "the number of probes"),
        (batch, "the number of rows"),
        (dimension, "the dimension"),
    ] {
        if size == 0 {
            return Err(TraceError::Empty { what });
        }
    }
    // A vector holds at most `isize::MAX` bytes.
    count
        .checked_mul(batch)
        .and_then(|vectors| vectors.checked_mul(dimension))
        .filter(|elements| *elements <= isize::MAX as usize / size_of::<f64>())
        .ok_or(TraceError::TooLarge {
            count,
            batch,
            dimension,
        })
}
