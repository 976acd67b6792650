//! Where a Jacobian may differ from zero, and columns that one evaluation finds together.

use crate::error::SetupError;

/// The entries of a Jacobian ∂f/∂y that may differ from zero.
///
/// Columns that share no row are found from one evaluation (Curtis, Powell and Reid, J. Inst. Math. Appl. 13, 1974):
/// a band of width w costs w evaluations however long the state is.
///
/// ```
/// use ffjord_ode::Sparsity;
/// let diffusion = Sparsity::banded(100, 1, 1);
/// assert_eq!(diffusion.groups().len(), 3);
/// let arrow = Sparsity::new(3, &[(0, 0), (0, 1), (0, 2), (1, 1), (2, 2)])?;
/// assert_eq!(arrow.groups().len(), 3);
/// assert!(Sparsity::new(3, &[(3, 0)]).is_err());
/// # Ok::<(), ffjord_ode::SetupError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sparsity {
    /// The rows of each column.
    columns: Vec<Vec<usize>>,
    groups: Vec<Vec<usize>>,
}

impl Sparsity {
    /// The pattern of a state of `size` components with these entries, (row, column).
    ///
    /// # Errors
    /// [`SetupError::InvalidEntry`] if an entry lies outside.
    pub fn new(size: usize, entries: &[(usize, usize)]) -> Result<Self, SetupError> {
        let mut columns = vec![Vec::new(); size];
        for &(row, column) in entries {
            if row >= size || column >= size {
                return Err(SetupError::InvalidEntry { row, column, size });
            }
            columns[column].push(row);
        }
        Ok(Self::from_columns(columns))
    }

    /// The pattern in which component i depends on those from i − `lower` to i + `upper`.
    pub fn banded(size: usize, lower: usize, upper: usize) -> Self {
        let rows =
            |column: usize| column.saturating_sub(upper)..(column.saturating_add(lower).saturating_add(1)).min(size);
        Self::from_columns((0..size).map(|column| rows(column).collect()).collect())
    }

    /// Every entry.
    pub(crate) fn dense(size: usize) -> Self {
        Self {
            columns: vec![(0..size).collect(); size],
            groups: (0..size).map(|column| vec![column]).collect(),
        }
    }

    /// Puts every column into the first group in which no other has one of its rows.
    fn from_columns(columns: Vec<Vec<usize>>) -> Self {
        let mut groups: Vec<(Vec<usize>, Vec<bool>)> = Vec::new();
        for (column, rows) in columns.iter().enumerate().filter(|(_, rows)| !rows.is_empty()) {
            let free = groups.iter().position(|(_, taken)| rows.iter().all(|&row| !taken[row]));
            let group = free.unwrap_or_else(|| {
                groups.push((Vec::new(), vec![false; columns.len()]));
                groups.len() - 1
            });
            groups[group].0.push(column);
            rows.iter().for_each(|&row| groups[group].1[row] = true);
        }
        Self {
            groups: groups.into_iter().map(|(members, _)| members).collect(),
            columns,
        }
    }

    /// Number of components.
    pub fn size(&self) -> usize {
        self.columns.len()
    }

    /// The columns that are found together; a Jacobian costs an evaluation for each group.
    pub fn groups(&self) -> &[Vec<usize>] {
        &self.groups
    }

    /// The rows of a column.
    pub(crate) fn rows(&self, column: usize) -> &[usize] {
        &self.columns[column]
    }
}
