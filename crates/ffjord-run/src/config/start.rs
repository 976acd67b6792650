//! What a configuration says of the maps that a flow starts with.

use serde::{Deserialize, Serialize};

/// Maps that stand between the data and the flow, fitted to the training rows before the first iteration and then fixed.
///
/// ```
/// use ffjord_run::config::{Preset, StartMap, resolve};
///
/// let setting = r#"model.start={ maps = ["marginals", "whitening"], knots = 64 }"#;
/// let config = resolve(&Preset::find("power-maf")?, &[setting.to_string()], None)?;
/// let start = config.model.start.ok_or("none")?;
/// assert_eq!((start.maps.as_slice(), start.knots), (&[StartMap::Marginals, StartMap::Whitening][..], 64));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StartConfig {
    /// The maps, the first nearest to the data; each is fitted to what those before it make of the rows. Images can have
    /// `marginals` alone, which then are the distributions of each pixel's levels, whatever `knots` says.
    pub maps: Vec<StartMap>,
    /// The most knots of a column's marginal map.
    #[serde(default = "knots")]
    pub knots: usize,
    /// The standard deviation of noise that training adds to what the maps make of its rows, which are near a unit normal: few
    /// rows are not learnt by heart then ([`Jitter`](ffjord_flow::Jitter)). Images have none.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub noise: f64,
    /// The pieces of a spline of every column that stands behind the maps and is learned with the flow
    /// ([`ColumnSplines`](ffjord_flow::ColumnSplines)); 0 for none. Images have none, and flow
    /// matching leaves them as they are.
    #[serde(default, skip_serializing_if = "is_none")]
    pub learned_bins: usize,
}

fn is_zero(noise: &f64) -> bool {
    *noise == 0.0
}

fn is_none(bins: &usize) -> bool {
    *bins == 0
}

fn knots() -> usize {
    1024
}

/// A map that a flow can start with.
///
/// ```
/// use ffjord_run::config::{StartConfig, StartMap};
/// let start: StartConfig = serde_json::from_str(r#"{"maps": ["marginals", "whitening"]}"#)?;
/// assert_eq!(start.maps, [StartMap::Marginals, StartMap::Whitening]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum StartMap {
    /// An increasing map of every column that makes it normal.
    Marginals,
    /// An affine map that makes the columns uncorrelated.
    Whitening,
}
