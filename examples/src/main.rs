//! Runs one of the programs, or trains with every piece in turn, and prints what came of it.

use ffjord_examples::programs::{
    conditional_density, csv_density, digits, energy_weights, neural_ode, operator_trace, plain_ode,
    simulator_posterior, vae_plane,
};
use ffjord_examples::{Outcome, backend, bijection, controller, dataset, field, kernel, objective, tableau, trace};
use std::path::Path;
use std::sync::atomic::Ordering;

const USAGE: &str = "\
usage: cargo run --release -p ffjord-examples -- NAME

    plain-ode  neural-ode  operator-trace  csv-density [FILE]  conditional-density  digits  vae-plane
    simulator-posterior  energy-weights
    pieces      everything that can be brought along, one training run each";

fn main() -> Outcome {
    let mut arguments = std::env::args().skip(1);
    let (name, file) = (arguments.next().unwrap_or_default(), arguments.next());
    match (name.as_str(), file) {
        ("plain-ode", None) => plain_ode::run(0.5, 1e-10).map(drop)?,
        ("neural-ode", None) => neural_ode::run().map(drop)?,
        ("operator-trace", None) => operator_trace::run().map(drop)?,
        ("csv-density", file) => {
            if file.is_none() {
                csv_density::example(Path::new("example.csv"), 4000)?;
            }
            csv_density::run(
                Path::new(file.as_deref().unwrap_or("example.csv")),
                Path::new("samples.csv"),
            )?;
        }
        ("conditional-density", None) => conditional_density::run().map(drop)?,
        ("digits", None) => digits::run(3000, Path::new("digits.png")).map(drop)?,
        ("vae-plane", None) => vae_plane::run(3000, Path::new("digits-latent-plane.png")).map(drop)?,
        ("simulator-posterior", None) => simulator_posterior::run().map(drop)?,
        ("energy-weights", None) => energy_weights::run().map(drop)?,
        ("pieces", None) => pieces()?,
        _ => return Err(USAGE.into()),
    }
    Ok(())
}

fn pieces() -> Outcome {
    println!("own tableau, Cash and Karp's: {}", tableau::train()?);
    println!("own controller, powers of two: {}", controller::train()?);
    println!("own field, gated: {}", field::train()?);
    println!("own kernel, planar: {}", kernel::train()?);
    println!("own trace estimator, Hadamard probes: {}", trace::train()?);
    println!("own bijection, sinh-arcsinh: {}", bijection::train()?);
    println!(
        "own objective, reverse Kullback-Leibler divergence: {}",
        objective::train()?
    );
    println!("own dataset, points given their angles: {}", dataset::train()?);
    let (trained, counts) = backend::train()?;
    let [plain, recorded, pulled_back] =
        [&counts.plain, &counts.recorded, &counts.pulled_back].map(|count| count.load(Ordering::Relaxed));
    println!(
        "own backend: {trained}, with {recorded} solves for training, {pulled_back} gradients of them, and {plain} \
         other solves"
    );
    Ok(())
}
