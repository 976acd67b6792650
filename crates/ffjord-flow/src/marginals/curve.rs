//! The increasing map of one column.

use crate::error::{FlowError, Result};
use crate::normal::{distribution, log_density, quantile};

/// What a map is between its knots.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// A rational-quadratic spline (Gregory and Delbourgo 1982; Durkan et al. 2019, eq. 4): smooth.
    Spline,
    /// `Φ⁻¹ ∘ F` with a distribution function F that is linear between its knots: a histogram, made normal.
    Steps,
}

/// An increasing map of the real line onto itself, `z = m(x)`: knots `(x_k, z_k)`, linear beyond the first and the last.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Curve {
    kind: Kind,
    knots: Vec<f64>,
    images: Vec<f64>,
    /// The slopes at the knots; of steps the first and the last alone count, which are those of the tails.
    slopes: Vec<f64>,
}

/// A point of the curve, reached from either side.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Point {
    /// `m(x)` on the way from x, `m⁻¹(z)` on the way back.
    pub(super) value: f64,
    /// `ln m'(x)`.
    pub(super) log_slope: f64,
    /// `m''(x) / m'(x)`, how the logarithm of the slope changes with x.
    pub(super) bend: f64,
}

impl Curve {
    /// The curve through these knots.
    ///
    /// # Errors
    /// [`FlowError::InvalidSetting`] unless there are as many images and slopes as knots, all finite, knots and images rise
    /// together, and slopes are positive.
    pub(super) fn new(kind: Kind, knots: Vec<f64>, images: Vec<f64>, slopes: Vec<f64>) -> Result<Self> {
        let finite = |values: &[f64]| values.iter().all(|value| value.is_finite());
        let same_length = knots.len() == images.len() && knots.len() == slopes.len() && !knots.is_empty();
        // Knots that only fill up a column's place in a table repeat the last.
        let rising = knots.windows(2).zip(images.windows(2));
        let mut rising = rising.map(|(x, z)| (x[0] < x[1] && z[0] < z[1]) || (x[0] == x[1] && z[0] == z[1]));
        let positive = slopes.iter().all(|slope| *slope > 0.0);
        if !(same_length && finite(&knots) && finite(&images) && finite(&slopes) && positive && rising.all(|ok| ok)) {
            return Err(FlowError::invalid(
                "knots of a marginal map",
                "numbers that do not rise",
                "finite knots and images that rise together, with positive slopes",
            ));
        }
        Ok(Self {
            kind,
            knots,
            images,
            slopes,
        })
    }

    /// `z = (x − centre) · slope`.
    ///
    /// # Errors
    /// As [`Curve::new`].
    pub(super) fn affine(centre: f64, slope: f64) -> Result<Self> {
        Self::new(Kind::Spline, vec![centre], vec![0.0], vec![slope])
    }

    pub(super) fn kind(&self) -> Kind {
        self.kind
    }

    pub(super) fn knots(&self) -> &[f64] {
        &self.knots
    }

    pub(super) fn images(&self) -> &[f64] {
        &self.images
    }

    pub(super) fn slopes(&self) -> &[f64] {
        &self.slopes
    }

    /// The image of x.
    pub(super) fn at(&self, x: f64) -> Point {
        let above = self.knots.partition_point(|knot| *knot <= x);
        match self.tail(above) {
            Some((knot, image, slope)) => Point::linear(image + (x - knot) * slope, slope),
            None => {
                let piece = above - 1;
                let share = (x - self.knots[piece]) / self.width(piece);
                match self.kind {
                    Kind::Spline => self.spline(piece, share, false),
                    Kind::Steps => self.step(piece, self.image_in_step(piece, share), None),
                }
            }
        }
    }

    /// The x whose image is z.
    pub(super) fn preimage(&self, z: f64) -> Point {
        let above = self.images.partition_point(|image| *image <= z);
        match self.tail(above) {
            Some((knot, image, slope)) => Point::linear(knot + (z - image) / slope, slope),
            None => {
                let piece = above - 1;
                match self.kind {
                    Kind::Spline => self.spline(piece, self.share_in_spline(piece, z), true),
                    Kind::Steps => self.step(piece, z, Some(self.share_in_step(piece, z))),
                }
            }
        }
    }

    /// `ln φ(m(x)) + ln m'(x)` of each x, the log-density that the map makes of a standard normal.
    pub(super) fn log_densities(&self, values: &[f64]) -> Vec<f64> {
        let log_density = |x: &f64| {
            let point = self.at(*x);
            log_density(point.value) + point.log_slope
        };
        values.iter().map(log_density).collect()
    }

