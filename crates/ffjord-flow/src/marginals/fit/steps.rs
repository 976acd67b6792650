//! Distribution functions that are linear between few knots: adaptive histograms.
//!
//! Fine cells are merged, those first whose merging costs the least likelihood, until few enough are left. Edges so come
//! to stand where the density jumps, as it does at the steps of a lattice whose values were blurred by uniform noise.

use super::Values;
use crate::error::Result;
use crate::marginals::curve::{Curve, Kind};
use crate::normal::quantile;
use std::cmp::Ordering;
use std::collections::BinaryHeap;

/// The number of fine cells, and the fewest values of one.
const FINE_CELLS: usize = 8192;
const FEWEST_VALUES: usize = 16;
/// The most gaps between values whose borders are edges as well.
const GAPS: usize = 512;
/// What every cell has beside its values, so that none is empty.
const EXTRA: f64 = 0.5;
/// The least share of all values that a cell has: less would not change z in single precision.
const LEAST_MASS: f64 = 1e-6;

/// An edge between cells: its place, and how many values lie below it.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Edge {
    x: f64,
    below: usize,
}

impl Values {
    /// For each of `sizes`, a distribution function that is linear between at most so many knots.
    pub(super) fn steps(&self, sizes: &[usize]) -> Vec<Result<Curve>> {
        let partitions = merge(&self.fine_edges(), sizes);
        let refined = partitions.into_iter().map(|edges| self.refined(edges));
        refined.map(|edges| self.curve_through(&edges)).collect()
    }

    /// The edges of many cells with about equally many values, and of the gaps between values.
    fn fine_edges(&self) -> Vec<Edge> {
        let last = self.count() - 1;
        let every = self.count().div_ceil(FINE_CELLS).max(FEWEST_VALUES);
        let mut inner: Vec<Edge> = (every..last)
            .step_by(every)
            .flat_map(|rank| self.edges_around(rank))
            .collect();
        inner.extend(self.gaps());
        inner.sort_unstable_by(|a, b| a.x.total_cmp(&b.x));
        let mut edges = vec![Edge {
            x: self.sorted[0],
            below: 0,
        }];
        let end = Edge {
            x: self.sorted[last],
            below: self.count(),
        };
        for edge in inner {
            let free = |other: &Edge| (edge.x - other.x).abs() >= self.narrowest;
            if edges.last().is_some_and(free) && free(&end) {
                edges.push(edge);
            }
        }
        edges.push(end);
        edges
    }

    /// The edge between the values of two ranks, in the middle of them; of equal values, none.
    fn edge_at(&self, rank: usize) -> Option<Edge> {
        let (left, right) = (self.sorted[rank - 1], self.sorted[rank]);
        (left < right).then_some(Edge {
            x: 0.5 * (left + right),
            below: rank,
        })
    }

    /// The edge below the value of a rank; where that value repeats itself, the edges below and above all of its kind.
    fn edges_around(&self, rank: usize) -> impl Iterator<Item = Edge> {
        let value = self.sorted[rank];
        let (below, above) = match self.sorted[rank - 1] < value {
            true => (rank, None),
            false => (
                self.sorted.partition_point(|other| *other < value),
                Some(self.sorted.partition_point(|other| *other <= value)),
            ),
        };
        let ranks = std::iter::once(below).chain(above);
        ranks
            .filter(|rank| (1..self.count()).contains(rank))
            .filter_map(|rank| self.edge_at(rank))
    }

    /// The borders of the widest gaps that have dense values on both sides, as those between the bands of a lattice.
    fn gaps(&self) -> Vec<Edge> {
        let n = FEWEST_VALUES;
        let sorted = &self.sorted;
        let dense = |from: usize, to: usize, gap: f64| (0.0..0.5 * gap).contains(&(sorted[to] - sorted[from]));
        let mut gaps: Vec<(f64, usize)> = (n..self.count().saturating_sub(n))
            .map(|rank| (sorted[rank] - sorted[rank - 1], rank))
            .filter(|(gap, rank)| {
                *gap > 4.0 * self.narrowest
                    && dense(rank - n, rank - 1, *gap)
                    && dense(*rank, rank + n - 1, *gap)
                    // Of values that repeat themselves nothing is known between them.
                    && sorted[rank - n] < sorted[rank - 1]
                    && sorted[*rank] < sorted[rank + n - 1]
            })
            .collect();
        gaps.sort_unstable_by(|a, b| b.0.total_cmp(&a.0));
        gaps.truncate(GAPS);
        let borders = gaps.into_iter().flat_map(|(_, rank)| {
            let edge = |x| Edge { x, below: rank };
            [
                edge(sorted[rank - 1] + self.narrowest),
                edge(sorted[rank] - self.narrowest),
            ]
        });
        borders.collect()
    }

