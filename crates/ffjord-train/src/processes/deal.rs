//! Which process has which shards of a batch, and the tree in which their gradients are added.

use std::ops::Range;

/// A node of the tree over shards: a power of two of them, from a multiple of their number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Node {
    pub(crate) first: usize,
    pub(crate) shards: usize,
}

impl Node {
    /// Its left and right half; none of a single shard.
    pub(crate) fn halves(self) -> Option<(Self, Self)> {
        let shards = self.shards / 2;
        (shards > 0).then(|| {
            let half = |first| Self { first, shards };
            (half(self.first), half(self.first + shards))
        })
    }

    fn last(self) -> usize {
        self.first + self.shards - 1
    }

    /// The sum over its leaves, halves first: one order for any dealing.
    ///
    /// # Errors
    /// That of the first leaf that fails; leaves after it are left out.
    pub(crate) fn sum<T, E>(
        self,
        leaf: &mut impl FnMut(usize) -> Result<T, E>,
        plus: &impl Fn(T, T) -> Result<T, E>,
    ) -> Result<T, E> {
        match self.halves() {
            None => leaf(self.first),
            Some((left, right)) => {
                let left = left.sum(leaf, plus)?;
                plus(left, right.sum(leaf, plus)?)
            }
        }
    }
}

/// The shards of a batch, a power of two, dealt to at most as many processes in stretches of about equal length.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Deal {
    pub(crate) shards: usize,
    pub(crate) processes: usize,
}

impl Deal {
    pub(crate) fn root(self) -> Node {
        Node {
            first: 0,
            shards: self.shards,
        }
    }

    /// The shards of a process.
    pub(crate) fn of(self, rank: usize) -> Range<usize> {
        let start = |rank: usize| rank * self.shards / self.processes;
        start(rank)..start(rank + 1)
    }

    /// The process that has a shard.
    pub(crate) fn owner(self, shard: usize) -> usize {
        ((shard + 1) * self.processes - 1) / self.shards
    }

    /// The process that has all shards of a node, if it is one.
    pub(crate) fn sole_owner(self, node: Node) -> Option<usize> {
        let owner = self.owner(node.first);
        (owner == self.owner(node.last())).then_some(owner)
    }

    /// The largest nodes of which a process has all shards, in order.
    pub(crate) fn nodes(self, rank: usize) -> Vec<Node> {
        let mut found = Vec::new();
        let mut open = vec![self.root()];
        while let Some(node) = open.pop() {
            match (self.sole_owner(node), node.halves()) {
                (Some(owner), _) if owner == rank => found.push(node),
                (None, Some((left, right))) => open.extend([right, left]),
                _ => {}
            }
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_shard_has_one_owner_and_its_nodes_cover_what_it_has() {
        for shards in [1, 2, 4, 8, 64, 1024] {
            for processes in (1..=shards).filter(|processes| *processes < 9 || *processes == shards) {
                let deal = Deal { shards, processes };
                let mut next = 0;
                for rank in 0..processes {
                    let own = deal.of(rank);
                    assert!(own.start == next && !own.is_empty(), "{deal:?} {rank}");
                    assert!(own.len().abs_diff(shards / processes) <= 1);
                    assert!(own.clone().all(|shard| deal.owner(shard) == rank));
                    for node in deal.nodes(rank) {
                        assert_eq!((node.first, node.first % node.shards), (next, 0));
                        assert!(node.shards.is_power_of_two());
                        next += node.shards;
                    }
                    assert_eq!(next, own.end);
                }
                assert_eq!(next, shards);
            }
        }
    }

    #[test]
    fn sums_are_pairwise_in_the_order_of_the_leaves() {
        let root = Deal {
            shards: 4,
            processes: 1,
        }
        .root();
        let mut leaf = |shard: usize| Ok::<_, ()>(shard.to_string());
        let sum = root.sum(&mut leaf, &|left, right| Ok(format!("({left}+{right})")));
        assert_eq!(sum.as_deref(), Ok("((0+1)+(2+3))"));
        let mut asked = Vec::new();
        let mut failing = |shard: usize| {
            asked.push(shard);
            if shard == 1 { Err(shard) } else { Ok(shard) }
        };
        assert_eq!(root.sum(&mut failing, &|left, right| Ok(left + right)), Err(1));
        assert_eq!(asked, [0, 1]);
    }
}
