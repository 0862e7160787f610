//! What becomes of probes in the end, in the order in which they were sent.

use std::time::{Duration, Instant};

use super::figures::{MeasureFigures, OneWayCounts};
use super::flow::{Flow, lost_at};
use super::probe::{Answer, Probe, State};
use super::{Measure, MeasureOptions};
use crate::engine::Outbox;
use crate::event::{Event, ProbeFate, Probed};
use crate::path::LossRuns;

/// How long a kernel's send time is waited for, after a reply came.
const SEND_TIME: Duration = Duration::from_millis(20);

impl Measure {
    /// Settles the probes that are answered, failed, or without a reply up to this moment, as far as all before them are.
    pub(super) fn retire(&mut self, until: Instant, out: &mut impl Outbox) {
        let Self { options, flows, report, start, .. } = self;
        let Some(start) = start.map(|start| start.monotonic) else { return };
        for (place, flow) in flows.iter_mut().enumerate() {
            while let Some(probe) = flow.waiting.front()
                && is_settled(probe, until, options)
            {
                let fate = settle(&mut report.own, &mut flow.loss_runs, probe, start, options);
                report_probe((place, flow.first), probe, fate, start, options, out);
                flow.waiting.pop_front();
                flow.first += 1;
            }
        }
    }

    /// Settles, at the end, those that are answered behind one of which nothing is known. That one is left: it is neither answered
    /// nor lost.
    pub(super) fn settle_the_rest(&mut self, out: &mut impl Outbox) {
        let Self { options, flows, report, start, .. } = self;
        let Some(start) = start.map(|start| start.monotonic) else { return };
        for (place, flow) in flows.iter_mut().enumerate() {
            let first = std::mem::replace(&mut flow.first, flow.next);
            for (number, probe) in (first..).zip(std::mem::take(&mut flow.waiting)) {
                if matches!(probe.state, State::Waiting) {
                    flow.loss_runs.interrupt();
                    flow.waiting.push_back(probe);
                    continue;
                }
                let fate = settle(&mut report.own, &mut flow.loss_runs, &probe, start, options);
                report_probe((place, number), &probe, fate, start, options, out);
            }
        }
    }

    /// What is known of each direction, all flows together; nothing where one of them knows nothing.
    pub(super) fn directions(&self) -> Option<[OneWayCounts; 2]> {
        // A reflector that forgot one flow may have forgotten them all, and not all of them need to show it.
        let has_restarted = self.flows.iter().any(Flow::may_be_forgotten);
        let of_flows = self.flows.iter().map(|flow| flow.directions(has_restarted));
        of_flows.reduce(|sum, flow| {
            let ([forward, reverse], [more_forward, more_reverse]) = (sum?, flow?);
            Some([forward.and(&more_forward), reverse.and(&more_reverse)])
        })?
    }
}

/// Whether nothing more can change what becomes of a probe.
fn is_settled(probe: &Probe, until: Instant, options: &MeasureOptions) -> bool {
    match &probe.state {
        State::Failed => true,
        State::Answered(answer) => {
            !options.send_timestamps
                || probe.kernel.is_some()
                || until.saturating_duration_since(answer.arrived) > SEND_TIME
        }
        State::Waiting => until > lost_at(probe, options.wait),
    }
}

/// Reports what became of a probe, by its flow and its number, if that was asked for.
fn report_probe(
    (flow, number): (usize, u64),
    probe: &Probe,
    fate: ProbeFate,
    start: Instant,
    options: &MeasureOptions,
    out: &mut impl Outbox,
) {
    if options.report_probes {
        let sent = probe.sent.saturating_duration_since(start);
        out.emit(Event::Probe(Probed::new(flow, number, probe.due, sent, fate)));
    }
}

/// Counts what became of a probe.
fn settle(
    figures: &mut MeasureFigures,
    loss_runs: &mut LossRuns,
    probe: &Probe,
    start: Instant,
    options: &MeasureOptions,
) -> ProbeFate {
    if !matches!(probe.state, State::Failed) {
        figures.lateness.add(probe.sent.saturating_duration_since(start + probe.due));
    }
    match &probe.state {
        State::Failed => {
            loss_runs.interrupt();
            ProbeFate::Failed
        }
        State::Waiting => {
            figures.lost += 1;
            loss_runs.add(true);
            figures.load.iter_mut().for_each(|load| load.add(probe.due, &probe.state, None));
            ProbeFate::Lost
        }
        State::Answered(answer) => {
            figures.answered += 1;
            loss_runs.add(false);
            answered(figures, probe, *answer, start, options)
        }
    }
}

/// Measures the round trip of a probe that was answered.
fn answered(
    figures: &mut MeasureFigures,
    probe: &Probe,
    answer: Answer,
    start: Instant,
    options: &MeasureOptions,
) -> ProbeFate {
    let response = answer.arrived.saturating_duration_since(start + probe.due);
    figures.response.add(response);
    if options.send_timestamps {
        match probe.kernel {
            Some(delay) => figures.send_delay.add(delay),
            None => figures.without_send_time += 1,
        }
    }
    let round_trip = answer.arrived.checked_duration_since(probe.sent + probe.kernel.unwrap_or_default());
    let residence = if answer.is_echo { Some(Duration::ZERO) } else { answer.residence };
    let rtt = round_trip.zip(residence).and_then(|(round_trip, residence)| round_trip.checked_sub(residence));
    match rtt {
        Some(rtt) => {
            figures.rtt.add(rtt);
            answer.residence.into_iter().for_each(|residence| figures.residence.add(residence));
        }
        None => figures.impossible_times += 1,
    }
    figures.load.iter_mut().for_each(|load| load.add(probe.due, &probe.state, rtt));
    ProbeFate::Answered { rtt, response, residence: answer.residence.filter(|_| rtt.is_some()), delays: answer.delays }
}
