//! Every program's result against what is known of it.

use ffjord::data::ImageSet;
use ffjord::data::table::{self, LoadOptions};
use ffjord_examples::Outcome;
use ffjord_examples::programs::{
    conditional_density, csv_density, digits, energy_weights, neural_ode, operator_trace, plain_ode,
    simulator_posterior, vae_plane,
};
use std::f64::consts::{E, PI, TAU};

#[test]
fn keplers_orbit_closes_and_turns_where_it_should() -> Outcome {
    let revolution = plain_ode::run(0.5, 1e-10)?;
    assert!(
        revolution.closing < 1e-7 && revolution.energy_drift < 1e-8,
        "{revolution:?}"
    );
    assert!((revolution.farthest_at - PI).abs() < 1e-7, "{revolution:?}");
    assert!((revolution.farthest - 1.5).abs() < 1e-8, "{revolution:?}");
    Ok(())
}

#[test]
fn a_field_is_learnt_well_enough_to_be_followed_further() -> Outcome {
    // Untrained fields lead nowhere near: the starts themselves are off by more than half.
    let off = neural_ode::run()?;
    assert!(off < 0.05, "{off}");
    Ok(())
}

#[test]
fn every_estimator_finds_the_trace_within_its_own_error() -> Outcome {
    let estimates = operator_trace::run()?;
    assert_eq!(estimates.len(), 4);
    for estimate in &estimates {
        let off = (estimate.trace - estimate.exact).abs();
        assert!(off < 4.0 * estimate.standard_error + 1e-9, "{estimate:?}");
    }
    // What looks for the subspace that counts has a fraction of Hutchinson's error.
    for better in &estimates[1..3] {
        assert!(better.standard_error < estimates[0].standard_error / 3.0, "{better:?}");
    }
    Ok(())
}

#[test]
fn the_density_of_a_file_is_learnt_in_its_own_units() -> Outcome {
    let folder = tempfile::tempdir()?;
    let (file, samples) = (folder.path().join("people.csv"), folder.path().join("more.csv"));
    csv_density::example(&file, 4000)?;
    let (normal, learnt) = csv_density::run(&file, &samples)?;
    // The logarithm of the second column has mean 0, so the entropies of both columns' logarithms are all there is.
    let entropy: f64 = csv_density::SPREAD
        .iter()
        .map(|spread| (TAU * E).ln() / 2.0 + spread.ln())
        .sum();
    assert!(
        (learnt - entropy).abs() < 0.2 && learnt < normal - 0.2,
        "{normal}, {learnt}, truly {entropy}"
    );
    let drawn = table::load(&samples, &LoadOptions::default())?;
    assert_eq!(
        drawn.names.as_deref(),
        Some(&["height".to_owned(), "income".to_owned()][..])
    );
    let means = drawn.values.column_means();
    assert!((means[0] - 170.0).abs() < 1.0, "{means:?}");
    Ok(())
}

#[test]
fn a_conditional_density_has_both_branches() -> Outcome {
    let learnt = conditional_density::run()?;
    let excess = learnt.nll - learnt.true_nll;
    assert!((-0.02..0.1).contains(&excess), "{learnt:?}");
    assert!((0.4..0.6).contains(&learnt.above), "{learnt:?}");
    Ok(())
}

#[test]
fn digits_are_more_than_independent_pixels() -> Outcome {
    let folder = tempfile::tempdir()?;
    let picture = folder.path().join("digits.png");
    let trained = digits::run(400, &picture)?;
    // Of all test images independent pixels have 2.365 bits (docs/results/digits-flow-matching-quick-seed0.json).
    assert!(trained.before < 2.6 && trained.after < 2.265, "{trained}");
    assert!(picture.metadata()?.len() > 1000);
    Ok(())
}

#[test]
fn an_autoencoder_knows_more_than_the_ink_of_each_pixel() -> Outcome {
    let folder = tempfile::tempdir()?;
    let picture = folder.path().join("plane.png");
    let bounds = vae_plane::run(400, &picture)?;
    let digits = ImageSet::Digits.load(None)?.train;
    let ink = digits
        .grey(&(0..digits.len() as u32).collect::<Vec<_>>())?
        .column_means();
    let entropy = |p: f64| -p * p.max(1e-12).ln() - (1.0 - p) * (1.0 - p).max(1e-12).ln();
    let independent: f64 = ink.into_iter().map(entropy).sum();
    assert!(
        -bounds.elbo < independent - 1.0,
        "{bounds:?}, independent pixels {independent}"
    );
    assert!(bounds.importance > bounds.elbo, "{bounds:?}");
    assert!(picture.metadata()?.len() > 1000);
    Ok(())
}

#[test]
fn the_posterior_of_a_simulator_is_the_true_one() -> Outcome {
    let posterior = simulator_posterior::run()?;
    // A divergence is never negative, but its estimate has noise.
    assert!((-0.06..0.1).contains(&posterior.divergence), "{posterior:?}");
    for (mean, truth) in posterior.mean.iter().zip(posterior.true_mean) {
        assert!((mean - truth).abs() < 0.1, "{posterior:?}");
    }
    Ok(())
}

#[test]
fn weights_make_samples_of_the_flow_samples_of_the_energy() -> Outcome {
    let found = energy_weights::run()?;
    assert!(found.effective > 0.5, "{found:?}");
    assert!((found.log_constant - PI.ln()).abs() < 0.05, "{found:?}");
    assert!((found.mean - 0.5).abs() < 0.05, "{found:?}");
    Ok(())
}
