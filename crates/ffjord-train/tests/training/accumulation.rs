//! A batch in parts has the loss, the costs and the gradient of the whole.

use crate::harness::{Moons, ROWS, Session, bits, flow, flow_of_separate_rows, flow_with_act_norm, options, two_steps};
use ffjord_train::{Model, TrainError, read_metrics};
use serde_json::Value;
use std::num::NonZeroUsize;

/// Lines of the metrics and all weights after a few iterations with so many rows at a time.
fn trained(rows: Option<usize>) -> (Vec<Value>, Vec<f32>) {
    let folder = tempfile::tempdir().unwrap();
    let mut options = options(4);
    options.accumulate_rows = rows.and_then(NonZeroUsize::new);
    let model = flow_of_separate_rows(0);
    Session::new(folder.path(), options).run(&model).unwrap();
    let weights = Model::parameters(&model)
        .iter()
        .flat_map(|parameter| parameter.var.flatten_all().unwrap().to_vec1::<f32>().unwrap())
        .collect();
    (read_metrics(folder.path().join("metrics.jsonl")).unwrap(), weights)
}

#[test]
fn parts_of_a_batch_add_up_to_the_whole() {
    let (whole_metrics, whole_weights) = trained(None);
    for rows in [1, 5, ROWS - 1, ROWS, 10 * ROWS] {
        let (metrics, weights) = trained(Some(rows));
        for (part, whole) in weights.iter().zip(&whole_weights) {
            assert!(
                (part - whole).abs() < 1e-4,
                "{rows} rows at a time: {part}, not {whole}"
            );
        }
        assert_eq!(metrics.len(), whole_metrics.len());
        let numbers = metrics.iter().zip(&whole_metrics).flat_map(|(part, whole)| {
            ["loss", "nll", "gradient_norm", "nfe_forward", "nfe_backward"]
                .into_iter()
                .filter_map(|key| Some((key, part.get(key)?.as_f64()?, whole.get(key)?.as_f64()?)))
        });
        let mut compared = 0;
        for (key, part, whole) in numbers {
            assert!(
                (part - whole).abs() < 1e-4 * (1.0 + whole.abs()),
                "{rows} rows, {key}: {part}, not {whole}"
            );
            compared += 1;
        }
        assert!(compared >= 4 * 3, "{:?}", metrics[0]);
    }
}

#[test]
fn parts_that_are_the_whole_batch_change_no_bit() {
    assert_eq!(trained(None).1, trained(Some(ROWS)).1);
}

#[test]
fn a_part_that_fails_undoes_the_parts_before_it() {
    let folder = tempfile::tempdir().unwrap();
    let mut options = options(1);
    options.accumulate_rows = NonZeroUsize::new(4);
    // The NaN of a poisoned batch is in its last row: the first part has set the normalisation by then.
    let model = flow_with_act_norm(two_steps());
    let before = bits(&model);
    let poisoned = Moons { poisoned: |_| true };
    let session = Session::new(folder.path(), options).source(&poisoned);
    assert_eq!(session.run(&model).unwrap().failures, 1);
    assert_eq!(bits(&model), before);
}

#[test]
fn statistics_of_a_batch_are_not_taken_from_its_parts() {
    let folder = tempfile::tempdir().unwrap();
    let mut options = options(1);
    options.accumulate_rows = NonZeroUsize::new(4);
    let error = Session::new(folder.path(), options)
        .run(&flow(0, two_steps()))
        .unwrap_err();
    assert!(matches!(error, TrainError::InvalidSetting { .. }), "{error}");
    assert!(error.to_string().contains("`accumulate_rows` is 4"), "{error}");
}
