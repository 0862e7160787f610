"""Programs that `udp check` has to judge: one of each kind without faults, and each fault by its name.

    programs.py server FAULT [HOST] [PORT]
    programs.py client FAULT HOST PORT [TEXT]
    programs.py receiver FAULT [PORT]
    programs.py sender FAULT [TEXT] [PORT] [ADDRESS]

FAULT is `none`, or one of those named below. Nothing but Python's standard library is needed, on Linux.
"""

import select
import struct
import sys
import time
from socket import *

# What Python's `socket` has no names for.
IP_PKTINFO, IP_RECVTTL = 8, 12
ANSWER = b"Get off my lawn!"


def escaped(data):
    """What came, so that it cannot steer a terminal and stays on one line."""
    return "".join(c if c.isprintable() else "\\x%02x" % ord(c) for c in data.decode("utf-8", "backslashreplace"))


def say(*words):
    print(*words, flush=True)


def raw(data):
    sys.stdout.buffer.write(data + b"\n")
    sys.stdout.buffer.flush()


# --- server: answers each datagram with itself, from the address that was asked, with a hop less than it came with ---


def server(fault, host="", port="10000"):
    if fault == "refusal":
        return connected_server(int(port))
    s = open_server(host, int(port))
    if fault == "lesson":
        while True:
            data, sender = s.recvfrom(8192)
            s.sendto(ANSWER, sender)
    before = None
    while True:
        data, info, _, sender = s.recvmsg(65536, 256)
        to = sender
        if fault == "mixes-peers":
            # As a socket that is handed on with all that is in its queue: to whoever came first.
            now = time.monotonic()
            to = before[0] if before and now - before[1] < 0.5 else sender
            before = (to, now)
        if fault == "first-peer":
            before = before or sender
            if sender != before:
                continue
        if fault == "empty" and not data:
            return
        if fault == "text":
            data.decode()
        raw(data) if fault == "escapes" else say(escaped(data))
        if fault == "wrong-address":
            with socket(s.family, SOCK_DGRAM) as other:
                other.bind(("127.0.0.77", 0))
                other.sendto(data, to)
            continue
        if fault == "merges":
            while select.select([s], [], [], 0.1)[0]:
                more, info, _, other = s.recvmsg(65536, 256)
                if other != to:
                    answer(s, data, info, to)
                    data, to = b"", other
                data += more
        changed = {"cuts": data[:512], "amplifies": data * 10 + b"." * 300, "loops": ANSWER, "fixed": ANSWER}
        if fault == "fixed" and data == ANSWER:
            continue
        answer(s, changed.get(fault, data)[:65507], info, to, hops=fault != "loops")


def open_server(host, port):
    s = socket(AF_INET6 if ":" in host else AF_INET, SOCK_DGRAM)
    if s.family == AF_INET:
        s.setsockopt(IPPROTO_IP, IP_PKTINFO, 1)
        s.setsockopt(IPPROTO_IP, IP_RECVTTL, 1)
    s.bind((host, port))
    say("ready", s.getsockname()[1])
    return s


def answer(s, data, info, to, hops=True):
    """From the address that was asked; with a hop less, so that what two servers answer each other comes to an end."""
    with_it = []
    for level, kind, content in info:
        if (level, kind) == (IPPROTO_IP, IP_PKTINFO):
            with_it.append((level, kind, struct.pack("=I4s4s", 0, content[4:8], bytes(4))))
        if (level, kind) == (IPPROTO_IP, IP_TTL) and hops:
            left = struct.unpack("=i", content[:4])[0] - 1
            if left < 1:
                return
            with_it.append((level, kind, struct.pack("=i", left)))
    s.sendmsg([data], with_it, 0, to)


def connected_server(port):
    """A socket for each peer, connected to it: a peer that has gone ends the server by a refusal."""
    first, peers = shared(port), []
    port = first.getsockname()[1]
    say("ready", port)
    while True:
        for one in select.select([first] + peers, [], [])[0]:
            data, sender = one.recvfrom(65536)
            if one is first:
                one = shared(port)
                one.connect(sender)
                peers.append(one)
            one.send(data)


def shared(port):
    s = socket(AF_INET, SOCK_DGRAM)
    s.setsockopt(SOL_SOCKET, SO_REUSEADDR, 1)
    s.setsockopt(SOL_SOCKET, SO_REUSEPORT, 1)
    s.bind(("", port))
    return s


# --- client: asks twice, waits a second in all, prints the answer ---


