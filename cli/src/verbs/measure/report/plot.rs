//! Plots: shapes in SVG that stretch to the width there is, with words in HTML around them that do not.

use std::fmt::Write as _;

use super::scale::Scale;

/// The width and the height of the coordinates.
const WIDTH: f64 = 10_000.0;
const HEIGHT: f64 = 1000.0;

/// A plot: an area with an axis each way.
#[derive(Debug)]
pub(super) struct Plot {
    x: Scale,
    y: Scale,
    shapes: String,
    lanes: String,
}

/// A value at an axis, and how it is written there.
pub(super) type Tick = (f64, String);

impl Plot {
    pub(super) fn new(x: Scale, y: Scale) -> Self {
        Self { x, y, shapes: String::new(), lanes: String::new() }
    }

    fn point(&self, (x, y): (f64, f64)) -> (f64, f64) {
        ((self.x.place(x) * WIDTH).round(), ((1.0 - self.y.place(y)) * HEIGHT).round())
    }

    /// Draws an upright line for each: where it is, from where, to where.
    pub(super) fn uprights(&mut self, class: &str, uprights: impl IntoIterator<Item = (f64, f64, f64)>) {
        let mut path = String::new();
        for (x, low, high) in uprights {
            let ((x, from), (_, to)) = (self.point((x, low)), self.point((x, high)));
            // What has no height is a point.
            let to = if from <= to { from - 1.0 } else { to };
            let _ = write!(path, "M{x} {from}V{to}");
        }
        push_path(&mut self.shapes, class, &path);
    }

    /// Draws a line through points; it is interrupted where there is none.
    pub(super) fn line(&mut self, class: &str, points: impl IntoIterator<Item = Option<(f64, f64)>>) {
        let (mut path, mut is_drawn) = (String::new(), false);
        for point in points {
            if let Some(point) = point {
                let (x, y) = self.point(point);
                // A point alone is drawn, too: a line without length, with round ends.
                let _ = if is_drawn { write!(path, "L{x} {y}") } else { write!(path, "M{x} {y}h0") };
            }
            is_drawn = point.is_some();
        }
        push_path(&mut self.shapes, class, &path);
    }

    /// Fills the area from one place to another, over all of its height.
    pub(super) fn band(&mut self, class: &str, from: f64, to: f64) {
        let [from, to] = [from, to].map(|at| (self.x.place(at) * WIDTH).round());
        push_path(&mut self.shapes, class, &format!("M{from} 0H{to}V{HEIGHT}H{from}Z"));
    }

    /// Draws a bar for each, from one place to another, up to a value.
    pub(super) fn bars(&mut self, class: &str, bars: impl IntoIterator<Item = ([f64; 2], f64)>) {
        let mut path = String::new();
        for ([from, to], value) in bars {
            let ((from, top), (to, _)) = (self.point((from, value)), self.point((to, value)));
            let _ = write!(path, "M{from} {HEIGHT}V{top}H{to}V{HEIGHT}Z");
        }
        push_path(&mut self.shapes, class, &path);
    }

    /// Draws the outline of bars, as a line that goes down to the ground between those that do not touch.
    pub(super) fn steps(&mut self, class: &str, bars: impl IntoIterator<Item = ([f64; 2], f64)>) {
        let (mut path, mut end) = (String::new(), None);
        for ([from, to], value) in bars {
            let ((from, top), (to, _)) = (self.point((from, value)), self.point((to, value)));
            if end != Some(from) {
                let down = end.map_or_else(String::new, |_| format!("V{HEIGHT}"));
                let _ = write!(path, "{down}M{from} {HEIGHT}");
            }
            let _ = write!(path, "V{top}H{to}");
            end = Some(to);
        }
        if end.is_some() {
            let _ = write!(path, "V{HEIGHT}");
        }
        push_path(&mut self.shapes, class, &path);
    }

