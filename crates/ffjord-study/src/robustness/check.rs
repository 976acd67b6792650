//! What a check found.

use serde::Serialize;

/// At most so many faults are kept in words; all are counted.
const KEPT: usize = 10;

/// How a check ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub enum Verdict {
    /// Everything was as it has to be.
    #[serde(rename = "ok")]
    Ok,
    /// Something was not.
    #[serde(rename = "not ok")]
    NotOk,
    /// It cannot be tried on this machine.
    #[serde(rename = "skipped")]
    Skipped,
}

impl Verdict {
    /// The verdict in words.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::NotOk => "not ok",
            Self::Skipped => "skipped",
        }
    }
}

/// A number with what it counts.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Number {
    /// What is counted or measured, with its unit.
    pub what: String,
    /// How many or how much.
    pub number: f64,
}

/// One row of the result.
#[derive(Debug, Clone, Serialize)]
pub struct Check {
    /// Its name.
    pub name: String,
    /// What was done.
    pub done: String,
    /// How often it was tried.
    pub count: usize,
    /// What came of it.
    pub outcome: Vec<Number>,
    /// Whether that is as it has to be.
    pub verdict: Verdict,
    /// The number of faults.
    pub fault_count: usize,
    /// The first faults in words; or why the check was skipped.
    pub faults: Vec<String>,
    /// Seconds that it took.
    pub seconds: f64,
}

impl Check {
    /// A check of which nothing is known yet.
    pub(super) fn new(done: impl Into<String>) -> Self {
        Self {
            name: String::new(),
            done: done.into(),
            count: 0,
            outcome: Vec::new(),
            verdict: Verdict::Ok,
            fault_count: 0,
            faults: Vec::new(),
            seconds: 0.0,
        }
    }

    /// A check that this machine has no way to try.
    pub(super) fn skipped(done: impl Into<String>, reason: impl Into<String>) -> Self {
        Self {
            verdict: Verdict::Skipped,
            faults: vec![reason.into()],
            ..Self::new(done)
        }
    }

    /// Adds a number to the outcome.
    pub(super) fn number(&mut self, what: impl Into<String>, number: impl Into<f64>) -> &mut Self {
        let (what, number) = (what.into(), number.into());
        self.outcome.push(Number { what, number });
        self
    }

    /// Adds a count to the outcome.
    pub(super) fn counted(&mut self, what: impl Into<String>, count: usize) -> &mut Self {
        self.number(what, count as f64)
    }

    /// Keeps what is not as it has to be.
    pub(super) fn fault(&mut self, what: impl Into<String>) {
        self.verdict = Verdict::NotOk;
        self.fault_count += 1;
        if self.faults.len() < KEPT {
            self.faults.push(what.into());
        }
    }

    /// The outcome as a line of text.
    #[must_use]
    pub fn outcome_line(&self) -> String {
        let number = |Number { what, number }: &Number| match number.fract() == 0.0 {
            true => format!("{number:.0} {what}"),
            false => format!("{number:.1} {what}"),
        };
        let numbers = self.outcome.iter().map(number);
        let said = match self.verdict {
            Verdict::Ok => &[],
            Verdict::NotOk | Verdict::Skipped => self.faults.as_slice(),
        };
        numbers.chain(said.iter().cloned()).collect::<Vec<_>>().join("; ")
    }
}

/// The checks as a table in Markdown.
#[must_use]
pub fn table(checks: &[Check]) -> String {
    let mut text = String::from("| check | what was done | times | outcome | |\n|---|---|---|---|---|\n");
    for check in checks {
        let cells = [
            &check.name,
            &check.done,
            &check.count.to_string(),
            // A message of the program may hold what ends a cell or a row.
            &check.outcome_line().replace('|', "\\|").replace('\n', " "),
            check.verdict.name(),
        ];
        text.push_str(&format!("| {} |\n", cells.join(" | ")));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_is_told_and_makes_a_check_not_ok() {
        let mut check = Check::new("something");
        check.count = 3;
        check.counted("tries", 3).number("MB", 1.25);
        assert_eq!(check.outcome_line(), "3 tries; 1.2 MB");
        assert_eq!(check.verdict, Verdict::Ok);
        (0..20).for_each(|_| check.fault("a | b"));
        assert_eq!(
            (check.verdict, check.fault_count, check.faults.len()),
            (Verdict::NotOk, 20, KEPT)
        );
        let table = table(&[check]);
        assert!(table.contains("a \\| b") && table.contains("| not ok |"), "{table}");
    }
}
