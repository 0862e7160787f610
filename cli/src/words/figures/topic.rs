//! What `--explain` can be asked for: figures, and words that are needed to read them.

use std::str::FromStr;

use super::quantity::Quantity;
use super::scope::{Scope, Statistic};
use super::texts::{ENTRIES, Entry};

use crate::words::spelling::nearest;

/// A figure or a word that has an explanation.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Topic(&'static Entry);

impl Topic {
    /// All of them, in the order in which they are listed.
    pub(crate) fn all() -> impl Iterator<Item = Self> {
        ENTRIES.iter().map(Self)
    }

    /// Its name.
    pub(crate) fn name(self) -> &'static str {
        self.0.name
    }

    /// What it is, in a few words.
    pub(crate) fn summary(self) -> &'static str {
        self.0.summary
    }

    /// Where it is defined; empty for words of our own.
    pub(crate) fn source(self) -> &'static str {
        self.0.source
    }

    /// How it is computed, and what it does not say: lines of at most 80 characters.
    pub(crate) fn lines(self) -> &'static [&'static str] {
        self.0.lines
    }

    /// The names of the figures that it explains, in a line; empty for other words.
    pub(crate) fn names(self) -> String {
        let Some(quantity) = Quantity::of(self.0.name) else { return String::new() };
        let scopes = Scope::ALL.into_iter().filter(|scope| quantity.has(*scope));
        let names: Vec<_> = scopes.map(|scope| format!("{}{}", scope.prefix(), quantity.word())).collect();
        match quantity.is_distribution() {
            false => names.join(", "),
            true => format!("{}; each with .{}", names.join(", "), Statistic::ALL.map(Statistic::word).join(" .")),
        }
    }
}

impl FromStr for Topic {
    type Err = String;

    /// The name of a figure, of a part of one, or of a word: `rtt.p99` and `forward.delay` have the topics of `rtt` and `delay`.
    fn from_str(name: &str) -> Result<Self, String> {
        let (_, rest) = Scope::split(name);
        let without_statistic = rest.rsplit_once('.').filter(|(_, word)| Statistic::of(word).is_some());
        let candidates = [Some(name), Some(rest), without_statistic.map(|(word, _)| word)];
        let mut found = candidates.into_iter().flatten().filter_map(|word| Self::all().find(|it| it.name() == word));
        found.next().ok_or_else(|| {
            let names = || Self::all().map(Self::name);
            match nearest(rest, names()) {
                Some(meant) => format!("there is no figure '{name}'; did you mean {meant}?"),
                None => format!("there is no figure '{name}'; there are {}", names().collect::<Vec<_>>().join(", ")),
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::words::figures::figure::Figure;

    #[test]
    fn every_figure_has_an_explanation_that_is_found_by_its_full_name() {
        for figure in Figure::all() {
            let topic: Topic = figure.to_string().parse().unwrap();
            assert_eq!(topic.name(), figure.quantity.word());
        }
    }

    #[test]
    fn explanations_are_short_and_fit_a_terminal() {
        for topic in Topic::all() {
            let lines = topic.lines();
            assert!((3..=8).contains(&lines.len()), "{} has {} lines", topic.name(), lines.len());
            for line in lines.iter().copied().chain([topic.summary()]) {
                assert!(line.chars().count() <= 80, "{}: {line}", topic.name());
                assert!(line == line.trim() && !line.is_empty(), "{}: {line}", topic.name());
            }
            assert!(topic.name().len() + topic.summary().chars().count() <= 76, "{}", topic.name());
            assert!(topic.lines().concat().ends_with('.'), "{}", topic.name());
        }
    }

    #[test]
    fn every_figure_but_a_plain_count_of_ours_names_where_it_is_defined() {
        let ours = [Quantity::Sent, Quantity::Answered, Quantity::Late];
        for quantity in Quantity::ALL.into_iter().filter(|quantity| !ours.contains(quantity)) {
            let topic: Topic = quantity.word().parse().unwrap();
            assert!(!topic.source().is_empty(), "{}", topic.name());
        }
    }

    #[test]
    fn no_word_has_two_explanations() {
        let names: std::collections::HashSet<_> = Topic::all().map(Topic::name).collect();
        assert_eq!(names.len(), ENTRIES.len());
    }

    #[test]
    fn a_topic_lists_the_names_of_its_figures() {
        let names = |name: &str| name.parse::<Topic>().unwrap().names();
        assert_eq!(names("loss"), "loss, forward.loss, reverse.loss");
        assert_eq!(names("rtt"), "rtt; each with .min .mean .p50 .p90 .p99 .p999 .max");
        assert_eq!(names("forward"), "");
    }

    #[test]
    fn an_unknown_topic_is_an_error_that_says_what_was_meant() {
        assert_eq!(
            "residense".parse::<Topic>().unwrap_err(),
            "there is no figure 'residense'; did you mean residence?"
        );
        assert!("x".parse::<Topic>().unwrap_err().starts_with("there is no figure 'x'; there are sent, answered, "));
    }
}
