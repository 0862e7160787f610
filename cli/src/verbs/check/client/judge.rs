//! The verdict on each point of a client, from runs of its command.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use udpkit::Interfaces;

use super::trial::{Answer, From, Script, Trial, run, run_refused};
use crate::args::CheckClientArgs;
use crate::verbs::check::bench::Bench;
use crate::verbs::check::bounds::Cut;
use crate::verbs::check::evidence::{escaped, large, payload_points, whole};
use crate::verbs::check::expected::quoted;
use crate::verbs::check::marks::{find, mark, shows};
use crate::verbs::check::point::{Judged, Point};
use crate::verbs::check::points::client as points;
use crate::words::units::{counted, human};

/// Words by which programs say that nobody listens, in lower case.
const REFUSALS: [&str; 6] = ["refus", "unreach", "nothing listens", "nobody listens", "not listening", "closed"];
/// How often a client is refused before it is said not to hear it.
const TRIES: u32 = 3;
/// The patience with a client that is refused: it may wait as long as where nobody answers.
const MORE: u32 = 2;

/// What is known of a client.
pub(super) struct Judge<'a> {
    args: &'a CheckClientArgs,
    server: SocketAddr,
    /// Another address of this host, which datagrams to the client can come from.
    other: Option<SocketAddr>,
    /// A run with an ordinary answer, and the mark of that.
    ordinary: Option<(Trial, String)>,
    /// A run without any answer.
    silent: Option<Trial>,
    /// The shortest time from a start to the first datagram.
    fastest: Option<Duration>,
}

impl<'a> Judge<'a> {
    pub(super) fn new(args: &'a CheckClientArgs, server: SocketAddr, interfaces: &Interfaces) -> Self {
        let other = other_address(server.ip(), interfaces).map(|ip| SocketAddr::new(ip, 0));
        Self { args, server, other, ordinary: None, silent: None, fastest: None }
    }

    /// Runs it once with an ordinary answer.
    pub(super) fn begin(&mut self, bench: &mut Bench) -> Result<(), Cut> {
        bench.begin();
        let mark = mark();
        let answers = [Answer::of_server(format!("answer {mark}"))];
        self.ordinary = Some((self.run(bench, &answers, &mark)?, mark));
        Ok(())
    }

    /// Judges each point that was asked for.
    pub(super) fn all(&mut self, bench: &mut Bench) {
        for point in points::ALL {
            if bench.wants(point) {
                let judged = self.point(bench, point);
                bench.judge(point, judged);
            }
        }
    }

    fn point(&mut self, bench: &mut Bench, point: &'static Point) -> Result<Judged, Cut> {
        bench.budget.check()?;
        let Some((ordinary, mark)) = &self.ordinary else {
            return Ok(Judged::not_seen("the first run of the command was not completed"));
        };
        let payloads: Vec<_> = ordinary.requests.iter().map(|came| came.payload.clone()).collect();
        if point.name == "sends" {
            return Ok(if payloads.is_empty() { sends_nothing(ordinary) } else { sends(&payloads) });
        }
        if payloads.is_empty() && !matches!(point.name, "ipv6") {
            return Ok(Judged::not_seen("it sent nothing"));
        }
        if let Some(judged) = payload_points(point, self.args.expect.as_deref(), &payloads) {
            return Ok(judged);
        }
        if point.name == "prints" {
            return Ok(prints(ordinary, mark));
        }
        bench.begin();
        match point.name {
            "stranger" => self.stranger(bench, From::OtherPort),
            "other-host" => match self.other {
                Some(other) => self.stranger(bench, From::Other(other)),
                None => Ok(Judged::not_seen("this host has no other address to answer from")),
            },
            "silence" => self.silence(bench),
            "retries" => self.retries(bench),
            "refused" => self.refused(bench),
            "empty" => self.empty(bench),
            "text" => self.text(bench),
            "escapes" => self.escapes(bench),
            "large" => self.large(bench),
            _ => self.ipv6(bench),
        }
    }

    /// Runs the command against a server that answers so.
    fn run(&mut self, bench: &mut Bench, answers: &[Answer], until: &str) -> Result<Trial, Cut> {
        let script = Script { answers, until, patience: self.args.judge.wait };
        let trial = run(bench, &self.args.judge.command, self.server, &script)?;
        self.fastest = [self.fastest, trial.begun].into_iter().flatten().min();
        Ok(trial)
    }

    /// How the client ended where it should not have, if the ordinary answer let it end otherwise.
    fn died(&self, trial: &Trial) -> Option<String> {
        let ordinary = self.ordinary.as_ref()?.0.status;
        (trial.has_failed() && trial.status != ordinary).then(|| trial.fate())
    }

