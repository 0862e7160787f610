//! The script by which a shell asks `udp` for completions.

use anyhow::{Context, Result};
use clap_complete::Shell;
use clap_complete::env::Shells;

use crate::args::COMPLETION_VARIABLE;

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

/// The script of a shell, which asks this program for completions.
pub(super) fn of(shell: Shell) -> Result<Vec<u8>> {
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
