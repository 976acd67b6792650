//! Draws one of each kind of picture from made-up data into a folder: `cargo run -p ffjord-plot --example gallery --
//! FOLDER`.

use std::error::Error;
use std::f64::consts::TAU;
use std::path::{Path, PathBuf};

use ffjord_plot::{
    AnimationFrame, AnimationOptions, ColorMap, Content, CurvePanel, Grid, PairPlotOptions, Panel, PanelOptions, Scale,
    Series, Trajectories, Window, animation, density_map, pair_plot, samples, scatter, side_by_side, training_curves,
    trajectories,
};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rand_distr::StandardNormal;

fn main() -> Result<(), Box<dyn Error>> {
    let folder = PathBuf::from(std::env::args().nth(1).ok_or("usage: gallery FOLDER")?);
    std::fs::create_dir_all(&folder)?;
    let mut rng = ChaCha8Rng::seed_from_u64(0);
    plane(&folder, &mut rng)?;
    curves(&folder, &mut rng)?;
    pairs(&folder, &mut rng)?;
    motion(&folder, &mut rng)
}

/// The particle that starts at `z` and belongs to component `k` is at this place at time `t` in 0..=1.
fn flow(z: [f64; 2], k: f64, t: f64) -> [f64; 2] {
    let angle = TAU * k / 8.0;
    let spread = 1.0 - 0.65 * t;
    [
        2.8 * t * angle.cos() + spread * z[0],
        2.8 * t * angle.sin() + spread * z[1],
    ]
}

/// The density of a mixture whose components move outwards and get narrower with `t`.
fn density(window: &Window, t: f64) -> Result<Grid, Box<dyn Error>> {
    let (radius, sigma) = (2.8 * t, 1.0 - 0.65 * t);
    let grid = Grid::from_fn(window.clone(), 160, 160, |x, y| {
        let component = |k: u32| {
            let angle = TAU * f64::from(k) / 8.0;
            let (dx, dy) = (x - radius * angle.cos(), y - radius * angle.sin());
            (-0.5 * (dx * dx + dy * dy) / (sigma * sigma)).exp() / (TAU * sigma * sigma * 8.0)
        };
        (0..8).map(component).sum::<f64>() as f32
    })?;
    Ok(grid)
}

fn normal(rng: &mut ChaCha8Rng) -> f64 {
    rng.sample(StandardNormal)
}

fn cloud(rng: &mut ChaCha8Rng, n: usize, t: f64) -> Vec<[f32; 2]> {
    (0..n)
        .map(|i| flow([normal(rng), normal(rng)], (i % 8) as f64, t).map(|c| c as f32))
        .collect()
}

fn plane(folder: &Path, rng: &mut ChaCha8Rng) -> Result<(), Box<dyn Error>> {
    let window = Window::square(4.0)?;
    let grid = density(&window, 1.0)?;
    let points = cloud(rng, 20_000, 1.0);
    let labelled = PanelOptions::default().labels("x₁", "x₂").window(window);

    density_map(&grid, &labelled.clone().title("Model density").color_bar("p(x)"))?.save(folder.join("density.png"))?;
    samples(
        &points,
        &labelled.clone().title("20,000 samples").color_bar("samples per cell"),
    )?
    .save(folder.join("samples.png"))?;
    scatter(&points[..4000], &labelled.clone().title("4,000 samples"))?.save(folder.join("scatter.png"))?;
    let wide = Window::new(-8.0..8.0, -2.0..2.0)?;
    let log = Grid::from_fn(wide, 200, 50, |x, y| (-0.1 * x * x - y * y + (2.0 * x).sin()) as f32)?;
    density_map(
        &log,
        &PanelOptions::default()
            .title("A log-density, wide")
            .color_map(ColorMap::Magma),
    )?
    .save(folder.join("wide.png"))?;

    let plain = labelled.clone().without_color_bar();
    let panels = [
        Panel::new(Content::Samples(&points), plain.clone().title("Data")),
        Panel::new(Content::Density(&grid), plain.clone().title("Model density")),
        Panel::new(Content::Scatter(&points[..2000]), plain.title("Model samples")),
    ];
    side_by_side(&panels, "8 Gaussians, 4.21 ± 0.01 nats")?.save(folder.join("side_by_side.png"))?;

    let times: Vec<f64> = (0..=20).map(|k| f64::from(k) / 20.0).collect();
    let paths: Vec<Vec<[f32; 2]>> = (0..300)
        .map(|_| [normal(rng), normal(rng)])
        .map(|z| (z, (z[1].atan2(z[0]) / TAU * 8.0).round()))
        .map(|(z, k)| times.iter().map(|&t| flow(z, k, t * t).map(|c| c as f32)).collect())
        .collect();
    let viridis = labelled
        .title("Trajectories")
        .color_map(ColorMap::Viridis)
        .color_bar("t");
    trajectories(Trajectories::new(&times, &paths), &viridis)?.save(folder.join("trajectories.png"))?;
    Ok(())
}

