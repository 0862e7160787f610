//! What changes while a relay runs: by its scenario, by its inputs, and as peers fall silent.

use std::io;
use std::net::SocketAddr;
use std::time::Instant;

use super::links::Passage;
use super::options::{Injection, LinkChange, RelayInput, RelayOptions, RelayScenario, ScenarioStep};
use super::{RelayEngine, check_links, later};
use crate::datagram::Transmit;
use crate::direction::Direction;
use crate::engine::Outbox;
use crate::error::{Attempt, Error, Result};
use crate::event::{Event, Impaired, PeerChange, Trouble};
use crate::impairment::ImpairmentOptions;
use crate::network::Network;
use crate::report::Report;

impl RelayEngine {
    /// Does what it is handed.
    pub(super) fn steer(&mut self, now: Instant, input: RelayInput, out: &mut impl Outbox) -> Result<()> {
        match input {
            RelayInput::Impair(change) => self.impair(now, *change, out),
            RelayInput::Forget(network) => {
                self.take_links_of(network, now, out);
                Ok(())
            }
            RelayInput::Scenario(scenario) => self.begin_scenario(now, *scenario, out),
            RelayInput::Target(target) => {
                self.change_target(target, out);
                Ok(())
            }
            RelayInput::Pause(direction) => {
                self.links(now).pause(direction, true);
                Ok(())
            }
            RelayInput::Resume(direction) => {
                self.links(now).pause(direction, false);
                Ok(())
            }
            RelayInput::Step(direction) => {
                self.links(now).step(direction);
                Ok(())
            }
            RelayInput::Inject(injection) => self.inject(now, &injection, out),
            RelayInput::Reset => {
                self.reset(now, out);
                Ok(())
            }
        }
    }

    fn begin_scenario(&mut self, now: Instant, scenario: RelayScenario, out: &mut impl Outbox) -> Result<()> {
        let RelayScenario { up, down, mut peers, steps } = scenario;
        peers.truncate(RelayOptions::MOST_NETWORKS);
        check_links(&up, &down, &peers, &steps)?;
        let owners: Vec<_> = self.links(now).own().map(|(network, _)| network).collect();
        for network in owners {
            if !peers.iter().any(|peer| peer.network == network) {
                self.take_links_of(network, now, out);
            }
        }
        let own = peers.iter().map(|peer| (Some(peer.network), &peer.up, &peer.down));
        let all = || [(None, &up, &down)].into_iter().chain(own.clone());
        for (network, up, down) in all() {
            self.links(now).change(network, Direction::Up, up.clone())?;
            self.links(now).change(network, Direction::Down, down.clone())?;
        }
        self.links(now).sort_as(&peers);
        self.assign_links();
        for (network, ..) in all() {
            Direction::ALL.iter().for_each(|&direction| self.report_link(now, network, direction, out));
        }
        self.set_scenario(steps.clone());
        (self.options.up, self.options.down, self.options.peers) = (up, down, peers);
        self.options.scenario = steps;
        self.take_steps(now, out);
        Ok(())
    }

    /// Lets a link do something else from now on.
    fn impair(&mut self, now: Instant, change: LinkChange, out: &mut impl Outbox) -> Result<()> {
        let LinkChange { network, direction, options } = change;
        if !self.links(now).change(network, direction, options)? {
            self.report_link(now, network, direction, out);
            return Ok(());
        }
        self.assign_links();
        for &direction in Direction::ALL {
            self.report_link(now, network, direction, out);
        }
        Ok(())
    }

    /// Reports what a link does from now on.
    fn report_link(&self, now: Instant, network: Option<Network>, direction: Direction, out: &mut impl Outbox) {
        let Some(links) = &self.links else { return };
        let Some(place) = links.place(network) else { return };
        let changed = Impaired::new(direction, links.pair(place).link(direction).impairment().options(), now);
        out.emit(Event::Impaired(Impaired { network, ..changed }));
    }

    fn take_links_of(&mut self, network: Network, now: Instant, out: &mut impl Outbox) {
        let Some(place) = self.links(now).place(Some(network)) else { return };
        self.give_up(place, now, out);
        self.links(now).remove(place);
        self.assign_links();
        for &direction in Direction::ALL {
            let nothing = ImpairmentOptions::default();
            let changed = Impaired::new(direction, &nothing, now);
            out.emit(Event::Impaired(Impaired { network: Some(network), options: None, ..changed }));
        }
    }

