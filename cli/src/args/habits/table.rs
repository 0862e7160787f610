//! The table of what people type who come from nc, ping, socat, nping or tcpdump. To teach `udp` another word, add a row.

use Meaning::{Hint, Is};

/// Words that `udp` spells otherwise.
pub(super) struct Habit {
    /// The verbs whose options they are, parted by spaces; `udp` for what stands before a verb, `*` for all. An earlier
    /// row takes precedence.
    pub(super) verbs: &'static str,
    /// What is typed, parted by spaces.
    pub(super) words: &'static str,
    pub(super) meaning: Meaning,
}

/// What words mean here.
pub(super) enum Meaning {
    /// The same as the option of this id, or as this verb: they are taken for it.
    Is(&'static str),
    /// Several things, or something else: what to type instead.
    Hint(&'static str),
}

const fn row(verbs: &'static str, words: &'static str, meaning: Meaning) -> Habit {
    Habit { verbs, words, meaning }
}

/// Options.
pub(super) const OPTIONS: &[Habit] = &[
    // What is the same.
    row("send broadcast", "-w -W --timeout", Is("wait")),
    row("send broadcast", "--interval", Is("every")),
    row("send broadcast", "--dport --destination-port", Is("port")),
    row("send broadcast", "--source-port --sport --bind", Is("local")),
    row("send broadcast", "--message --payload --string --data-string", Is("text")),
    row("listen", "-x -X", Is("hex_dump")),
    row("listen", "--grep", Is("matching")),
    row("send broadcast listen serve replay", "--hexdump", Is("hex_dump")),
    row("send broadcast listen serve relay replay", "--duration", Is("duration")),
    row("send broadcast listen serve relay replay", "-I --iface", Is("interfaces")),
    row("relay", "--packet-loss --loss-rate", Is("impair-loss")),
    row("relay", "--latency", Is("impair-delay")),
    row("relay", "--dup --duplication", Is("impair-duplicate")),
    row("relay", "--corruption", Is("impair-corrupt")),
    row("relay", "--bandwidth --bitrate", Is("impair-rate")),
    row("relay", "--profile --preset", Is("like")),
    row("measure", "--duration", Is("duration")),
    row("measure", "-I --iface", Is("interfaces")),
    row("measure", "-W --timeout", Is("wait")),
    row("measure", "-l --length --len", Is("sizes")),
    row("measure", "--bandwidth --bitrate --pps", Is("probe_rate")),
    row("measure", "--every --period", Is("interval")),
    row("measure", "-P --parallel --streams", Is("flows")),
    row("measure", "--random --exponential", Is("poisson")),
    row("measure", "--hmac-key --key --secret", Is("key_file")),
    row("measure", "--source --bind --src", Is("local")),
    row("measure", "--assert --threshold", Is("fail_if")),
    row("measure", "-s", Hint("--size N is how long probes are (ping -s); --local ADDRESS is where from")),
    row("measure", "-b", Hint("--rate 5Mbit/s is how fast to send (iperf3 -b); --burst N sends N back to back")),
    row("measure", "-t -d", Hint("--for 10s is how long to send; --ttl N is the hop limit")),
    row("measure", "-w", Hint("--wait 2s is how late an answer may come; --for 10s is how long to send")),
    row("measure", "-f --flood", Hint("--rate 10k/s sends fast")),
    row("measure", "-Q -T --tos", Hint("--dscp N: 0 to 63, or a name such as EF; a TOS byte is four times that")),
    row("measure", "-R --reverse", Hint("both directions are measured at once: forward and reverse")),
    row(
        "measure",
        "--jitter --loss --latency --rtt",
        Hint("all figures are measured; `udp measure --explain` lists them"),
    ),
    // Short options.
    row("send broadcast", "-n", Hint("-c N is how many to send; addresses are always printed as numbers")),
    row("*", "-n --numeric --no-dns", Hint("addresses are always printed as numbers: leave it out")),
    row("listen", "-w", Hint("--write FILE.pcapng writes a capture (tcpdump -w); --for 5s ends after 5 s (nc -w)")),
    row("serve", "-w -W --timeout", Hint("--for DURATION ends the run; --exec-limit is the time that a command has")),
    row(
        "replay",
        "-w -W --timeout",
        Hint("--wait DURATION waits for answers after the last datagram; --for DURATION ends"),
    ),
    row("send broadcast", "-t", Hint("--ttl N is the hop limit; --repeat 0 sends without end; --wait DURATION waits")),
    row("listen", "-t -tt -ttt", Hint("--utc, --relative or --delta choose how times are printed")),
    row("*", "-l --listen", Hint("`udp listen PORT` prints what arrives, as nc -l does; `udp serve PORT` answers it")),
    row("*", "-u --udp", Hint("it is always UDP: leave it out")),
    row("*", "--tcp", Hint("it is always UDP; for TCP there is nc")),
    row("send broadcast", "-x -X", Hint("--hex '01 0a ff' sends bytes; --hex-dump prints answers as hex")),
    row("serve replay", "-x -X", Hint("--hex-dump prints datagrams as hex")),
    row("send broadcast", "-f", Hint("--file FILE sends the bytes of a file; --rate 1000/s sends fast (ping -f)")),
    row(
        "listen",
        "-f",
        Hint("--from NETWORK and --match REGEX choose what is printed; --write FILE.pcapng writes to a file"),
    ),
    row("serve", "-f --file --config", Hint("--rules FILE answers as the rules in a file say")),
    row("replay", "-f -r --file --read", Hint("the file is the first argument: udp replay FILE HOST")),
    row("*", "-r --read", Hint("`udp replay FILE HOST` reads a capture; --dry-run lists what is in it")),
    row(
        "send broadcast",
        "-s",
        Hint("--size N is how long what is sent is (ping -s); --local ADDRESS is where from (nc -s)"),
    ),
    row(
        "listen serve",
        "-k --keep-open",
        Hint("it goes on after the first datagram: leave it out; --count 1 ends there"),
    ),
    row("send broadcast", "-z", Hint("`udp send HOST:PORT TEXT` says when a port refuses; an open one may not answer")),
    row("send", "-b", Hint("a broadcast address needs no option; `udp broadcast TEXT` sends on every network")),
    row("serve", "-e --sh-exec --command", Hint("--exec COMMAND replies with what a command prints")),
    row("listen", "-e --exec", Hint("`udp serve --exec COMMAND` replies with what a command prints")),
    row("listen", "-A --ascii", Hint("payloads are printed as text: leave it out")),
    row(
        "send broadcast serve",
        "-Q -T --tos",
        Hint("--dscp N: 0 to 63, or a name such as EF; a TOS byte is four times that"),
    ),
    row(
        "send broadcast",
        "-m -d",
        Hint("TEXT as the last argument is what is sent; --text TEXT where it looks like something else"),
    ),
    row("listen", "-o --output --out", Hint("--write FILE.pcapng writes a capture; > FILE writes the lines")),
    row("*", "-o --output --out", Hint("> FILE writes what is printed to a file; --raw prints payloads alone")),
    row("*", "-j", Hint("--json prints JSON Lines")),
    row("send broadcast listen serve replay interfaces completions man", "-V --version", Hint("udp --version")),
    // Long options.
    row("listen", "-W --timeout", Hint("--for DURATION ends after this time; --count N after N datagrams")),
    row(
        "send broadcast",
        "--data --payload-text",
        Hint("TEXT as the last argument is sent as text; --hex '01 0a ff' sends bytes"),
    ),
    row("serve", "--data --text --message --payload --response", Hint("--reply TEXT is the answer to every datagram")),
    row(
        "listen replay",
        "--text",
        Hint("text is the format unless another is chosen: --format, --json, --raw, --hex-dump"),
    ),
    row("listen replay", "--data --message --payload", Hint("`udp send HOST:PORT TEXT` sends a text")),
    row("*", "--grep", Hint("`udp listen --match REGEX` chooses by payload; what is printed can be piped into grep")),
    row("listen serve", "--dport --destination-port", Hint("-p PORT, or ADDRESS as HOST:PORT, is where to listen")),
    row(
        "replay",
        "--dport --destination-port",
        Hint("--filter-port PORT chooses what went to a port; -p PORT is where it goes now"),
    ),
    row(
        "listen",
        "--source-port --sport",
        Hint("--from NETWORK chooses by address; there is no choice by source port"),
    ),
    row(
        "serve",
        "--source-port --sport",
        Hint("answers come from the address and port that were asked: udp serve HOST:PORT"),
    ),
    row(
        "replay",
        "--source-port --sport",
        Hint("--local :PORT sends from this port; without it, from the ports of the capture"),
    ),
    row("listen", "--filter --expression", Hint("--from NETWORK chooses by address, --match REGEX by payload")),
    row("replay", "--filter --expression", Hint("--filter-port PORT sends only what went to this port")),
    row("send", "--filter", Hint("answers from other addresses are ignored; --any-source takes them")),
    row("broadcast", "--filter", Hint("every answer is printed; what is printed can be piped into grep")),
    row("serve", "--filter", Hint("--rules FILE chooses by source and payload")),
    row(
        "serve",
        "--interval",
        Hint("--status DURATION reports the state at this interval; --delay DURATION delays answers"),
    ),
    row("listen", "--interval", Hint("--rotate DURATION begins another file of a capture at this interval")),
    row(
        "replay",
        "--interval --every",
        Hint("--rate 10/s sends at a pace of its own; --speed N changes that of the capture"),
    ),
    row(
        "listen",
        "--size -s",
        Hint("--recv-buffer SIZE is the kernel's buffer, --queue SIZE ours; --rotate SIZE bounds a file"),
    ),
    row("serve replay", "--size", Hint("--recv-buffer SIZE is the size of the receive buffer")),
    row("send broadcast", "--num --number --packets --times", Hint("-c N is how many to send")),
    row("replay", "--times", Hint("--loop N sends everything N times")),
    row("*", "--num --number --packets --limit", Hint("-c N ends after N datagrams")),
    row(
        "send broadcast",
        "--loop --forever --infinite --flood",
        Hint("--repeat 0 sends without end; --rate RATE or --every DURATION at which pace"),
    ),
    row("send broadcast", "--period --gap --delay", Hint("--every DURATION is the time from one datagram to the next")),
    row(
        "send broadcast replay",
        "--pps --bandwidth --bitrate",
        Hint("--rate 1000/s or --rate 5Mbit/s is how fast to send"),
    ),
    row(
        "send",
        "--host --address --dst --dest --destination --to",
        Hint("the destination is the first argument: udp send HOST:PORT TEXT"),
    ),
    row(
        "replay",
        "--host --address --dst --dest --destination --to",
        Hint("the destination is the second argument: udp replay FILE HOST"),
    ),
    row(
        "broadcast",
        "--host --address --dst --dest --destination",
        Hint("--to ADDRESS is the broadcast address or group to send to"),
    ),
    row(
        "listen",
        "--host --src --source-address",
        Hint("--from NETWORK chooses by source; where to listen is an argument: udp listen HOST:PORT"),
    ),
    row("serve listen", "--address --bind --local", Hint("where to listen is an argument: HOST:PORT")),
    row(
        "send broadcast replay",
        "--src --source --source-address",
        Hint("--local ADDRESS is the address to send from"),
    ),
    row(
        "send",
        "--broadcast",
        Hint("`udp broadcast TEXT` sends on every network; a broadcast address as HOST works as it is"),
    ),
    row("send", "--multicast --group", Hint("a group is the destination: udp send 239.1.2.3:5000 TEXT")),
    row("listen serve", "--multicast --group --join", Hint("a group is the address to listen at: 239.1.2.3:5000")),
    row("listen", "--echo --sink --reply", Hint("`udp serve` answers: --reply TEXT, --echo, or --sink")),
    row("listen", "--pcap --pcapng --file", Hint("--write FILE.pcapng writes a capture")),
    row("listen", "--ttl --tos --dscp", Hint("--fields time,source,ttl,dscp,payload prints them")),
    row("listen serve replay", "--hex", Hint("--hex-dump prints datagrams as hex")),
    row("send broadcast", "--bytes --binary", Hint("--hex '01 0a ff' sends bytes, --file FILE those of a file")),
    row(
        "listen",
        "--reuse --reuseaddr --reuseport --share",
        Hint("it shares its port with receivers that allow it: leave it out"),
    ),
    row("*", "--debug", Hint("-v prints more")),
    row("*", "--silent", Hint("-q prints only errors")),
];

/// Verbs.
pub(super) const VERBS: &[Habit] = &[
    row("udp", "recv receive", Is("listen")),
    row(
        "udp",
        "client nc ncat netcat socat ask query request write sender tx transmit",
        Hint("udp send HOST:PORT TEXT"),
    ),
    row("udp", "receiver rx", Hint("`udp listen PORT` prints what arrives")),
    row("udp", "server", Hint("`udp serve PORT` answers what arrives; `udp listen PORT` only prints it")),
    row("udp", "responder respond reply answer", Hint("udp serve --reply TEXT")),
    row("udp", "ping probe", Hint("udp send HOST:PORT ping -c 5")),
    row(
        "udp",
        "scan nmap discover",
        Hint("`udp broadcast TEXT` lists the hosts that answer; `udp send HOST:PORT TEXT` says when a port refuses"),
    ),
    row("udp", "echo", Hint("udp serve --echo")),
    row("udp", "sink discard", Hint("udp serve --sink")),
    row(
        "udp",
        "sniff dump tcpdump watch monitor print",
        Hint("`udp listen PORT` prints what arrives; --tui shows who sends it"),
    ),
    row("udp", "capture record", Hint("udp listen PORT --write FILE.pcapng")),
    row("udp", "play playback", Hint("udp replay FILE HOST")),
    row(
        "udp",
        "multicast mcast group join",
        Hint("`udp listen 239.1.2.3:5000` joins a group, `udp send 239.1.2.3:5000 TEXT` sends to it"),
    ),
    row(
        "udp",
        "proxy forward netem tc toxiproxy comcast clumsy impair",
        Hint("`udp relay LISTEN TARGET --loss 5% --delay 40ms` forwards as a bad network would"),
    ),
    row("udp", "bcast", Hint("udp broadcast TEXT")),
    row("udp", "interface ifaces if ifconfig ip addr links", Hint("udp interfaces")),
    row("udp", "completion complete", Hint("udp completions SHELL")),
    row("udp", "version", Hint("udp --version")),
];