fn curves(folder: &Path, rng: &mut ChaCha8Rng) -> Result<(), Box<dyn Error>> {
    let iterations = || (0..4000).map(f64::from);
    let loss: Vec<_> = iterations()
        .map(|i| (i, 0.4 + 7.0 / (1.0 + i / 60.0) + 0.15 * normal(rng)))
        .collect();
    let validation: Vec<_> = (1..=20)
        .map(|k| 200.0 * f64::from(k))
        .map(|i| (i, 0.35 + 7.0 / (1.0 + i / 60.0)))
        .collect();
    let nfe = |rng: &mut ChaCha8Rng, end: f64| -> Vec<(f64, f64)> {
        iterations()
            .map(|i| (i, (20.0 + end * (1.0 - (-i / 900.0).exp()) + normal(rng)).round()))
            .collect()
    };
    let (forward, backward) = (nfe(rng, 50.0), nfe(rng, 70.0));
    let norm: Vec<_> = iterations()
        .map(|i| (i, (0.5 * normal(rng) - 0.0008 * i).exp() * 3.0))
        .collect();
    let rate: Vec<_> = iterations()
        .map(|i| (i, if i < 2500.0 { 1e-3 } else { 1e-4 }))
        .collect();
    let panels = [
        CurvePanel::new(vec![
            Series::new("training", &loss).smoothed(51),
            Series::new("validation", &validation),
        ])
        .title("Negative log-likelihood")
        .labels("iteration", "nats"),
        CurvePanel::new(vec![
            Series::new("forward", &forward).smoothed(51),
            Series::new("backward", &backward).smoothed(51),
        ])
        .title("Function evaluations")
        .labels("iteration", "NFE"),
        CurvePanel::new(vec![Series::new("", &norm).smoothed(51)])
            .title("Gradient norm")
            .labels("iteration", "‖g‖")
            .scale(Scale::Log),
        CurvePanel::new(vec![Series::new("", &rate)])
            .title("Learning rate")
            .labels("iteration", "step size")
            .scale(Scale::Log),
    ];
    training_curves(&panels, "power-quick")?.save(folder.join("curves.png"))?;
    training_curves(&panels[..1], "")?.save(folder.join("curve.png"))?;
    Ok(())
}

/// Rows of `d` columns: correlated, two-peaked, spiked and skewed ones in turn.
fn table(rng: &mut ChaCha8Rng, rows: usize, d: usize, blur: f64) -> Vec<f32> {
    let mut values = Vec::with_capacity(rows * d);
    for _ in 0..rows {
        let common = normal(rng);
        for j in 0..d {
            let own = normal(rng);
            let value = match j % 4 {
                0 => common + 0.4 * own,
                1 => 0.5 * own + if common > 0.0 { 1.5 } else { -1.5 },
                2 if rng.random::<f64>() < 0.85 => 0.02 * own,
                2 => 37.0 + own,
                _ => 240.0 + (0.6 * own + 0.5 * common).exp(),
            };
            values.push((value + blur * 0.3 * normal(rng)) as f32);
        }
    }
    values
}

fn pairs(folder: &Path, rng: &mut ChaCha8Rng) -> Result<(), Box<dyn Error>> {
    let names = [
        "active power",
        "reactive",
        "sub-metering 1",
        "voltage",
        "sub-metering 2",
        "hour",
    ];
    for (d, file) in [(2, "pairs2.png"), (6, "pairs6.png")] {
        let (held_out, model) = (table(rng, 20_000, d, 0.0), table(rng, 20_000, d, 1.0));
        let options = PairPlotOptions {
            title: "POWER".into(),
            ..PairPlotOptions::default()
        };
        pair_plot(&names[..d], &held_out, &model, &options)?.save(folder.join(file))?;
    }
    let many: Vec<String> = (0..21).map(|i| format!("column {i}")).collect();
    let (held_out, model) = (table(rng, 3_000, 21, 0.0), table(rng, 3_000, 21, 1.0));
    let options = PairPlotOptions {
        title: "HEPMASS".into(),
        ..PairPlotOptions::default()
    };
    pair_plot(&many, &held_out, &model, &options)?.save(folder.join("pairs8.png"))?;
    Ok(())
}

fn motion(folder: &Path, rng: &mut ChaCha8Rng) -> Result<(), Box<dyn Error>> {
    let window = Window::square(4.0)?;
    let start: Vec<[f64; 2]> = (0..2000).map(|_| [normal(rng), normal(rng)]).collect();
    let place = |t: f64| move |(i, &z): (usize, &[f64; 2])| flow(z, (i % 8) as f64, t).map(|c| c as f32);
    let moments: Result<Vec<_>, Box<dyn Error>> = (0..40)
        .map(|k| f64::from(k) / 39.0)
        .map(|t| {
            let points: Vec<[f32; 2]> = start.iter().enumerate().map(place(t)).collect();
            Ok((t, density(&window, t)?, points))
        })
        .collect();
    let moments = moments?;
    let frames: Vec<_> = moments
        .iter()
        .map(|(t, density, points)| AnimationFrame { t: *t, density, points })
        .collect();
    animation(&frames, &AnimationOptions::default())?.save(folder.join("flow.gif"))?;
    Ok(())
}
