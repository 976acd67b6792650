//! Rows of a table, and what they are given.

use crate::error::{Result, RunError};
use crate::model::Model;
use candle_core::WithDType;
use ffjord_data::{Element, Matrix};
use ffjord_flow::Density;
use ffjord_train::{Batch, to_tensor};
use std::ops::Range;

/// Rows `[N, D]` and, of densities p(x | given), the conditions `[N, C]` of each.
///
/// ```
/// use ffjord_run::{Matrix, Rows};
///
/// let rows = Rows::new(Matrix::from_rows(&[[1.0], [2.0]]), Some(Matrix::from_rows(&[[5.0, 6.0], [7.0, 8.0]])))?;
/// assert_eq!(rows.first(1)?.given.ok_or("none")?.row(0), [5.0, 6.0]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Rows<T = f32> {
    /// The rows.
    pub x: Matrix<T>,
    /// What they are given, if anything.
    pub given: Option<Matrix<T>>,
}

impl<T> From<Matrix<T>> for Rows<T> {
    fn from(x: Matrix<T>) -> Self {
        Self { x, given: None }
    }
}

impl<T: Element> Rows<T> {
    /// Rows and their conditions.
    ///
    /// # Errors
    /// [`RunError::ConditionRows`] if there are more or fewer conditions than rows.
    pub fn new(x: Matrix<T>, given: Option<Matrix<T>>) -> Result<Self> {
        match given.as_ref().map(Matrix::rows).filter(|given| *given != x.rows()) {
            Some(given) => Err(RunError::ConditionRows { rows: x.rows(), given }),
            None => Ok(Self { x, given }),
        }
    }

    /// The number of rows N.
    pub fn rows(&self) -> usize {
        self.x.rows()
    }

    /// The first `rows`, at most all.
    ///
    /// # Errors
    /// Those of slicing.
    pub fn first(&self, rows: usize) -> Result<Self> {
        self.slice(0..rows.min(self.rows()))
    }

    fn slice(&self, range: Range<usize>) -> Result<Self> {
        let given = self
            .given
            .as_ref()
            .map(|given| given.slice(range.clone()))
            .transpose()?;
        let x = self.x.slice(range)?;
        Ok(Self { x, given })
    }

    /// A range of the rows as a model takes them; a table holds an image as a row of numbers.
    pub(crate) fn batch(&self, range: Range<usize>, model: &Model) -> Result<Batch>
    where
        T: WithDType,
    {
        let part = self.slice(range)?;
        let tensor = |rows: &Matrix<T>| to_tensor(rows, model.dtype(), model.device());
        let given = part.given.as_ref().map(tensor).transpose()?;
        let shape = [&[part.x.rows()], Density::row_shape(&model.flow)].concat();
        Ok(Batch::new(tensor(&part.x)?.reshape(shape)?, given)?)
    }
}
