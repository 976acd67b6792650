//! Flow matching: regression of the vector field, without solves.

use super::assignment::assign;
use super::{Loss, Objective, scalar};
use crate::batch::Batch;
use crate::error::{Result, TrainError};
use candle_core::{DType, Device, Tensor};
use ffjord_flow::{Bijection, ContinuousPath, Density, Flow, Pass, Velocity};
use rand::{Rng, RngCore};

/// The most rows that share a place.
const ROWS_PER_PLACE: usize = 128;
/// The places of a batch that has more rows, however few its rows are.
const FEWEST_PLACES: usize = 16;

/// Which noise a data point is joined with.
///
/// ```
/// # use candle_core::DType;
/// # use ffjord_data::ToyDensity;
/// # use ffjord_flow::{Cnf, Flow};
/// # let flow = Flow::over_normal(Cnf::builder(2).hidden([8]).tolerance(1e-2).build()?)?;
/// # let moons = ffjord_train::FreshSamples::new(8, DType::F32, |rows, rng| ToyDensity::Moons.sample(rows, rng));
/// use ffjord_train::{FlowMatching, NoiseCoupling, Trainer, TrainerOptions};
/// for coupling in [NoiseCoupling::Independent, NoiseCoupling::OptimalTransport { rows: 8 }] {
///     let objective = FlowMatching::new(coupling)?;
///     assert_eq!(Trainer::new(&flow, &objective, &moons, TrainerOptions::new(2, 1e-3))?.run()?.failures, 0);
/// }
/// assert!(FlowMatching::new(NoiseCoupling::OptimalTransport { rows: 1 }).is_err());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum NoiseCoupling {
    /// An independent draw (Lipman et al. 2023).
    Independent,
    /// The batch's noise is redistributed within groups of so many rows so that the squared lengths of the group's
    /// paths have the least sum (Tong et al. 2024, Pooladian et al. 2023): paths cross less, and solves take fewer
    /// steps.
    ///
    /// The exact assignment costs O(rows³). Rows with different conditions are matched with each other too, which is
    /// not what a conditional density wants.
    OptimalTransport {
        /// Rows of a group, 2 to 512.
        rows: usize,
    },
}

/// Conditional flow matching along straight paths (Lipman et al. 2023, eq. 14; Tong et al. 2024, eq. 15).
///
/// A path leads from a data point x at time 0 to noise ε at the end, `z(u) = (1 − u) x + u ε`; the loss is the mean
/// over rows and u of `‖T f(z(u), u T) − (ε − x)‖²`, which is least where f is the mean velocity at each place and
/// time. That field carries the data's distribution to the noise's, so that the likelihood afterwards is that of the
/// same flow by the same solve. The N continuous blocks of a chain share the path, each a stretch of u.
///
/// Places u are uniform on `[0, 1)` unless [`FlowMatching::toward_data`] gathers them where the density takes its shape.
///
/// Fixed maps before the first block, as [`Whitening`](ffjord_flow::Whitening), are applied to the data first. End times
/// are not trained by it, and path integrals play no part.
///
/// ```
/// use ffjord_train::{FlowMatching, NoiseCoupling};
/// let objective = FlowMatching::new(NoiseCoupling::OptimalTransport { rows: 256 })?;
/// assert_eq!(objective.coupling(), NoiseCoupling::OptimalTransport { rows: 256 });
/// # Ok::<(), ffjord_train::TrainError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct FlowMatching {
    coupling: NoiseCoupling,
    toward_data: f64,
}

impl FlowMatching {
    /// The objective with this coupling of data and noise.
    ///
    /// # Errors
    /// [`TrainError::InvalidSetting`] for groups of fewer than 2 or more than 512 rows.
    pub fn new(coupling: NoiseCoupling) -> Result<Self> {
        if let NoiseCoupling::OptimalTransport { rows } = coupling
            && !(2..=512).contains(&rows)
        {
            return Err(TrainError::invalid(
                "the rows of an optimal-transport group",
                rows,
                "a whole number from 2 to 512",
            ));
        }
        Ok(Self {
            coupling,
            toward_data: 1.0,
        })
    }

