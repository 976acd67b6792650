//! Between the rows of the caller and the rows of a network.

use super::memory::Extent;
use super::pixels::Pixels;
use crate::Real;
use crate::kernel::{Stack, StackMut};

/// How the numbers of one row lie for a network, which the caller has as a state and what the row is given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RowForm {
    /// The state as the caller has it.
    State {
        /// Its numbers.
        len: usize,
    },
    /// The state, and behind it what the row is given.
    WithGiven {
        /// The numbers of the state.
        state: usize,
        /// The numbers that are given.
        given: usize,
    },
    /// An image, pixel by pixel, which the caller has channel by channel.
    Pixels(Pixels),
}

impl RowForm {
    pub(crate) fn state_len(self) -> usize {
        match self {
            Self::State { len } => len,
            Self::Pixels(pixels) => pixels.len(),
            Self::WithGiven { state, .. } => state,
        }
    }

    pub(crate) fn given_len(self) -> usize {
        match self {
            Self::WithGiven { given, .. } => given,
            _ => 0,
        }
    }

    /// Numbers of a row for the network.
    pub(crate) fn len(self) -> usize {
        self.state_len() + self.given_len()
    }

    /// Whether the caller's rows are the network's, so that nothing has to be copied.
    pub(crate) fn is_callers(self) -> bool {
        matches!(self, Self::State { .. })
    }

    /// Copies the caller's rows to `to`; what is given does not move along any tangent.
    pub(crate) fn load<'a, T: Real>(
        self,
        extent: Extent,
        from: Stack<'_, T>,
        given: &[T],
        to: &'a mut [T],
    ) -> Stack<'a, T> {
        let (value, tangents) = to[..extent.stacked() * self.len()].split_at_mut(extent.rows * self.len());
        match self {
            Self::State { .. } => {
                value.copy_from_slice(from.value);
                tangents.copy_from_slice(from.tangents);
            }
            Self::WithGiven { state, given: more } => {
                let rows = value.chunks_exact_mut(state + more);
                for ((to, from), given) in rows.zip(from.value.chunks_exact(state)).zip(given.chunks_exact(more)) {
                    to[..state].copy_from_slice(from);
                    to[state..].copy_from_slice(given);
                }
                let rows = tangents.chunks_exact_mut(state + more);
                for (to, from) in rows.zip(from.tangents.chunks_exact(state)) {
                    to[..state].copy_from_slice(from);
                    to[state..].fill(T::ZERO);
                }
            }
            Self::Pixels(pixels) => {
                pixels.gather(from.value, value);
                pixels.gather(from.tangents, tangents);
            }
        }
        Stack { value, tangents }
    }

    /// Copies rows of the network to the caller's; what they have of given numbers is added to `given`.
    pub(crate) fn store<T: Real>(self, extent: Extent, from: &[T], to: StackMut<'_, T>, given: &mut [T]) {
        let (value, tangents) = from.split_at(extent.rows * self.len());
        let StackMut {
            value: to_value,
            tangents: to_tangents,
        } = to;
        match self {
            Self::State { .. } => {
                to_value.copy_from_slice(value);
                to_tangents.copy_from_slice(tangents);
            }
            Self::WithGiven { state, given: more } => {
                let rows = value.chunks_exact(state + more);
                for ((from, to), given) in rows
                    .zip(to_value.chunks_exact_mut(state))
                    .zip(given.chunks_exact_mut(more))
                {
                    to.copy_from_slice(&from[..state]);
                    given.iter_mut().zip(&from[state..]).for_each(|(to, &from)| *to += from);
                }
            }
            Self::Pixels(pixels) => {
                pixels.scatter(value, to_value);
                pixels.scatter(tangents, to_tangents);
            }
        }
    }
}
