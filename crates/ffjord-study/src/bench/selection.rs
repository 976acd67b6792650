//! The workloads and solvers that a filter names.

use super::{Method, Workload, all};
use crate::error::{Result, StudyError};

/// The workloads and methods whose line contains `filter`.
///
/// # Errors
/// [`StudyError::NoWorkload`] when there is none.
pub fn select(filter: &str, methods: &[Method], wanted: impl Fn(&Workload) -> bool) -> Result<Vec<(Workload, Method)>> {
    let fits = |(workload, method): &(Workload, Method)| {
        let line = format!("{} {}", workload.name, method.name()).to_lowercase();
        line.contains(&filter.to_lowercase())
    };
    let selected: Vec<_> = all()
        .into_iter()
        .filter(wanted)
        .flat_map(|workload| methods.iter().map(move |method| (workload.clone(), *method)))
        .filter(fits)
        .collect();
    if !selected.is_empty() {
        return Ok(selected);
    }
    let names: Vec<String> = all().into_iter().map(|workload| workload.name).collect();
    Err(StudyError::NoWorkload {
        given: filter.to_string(),
        accepted: names.join("; "),
    })
}
