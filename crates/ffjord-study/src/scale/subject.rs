//! The models whose training is measured.

use super::cost::Share;
use crate::error::{Result, StudyError};
use crate::program::Place;
use ffjord_run::RunFolder;
use ffjord_train::Model as _;
use serde::Serialize;

/// A model, its preset and the batches that are measured.
#[derive(Debug, Clone, Serialize)]
pub struct Subject {
    /// What it is, in a few words.
    pub name: String,
    /// Its preset.
    pub preset: String,
    /// What is changed of it.
    pub settings: Vec<String>,
    /// Rows of its usual batch.
    pub rows: usize,
    /// Columns of the table of random numbers that it is trained on; none of a preset with data of its own.
    pub columns: Option<usize>,
}

/// Rows of a table that is made for a subject.
const TABLE_ROWS: usize = 3_000;
const TABLE: &str = "table.csv";
/// Shards of the usual batch.
const SHARDS: usize = 16;

impl Subject {
    /// The models of the study: a dense flow of POWER, a wide one of 63 columns, and a flow of images by a U-Net.
    #[must_use]
    pub fn all() -> Vec<Self> {
        let of = |name: &str, preset: &str, rows: usize, columns: Option<usize>, settings: &[&str]| Self {
            name: name.to_string(),
            preset: preset.to_string(),
            settings: settings.iter().map(ToString::to_string).collect(),
            rows,
            columns,
        };
        vec![
            of(
                "POWER, dense, 6 columns",
                "power-quick",
                512,
                None,
                &[
                    "data.test_rows=20",
                    "evaluation.curve_rows=0",
                    "evaluation.samples=20",
                    "evaluation.tighter_rows=0",
                ],
            ),
            of(
                "wide dense, 63 columns",
                "table",
                256,
                Some(63),
                &[
                    "model.hidden=[512, 512]",
                    "solver.train.method=rk4",
                    "solver.train.control={ kind = \"fixed\", steps = 2 }",
                    "solver.test.method=rk4",
                    "solver.test.control={ kind = \"fixed\", steps = 2 }",
                    "solver.test.trace=rademacher",
                    "evaluation.samples=20",
                ],
            ),
            of(
                "images of 8 × 8, U-Net by flow matching",
                "digits-flow-matching-quick",
                128,
                None,
                &[
                    "training.schedule.warmup=1",
                    "data.test_images=10",
                    "evaluation.samples=4",
                    "evaluation.tighter_rows=0",
                ],
            ),
        ]
    }

    /// A small table of two columns, for trying everything within seconds.
    #[must_use]
    pub fn small() -> Self {
        let settings = [
            "model.hidden=[8]",
            "solver.train.method=rk4",
            "solver.train.control={ kind = \"fixed\", steps = 1 }",
            "evaluation.samples=20",
        ];
        Self {
            name: "a small table".to_string(),
            preset: "table".to_string(),
            settings: settings.map(String::from).to_vec(),
            rows: 64,
            columns: Some(2),
        }
    }

    /// The batch that several processes share.
    pub(super) fn usual(&self) -> Share {
        Share {
            rows: self.rows,
            shards: SHARDS,
        }
    }

    /// The batches of one process, which differ in rows and in shards, so that either's cost can be told.
    pub(super) fn alone(&self) -> [Share; 4] {
        let share = |rows, shards| Share { rows, shards };
        [
            self.usual(),
            share(self.rows, SHARDS / 4),
            share(self.rows / 2, SHARDS),
            share(self.rows / 4, SHARDS / 4),
        ]
    }

    /// Writes the table, if there is to be one.
    pub(super) fn prepare(&self, place: &Place) -> Result<()> {
        match self.columns {
            Some(columns) => place.write(TABLE, crate::robustness::numbers(TABLE_ROWS, columns)),
            None => Ok(()),
        }
    }

    /// What the program is started with.
    pub(super) fn arguments(&self, folder: &str, share: Share, iterations: usize) -> Vec<String> {
        let mut settings = self.settings.clone();
        settings.extend([
            format!("training.batch={}", share.rows),
            format!("training.shards={}", share.shards),
            format!("training.iterations={iterations}"),
            format!("training.validate_every={iterations}"),
            "training.validation_rows=10".to_string(),
        ]);
        if self.columns.is_some() {
            settings.push(format!("data.path={TABLE}"));
        }
        let line = ["experiment", &self.preset, "--out", folder]
            .map(String::from)
            .into_iter();
        line.chain(settings.into_iter().flat_map(|setting| ["--set".to_string(), setting]))
            .collect()
    }

    /// The bytes of all gradients of the run that was measured last.
    pub(super) fn parameter_bytes(&self, place: &Place) -> Result<usize> {
        let model = RunFolder::existing(&place.path("run"))?.model()?;
        let parameters = model.flow.parameters();
        let bytes = parameters
            .iter()
            .map(|parameter| parameter.var.elem_count() * parameter.var.dtype().size_in_bytes());
        Ok::<_, StudyError>(bytes.sum())
    }
}
