//! The toy densities have the support and the moments of their definitions.

use ffjord_data::{DataError, Matrix, ToyDensity};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

const POINTS: usize = 20_000;

fn sample(density: ToyDensity) -> Matrix<f32> {
    density.sample(POINTS, &mut ChaCha8Rng::seed_from_u64(11))
}

fn points(density: ToyDensity) -> Vec<[f64; 2]> {
    sample(density)
        .iter_rows()
        .map(|row| [row[0], row[1]].map(f64::from))
        .collect()
}

fn mean(values: impl Iterator<Item = f64> + Clone) -> f64 {
    values.clone().sum::<f64>() / values.count() as f64
}

fn std(values: impl Iterator<Item = f64> + Clone) -> f64 {
    let centre = mean(values.clone());
    mean(values.map(|value| (value - centre).powi(2))).sqrt()
}

fn fraction(points: &[[f64; 2]], inside: impl Fn(&[f64; 2]) -> bool) -> f64 {
    points.iter().filter(|point| inside(point)).count() as f64 / points.len() as f64
}

fn assert_close(value: f64, expected: f64, tolerance: f64) {
    assert!(
        (value - expected).abs() <= tolerance,
        "{value} is not {expected} ± {tolerance}"
    );
}

#[test]
fn names_lead_there_and_back() {
    for density in ToyDensity::ALL {
        assert_eq!(density.to_string().parse::<ToyDensity>().unwrap(), density);
    }
    let error = "spiral".parse::<ToyDensity>().unwrap_err();
    assert!(matches!(&error, DataError::UnknownToyDensity { given } if given == "spiral"));
    assert!(error.to_string().contains("8gaussians, pinwheel, 2spirals"));
}

#[test]
fn single_precision_rounds_the_points_of_double_precision() {
    for density in ToyDensity::ALL {
        let points = density.sample_f64(POINTS, &mut ChaCha8Rng::seed_from_u64(11));
        assert_eq!(points.cast::<f32>(), sample(density), "{density}");
        assert_ne!(points.cast::<f32>().cast::<f64>(), points, "{density}");
    }
}

#[test]
fn samples_depend_on_the_generator_alone() {
    for density in ToyDensity::ALL {
        let long = sample(density);
        assert_eq!(long, sample(density), "{density}");
        let short = density.sample(10, &mut ChaCha8Rng::seed_from_u64(11));
        assert_eq!(
            short,
            long.slice(0..10).unwrap(),
            "{density}: a longer sample continues a shorter one"
        );
        assert_ne!(
            short,
            density.sample(10, &mut ChaCha8Rng::seed_from_u64(12)),
            "{density}"
        );
        assert!(
            long.as_slice().iter().all(|coordinate| coordinate.abs() < 6.0),
            "{density}"
        );
        assert_eq!(density.sample(0, &mut ChaCha8Rng::seed_from_u64(11)).rows(), 0);
    }
}

#[test]
fn checkerboard_fills_its_black_squares_evenly() {
    let points = points(ToyDensity::Checkerboard);
    let mut counts = [[0_u32; 4]; 4];
    for [x, y] in points {
        let square = |coordinate: f64| ((coordinate / 2.0).floor() + 2.0) as usize;
        counts[square(x)][square(y)] += 1;
    }
    for (column, counts) in counts.iter().enumerate() {
        for (row, count) in counts.iter().enumerate() {
            // 2,500 with a standard deviation of 47 on black, nothing on white.
            let expected = if (column + row) % 2 == 0 { 2_500 } else { 0 };
            assert!(
                count.abs_diff(expected) <= if expected == 0 { 0 } else { 235 },
                "{counts:?}"
            );
        }
    }
}

#[test]
fn eight_gaussians_stand_on_a_circle() {
    let points = points(ToyDensity::EightGaussians);
    let radius = 4.0 / 1.414;
    let mut offsets: [Vec<[f64; 2]>; 8] = Default::default();
    for [x, y] in points {
        let octant = (y.atan2(x) / std::f64::consts::FRAC_PI_4).round().rem_euclid(8.0);
        let (sin, cos) = (octant * std::f64::consts::FRAC_PI_4).sin_cos();
        offsets[octant as usize].push([x - radius * cos, y - radius * sin]);
    }
    for offsets in &offsets {
        assert_close(offsets.len() as f64, POINTS as f64 / 8.0, 240.0);
        for axis in 0..2 {
            let offset = offsets.iter().map(|offset| offset[axis]);
            assert_close(mean(offset.clone()), 0.0, 0.035);
            assert_close(std(offset), 0.5 / 1.414, 0.025);
        }
    }
}

