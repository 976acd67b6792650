//! Pictures of two-dimensional densities.

use super::{path, points};
use crate::error::Result;
use candle_core::{DType, Device, Tensor};
use ffjord_data::Matrix;
use ffjord_flow::{Density, Pass};
use ffjord_plot::{
    AnimationFrame, AnimationOptions, Content, Grid, Panel, PanelOptions, Trajectories, Window, animation, density_map,
    side_by_side, trajectories,
};
use ffjord_run::config::RunConfig;
use ffjord_run::{Model, RunData, samples};
use ffjord_train::{Purpose, Streams};
use std::path::Path;

/// Half the side of the pictures' window; toy densities live within 4.
const HALF: f64 = 4.0;
/// Half the side and the points a side of the grid that the density is integrated over.
const INTEGRAL_HALF: f64 = 6.0;
const INTEGRAL_POINTS: usize = 240;
/// Points a side of an animation's density, and moments and particles of the trajectories.
const FRAME_POINTS: usize = 80;
const MOMENTS: usize = 21;
const PARTICLES: usize = 300;
/// Points a side of the density's picture where the configuration gives none.
const DEFAULT_GRID: usize = 200;

/// Data, density and samples side by side; the density; trajectories; an animation. Returns the density's integral.
pub(super) fn draw(config: &RunConfig, data: &RunData, model: &Model, plots: &Path, streams: &Streams) -> Result<f64> {
    let window = Window::square(HALF)?;
    let settings = &config.evaluation;
    // A table of two columns is drawn as well, and its presets need no size.
    let side = if settings.grid == 0 {
        DEFAULT_GRID
    } else {
        settings.grid
    };
    let density = density(model, &window, side, settings.batch, streams)?;
    density_map(&density, &PanelOptions::default().title("density").color_bar("p(x)"))?
        .save(plots.join("density.png"))?;

    let samples = points(&samples(model, settings.samples.max(1), settings.batch, streams)?)?;
    let held_out = rows(&data.test.x.cast());
    let titled = |title: &str| {
        PanelOptions::default()
            .title(title)
            .window(window.clone())
            .without_color_bar()
    };
    let panels = [
        Panel::new(Content::Samples(&held_out), titled("data")),
        Panel::new(Content::Density(&density), titled("density")),
        Panel::new(Content::Samples(&samples), titled("samples")),
    ];
    side_by_side(&panels, &config.description)?.save(plots.join("overview.png"))?;

    draw_trajectories(model, plots, streams)?;
    if config.evaluation.frames > 1 {
        draw_animation(config, model, &window, plots, streams)?;
    }
    let wide = self::density(
        model,
        &Window::square(INTEGRAL_HALF)?,
        INTEGRAL_POINTS,
        config.evaluation.batch,
        streams,
    )?;
    let cell = (2.0 * INTEGRAL_HALF / INTEGRAL_POINTS as f64).powi(2);
    Ok(integral(&wide) * cell)
}

fn integral(grid: &Grid) -> f64 {
    let (columns, rows) = grid.size();
    let cells = (0..rows).flat_map(|row| (0..columns).map(move |column| (column, row)));
    cells
        .filter_map(|(column, row)| grid.value(column, row))
        .map(f64::from)
        .sum()
}

fn density(model: &Model, window: &Window, side: usize, batch: usize, streams: &Streams) -> Result<Grid> {
    let mut rng = streams.rng(Purpose::Test, 0, 2);
    let mut values = Vec::with_capacity(side * side);
    for centers in Grid::centers(window, side, side).chunks(batch.max(1)) {
        let log_prob = model
            .flow
            .log_prob(&tensor(centers, model)?, &mut Pass::evaluation(&mut rng))?;
        values.extend(log_prob.exp()?.to_dtype(DType::F32)?.to_vec1::<f32>()?);
    }
    Ok(Grid::new(window.clone(), side, side, values)?)
}

fn draw_trajectories(model: &Model, plots: &Path, streams: &Streams) -> Result<()> {
    let moments = path::positions(model, PARTICLES, MOMENTS, streams)?;
    let moments = moments.iter().map(points).collect::<Result<Vec<_>>>()?;
    let paths: Vec<Vec<[f32; 2]>> = (0..PARTICLES)
        .map(|particle| moments.iter().map(|positions| positions[particle]).collect())
        .collect();
    let times: Vec<f64> = (0..MOMENTS)
        .map(|index| 1.0 - index as f64 / (MOMENTS - 1) as f64)
        .collect();
    let options = PanelOptions::default().title("from noise (t/T = 1) to data (t/T = 0)");
    trajectories(Trajectories::new(&times, &paths), &options)?.save(plots.join("trajectories.png"))?;
    Ok(())
}

fn draw_animation(config: &RunConfig, model: &Model, window: &Window, plots: &Path, streams: &Streams) -> Result<()> {
    let count = config.evaluation.frames;
    let grid = tensor(&Grid::centers(window, FRAME_POINTS, FRAME_POINTS), model)?;
    let densities = path::log_densities(model, &grid, count, streams)?
        .into_iter()
        .map(|log_prob| {
            let values = log_prob.exp()?.to_dtype(DType::F32)?.to_vec1::<f32>()?;
            Ok(Grid::new(window.clone(), FRAME_POINTS, FRAME_POINTS, values)?)
        })
        .collect::<Result<Vec<_>>>()?;
    let clouds = path::positions(model, config.evaluation.samples.clamp(1, 4000), count, streams)?;
    let clouds = clouds.iter().map(points).collect::<Result<Vec<_>>>()?;
    let frames: Vec<AnimationFrame<'_>> = densities
        .iter()
        .zip(&clouds)
        .enumerate()
        .map(|(index, (density, points))| AnimationFrame {
            t: 1.0 - index as f64 / (count - 1) as f64,
            density,
            points,
        })
        .collect();
    animation(&frames, &AnimationOptions::default())?.save(plots.join("flow.gif"))?;
    Ok(())
}

fn tensor(points: &[[f32; 2]], model: &Model) -> Result<Tensor> {
    let flat: Vec<f32> = points.iter().flatten().copied().collect();
    Ok(Tensor::from_vec(flat, (points.len(), 2), &Device::Cpu)?.to_dtype(model.dtype())?)
}

fn rows(matrix: &Matrix<f32>) -> Vec<[f32; 2]> {
    matrix.iter_rows().map(|row| [row[0], row[1]]).collect()
}
