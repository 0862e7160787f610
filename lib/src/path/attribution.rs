//! What is known of each direction where the reflector does not count: intervals that hold the truth.

use crate::bounds::Bounds;
use crate::setters::setters;

/// What the replies of a reflector that does not count for us have shown, at the end of a run; [`Replies`](super::Replies) makes it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Seen {
    /// Probes that were sent, each once; closing questions are not among them.
    pub sent: u64,
    /// Probes to which a reply came: different numbers of requests.
    pub answered: u64,
    /// Different replies to probes: pairs of a request's and a reply's number.
    pub replies: u64,
    /// Replies to probes that came after an equal one: duplicates of the way back, where the reflector counts its replies.
    pub repeated: u64,
    /// Replies that came so late that it is not known whether they are different; not among the others.
    pub undecided: u64,
    /// The highest number of a reply to a probe.
    pub highest: Option<u64>,
    /// Probes that arrived after a higher one, as far as the replies alone can bound it, those not answered left out.
    pub forward_reordered: Bounds,
    /// Replies that came after one with a higher number.
    pub reverse_reordered: u64,
    /// Whether a reply had another number than its request.
    pub is_counted: bool,
    /// The lowest number of a reply to a closing question, and whether all of these had the number of their request.
    pub closing: Option<(u64, bool)>,
    /// How often the reflector's numbers began anew.
    pub restarts: u64,
}

setters! { Seen {
    sent: u64,
    answered: u64,
    replies: u64,
    repeated: u64,
    undecided: u64,
    into highest: Option<u64>,
    forward_reordered: Bounds,
    reverse_reordered: u64,
    is_counted: bool,
    into closing: Option<(u64, bool)>,
    restarts: u64,
} }

/// How a reflector numbers its replies (RFC 8762 section 4), as they show.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Numbering {
    /// By a counter of its own for each session (stateful): lost requests and lost replies are distinguished.
    Stateful,
    /// Each reply has its request's number (stateless): they cannot be distinguished.
    Stateless,
    /// All replies have their requests' numbers, as those of a stateful reflector have where nothing is lost.
    Unknown,
    /// Its numbers began anew, or contradict each other: they say nothing.
    Broken,
    /// There was no reply.
    Silent,
}

/// What is known of one direction. Each is an interval that holds the truth.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct DirectionBounds {
    /// Datagrams that were sent in this direction and never arrived: probes forward, replies (those to duplicates too) back.
    pub lost: Bounds,
    /// Arrivals after the first of the same datagram.
    pub duplicates: Bounds,
    /// Different datagrams that arrived after one that was sent later (RFC 4737 section 3.3).
    pub reordered: Bounds,
}

/// What is known of both directions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Attribution {
    /// From us to the reflector.
    pub forward: DirectionBounds,
    /// Back from it.
    pub reverse: DirectionBounds,
    /// How the reflector numbers its replies.
    pub numbering: Numbering,
}

/// What is known of each direction from a reflector that does not count for us.
///
/// M probes were not answered. A stateful reflector made R replies: a reply to a closing question, an ordinary request after all
/// probes, has the number R, or a higher one where the reflector answered other closing questions before. U of them arrived, so at
/// most R - U did not; each was to one of the M probes, which then was not lost forward, or to a duplicate. So M - (R - U) to M
/// probes were lost forward, and exactly M where all replies arrived. Without the closing reply no number limits R, since nobody
/// knows what arrived after the last probe that was answered; from a stateless reflector only the round trip's loss is known.
///
/// The intervals hold whatever the network did, as long as it delivers no probe after the closing question, and the reflector answers
/// each request. A restart that no reply gives away (all replies before it were lost) is not noticed.
///
/// ```
/// use udpkit::{Bounds, path::{Numbering, Seen, attribute}};
///
/// // 100 probes, 93 answered, by 94 replies: one probe was doubled on its way. The closing reply says that there were 96.
/// let seen = Seen::default().sent(100).answered(93).replies(94).highest(94).is_counted(true).closing((96, false));
/// let known = attribute(&seen);
/// assert_eq!(known.numbering, Numbering::Stateful);
/// assert_eq!(known.forward.lost, Bounds::new(5, 7));
/// assert_eq!(known.reverse.lost, Bounds::new(1, 2));
/// assert_eq!(known.forward.duplicates, Bounds::new(1, 3));
/// ```
#[must_use]
pub fn attribute(seen: &Seen) -> Attribution {
    let numbering = seen.numbering();
    let (forward, reverse) = match numbering {
        Numbering::Stateful => seen.of_stateful(),
        Numbering::Stateless | Numbering::Unknown | Numbering::Broken | Numbering::Silent => seen.of_others(),
    };
    Attribution { forward, reverse, numbering }
}

impl Seen {
    fn numbering(&self) -> Numbering {
        let is_silent = self.answered == 0 && self.undecided == 0 && self.closing.is_none();
        match self.closing {
            _ if self.restarts > 0 => Numbering::Broken,
            _ if is_silent => Numbering::Silent,
            Some((_, true)) if self.is_counted => Numbering::Broken,
            Some((_, true)) => Numbering::Stateless,
            Some((_, false)) => Numbering::Stateful,
            None if self.is_counted => Numbering::Stateful,
            None => Numbering::Unknown,
        }
    }

