//! A flow as a path from noise to data, at equally spaced moments.

use crate::error::Result;
use candle_core::Tensor;
use ffjord_flow::{Bijection, Density, Pass, Transformed};
use ffjord_run::{Model, Part};
use ffjord_train::{Purpose, Streams};

/// One moment on the path from noise (0) to data (1).
#[derive(Debug, Clone, Copy)]
struct Moment {
    /// The part of the chain that the moment lies in.
    part: usize,
    /// The moment's place within it, 1 = its noise side, 0 = its data side.
    place: f64,
}

/// `count` moments from noise to data.
fn moments(parts: usize, count: usize) -> Vec<Moment> {
    (0..count)
        .map(|index| {
            let from_data = parts as f64 * (1.0 - index as f64 / (count - 1).max(1) as f64);
            let part = (from_data.ceil() as usize).clamp(1, parts) - 1;
            Moment {
                part,
                place: from_data - part as f64,
            }
        })
        .collect()
}

/// Moves states from one place of a part towards the data side (or back); a map without a path jumps when its data side is reached.
fn within(part: &Part, state: &Tensor, from: f64, to: f64, pass: &mut Pass<'_>) -> Result<Transformed> {
    Ok(match part {
        Part::Continuous(cnf) => {
            let end = cnf.end_time()?;
            cnf.between(state, (from * end, to * end), pass)?
        }
        Part::Discrete(map) if from > 0.0 && to <= 0.0 => map.inverse(state, pass)?,
        Part::Discrete(map) if from <= 0.0 && to > 0.0 => map.forward(state, pass)?,
        Part::Discrete(_) => {
            let no_change = Tensor::zeros(state.dim(0)?, state.dtype(), state.device())?;
            Transformed::new(state.clone(), no_change)
        }
    })
}

/// Positions of `samples` draws at `count` moments from noise to data, `[count][samples, D]`.
pub(super) fn positions(model: &Model, samples: usize, count: usize, streams: &Streams) -> Result<Vec<Tensor>> {
    let mut rng = streams.rng(Purpose::Sample, 0, 1);
    let mut pass = Pass::sampling(&mut rng);
    let mut state = model.flow.base().sample(samples, &mut pass)?;
    let mut at = Moment {
        part: model.parts.len() - 1,
        place: 1.0,
    };
    let mut positions = Vec::with_capacity(count);
    for moment in moments(model.parts.len(), count) {
        while at.part > moment.part {
            state = within(&model.parts[at.part], &state, at.place, 0.0, &mut pass)?.value;
            at = Moment {
                part: at.part - 1,
                place: 1.0,
            };
        }
        if at.place > moment.place {
            state = within(&model.parts[at.part], &state, at.place, moment.place, &mut pass)?.value;
            at = moment;
        }
        positions.push(state.clone());
    }
    Ok(positions)
}

/// `ln p` of points `[B, D]` under the distribution that samples have at each of `count` moments, `[count][B]`.
pub(super) fn log_densities(model: &Model, points: &Tensor, count: usize, streams: &Streams) -> Result<Vec<Tensor>> {
    let mut rng = streams.rng(Purpose::Sample, 0, 2);
    let mut pass = Pass::evaluation(&mut rng);
    moments(model.parts.len(), count)
        .into_iter()
        .map(|moment| {
            let mut image = within(&model.parts[moment.part], points, moment.place, 1.0, &mut pass)?;
            for part in &model.parts[moment.part + 1..] {
                let next = within(part, &image.value, 0.0, 1.0, &mut pass)?;
                image = image.then(next)?;
            }
            let of_base = model.flow.base().log_prob(&image.value, &mut pass)?;
            Ok((of_base + image.log_det()?)?)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_run_from_the_noise_side_to_the_data_side() {
        let places: Vec<(usize, f64)> = moments(2, 5)
            .into_iter()
            .map(|moment| (moment.part, moment.place))
            .collect();
        assert_eq!(places, [(1, 1.0), (1, 0.5), (0, 1.0), (0, 0.5), (0, 0.0)]);
    }
}
