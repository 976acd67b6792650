//! Rows of many columns.

use crate::common::{Path, TestResult, max_abs, rng, settings, uniform};
use candle_core::{DType, Device, Tensor};
use ffjord_flow::{Bijection, Cnf, FlowError, Pass, SolveSettings, TraceMode, Whitening};
use ffjord_nn::{ActivationKind, Mlp, MlpConfig};
use std::sync::Arc;

type BoxError = Box<dyn std::error::Error>;

/// Rows of 140 columns, each of which is a number of its own and one that all columns have.
fn rows(seed: u64, count: usize) -> Result<Tensor, BoxError> {
    let own = uniform(seed, &[count, 140])?;
    Ok(own.broadcast_add(&uniform(seed + 1, &[count, 1])?)?)
}

#[test]
fn more_columns_than_rows_have_a_whitening() -> TestResult {
    let seen = rows(7, 90)?;
    let whitening = Whitening::fit(&seen)?;
    let image = whitening.forward(&seen, &mut Pass::evaluation(&mut rng(0)))?;
    let back = whitening.inverse(&image.value, &mut Pass::evaluation(&mut rng(0)))?;
    assert!(max_abs(&(back.value - &seen)?)? < 1e-12);
    // What all columns have is seen in 90 rows, and others do not have it afterwards.
    let unseen = rows(9, 1000)?;
    let white = whitening.forward(&unseen, &mut Pass::evaluation(&mut rng(0)))?.value;
    let correlation = |rows: &Tensor| -> Result<f64, BoxError> {
        let products = (rows.narrow(1, 0, 139)? * rows.narrow(1, 1, 139)?)?.mean_all()?;
        Ok(products.to_scalar::<f64>()? / rows.sqr()?.mean_all()?.to_scalar::<f64>()?)
    };
    let (before, after) = (correlation(&unseen)?, correlation(&white)?);
    assert!(before > 0.4 && after.abs() < 0.1, "{before} {after}");
    Ok(())
}

#[test]
fn a_whitening_of_many_columns_is_the_same_for_any_number_of_threads() -> TestResult {
    let rows = rows(11, 60)?;
    let numbers = |threads: usize| -> Result<Vec<f64>, BoxError> {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build()?;
        let whitening = pool.install(|| Whitening::fit(&rows))?;
        let buffers = whitening.buffers();
        let values = buffers.iter().map(|buffer| buffer.var.flatten_all()?.to_vec1::<f64>());
        Ok(values.collect::<candle_core::Result<Vec<_>>>()?.concat())
    };
    assert_eq!(numbers(1)?, numbers(2)?);
    Ok(())
}

#[test]
fn columns_whose_squares_overflow_have_no_correlations() -> TestResult {
    let rows = Tensor::new(&[[1e200, 1.0], [-1e200, 2.0], [3e200, 1.0]], &Device::Cpu)?;
    let refused = Whitening::fit(&rows);
    assert!(
        matches!(refused, Err(FlowError::Correlations { columns: 2 })),
        "{refused:?}"
    );
    Ok(())
}

#[test]
fn a_wide_batch_is_solved_a_few_rows_at_a_time() -> TestResult {
    // A row of 1,100 columns has 9.7 MB of tangents: six fit into a block, and seven rows make two blocks.
    let columns = 1100;
    let x = uniform(5, &[7, columns])?;
    let config = MlpConfig::new(columns).hidden([4, 3]).activation(ActivationKind::Tanh);
    for backend in [Path::Kernels, Path::Tensors] {
        let field = Arc::new(Mlp::new(&config, &mut rng(6), DType::F64, &Device::Cpu)?);
        let evaluated = |block_rows: usize| -> Result<Vec<f64>, BoxError> {
            let mut settings = settings(1e-4, TraceMode::Exact)?;
            settings.evaluation.block_rows = block_rows;
            let image = backend
                .on(Cnf::new(field.clone(), settings)?)
                .forward(&x, &mut Pass::evaluation(&mut rng(0)))?;
            let log_det = image.log_det()?.unsqueeze(1)?;
            Ok(Tensor::cat(&[&image.value, &log_det], 1)?.flatten_all()?.to_vec1()?)
        };
        let whole = evaluated(SolveSettings::WHOLE_BATCH)?;
        assert_eq!(whole, evaluated(4)?);
        let alone = evaluated(SolveSettings::PER_ROW)?;
        assert_ne!(whole, alone);
        let far = whole.iter().zip(&alone).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
        assert!(far < 1e-3, "{backend:?}: {far:e}");
        assert!(alone.chunks(columns + 1).all(|row| row[columns].abs() > 1e-3));
    }
    Ok(())
}
