//! Which units of an autoregressive network may see which (MADE, Germain et al. 2015, eq. 8 and 9).

use super::AutoregressiveConfig;

/// The degrees of every layer's units: a unit of degree m depends on the first m columns at most.
#[derive(Debug)]
pub(super) struct Degrees {
    layers: Vec<Vec<usize>>,
}

impl Degrees {
    /// Columns count from 1 and the condition has degree 0; hidden units go round the degrees up to D − 1.
    pub(super) fn new(config: &AutoregressiveConfig) -> Self {
        let columns = 1..=config.dimension;
        let inputs = columns.clone().chain(vec![0; config.condition]).collect();
        // Units of degree 0 see nothing but the condition; only without one, and with columns to see, they are useless.
        let lowest = usize::from(config.condition == 0 && config.dimension > 1);
        let count = config.dimension.max(1) - lowest;
        let degree = |unit: usize| lowest + unit % count;
        let hidden = config.hidden.iter().map(|&width| (0..width).map(degree).collect());
        // An output of column d may see degrees below d.
        let outputs = columns.flat_map(|column| vec![column - 1; config.outputs_per_column]);
        Self {
            layers: std::iter::once(inputs)
                .chain(hidden)
                .chain([outputs.collect()])
                .collect(),
        }
    }

    /// The degrees, the inputs' first and the outputs' last.
    pub(super) fn layers(&self) -> &[Vec<usize>] {
        &self.layers
    }

    /// The mask `[o, i]` between a layer of units and the next, row-major: 1 where a unit may see another.
    pub(super) fn mask(&self, layer: usize) -> Vec<f32> {
        let (from, to) = (&self.layers[layer], &self.layers[layer + 1]);
        to.iter()
            .flat_map(|above| from.iter().map(move |below| f32::from(u8::from(below <= above))))
            .collect()
    }
}
