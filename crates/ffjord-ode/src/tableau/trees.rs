//! Rooted trees, whose elementary weights the order conditions are about (Hairer, Nørsett, Wanner I, II.2).

/// The stages of a method with all that is evaluated for its interpolant: rows of A, as far as they are not zero.
pub(super) struct Stages {
    pub(super) a: Vec<Vec<f64>>,
}

/// A rooted tree with its elementary weights stage by stage, once as they are and once with every coefficient's magnitude,
/// which bounds what rounding can do.
#[derive(Clone)]
pub(super) struct Tree {
    /// Number of nodes.
    pub(super) order: u32,
    /// Density γ.
    pub(super) density: f64,
    /// In Butcher's notation: τ is one node, `[…]` a root with these branches.
    pub(super) text: String,
    pub(super) weights: Vec<f64>,
    pub(super) magnitudes: Vec<f64>,
}

impl Stages {
    /// A v, stage by stage.
    fn apply(&self, v: &[f64], part: fn(f64) -> f64) -> Vec<f64> {
        let sum = |row: &Vec<f64>| row.iter().zip(v).map(|(a, v)| part(*a) * v).sum();
        self.a.iter().map(sum).collect()
    }

    /// All rooted trees of up to `highest` nodes, the smaller first: a root with a multiset of smaller trees, the larger
    /// first.
    pub(super) fn trees(&self, highest: u32) -> Vec<Tree> {
        let ones = vec![1.0; self.a.len()];
        let root = Tree {
            order: 1,
            density: 1.0,
            text: String::new(),
            weights: ones.clone(),
            magnitudes: ones,
        };
        let mut trees: Vec<Tree> = Vec::new();
        for order in 1..=highest {
            let mut grown = Vec::new();
            self.grow(&root, order, &trees, &mut grown);
            trees.append(&mut grown);
        }
        trees
    }

    /// Adds to `out` every tree of `order` nodes that `tree` becomes with branches among `known`.
    fn grow(&self, tree: &Tree, order: u32, known: &[Tree], out: &mut Vec<Tree>) {
        if tree.order == order {
            out.push(Tree {
                density: tree.density * f64::from(order),
                text: if tree.text.is_empty() {
                    "τ".to_owned()
                } else {
                    format!("[{}]", tree.text)
                },
                ..tree.clone()
            });
            return;
        }
        for (i, branch) in known.iter().enumerate() {
            if tree.order + branch.order <= order {
                let times = |a: &[f64], b: Vec<f64>| a.iter().zip(b).map(|(a, b)| a * b).collect();
                let separator = if tree.text.is_empty() { "" } else { "," };
                let grown = Tree {
                    order: tree.order + branch.order,
                    density: tree.density * branch.density,
                    text: format!("{}{separator}{}", tree.text, branch.text),
                    weights: times(&tree.weights, self.apply(&branch.weights, |a| a)),
                    magnitudes: times(&tree.magnitudes, self.apply(&branch.magnitudes, f64::abs)),
                };
                self.grow(&grown, order, &known[..=i], out);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_are_as_many_trees_as_there_should_be() {
        let trees = Stages { a: vec![vec![]] }.trees(10);
        let counts = (1..=10).map(|order| trees.iter().filter(|tree| tree.order == order).count());
        assert_eq!(counts.collect::<Vec<_>>(), [1, 1, 2, 4, 9, 20, 48, 115, 286, 719]);
        let texts: Vec<&str> = trees.iter().take(8).map(|tree| tree.text.as_str()).collect();
        assert_eq!(
            texts,
            ["τ", "[τ]", "[τ,τ]", "[[τ]]", "[τ,τ,τ]", "[[τ],τ]", "[[τ,τ]]", "[[[τ]]]"]
        );
    }
}
