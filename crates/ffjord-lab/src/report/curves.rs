//! Curves of one run, and of several on common axes, each a picture of its own so that a narrow screen shows them whole.

use super::embed::drawn;
use super::page::missing;
use crate::record::{Metrics, Trained};
use ffjord_plot::{CurvePanel, Scale, Series, training_curves};
use maud::{Markup, html};

/// Iterations over which curves are smoothed, at most.
const WINDOW: usize = 51;

/// A run in the pictures.
pub(super) struct Curves<'a> {
    /// Its name in the legend; nothing where it is alone.
    pub name: String,
    /// Its metrics.
    pub metrics: &'a Metrics,
}

type Points = Vec<(f64, f64)>;

/// Iterations over which a curve is smoothed: of a short run few, so that it is not pressed flat.
fn window(points: &[(f64, f64)]) -> usize {
    (points.len() / 10).clamp(1, WINDOW) | 1
}

/// What lies on the horizontal axis.
#[derive(Clone, Copy)]
enum Clock {
    Iterations,
    Seconds,
}

impl Clock {
    fn label(self) -> &'static str {
        match self {
            Self::Iterations => "iteration",
            Self::Seconds => "seconds of training",
        }
    }

    fn of(self, iteration: u64, seconds: f64) -> f64 {
        match self {
            Self::Iterations => iteration as f64,
            Self::Seconds => seconds,
        }
    }
}

/// What training minimises, as far as it can be compared with held-out rows: the term of the likelihood, of matching, or
/// all of a bound.
fn loss(metrics: &Metrics) -> (&'static str, impl Fn(&Trained) -> f64) {
    let has = |name: &str| {
        metrics
            .train
            .iter()
            .any(|line| line.terms.iter().any(|(term, _)| term == name))
    };
    let term = ["nll", "flow_matching"].into_iter().find(|name| has(name));
    let value = move |line: &Trained| match term {
        Some(name) => {
            let found = line.terms.iter().find(|(term, _)| term == name);
            found.map_or(f64::NAN, |(_, value)| *value)
        }
        None => line.loss,
    };
    (
        if term == Some("flow_matching") {
            "mean squared error"
        } else {
            "nats"
        },
        value,
    )
}

fn of_training(metrics: &Metrics, clock: Clock, value: impl Fn(&Trained) -> f64) -> Points {
    let lines = metrics.train.iter();
    lines
        .map(|line| (clock.of(line.iteration, line.seconds), value(line)))
        .collect()
}

fn of_validation(metrics: &Metrics, clock: Clock) -> Points {
    let lines = metrics.validations.iter();
    lines
        .map(|line| (clock.of(line.iteration, line.seconds), line.nll))
        .collect()
}

fn of_test_rows(metrics: &Metrics, clock: Clock) -> Points {
    let lines = metrics.validations.iter();
    lines
        .filter_map(|line| Some((clock.of(line.iteration, line.seconds), line.test_nll?)))
        .collect()
}

/// All curves of a run, whose held-out rows are evaluated by `measure`.
pub(super) fn of_run(metrics: &Metrics, measure: &str) -> Markup {
    if metrics.train.is_empty() && metrics.validations.is_empty() {
        return missing("There are no metrics yet.");
    }
    html! {
        div.figures {
            @for clock in [Clock::Iterations, Clock::Seconds] { (likelihoods(metrics, measure, clock)) }
            @for clock in [Clock::Iterations, Clock::Seconds] { (evaluations(metrics, clock)) }
            (gradient_norm(metrics))
            (end_time(metrics))
            (learning_rate(metrics))
        }
    }
}

fn likelihoods(metrics: &Metrics, measure: &str, clock: Clock) -> Markup {
    let (unit, value) = loss(metrics);
    let matching = unit != "nats";
    let train = of_training(metrics, clock, value);
    let (validation, test) = (of_validation(metrics, clock), of_test_rows(metrics, clock));
    let mut series = Vec::new();
    if !train.is_empty() && !matching {
        series.push(Series::new("training batches", &train).smoothed(window(&train)));
    }
    if !validation.is_empty() {
        series.push(Series::new("validation", &validation));
    }
    if !test.is_empty() {
        series.push(Series::new("test rows", &test));
    }
    let shown = picture(series, (measure, clock.label(), "nats"), Scale::Linear);
    if !matching {
        return shown;
    }
    let series = vec![Series::new("training batches", &train).smoothed(window(&train))];
    html! { (shown) (picture(series, ("flow matching", clock.label(), unit), Scale::Linear)) }
}

