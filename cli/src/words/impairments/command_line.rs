//! Words as flags of a command line that does the same.

use super::name::Name;
use super::words::Words;

/// The words of a command line for these: those that both directions have alike come once.
pub(crate) fn flags(up: &Words, down: &Words) -> Vec<String> {
    let flag = |prefix: &str, name: Name, text: String| {
        let flag = format!("--{prefix}{}", name.word());
        match name {
            Name::AllowReorder => vec![flag],
            // People would read what begins with a hyphen as another flag.
            _ if text.starts_with('-') => vec![format!("{flag}={text}")],
            _ => vec![flag, text],
        }
    };
    let of_name = |name: Name| match (up.get(name), down.get(name)) {
        (Some(up), Some(down)) if up == down => flag("", name, up),
        (up, down) => {
            let up = up.map(|up| flag("up-", name, up)).unwrap_or_default();
            [up, down.map(|down| flag("down-", name, down)).unwrap_or_default()].concat()
        }
    };
    Name::ALL.into_iter().flat_map(of_name).collect()
}
