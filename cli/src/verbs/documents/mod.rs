//! `udp completions` and `udp man`: what is made from the definitions of the flags.

mod man;

use std::fs;
use std::io::{self, Write};
use std::path::Path;

use anyhow::{Context, Result};
use clap::CommandFactory;
use clap_complete::Shell;
use clap_complete::env::Shells;

use crate::args::{Args, COMPLETION_VARIABLE, CompletionsArgs, ManArgs};
use crate::output::Standard;
use crate::runtime::exit::Exit;

/// What zsh needs where the script is a file in `fpath`: the first completion runs the file instead of what it defines.
const AUTOLOADED: &str = "\nif [ \"$funcstack[1]\" = \"_udp\" ]; then\n    _clap_dynamic_completer_udp \"$@\"\nfi\n";

/// What bash needs: it takes `--option=value` apart at the sign, and puts what is completed after it.
const JOINED: &str = r#"
_udp() {
    local words=() count=0 index=0 number before=
    for ((number = 0; number <= COMP_CWORD; number++)); do
        local word=${COMP_WORDS[number]}
        if [[ $number -gt 0 && ( $word == = || ${COMP_WORDS[number - 1]} == = ) && ${words[count - 1]} == --* ]]; then
            words[count - 1]+=$word
        else
            words[count]=$word
            count=$((count + 1))
        fi
    done
    index=$((count - 1))
    if [[ ${words[index]} == --*=* ]]; then
        before=${words[index]%%=*}=
    fi
    local COMP_WORDS=("${words[@]}") COMP_CWORD=$index
    _clap_complete_udp "$1" "${words[index]}" "$3"
    COMPREPLY=("${COMPREPLY[@]#"$before"}")
}
complete -o nospace -o bashdefault -F _udp udp
"#;

/// Prints the completions of a shell, or writes them to a file.
pub(crate) fn completions(args: &CompletionsArgs) -> Result<Exit> {
    let script = script(args.shell)?;
    match &args.file {
        Some(path) => write(path, &script)?,
        None => match Standard::output().write_all(&script) {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {}
            result => result.context("cannot write to standard output")?,
        },
    }
    Ok(Exit::Done)
}

/// What tells a shell to ask this program for completions.
fn script(shell: Shell) -> Result<Vec<u8>> {
    let name = shell.to_string();
    let shells = Shells::builtins();
    let completer = shells.completer(&name).with_context(|| format!("no completions for '{name}'"))?;
    let mut script = Vec::new();
    completer.write_registration(COMPLETION_VARIABLE, "udp", "udp", "udp", &mut script)?;
    script.extend_from_slice(match shell {
        Shell::Bash => JOINED.as_bytes(),
        Shell::Zsh => AUTOLOADED.as_bytes(),
        _ => b"",
    });
    Ok(script)
}

/// Writes the man pages into a directory.
pub(crate) fn man(args: &ManArgs) -> Result<Exit> {
    let mut command = Args::command();
    command.build();
    for (name, page) in man::pages(&command) {
        write(&args.directory.join(name), page.as_bytes())?;
    }
    Ok(Exit::Done)
}

/// Writes a file, and makes its directory where there is none.
fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    let made = path.parent().map_or(Ok(()), fs::create_dir_all);
    made.and_then(|()| fs::write(path, bytes)).with_context(|| format!("cannot write '{}'", path.display()))
}