    fn stranger(&mut self, bench: &mut Bench, from: From) -> Result<Judged, Cut> {
        let (false_mark, true_mark) = (mark(), mark());
        let lie = format!("answer {false_mark}");
        let answers =
            [Answer { from, payload: lie.clone().into_bytes() }, Answer::of_server(format!("answer {true_mark}"))];
        let trial = match self.run(bench, &answers, &true_mark) {
            // Not every system has more than one address of loopback.
            Err(Cut::System(error)) => {
                return Ok(Judged::not_seen(format!("no answer could be sent from another address: {error}")));
            }
            trial => trial?,
        };
        let who = match from {
            From::Other(other) => format!("{}, another host", other.ip()),
            From::Server | From::OtherPort => "another port".to_owned(),
        };
        Ok(match () {
            () if shows(&trial.printed, &false_mark, lie.as_bytes()) => {
                Judged::failed(format!("it printed '{lie}', which came from {who}"))
            }
            () if shows(&trial.printed, &true_mark, &answers[1].payload) => {
                Judged::passed(format!("it ignored an answer from {who}, and printed the server's"))
            }
            () => match self.died(&trial) {
                Some(fate) => Judged::failed(format!("an answer from {who} came before the server's: {fate}")),
                None => Judged::not_seen(format!("it printed neither answer; {}", trial.fate())),
            },
        })
    }

    /// The run without any answer; made once.
    fn silent(&mut self, bench: &mut Bench) -> Result<&Trial, Cut> {
        if self.silent.is_none() {
            self.silent = Some(self.run(bench, &[], "")?);
        }
        self.silent.as_ref().ok_or(Cut::Interrupted)
    }

    fn silence(&mut self, bench: &mut Bench) -> Result<Judged, Cut> {
        let wait = human(self.args.judge.wait);
        let trial = self.silent(bench)?;
        Ok(match trial.status {
            _ if trial.requests.is_empty() => Judged::not_seen("it sent nothing this time"),
            Some(_) => Judged::passed(trial.fate()),
            None => {
                Judged::failed(format!("nobody answered, and it was still waiting {wait} after its datagram (--wait)"))
            }
        })
    }

    fn retries(&mut self, bench: &mut Bench) -> Result<Judged, Cut> {
        let ordinary = self.ordinary.as_ref().map(|(trial, _)| trial.printed.clone()).unwrap_or_default();
        let trial = self.silent(bench)?;
        let is_new = |line: &str| !line.trim().is_empty() && find(&ordinary, line.as_bytes()).is_none();
        let printed = String::from_utf8_lossy(&trial.printed);
        Ok(match trial.status {
            _ if trial.requests.is_empty() => Judged::not_seen("it sent nothing this time"),
            _ if trial.requests.len() > 1 => Judged::passed(format!(
                "without an answer it sent {}",
                counted(trial.requests.len() as u64, "datagram")
            )),
            None => Judged::not_seen("it was still waiting, and had sent once"),
            Some(status) if !status.success() || printed.lines().any(is_new) => Judged::passed(trial.fate()),
            Some(_) => Judged::failed(format!(
                "it had sent once, and said nothing of an answer that did not come: {}",
                trial.fate()
            )),
        })
    }

    fn refused(&mut self, bench: &mut Bench) -> Result<Judged, Cut> {
        let Some(silent) = self.wait(bench)? else {
            return Ok(Judged::not_seen("it sent nothing where nobody answers"));
        };
        let mut shortest = None;
        for _ in 0..TRIES {
            let trial = run_refused(bench, &self.args.judge.command, self.server, self.args.judge.wait * MORE)?;
            let words = String::from_utf8_lossy(&trial.printed).to_lowercase();
            if REFUSALS.iter().any(|refusal| words.contains(refusal)) {
                return Ok(Judged::passed(trial.fate()));
            }
            let Some(status) = trial.status else {
                return Ok(Judged::failed(format!("nobody listened, and {}", trial.fate())));
            };
            if status.success() {
                return Ok(Judged::failed(format!(
                    "nobody listened, and it ended as if all were well: {}",
                    trial.fate()
                )));
            }
            // Its status says that something failed. That it heard of the refusal shows in how soon it ended: sooner than where
            // it waits for an answer, from its first datagram on.
            match silent {
                Some(wait) if trial.elapsed * 10 > wait * 8 => {
                    shortest = Some(shortest.map_or(trial.elapsed, |shortest: Duration| shortest.min(trial.elapsed)));
                }
                Some(_) | None => return Ok(Judged::passed(trial.fate())),
            }
        }
        let (wait, shortest) = (silent.unwrap_or_default(), shortest.unwrap_or_default());
        // A slow start takes the place of the wait.
        if wait < self.fastest.unwrap_or_default() * 2 {
            return Ok(Judged::not_seen("it waits so shortly that a refusal makes no difference"));
        }
        Ok(Judged::failed(format!(
            "it took {} to end, in each of {TRIES} runs no less than where it waits in vain ({}), and said nothing of a refusal",
            human(shortest),
            human(wait)
        )))
    }

    /// How long it waits for an answer, from its first datagram on, if it ends where none comes; `None` if it sent nothing.
    fn wait(&mut self, bench: &mut Bench) -> Result<Option<Option<Duration>>, Cut> {
        let silent = self.silent(bench)?;
        let wait = silent.begun.map(|begun| silent.status.map(|_| silent.elapsed.saturating_sub(begun)));
        bench.begin();
        Ok(wait)
    }

