//! One chart of some curves.

use ratatui::Frame;
use ratatui::layout::{Constraint, Rect};
use ratatui::style::{Color, Style};
use ratatui::symbols::Marker;
use ratatui::text::Line;
use ratatui::widgets::{Axis, Block, Chart, Dataset, GraphType, Paragraph};

/// Points of a curve that a terminal can show.
const MOST_POINTS: usize = 400;

/// A curve with its name.
pub(super) struct Curve {
    /// What the legend says.
    pub name: &'static str,
    /// Its colour.
    pub color: Color,
    /// Its points; those that are not finite are left out.
    pub points: Vec<(f64, f64)>,
}

impl Curve {
    /// The means of as many groups of neighbours as can be shown.
    pub fn new(name: &'static str, color: Color, points: impl IntoIterator<Item = (f64, f64)>) -> Self {
        let finite: Vec<(f64, f64)> = points
            .into_iter()
            .filter(|(x, y)| x.is_finite() && y.is_finite())
            .collect();
        let group = finite.len().div_ceil(MOST_POINTS).max(1);
        let mean = |group: &[(f64, f64)]| {
            let count = group.len() as f64;
            let sum = group
                .iter()
                .fold((0.0, 0.0), |sum, point| (sum.0 + point.0, sum.1 + point.1));
            (sum.0 / count, sum.1 / count)
        };
        Self {
            name,
            color,
            points: finite.chunks(group).map(mean).collect(),
        }
    }
}

/// Draws curves on common axes.
pub(super) fn draw(frame: &mut Frame<'_>, area: Rect, title: &str, curves: &[Curve]) {
    let block = Block::bordered().title(Line::from(format!(" {title} ")));
    let all = || curves.iter().flat_map(|curve| &curve.points);
    let Some((x, y)) = bounds(all().map(|point| point.0)).zip(shown(all().map(|point| point.1).collect())) else {
        frame.render_widget(Paragraph::new("nothing yet").block(block), area);
        return;
    };
    // One curve is what the title says.
    let legend = curves.len() > 1;
    let datasets = curves.iter().filter(|curve| !curve.points.is_empty()).map(|curve| {
        let named = Dataset::default();
        let named = if legend { named.name(curve.name) } else { named };
        named
            .marker(Marker::Braille)
            .graph_type(GraphType::Line)
            .style(Style::default().fg(curve.color))
            .data(&curve.points)
    });
    let labels = |[low, high]: [f64; 2]| [low, 0.5 * (low + high), high].map(number);
    let x_axis = Axis::default()
        .bounds(x)
        .labels(x.map(|iteration| format!("{iteration:.0}")));
    let chart = Chart::new(datasets.collect())
        .block(block)
        .hidden_legend_constraints((Constraint::Ratio(1, 2), Constraint::Ratio(1, 2)))
        .x_axis(x_axis)
        .y_axis(Axis::default().bounds(y).labels(labels(y)));
    frame.render_widget(chart, area);
}

/// The least and the largest value, apart from each other.
fn bounds(values: impl Iterator<Item = f64>) -> Option<[f64; 2]> {
    let range = values.fold(None, |range: Option<[f64; 2]>, value| {
        Some(range.map_or([value, value], |[low, high]| [low.min(value), high.max(value)]))
    });
    let [low, high] = range?;
    let margin = if high > low { 0.0 } else { 0.5 * low.abs().max(1.0) };
    Some([low - margin, high + margin])
}

/// The values but rare ones that would press all others flat, such as the first losses of a training.
fn shown(mut values: Vec<f64>) -> Option<[f64; 2]> {
    values.sort_unstable_by(f64::total_cmp);
    let at = |share: f64| values.get(((values.len().max(1) - 1) as f64 * share) as usize).copied();
    let (low, high) = (at(0.02)?, at(0.98)?);
    let reach = 2.0 * (high - low);
    let kept = values
        .iter()
        .copied()
        .filter(|value| (low - reach..=high + reach).contains(value));
    bounds(kept)
}

fn number(value: f64) -> String {
    match value.abs() {
        size if size >= 1e5 || (size < 1e-2 && size > 0.0) => format!("{value:.1e}"),
        size if size >= 100.0 || size == 0.0 => format!("{value:.0}"),
        size if size >= 10.0 => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn curves_are_thinned_and_axes_leave_rare_values_out() {
        let points = (0..4000).map(|index| (f64::from(index), if index < 5 { 1e6 } else { f64::from(index % 2) }));
        let curve = Curve::new(
            "loss",
            Color::Cyan,
            points.chain([(f64::NAN, 1.0), (2.0, f64::INFINITY)]),
        );
        assert_eq!(curve.points.len(), 400);
        let axis = shown(curve.points.iter().map(|point| point.1).collect());
        assert_eq!(axis, Some([-0.0, 1.0]));
        assert_eq!(shown(Vec::new()), None);
        assert_eq!(bounds([3.0, 3.0].into_iter()), Some([1.5, 4.5]));
    }
}