    /// With places `u = v^power` on the paths, v uniform: for a power above 1 they gather near the data.
    ///
    /// The field that is best everywhere does not depend on it; what a network of limited size and training spends
    /// itself on does. An error of the velocity at u comes with one of the score that is (1 − u)/u times as large, and
    /// likelihood is lost by their product: errors near the data cost the most.
    ///
    /// # Errors
    /// [`TrainError::InvalidSetting`] for a power outside 0.1 to 10.
    ///
    /// ```
    /// use ffjord_train::{FlowMatching, NoiseCoupling};
    /// assert!(FlowMatching::new(NoiseCoupling::Independent)?.toward_data(1.6).is_ok());
    /// assert!(FlowMatching::new(NoiseCoupling::Independent)?.toward_data(0.0).is_err());
    /// # Ok::<(), ffjord_train::TrainError>(())
    /// ```
    pub fn toward_data(mut self, power: f64) -> Result<Self> {
        if !(0.1..=10.0).contains(&power) {
            return Err(TrainError::invalid("toward_data", power, "a number from 0.1 to 10"));
        }
        self.toward_data = power;
        Ok(self)
    }

    /// The coupling of data and noise.
    #[must_use]
    pub fn coupling(&self) -> NoiseCoupling {
        self.coupling
    }

    /// The noise for a batch, of its shape.
    fn noise<B: Bijection, D: Density>(
        &self,
        model: &Flow<B, D>,
        batch: &Tensor,
        pass: &mut Pass<'_>,
    ) -> Result<Tensor> {
        let noise = model.base().sample(batch.dim(0)?, pass)?;
        match self.coupling {
            NoiseCoupling::Independent => Ok(noise),
            NoiseCoupling::OptimalTransport { rows } => transport(batch, &noise, rows),
        }
    }
}

/// Reorders the rows of `noise` within groups so that the squared distances from those of `data` have the least sum.
fn transport(data: &Tensor, noise: &Tensor, group: usize) -> Result<Tensor> {
    let rows = |tensor: &Tensor| tensor.detach().flatten_from(1)?.to_dtype(DType::F64)?.to_vec2::<f64>();
    let (from, to) = (rows(data)?, rows(noise)?);
    let mut order = Vec::with_capacity(from.len());
    for (data, noise) in from.chunks(group).zip(to.chunks(group)) {
        let costs: Vec<f64> = data
            .iter()
            .flat_map(|x| {
                noise
                    .iter()
                    .map(move |e| x.iter().zip(e).map(|(x, e)| (x - e) * (x - e)).sum())
            })
            .collect();
        if let Some(cost) = costs.iter().find(|cost| !cost.is_finite()) {
            return Err(TrainError::NonFiniteLoss { loss: *cost });
        }
        let first = order.len();
        order.extend(assign(&costs, data.len()).into_iter().map(|row| (first + row) as u32));
    }
    Ok(noise.index_select(&Tensor::new(order, noise.device())?, 0)?)
}

/// Places on the path of so many rows, rising; one in each of as many equal stretches of `[0, 1)` as there are places.
///
/// In a large batch rows next to each other share a place, as the field is cheaper for rows that share a time. Which
/// rows they are is chance, so the loss stays without bias, and with [`FEWEST_PLACES`] stretches the noise of the
/// places is small beside that of the rows. The stretches are of the number whose power is the place.
fn places(rows: usize, power: f64, rng: &mut dyn RngCore) -> Vec<f64> {
    let count = rows.div_ceil(ROWS_PER_PLACE).max(FEWEST_PLACES.min(rows));
    let places: Vec<f64> = (0..count)
        .map(|place| ((place as f64 + rng.random_range(0.0..1.0)) / count as f64).powf(power))
        .collect();
    (0..rows).map(|row| places[row * count / rows]).collect()
}

impl<B: Bijection, D: Density> Objective<Flow<B, D>> for FlowMatching {
    fn loss(&self, model: &Flow<B, D>, batch: &Batch, pass: &mut Pass<'_>) -> Result<Loss> {
        let drawn = self.draw(model, batch, pass)?;
        self.loss_of_part(model, batch, &drawn, pass)
    }

    /// Where the paths begin, the noise at their ends, and the places on them that are looked at, `[B]` and rising.
    fn draw(&self, model: &Flow<B, D>, batch: &Batch, pass: &mut Pass<'_>) -> Result<Vec<Tensor>> {
        let path = continuous(model)?;
        batch.give(pass);
        let start = path.start(&batch.x, pass)?.detach();
        let noise = self.noise(model, &start, pass)?;
        let places = places(start.dim(0)?, self.toward_data, pass.rng());
        let places = Tensor::new(places, &Device::Cpu)?;
        Ok(vec![start, noise, places])
    }

