//! The names of impairments, the same in flags, files and JSON.

use crate::words::spelling::nearest;

/// What an impairment is called. In the order in which they apply to a datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Name {
    Match,
    From,
    Drop,
    Loss,
    DelayInBad,
    Blackout,
    Mtu,
    Duplicate,
    Corrupt,
    Rate,
    Trace,
    Queue,
    Codel,
    Delay,
    Jitter,
    AllowReorder,
    Reorder,
}

impl Name {
    /// All of them, in the order in which they apply.
    pub(crate) const ALL: [Self; 17] = [
        Self::Match,
        Self::From,
        Self::Drop,
        Self::Loss,
        Self::DelayInBad,
        Self::Blackout,
        Self::Mtu,
        Self::Duplicate,
        Self::Corrupt,
        Self::Rate,
        Self::Trace,
        Self::Queue,
        Self::Codel,
        Self::Delay,
        Self::Jitter,
        Self::AllowReorder,
        Self::Reorder,
    ];

    /// How it is written.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Match => "match",
            Self::From => "from",
            Self::Drop => "drop",
            Self::Loss => "loss",
            Self::DelayInBad => "delay-in-bad",
            Self::Blackout => "blackout",
            Self::Mtu => "mtu",
            Self::Duplicate => "duplicate",
            Self::Corrupt => "corrupt",
            Self::Rate => "rate",
            Self::Trace => "trace",
            Self::Queue => "queue",
            Self::Codel => "codel",
            Self::Delay => "delay",
            Self::Jitter => "jitter",
            Self::AllowReorder => "allow-reorder",
            Self::Reorder => "reorder",
        }
    }

    /// The impairment of this name.
    pub(crate) fn of(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|name| name.word() == word)
    }

    /// What to write instead of a word that is none of the names.
    pub(super) fn hint(word: &str) -> String {
        match nearest(word, Self::ALL.into_iter().map(Self::word)) {
            Some(name) => format!("did you mean {name}?"),
            None => format!("impairments are {}", Self::ALL.map(Self::word).join(", ")),
        }
    }

    /// What it is set to: how the help of a flag calls it.
    pub(crate) fn placeholder(self) -> &'static str {
        match self {
            Self::Match => "REGEX",
            Self::From => "NETWORKS",
            Self::Drop => "NUMBERS",
            Self::Loss => "LOSS",
            Self::Blackout => "TIMES",
            Self::Mtu => "BYTES",
            Self::Duplicate | Self::Corrupt => "CHANCE",
            Self::Rate => "RATE",
            Self::Trace => "FILE",
            Self::Queue => "SIZE",
            Self::Codel => "TIMES",
            Self::DelayInBad | Self::Delay => "DURATION",
            Self::Jitter => "JITTER",
            Self::AllowReorder => "",
            Self::Reorder => "REORDER",
        }
    }

    /// What it does, in a line; and its forms where one line does not tell them.
    pub(crate) fn help(self) -> (&'static str, Option<&'static str>) {
        match self {
            Self::Match => ("Impair only datagrams whose payload matches this regular expression", None),
            Self::From => ("Impair only datagrams of peers in these networks: 10.0.0.0/8,fd00::/8", None),
            Self::Drop => (
                "Lose chosen datagrams: 1,2,7-9 or every:10",
                Some("Numbers count the datagrams of a direction (those that --match and --from choose), from 1."),
            ),
            Self::Loss => (
                "Lose datagrams by chance: 5%, in bursts: burst:5%,4",
                Some(
                    "burst:5%,4 loses 5 % in bursts of 4 datagrams on average, however far apart in time they come. Also ge:P,R[,BAD[,GOOD]]: Gilbert-Elliott, with the chance to become bad, to become good again, and the loss while \
                     bad [default: 100%] and while good [default: 0%]. And pattern:FILE, a file of '.' (passes) and 'x' (lost), \
                     or the pattern itself: pattern:..x",
                ),
            ),
            Self::DelayInBad => ("While a network with bursts of loss is bad, delay datagrams by this much more", None),
            Self::Blackout => (
                "Lose everything for a while: every:30s,for:2s or at:10s,for:2s",
                Some(
                    "Times count from the start. With both, the first blackout is at one, and the next each time the other has passed.",
                ),
            ),
            Self::Mtu => ("Lose datagrams longer than this, headers included", None),
            Self::Duplicate => ("Deliver a copy of a datagram too, with this probability: 1%", None),
            Self::Corrupt => ("Invert one bit of a payload, with this probability: 0.1%", None),
            Self::Rate => {
                ("How fast the link is: 1Mbit/s", Some("Each datagram counts with 28 bytes of headers (IPv4, UDP)."))
            }
            Self::Trace => (
                "How fast the link is from millisecond to millisecond, from a trace in mahimahi's format",
                Some(
                    "A line for each 1,500 bytes that can be sent, with its time in milliseconds; repeated without end.",
                ),
            ),
            Self::Queue => (
                "How much waits for --rate or --trace: 64KiB, or a number of datagrams: 100",
                Some("Datagrams for which the queue has no room are lost. [default: 64KiB]"),
            ),
            Self::Codel => (
                "Keep the queue short with CoDel (RFC 8289): 5ms,100ms",
                Some("Datagrams that are ECN-capable are marked instead of lost, unless it is 5ms,100ms,no-ecn."),
            ),
            Self::Delay => ("Delay datagrams by this much", None),
            Self::Jitter => (
                "Vary the delay: 10ms, 10ms:normal, 10ms:pareto ...",
                Some(
                    "10ms alone is uniform: from 10 ms less to 10 ms more. 10ms:normal: with this standard deviation. 10ms:exponential: \
                     longer, with this mean. 10ms:pareto: longer, with this standard deviation and a heavy tail. The order is kept: \
                     no datagram leaves before an earlier one (--allow-reorder).",
                ),
            ),
            Self::AllowReorder => ("Let jitter change the order of datagrams", None),
            Self::Reorder => (
                "Let later datagrams overtake: 2%, or 3 of them: 2%,3",
                Some(
                    "The probability that a datagram is overtaken, by how many [default: 1], and how much later it leaves at the latest, \
                     if fewer follow: 2%,3,500ms [default: 1s].",
                ),
            ),
        }
    }

    /// What it can be set to, for errors.
    pub(super) fn forms(self) -> &'static str {
        match self {
            Self::Match => "a regular expression",
            Self::From => "networks: 10.0.0.0/8,fd00::/8",
            Self::Drop => "numbers from 1 such as 1,2,7-9, or every:10",
            Self::Loss => "5%, burst:5%,4, ge:P,R[,BAD[,GOOD]] or pattern:FILE",
            Self::Blackout => "every:30s,for:2s, at:10s,for:2s, or both: at:10s,every:30s,for:2s",
            Self::Mtu => "bytes, 28 or more, such as 1280",
            Self::Duplicate | Self::Corrupt => "a chance such as 5% or 0.05",
            Self::Rate => "bits per second, such as 64kbit/s or 5Mbit/s",
            Self::Trace => "the name of a file",
            Self::Queue => "a size with a unit, such as 64KiB, or a number of datagrams, such as 100",
            Self::Codel => "target and interval, such as 5ms,100ms, or 5ms,100ms,no-ecn",
            Self::DelayInBad | Self::Delay => "a duration such as 500us, 20ms or 1s",
            Self::Jitter => "10ms, 10ms:normal, 10ms:pareto or 10ms:exponential",
            Self::AllowReorder => "true",
            Self::Reorder => {
                "2%, 2%,3 or 2%,3,500ms: a chance, how many overtake, and how late it leaves at the latest"
            }
        }
    }
}
