//! The plots of the comparison: one SVG a number, a bar a server. Owns how they look, in the light and in the dark; the
//! colours are chosen by whoever shows them, in a style sheet inside the picture.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use super::loads::{Better, Metric};
use super::results::{Results, shown};
use crate::trouble::{Done, Trouble};

/// In pixels: the picture, the column of names, the place for a value behind its bar, a row, the head.
const WIDTH: f64 = 720.0;
const NAMES: f64 = 215.0;
const VALUES: f64 = 70.0;
const ROW: f64 = 30.0;
const HEAD: f64 = 56.0;
const FOOT: f64 = 44.0;

/// Above this, the largest to the smallest, lengths are logarithms: else only the largest could be seen.
const FAR_APART: f64 = 50.0;

const STYLE: &str = "text{font:13px system-ui,sans-serif;fill:#1f2328}.title{font-size:15px;font-weight:600}\
.small{font-size:11px;fill:#59636e}.grid{stroke:#d1d9e0}.axis{stroke:#59636e}.bar{fill:#9aa7b4}.own{fill:#0969da}\
.base{fill:#6e7781}.back{fill:#ffffff}@media(prefers-color-scheme:dark){text{fill:#e6edf3}.small{fill:#9198a1}\
.grid{stroke:#3d444d}.axis{stroke:#9198a1}.bar{fill:#656c76}.own{fill:#4493f8}.base{fill:#9198a1}.back{fill:#0d1117}}";

/// One bar.
struct Bar<'a> {
    label: &'a str,
    class: &'static str,
    value: f64,
}

/// Writes all of them into the folder.
pub(super) fn write_all(results: &Results, folder: &Path) -> Done {
    for metric in results.metrics() {
        let file = folder.join(format!("{}.svg", metric.key));
        fs::write(&file, of(metric, results))
            .map_err(|error| Trouble::failed(format!("{}: {error}", file.display())))?;
    }
    Ok(())
}

fn of(metric: &Metric, results: &Results) -> String {
    let bars: Vec<Bar<'_>> = results
        .servers()
        .iter()
        .filter_map(|server| {
            let class = match server.name.as_str() {
                "baton" | "baton-hocuspocus" => "own",
                "forwarder" => "base",
                _ => "bar",
            };
            Some(Bar {
                label: &server.label,
                class,
                value: results.median(metric.key, &server.name)?.value,
            })
        })
        .collect();
    draw(metric, &bars)
}

fn draw(metric: &Metric, bars: &[Bar<'_>]) -> String {
    let scale = Scale::over(bars);
    let bottom = HEAD + ROW * bars.len() as f64;
    let height = bottom + FOOT;
    let better = match metric.better {
        Better::Less => "less is better",
        Better::More => "more is better",
    };
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" width=\"{WIDTH}\" \
         height=\"{height}\" role=\"img\" aria-label=\"{0}\">\n<style>{STYLE}</style>\n\
         <rect class=\"back\" width=\"{WIDTH}\" height=\"{height}\"/>\n\
         <text class=\"title\" x=\"16\" y=\"24\">{0}</text>\n\
         <text class=\"small\" x=\"16\" y=\"42\">medians; {better}</text>\n",
        escaped(metric.title)
    );
    for tick in scale.ticks() {
        let x = scale.x(tick);
        let _ = writeln!(
            svg,
            "<line class=\"grid\" x1=\"{x:.1}\" x2=\"{x:.1}\" y1=\"{HEAD}\" y2=\"{bottom}\"/>\
             <text class=\"small\" x=\"{x:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{}</text>",
            bottom + 15.0,
            short(tick)
        );
    }
    for (row, bar) in bars.iter().enumerate() {
        draw_bar(&mut svg, &scale, row, bar);
    }
    let _ = writeln!(
        svg,
        "<line class=\"axis\" x1=\"{NAMES}\" x2=\"{NAMES}\" y1=\"{HEAD}\" y2=\"{bottom}\"/>\n\
         <text class=\"small\" x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{}{}</text>\n</svg>",
        NAMES.midpoint(WIDTH - VALUES),
        bottom + 33.0,
        escaped(metric.unit),
        scale.note()
    );
    svg
}

fn draw_bar(svg: &mut String, scale: &Scale, row: usize, bar: &Bar<'_>) {
    let top = HEAD + ROW * row as f64;
    let (from, to) = (scale.x(scale.origin()), scale.x(bar.value));
    let (left, right) = (from.min(to), from.max(to));
    let _ = writeln!(
        svg,
        "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>\
         <rect class=\"{}\" x=\"{left:.1}\" y=\"{:.1}\" width=\"{:.1}\" height=\"{}\" rx=\"2\"/>\
         <text x=\"{:.1}\" y=\"{:.1}\">{}</text>",
        NAMES - 8.0,
        top + 20.0,
        escaped(bar.label),
        bar.class,
        top + 5.0,
        (right - left).max(1.0),
        ROW - 10.0,
        right + 6.0,
        top + 20.0,
        shown(bar.value)
    );
}

