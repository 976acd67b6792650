//! A configuration as names and values.

use super::page::table;
use ffjord_run::config::RunConfig;
use maud::{Markup, html};
use serde_json::Value;
use std::collections::BTreeSet;

/// Every key with its value, in the order of the file.
pub(super) fn flat(config: &RunConfig) -> Vec<(String, String)> {
    let mut all = Vec::new();
    match serde_json::to_value(config) {
        Ok(value) => flatten("", &value, &mut all),
        Err(error) => all.push(("configuration".to_string(), error.to_string())),
    }
    all
}

fn flatten(key: &str, value: &Value, all: &mut Vec<(String, String)>) {
    match value {
        Value::Object(map) if !map.is_empty() => {
            for (name, value) in map {
                let key = if key.is_empty() {
                    name.clone()
                } else {
                    format!("{key}.{name}")
                };
                flatten(&key, value, all);
            }
        }
        // What is absent says nothing.
        Value::Null => {}
        Value::String(text) => all.push((key.to_string(), text.clone())),
        other => all.push((key.to_string(), other.to_string())),
    }
}

/// The whole configuration, with what `--set` changed marked.
pub(super) fn all(config: &RunConfig, settings: &[String]) -> Markup {
    let changed: Vec<&str> = settings
        .iter()
        .filter_map(|setting| setting.split('=').next())
        .collect();
    let is_changed = |key: &str| {
        let inside = |set: &&str| {
            key.strip_prefix(*set)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
        };
        changed.iter().any(inside)
    };
    let row = |(key, value): &(String, String)| {
        let class = is_changed(key).then_some("changed");
        vec![html! { code class=[class] { (key) } }, html! { code { (value) } }]
    };
    let all = flat(config);
    let sections = sections(&all);
    html! {
        @if !changed.is_empty() { p.soft { "Marked: what differs from the preset." } }
        @for (name, rows) in sections {
            details open[rows.iter().any(|(key, _)| is_changed(key))] {
                summary { (name) }
                (table(&[], &rows.iter().map(row).collect::<Vec<_>>()))
            }
        }
    }
}

/// Keys by the table that they belong to; those of none first.
fn sections(all: &[(String, String)]) -> Vec<(String, Vec<(String, String)>)> {
    let mut sections: Vec<(String, Vec<(String, String)>)> = Vec::new();
    for (key, value) in all {
        let name = key.split_once('.').map_or("run", |(section, _)| section);
        let entry = (key.clone(), value.clone());
        match sections.iter_mut().find(|(known, _)| known == name) {
            Some((_, rows)) => rows.push(entry),
            None => sections.push((name.to_string(), vec![entry])),
        }
    }
    sections
}

/// The keys in which configurations differ, a column a run.
pub(super) fn differences(names: &[String], configs: &[&RunConfig]) -> Markup {
    let flat: Vec<Vec<(String, String)>> = configs.iter().map(|config| flat(config)).collect();
    let mut seen = BTreeSet::new();
    let mut keys = Vec::new();
    for (key, _) in flat.iter().flatten() {
        if seen.insert(key.clone()) {
            keys.push(key.clone());
        }
    }
    let value = |run: &[(String, String)], key: &str| {
        let found = run.iter().find(|(name, _)| name == key);
        found.map_or("–".to_string(), |(_, value)| value.clone())
    };
    let mut rows = Vec::new();
    for key in keys {
        let values: Vec<String> = flat.iter().map(|run| value(run, &key)).collect();
        if values.iter().any(|value| *value != values[0]) {
            let mut row = vec![html! { code { (key) } }];
            row.extend(values.iter().map(|value| html! { code { (value) } }));
            rows.push(row);
        }
    }
    if rows.is_empty() {
        return html! { p { "All runs have one configuration." } };
    }
    let header: Vec<&str> = std::iter::once("key").chain(names.iter().map(String::as_str)).collect();
    table(&header, &rows)
}
