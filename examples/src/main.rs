//! Trains with every piece in turn and prints what came of it.

use ffjord_examples::{Outcome, backend, bijection, controller, dataset, field, kernel, objective, tableau, trace};
use std::sync::atomic::Ordering;

fn main() -> Outcome {
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
