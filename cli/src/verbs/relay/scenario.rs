//! What the links of a relay do: by the flags, and by a scenario file (docs/relay.md), which is checked as a whole.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Result;
use toml::de::{DeTable, DeValue};
use udpkit::verbs::{
    Direction, LinkChange, Network, PeerImpairments, RelayInput, RelayOptions, RelayScenario, ScenarioStep,
};

use crate::args::RelayArgs;
use crate::hint::Hint;
use crate::runtime::tables::{self, Checked, Mistake, Value, known_keys, string, table};
use crate::words::impairments::presets::Preset;
use crate::words::impairments::{self, Changes, Files, Words};
use crate::words::units;

/// Bytes of a scenario file.
const MOST_BYTES: usize = 1 << 20;
/// Changes of links in a scenario: a step for all also changes the links of networks that have their own.
const MOST_CHANGES: usize = 10_000;

const FILE_KEYS: [&str; 7] = ["seed", "like", "both", "up", "down", "peer", "at"];
const PEER_KEYS: [&str; 5] = ["network", "like", "both", "up", "down"];
const STEP_KEYS: [&str; 6] = ["time", "peer", "like", "both", "up", "down"];
/// The preset that takes all impairments away.
const NONE: &str = "none";

/// What links do from the start, and what changes when.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Plan {
    /// The seed that the file names.
    pub(super) seed: Option<u64>,
    /// The network that the links are like, before other words.
    pub(super) preset: Option<&'static Preset>,
    /// Whether a file says some of it.
    pub(super) has_file: bool,
    pub(super) start: Pair,
    /// Networks with links of their own.
    pub(super) peers: Vec<(Network, Pair)>,
    pub(super) steps: Vec<ScenarioStep>,
}

/// What a link does in each direction.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Pair {
    pub(super) up: Words,
    pub(super) down: Words,
}

/// Where a plan is from: flags, and a file, which may be read again.
#[derive(Clone, Debug, Default)]
pub(crate) struct Source {
    like: Option<&'static Preset>,
    flags: Layer,
    file: Option<PathBuf>,
}

/// What flags or a table change, direction by direction.
#[derive(Clone, Debug, Default, PartialEq)]
struct Layer {
    up: Changes,
    down: Changes,
}

/// A table of a file: where it is, and what it changes, when, for whom.
#[derive(Debug)]
struct Part {
    at: usize,
    /// None for the start.
    time: Duration,
    network: Option<Network>,
    layer: Layer,
}

/// Words that contradict each other, and in which direction.
type Contradiction = (Direction, impairments::Mistake);

/// What a command line asks for, and where that is from.
pub(super) fn of(args: &RelayArgs) -> Result<(Source, Plan)> {
    let source = Source::new(args);
    let plan = source.plan()?;
    Ok((source, plan))
}

impl Source {
    fn new(args: &RelayArgs) -> Self {
        let flags = &args.impairments;
        let layer = Layer { up: flags.both.clone().and(&flags.up), down: flags.both.clone().and(&flags.down) };
        Self { like: args.like, flags: layer, file: args.scenario.clone() }
    }

    /// Whether there is a file that can be read again.
    pub(super) fn has_file(&self) -> bool {
        self.file.is_some()
    }

    /// The plan; the file is read.
    pub(super) fn plan(&self) -> Result<Plan> {
        let Some(path) = &self.file else { return self.of_flags() };
        let folder = path.parent().unwrap_or_else(|| Path::new(""));
        tables::read("scenario", path, MOST_BYTES, |text| self.parse(text, folder))
    }

    fn of_flags(&self) -> Result<Plan> {
        let layer = Layer::like(self.like.map(Some)).and(&self.flags);
        let start = layer.words().map_err(|(direction, mistake)| {
            let message = format!("cannot impair what goes {direction}: {mistake}");
            match mistake.hint {
                Some(hint) => Hint::on(message, hint),
                None => anyhow::anyhow!(message),
            }
        })?;
        Ok(Plan { preset: self.like, start, ..Plan::default() })
    }

