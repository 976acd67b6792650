//! Pictures of two-dimensional densities.

use super::{path, points};
use crate::error::Result;
use candle_core::{DType, Device, Tensor};
use ffjord_data::Matrix;
use ffjord_flow::{Density, Pass};
use ffjord_plot::{
    AnimationFrame, AnimationOptions, Content, Grid, Panel, PanelOptions, Trajectories, Window, animation, density_map,
    in_rows, side_by_side, trajectories,
};
use ffjord_run::config::RunConfig;
use ffjord_run::{Model, RunData, RunError, RunFolder, samples};
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
/// Samples at each moment of a figure, and points a side of densities that are compared.
const CLOUD: usize = 20_000;
const COMPARED_POINTS: usize = 160;
/// Points a side of the density's picture where the configuration gives none.
const DEFAULT_GRID: usize = 200;

/// Densities and samples at `count` moments from noise to data, one row above the other (figure 1 of the paper).
///
/// # Errors
/// When the run is none of two dimensions, a solve fails or the picture cannot be written.
pub fn along_the_path(folder: &RunFolder, count: usize, file: &Path) -> Result<()> {
    let (model, streams) = (plane(folder)?, Streams::new(folder.config()?.seed));
    let window = Window::square(HALF)?;
    let grid = tensor(&Grid::centers(&window, FRAME_POINTS, FRAME_POINTS), &model)?;
    let densities = path::log_densities(&model, &grid, count, &streams)?
        .into_iter()
        .map(|log_prob| frame(&window, &log_prob))
        .collect::<Result<Vec<_>>>()?;
    let clouds = path::positions(&model, CLOUD, count, &streams)?;
    let clouds = clouds.iter().map(points).collect::<Result<Vec<_>>>()?;
    let plain = PanelOptions::default().window(window).without_color_bar();
    let time = |index: usize| 1.0 - index as f64 / (count - 1).max(1) as f64;
    let above = densities.iter().enumerate().map(|(index, density)| {
        let title = format!("density, t/T = {:.2}", time(index));
        Panel::new(Content::Density(density), plain.clone().title(title))
    });
    let below = clouds.iter().enumerate().map(|(index, cloud)| {
        let title = format!("samples, t/T = {:.2}", time(index));
        Panel::new(Content::Samples(cloud), plain.clone().title(title))
    });
    in_rows(&[above.collect(), below.collect()], "from noise to data")?.save(file)?;
    Ok(())
}

/// Data beside the densities of several runs on them, a row for each (figure 2 of the paper). Each row has its runs with
/// what they are called; its data are those of the first.
///
/// # Errors
/// When a row has no run, a run is none of two dimensions, a solve fails or the picture cannot be written.
pub fn densities_beside_data(rows: &[Vec<(RunFolder, String)>], cache: &Path, file: &Path) -> Result<()> {
    let window = Window::square(HALF)?;
    let mut drawn = Vec::new();
    for row in rows {
        let Some((first, _)) = row.first() else { continue };
        let config = first.located_config()?;
        let streams = Streams::new(config.seed);
        let data = rows_of(&RunData::load(&config, &streams, cache)?.test.x.cast());
        let densities = row.iter().map(|(folder, label)| {
            let model = plane(folder)?;
            let grid = density(&model, &window, COMPARED_POINTS, config.evaluation.batch, &streams)?;
            Ok((grid, label.as_str()))
        });
        drawn.push((data, densities.collect::<Result<Vec<_>>>()?));
    }
    let plain = PanelOptions::default().window(window).without_color_bar();
    let panels = drawn.iter().map(|(data, densities)| {
        let data = Panel::new(Content::Samples(data), plain.clone().title("data"));
        let densities = densities
            .iter()
            .map(|(grid, label)| Panel::new(Content::Density(grid), plain.clone().title(*label)));
        std::iter::once(data).chain(densities).collect()
    });
    in_rows(&panels.collect::<Vec<Vec<_>>>(), "densities of two dimensions")?.save(file)?;
    Ok(())
}

/// The model of a run of two dimensions.
fn plane(folder: &RunFolder) -> Result<Model> {
    let model = folder.model()?;
    if model.dimension() == 2 && folder.data()?.given.is_none() {
        return Ok(model);
    }
    Err(RunError::RunFolder {
        path: folder.path().to_path_buf(),
        reason: "this is no run of two dimensions without conditions: give one of a preset such as toy-8gaussians-fast"
            .to_string(),
    }
    .into())
}

/// A moment's density from its logarithms on the grid of a frame.
fn frame(window: &Window, log_prob: &Tensor) -> Result<Grid> {
    let values = log_prob.exp()?.to_dtype(DType::F32)?.to_vec1::<f32>()?;
    Ok(Grid::new(window.clone(), FRAME_POINTS, FRAME_POINTS, values)?)
}

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
    let held_out = rows_of(&data.test.x.cast());
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
        .map(|log_prob| frame(window, &log_prob))
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

fn rows_of(matrix: &Matrix<f32>) -> Vec<[f32; 2]> {
    matrix.iter_rows().map(|row| [row[0], row[1]]).collect()
}