def client(fault, host, port, text="Hello World"):
    to = (host, int(port))
    if fault == "lesson":
        s = socket(AF_INET, SOCK_DGRAM)
        s.sendto(text.encode(), to)
        message, address = s.recvfrom(1024)
        say(message.decode(), "from", address[0])
        return
    s = socket(AF_INET6 if ":" in host else AF_INET, SOCK_DGRAM)
    if fault == "stranger":
        s.bind(("", 0) if s.family == AF_INET else ("::", 0))
    else:
        s.connect(to)
    if fault != "for-ever":
        s.settimeout(2 if fault in ("deaf", "stranger") else 0.5)
    size = 512 if fault == "cuts" else 65536
    for _ in range(1 if fault == "once" else 2):
        s.sendto(text.encode(), to) if fault == "stranger" else s.send(text.encode())
        if fault == "adds":
            s.send(b"\n")
        try:
            data = s.recv(size)
        except timeout:
            continue
        except ConnectionRefusedError:
            if fault == "deaf":
                time.sleep(2)
                continue
            sys.exit("refused: nothing listens on port " + port)
        if fault == "empty":
            data[0]
        if fault == "text":
            data.decode()
        raw(data) if fault == "escapes" else say(escaped(data))
        return
    if fault != "once":
        sys.exit("no answer")


# --- receiver: prints each datagram with its sender ---


def receiver(fault, port="10000"):
    # IPv4 alone, or both families.
    family = AF_INET if fault in ("lesson", "v4", "one-network") else AF_INET6
    s = socket(family, SOCK_DGRAM)
    if family == AF_INET6:
        s.setsockopt(IPPROTO_IPV6, IPV6_V6ONLY, 0)
    if fault != "alone":
        s.setsockopt(SOL_SOCKET, SO_REUSEADDR, 1)
    if fault == "lesson":
        s.setsockopt(SOL_SOCKET, SO_BROADCAST, 1)
        s.bind(("", int(port)))
        while True:
            message, address = s.recvfrom(8192)
            say(address[0], message.decode())
    s.bind((first_broadcast() if fault == "one-network" else "", int(port)))
    size = 512 if fault == "cuts" else 65536
    first = None
    while True:
        data, sender = s.recvfrom(size)
        sender = (sender[0].removeprefix("::ffff:"), sender[1])
        first = first or sender
        if fault == "first-peer" and sender != first:
            continue
        if fault == "empty" and not data:
            return
        if fault == "text":
            data.decode()
        if fault == "escapes":
            raw(("%s:%d " % sender).encode() + data)
        elif fault == "no-sender":
            say(escaped(data))
        elif fault == "first-sender":
            say("%s:%d" % first, escaped(data))
        elif fault == "merges":
            sys.stdout.write("%s " % sender[0] + escaped(data))
            sys.stdout.flush()
        else:
            say("%s:%d" % sender, escaped(data))


# --- sender: one datagram to the broadcast address of each network, and a moment for answers ---


def broadcasts():
    """Each IPv4 network: our address in it, and its broadcast address."""
    import fcntl
    found, s = [], socket(AF_INET, SOCK_DGRAM)
    for _, name in if_nameindex():
        request = struct.pack("256s", name.encode()[:15])
        try:
            flags = struct.unpack("H", fcntl.ioctl(s, 0x8913, request)[16:18])[0]
            ours, all_hosts = [inet_ntoa(fcntl.ioctl(s, call, request)[20:24]) for call in (0x8915, 0x8919)]
        except OSError:
            continue
        # Up, can broadcast, not loopback, connected.
        if flags & 0x4B == 0x43:
            found.append((ours, all_hosts))
    return found


def first_broadcast():
    return broadcasts()[0][1]


def sender(fault, text="Halo Dunia!", port="10000", address=""):
    payload, port = text.encode(), int(port)
    if fault == "lesson":
        s = socket(AF_INET, SOCK_DGRAM)
        s.setsockopt(SOL_SOCKET, SO_BROADCAST, 1)
        s.sendto(payload, (address, port))
        return
    payload = {"newline": payload + b"\n", "nul": payload + b"\0", "encoding": text.encode("utf-16")}.get(fault, payload)
    parts = [payload[:4], payload[4:]] if fault == "splits" else [payload]
    networks = broadcasts()
    if fault == "one-network":
        networks = networks[:1]
    if fault == "limited":
        networks = [("", "255.255.255.255")]
    if fault == "foreign-source":
        networks = [(networks[0][0], all_hosts) for _, all_hosts in networks]
    opened = []
    for ours, all_hosts in networks:
        s = socket(AF_INET, SOCK_DGRAM)
        s.setsockopt(SOL_SOCKET, SO_BROADCAST, 1)
        s.bind((ours, 0))
        opened.append((s, all_hosts))
        if fault == "connected":
            s.connect((all_hosts, port))
    for _ in range({"floods": 2000, "twice": 2}.get(fault, 1)):
        for s, all_hosts in opened:
            for part in parts:
                s.send(part) if fault == "connected" else s.sendto(part, (all_hosts, port))
    if fault == "deaf":
        return
    end = time.monotonic() + 1
    while (left := end - time.monotonic()) > 0:
        for s in select.select([s for s, _ in opened], [], [], left)[0]:
            try:
                data, source = s.recvfrom(65536)
            except ConnectionRefusedError:
                continue
            say("%s:%d" % source, escaped(data))


if __name__ == "__main__":
    {"server": server, "client": client, "receiver": receiver, "sender": sender}[sys.argv[1]](*sys.argv[2:])
