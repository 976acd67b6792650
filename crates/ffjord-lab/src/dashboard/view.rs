//! The dashboard on the screen.

use super::Dashboard;
use super::chart::{self, Curve};
use super::progress::{duration, left, speed};
use crate::record::{Outcome, Trained};
use ffjord_run::RunState;
use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Color, Style, Stylize};
use ratatui::text::Line;
use ratatui::widgets::{Block, Gauge, Paragraph};

/// Lines of the latest messages.
const MESSAGES: usize = 6;
/// Narrower screens have their charts below each other.
const WIDE: u16 = 90;

/// Draws a run.
pub fn draw(dashboard: &Dashboard, frame: &mut Frame<'_>) {
    let rows = Layout::vertical([
        Constraint::Length(3),
        Constraint::Length(1),
        Constraint::Min(8),
        Constraint::Length(MESSAGES as u16 + 2),
    ]);
    let [head, bar, charts, messages] = rows.areas(frame.area());
    frame.render_widget(Paragraph::new(heading(dashboard)), head);
    progress(dashboard, frame, bar);
    curves(dashboard, frame, charts);
    let lines = said(dashboard);
    let latest = lines[lines.len().saturating_sub(MESSAGES)..]
        .iter()
        .map(|line| Line::from(line.clone()));
    let block = Block::bordered().title(" latest (q: quit) ");
    frame.render_widget(Paragraph::new(latest.collect::<Vec<_>>()).block(block), messages);
}

fn heading(dashboard: &Dashboard) -> Vec<Line<'static>> {
    let record = &dashboard.record;
    let name = record.preset().map_or(String::new(), |preset| {
        format!("{preset}, seed {}  ", record.config.seed)
    });
    let (state, color) = match &record.state {
        RunState::Running { holder } => (format!("running, {holder}"), Color::Green),
        RunState::Finished => (finished(record.outcome.as_ref()), Color::Blue),
        state => (state.name().to_string(), Color::Yellow),
    };
    let (iteration, seconds) = dashboard.metrics.done();
    let planned = record.config.training.options.iterations;
    let mut now = format!("{iteration} of {planned} iterations, {} of training", duration(seconds));
    if let Some(speed) = speed(&dashboard.metrics) {
        now += &format!(", {speed:.2} iterations/s");
    }
    let at_work = matches!(record.state, RunState::Running { .. });
    if let Some(left) = left(&dashboard.metrics, planned).filter(|_| at_work && iteration < planned) {
        now += &format!(", {} left", duration(left));
    }
    vec![
        Line::from(vec![name.bold(), record.path().display().to_string().into()]),
        Line::from(state).style(Style::default().fg(color)),
        Line::from(now),
    ]
}

fn finished(outcome: Option<&Outcome>) -> String {
    let measure = outcome.and_then(Outcome::measure);
    measure.map_or("finished".to_string(), |measure| {
        format!("finished: {} {measure}", measure.name)
    })
}

fn progress(dashboard: &Dashboard, frame: &mut Frame<'_>, area: Rect) {
    let planned = dashboard.record.config.training.options.iterations.max(1);
    let share = (dashboard.metrics.done().0 as f64 / planned as f64).clamp(0.0, 1.0);
    frame.render_widget(
        Gauge::default()
            .ratio(share)
            .gauge_style(Style::default().fg(Color::Cyan)),
        area,
    );
}

fn curves(dashboard: &Dashboard, frame: &mut Frame<'_>, area: Rect) {
    let metrics = &dashboard.metrics;
    let train = |value: &dyn Fn(&Trained) -> f64| -> Vec<(f64, f64)> {
        metrics
            .train
            .iter()
            .map(|line| (line.iteration as f64, value(line)))
            .collect()
    };
    let held_out = metrics.validations.iter();
    let validation = held_out.clone().map(|line| (line.iteration as f64, line.nll));
    let test = held_out.filter_map(|line| Some((line.iteration as f64, line.test_nll?)));
    // Of flow matching the loss has another unit than held-out rows.
    let matching = metrics
        .train
        .iter()
        .any(|line| line.terms.iter().any(|(name, _)| name == "flow_matching"));
    let term = |line: &Trained| {
        let nll = line.terms.iter().find(|(name, _)| name == "nll");
        nll.map_or(line.loss, |(_, value)| *value)
    };
    let loss = Curve::new("training", Color::Cyan, train(&term));
    let held_out = vec![
        Curve::new("validation", Color::Yellow, validation),
        Curve::new("test rows", Color::Green, test),
    ];
    let evaluations = vec![
        Curve::new("forward", Color::Cyan, train(&|line| line.evaluations.0)),
        Curve::new("backward", Color::Magenta, train(&|line| line.evaluations.1)),
    ];
    let norm = vec![Curve::new(
        "log₁₀",
        Color::Cyan,
        train(&|line| line.gradient_norm.log10()),
    )];
    let mut all = match matching {
        true => vec![("loss", vec![loss]), ("held-out rows, nats", held_out)],
        false => vec![(
            "negative log-likelihood, nats",
            std::iter::once(loss).chain(held_out).collect(),
        )],
    };
    // Discrete flows and flow matching evaluate no vector field in solves.
    if metrics.train.iter().any(|line| line.evaluations.0 > 0.0) {
        all.push(("evaluations", evaluations));
    }
    all.push(("gradient norm, log₁₀", norm));
    let share = Constraint::Ratio(1, all.len() as u32);
    let layout = if area.width < WIDE {
        Layout::vertical(vec![share; all.len()])
    } else {
        Layout::horizontal(vec![share; all.len()])
    };
    for ((title, curves), area) in all.iter().zip(layout.split(area).iter()) {
        chart::draw(frame, *area, title, curves);
    }
}

/// What happened, the latest last: validations, failures, and what cannot be read.
fn said(dashboard: &Dashboard) -> Vec<String> {
    let metrics = &dashboard.metrics;
    let validations = metrics.validations.iter().map(|line| {
        let test = line
            .test_nll
            .map_or(String::new(), |nll| format!(", test rows {nll:.4}"));
        let best = if line.best { ", best so far" } else { "" };
        let said = format!(
            "{}: NLL {:.4} ± {:.4} nats{test}{best}",
            line.iteration, line.nll, line.standard_error
        );
        (line.iteration, said)
    });
    let failures = metrics
        .failures
        .iter()
        .map(|line| (line.iteration, format!("{}: failed: {}", line.iteration, line.cause)));
    let mut lines: Vec<(u64, String)> = validations.chain(failures).collect();
    lines.sort_by_key(|(iteration, _)| *iteration);
    let mut said: Vec<String> = lines.into_iter().map(|(_, line)| line).collect();
    if let Some(line) = metrics.train.last() {
        said.push(format!(
            "{}: loss {:.4}, |g| {:.3}, learning rate {:.1e}, NFE {:.0}+{:.0}",
            line.iteration, line.loss, line.gradient_norm, line.learning_rate, line.evaluations.0, line.evaluations.1
        ));
    }
    if metrics.unread > 0 {
        said.push(format!(
            "{} lines of metrics.jsonl cannot be understood",
            metrics.unread
        ));
    }
    said.extend(dashboard.record.damaged.iter().cloned());
    said.extend(dashboard.trouble.iter().cloned());
    said
}