fn evaluations(metrics: &Metrics, clock: Clock) -> Markup {
    let forward = of_training(metrics, clock, |line| line.evaluations.0);
    // Discrete flows and flow matching evaluate no vector field along a path.
    if !forward.iter().any(|(_, evaluations)| *evaluations > 0.0) {
        return html! {};
    }
    let backward = of_training(metrics, clock, |line| line.evaluations.1);
    let series = vec![
        Series::new("forward", &forward).smoothed(window(&forward)),
        Series::new("backward", &backward).smoothed(window(&backward)),
    ];
    picture(
        series,
        ("evaluations of the vector field", clock.label(), "NFE"),
        Scale::Linear,
    )
}

fn gradient_norm(metrics: &Metrics) -> Markup {
    let norm = of_training(metrics, Clock::Iterations, |line| line.gradient_norm);
    let series = vec![Series::new("before clipping", &norm).smoothed(window(&norm))];
    picture(series, ("gradient norm", "iteration", "norm"), Scale::Log)
}

fn end_time(metrics: &Metrics) -> Markup {
    let times = of_training(metrics, Clock::Iterations, |line| line.end_time);
    let first = times.first().map_or(0.0, |(_, time)| *time);
    // One that is not trained is a setting, not a curve.
    if times.iter().all(|(_, time)| *time == first) {
        return html! {};
    }
    picture(
        vec![Series::new("sum over blocks", &times)],
        ("end time", "iteration", "T"),
        Scale::Linear,
    )
}

fn learning_rate(metrics: &Metrics) -> Markup {
    let rates = of_training(metrics, Clock::Iterations, |line| line.learning_rate);
    let first = rates.first().map_or(0.0, |(_, rate)| *rate);
    if rates.iter().all(|(_, rate)| *rate == first) {
        return html! {};
    }
    picture(
        vec![Series::new("", &rates)],
        ("learning rate", "iteration", "rate"),
        Scale::Log,
    )
}

/// Curves of several runs.
pub(super) fn of_runs(runs: &[Curves<'_>]) -> Markup {
    let validation = |clock| {
        runs.iter()
            .map(|run| of_validation(run.metrics, clock))
            .collect::<Vec<Points>>()
    };
    let training = |value: &dyn Fn(&Trained) -> f64| {
        let points = runs
            .iter()
            .map(|run| of_training(run.metrics, Clock::Iterations, value));
        points.collect::<Vec<Points>>()
    };
    let held_out = |clock: Clock| {
        let points = validation(clock);
        together(
            runs,
            &points,
            false,
            ("validation rows", clock.label(), "nats"),
            Scale::Linear,
        )
    };
    let test: Vec<Points> = runs
        .iter()
        .map(|run| of_test_rows(run.metrics, Clock::Seconds))
        .collect();
    let evaluations = training(&|line| line.evaluations.0);
    let solves = evaluations.iter().flatten().any(|(_, evaluations)| *evaluations > 0.0);
    let norms = training(&|line| line.gradient_norm);
    html! {
        div.figures {
            (held_out(Clock::Iterations))
            (held_out(Clock::Seconds))
            @if test.iter().any(|points| !points.is_empty()) {
                (together(runs, &test, false, ("test rows", "seconds of training", "nats"), Scale::Linear))
            }
            @if solves {
                (together(runs, &evaluations, true, ("forward evaluations", "iteration", "NFE"), Scale::Linear))
            }
            (together(runs, &norms, true, ("gradient norm", "iteration", "norm"), Scale::Log))
        }
    }
}

fn together(runs: &[Curves<'_>], points: &[Points], smooth: bool, texts: (&str, &str, &str), scale: Scale) -> Markup {
    // A run of which nothing is shown keeps its place, so that colours mean the same run in every picture.
    let named = |(run, points): (&Curves<'_>, &'_ Points)| {
        let shown = points.iter().any(|(_, value)| value.is_finite());
        if shown { run.name.clone() } else { String::new() }
    };
    let names: Vec<String> = runs.iter().zip(points).map(named).collect();
    let series = names.iter().zip(points).map(|(name, points)| {
        let series = Series::new(name.as_str(), points);
        if smooth {
            series.smoothed(window(points))
        } else {
            series
        }
    });
    picture(series.collect(), texts, scale)
}

/// One picture; nothing where there is nothing to draw.
fn picture(series: Vec<Series<'_>>, (title, x, y): (&str, &str, &str), scale: Scale) -> Markup {
    let panel = CurvePanel::new(series).title(title).labels(x, y).scale(scale);
    match training_curves(&[panel], "") {
        Ok(figure) => drawn(&figure, &format!("{title}, by {x}")),
        Err(_) => missing(format!("{title}, by {x}: there is nothing to draw.")),
    }
}