    /// Gives each peer the links that are its own now.
    fn assign_links(&mut self) {
        let Some(links) = &self.links else { return };
        for peer in self.peers.iter_mut() {
            peer.link = links.of(peer.reply.destination.ip());
        }
    }

    /// Takes the steps of the scenario whose time has come.
    pub(super) fn take_steps(&mut self, now: Instant, out: &mut impl Outbox) {
        let began = *self.scenario_began.get_or_insert(now);
        while let Some(step) = self.scenario.get(self.scenario_taken)
            && later(began, step.at) <= now
        {
            let change = step.change.clone();
            self.scenario_taken += 1;
            if let Err(error) = self.impair(now, change, out) {
                out.emit(Event::Trouble(Trouble { error: &error }));
            }
        }
    }

    /// Whether a step is to be taken before something that comes now is decided on.
    pub(super) fn has_due_step(&self, now: Instant) -> bool {
        let is_due = |step: &ScenarioStep| self.scenario_began.is_none_or(|began| later(began, step.at) <= now);
        self.scenario.get(self.scenario_taken).is_some_and(is_due)
    }

    /// When the next step is to be taken.
    pub(super) fn next_step(&self) -> Option<Instant> {
        let step = self.scenario.get(self.scenario_taken)?;
        Some(later(self.scenario_began?, step.at))
    }

    /// Forgets peers for which nothing was relayed for long.
    pub(super) fn expire(&mut self, now: Instant, out: &mut impl Outbox) {
        while self.peers.next_expiry(self.options.idle).is_some_and(|due| due <= now) {
            match self.peers.oldest() {
                Some((since, oldest)) if later(since, self.options.idle) <= now => {
                    self.forget(oldest, PeerChange::Expired, out);
                }
                _ => return,
            }
        }
    }

    fn change_target(&mut self, target: SocketAddr, out: &mut impl Outbox) {
        let is_other_family = target.is_ipv4() != self.options.target.is_ipv4();
        self.set_target(target);
        if is_other_family {
            let upstreams: Vec<_> = self.peers.upstreams().collect();
            upstreams.into_iter().for_each(|upstream| self.forget(upstream, PeerChange::Lost, out));
        }
    }

    fn inject(&mut self, now: Instant, injection: &Injection, out: &mut impl Outbox) -> Result<()> {
        let Injection { direction, peer: address, ref payload } = *injection;
        let found = self.peers.find(address).and_then(|upstream| Some((upstream, self.peers.get(upstream)?)));
        let Some((upstream, peer)) = found else {
            let cause = io::Error::new(io::ErrorKind::NotFound, "there is no such peer");
            return Err(Error::new(Attempt::Other("inject a datagram for"), address, cause));
        };
        let (via, transmit) = match direction {
            Direction::Up => {
                let hops = self.is_to_many.then(|| self.most_hops_to_many());
                (upstream, Transmit::to(self.options.target).hop_limit(hops))
            }
            Direction::Down => (peer.via, peer.reply),
        };
        let place = peer.link;
        let passage = Passage { direction, place, upstream, peer: address, via, transmit, entered: now };
        self.report.own.of_mut(direction).injected += 1;
        self.forward(&passage, payload, payload.len(), out);
        Ok(())
    }

    fn reset(&mut self, now: Instant, out: &mut impl Outbox) {
        self.give_up_all(now, out);
        let paused: Vec<_> = Direction::ALL.iter().map(|direction| self.links(now).is_paused(*direction)).collect();
        self.relayed_before += self.report.own.up.received.datagrams + self.report.own.down.received.datagrams;
        self.report = Report::default();
        self.report.own.peers_ever = self.peers.len() as u64;
        self.links = None;
        for (&direction, paused) in Direction::ALL.iter().zip(paused) {
            self.links(now).pause(direction, paused);
        }
        self.assign_links();
        self.set_scenario(self.options.scenario.clone());
        let RelayOptions { up, down, peers, .. } = &self.options;
        let own = peers.iter().map(|peer| (Some(peer.network), &peer.up, &peer.down));
        for (network, up, down) in [(None, up, down)].into_iter().chain(own) {
            for (direction, options) in [(Direction::Up, up), (Direction::Down, down)] {
                let changed = Impaired::new(direction, options, now);
                out.emit(Event::Impaired(Impaired { network, is_reset: true, ..changed }));
            }
        }
        self.take_steps(now, out);
    }
}
