//! How a panel looks.

use crate::{ColorMap, Window};

/// Title, labels, colours and window of a panel; the default has a colour bar and no texts.
///
/// ```
/// use ffjord_plot::{ColorMap, PanelOptions, Window};
///
/// let options = PanelOptions::default()
///     .title("8 Gaussians")
///     .labels("x₁", "x₂")
///     .color_map(ColorMap::Viridis)
///     .color_bar("p(x)")
///     .window(Window::square(4.0)?);
/// # Ok::<(), ffjord_plot::PlotError>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct PanelOptions {
    pub(crate) title: String,
    pub(crate) x_label: String,
    pub(crate) y_label: String,
    pub(crate) color_map: ColorMap,
    pub(crate) color_bar: Option<String>,
    pub(crate) window: Option<Window>,
}

impl Default for PanelOptions {
    fn default() -> Self {
        Self {
            title: String::new(),
            x_label: String::new(),
            y_label: String::new(),
            color_map: ColorMap::default(),
            color_bar: Some(String::new()),
            window: None,
        }
    }
}

impl PanelOptions {
    /// Writes a title above the plot.
    #[must_use]
    pub fn title(self, title: impl Into<String>) -> Self {
        Self {
            title: title.into(),
            ..self
        }
    }

    /// Writes labels below and to the left of the plot.
    #[must_use]
    pub fn labels(self, x: impl Into<String>, y: impl Into<String>) -> Self {
        Self {
            x_label: x.into(),
            y_label: y.into(),
            ..self
        }
    }

    /// Chooses the colours of values.
    #[must_use]
    pub fn color_map(self, color_map: ColorMap) -> Self {
        Self { color_map, ..self }
    }

    /// Labels the colour bar.
    #[must_use]
    pub fn color_bar(self, label: impl Into<String>) -> Self {
        Self {
            color_bar: Some(label.into()),
            ..self
        }
    }

    /// Leaves the colour bar out.
    #[must_use]
    pub fn without_color_bar(self) -> Self {
        Self {
            color_bar: None,
            ..self
        }
    }

    /// Shows this part of the plane instead of what the points cover; a density map always shows its grid's window.
    #[must_use]
    pub fn window(self, window: Window) -> Self {
        Self {
            window: Some(window),
            ..self
        }
    }
}
