//! The trace by name.

use crate::error::FlowError;
use ffjord_trace::ProbeDistribution;
use std::fmt;
use std::str::FromStr;

/// How a trace is computed: `exact`, or by the distribution of Hutchinson's probes.
///
/// ```
/// use ffjord_flow::config::TraceConfig;
/// use ffjord_trace::ProbeDistribution;
///
/// let trace: TraceConfig = "sphere".parse()?;
/// assert_eq!(trace, TraceConfig::Estimated(ProbeDistribution::Sphere));
/// assert_eq!(TraceConfig::default().to_string(), "exact");
/// # Ok::<(), ffjord_flow::FlowError>(())
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum TraceConfig {
    /// `exact`.
    #[default]
    Exact,
    /// `rademacher`, `gaussian`, `sphere` or `orthogonal`.
    Estimated(ProbeDistribution),
}

impl fmt::Display for TraceConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exact => f.write_str("exact"),
            Self::Estimated(distribution) => distribution.fmt(f),
        }
    }
}

impl FromStr for TraceConfig {
    type Err = FlowError;

    fn from_str(name: &str) -> Result<Self, FlowError> {
        if name == "exact" {
            return Ok(Self::Exact);
        }
        name.parse()
            .map(Self::Estimated)
            .map_err(|_| FlowError::invalid("trace", name, "exact, rademacher, gaussian, sphere or orthogonal"))
    }
}
