"""What the benchmarks share: building, namespaces, runs that other programs disturb, figures as people read them."""

import json
import os
import re
import shutil
import statistics
import subprocess
from pathlib import Path

here = Path(__file__).resolve().parent
tools = here / "bin"

# A run that other programs disturb more than this (processors kept busy) is repeated.
DISTURBED = 0.06
PORT = "10000"


def build():
    """Builds what is ours; the path of `udp`."""
    tools.mkdir(exist_ok=True)
    for source in here.glob("*.c"):
        subprocess.run(["cc", "-O2", "-Wall", "-Wextra", "-o", tools / source.stem, source], check=True)
    subprocess.run(["cargo", "build", "--release", "--quiet"], check=True, cwd=here.parent)
    metadata = subprocess.run(
        ["cargo", "metadata", "--no-deps", "--format-version", "1"], check=True, cwd=here.parent, capture_output=True)
    return Path(json.loads(metadata.stdout)["target_directory"]) / "release/udp"


def isolated(script, *words):
    """A shell's script with these words, in network and PID namespaces of its own, loopback up; all ends with it."""
    command = ["unshare", "--net", "--pid", "--fork", "--kill-child", "--mount-proc"]
    if os.geteuid() != 0:
        command += ["--user", "--map-root-user"]
    return [*command, "bash", "-c", "ip link set lo up; " + script, *words]


def least_disturbed(run, others, repeats):
    """The result of a run, of which `others` tells how disturbed it was: of the first that was not, or of the best."""
    best = run()
    for _ in range(repeats):
        if others(best) <= DISTURBED:
            break
        best = min(best, run(), key=others)
    return best


def installed(programs):
    """Of named commands those that there are, and the names of the others."""
    missing = [name for name, command in programs.items() if not shutil.which(command[0])]
    return {name: command for name, command in programs.items() if name not in missing}, missing


def machine():
    """Processor, cores and kernel."""
    model = re.search(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text())
    return f"{model[1] if model else os.uname().machine}, {os.cpu_count()} cores, Linux {os.uname().release}"


def ratio(runs, name, other, field):
    """The median of the ratios within each round; None where one is missing, or did nothing."""
    pairs = [(a[field], b[field]) for a, b in zip(runs.get(name, []), runs.get(other, []))]
    return statistics.median(a / b for a, b in pairs) if pairs and all(a and b for a, b in pairs) else None


def brief(value):
    """Two or three digits, as people read them."""
    if value is None:
        return "–"
    if value >= 1e4:
        return f"{value / 1e6:.1f} M" if value >= 1e6 else f"{value / 1e3:.0f} k"
    return f"{value:.0f}" if value >= 20 else f"{value:.2f}" if value >= 0.1 else f"{value:.2g}"


def brief_cpu(seconds):
    """Processor time for one datagram."""
    micros = seconds * 1e6
    return f"{micros:.3f} µs" if 0 < micros < 1 else f"{brief(micros or None)} µs"


def table(heading, rows):
    """A Markdown table."""
    lines = ["| " + " | ".join(cells) + " |" for cells in (heading, *rows)]
    return "\n".join([lines[0], "|---" * len(heading) + "|", *lines[1:]])
