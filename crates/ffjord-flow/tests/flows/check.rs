//! One check that every bijection must pass: it inverts, knows its log-determinant, has the right gradients, and its
//! stored tensors make another one of its kind the same.

use crate::common::{TestResult, max_abs, rng, uniform};
use candle_core::{Device, Tensor, Var};
use ffjord_flow::{Bijection, Pass};
use ffjord_nn::{Parameter, load_parameters};
use std::collections::BTreeMap;

type BoxError = Box<dyn std::error::Error>;

/// Columns of the bijections of plain rows that are checked.
pub const COLUMNS: usize = 3;
const ROWS: usize = 9;

/// What is checked, and how closely.
pub struct Check {
    /// Columns of the condition.
    pub condition: usize,
    /// The step of finite differences: small beside a spline's pieces, large beside a solver's error.
    pub step: f64,
    /// The largest error of an inverse and of a log-determinant.
    pub accuracy: f64,
    /// The largest relative error of a gradient.
    pub gradients: f64,
    /// Whether rows of data are numbers between 0 and 1, not between −1 and 1.
    pub unit: bool,
}

/// For maps that are exact up to rounding.
pub const EXACT: Check = Check {
    condition: 0,
    step: 1e-4,
    accuracy: 1e-9,
    gradients: 1e-8,
    unit: false,
};

impl Check {
    /// Checks what `make` makes of a seed.
    pub fn run<B: Bijection>(&self, make: impl Fn(u64) -> Result<B, BoxError>) -> TestResult {
        let bijection = make(1)?;
        set_parameters(&bijection)?;
        self.inverts_and_knows_its_log_determinant(&bijection)?;
        self.has_right_gradients(&bijection, false)?;
        self.has_right_gradients(&bijection, true)?;
        self.is_what_its_tensors_say(&bijection, &make(2)?)
    }

    fn pass<'a>(&self, pass: Pass<'a>, rows: std::ops::Range<usize>) -> Result<Pass<'a>, BoxError> {
        if self.condition == 0 {
            return Ok(pass);
        }
        let condition = uniform(30, &[ROWS, self.condition])?;
        Ok(pass.given(condition.narrow(0, rows.start, rows.len())?))
    }

    /// Rows of data.
    fn data(&self, bijection: &dyn Bijection, seed: u64) -> Result<Tensor, BoxError> {
        let rows = uniform(seed, &batch(bijection.input_shape()))?;
        Ok(if self.unit { rows.affine(0.49, 0.5)? } else { rows })
    }

    fn inverts_and_knows_its_log_determinant(&self, bijection: &dyn Bijection) -> TestResult {
        let x = self.data(bijection, 3)?;
        let mut rng = rng(0);
        let mut pass = self.pass(Pass::evaluation(&mut rng), 0..ROWS)?;
        let image = bijection.forward(&x, &mut pass)?;
        let back = bijection.inverse(&image.value, &mut pass)?;
        let error = max_abs(&(&back.value - &x)?)?;
        assert!(error < self.accuracy, "the inverse misses by {error:e}");
        let error = max_abs(&(back.log_det()? + image.log_det()?)?)?;
        assert!(error < self.accuracy, "the log-determinants differ by {error:e}");
        let log_det: Vec<f64> = image.log_det()?.to_vec1()?;
        for row in [0, ROWS - 1] {
            let expected = self.log_det_by_differences(bijection, &x, row)?;
            assert!(
                (log_det[row] - expected).abs() < self.accuracy.max(1e-8),
                "row {row}: {} against {expected}",
                log_det[row]
            );
        }
        Ok(())
    }

    /// The logarithm of |det| of a dense Jacobian by finite differences of fourth order, for one row.
    fn log_det_by_differences(&self, bijection: &dyn Bijection, x: &Tensor, row: usize) -> Result<f64, BoxError> {
        let step = self.step;
        let mut columns = Vec::new();
        let row_shape = bijection.input_shape();
        let columns_of_row: usize = row_shape.iter().product();
        for i in 0..columns_of_row {
            let mut direction = vec![0.0; columns_of_row];
            direction[i] = step;
            let direction = Tensor::from_vec(direction, [&[1], row_shape].concat(), &Device::Cpu)?;
            let at = |scale: f64| -> Result<Vec<f64>, BoxError> {
                let mut rng = rng(0);
                let moved = (x.narrow(0, row, 1)? + (&direction * scale)?)?;
                let mut pass = self.pass(Pass::evaluation(&mut rng), row..row + 1)?;
                Ok(bijection.forward(&moved, &mut pass)?.value.flatten_all()?.to_vec1()?)
            };
            let (a, b, c, d) = (at(-2.0)?, at(-1.0)?, at(1.0)?, at(2.0)?);
            columns.push(
                (0..columns_of_row)
                    .map(|j| (a[j] - 8.0 * b[j] + 8.0 * c[j] - d[j]) / (12.0 * step))
                    .collect::<Vec<f64>>(),
            );
        }
        Ok(determinant(columns).abs().ln())
    }

    /// Gradients of a training pass with respect to the input and every parameter, along random directions.
    fn has_right_gradients(&self, bijection: &dyn Bijection, inverse: bool) -> TestResult {
        let rows = match inverse {
            true => uniform(5, &batch(bijection.output_shape()))?,
            false => self.data(bijection, 5)?,
        };
        let x = Var::from_tensor(&rows)?;
        let buffers = copies(&bijection.buffers())?;
        let loss = || -> Result<Tensor, BoxError> {
            // A training pass may move running statistics: every evaluation begins with the same.
            assign(&bijection.buffers(), &buffers)?;
            let mut rng = rng(77);
            let mut pass = self.pass(Pass::training(&mut rng), 0..ROWS)?;
            let image = if inverse {
                bijection.inverse(&x, &mut pass)?
            } else {
                bijection.forward(&x, &mut pass)?
            };
            let value = (&image.value * uniform(8, image.value.dims())?)?.sum_all()?;
            Ok((value + (image.log_det()? * uniform(9, &[ROWS])?)?.sum_all()?)?)
        };
        let gradients = loss()?.backward()?;
        let mut vars: Vec<(String, Var)> = bijection.parameters().into_iter().map(|p| (p.name, p.var)).collect();
        vars.push(("the input".to_string(), x.clone()));
        let step = self.step;
        for (index, (name, var)) in vars.iter().enumerate() {
            let centre = var.as_detached_tensor().copy()?;
            let direction = uniform(500 + index as u64, centre.dims())?;
            let at = |scale: f64| -> Result<f64, BoxError> {
                var.set(&(&centre + (&direction * (scale * step))?)?)?;
                Ok(loss()?.to_scalar()?)
            };
            let difference = (at(-2.0)? - 8.0 * at(-1.0)? + 8.0 * at(1.0)? - at(2.0)?) / (12.0 * step);
            var.set(&centre)?;
            let gradient = gradients.get(var).ok_or_else(|| format!("{name} has no gradient"))?;
            let gradient: f64 = (gradient * &direction)?.sum_all()?.to_scalar()?;
            let error = (gradient - difference).abs() / difference.abs().max(1.0);
            assert!(
                error < self.gradients,
                "{name} (inverse: {inverse}): {gradient} against {difference}"
            );
        }
        assign(&bijection.buffers(), &buffers)
    }

    /// Parameters and buffers have names of their own, and `other` with these tensors is the same map.
    fn is_what_its_tensors_say(&self, bijection: &dyn Bijection, other: &dyn Bijection) -> TestResult {
        let stored: BTreeMap<String, Tensor> = all(bijection)
            .into_iter()
            .map(|parameter| (parameter.name, parameter.var.as_detached_tensor()))
            .collect();
        let count = all(bijection).len();
        assert!(stored.len() == count, "names must be unique: {:?}", stored.keys());
        load_parameters(&all(other), &stored)?;
        let images = [bijection, other].map(|bijection| -> Result<Tensor, BoxError> {
            let mut rng = rng(0);
            let mut pass = self.pass(Pass::evaluation(&mut rng), 0..ROWS)?;
            Ok(bijection.forward(&self.data(bijection, 6)?, &mut pass)?.value)
        });
        let [own, loaded] = images;
        assert_eq!(max_abs(&(own? - loaded?)?)?, 0.0);
        Ok(())
    }
}

