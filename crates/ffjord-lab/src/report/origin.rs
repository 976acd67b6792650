//! Where a run comes from, and what repeats it.

use super::page::{missing, pairs, text};
use crate::record::RunRecord;
use ffjord_run::RunState;
use maud::{Markup, html};

/// The commands that repeat a run; none where its preset was not recorded.
pub(super) fn command(record: &RunRecord) -> Option<String> {
    let mut line = format!(
        "cargo xtask experiment {} --seed {}",
        record.preset()?,
        record.config.seed
    );
    if let Some(from) = &record.config.from {
        line += &format!(" --from {}", quoted(&from.display().to_string()));
    }
    for setting in record.settings() {
        line += &format!(" --set {}", quoted(&setting));
    }
    let commit = record.provenance().and_then(|origin| origin.commit);
    Some(match commit {
        Some(commit) => format!("git checkout {}\n{line}", commit.trim_end_matches("-dirty")),
        None => line,
    })
}

/// A word as a shell takes it literally.
pub(super) fn quoted(word: &str) -> String {
    let plain = |character: char| character.is_ascii_alphanumeric() || "-_./=,:".contains(character);
    match word.chars().all(plain) {
        true => word.to_string(),
        false => format!("'{}'", word.replace('\'', r"'\''")),
    }
}

/// The section.
pub(super) fn section(record: &RunRecord) -> Markup {
    let origin = record.provenance();
    let dirty = origin
        .as_ref()
        .and_then(|origin| origin.commit.as_ref())
        .is_some_and(|commit| commit.ends_with("-dirty"));
    html! {
        @match command(record) {
            Some(command) => {
                p { "This repeats it:" }
                pre { (command) }
                @if dirty { p.soft { "Files differed from that commit, so that the run may come out differently." } }
            }
            None => (missing("The preset was not recorded: config.json holds all settings.")),
        }
        @match &origin {
            Some(origin) => (pairs([
                ("commit", text(origin.commit.as_deref().unwrap_or("not recorded"))),
                ("machine", text(&origin.hardware)),
                (if record.outcome.is_some() { "finished" } else { "last start" }, text(&origin.date)),
                ("program", html! { "ffjord " (origin.version) }),
                ("folder", html! { code { (record.path().display()) } }),
            ])),
            None => (missing("Commit and machine were not recorded.")),
        }
        @if let RunState::Running { holder } = &record.state { p { "At work: " (holder) "." } }
        @for reason in &record.damaged { p.soft { (reason) } }
    }
}

#[cfg(test)]
mod tests {
    use super::quoted;

    #[test]
    fn words_stay_one_word_in_a_shell() {
        assert_eq!(quoted("training.iterations=500"), "training.iterations=500");
        assert_eq!(quoted("model.hidden=[64, 64]"), "'model.hidden=[64, 64]'");
        assert_eq!(quoted("a='b'"), r"'a='\''b'\'''");
        assert_eq!(quoted("$(x)"), "'$(x)'");
    }
}
