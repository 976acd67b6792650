//! Trained flows in both units, and what they refuse.

use super::*;
use crate::config::{Preset, resolve};

fn run(place: &Path, scales: Option<(Vec<f64>, Vec<f64>)>) -> Result<Trained> {
    conditional(place, scales, None)
}

fn conditional(place: &Path, scales: Option<(Vec<f64>, Vec<f64>)>, given: Option<GivenColumns>) -> Result<Trained> {
    let config = resolve(&Preset::find("toy-moons")?, &["model.hidden=[8]".to_string()], None)?;
    let summary = DataSummary {
        dimension: 2,
        scales,
        given,
        ..DataSummary::default()
    };
    let folder = RunFolder::open(place, &config, &summary, false)?;
    folder.save_model(&Model::build(
        &config,
        2,
        summary.given_len(),
        &mut Streams::new(0).rng(Purpose::Initialise, 0, 0),
    )?)?;
    Trained::open(place)
}

#[test]
fn units_move_samples_and_densities_together() -> Result<()> {
    let place = tempfile::tempdir().map_err(RunError::io("create", &std::env::temp_dir()))?;
    let run = run(place.path(), Some((vec![10.0, -3.0], vec![4.0, 0.5])))?;
    let (samples, log_prob) = (run.sample(5, 7)?, run.log_prob(&run.sample(5, 7)?)?);
    let run = run.in_units(Units::Standardised);
    let standardised = run.sample(5, 7)?;
    for (x, z) in samples.iter_rows().zip(standardised.iter_rows()) {
        assert!((x[0] - (4.0 * z[0] + 10.0)).abs() < 1e-12 && (x[1] - (0.5 * z[1] - 3.0)).abs() < 1e-12);
    }
    // The determinant of the scales is 4 · 0.5.
    for (x, z) in log_prob.iter().zip(run.log_prob(&standardised)?) {
        assert!((x + 2.0_f64.ln() - z).abs() < 1e-5, "{x} and {z}");
    }
    Ok(())
}

#[test]
fn units_move_conditions_as_well() -> Result<()> {
    let place = tempfile::tempdir().map_err(RunError::io("create", &std::env::temp_dir()))?;
    let columns = GivenColumns {
        names: vec!["speed".to_string()],
        rest: vec!["x".to_string(), "y".to_string()],
        means: vec![100.0],
        stds: vec![20.0],
    };
    let run = conditional(place.path(), Some((vec![10.0, -3.0], vec![4.0, 0.5])), Some(columns))?;
    let given = Matrix::from_rows(&[[90.0], [100.0], [120.0]]);
    let standard_given = Matrix::from_rows(&[[-0.5], [0.0], [1.0]]);
    let samples = run.sample_given(&given, 3)?;
    let log_prob = run.log_prob_given(&samples, &given)?;
    let refused = |answer: RunError, word: &str| assert!(answer.to_string().contains(word), "{answer}");
    for answer in [run.sample(2, 0).err(), run.log_prob(&samples).err()] {
        refused(answer.unwrap(), "given speed: give every row its condition");
    }
    refused(run.log_prob_given(&samples, &samples).unwrap_err(), "have 2 columns");
    refused(run.sample_given(&samples, 0).unwrap_err(), "have 2 columns");
    let one = Matrix::from_rows(&[[1.0]]);
    refused(run.log_prob_given(&samples, &one).unwrap_err(), "3 rows are given 1");

    let run = run.in_units(Units::Standardised);
    let standardised = run.sample_given(&standard_given, 3)?;
    let other = run.sample_given(&Matrix::from_rows(&[[1.0], [1.0], [1.0]]), 3)?;
    assert!(standardised.row(2) == other.row(2) && standardised.row(0) != other.row(0));
    for (x, z) in samples.iter_rows().zip(standardised.iter_rows()) {
        assert!((x[0] - (4.0 * z[0] + 10.0)).abs() < 1e-12 && (x[1] - (0.5 * z[1] - 3.0)).abs() < 1e-12);
    }
    for (x, z) in log_prob.iter().zip(run.log_prob_given(&standardised, &standard_given)?) {
        assert!((x + 2.0_f64.ln() - z).abs() < 1e-5, "{x} and {z}");
    }
    Ok(())
}

#[test]
fn flows_that_are_given_nothing_refuse_conditions() -> Result<()> {
    let place = tempfile::tempdir().map_err(RunError::io("create", &std::env::temp_dir()))?;
    let run = run(place.path(), None)?;
    let rows = Matrix::from_rows(&[[1.0, 2.0]]);
    for answer in [run.sample_given(&rows, 0).err(), run.log_prob_given(&rows, &rows).err()] {
        assert!(matches!(answer, Some(RunError::UnexpectedCondition { .. })));
    }
    Ok(())
}

#[test]
fn no_rows_and_no_samples_are_no_error_but_other_columns_are() -> Result<()> {
    let place = tempfile::tempdir().map_err(RunError::io("create", &std::env::temp_dir()))?;
    let run = run(place.path(), None)?;
    assert_eq!(run.log_prob(&Matrix::<f32>::new(0, 2, Vec::new())?)?, Vec::<f64>::new());
    let none = run.sample(0, 0)?;
    assert_eq!((none.rows(), none.columns()), (0, 2));
    let answer = run.log_prob(&Matrix::from_rows(&[[1.0, 2.0, 3.0]]));
    assert!(answer.is_err_and(|error| error.to_string().starts_with("the rows have 3 columns")));
    Ok(())
}