/// The shape of a batch of rows.
fn batch(row_shape: &[usize]) -> Vec<usize> {
    [&[ROWS], row_shape].concat()
}

fn all(bijection: &dyn Bijection) -> Vec<Parameter> {
    let mut all = bijection.parameters();
    all.extend(bijection.buffers());
    all
}

/// Parameters far from the initialisation, which for some maps is the identity and would hide mistakes.
fn set_parameters(bijection: &dyn Bijection) -> TestResult {
    for (index, parameter) in bijection.parameters().iter().enumerate() {
        // The root of an end time is a single number that must stay positive.
        if parameter.var.elem_count() > 1 {
            let values = uniform(40 + index as u64, parameter.var.dims())?;
            parameter.var.set(&(values * 0.7)?)?;
        }
    }
    Ok(())
}

fn copies(parameters: &[Parameter]) -> Result<Vec<Tensor>, BoxError> {
    let copy = |parameter: &Parameter| Ok(parameter.var.as_detached_tensor().copy()?);
    parameters.iter().map(copy).collect()
}

fn assign(parameters: &[Parameter], values: &[Tensor]) -> TestResult {
    for (parameter, value) in parameters.iter().zip(values) {
        parameter.var.set(value)?;
    }
    Ok(())
}

fn determinant(mut matrix: Vec<Vec<f64>>) -> f64 {
    let n = matrix.len();
    let mut determinant = 1.0;
    for i in 0..n {
        let pivot = (i..n)
            .max_by(|&a, &b| matrix[a][i].abs().total_cmp(&matrix[b][i].abs()))
            .unwrap_or(i);
        if pivot != i {
            matrix.swap(i, pivot);
            determinant = -determinant;
        }
        determinant *= matrix[i][i];
        for j in i + 1..n {
            let factor = matrix[j][i] / matrix[i][i];
            let pivot_row = matrix[i].clone();
            matrix[j]
                .iter_mut()
                .zip(pivot_row)
                .for_each(|(entry, pivot)| *entry -= factor * pivot);
        }
    }
    determinant
}
