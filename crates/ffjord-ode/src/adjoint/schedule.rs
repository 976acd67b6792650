//! Where snapshots are set: the binomial splits of Griewank and Walther (Algorithm 799: Revolve, ACM TOMS 26(1), 2000).

/// Steps after which the next snapshot is set, on the way over `steps` steps with `snapshots` of them, one of which
/// holds the start; both at least 2.
///
/// With β(s, r) = C(s + r, s) the greatest number of steps that s snapshots reverse with no step taken more than r times
/// ahead, reversing l steps with s snapshots takes r l − β(s + 1, r − 1) steps ahead for the least r with β(s, r) ≥ l,
/// and no schedule takes fewer.
pub(super) fn split(steps: usize, snapshots: usize) -> usize {
    let (l, s) = (steps as u128, snapshots.min(steps) as u128);
    // β(s, r − 1) and β(s, r), from r = 1.
    let (mut fewer, mut reach, mut r) = (1, s + 1, 1);
    while reach < l {
        r += 1;
        fewer = reach;
        reach = reach.saturating_mul(s + r) / r;
    }
    // β(s − 1, r − 1).
    let rest = fewer * s / (s + r - 1);
    // At most `steps` − 1, which is a usize.
    fewer.min(l - rest) as usize
}

#[cfg(test)]
mod tests {
    use super::split;

    /// Steps taken ahead to reverse `steps` with `snapshots`.
    fn cost(steps: usize, snapshots: usize) -> usize {
        match (steps, snapshots) {
            (0 | 1, _) => 0,
            (_, 1) => steps * (steps - 1) / 2,
            _ => {
                let first = split(steps, snapshots);
                assert!(first >= 1 && first < steps, "{steps} {snapshots}: {first}");
                first + cost(first, snapshots) + cost(steps - first, snapshots - 1)
            }
        }
    }

    /// The least cost over all schedules.
    fn least(steps: usize, snapshots: usize, known: &mut Vec<Vec<Option<usize>>>) -> usize {
        if steps <= 1 {
            return 0;
        }
        if snapshots == 1 {
            return steps * (steps - 1) / 2;
        }
        if let Some(cost) = known[steps][snapshots] {
            return cost;
        }
        let cost = (1..steps)
            .map(|first| first + least(first, snapshots, known) + least(steps - first, snapshots - 1, known))
            .min();
        known[steps][snapshots] = cost;
        cost.unwrap_or(0)
    }

    #[test]
    fn no_schedule_takes_fewer_steps() {
        let mut known = vec![vec![None; 61]; 61];
        for steps in 0..=60 {
            for snapshots in 1..=60 {
                assert_eq!(
                    cost(steps, snapshots),
                    least(steps, snapshots, &mut known),
                    "{steps} steps, {snapshots} snapshots"
                );
            }
        }
    }

    #[test]
    fn extreme_numbers_are_split() {
        // With two snapshots the search for r takes √(2 · steps) rounds: minutes for the greatest number.
        for (steps, snapshots) in [
            (1 << 40, 2),
            (usize::MAX, usize::MAX),
            (2, usize::MAX),
            (usize::MAX, 100),
        ] {
            let first = split(steps, snapshots);
            assert!(first >= 1 && first < steps, "{steps} {snapshots}: {first}");
        }
    }
}
