//! Colours: perceptually uniform maps for values, and fixed colours for series and text.

/// Red, green, blue.
pub(crate) type Rgb = [u8; 3];

pub(crate) const WHITE: Rgb = [255, 255, 255];
pub(crate) const TEXT: Rgb = [34, 34, 34];
pub(crate) const SPINE: Rgb = [90, 90, 90];
pub(crate) const GRID_LINE: Rgb = [232, 232, 232];
/// Cells of a density map without a finite value.
pub(crate) const MISSING: Rgb = [200, 200, 200];
/// Points of a scatter plot.
pub(crate) const POINT: Rgb = [31, 90, 160];

/// Colours for series that people with any colour vision tell apart: Okabe and Ito's (2008) without the yellow, and a
/// violet.
const SERIES: [Rgb; 8] = [
    [0, 114, 178],
    [213, 94, 0],
    [0, 158, 115],
    [204, 121, 167],
    [86, 180, 233],
    [90, 90, 90],
    [230, 159, 0],
    [120, 60, 220],
];

/// The colour of the `i`-th series; they repeat after eight.
pub(crate) fn series(i: usize) -> Rgb {
    SERIES[i % SERIES.len()]
}

/// A perceptually uniform colour map from low (dark) to high (bright) values.
///
/// ```
/// use ffjord_plot::ColorMap;
/// // Dark for low and bright for high values.
/// let brightness = |map: ColorMap, fraction| map.color(fraction).map(u32::from).iter().sum::<u32>();
/// for map in [ColorMap::Inferno, ColorMap::Magma, ColorMap::Viridis] {
///     assert!(brightness(map, 0.0) < brightness(map, 0.5) && brightness(map, 0.5) < brightness(map, 1.0));
/// }
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ColorMap {
    /// Black over purple and orange to pale yellow: the strongest contrast, the default for densities.
    #[default]
    Inferno,
    /// Black over purple and pink to pale yellow.
    Magma,
    /// Dark blue over green to yellow.
    Viridis,
}

impl ColorMap {
    /// The red, green and blue values for a fraction, which is clamped to 0..=1.
    ///
    /// ```
    /// use ffjord_plot::ColorMap;
    ///
    /// assert_eq!(ColorMap::Viridis.color(0.0), [68, 1, 84]);
    /// ```
    pub fn color(self, fraction: f64) -> [u8; 3] {
        let gradient = match self {
            Self::Inferno => colorous::INFERNO,
            Self::Magma => colorous::MAGMA,
            Self::Viridis => colorous::VIRIDIS,
        };
        eval(gradient, fraction)
    }
}

/// A ramp of one hue on white, for counts of one of two tables that are compared.
#[derive(Clone, Copy)]
pub(crate) enum Ramp {
    Blue,
    Orange,
}

impl Ramp {
    /// White for nothing, then light to dark; a filled cell is never so pale that it looks empty.
    pub(crate) fn color(self, fraction: f64) -> Rgb {
        if fraction <= 0.0 {
            return WHITE;
        }
        let gradient = match self {
            Self::Blue => colorous::BLUES,
            Self::Orange => colorous::ORANGES,
        };
        eval(gradient, 0.12 + 0.88 * fraction)
    }
}

fn eval(gradient: colorous::Gradient, fraction: f64) -> Rgb {
    let fraction = if fraction.is_nan() {
        0.0
    } else {
        fraction.clamp(0.0, 1.0)
    };
    let color = gradient.eval_continuous(fraction);
    [color.r, color.g, color.b]
}
