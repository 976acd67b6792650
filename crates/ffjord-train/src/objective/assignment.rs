//! The assignment problem, exactly.

/// The column of each row in an assignment of least total cost, for `costs` `[n, n]`, row-major and finite.
///
/// Shortest augmenting paths with potentials (Jonker and Volgenant 1987), O(n³). Among assignments of equal cost the
/// outcome depends on the costs alone.
pub(super) fn assign(costs: &[f64], n: usize) -> Vec<usize> {
    let mut row_potential = vec![0.0; n];
    let mut column_potential = vec![0.0; n];
    let mut row_of: Vec<Option<usize>> = vec![None; n];
    for free_row in 0..n {
        let path = shortest_path(costs, n, free_row, &row_of, &row_potential, &column_potential);
        for (column, distance) in path.distances.iter().enumerate() {
            if path.visited[column] {
                let gain = path.length - distance;
                column_potential[column] -= gain;
                if let Some(row) = row_of[column] {
                    row_potential[row] += gain;
                }
            }
        }
        row_potential[free_row] += path.length;
        // Every column on the path goes to the row that reached it.
        let mut column = path.end;
        while let Some(before) = path.before[column] {
            row_of[column] = row_of[before];
            column = before;
        }
        row_of[column] = Some(free_row);
    }
    let mut columns = vec![0; n];
    for (column, row) in row_of.into_iter().enumerate() {
        if let Some(row) = row {
            columns[row] = column;
        }
    }
    columns
}

/// Shortest alternating paths from a free row to the columns, until one that is free.
struct Path {
    distances: Vec<f64>,
    /// The column before each column on its path; none where the path begins with it.
    before: Vec<Option<usize>>,
    /// Columns whose distance is final, but for the last.
    visited: Vec<bool>,
    end: usize,
    length: f64,
}

fn shortest_path(
    costs: &[f64],
    n: usize,
    free_row: usize,
    row_of: &[Option<usize>],
    row_potential: &[f64],
    column_potential: &[f64],
) -> Path {
    let mut path = Path {
        distances: vec![f64::INFINITY; n],
        before: vec![None; n],
        visited: vec![false; n],
        end: 0,
        length: 0.0,
    };
    let (mut row, mut from) = (free_row, None);
    loop {
        let mut nearest = None;
        for column in 0..n {
            if path.visited[column] {
                continue;
            }
            let reduced = costs[row * n + column] - row_potential[row] - column_potential[column];
            let distance = path.length + reduced;
            if distance < path.distances[column] {
                path.distances[column] = distance;
                path.before[column] = from;
            }
            if nearest.is_none_or(|nearest: usize| path.distances[column] < path.distances[nearest]) {
                nearest = Some(column);
            }
        }
        // A free row leaves a free column, so that there always is one.
        let Some(column) = nearest else { return path };
        path.length = path.distances[column];
        path.end = column;
        let Some(next) = row_of[column] else { return path };
        path.visited[column] = true;
        (row, from) = (next, Some(column));
    }
}

#[cfg(test)]
mod tests {
    use super::assign;
    use rand::{Rng, SeedableRng};

    fn total(costs: &[f64], columns: &[usize]) -> f64 {
        let n = columns.len();
        columns
            .iter()
            .enumerate()
            .map(|(row, column)| costs[row * n + column])
            .sum()
    }

    /// The least total over all permutations of the columns that are left.
    fn brute_force(costs: &[f64], n: usize, row: usize, taken: &mut Vec<usize>) -> f64 {
        if row == n {
            return 0.0;
        }
        let mut least = f64::INFINITY;
        for column in 0..n {
            if !taken.contains(&column) {
                taken.push(column);
                least = least.min(costs[row * n + column] + brute_force(costs, n, row + 1, taken));
                taken.pop();
            }
        }
        least
    }

    #[test]
    fn totals_are_those_of_the_best_permutation() {
        let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(1);
        for case in 0..200 {
            let n = 1 + case % 6;
            // Whole numbers make many ties.
            let costs: Vec<f64> = (0..n * n)
                .map(|_| {
                    if case % 2 == 0 {
                        rng.random_range(-1.0..1.0)
                    } else {
                        f64::from(rng.random_range(0..4))
                    }
                })
                .collect();
            let columns = assign(&costs, n);
            let mut sorted = columns.clone();
            sorted.sort_unstable();
            assert_eq!(sorted, (0..n).collect::<Vec<_>>());
            let least = brute_force(&costs, n, 0, &mut Vec::new());
            assert!((total(&costs, &columns) - least).abs() < 1e-12, "case {case}");
        }
    }

    #[test]
    fn sorted_numbers_are_matched_in_order() {
        // On a line, squared distances are least when both sides have the same order.
        let n = 200;
        let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(2);
        let mut draw = || (0..n).map(|_| rng.random_range(-1.0..1.0)).collect::<Vec<f64>>();
        let (a, b) = (draw(), draw());
        let costs: Vec<f64> = a
            .iter()
            .flat_map(|x| b.iter().map(move |y| (x - y) * (x - y)))
            .collect();
        let columns = assign(&costs, n);
        let rank = |values: &[f64], index: usize| values.iter().filter(|value| **value < values[index]).count();
        assert!((0..n).all(|row| rank(&a, row) == rank(&b, columns[row])));
        assert_eq!(columns, assign(&costs, n));
    }

    #[test]
    fn nothing_is_assigned_to_nothing() {
        assert!(assign(&[], 0).is_empty());
    }
}