    /// The plan that a text says, or all that is wrong with it. Files that it names are in this folder. The flags win over
    /// what it says of the start.
    pub(crate) fn parse(&self, text: &str, folder: &Path) -> Result<Plan, Vec<Mistake>> {
        let document = tables::document(text)?;
        let file = document.get_ref();
        known_keys(file, "a scenario", &FILE_KEYS).map_err(|mistake| vec![mistake])?;
        let mut mistakes = Vec::new();
        let mut note = |mistake| mistakes.push(mistake);
        let seed = file.get("seed").and_then(|value| tables::seed(value).map_err(&mut note).ok());
        let preset = like(file).map_err(&mut note).ok().flatten().flatten();
        let own = sides(file, folder).map_err(&mut note).unwrap_or_default();
        let peers = parts(file, "peer", &mut note, |value| peer(value, folder));
        let mut steps = parts(file, "at", &mut note, |value| step(value, folder));
        if mistakes.is_empty() {
            steps.sort_by_key(|step| step.time);
            let preset = self.like.or(preset);
            let start = Layer::like(preset.map(Some)).and(&own);
            match start.words().map_err(|why| contradiction(first_side(file), why)) {
                Ok(_) => {
                    let plan = Plan { seed, preset, has_file: true, ..Plan::default() };
                    return plan.resolve(start.and(&self.flags), &peers, &steps).map_err(|mistake| vec![mistake]);
                }
                Err(mistake) => mistakes.push(mistake),
            }
        }
        mistakes.sort_by_key(|mistake| mistake.at);
        Err(mistakes)
    }
}

impl Plan {
    /// This plan with all that follows from what everybody's links do at the start, from the networks that have their own,
    /// and from the steps, which are in their order.
    fn resolve(mut self, mut base: Layer, peers: &[Part], steps: &[Part]) -> Checked<Self> {
        self.start = base.words().map_err(|(direction, mistake)| {
            Mistake::new(0, format!("with the flags of the command line, {direction}: {mistake}"))
        })?;
        let mut own = Vec::new();
        for Part { at, network, layer, .. } in peers {
            let pair = base.clone().and(layer).words().map_err(|why| contradiction(*at, why))?;
            let network = network.expect("a peer has one");
            if self.peers.iter().any(|(other, _)| *other == network) {
                return Err(Mistake::new(*at, format!("there is another [[peer]] for {network}")));
            }
            if self.peers.len() == RelayOptions::MOST_NETWORKS {
                return Err(Mistake::new(
                    *at,
                    format!("there are more than {} [[peer]]s", RelayOptions::MOST_NETWORKS),
                ));
            }
            own.push(layer.clone());
            self.peers.push((network, pair));
        }
        let mut now = self.start.clone();
        let mut peers_now: Vec<_> = self.peers.iter().map(|(_, pair)| pair.clone()).collect();
        for Part { at, time, network, layer } in steps {
            let changed = match network {
                None => {
                    base = base.and(layer);
                    None
                }
                Some(network) => {
                    let place = self.peers.iter().position(|(other, _)| other == network);
                    let place = place
                        .ok_or_else(|| Mistake::new(*at, format!("there is no [[peer]] whose network is {network}")))?;
                    own[place] = std::mem::take(&mut own[place]).and(layer);
                    Some(place)
                }
            };
            let wrong = |why| contradiction(*at, why);
            if changed.is_none() {
                let pair = base.words().map_err(wrong)?;
                self.steps.extend(now.replace(pair, *time, None));
            }
            for (place, own) in own.iter().enumerate() {
                if changed.is_none_or(|changed| changed == place) {
                    let pair = base.clone().and(own).words().map_err(wrong)?;
                    self.steps.extend(peers_now[place].replace(pair, *time, Some(self.peers[place].0)));
                }
            }
            if self.steps.len() > MOST_CHANGES {
                let message = format!(
                    "up to here these are more than {MOST_CHANGES} changes of links, the most that there can be"
                );
                return Err(Mistake::new(*at, message));
            }
        }
        Ok(self)
    }

