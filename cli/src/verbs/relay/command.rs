//! The command line that does what the relay does now.
#![cfg_attr(
    not(any(feature = "http", feature = "tui")),
    allow(dead_code, reason = "what steers a running relay needs all of it")
)]

use crate::args::RelayArgs;
use crate::words::impairments::{Name, Words, command_line};
use crate::words::spelling::shell_line;

/// The flags that say what the network does, besides the [names](Name) of impairments.
const OTHERS: [&str; 3] = ["like", "scenario", "seed"];

/// A flag whose value names a file that is written: who repeats the command needs another one, or would overwrite it.
const WRITES: &str = "--truth";

/// The command line of this run, word by word, without the file that it writes.
pub(super) fn of_this_run() -> Vec<String> {
    let words: Vec<_> = std::env::args_os().skip(1).map(|word| word.to_string_lossy().into_owned()).collect();
    std::iter::once("udp".to_owned()).chain(without(&words, written_flag).cloned()).collect()
}

/// The command that does the same again: that of this run, with its seed.
pub(super) fn again(args: &RelayArgs, seed: u64) -> String {
    let seed = args.seed.is_none().then(|| ["--seed".to_owned(), seed.to_string()]);
    shell_line(&with_flags(of_this_run(), seed.into_iter().flatten()))
}

/// These words of a command line, with other impairments and this seed; to be pasted into a shell.
pub(super) fn line(command: &[String], up: &Words, down: &Words, seed: u64) -> String {
    let words = without(command, network_flag).cloned().collect();
    let seed = ["--seed".to_owned(), seed.to_string()];
    shell_line(&with_flags(words, command_line::flags(up, down).into_iter().chain(seed)))
}

/// Whether a command line names a scenario.
#[cfg(feature = "http")]
pub(super) fn has_scenario(command: &[String]) -> bool {
    command.iter().any(|word| word == "--scenario" || word.starts_with("--scenario="))
}

/// These words of a command line and then these flags, or before `--`, after which no word is a flag.
fn with_flags(mut words: Vec<String>, flags: impl IntoIterator<Item = String>) -> Vec<String> {
    let end = words.iter().position(|word| word == "--").unwrap_or(words.len());
    let operands = words.split_off(end);
    words.into_iter().chain(flags).chain(operands).collect()
}

/// A command line without some flags: which words are these, and whether the value of such a flag is the next word.
fn without(command: &[String], flag: impl Fn(&str) -> Option<bool>) -> impl Iterator<Item = &String> {
    let mut is_value = false;
    command.iter().filter(move |word| {
        if std::mem::take(&mut is_value) {
            return false;
        }
        let found = flag(word);
        is_value = found == Some(true);
        found.is_none()
    })
}

/// Whether a word is a flag that says what the network does; and whether the next word is its value.
fn network_flag(word: &str) -> Option<bool> {
    let flag = word.strip_prefix("--")?;
    let (flag, has_value) = flag.split_once('=').map_or((flag, false), |(flag, _)| (flag, true));
    let of_direction = ["up-", "down-"].iter().find_map(|direction| flag.strip_prefix(direction));
    let name = of_direction.unwrap_or(flag);
    let takes_value = Name::of(name).map(takes_value).or_else(|| OTHERS.contains(&name).then_some(true))?;
    Some(takes_value && !has_value)
}

/// The same of the flag that names a file to be written.
fn written_flag(word: &str) -> Option<bool> {
    match word.strip_prefix(WRITES)? {
        "" => Some(true),
        value => value.starts_with('=').then_some(false),
    }
}

fn takes_value(name: Name) -> bool {
    name != Name::AllowReorder
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::words::impairments::{Changes, Files};

    fn words(pairs: &[(&str, &str)]) -> Words {
        let pairs = pairs.iter().map(|(name, text)| (*name, Some(*text)));
        Words::default().with(&Changes::read(pairs, &Files::of(&[])).unwrap()).unwrap()
    }

    fn written(command: &str, up: &[(&str, &str)], down: &[(&str, &str)]) -> String {
        let command: Vec<_> = command.split(' ').map(str::to_owned).collect();
        line(&command, &words(up), &words(down), 7)
    }

    #[test]
    fn what_the_links_do_now_takes_the_place_of_what_they_were_to_do() {
        let before = [
            "udp relay 9000 host:1",
            "udp relay --loss 5% 9000 host:1 --seed 3",
            "udp relay 9000 --up-loss=5% host:1 --down-delay 1s --scenario a.toml",
            "udp relay --allow-reorder 9000 host:1 --like lte --up-allow-reorder",
        ];
        for command in before {
            assert_eq!(written(command, &[], &[]), "udp relay 9000 host:1 --seed 7");
        }
        let both = [("delay", "40ms"), ("allow-reorder", "true"), ("loss", "burst:5%,4")];
        assert_eq!(
            written("udp relay 9000 host:1", &both, &both),
            "udp relay 9000 host:1 --loss burst:5%,4 --delay 40ms --allow-reorder --seed 7"
        );
        assert_eq!(
            written("udp relay 9000 host:1", &[("loss", "5%"), ("delay", "1s")], &[("loss", "1%"), ("mtu", "500")]),
            "udp relay 9000 host:1 --up-loss 5% --down-loss 1% --down-mtu 500 --up-delay 1s --seed 7"
        );
    }

    #[test]
    fn flags_come_before_what_ends_them() {
        let loss = [("loss", "5%")];
        assert_eq!(
            written("udp relay --loss 1% -- 9000 host:1", &loss, &loss),
            "udp relay --loss 5% --seed 7 -- 9000 host:1"
        );
    }

    #[test]
    fn other_flags_stay_as_they_were() {
        let command = "udp relay 9000 host:1 -v --control 9100 --max-peers 5 --delays x --seeds=4";
        assert_eq!(written(command, &[], &[]), format!("{command} --seed 7"));
    }

    #[test]
    fn what_is_repeated_does_not_overwrite_the_truth_file() {
        let left = |command: &str| {
            let words: Vec<_> = command.split(' ').map(str::to_owned).collect();
            without(&words, written_flag).cloned().collect::<Vec<_>>().join(" ")
        };
        assert_eq!(left("relay --truth a.jsonl 9000 host:1"), "relay 9000 host:1");
        assert_eq!(left("relay 9000 host:1 --truth=a.jsonl -v"), "relay 9000 host:1 -v");
        assert_eq!(left("relay 9000 --truths x --seed 7"), "relay 9000 --truths x --seed 7");
    }

    #[test]
    fn a_shell_reads_each_word_as_it_was() {
        let odd = ["udp", "relay", "[::1]:9", "it's", "$(rm x)", "a b", "", "*", "x\ny", "`"].map(str::to_owned);
        assert_eq!(
            line(&odd, &words(&[("match", "^a|b'$")]), &words(&[]), 7),
            "udp relay '[::1]:9' 'it'\\''s' '$(rm x)' 'a b' '' '*' 'x\ny' '`' --up-match '^a|b'\\''$' --seed 7"
        );
    }
}