    fn empty(&mut self, bench: &mut Bench) -> Result<Judged, Cut> {
        let mark = mark();
        let answers = [Answer::of_server(""), Answer::of_server(format!("answer {mark}"))];
        let trial = self.run(bench, &answers, &mark)?;
        Ok(match (self.died(&trial), trial.status) {
            (Some(fate), _) => Judged::failed(format!("the answer was empty: {fate}")),
            _ if shows(&trial.printed, &mark, &answers[1].payload) => {
                Judged::passed("it went on, and printed the answer that followed")
            }
            (None, Some(_)) => Judged::passed("it took it for its answer, and ended as after any other"),
            (None, None) => Judged::not_seen(trial.fate()),
        })
    }

    fn text(&mut self, bench: &mut Bench) -> Result<Judged, Cut> {
        let mark = mark();
        let payload = [b"\xff\xfe\xc0 ", mark.as_bytes()].concat();
        let trial = self.run(bench, &[Answer::of_server(payload.clone())], &mark)?;
        Ok(match self.died(&trial) {
            Some(fate) => Judged::failed(format!("the answer was no UTF-8: {fate}")),
            None if shows(&trial.printed, &mark, &payload) => Judged::passed("it printed them in its way"),
            None => Judged::not_seen(format!("it printed nothing of them that could be found; {}", trial.fate())),
        })
    }

    fn escapes(&mut self, bench: &mut Bench) -> Result<Judged, Cut> {
        let (title, mark) = (mark(), mark());
        let payload = format!("\x1b]0;{title}\x07{mark}");
        let trial = self.run(bench, &[Answer::of_server(payload.clone())], &mark)?;
        Ok(escaped(&trial.printed, trial.is_on_terminal, &title, &mark, payload.as_bytes()))
    }

    fn large(&mut self, bench: &mut Bench) -> Result<Judged, Cut> {
        let (first, last) = (mark(), mark());
        let payload = large(&first, &last);
        let trial = self.run(bench, &[Answer::of_server(payload.clone())], &last)?;
        let died = self.died(&trial);
        Ok(died
            .map(|fate| Judged::failed(format!("an answer of 65,507 bytes: {fate}")))
            .unwrap_or_else(|| whole(&trial.printed, &first, &last).unwrap_or_else(|| Judged::not_seen(trial.fate()))))
    }

    fn ipv6(&self, bench: &mut Bench) -> Result<Judged, Cut> {
        if !self.args.judge.command.iter().any(|word| word.contains("{host}")) {
            return Ok(Judged::not_seen("the command has no {host}, so it cannot be told where the server is"));
        }
        let server = SocketAddr::new(IpAddr::V6(Ipv6Addr::LOCALHOST), self.server.port());
        let mark = mark();
        let answers = [Answer::of_server(format!("answer {mark}"))];
        let script = Script { answers: &answers, until: &mark, patience: self.args.judge.wait };
        let trial = match run(bench, &self.args.judge.command, server, &script) {
            Err(Cut::System(error)) => return Ok(Judged::not_seen(format!("no server at ::1: {error}"))),
            trial => trial?,
        };
        Ok(match () {
            () if trial.requests.is_empty() => Judged::failed(format!("it sent nothing to ::1: {}", trial.fate())),
            () if shows(&trial.printed, &mark, &answers[0].payload) => {
                Judged::passed("it asked ::1, and printed the answer")
            }
            () => Judged::not_seen(format!("it asked ::1, and printed nothing of the answer; {}", trial.fate())),
        })
    }
}

/// An address of this host, of the same family as the server's, which is another.
fn other_address(server: IpAddr, interfaces: &Interfaces) -> Option<IpAddr> {
    if server.is_loopback() && server.is_ipv4() {
        let second = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 2));
        return Some(if server == second { Ipv4Addr::LOCALHOST.into() } else { second });
    }
    let ours = interfaces.iter().flat_map(|interface| &interface.addresses).map(|address| address.ip);
    let is_linked = |ip: &IpAddr| matches!(ip, IpAddr::V6(v6) if v6.is_unicast_link_local());
    ours.filter(|ip| !is_linked(ip)).find(|ip| ip.is_ipv4() == server.is_ipv4() && *ip != server)
}

pub(super) fn sends(payloads: &[Vec<u8>]) -> Judged {
    Judged::passed(match payloads {
        [one] => format!("it sent {}", quoted(one)),
        [first, ..] => format!("it sent {}, the first: {}", counted(payloads.len() as u64, "datagram"), quoted(first)),
        [] => "it sent nothing".to_owned(),
    })
}

fn sends_nothing(trial: &Trial) -> Judged {
    Judged::failed(format!("no datagram came: {}", trial.fate()))
}

fn prints(trial: &Trial, mark: &str) -> Judged {
    let payload = format!("answer {mark}");
    match trial.status {
        _ if shows(&trial.printed, mark, payload.as_bytes()) => Judged::passed(format!("it printed '{payload}'")),
        Some(_) => Judged::failed(format!("it did not print '{payload}': {}", trial.fate())),
        None => Judged::not_seen(format!("it may not have printed all that it has in its buffers: {}", trial.fate())),
    }
}
