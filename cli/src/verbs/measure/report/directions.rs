//! Bars of what each direction lost, doubled and reordered; what is only known to lie in an interval is drawn as one.

use std::fmt::Write as _;

use super::page::{Legend, Page, figure};
use super::scale::round_up;
use crate::words::figures::{Known, Unit};

/// The smallest end of a scale: what is below is a short bar.
const LEAST_END: f64 = 0.01;

/// The bars.
pub(super) fn bars(page: &Page<'_>) -> String {
    let say = page.language;
    let title = say.pick("Each direction", "Setiap arah");
    let note = say.pick(
        "Full bars are known. A hatched part is an interval: the true value is somewhere in it, and this reflector does not tell where.",
        "Batang penuh diketahui pasti. Bagian yang diarsir adalah selang: nilai sebenarnya ada di dalamnya, dan reflektor ini tidak memberi tahu di mana.",
    );
    let groups = [
        (say.pick("Loss", "Kehilangan"), "loss", "lost"),
        (say.pick("Duplicates", "Duplikat"), "duplication", "duplicates"),
        (say.pick("Reordering", "Pengacakan urutan"), "reordering", "reordered"),
    ];
    let bars: String = groups.into_iter().map(|(name, share, count)| group(page, name, share, count)).collect();
    let legend = [
        Legend("forward", say.pick("forward: to the reflector", "pergi: ke reflektor")),
        Legend("reverse", say.pick("reverse: back", "pulang: kembali")),
    ];
    figure("directions", title, note, &legend, &format!("<div class=\"groups\">{bars}</div>\n"))
}

fn group(page: &Page<'_>, name: &str, share: &str, count: &str) -> String {
    let say = page.language;
    let directions = [("forward", say.pick("forward", "pergi")), ("reverse", say.pick("reverse", "pulang"))];
    let known = |direction: &str, what: &str| page.known(&format!("{direction}.{what}"));
    let ends = directions.iter().filter_map(|(direction, _)| known(direction, share));
    let most = ends.map(|known| if known.high.is_finite() { known.high } else { known.low }).fold(0.0, f64::max);
    let end = round_up(most.max(LEAST_END));
    let mut html = format!("<section class=\"group\"><h3>{name}</h3>");
    for (class, words) in directions {
        let value = match (known(class, share), known(class, count)) {
            (Some(share), Some(count)) => {
                format!("{} ({})", page.show(share, Unit::Share), page.show(count, Unit::Count))
            }
            (None, Some(count)) => page.show(count, Unit::Count),
            _ => say.pick("not known", "tidak diketahui").to_owned(),
        };
        let bar = known(class, share).map_or_else(String::new, |share| bar(class, share, end));
        let _ = write!(
            html,
            "<div class=\"bar-row\"><span class=\"bar-name\">{words}</span><span class=\"bar\">{bar}</span>\
             <span class=\"bar-value\">{value}</span></div>"
        );
    }
    let _ = write!(
        html,
        "<p class=\"bar-end\"><span>0</span><span>{}</span></p></section>",
        page.show(Known::exact(end), Unit::Share)
    );
    html
}

/// A bar from 0 to what is known, and on to what may be; a whisker at each end of an interval.
fn bar(class: &str, known: Known, end: f64) -> String {
    let percent = |value: f64| (value / end * 100.0).clamp(0.0, 100.0);
    let (low, high) = (percent(known.low), percent(known.high));
    let mut html = format!("<i class=\"sure {class}\" style=\"width:{low:.2}%\"></i>");
    if high > low {
        let _ = write!(html, "<i class=\"may {class}\" style=\"left:{low:.2}%;width:{:.2}%\"></i>", high - low);
    }
    html
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interval_is_drawn_as_one_and_what_has_no_end_reaches_the_end() {
        let exact = bar("forward", Known::exact(0.02), 0.1);
        assert_eq!(exact, "<i class=\"sure forward\" style=\"width:20.00%\"></i>");
        let within = bar("reverse", Known { low: 0.01, high: 0.05 }, 0.1);
        assert!(within.contains("<i class=\"sure reverse\" style=\"width:10.00%\"></i>"), "{within}");
        assert!(within.ends_with("<i class=\"may reverse\" style=\"left:10.00%;width:40.00%\"></i>"), "{within}");
        let open = bar("forward", Known { low: 0.0, high: f64::INFINITY }, 0.01);
        assert!(open.ends_with("style=\"left:0.00%;width:100.00%\"></i>"), "{open}");
    }
}