    /// These options with what the plan says of links.
    pub(crate) fn apply(&self, options: RelayOptions) -> RelayOptions {
        let options = options.peers(self.of_peers()).scenario(self.steps.clone());
        options.up(self.start.up.options()).down(self.start.down.options())
    }

    /// What a relay is to be handed, so that it does this from now on.
    pub(super) fn input(&self) -> RelayInput {
        let scenario = RelayScenario::default().up(self.start.up.options()).down(self.start.down.options());
        RelayInput::Scenario(Box::new(scenario.peers(self.of_peers()).steps(self.steps.clone())))
    }

    /// What is different for peers of some networks.
    fn of_peers(&self) -> Vec<PeerImpairments> {
        let own = |(network, Pair { up, down }): &(Network, Pair)| {
            PeerImpairments::new(*network).up(up.options()).down(down.options())
        };
        self.peers.iter().map(own).collect()
    }
}

impl Pair {
    fn changes(&self, network: Option<Network>) -> [LinkChange; 2] {
        let change = |direction, words: &Words| LinkChange::new(direction, words.options()).network(network);
        [change(Direction::Up, &self.up), change(Direction::Down, &self.down)]
    }

    /// Puts another pair in its place; the steps that do the same to the links.
    fn replace(&mut self, pair: Self, at: Duration, network: Option<Network>) -> Vec<ScenarioStep> {
        let is_new = [self.up != pair.up, self.down != pair.down];
        *self = pair;
        let changes = self.changes(network).into_iter().zip(is_new).filter(|(_, is_new)| *is_new);
        changes.map(|(change, _)| ScenarioStep::new(at, change)).collect()
    }
}

impl Layer {
    /// Like a preset and nothing else, or like a perfect network; without a choice, nothing changes.
    fn like(preset: Option<Option<&'static Preset>>) -> Self {
        match preset {
            None => Self::default(),
            Some(None) => Self { up: Changes::only(&Words::default()), down: Changes::only(&Words::default()) },
            Some(Some(preset)) => Self { up: Changes::only(&preset.up()), down: Changes::only(&preset.down()) },
        }
    }

    /// This one, and then another, which wins.
    fn and(self, other: &Self) -> Self {
        Self { up: self.up.and(&other.up), down: self.down.and(&other.down) }
    }

    fn is_empty(&self) -> bool {
        self.up.is_empty() && self.down.is_empty()
    }

    fn words(&self) -> Result<Pair, Contradiction> {
        let words = |direction, changes: &Changes| changes.clone().words().map_err(|mistake| (direction, mistake));
        Ok(Pair { up: words(Direction::Up, &self.up)?, down: words(Direction::Down, &self.down)? })
    }
}

fn contradiction(at: usize, (direction, mistake): Contradiction) -> Mistake {
    Mistake::new(at, format!("{direction}: {mistake}"))
}

/// Where the words of the start begin.
fn first_side(file: &DeTable<'_>) -> usize {
    let sides = ["both", "up", "down"].into_iter().filter_map(|key| Some(file.get(key)?.span().start));
    sides.min().unwrap_or(0)
}

