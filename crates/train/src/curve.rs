//! The loss as a picture.

use crate::Metric;
use std::fmt::Write;

const WIDTH: f64 = 720.0;
const HEIGHT: f64 = 360.0;
const LEFT: f64 = 48.0;
const BOTTOM: f64 = 32.0;

/// An SVG of loss over tokens, with the floor where one is known.
pub(crate) fn svg(metrics: &[Metric]) -> String {
    let most = metrics.iter().map(|m| m.loss).fold(1.0, f64::max);
    let tokens = metrics.last().map_or(1, |m| m.tokens.max(1)) as f64;
    let x = |t: u64| LEFT + (WIDTH - LEFT - 8.0) * t as f64 / tokens;
    let y = |loss: f64| 8.0 + (HEIGHT - BOTTOM - 8.0) * (1.0 - loss / most);
    let line = |value: &dyn Fn(&Metric) -> Option<f64>| {
        let stride = metrics.len().div_ceil(600).max(1);
        let mut points = String::new();
        for metric in metrics.iter().step_by(stride) {
            if let Some(value) = value(metric) {
                let _ = write!(points, "{:.1},{:.1} ", x(metric.tokens), y(value));
            }
        }
        points
    };
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" font-family=\"sans-serif\" font-size=\"12\">\n\
         <rect width=\"{WIDTH}\" height=\"{HEIGHT}\" fill=\"#fdfcf8\"/>\n"
    );
    for tick in 0..=4 {
        let value = most * f64::from(tick) / 4.0;
        let at = y(value);
        let _ = writeln!(
            out,
            "<line x1=\"{LEFT}\" x2=\"{}\" y1=\"{at:.1}\" y2=\"{at:.1}\" stroke=\"#ddd\"/><text x=\"8\" y=\"{:.1}\">{value:.2}</text>",
            WIDTH - 8.0,
            at + 4.0
        );
    }
    let _ = writeln!(
        out,
        "<polyline fill=\"none\" stroke=\"#b03a2e\" stroke-width=\"1.5\" points=\"{}\"/>",
        line(&|m| Some(m.loss))
    );
    let _ = writeln!(
        out,
        "<polyline fill=\"none\" stroke=\"#555\" stroke-dasharray=\"4 4\" points=\"{}\"/>",
        line(&|m| m.floor)
    );
    let _ = writeln!(
        out,
        "<text x=\"{LEFT}\" y=\"{}\">loss (nats) over {tokens} tokens; dashed: floor</text>\n</svg>",
        HEIGHT - 10.0
    );
    out
}
