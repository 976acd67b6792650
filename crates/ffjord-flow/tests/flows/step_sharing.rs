//! Which rows share their steps, and what a row's result then depends on.

use crate::common::{Path, TestResult, cnf, rng, settings, uniform};
use candle_core::{Tensor, Var};
use ffjord_flow::{Bijection, Pass, SolveSettings, TraceMode};

type BoxError = Box<dyn std::error::Error>;

const ROWS: usize = 6;

/// Value, log-determinant and gradient of one row of a batch.
fn row_of(x: &Tensor, row: usize, block_rows: usize, backend: Path) -> Result<Vec<f64>, BoxError> {
    let mut settings = settings(1e-5, TraceMode::Exact)?;
    settings.training.block_rows = block_rows;
    let cnf = backend.on(cnf(settings)?);
    let x = Var::from_tensor(x)?;
    let image = cnf.forward(&x, &mut Pass::training(&mut rng(0)))?;
    let loss = (image.value.sqr()?.sum_all()? + image.log_det()?.sum_all()?)?;
    let gradients = loss.backward()?;
    let gradient = gradients.get(&x).ok_or("the input has a gradient")?;
    let mut numbers = image.value.get(row)?.to_vec1::<f64>()?;
    numbers.push(image.log_det()?.get(row)?.to_scalar()?);
    numbers.extend(gradient.get(row)?.to_vec1::<f64>()?);
    Ok(numbers)
}

/// A batch, and the same row among others: far apart, and in another place.
fn batches() -> Result<[(Tensor, usize); 2], BoxError> {
    let x = uniform(3, &[ROWS, 3])?;
    let row = x.narrow(0, 2, 1)?;
    let others = (uniform(4, &[ROWS - 1, 3])? * 20.0)?;
    Ok([(x, 2), (Tensor::cat(&[&others, &row], 0)?, ROWS - 1)])
}

#[test]
fn a_row_by_itself_does_not_depend_on_its_neighbours() -> TestResult {
    for backend in [Path::Kernels, Path::Tensors] {
        let [(x, row), (among_others, place)] = batches()?;
        assert_eq!(
            row_of(&x, row, SolveSettings::PER_ROW, backend)?,
            row_of(&among_others, place, SolveSettings::PER_ROW, backend)?
        );
        // It is the other modes that this takes something from.
        assert_ne!(
            row_of(&x, row, SolveSettings::WHOLE_BATCH, backend)?,
            row_of(&among_others, place, SolveSettings::WHOLE_BATCH, backend)?
        );
    }
    Ok(())
}
