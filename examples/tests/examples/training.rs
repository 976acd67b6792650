//! Every piece in a training run.
//!
//! Two moons have −ln p of about 2.8 nats under the untrained flows, and about 2.5 under the best normal
//! distribution.

use ffjord::train::{BatchSource, Streams};
use ffjord_examples::{
    Outcome, Trained, backend, bijection, controller, dataset, field, kernel, objective, tableau, trace,
};
use std::sync::atomic::Ordering;

fn learned_moons(trained: Trained) {
    assert!(trained.before > 3.4 && trained.after < 3.0, "{trained}");
}

#[test]
fn with_an_own_tableau() -> Outcome {
    learned_moons(tableau::train()?);
    Ok(())
}

#[test]
fn with_an_own_controller() -> Outcome {
    learned_moons(controller::train()?);
    Ok(())
}

#[test]
fn along_an_own_field() -> Outcome {
    learned_moons(field::train()?);
    Ok(())
}

#[test]
fn by_an_own_kernel() -> Outcome {
    learned_moons(kernel::train()?);
    Ok(())
}

#[test]
fn with_an_own_trace_estimator() -> Outcome {
    learned_moons(trace::train()?);
    Ok(())
}

#[test]
fn of_an_own_bijection() -> Outcome {
    let trained = bijection::train()?;
    // The best normal distribution has ln(2πe (e² − e)), 4.38 nats.
    assert!(trained.before > 6.0 && (2.7..3.6).contains(&trained.after), "{trained}");
    Ok(())
}

#[test]
fn by_an_own_objective() -> Outcome {
    let trained = objective::train()?;
    // A divergence is never negative, but its estimate has noise.
    assert!(
        trained.before > 0.5 && (-0.02..0.15).contains(&trained.after),
        "{trained}"
    );
    Ok(())
}

#[test]
fn on_an_own_dataset() -> Outcome {
    let trained = dataset::train()?;
    // No density that ignores the condition gets below ln 2π + ½ ln(2πe σ²); the true one has ln(2πe σ²).
    let entropy = (2.0 * std::f64::consts::PI * std::f64::consts::E * dataset::NOISE.powi(2)).ln();
    let unconditional = std::f64::consts::TAU.ln() + entropy / 2.0;
    assert!(
        entropy - 0.1 < trained.after && trained.after < unconditional - 1.0,
        "{trained}"
    );
    let batch = |iteration| -> Outcome<Vec<f32>> {
        let batch = dataset::Sightings { rows: 3 }.batch(iteration, &Streams::new(1))?;
        Ok(batch.x.flatten_all()?.to_vec1()?)
    };
    assert_eq!(batch(4)?, batch(4)?);
    assert_ne!(batch(4)?, batch(5)?);
    Ok(())
}

#[test]
fn on_an_own_backend() -> Outcome {
    let (trained, counts) = backend::train()?;
    learned_moons(trained);
    let [plain, recorded, pulled_back] =
        [&counts.plain, &counts.recorded, &counts.pulled_back].map(|count| count.load(Ordering::Relaxed));
    // A validation before and one after.
    assert_eq!((plain, recorded, pulled_back), (2, 200, 200));
    Ok(())
}
