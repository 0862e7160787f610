//! The command line that does what the relay does now.

use crate::words::impairments::{Name, Words, command_line};
use crate::words::spelling::shell_line;

/// The flags that say what the network does, besides the [names](Name) of impairments.
const OTHERS: [&str; 3] = ["like", "scenario", "seed"];

/// The command line of this run, word by word.
pub(super) fn of_this_run() -> Vec<String> {
    std::env::args_os().map(|word| word.to_string_lossy().into_owned()).collect()
}

/// These words of a command line, with other impairments and this seed; to be pasted into a shell.
pub(super) fn line(command: &[String], up: &Words, down: &Words, seed: u64) -> String {
    let mut words: Vec<_> = others(command).cloned().collect();
    words.extend(command_line::flags(up, down));
    words.extend(["--seed".to_owned(), seed.to_string()]);
    shell_line(&words)
}

/// What of a command line says nothing of impairments.
fn others(command: &[String]) -> impl Iterator<Item = &String> {
    let mut is_value = false;
    command.iter().filter(move |word| {
        if std::mem::take(&mut is_value) {
            return false;
        }
        let Some((name, has_value)) = network_flag(word) else { return true };
        is_value = !has_value && Name::of(name).is_none_or(takes_value);
        false
    })
}

/// The name of the impairment that a word is a flag of, and whether its value is in it.
fn network_flag(word: &str) -> Option<(&str, bool)> {
    let flag = word.strip_prefix("--")?;
    let (flag, has_value) = flag.split_once('=').map_or((flag, false), |(flag, _)| (flag, true));
    let of_direction = ["up-", "down-"].iter().find_map(|direction| flag.strip_prefix(direction));
    let name = of_direction.unwrap_or(flag);
    (Name::of(name).is_some() || OTHERS.contains(&name)).then_some((name, has_value))
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
    fn other_flags_stay_as_they_were() {
        let command = "udp relay 9000 host:1 -v --control 9100 --max-peers 5 --delays x --seeds=4";
        assert_eq!(written(command, &[], &[]), format!("{command} --seed 7"));
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
