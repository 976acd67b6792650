//! Two-dimensional densities that a flow is tried on first.
//!
//! The definitions, scale factors and noises are those of `lib/toy_data.py` in the authors' release, which calls
//! scikit-learn for three of them. Where that file lays out a batch on a fixed grid of angles or classes, the points
//! here are independent draws of the same distribution, so a sample does not depend on the batch it is drawn in.

mod checkerboard;
mod clusters;
mod curves;
#[cfg(feature = "image")]
mod image;
mod rings;

use std::{fmt, str::FromStr};

use rand::Rng;

#[cfg(feature = "image")]
pub use self::image::{ImageDensity, ImageDensityError, Ink};
use crate::{DataError, Element, Matrix};

/// A named two-dimensional toy density.
///
/// ```
/// use ffjord_data::ToyDensity;
/// use rand::SeedableRng;
///
/// let density: ToyDensity = "pinwheel".parse()?;
/// let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(0);
/// let points = density.sample(100, &mut rng);
/// assert_eq!((points.rows(), points.columns()), (100, 2));
/// # Ok::<(), ffjord_data::DataError>(())
/// ```
///
/// Every density has a name, and its points in double precision:
///
/// ```
/// use ffjord_data::ToyDensity;
/// use rand::SeedableRng;
///
/// let line = ToyDensity::ALL[8];
/// assert_eq!((line, line.name()), (ToyDensity::Line, "line"));
/// let points = line.sample_f64(10, &mut rand_chacha::ChaCha8Rng::seed_from_u64(0));
/// assert!(points.iter_rows().all(|point| point[0] == point[1]));
/// assert_eq!(points.cast::<f32>(), line.sample(10, &mut rand_chacha::ChaCha8Rng::seed_from_u64(0)));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ToyDensity {
    /// `swissroll`: a thick spiral, the side view of scikit-learn's swiss roll.
    SwissRoll,
    /// `circles`: two noisy concentric circles of radius 3 and 1.5.
    Circles,
    /// `rings`: four noisy concentric circles of radius 0.75, 1.5, 2.25 and 3.
    Rings,
    /// `moons`: two interleaved noisy half circles.
    Moons,
    /// `8gaussians`: a ring of eight Gaussians.
    EightGaussians,
    /// `pinwheel`: five bent blades.
    Pinwheel,
    /// `2spirals`: two interleaved noisy spiral arms.
    TwoSpirals,
    /// `checkerboard`: the eight black squares of a four-by-four board, uniform on each.
    Checkerboard,
    /// `line`: the diagonal, without noise; it has no density in the plane.
    Line,
    /// `cos`: a wave, without noise; it has no density in the plane.
    Cos,
}

impl ToyDensity {
    /// All of them, in the order of the original.
    pub const ALL: [Self; 10] = [
        Self::SwissRoll,
        Self::Circles,
        Self::Rings,
        Self::Moons,
        Self::EightGaussians,
        Self::Pinwheel,
        Self::TwoSpirals,
        Self::Checkerboard,
        Self::Line,
        Self::Cos,
    ];

    /// The name it is known by in the original code.
    pub fn name(self) -> &'static str {
        match self {
            Self::SwissRoll => "swissroll",
            Self::Circles => "circles",
            Self::Rings => "rings",
            Self::Moons => "moons",
            Self::EightGaussians => "8gaussians",
            Self::Pinwheel => "pinwheel",
            Self::TwoSpirals => "2spirals",
            Self::Checkerboard => "checkerboard",
            Self::Line => "line",
            Self::Cos => "cos",
        }
    }

    /// Draws `n` independent points, `[n, 2]`.
    ///
    /// The first points do not depend on `n`: a longer sample continues a shorter one.
    pub fn sample<R: Rng + ?Sized>(self, n: usize, rng: &mut R) -> Matrix<f32> {
        sample_points(n, || self.point(rng))
    }

    /// The points of [`sample`](Self::sample) before they are rounded to single precision, `[n, 2]`.
    pub fn sample_f64<R: Rng + ?Sized>(self, n: usize, rng: &mut R) -> Matrix<f64> {
        sample_points(n, || self.point(rng))
    }

    fn point<R: Rng + ?Sized>(self, rng: &mut R) -> [f64; 2] {
        match self {
            Self::SwissRoll => curves::swiss_roll(rng),
            Self::Circles => rings::circles(rng),
            Self::Rings => rings::rings(rng),
            Self::Moons => curves::moons(rng),
            Self::EightGaussians => clusters::eight_gaussians(rng),
            Self::Pinwheel => clusters::pinwheel(rng),
            Self::TwoSpirals => curves::two_spirals(rng),
            Self::Checkerboard => checkerboard::checkerboard(rng),
            Self::Line => curves::line(rng),
            Self::Cos => curves::cos(rng),
        }
    }
}

impl fmt::Display for ToyDensity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for ToyDensity {
    type Err = DataError;

    fn from_str(name: &str) -> Result<Self, DataError> {
        Self::ALL
            .into_iter()
            .find(|density| density.name() == name)
            .ok_or_else(|| DataError::UnknownToyDensity { given: name.to_owned() })
    }
}

/// The accepted names, for error texts.
pub(crate) fn names() -> String {
    ToyDensity::ALL.map(ToyDensity::name).join(", ")
}

/// `n` points drawn in double precision, rounded to `[n, 2]` in the precision of the matrix.
fn sample_points<T: Element>(n: usize, mut point: impl FnMut() -> [f64; 2]) -> Matrix<T> {
    let points: Vec<[T; 2]> = (0..n).map(|_| point().map(T::from_f64)).collect();
    Matrix::from_rows(&points)
}

/// A standard normal number times `std`.
fn noise<R: Rng + ?Sized>(std: f64, rng: &mut R) -> f64 {
    std * rng.sample::<f64, _>(rand_distr::StandardNormal)
}