/// What is read of each table of an array; what cannot be is noted.
fn parts(
    file: &DeTable<'_>,
    key: &str,
    note: &mut dyn FnMut(Mistake),
    read: impl Fn(&Value<'_>) -> Checked<Part>,
) -> Vec<Part> {
    let Some(value) = file.get(key) else { return Vec::new() };
    let Some(list) = value.get_ref().as_array() else {
        note(Mistake::of(value, format!("this begins with [[{key}]], in double brackets")));
        return Vec::new();
    };
    list.iter().filter_map(|value| read(value).map_err(&mut *note).ok()).collect()
}

fn peer(value: &Value<'_>, folder: &Path) -> Checked<Part> {
    let peer = table(value, "a peer", &PEER_KEYS)?;
    let network = peer.get("network").map(network).transpose()?;
    let network =
        network.ok_or_else(|| Mistake::of(value, "a peer needs a network, such as network = \"10.0.0.0/8\""))?;
    let layer = Layer::like(like(peer)?).and(&sides(peer, folder)?);
    Ok(Part { at: value.span().start, time: Duration::ZERO, network: Some(network), layer })
}

fn step(value: &Value<'_>, folder: &Path) -> Checked<Part> {
    let step = table(value, "a step", &STEP_KEYS)?;
    let time = step.get("time").ok_or_else(|| Mistake::of(value, "a step needs a time, such as time = \"10s\""))?;
    let time = units::duration(string(time, "time")?).map_err(|message| Mistake::of(time, message))?;
    let network = step.get("peer").map(network).transpose()?;
    let layer = Layer::like(like(step)?).and(&sides(step, folder)?);
    if layer.is_empty() {
        return Err(Mistake::of(value, "this step changes nothing: it needs like, both, up or down"));
    }
    Ok(Part { at: value.span().start, time, network, layer })
}

fn network(value: &Value<'_>) -> Checked<Network> {
    string(value, "network")?.parse().map_err(|message: String| Mistake::of(value, message))
}

/// The preset that a table names, if it names one; `none` is none.
fn like(table: &DeTable<'_>) -> Checked<Option<Option<&'static Preset>>> {
    let Some(value) = table.get("like") else { return Ok(None) };
    match string(value, "like")? {
        NONE => Ok(Some(None)),
        name => Preset::named(name).map(|preset| Some(Some(preset))).map_err(|message| Mistake::of(value, message)),
    }
}

/// What a table says of both directions, and of each, which wins.
fn sides(table: &DeTable<'_>, folder: &Path) -> Checked<Layer> {
    let side = |key| table.get(key).map_or_else(|| Ok(Changes::default()), |value| changes(value, key, folder));
    let (both, up, down) = (side("both")?, side("up")?, side("down")?);
    Ok(Layer { up: both.clone().and(&up), down: both.and(&down) })
}

fn changes(value: &Value<'_>, key: &str, folder: &Path) -> Checked<Changes> {
    let table = value.get_ref().as_table();
    let table = table.ok_or_else(|| Mistake::of(value, format!("'{key}' is a table, as in {{ loss = \"5%\" }}")))?;
    let text = |value: &Value<'_>| match value.get_ref() {
        DeValue::String(text) => Ok(text.to_string()),
        DeValue::Integer(number) if number.radix() == 10 => Ok(number.as_str().to_owned()),
        DeValue::Float(number) => Ok(number.as_str().to_owned()),
        DeValue::Boolean(is_true) => Ok(is_true.to_string()),
        _ => Err(Mistake::of(value, "an impairment is a text in quotes, such as \"5%\"")),
    };
    let texts = table.iter().map(|(name, value)| Ok((name.get_ref().as_ref(), text(value)?)));
    let texts = texts.collect::<Checked<Vec<_>>>()?;
    let pairs = texts.iter().map(|(name, text)| (*name, Some(text.as_str())));
    Changes::read(pairs, &Files::In(folder)).map_err(|mistake| {
        let found = mistake.name.as_deref().and_then(|name| table.get_key_value(name));
        let at = found.map_or_else(
            || value.span().start,
            |(name, value)| match mistake.is_unknown {
                true => name.span().start,
                false => value.span().start,
            },
        );
        match (mistake.is_unknown, &mistake.hint, &mistake.name) {
            (true, Some(hint), Some(name)) => Mistake::new(at, format!("there is no impairment '{name}'; {hint}")),
            _ => Mistake::new(at, mistake.message),
        }
    })
}

#[cfg(test)]
mod tests {
    use udpkit::impairment::ImpairmentOptions;

    use super::*;

    fn source(flags: &[(&str, &str)]) -> Source {
        let changes = Changes::read(flags.iter().map(|(name, text)| (*name, Some(*text))), &Files::In(Path::new("")));
        let changes = changes.unwrap();
        Source { like: None, flags: Layer { up: changes.clone(), down: changes }, file: None }
    }

    fn plan(text: &str) -> Plan {
        source(&[]).parse(text, Path::new("")).unwrap()
    }

    fn mistakes(text: &str) -> Vec<String> {
        source(&[]).parse(text, Path::new("")).unwrap_err().iter().map(|mistake| mistake.tell(text)).collect()
    }

    fn texts(words: &Words) -> String {
        words.iter().map(|(name, text)| format!("{}={text}", name.word())).collect::<Vec<_>>().join(" ")
    }

    /// Each step as people would say it.
    fn told(plan: &Plan) -> Vec<String> {
        let told = |step: &ScenarioStep| {
            let LinkChange { network, direction, options, .. } = &step.change;
            let network = network.map_or_else(|| "all".to_owned(), |network| network.to_string());
            format!("{:?} {network} {direction} {}", step.at, texts(&Words::of(options)))
        };
        plan.steps.iter().map(told).collect()
    }

    #[test]
    #[cfg(feature = "http")]
    fn a_scenario_that_was_written_is_the_plan_that_it_was_written_of() {
        let shared = r#"seed = 9
[both]
match = "a\"b\\\\\u001b\u007f\ud83d"
"#;
        let shared = shared.replace("\\ud83d", "\u{202e}");
        let text = format!(
            "{shared}rate = \"1Mbit/s\"\nallow-reorder = true\njitter = \"1ms\"\n[[peer]]\nnetwork = \"10.0.0.0/8\"\n\
             up.rate = \"none\"\ndown.loss = \"burst:5%,4\"\n[[peer]]\nnetwork = \"fd00::/8\"\nlike = \"none\"\n"
        );
        let before = plan(&text);
        let of = |pair: &Pair| [pair.up.clone(), pair.down.clone()];
        let own = before.peers.iter().map(|(network, pair)| (Some(*network), of(pair)));
        let links: Vec<_> = std::iter::once((None, of(&before.start))).chain(own).collect();
        let written = super::super::written::scenario(9, &links);
        assert_eq!(plan(&written), before, "{written}");
    }

    const GOOD: &str = r#"
seed = 7

[both]
delay = "40ms"

[up]
loss = "5%"
mtu = 1280

[[peer]]
network = "10.0.0.0/8"
up = { loss = "20%" }
down.delay = "none"

[[at]]
time = "30s"
like = "none"

[[at]]
time = "10s"
both = { duplicate = 0.01 }

[[at]]
time = "20s"
peer = "10.0.0.0/8"
up.loss = "50%"
"#;

    #[test]
    fn the_start_is_what_both_and_each_direction_say() {
        let plan = plan(GOOD);
        assert_eq!(plan.seed, Some(7));
        assert_eq!(texts(&plan.start.up), "loss=5% mtu=1280 delay=40ms");
        assert_eq!(texts(&plan.start.down), "delay=40ms");
    }

    #[test]
    fn a_peer_has_what_everybody_has_but_for_its_own_words() {
        let plan = plan(GOOD);
        let [(network, pair)] = plan.peers.as_slice() else { panic!("{plan:?}") };
        assert_eq!(network.to_string(), "10.0.0.0/8");
        assert_eq!(texts(&pair.up), "loss=20% mtu=1280 delay=40ms");
        assert_eq!(texts(&pair.down), "");
    }

    #[test]
    fn a_step_changes_what_it_names_in_the_order_of_time() {
        assert_eq!(
            told(&plan(GOOD)),
            [
                "10s all up loss=5% mtu=1280 duplicate=1% delay=40ms",
                "10s all down duplicate=1% delay=40ms",
                "10s 10.0.0.0/8 up loss=20% mtu=1280 duplicate=1% delay=40ms",
                "10s 10.0.0.0/8 down duplicate=1%",
                "20s 10.0.0.0/8 up loss=50% mtu=1280 duplicate=1% delay=40ms",
                "30s all up ",
                "30s all down ",
                "30s 10.0.0.0/8 up loss=50%",
                "30s 10.0.0.0/8 down ",
            ]
        );
    }

    #[test]
    fn flags_win_over_the_start_and_a_preset_comes_before_all() {
        let file = "like = 'dsl'\n[both]\nloss = '1%'\n[up]\ndelay = '1ms'";
        let plan = source(&[("loss", "9%")]).parse(file, Path::new("")).unwrap();
        assert_eq!(plan.preset.map(|preset| preset.name), Some("dsl"));
        assert_eq!(texts(&plan.start.up), "loss=9% rate=1Mbit/s queue=64KiB delay=1ms");
        assert_eq!(texts(&plan.start.down), "loss=9% rate=2Mbit/s queue=64KiB delay=2500us");

        let satellite = Source { like: Some(Preset::named("satellite").unwrap()), ..source(&[]) };
        let plan = satellite.parse(file, Path::new("")).unwrap();
        assert_eq!(texts(&plan.start.down), "loss=1% rate=100Mbit/s queue=64KiB delay=300ms");
    }

    #[test]
    fn flags_alone_are_a_plan_too_and_none_takes_away() {
        let dsl = Some(Preset::named("dsl").unwrap());
        let plan = Source { like: dsl, ..source(&[("rate", "none")]) }.plan().unwrap();
        assert_eq!(texts(&plan.start.up), "delay=2500us");
        let error = source(&[("queue", "64KiB")]).plan().unwrap_err().to_string();
        assert_eq!(
            error,
            "cannot impair what goes up: queue: nothing waits where the link has no rate: it needs rate or trace"
        );
    }

    #[test]
    fn the_library_gets_the_start_the_peers_and_the_steps() {
        let options = plan(GOOD).apply(RelayOptions::new(([127, 0, 0, 1], 9).into()));
        let down = ImpairmentOptions::default().delay(Duration::from_millis(40));
        assert_eq!(options.down, down);
        assert_eq!((options.peers.len(), options.scenario.len()), (1, 9));
        assert_eq!(options.peers[0].down, ImpairmentOptions::default());
    }

    #[test]
    fn a_mistake_is_told_with_its_place_and_what_is_allowed() {
        for (text, expected) in [
            ("los = 1", "line 1, column 1: a scenario has no 'los'; there are seed, like, both, up, down, peer, at"),
            ("[up]\nlos = '5%'", "line 2, column 1: there is no impairment 'los'; did you mean loss?"),
            (
                "[up]\nloss = '5'",
                "line 2, column 8: '5' is not a loss; write 5%, burst:5%,4, ge:P,R[,BAD[,GOOD]] or pattern:FILE, or none",
            ),
            ("[up]\nloss = ['5%']", "line 2, column 8: an impairment is a text in quotes, such as \"5%\""),
            ("up = '5%'", "line 1, column 6: 'up' is a table, as in { loss = \"5%\" }"),
            (
                "\n[up]\nqueue = '5'",
                "line 2, column 1: up: queue: nothing waits where the link has no rate: it needs rate or trace",
            ),
            (
                "like = 'lt'",
                "line 1, column 8: there is no preset 'lt'; there are dsl, lte, lte-bad, 3g, satellite, wifi-bad",
            ),
            ("[peer]\nnetwork = '::/0'", "line 1, column 1: this begins with [[peer]], in double brackets"),
            ("[[peer]]\nup.loss = '5%'", "line 1, column 1: a peer needs a network, such as network = \"10.0.0.0/8\""),
            (
                "[[peer]]\nnetwork = 'ten'",
                "line 2, column 11: 'ten' is not a network; write one as 10.1.0.0/16, 2001:db8::/32 or 10.1.2.3",
            ),
            (
                "[[peer]]\nnetwork = '10.1.2.3'\n[[peer]]\nnetwork = '10.1.2.3/32'",
                "line 3, column 1: there is another [[peer]] for 10.1.2.3/32",
            ),
            ("[[at]]\nup.loss = '5%'", "line 1, column 1: a step needs a time, such as time = \"10s\""),
            ("[[at]]\ntime = '10s'", "line 1, column 1: this step changes nothing: it needs like, both, up or down"),
            (
                "[[at]]\ntime = '10'\nup.loss = '5%'",
                "line 2, column 8: '10' has no unit, as in 10s; write one as 500us, 20ms, 1s or 1m30s",
            ),
            (
                "[[at]]\ntime = '1s'\npeer = '10.0.0.1'\nup.loss = '5%'",
                "line 1, column 1: there is no [[peer]] whose network is 10.0.0.1/32",
            ),
            (
                "[[at]]\ntime = '1s'\nup.codel = '5ms,100ms'",
                "line 1, column 1: up: codel: nothing waits where the link has no rate: it needs rate or trace",
            ),
            ("seed = -1", "line 1, column 8: a seed is a whole number from 0 on, such as 7"),
            ("[up", "line 1, column 4: unclosed table, expected `]`"),
        ] {
            assert_eq!(mistakes(text), [expected], "{text}");
        }
    }

    #[test]
    fn all_mistakes_are_told_in_their_order() {
        let told = mistakes("seed = 'x'\n[[peer]]\nnetwork = 7\n[[at]]\ntime = 5\n[up]\nloss = 5");
        let places: Vec<_> = told.iter().map(|told| told.split(':').next().unwrap()).collect();
        assert_eq!(places, ["line 1, column 8", "line 3, column 11", "line 5, column 8", "line 7, column 8"]);
    }

    #[test]
    fn files_are_looked_for_beside_the_scenario() {
        let folder = std::env::temp_dir();
        let name = format!("udp-scenario-{}", std::process::id());
        std::fs::write(folder.join(&name), "..x").unwrap();
        let text = format!("[up]\nloss = 'pattern:{name}'");
        let plan = source(&[]).parse(&text, &folder).unwrap();
        assert_eq!(texts(&plan.start.up), format!("loss=pattern:{}", folder.join(&name).display()));
        std::fs::write(folder.join(&name), "..?").unwrap();
        let mistakes = source(&[]).parse(&text, &folder).unwrap_err();
        std::fs::remove_file(folder.join(&name)).unwrap();
        assert!(mistakes[0].tell(&text).starts_with("line 2, column 8: cannot read pattern"), "{mistakes:?}");
        assert!(mistakes[0].tell(&text).contains("line 1, column 3: '?' is neither"), "{mistakes:?}");
    }

    #[test]
    fn bounds_hold() {
        let peers =
            |count| (0..count).map(|peer| format!("[[peer]]\nnetwork = '10.0.{}.{}'\n", peer / 256, peer % 256));
        assert_eq!(plan(&peers(256).collect::<String>()).peers.len(), 256);
        assert_eq!(
            mistakes(&peers(257).collect::<String>()),
            ["line 513, column 1: there are more than 256 [[peer]]s"]
        );
        let steps = |count| {
            let step = |number| format!("[[at]]\ntime = '{number}s'\nboth.delay = '{}ms'\n", number + 1);
            peers(256).chain((0..count).map(step)).collect::<String>()
        };
        assert_eq!(plan(&steps(19)).steps.len(), 19 * 2 * 257);
        assert!(mistakes(&steps(20))[0].contains("more than 10000 changes of links"));
    }

    #[test]
    fn any_text_is_a_plan_or_a_mistake_inside_it() {
        let check = |bytes: &[u8]| {
            let Ok(text) = str::from_utf8(bytes) else { return };
            let Err(mistakes) = source(&[]).parse(text, Path::new("")) else { return };
            assert!(!mistakes.is_empty(), "{text}");
            assert!(mistakes.iter().all(|mistake| mistake.at <= text.len() && !mistake.message.is_empty()), "{text}");
        };
        let good = GOOD.as_bytes();
        for at in 0..good.len() {
            check(&good[..at]);
            check(&good[at..]);
            for byte in *b"\0\n \"'{}[]=.,-#0a%\\" {
                let mut changed = good.to_vec();
                changed[at] = byte;
                check(&changed);
            }
        }
    }
}