#[test]
fn pinwheel_blades_straighten_into_gaussians() {
    let points = points(ToyDensity::Pinwheel);
    let mut blades = [0_u32; 5];
    let mut straightened = Vec::new();
    for [x, y] in points {
        // The blade's bend depends on its unrotated radial coordinate, which the radius gives but for the small
        // tangential one; blade 0 bends to the angle −¼ eʳ.
        let radius = x.hypot(y) / 2.0;
        let fifth = std::f64::consts::TAU / 5.0;
        let angle = -(y.atan2(x)) - 0.25 * radius.exp();
        let blade = (angle / fifth).round();
        blades[blade.rem_euclid(5.0) as usize] += 1;
        straightened.push([radius, radius * (angle - blade * fifth)]);
    }
    assert!(blades.iter().all(|count| count.abs_diff(4_000) < 290), "{blades:?}");
    assert_close(mean(straightened.iter().map(|point| point[0])), 1.0, 0.02);
    assert_close(std(straightened.iter().map(|point| point[0])), 0.3, 0.02);
    assert_close(std(straightened.iter().map(|point| point[1])), 0.1, 0.02);
}

#[test]
fn circles_and_rings_have_their_radii() {
    for (density, radii, noise) in [
        (ToyDensity::Circles, &[1.5, 3.0][..], 0.24),
        (ToyDensity::Rings, &[0.75, 1.5, 2.25, 3.0][..], 0.08),
    ] {
        let points = points(density);
        let half_gap = (radii[1] - radii[0]) / 2.0;
        for &expected in radii {
            let near: Vec<f64> = points
                .iter()
                .map(|[x, y]| x.hypot(*y))
                .filter(|radius| (radius - expected).abs() < half_gap)
                .collect();
            assert_close(near.len() as f64 / POINTS as f64, 1.0 / radii.len() as f64, 0.02);
            // Two-dimensional noise of deviation s moves the mean radius r out by s²/2r.
            assert_close(
                mean(near.iter().copied()),
                expected + noise * noise / (2.0 * expected),
                0.012,
            );
            assert_close(std(near.iter().copied()), noise, 0.012);
        }
        for quadrant in [[1.0, 1.0], [-1.0, 1.0], [1.0, -1.0], [-1.0, -1.0]] {
            let part = fraction(&points, |[x, y]| x * quadrant[0] > 0.0 && y * quadrant[1] > 0.0);
            assert_close(part, 0.25, 0.016);
        }
    }
}

#[test]
fn moons_lie_along_their_half_circles() {
    let points = points(ToyDensity::Moons);
    // In the plane of the definition the upper moon is the unit half circle around 0, the lower around (1, ½).
    let distances = points.iter().map(|[x, y]| {
        let [x, y] = [(x + 1.0) / 2.0, (y + 0.2) / 2.0];
        let arc = |x: f64, y: f64| {
            if y >= 0.0 {
                (x.hypot(y) - 1.0).abs()
            } else {
                (x.abs() - 1.0).hypot(y)
            }
        };
        arc(x, y).min(arc(x - 1.0, 0.5 - y))
    });
    assert!(distances.clone().all(|distance| distance < 0.5));
    // The mean absolute value of Gaussian noise is its deviation times √(2/π).
    assert_close(mean(distances), 0.1 * (2.0 / std::f64::consts::PI).sqrt(), 0.006);
    assert_close(mean(points.iter().map(|point| point[0])), 0.0, 0.06);
    assert_close(mean(points.iter().map(|point| point[1])), 0.3, 0.04);
}

#[test]
fn spirals_wind_as_defined() {
    // Angle and radius of a swiss roll are both t; the noise has deviation 1 before the division by 5.
    let roll = points(ToyDensity::SwissRoll);
    let radius = |[x, y]: &[f64; 2]| 5.0 * x.hypot(*y);
    assert!(fraction(&roll, |point| (1.5..17.5).contains(&radius(point))) > 0.9995);
    let off = roll.iter().map(|point| {
        let turn = point[1].atan2(point[0]);
        let windings = ((radius(point) - turn) / std::f64::consts::TAU).round();
        radius(point) - turn - windings * std::f64::consts::TAU
    });
    assert_close(std(off), 1.03, 0.08);

    let arms = points(ToyDensity::TwoSpirals);
    assert_close(mean(arms.iter().map(|point| point[0])), 0.0, 0.05);
    assert_close(mean(arms.iter().map(|point| point[1])), 0.0, 0.05);
    // E r² = (E t² + E tangled noise)/9: the angle's square is uniform in (3π)², the rest is small.
    let expected = (3.0 * std::f64::consts::PI).powi(2) / 2.0 / 9.0;
    assert_close(mean(arms.iter().map(|[x, y]| x * x + y * y)), expected, 0.3);
}

#[test]
fn line_and_cos_are_curves() {
    for (density, curve) in [
        (ToyDensity::Line, (|x| x) as fn(f64) -> f64),
        (ToyDensity::Cos, |x: f64| 2.5 * x.sin()),
    ] {
        let points = points(density);
        assert!(
            points
                .iter()
                .all(|[x, y]| (-2.5..=2.5).contains(x) && (curve(*x) - y).abs() < 1e-6)
        );
        assert_close(std(points.iter().map(|point| point[0])), 5.0 / 12_f64.sqrt(), 0.02);
    }
}