    fn loss_of_part(&self, model: &Flow<B, D>, rows: &Batch, drawn: &[Tensor], pass: &mut Pass<'_>) -> Result<Loss> {
        let [start, noise, places] = drawn else {
            return Err(TrainError::invalid(
                "what flow matching has drawn for its rows",
                format!("{} tensors", drawn.len()),
                "what its `draw` gave",
            ));
        };
        let path = continuous(model)?;
        rows.give(pass);
        let places = places.to_vec1::<f64>()?;
        let parts = path.velocities();
        let mut total: Option<Tensor> = None;
        let mut first = 0;
        for (index, part) in parts.iter().enumerate() {
            // Places rise with the rows: a block's are next to each other.
            let end = places.partition_point(|place| place * (parts.len() as f64) < (index + 1) as f64);
            if end > first {
                let stretch = Stretch {
                    part: *part,
                    index,
                    count: parts.len(),
                };
                let rows = |tensor: &Tensor| tensor.narrow(0, first, end - first)?.contiguous();
                let condition = pass.condition().map(rows).transpose()?;
                let error = stretch.error(&places[first..end], &rows(start)?, &rows(noise)?, condition.as_ref())?;
                total = Some(match total {
                    None => error,
                    Some(total) => (total + error)?,
                });
            }
            first = end;
        }
        let total = total.ok_or_else(|| only_continuous("no blocks"))?;
        let total = (total / start.dim(0)? as f64)?;
        let terms = vec![("flow_matching".to_string(), scalar(&total)?)];
        Ok(Loss { total, terms })
    }

    fn describe(&self) -> String {
        let mut text = match self.coupling {
            NoiseCoupling::Independent => "flow matching, independent noise".to_string(),
            NoiseCoupling::OptimalTransport { rows } => format!("flow matching, optimal transport of {rows} rows"),
        };
        if self.toward_data != 1.0 {
            text += &format!(", places to the power {}", self.toward_data);
        }
        text
    }
}

/// One of `count` continuous blocks and the stretch of the path that it has.
struct Stretch<'a> {
    part: &'a dyn Velocity,
    index: usize,
    count: usize,
}

impl Stretch<'_> {
    /// `Σ ‖N T f(z, t) − (ε − x)‖²` over rows at their places `u`, with `t = (N u − i) T`.
    fn error(&self, places: &[f64], data: &Tensor, noise: &Tensor, condition: Option<&Tensor>) -> Result<Tensor> {
        let (end_time, count) = (self.part.end_time()?, self.count as f64);
        let times: Vec<f64> = places
            .iter()
            .map(|place| (place * count - self.index as f64) * end_time)
            .collect();
        let mut beside_rows = vec![places.len()];
        beside_rows.resize(data.rank(), 1);
        let places = Tensor::from_slice(places, beside_rows, &Device::Cpu)?
            .to_dtype(data.dtype())?
            .to_device(data.device())?;
        let displacement = (noise - data)?;
        let z = (data + displacement.broadcast_mul(&places)?)?;
        let velocity = (self.part.velocity(&times, &z, condition)? * (count * end_time))?;
        Ok((velocity - displacement)?.sqr()?.sum_all()?)
    }
}

fn continuous<B: Bijection, D: Density>(model: &Flow<B, D>) -> Result<ContinuousPath<'_>> {
    model
        .bijection()
        .path()
        .ok_or_else(|| only_continuous("a flow with other parts"))
}

fn only_continuous(given: &str) -> TrainError {
    TrainError::invalid(
        "the flow of a flow-matching objective",
        given,
        "continuous blocks alone, without normalisation between them, after maps that training leaves alone",
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::streams::{Purpose, Streams};

    #[test]
    fn places_are_stratified_and_shared_in_large_batches_alone() {
        let mut rng = Streams::new(3).rng(Purpose::Probe, 0, 0);
        for (rows, expected) in [(0, 0), (5, 5), (16, 16), (1000, 16), (2048, 16), (4097, 33)] {
            let places = places(rows, 1.0, &mut rng);
            assert_eq!(places.len(), rows);
            let mut different = places.clone();
            different.dedup();
            assert_eq!(different.len(), expected, "{rows} rows");
            for (stretch, place) in different.iter().enumerate() {
                assert_eq!((place * expected as f64) as usize, stretch, "{rows} rows: {place}");
            }
            let shares = different
                .iter()
                .map(|place| places.iter().filter(|other| *other == place).count());
            let (least, most) = shares.fold((usize::MAX, 0), |(least, most), n| (least.min(n), most.max(n)));
            assert!(
                rows == 0 || (most - least <= 1 && most <= ROWS_PER_PLACE),
                "{rows} rows: {least} to {most}"
            );
        }
    }
}