    /// Adds a lane above the area: a mark for each, where it is and how high, 0 to 1.
    pub(super) fn lane(&mut self, class: &str, name: &str, marks: impl IntoIterator<Item = (f64, f64)>) {
        let mut path = String::new();
        for (x, share) in marks {
            let (x, top) = ((self.x.place(x) * WIDTH).round(), ((1.0 - share.clamp(0.0, 1.0)) * HEIGHT).round());
            let _ = write!(path, "M{x} {HEIGHT}V{top}");
        }
        let mut shapes = String::new();
        push_path(&mut shapes, class, &path);
        let _ =
            write!(self.lanes, "<div class=\"lane\"><span class=\"lane-name\">{name}</span>{}</div>", svg("", &shapes));
    }

    /// The plot in HTML; `description` says what is seen.
    pub(super) fn html(&self, description: &str, x_ticks: &[Tick], y_ticks: &[Tick]) -> String {
        let mut grid = String::new();
        for (value, _) in y_ticks {
            let (_, y) = self.point((0.0, *value));
            let _ = write!(grid, "M0 {y}H{WIDTH}");
        }
        let mut shapes = String::new();
        push_path(&mut shapes, "grid", &grid);
        shapes.push_str(&self.shapes);
        let mut html = format!("<div class=\"frame\">{}<div class=\"area\">{}", self.lanes, svg(description, &shapes));
        for (value, words) in y_ticks {
            let _ =
                write!(html, "<span class=\"y\" style=\"bottom:{:.2}%\">{words}</span>", self.y.place(*value) * 100.0);
        }
        html.push_str("</div><div class=\"ticks\">");
        for (value, words) in x_ticks {
            let place = self.x.place(*value) * 100.0;
            let _ = write!(html, "<span class=\"x\" style=\"left:{place:.2}%\">{words}</span>");
        }
        html.push_str("</div></div>\n");
        html
    }
}

fn push_path(shapes: &mut String, class: &str, path: &str) {
    if !path.is_empty() {
        let _ = write!(shapes, "<path class=\"{class}\" d=\"{path}\"/>");
    }
}

/// An image that stretches; without a description it is an ornament.
fn svg(description: &str, shapes: &str) -> String {
    let role = match description {
        "" => "aria-hidden=\"true\"".to_owned(),
        description => format!("role=\"img\" aria-label=\"{description}\""),
    };
    format!("<svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" preserveAspectRatio=\"none\" {role}>{shapes}</svg>")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_where_the_scales_put_them_and_a_gap_interrupts_a_line() {
        let mut plot = Plot::new(Scale::up_to(10.0), Scale::up_to(4.0));
        plot.line("a", [Some((0.0, 0.0)), Some((5.0, 1.0)), None, Some((10.0, 8.0))]);
        plot.uprights("b", [(5.0, 1.0, 2.0), (10.0, 3.0, 3.0)]);
        plot.lane("c", "lost", [(2.5, 0.3), (5.0, 7.0)]);
        plot.band("d", 5.0, 20.0);
        let bars = [([0.0, 1.0], 2.0), ([1.0, 2.0], 1.0)];
        plot.bars("e", bars);
        plot.steps("f", bars.into_iter().chain([([4.0, 5.0], 4.0)]));
        let html = plot.html("what", &[(0.0, "0".to_owned()), (10.0, "10 s".to_owned())], &[(2.0, "2 ms".to_owned())]);
        for part in [
            "<path class=\"a\" d=\"M0 1000h0L5000 750M10000 0h0\"/>",
            "<path class=\"b\" d=\"M5000 750V500M10000 250V249\"/>",
            "<path class=\"c\" d=\"M2500 1000V700M5000 1000V0\"/>",
            "<path class=\"grid\" d=\"M0 500H10000\"/>",
            "<span class=\"y\" style=\"bottom:50.00%\">2 ms</span>",
            "<span class=\"x\" style=\"left:100.00%\">10 s</span>",
            "role=\"img\" aria-label=\"what\"",
            "<path class=\"d\" d=\"M5000 0H10000V1000H5000Z\"/>",
            "<path class=\"e\" d=\"M0 1000V500H1000V1000ZM1000 1000V750H2000V1000Z\"/>",
            "<path class=\"f\" d=\"M0 1000V500H1000V750H2000V1000M4000 1000V0H5000V1000\"/>",
        ] {
            assert!(html.contains(part), "{part} is not in {html}");
        }
    }
}
