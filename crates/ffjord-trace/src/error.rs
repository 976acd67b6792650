//! What can go wrong in an estimate.

/// Errors of this crate; `E` is the operator's own error.
///
/// ```
/// use ffjord_trace::{DenseOperator, ProbeDistribution, Probes, TraceError};
/// use ffjord_trace::rand::{SeedableRng, rngs::StdRng};
///
/// // Three numbers are no 2 × 2 matrix.
/// let refused: Result<_, TraceError> = DenseOperator::new(2, vec![1.0, 2.0, 3.0]);
/// assert!(matches!(refused, Err(TraceError::Shape { given: 3, dimension: 2, .. })));
///
/// let orthogonal = ProbeDistribution::Orthogonal;
/// let refused = Probes::<f64>::draw(orthogonal, 5, 1, 3, &mut StdRng::seed_from_u64(0)).unwrap_err().to_string();
/// assert!(refused.contains("draw at most 3"), "{refused}");
/// ```
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TraceError<E: std::error::Error + 'static = std::convert::Infallible> {
    /// A name in a configuration is not known.
    #[error("unknown probe distribution `{given}`: accepted are {accepted}")]
    UnknownDistribution {
        /// The name that was given.
        given: String,
        /// The names that are accepted.
        accepted: &'static str,
    },
    /// A number of rows, dimensions or probes is 0.
    #[error("{what} is 0: it must be at least 1")]
    Empty {
        /// What there is none of.
        what: &'static str,
    },
    /// Vectors do not fit a batch.
    #[error("{given} numbers do not make {count} vectors for {batch} rows of dimension {dimension}: {} are needed",
        count.saturating_mul(*batch).saturating_mul(*dimension))]
    Shape {
        /// The length that was given.
        given: usize,
        /// Vectors a row.
        count: usize,
        /// Rows.
        batch: usize,
        /// Dimension of a row.
        dimension: usize,
    },
    /// The probes were drawn for an operator of another size.
    #[error(
        "probes for {probe_rows} rows of dimension {probe_dimension} do not fit an operator of {rows} rows of \
         dimension {dimension}: draw them with the operator's sizes"
    )]
    Mismatch {
        /// The probes' rows.
        probe_rows: usize,
        /// The probes' dimension.
        probe_dimension: usize,
        /// The operator's rows.
        rows: usize,
        /// The operator's dimension.
        dimension: usize,
    },
    /// More vectors than memory can hold.
    #[error("{count} vectors for {batch} rows of dimension {dimension} are too many to address: use fewer at a time")]
    TooLarge {
        /// Vectors a row.
        count: usize,
        /// Rows.
        batch: usize,
        /// Dimension of a row.
        dimension: usize,
    },
    /// The probes are not as many as the estimator draws.
    #[error("{given} probes were given to an estimator that needs {needed}: draw them with the estimator itself")]
    ProbeCount {
        /// The number of probes given.
        given: usize,
        /// The number of probes that the estimator draws.
        needed: usize,
    },
    /// An estimator has too few products to work with.
    #[error("{estimator} with {given} products: at least {least} are needed")]
    TooFewProducts {
        /// The estimator.
        estimator: &'static str,
        /// The number of products given.
        given: usize,
        /// The least number.
        least: usize,
    },
    /// More orthogonal probes than there are directions.
    #[error(
        "{count} orthogonal probes do not fit in dimension {dimension}: draw at most {dimension}, which already give \
         the exact trace"
    )]
    TooManyOrthogonal {
        /// The number of probes given.
        count: usize,
        /// The dimension.
        dimension: usize,
    },
    /// A standard error that cannot be aimed at.
    #[error("a standard error of {given} cannot be aimed at: it must be a positive, finite number")]
    Target {
        /// The standard error given, as text.
        given: String,
    },
    /// Limits of an adaptive number of probes that leave no room.
    #[error(
        "from {least} to {most} probes: the first number must be at least {}, and the second not smaller than the first",
        crate::adaptive::LEAST_PROBES
    )]
    ProbeLimits {
        /// The least number of probes.
        least: usize,
        /// The largest number of probes.
        most: usize,
    },
    /// An operator is not positive semi-definite, as the estimator needs.
    #[error("the operator of row {row} is not symmetric positive semi-definite: use an estimator for any operator")]
    NotPositive {
        /// The first row concerned.
        row: usize,
    },
    /// An operator is not symmetric, as Lanczos' method needs.
    #[error("the operator of row {row} is not symmetric: Lanczos' method is for symmetric operators only")]
    NotSymmetric {
        /// The first row concerned.
        row: usize,
    },
    /// A number cannot be one that no eigenvalue is below.
    #[error("{given} cannot be a lower bound of the spectrum: {reason}; give a smaller one, or 0 if none is known")]
    SpectrumBound {
        /// The bound given, as text.
        given: String,
        /// What is against it.
        reason: &'static str,
    },
    /// A product with the operator failed.
    #[error("a product with the operator failed: {0}")]
    Operator(#[source] E),
}

impl TraceError {
    /// The same error beside an operator that can fail.
    pub(crate) fn widen<E: std::error::Error + 'static>(self) -> TraceError<E> {
        match self {
            Self::UnknownDistribution { given, accepted } => TraceError::UnknownDistribution { given, accepted },
            Self::Empty { what } => TraceError::Empty { what },
            Self::Shape {
                given,
                count,
                batch,
                dimension,
            } => TraceError::Shape {
                given,
                count,
                batch,
                dimension,
            },
            Self::Mismatch {
                probe_rows,
                probe_dimension,
                rows,
                dimension,
            } => TraceError::Mismatch {
                probe_rows,
                probe_dimension,
                rows,
                dimension,
            },
            Self::TooLarge {
                count,
                batch,
                dimension,
            } => TraceError::TooLarge {
                count,
                batch,
                dimension,
            },
            Self::ProbeCount { given, needed } => TraceError::ProbeCount { given, needed },
            Self::TooFewProducts {
                estimator,
                given,
                least,
            } => TraceError::TooFewProducts {
                estimator,
                given,
                least,
            },
            Self::TooManyOrthogonal { count, dimension } => TraceError::TooManyOrthogonal { count, dimension },
            Self::Target { given } => TraceError::Target { given },
            Self::ProbeLimits { least, most } => TraceError::ProbeLimits { least, most },
            Self::NotPositive { row } => TraceError::NotPositive { row },
            Self::NotSymmetric { row } => TraceError::NotSymmetric { row },
            Self::SpectrumBound { given, reason } => TraceError::SpectrumBound { given, reason },
            Self::Operator(never) => match never {},
        }
    }
}
