//! The small runs that checks are made of.

/// A run of milliseconds an iteration, whose weights are a function of its settings.
const SMALL: &[&str] = &[
    "model.hidden=[8]",
    "solver.train.method=rk4",
    "solver.train.control={ kind = \"fixed\", steps = 1 }",
    "solver.test.method=rk4",
    "solver.test.control={ kind = \"fixed\", steps = 1 }",
    "training.batch=16",
    "training.validation_rows=20",
    "evaluation.samples=50",
];
const OF_MOONS: &[&str] = &["evaluation.toy_rows=60", "evaluation.grid=20", "evaluation.frames=0"];

/// Words as arguments.
pub(super) fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(ToString::to_string).collect()
}

/// The arguments that train the moons into a folder, or go on with what is there.
pub(super) fn moons(folder: &str, iterations: usize, checkpoint_every: usize) -> Vec<String> {
    let own = [
        format!("training.iterations={iterations}"),
        format!("training.checkpoint_every={checkpoint_every}"),
        format!("training.validate_every={}", (iterations / 4).max(1)),
    ];
    let settings = SMALL.iter().chain(OF_MOONS).map(ToString::to_string).chain(own);
    experiment("toy-moons", folder, settings)
}

/// The arguments that train on a table of numbers.
pub(super) fn of_table(file: &str, folder: &str, more: &[&str]) -> Vec<String> {
    let own = [
        format!("data.path={file}"),
        "training.iterations=6".to_string(),
        "training.validate_every=3".to_string(),
    ];
    let settings = SMALL.iter().map(ToString::to_string).chain(own);
    experiment("table", folder, settings.chain(more.iter().map(ToString::to_string)))
}

fn experiment(preset: &str, folder: &str, settings: impl Iterator<Item = String>) -> Vec<String> {
    let mut arguments = words(&["experiment", preset, "--out", folder, "--resume"]);
    arguments.extend(settings.flat_map(|setting| ["--set".to_string(), setting]));
    arguments
}

/// A table of so many rows and columns as text, without names.
pub(crate) fn table(rows: usize, columns: usize) -> String {
    let mut text = String::new();
    for row in 0..rows {
        for column in 0..columns {
            // Irrational steps: no two rows are the same, and no column is a function of another one's straight line.
            let phase = row as f64 * (0.7 + 0.1 * (column as f64).sqrt()) + column as f64;
            let separator = if column + 1 < columns { ',' } else { '\n' };
            text.push_str(&format!("{:.6}{separator}", phase.sin()));
        }
    }
    text
}