/// From values to lengths.
enum Scale {
    Linear { least: f64, most: f64 },
    Logarithmic { least: f64, most: f64 },
}

impl Scale {
    fn over(bars: &[Bar<'_>]) -> Self {
        let most = bars.iter().map(|bar| bar.value).fold(0.0, f64::max);
        let least = bars
            .iter()
            .map(|bar| bar.value)
            .fold(f64::INFINITY, f64::min);
        if least > 0.0 && most / least > FAR_APART {
            return Self::Logarithmic {
                least: 10_f64.powf(least.log10().floor()),
                most: 10_f64.powf(most.log10().ceil()),
            };
        }
        Self::Linear {
            // Memory can be given back: then there are bars to the left of nought.
            least: least.min(0.0),
            most: if most > 0.0 { most } else { 1.0 },
        }
    }

    /// Where bars begin.
    fn origin(&self) -> f64 {
        match self {
            Self::Linear { .. } => 0.0,
            Self::Logarithmic { least, .. } => *least,
        }
    }

    fn x(&self, value: f64) -> f64 {
        let share = match *self {
            Self::Linear { least, most } => (value - least) / (most - least),
            Self::Logarithmic { least, most } => (value / least).log10() / (most / least).log10(),
        };
        NAMES + share.clamp(0.0, 1.0) * (WIDTH - NAMES - VALUES)
    }

    /// Round values, three to six of them.
    fn ticks(&self) -> Vec<f64> {
        match *self {
            Self::Linear { least, most } => {
                let rough = (most - least) / 4.0;
                let power = 10_f64.powf(rough.log10().floor());
                let steps = [1.0, 2.0, 2.5, 5.0, 10.0].map(|step| step * power);
                let step = steps
                    .into_iter()
                    .find(|step| *step >= rough)
                    .unwrap_or(rough);
                let from = (least / step).ceil() as i64;
                let to = (most / step).floor() as i64;
                (from..=to).map(|number| number as f64 * step).collect()
            }
            Self::Logarithmic { least, most } => {
                let decades = (most / least).log10().round() as i32;
                (0..=decades)
                    .map(|decade| least * 10_f64.powi(decade))
                    .collect()
            }
        }
    }

    fn note(&self) -> &'static str {
        match self {
            Self::Linear { .. } => "",
            Self::Logarithmic { .. } => ", logarithmic",
        }
    }
}

/// A tick: no more digits than it has.
fn short(value: f64) -> String {
    let text = shown(value);
    let (number, letter) = match text.strip_suffix(['k', 'M']) {
        Some(number) => (number, &text[number.len()..]),
        None => (text.as_str(), ""),
    };
    let number = if number.contains('.') {
        number.trim_end_matches('0').trim_end_matches('.')
    } else {
        number
    };
    format!("{number}{letter}")
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::super::loads::Load;
    use super::*;

    fn bars(values: &[f64]) -> Vec<Bar<'static>> {
        let one = |value: &f64| Bar {
            label: "a <server>",
            class: "bar",
            value: *value,
        };
        values.iter().map(one).collect()
    }

    /// The widths of the bars, read back.
    fn widths(svg: &str) -> Vec<f64> {
        let rects = svg.split("<rect class=\"bar\"").skip(1);
        rects
            .map(|rect| {
                let width = rect.split("width=\"").nth(1).unwrap();
                width.split('"').next().unwrap().parse().unwrap()
            })
            .collect()
    }

    #[test]
    fn a_bar_is_as_long_as_its_value() {
        let metric = &Load::named("storm").unwrap().metrics[0];
        let svg = draw(metric, &bars(&[1.0, 4.0]));
        let widths = widths(&svg);
        assert!((widths[1] / widths[0] - 4.0).abs() < 0.01, "{widths:?}");
        assert!(
            svg.contains("a &lt;server>") && svg.contains(">4.00<"),
            "{svg}"
        );
        assert!(!svg.contains("logarithmic"));
    }

    #[test]
    fn values_far_apart_are_drawn_by_their_logarithms_and_this_is_said() {
        let metric = &Load::named("storm").unwrap().metrics[0];
        let svg = draw(metric, &bars(&[1.0, 100.0, 10_000.0]));
        let widths = widths(&svg);
        assert!((widths[2] / widths[1] - 2.0).abs() < 0.01, "{widths:?}");
        assert!(svg.contains("logarithmic"));
    }

    #[test]
    fn ticks_are_round_and_memory_may_be_given_back() {
        assert_eq!(Scale::over(&bars(&[9.3])).ticks(), [0.0, 2.5, 5.0, 7.5]);
        let scale = Scale::over(&bars(&[-2.0, 4.0]));
        assert!(scale.x(-2.0) < scale.x(0.0) && scale.x(0.0) < scale.x(4.0));
        assert_eq!(short(250_000.0), "250k");
        assert_eq!(short(2.5), "2.5");
        assert_eq!(short(100.0), "100");
    }
}
