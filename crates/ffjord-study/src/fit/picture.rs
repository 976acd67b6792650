//! A check as a picture.

use super::Fit;
use crate::error::Result;
use ffjord_plot::{CurvePanel, Figure, Series, training_curves};

/// Columns that have a line of their own.
const LINES: usize = 6;

/// Shares of rows below a share of the noise, less the share itself, and the rows in regions of high density, likewise:
/// lines of a right model lie within the band.
///
/// # Errors
/// When there is nothing to draw.
pub fn picture(fit: &Fit) -> Result<Figure> {
    let root = (fit.rows as f64).sqrt();
    let grid = || (1..100).map(|percent| f64::from(percent) / 100.0);
    // Twice the standard error of a share, where one looks at it alone.
    let band = |sign: f64| grid().map(move |share| (share, sign * 2.0 * (share * (1.0 - share)).sqrt() / root));
    let edges = [1.0, -1.0].map(|sign| band(sign).collect::<Vec<_>>());
    let mut named: Vec<(String, Vec<(f64, f64)>)> = Vec::new();
    let mut farthest: Vec<_> = fit
        .transforms
        .iter()
        .filter(|transform| transform.column.is_some())
        .collect();
    farthest.sort_by(|a, b| b.distance.total_cmp(&a.distance));
    let lengths = fit.transforms.iter().filter(|transform| transform.column.is_none());
    for transform in lengths.chain(farthest.into_iter().take(LINES)) {
        let name = match transform.column {
            Some(column) => format!("noise {column}"),
            None => "square length".to_string(),
        };
        let points = grid()
            .zip(&transform.shares)
            .map(|(share, found)| (share, found - share));
        named.push((name, points.collect()));
    }
    let mut series = vec![
        Series::new("± 2 standard errors", &edges[0]).bound(),
        Series::new("", &edges[1]).bound(),
    ];
    series.extend(named.iter().map(|(name, points)| Series::new(name.as_str(), points)));
    let mut panels = vec![
        CurvePanel::new(series)
            .title("noise: rows below a share, less the share")
            .labels("share", "difference"),
    ];
    let observed: Vec<(f64, f64)> = fit
        .levels
        .iter()
        .map(|level| (level.expected, level.observed - level.expected))
        .collect();
    let bounds = [2.0, -2.0].map(|factor| {
        let bound = |level: &super::Level| (level.expected, factor * level.standard_error);
        fit.levels.iter().map(bound).collect::<Vec<_>>()
    });
    if !observed.is_empty() {
        let series = vec![
            Series::new("± 2 standard errors", &bounds[0]).bound(),
            Series::new("", &bounds[1]).bound(),
            Series::new("rows", &observed),
        ];
        panels.push(
            CurvePanel::new(series)
                .title("high density: rows inside, less the share")
                .labels("share of the model's mass", "difference"),
        );
    }
    Ok(training_curves(&panels, "does the model fit?")?)
}
