//! HEPMASS: simulated particle collisions, the signal events of the set with a particle of mass 1000.
//!
//! The originals are two texts of comma-separated lines: the class, 27 features, and in the test file a further field.
//! The published benchmark used the first tenth of the publisher's seven million training and three and a half million
//! test events, which its archive holds; longer files are cut to that tenth.

use std::{
    ops::ControlFlow,
    path::{Path, PathBuf},
};

use super::{
    BenchmarkError,
    lines::{excerpt, for_each_line, numbers},
    rows::{Rows, Scaling, Survey, survey},
};
use crate::{DataError, Prepared, SplitRanges, SplitRule};

const NAME: &str = "hepmass";
const FEATURES: usize = 27;
/// Events in the publisher's training and test files.
const PUBLISHED_EVENTS: [u64; 2] = [7_000_000, 3_500_000];

/// Applies the published rules to the two texts, plain or gzip-compressed, line by line.
///
/// Events of class 1 are kept, without their class. Both files are standardised by mean and sample standard deviation
/// of the training file; every feature whose smallest value occurs more than five times there is dropped. The last
/// tenth of the training file is validation.
pub(super) fn prepare(train: &Path, test: &Path) -> Result<Prepared, DataError> {
    let train = SignalRows::open(train)?;
    let test = SignalRows::open(test)?;
    let Survey { statistics, smallest } = survey(&train, NAME, &train.path, None)?;
    let columns = smallest.continuous_columns();
    if columns.is_empty() {
        return Err(BenchmarkError::NothingLeft {
            name: NAME,
            what: "no feature",
            path: train.path,
        }
        .into());
    }
    let ranges = SplitRule {
        test: 0.0,
        ..SplitRule::default()
    };
    let SplitRanges { validation, .. } = ranges.ranges(statistics.rows() as usize)?;
    let scaling = Scaling::new(columns, statistics.means(), &statistics.sample_stds())?;
    let mut train = scaling.apply(&train)?;
    let validation = train.split_off(validation.start * scaling.dimension());
    let test = scaling.apply(&test)?;
    Ok(scaling.prepared([train, validation, test]))
}

/// The features of the events of class 1.
struct SignalRows {
    path: PathBuf,
    /// Events to read, of both classes.
    events: u64,
}

impl SignalRows {
    fn open(path: &Path) -> Result<Self, DataError> {
        let mut rows = Self {
            path: path.to_owned(),
            events: u64::MAX,
        };
        let mut events = 0;
        rows.for_each_event(&mut |_, _| {
            events += 1;
            Ok(())
        })?;
        if PUBLISHED_EVENTS.contains(&events) {
            rows.events = events / 10;
        }
        Ok(rows)
    }

    /// Calls `visit` with the number and the text of every line that holds an event.
    fn for_each_event(&self, visit: &mut dyn FnMut(u64, &str) -> Result<(), DataError>) -> Result<(), DataError> {
        let mut events = 0;
        for_each_line(&self.path, &mut |line, text| {
            if line == 1 && !text.starts_with(|first: char| first.is_ascii_digit()) {
                return Ok(ControlFlow::Continue(()));
            }
            if events == self.events {
                return Ok(ControlFlow::Break(()));
            }
            events += 1;
            visit(line, text)?;
            Ok(ControlFlow::Continue(()))
        })
    }
}

impl Rows for SignalRows {
    fn columns(&self) -> usize {
        FEATURES
    }

    fn for_each(&self, visit: &mut dyn FnMut(&[f64]) -> Result<(), DataError>) -> Result<(), DataError> {
        let mut row = [0.0; FEATURES];
        self.for_each_event(&mut |line, text| {
            let (class, features) = text.split_once(',').unwrap_or((text, ""));
            match class.trim().parse() {
                Ok(1.0) => {}
                Ok(0.0) => return Ok(()),
                _ => {
                    return Err(BenchmarkError::Field {
                        path: self.path.clone(),
                        line,
                        text: excerpt(class),
                        expected: "a class, 0 or 1,",
                    }
                    .into());
                }
            }
            // The test file has one field more, which is dropped.
            let given = features.split(',').count();
            let kept = features
                .split(',')
                .take(if given == FEATURES + 1 { FEATURES } else { given });
            numbers(&self.path, line, kept, &mut row)?;
            visit(&row)
        })
    }
}