    /// Probes that were not answered, at most.
    fn unanswered(&self) -> u64 {
        self.sent.saturating_sub(self.answered)
    }

    fn of_stateful(&self) -> (DirectionBounds, DirectionBounds) {
        let unanswered = self.unanswered();
        let made_at_least = self.highest.map_or(0, |highest| highest.saturating_add(1));
        // A probe that arrived after a closing question makes its number worthless.
        let made_at_most = self.closing.map(|(number, _)| number).filter(|number| *number >= made_at_least);
        let missing_at_least = made_at_least.saturating_sub(self.replies + self.undecided);
        let missing_at_most = made_at_most.map(|made| made.saturating_sub(self.replies));
        // Of the probes that were not answered, at most as many arrived as replies are missing.
        let may_have_arrived = missing_at_most.map_or(unanswered, |missing| missing.min(unanswered));
        let doubled = self.replies.saturating_sub(self.answered + self.undecided);
        let forward = DirectionBounds {
            lost: Bounds::new(unanswered.saturating_sub(may_have_arrived + self.undecided), unanswered),
            duplicates: Bounds::new(
                doubled + missing_at_least.saturating_sub(unanswered),
                made_at_most.map_or(u64::MAX, |made| made.saturating_sub(self.answered)),
            ),
            reordered: self.forward_reordered + Bounds::new(0, may_have_arrived),
        };
        let reverse = DirectionBounds {
            lost: Bounds::new(missing_at_least, missing_at_most.unwrap_or(u64::MAX)),
            duplicates: Bounds::new(self.repeated, self.repeated + self.undecided),
            reordered: Bounds::new(self.reverse_reordered, self.reverse_reordered + self.undecided),
        };
        (forward, reverse)
    }

    /// Of a reflector whose numbers say nothing of the directions.
    fn of_others(&self) -> (DirectionBounds, DirectionBounds) {
        let arrived = self.replies + self.repeated + self.undecided;
        let forward = DirectionBounds {
            lost: Bounds::new(0, self.unanswered()),
            duplicates: Bounds::at_least(0),
            reordered: Bounds::new(0, self.sent.saturating_sub(1)),
        };
        let reverse = DirectionBounds {
            lost: Bounds::at_least(0),
            duplicates: Bounds::new(0, arrived.saturating_sub(self.answered)),
            reordered: Bounds::new(0, arrived.saturating_sub(1)),
        };
        (forward, reverse)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_lost_on_the_way_back_is_exact() {
        let seen = Seen::default().sent(100).answered(90).replies(95).highest(94).is_counted(true).closing((95, false));
        let known = attribute(&seen);
        assert_eq!((known.forward.lost, known.reverse.lost), (Bounds::exact(10), Bounds::exact(0)));
        assert_eq!(known.forward.duplicates, Bounds::exact(5));
    }

    #[test]
    fn without_a_closing_reply_the_last_probes_are_unknown() {
        let seen = Seen::default().sent(100).answered(90).replies(95).highest(97).is_counted(true);
        let known = attribute(&seen);
        assert_eq!((known.forward.lost, known.reverse.lost), (Bounds::new(0, 10), Bounds::at_least(3)));
        assert_eq!((known.forward.duplicates, known.numbering), (Bounds::at_least(5), Numbering::Stateful));
    }

    #[test]
    fn numbers_that_say_nothing_give_the_round_trip_alone() {
        let seen = Seen::default().sent(100).answered(90).replies(90).highest(99).repeated(3);
        for (seen, numbering) in [
            (seen.clone(), Numbering::Unknown),
            (seen.clone().closing((1_000_100, true)), Numbering::Stateless),
            (seen.clone().is_counted(true).restarts(1), Numbering::Broken),
            (seen.clone().is_counted(true).closing((1_000_100, true)), Numbering::Broken),
        ] {
            let known = attribute(&seen);
            assert_eq!((known.numbering, known.forward.lost), (numbering, Bounds::new(0, 10)));
            assert_eq!((known.reverse.lost, known.reverse.duplicates), (Bounds::at_least(0), Bounds::new(0, 3)));
        }
        let silent = attribute(&Seen::default().sent(7));
        assert_eq!((silent.numbering, silent.forward.lost), (Numbering::Silent, Bounds::new(0, 7)));
        // What is answered was not lost, whatever the numbers say.
        assert_eq!(attribute(&Seen::default().sent(7).answered(7).replies(7)).forward.lost, Bounds::exact(0));
    }

    #[test]
    fn a_reflector_that_lies_costs_no_panic() {
        for number in [0, 1, u64::MAX] {
            let seen = Seen::default().sent(3).answered(number.min(9)).replies(2).highest(number).is_counted(true);
            let _ = (attribute(&seen), attribute(&seen.clone().closing((number, false)).undecided(9)));
        }
    }
}
