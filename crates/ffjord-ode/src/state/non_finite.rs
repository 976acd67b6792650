//! Where a state is not a number.

use std::fmt;

/// Where a state holds a NaN or an infinity.
///
/// ```
/// use ffjord_ode::State;
/// let found = vec![0.0, f64::NAN, 2.0, f64::INFINITY].non_finite()?;
/// assert_eq!((found.unit(), found.first(), found.total()), ("element", &[1, 3][..], 2));
/// assert_eq!(found.to_string(), "elements 1, 3");
/// # Ok::<(), ffjord_ode::StateError>(())
/// ```
///
/// A state of your own says what its parts are called:
///
/// ```
/// use ffjord_ode::NonFinite;
/// let found = NonFinite::new("particle", [4, 7]);
/// assert_eq!(found.to_string(), "particles 4, 7");
/// let nothing = NonFinite::new("particle", []);
/// assert!(nothing.is_empty());
/// // Two parts of a state, one after the other.
/// let either = nothing.or_else(|| Ok::<_, ffjord_ode::StateError>(found))?.called("atom");
/// assert_eq!(either.to_string(), "atoms 4, 7");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NonFinite {
    unit: &'static str,
    first: Vec<usize>,
    total: usize,
}

impl NonFinite {
    /// The most indices that are listed; the others are counted.
    pub const LISTED: usize = 64;

    /// The indices of bad parts of a state, in increasing order, counted in `unit`: one word in the singular.
    pub fn new(unit: &'static str, indices: impl IntoIterator<Item = usize>) -> Self {
        let mut indices = indices.into_iter();
        let first: Vec<usize> = indices.by_ref().take(Self::LISTED).collect();
        let total = first.len() + indices.count();
        Self { unit, first, total }
    }

    /// What is counted: `element` of a vector or an array, `row` (index of the first axis) of a tensor, or what another
    /// state says.
    pub fn unit(&self) -> &'static str {
        self.unit
    }

    /// The indices of the first, counted from 0; at most [`LISTED`](Self::LISTED).
    pub fn first(&self) -> &[usize] {
        &self.first
    }

    /// How many there are in all.
    pub fn total(&self) -> usize {
        self.total
    }

    /// Whether all is finite.
    pub fn is_empty(&self) -> bool {
        self.total == 0
    }

    /// The same, or what `other` finds if there is nothing.
    ///
    /// # Errors
    /// Those of `other`.
    pub fn or_else<E>(self, other: impl FnOnce() -> Result<Self, E>) -> Result<Self, E> {
        if self.is_empty() { other() } else { Ok(self) }
    }

    /// The same, called `unit`.
    #[must_use]
    pub fn called(self, unit: &'static str) -> Self {
        Self { unit, ..self }
    }
}

impl fmt::Display for NonFinite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const SHOWN: usize = 8;
        if self.is_empty() {
            return f.write_str("in the error estimate alone");
        }
        let plural = if self.total > 1 { "s" } else { "" };
        write!(f, "{}{plural} ", self.unit)?;
        for (i, index) in self.first.iter().take(SHOWN).enumerate() {
            let separator = if i > 0 { ", " } else { "" };
            write!(f, "{separator}{index}")?;
        }
        match self.total.saturating_sub(SHOWN) {
            0 => Ok(()),
            more => write!(f, " and {more} more"),
        }
    }
}