    /// The same edges, each moved to where the likelihood of the cells on its two sides is largest nearby.
    fn refined(&self, mut edges: Vec<Edge>) -> Vec<Edge> {
        let reach = 2 * self.count().div_ceil(FINE_CELLS).max(FEWEST_VALUES);
        for index in 1..edges.len() - 1 {
            let (left, edge, right) = (edges[index - 1], edges[index], edges[index + 1]);
            let from = edge.below.saturating_sub(reach).max(left.below + FEWEST_VALUES);
            let to = (edge.below + reach).min(right.below.saturating_sub(FEWEST_VALUES));
            let worth = |edge: &Edge| log_likelihood(left, *edge) + log_likelihood(*edge, right);
            let allowed = |edge: &Edge| edge.x - left.x >= self.narrowest && right.x - edge.x >= self.narrowest;
            let others = (from..to).filter_map(|rank| self.edge_at(rank)).filter(allowed);
            let best = others
                .map(|edge| (worth(&edge), edge))
                .max_by(|a, b| a.0.total_cmp(&b.0));
            if let Some((value, other)) = best
                && value > worth(&edge)
            {
                edges[index] = other;
            }
        }
        edges
    }

    fn curve_through(&self, edges: &[Edge]) -> Result<Curve> {
        let total = self.count() as f64;
        let masses = edges.windows(2).map(|pair| {
            let values = (pair[1].below - pair[0].below) as f64;
            (values + EXTRA).max(LEAST_MASS * total)
        });
        let masses: Vec<f64> = masses.collect();
        // Half a value lies beyond each end.
        let total = masses.iter().sum::<f64>() + 2.0 * EXTRA;
        let mut below = EXTRA;
        let mut images = Vec::with_capacity(edges.len());
        images.push(quantile(below / total, 1.0 - below / total));
        for mass in &masses {
            below += mass;
            images.push(quantile(below / total, (total - below) / total));
        }
        let slopes = vec![self.tail_slope(); edges.len()];
        Curve::new(Kind::Steps, edges.iter().map(|edge| edge.x).collect(), images, slopes)
    }
}

/// The log-likelihood of the values of a cell under its own density, but for what all partitions share.
fn log_likelihood(left: Edge, right: Edge) -> f64 {
    let values = (right.below - left.below) as f64;
    match values {
        0.0 => 0.0,
        _ => values * (values / (right.x - left.x)).ln(),
    }
}

/// A removal of an edge, as it was when it was put on the heap.
#[derive(Debug, PartialEq)]
struct Removal {
    cost: f64,
    edge: usize,
    left: usize,
    right: usize,
}

impl Eq for Removal {}

impl Ord for Removal {
    /// The cheapest is the greatest; ties go to the first edge, so that the order is always the same.
    fn cmp(&self, other: &Self) -> Ordering {
        other.cost.total_cmp(&self.cost).then(other.edge.cmp(&self.edge))
    }
}

impl PartialOrd for Removal {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// For each of `sizes`, what is left of the edges when the cheapest are removed until there are at most so many.
fn merge(edges: &[Edge], sizes: &[usize]) -> Vec<Vec<Edge>> {
    let end = edges.len() - 1;
    let removal = |left: usize, edge: usize, right: usize| {
        let apart = log_likelihood(edges[left], edges[edge]) + log_likelihood(edges[edge], edges[right]);
        Removal {
            cost: apart - log_likelihood(edges[left], edges[right]),
            edge,
            left,
            right,
        }
    };
    let mut before: Vec<usize> = (0..=end).map(|edge| edge.saturating_sub(1)).collect();
    let mut after: Vec<usize> = (0..=end).map(|edge| (edge + 1).min(end)).collect();
    let mut there = vec![true; edges.len()];
    let mut heap: BinaryHeap<Removal> = (1..end).map(|edge| removal(edge - 1, edge, edge + 1)).collect();
    let mut left_over = edges.len();
    let mut descending: Vec<usize> = (0..sizes.len()).collect();
    descending.sort_unstable_by_key(|index| std::cmp::Reverse(sizes[*index]));
    let mut partitions = vec![Vec::new(); sizes.len()];
    for index in descending {
        while left_over > sizes[index].max(2) {
            let Some(next) = heap.pop() else { break };
            let Removal { edge, left, right, .. } = next;
            if !there[edge] || before[edge] != left || after[edge] != right {
                continue;
            }
            there[edge] = false;
            left_over -= 1;
            after[left] = right;
            before[right] = left;
            if left > 0 {
                heap.push(removal(before[left], left, right));
            }
            if right < end {
                heap.push(removal(left, right, after[right]));
            }
        }
        let kept = edges.iter().zip(&there).filter(|(_, there)| **there);
        partitions[index] = kept.map(|(edge, _)| *edge).collect();
    }
    partitions
}
