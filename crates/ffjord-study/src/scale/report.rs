//! Tables of what was measured and drawn.

use super::{Drawn, ModelScaling, Scaling};
use std::fmt::Write as _;

/// The constants and the measured runs beside the model, then the drawn ones, in Markdown.
#[must_use]
pub fn markdown(scaling: &Scaling) -> String {
    let mut text = String::from("| model | gradients | a step | a shard | a row |\n|---|---|---|---|---|\n");
    for model in &scaling.models {
        let constants = &model.constants;
        let _ = writeln!(
            text,
            "| {} | {:.2} MB | {:.2} ms | {:.3} ms | {:.2} µs |",
            model.name,
            constants.gradient_bytes as f64 * 1e-6,
            constants.step_seconds * 1e3,
            constants.shard_seconds * 1e3,
            constants.row_seconds * 1e6
        );
    }
    text.push_str(
        "\n| model | rows in shards | processes | measured | by the model | error | |\n|---|---|---|---|---|---|---|\n",
    );
    for model in &scaling.models {
        for run in &model.runs {
            let _ = writeln!(
                text,
                "| {} | {} in {} | {} | {:.2} ms | {:.2} ms | {:+.0} % | {} |",
                model.name,
                run.measured.share.rows,
                run.measured.share.shards,
                run.measured.ranks,
                run.measured.seconds * 1e3,
                run.model_seconds * 1e3,
                run.error * 100.0,
                if run.fitted { "fitted" } else { "foretold" }
            );
        }
    }
    text.push_str(
        "\n| model | network | 1 process | 16 | 128 | 1,024 | times faster at 1,024 |\n|---|---|---|---|---|---|---|\n",
    );
    for model in &scaling.models {
        drawn(&mut text, model, "as measured here", |point| point.loopback_seconds);
        drawn(&mut text, model, "10 Gbit/s, 20 µs, assumed", |point| {
            point.assumed_seconds
        });
    }
    text
}

fn drawn(text: &mut String, model: &ModelScaling, network: &str, seconds: fn(&Drawn) -> f64) {
    let at = |ranks: usize| {
        let point = model.drawn.iter().find(|point| point.ranks == ranks);
        point.map_or(f64::NAN, seconds)
    };
    let [one, some, more, all] = [1, 16, 128, 1_024].map(at);
    let ms = |seconds: f64| format!("{:.1} ms", seconds * 1e3);
    let _ = writeln!(
        text,
        "| {} | {network} | {} | {} | {} | {} | {:.0} |",
        model.name,
        ms(one),
        ms(some),
        ms(more),
        ms(all),
        one / all
    );
}
