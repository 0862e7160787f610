//! What each figure means: its definition, how it is computed here, and what it does not say.

/// An explanation.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) name: &'static str,
    /// In a few words.
    pub(super) summary: &'static str,
    /// Where it is defined.
    pub(super) source: &'static str,
    pub(super) lines: &'static [&'static str],
}

/// All explanations: first the figures, then words.
pub(super) const ENTRIES: &[Entry] = &[
    Entry {
        name: "sent",
        summary: "probes that were handed to the network",
        source: "",
        lines: &[
            "Probes that the system took from us. A probe that it refused was never under",
            "way: it is reported apart, and is in no other figure. A closing question, which",
            "asks the reflector what it counted, is not a probe.",
        ],
    },
    Entry {
        name: "answered",
        summary: "probes whose answer came in time",
        source: "",
        lines: &[
            "Probes of which at least one answer came within --wait. However many copies of",
            "an answer come, the probe is answered once: copies never make up for a loss.",
            "Each probe sent is either answered or lost.",
        ],
    },
    Entry {
        name: "lost",
        summary: "probes that were lost: a count",
        source: "RFC 6673 (round trip), RFC 7680 (one way)",
        lines: &[
            "A probe is lost if no answer to it arrives within --wait. forward.lost are",
            "probes that never reached the reflector, reverse.lost are answers that it sent",
            "and that never came, answers to copies of probes included. With udp reflect both",
            "are exact, since it reports what it received and sent. With others the numbers",
            "of their answers tell, and where those do not suffice, an interval holds the",
            "true count. Does not say where on the way a probe was lost, nor by what.",
        ],
    },
    Entry {
        name: "loss",
        summary: "the part of the probes that was lost: a percentage",
        source: "RFC 6673 (round trip), RFC 7680 (one way)",
        lines: &[
            "loss is lost / sent. forward.loss is forward.lost / sent; reverse.loss is",
            "reverse.lost / answers that the reflector sent, and so has another base.",
            "Duplicates change none of them. Loss depends on --wait, on the size of the",
            "probes, on their rate and on their marks: it is that of these probes, not of",
            "the path. 0 lost of 1,000 still allows a loss of 0.3 % in the long run.",
        ],
    },
    Entry {
        name: "late",
        summary: "lost probes whose answer came after --wait",
        source: "",
        lines: &[
            "Probes whose first answer came, but later than --wait after they were sent.",
            "They are counted in lost as well: a program that waits as long would have given",
            "them up. If there are many, either --wait is short for this path, or a queue on",
            "it is long.",
        ],
    },
    Entry {
        name: "duplicates",
        summary: "copies that arrived besides the first: a count",
        source: "RFC 5560",
        lines: &[
            "Arrivals of what had arrived before. forward.duplicates are copies of probes",
            "that arrived at the reflector, reverse.duplicates copies of answers that arrived",
            "here. Without a direction: answers beyond the first of each probe, whichever way",
            "doubled them. Only udp reflect counts copies of probes; with other reflectors it",
            "is an interval. Copies are never counted as answers, losses or reordering.",
        ],
    },
    Entry {
        name: "duplication",
        summary: "duplicates in relation to what arrived: a percentage",
        source: "RFC 5560 section 5.2",
        lines: &[
            "Duplicates / different arrivals: in the direction named, or of the round trip",
            "duplicates / answered. 100 % means that each datagram came twice on average.",
            "Does not say whether a few came often or many came twice.",
        ],
    },
    Entry {
        name: "reordered",
        summary: "datagrams that arrived after a later one: a count",
        source: "RFC 4737 section 3.3",
        lines: &[
            "An arrival is reordered if one that was sent after it has arrived before it.",
            "In 1 2 5 3 4 these are 3 and 4: the late ones count, not the early one. Copies",
            "do not count. forward.reordered is counted where probes arrive, so only udp",
            "reflect knows it exactly; reverse.reordered is counted here, by the numbers of",
            "the answers. Does not say how far they were displaced.",
        ],
    },
    Entry {
        name: "reordering",
        summary: "reordered in relation to what arrived: a percentage",
        source: "RFC 4737 section 3.4",
        lines: &[
            "Reordered / different arrivals in that direction. It depends on the rate: what",
            "is sent back to back is overtaken sooner than what is sent 10 ms apart.",
            "Small reordering hurts little where a receiver sorts; see the extent in the",
            "table, which is how long its buffer must be.",
        ],
    },
    Entry {
        name: "rtt",
        summary: "round trip through the network, without the reflector's time",
        source: "RFC 2681, RFC 8762",
        lines: &[
            "(T4 - T1) - (T3 - T2): from the sending of a probe (T1) to the arrival of its",
            "first answer (T4), less the time that the reflector had it (T2 to T3). Each",
            "difference is of one clock, so clocks that disagree do not matter. Arrivals have",
            "the kernel's time. Percentiles are of probes that were answered; lost ones have",
            "none (see loss). Does not say how it is shared between both directions.",
        ],
    },
    Entry {
        name: "response",
        summary: "from when a probe was due until its answer was here",
        source: "RFC 2681, from the intended time of sending",
        lines: &[
            "T4 - the moment at which the probe was to be sent. What a user of the service",
            "waits: our own lateness, both ways through the network, and the time that the",
            "reflector had it. A reflector that stands still for a second shows here and in",
            "residence, though not in rtt. Since the schedule is fixed in advance, a stall is",
            "seen by every probe that falls into it, not by one only.",
        ],
    },
    Entry {
        name: "residence",
        summary: "time that the reflector had a probe",
        source: "RFC 8762 (T3 - T2)",
        lines: &[
            "T3 - T2: from the arrival of a probe at the reflector to the moment at which it",
            "made the answer. If it is large, the reflector's host is slow, not the network.",
            "Needs a reflector that takes T2 from its kernel and T3 late, as udp reflect",
            "does; others may take both at once, and then their delay shows in rtt.",
        ],
    },
    Entry {
        name: "lateness",
        summary: "how late we were in sending",
        source: "RFC 2330 section 10.2 (wire time)",
        lines: &[
            "From the moment at which a probe was to be sent to that at which it was. It is",
            "no part of rtt, but of response. If it is above the interval of the probes, this",
            "host could not keep the rate, which is reported too.",
            "A longer --busy-wait makes it smaller, and takes more processor time.",
        ],
    },
    Entry {
        name: "delay",
        summary: "one-way delay, as far as both clocks allow",
        source: "RFC 7679",
        lines: &[
            "forward: T2 - T1, reverse: T4 - T3. These are times of two clocks: the offset",
            "between them is in both, with opposite signs, and so values can be negative.",
            "They are printed as they are; clock.bound says how wrong they may be. The sum of",
            "both directions is right in any case, and so is how each varies (variation).",
            "Only clocks that are kept together by other means (PTP, GNSS) tell asymmetry.",
        ],
    },
    Entry {
        name: "variation",
        summary: "one-way delay above the smallest one (PDV)",
        source: "RFC 5481 section 4.2, RFC 3393",
        lines: &[
            "The delay of each datagram less the smallest delay of that direction. The offset",
            "between both clocks drops out, so it needs no synchronised clocks; drift does",
            "not, which is reported. p99 is the size of the buffer with which a player would",
            "have 99 % of what arrives in time. Mostly it is the time in queues.",
        ],
    },
    Entry {
        name: "ipdv",
        summary: "change of delay from one datagram to the next, up or down",
        source: "RFC 3393, RFC 5481 section 4.1",
        lines: &[
            "The delay of a datagram less that of the one sent before it, both arrived, by",
            "its size: whether it grew or shrank is left out, since both make up for each",
            "other and the mean would be 0. Needs no synchronised clocks. In the order of",
            "sending, so that reordering does not make it smaller.",
        ],
    },
    Entry {
        name: "rtp-jitter",
        summary: "interarrival jitter as RTP computes it",
        source: "RFC 3550 section 6.4.1, appendix A.8",
        lines: &[
            "J += (|D| - J) / 16 with each arrival, D being the change of delay. The last",
            "value: of the last 50 datagrams or so, not of the run. It is here because",
            "telephones and iperf report it; variation says more. In the order of arrival, as",
            "the RFC has it.",
        ],
    },
    Entry {
        name: "mos",
        summary: "quality of a call: 1 (bad) to 4.5 (best that there is)",
        source: "ITU-T G.107, annex B",
        lines: &[
            "An estimate of how people would judge a call, from r-factor. 4.3 and more: very",
            "satisfied; 4.0: satisfied; 3.6: some are not; 3.1: many are not. Its inputs are",
            "beside it in JSON. It is about speech with G.711, which conceals losses, not",
            "about games, video or this path in general. Unknown where r-factor is.",
        ],
    },
    Entry {
        name: "r-factor",
        summary: "quality of a call by the E-model: 0 to 93.2",
        source: "ITU-T G.107",
        lines: &[
            "93.2, less what delay and loss take from it. Delay is half of the median round",
            "trip and a buffer for 99.9 % of what arrives (variation), since clocks do not",
            "tell more of one way. Loss is that of the direction, and weighs more where it",
            "comes in bursts. Unknown where the loss of the direction is an interval.",
        ],
    },
    Entry {
        name: "clock.offset",
        summary: "how far the reflector's clock is ahead of ours",
        source: "RFC 5905 section 8",
        lines: &[
            "((T2 - T1) + (T3 - T4)) / 2 of the probe with the smallest round trip. Below 0:",
            "the reflector's clock is behind. It assumes that both ways take as long; how",
            "wrong that can make it is clock.bound. If a clock was stepped during the run,",
            "that is reported, and what depends on the offset is withheld.",
        ],
    },
    Entry {
        name: "clock.bound",
        summary: "how wrong clock.offset can be at most",
        source: "RFC 5905 section 8",
        lines: &[
            "The true offset is within clock.offset - clock.bound and + clock.bound: no",
            "datagram is faster than time. It is at most half of the smallest round trip; the",
            "shares of both directions in it cannot be told apart without other clocks.",
        ],
    },
    Entry {
        name: "clock.drift",
        summary: "how much faster the reflector's clock runs than ours, in ppm",
        source: "RFC 5905",
        lines: &[
            "The change of the offset in the time of the run, in millionths: 10 ppm are 10 us",
            "in each second. Quartz clocks differ by 10 to 50 ppm if nothing steers them.",
            "Short runs, and queues that fill up during the run, make it inexact.",
        ],
    },
    Entry {
        name: "added-delay",
        summary: "what a load adds to the delay: beside it less before it",
        source: "RFC 2681, RFC 7679",
        lines: &[
            "With --load: a percentile of the probes beside the load less the same of those",
            "before it: of rtt, or of the delay of one direction, in which the offset of the",
            "clocks drops out. The range beside it holds the true value in 95 of 100 cases:",
            "a tenth of a second of probes counts as one value, since they meet the same",
            "queue, and clocks may run apart by 100 ppm. A load that the path carries without",
            "a queue adds nothing: see load-arrived before you call it a good path.",
        ],
    },
    Entry {
        name: "loaded-loss",
        summary: "the part of the probes beside the load that was lost",
        source: "RFC 6673",
        lines: &[
            "With --load: of the probes that were due beside the load, those without an",
            "answer within --wait. They share queues with the load, unless the network keeps",
            "flows apart or prefers the DSCP of the probes; the load has DSCP 0.",
        ],
    },
    Entry {
        name: "load-arrived",
        summary: "the part of the load that arrived at the reflector",
        source: "RFC 8972 section 4",
        lines: &[
            "With --load: datagrams of the load that udp reflect counted, copies included, in",
            "relation to those that were sent. Below 100 % the path was full: what it carried",
            "is arrived_bitrate, in the table and in JSON. At 100 % the load did not fill it,",
            "and what a larger one would add is not known.",
        ],
    },
    Entry {
        name: "grade",
        summary: "how much a load adds to the median round trip: A+ to F",
        source: "dslreports.com/faq/17930 (Bufferbloat Grades)",
        lines: &[
            "A+: less than 5 ms, A: less than 30 ms, B: less than 60 ms, C: less than 200 ms,",
            "D: less than 400 ms, F: 400 ms and more; there is no E. The scale of the speed",
            "test of DSLReports, which others have taken over. There it is the mean of both",
            "directions at full load; here it is of the load that was asked for, forward.",
        ],
    },
    Entry {
        name: "mtu",
        summary: "the longest datagram that passes, with its headers: the path's MTU",
        source: "RFC 8899 (search), RFC 1191 and RFC 8201 (path MTU)",
        lines: &[
            "Measured with --mtu, by probes that no router may fragment. A size passes once",
            "one probe of it is answered. It is too long once all its probes were lost, three",
            "at least, while those of the next shorter size between them came back, which",
            "chance does once in a million runs. What routers report is tried, not believed.",
            "mtu is of the way there and back; with udp reflect each way is known. Where",
            "loss leaves it open it is an interval. IP and UDP headers take 28 B of it, or",
            "48 B in IPv6. It does not say which hop is the narrow one, and is that of now.",
        ],
    },
    Entry {
        name: "forward",
        summary: "from us to the reflector; reverse is the way back",
        source: "RFC 8762",
        lines: &[
            "Names that begin with forward. are of the way of the probes to the reflector,",
            "those with reverse. of the way of its answers. Both may take different paths",
            "through the network. Figures without a direction are of the round trip.",
        ],
    },
    Entry {
        name: "reverse",
        summary: "from the reflector to us; forward is the way there",
        source: "RFC 8762",
        lines: &[
            "Names that begin with reverse. are of the way of the answers from the reflector",
            "to us. Their base are the probes that reached it: what was lost on the way there",
            "was never sent back, so it is no loss of this direction.",
        ],
    },
    Entry {
        name: "interval",
        summary: "[low, high]: the true count is one of these, or between them",
        source: "",
        lines: &[
            "A reflector that is not udp reflect does not report what arrived, so some counts",
            "cannot be known. Then the smallest and the largest that fit everything that was",
            "seen are reported. It is no estimate: the true count is never outside.",
            "A condition of --fail-if holds only if it does for all of the interval.",
        ],
    },
    Entry {
        name: "percentile",
        summary: "p50, p90, p99, p999: not exceeded by that part of the values",
        source: "RFC 2330 section 11.3",
        lines: &[
            "p99 is the smallest value that 99 % of the values do not exceed; p999 is that of",
            "99.9 %, p50 the median. Of datagrams that arrived: lost ones have no delay, and",
            "with 2 % lost, the p99 of all that were sent is a loss. A p99 needs a hundred",
            "values, a p999 a thousand: with fewer it is the largest.",
            "Values are kept with three digits.",
        ],
    },
];
