//! Everything that a card should be asked once: whether it computes what the processor computes, whether it does so twice,
//! and how fast.

mod agreement;
mod training;

use crate::bench::{Measurement, Method, Repetitions, all};
use crate::compare::{Comparison, FlowContest, Python, Rival, compare};
use crate::error::Result;
use ffjord_cuda::{DeviceName, Diagnosis};
use serde::Serialize;
use serde_json::{Value, json};
use std::path::Path;
use std::time::{Duration, Instant};

/// What is asked, and for how long.
#[derive(Debug, Clone, Copy)]
pub struct Plan<'a> {
    /// The card.
    pub device: DeviceName,
    /// A Python that may have torch and jax; without them comparisons are left out.
    pub python: &'a Path,
    /// No section begins after so long.
    pub limit: Duration,
}

/// One section's outcome.
#[derive(Debug, Clone, Serialize)]
pub struct Section {
    /// Its name.
    pub name: &'static str,
    /// Whether what was asked is true; none for measurements, and where nothing could be asked.
    pub passed: Option<bool>,
    /// Seconds that it took.
    pub seconds: f64,
    /// What was found, or why nothing was.
    pub found: Value,
}

/// What a section finds.
pub(super) struct Found {
    passed: Option<bool>,
    found: Value,
}

/// Runs one section after the other as they are asked for, so that what is found can be kept at once: a card may be lent for
/// minutes. Without a card there is the first alone; what fails within a section is its outcome.
pub fn sections(plan: Plan<'_>) -> impl Iterator<Item = Section> + '_ {
    type Work<'a> = (&'static str, Box<dyn Fn() -> Result<Found> + 'a>);
    let device = plan.device;
    let mut works: Vec<Work<'_>> = vec![
        ("doctor", Box::new(move || diagnose(device))),
        ("agreement", Box::new(move || agreement::measure(device))),
        ("training", Box::new(move || training::compare(device))),
        ("same bits", Box::new(move || training::repeat(device))),
    ];
    for method in Method::ALL {
        let name = match method {
            Method::Rk4 { .. } => "bench, fixed steps",
            Method::Dopri5 => "bench, adaptive steps",
        };
        works.push((name, Box::new(move || bench(device, method))));
    }
    for rival in Rival::ALL.into_iter().filter(|rival| rival.is_for(device)) {
        works.push((rival.name(), Box::new(move || beside(plan, rival))));
    }
    let (start, mut hopeless) = (Instant::now(), false);
    works.into_iter().map_while(move |(name, work)| {
        if hopeless {
            return None;
        }
        let clock = Instant::now();
        let found = match start.elapsed() > plan.limit {
            true => Found {
                passed: None,
                found: json!("left out: the time was over"),
            },
            false => work().unwrap_or_else(|error| Found {
                passed: Some(false),
                found: json!({ "error": error.to_string() }),
            }),
        };
        hopeless = name == "doctor" && found.passed == Some(false);
        Some(Section {
            name,
            passed: found.passed,
            seconds: clock.elapsed().as_secs_f64(),
            found: found.found,
        })
    })
}

fn diagnose(device: DeviceName) -> Result<Found> {
    let diagnosis = Diagnosis::make();
    Ok(Found {
        passed: (!device.is_cpu()).then(|| diagnosis.is_well()),
        found: serde_json::to_value(&diagnosis)?,
    })
}

/// A few repetitions: minutes are short.
const FEW: Repetitions = Repetitions {
    warm_up: 2,
    least: 3,
    most: 30,
    seconds: 1.0,
};

fn bench(device: DeviceName, method: Method) -> Result<Found> {
    let mut measured = Vec::new();
    for workload in all().iter().filter(|workload| workload.is_for(device)) {
        let division = workload.division(device);
        measured.push(Measurement::take(workload, method, division, device, FEW, None)?);
    }
    Ok(Found {
        passed: None,
        found: serde_json::to_value(measured)?,
    })
}

/// Times all workloads beside one rival; a rival that is not installed is no failure.
fn beside(plan: Plan<'_>, rival: Rival) -> Result<Found> {
    let python = Python {
        program: plan.python,
        device: plan.device,
    };
    let mut found: Vec<Comparison> = Vec::new();
    for workload in all()
        .iter()
        .filter(|workload| workload.is_for(plan.device) && !workload.is_conditional())
    {
        for method in Method::ALL.into_iter().filter(|method| rival.solves(*method)) {
            let contest = FlowContest::new(workload, method, plan.device)?;
            match compare(&contest, &[rival], &python, 1) {
                Ok(comparisons) => found.extend(comparisons),
                Err(error) => {
                    return Ok(Found {
                        passed: None,
                        found: json!({ "measured": found, "ended": error.to_string() }),
                    });
                }
            }
        }
    }
    Ok(Found {
        passed: None,
        found: json!({ "measured": found }),
    })
}