    /// Knot, image and slope where the linear tail begins, if `above`, the number of knots at or below a point, says that
    /// it lies in one.
    fn tail(&self, above: usize) -> Option<(f64, f64, f64)> {
        let last = self.knots.len() - 1;
        let knot = match above {
            0 => 0,
            above if above > last => last,
            _ => return None,
        };
        Some((self.knots[knot], self.images[knot], self.slopes[knot]))
    }

    fn width(&self, piece: usize) -> f64 {
        self.knots[piece + 1] - self.knots[piece]
    }

    /// The point at a share ξ of a spline's piece (Durkan et al. 2019, eq. 4 and 5); its x if `inverse`, else its z.
    fn spline(&self, piece: usize, share: f64, inverse: bool) -> Point {
        let (width, height) = (self.width(piece), self.images[piece + 1] - self.images[piece]);
        let (left, right, mean) = (self.slopes[piece], self.slopes[piece + 1], height / width);
        let (rest, excess) = (1.0 - share, left + right - 2.0 * mean);
        let denominator = mean + excess * share * rest;
        let numerator = right * share * share + 2.0 * mean * share * rest + left * rest * rest;
        let value = if inverse {
            self.knots[piece] + share * width
        } else {
            self.images[piece] + height * (mean * share * share + left * share * rest) / denominator
        };
        let of_numerator = 2.0 * (right * share + mean * (rest - share) - left * rest) / numerator;
        let of_denominator = 2.0 * excess * (rest - share) / denominator;
        Point {
            value,
            log_slope: 2.0 * mean.ln() + numerator.ln() - 2.0 * denominator.ln(),
            bend: (of_numerator - of_denominator) / width,
        }
    }

    /// The share of a spline's piece at which it reaches z.
    fn share_in_spline(&self, piece: usize, z: f64) -> f64 {
        let size = (self.width(piece), self.images[piece + 1] - self.images[piece]);
        let slopes = (self.slopes[piece], self.slopes[piece + 1]);
        share_reaching(size, slopes, z - self.images[piece])
    }

    /// The mass of a step, from the side on which it keeps its digits.
    fn mass(&self, piece: usize) -> f64 {
        let (left, right) = (self.images[piece], self.images[piece + 1]);
        if right <= 0.0 {
            distribution(right) - distribution(left)
        } else if left >= 0.0 {
            distribution(-left) - distribution(-right)
        } else {
            1.0 - distribution(left) - distribution(-right)
        }
    }

    /// The z at a share of a step's width.
    fn image_in_step(&self, piece: usize, share: f64) -> f64 {
        let (left, right, mass) = (self.images[piece], self.images[piece + 1], self.mass(piece));
        let lower = distribution(left) + share * mass;
        let upper = distribution(-right) + (1.0 - share) * mass;
        // Rounding must not lead out of the piece.
        quantile(lower, upper).clamp(left, right)
    }

    /// The share of a step's width at which z is reached.
    fn share_in_step(&self, piece: usize, z: f64) -> f64 {
        let (left, right, mass) = (self.images[piece], self.images[piece + 1], self.mass(piece));
        let share = if z <= 0.0 {
            (distribution(z) - distribution(left)) / mass
        } else {
            1.0 - (distribution(-z) - distribution(-right)) / mass
        };
        share.clamp(0.0, 1.0)
    }

    /// The point of a step with the image z, and its x if a share of the width is given.
    fn step(&self, piece: usize, z: f64, share: Option<f64>) -> Point {
        let log_slope = (self.mass(piece) / self.width(piece)).ln() - log_density(z);
        Point {
            value: share.map_or(z, |share| self.knots[piece] + share * self.width(piece)),
            log_slope,
            bend: z * log_slope.exp(),
        }
    }
}

/// The share of the width at which a rational-quadratic piece of this width and height, with these slopes at its ends, is
/// so much above its bottom (Durkan et al. 2019, eq. 6 to 8).
pub(crate) fn share_reaching((width, height): (f64, f64), (left, right): (f64, f64), above: f64) -> f64 {
    let mean = height / width;
    let bent = above * (left + right - 2.0 * mean);
    let (a, b, c) = (height * (mean - left) + bent, height * left - bent, -mean * above);
    let discriminant = (b * b - 4.0 * a * c).max(0.0);
    2.0 * c / (-b - discriminant.sqrt())
}

impl Point {
    fn linear(value: f64, slope: f64) -> Self {
        Self {
            value,
            log_slope: slope.ln(),
            bend: 0.0,
        }
    }
}
