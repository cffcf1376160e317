"""Who takes part, how each is called, and how its answer is read. A new scanner is one more row."""

import ipaddress
import json
import os
import re
import shutil

import lab


def read(path):
    try:
        with open(path, errors="replace") as file:
            return file.read()
    except OSError:
        return ""


def plain(address):
    try:
        return str(ipaddress.ip_address(address))
    except ValueError:
        return address  # no address at all, so it counts as missed


# How answers are read: (file that was asked for, standard output) to a set of (address, port).

def ours_json(_, stdout):
    try:
        results = json.loads(stdout)
    except ValueError:
        return set()
    return {(plain(h["address"]), p["port"]) for h in results["hosts"] for p in h["ports"] if p["state"] == "open"}


def nmap_grepable(path, _):
    found = set()
    for line in re.finditer(r"^Host: (\S+) .*?Ports: (.*?)(?:\t|$)", read(path), re.M):
        for entry in line.group(2).split(", "):
            port, state = (entry.strip().split("/") + [""])[:2]
            if state == "open":
                found.add((plain(line.group(1)), int(port)))
    return found


def masscan_list(path, _):
    return {(plain(m.group(2)), int(m.group(1))) for m in re.finditer(r"^open tcp (\d+) (\S+)", read(path), re.M)}


def zmap_lines(port):
    return lambda path, _: {(line.strip(), port) for line in read(path).split("\n") if re.match(r"\d+\.", line)}


def rustscan_lines(_, stdout):
    found = set()
    for line in re.finditer(r"^(\S+) -> \[([\d,]*)\]", stdout, re.M):
        found |= {(plain(line.group(1)), int(p)) for p in line.group(2).split(",") if p}
    return found


def pairs(_, stdout):
    return {(m.group(1), int(m.group(2))) for m in re.finditer(r"^(\S+) (\d+)$", stdout, re.M)}


class Contender:
    """A name, a command, a reader; `family` groups the settings of one tool."""

    def __init__(self, family, setting, command, reader, environment=None):
        self.family, self.setting, self.command, self.reader = family, setting, command, reader
        self.environment = environment or {}

    @property
    def name(self):
        return f"{self.family} {self.setting}".strip()


def contenders(scenario, palisade, programs, folder, state, everything=False):
    """Those that can do this work and are installed. `{out}` in a command is the file for its answer, `{state}` a
    folder that is new at each run."""
    kind = re.sub(r"-.*", "", scenario.name)
    filtered, lossy, wide = scenario.filtered, kind.startswith("D"), kind == "B"
    ports = scenario.port_text()
    run = [palisade, "-C", folder, "--state", "{state}", "-q", "run", "bench", "--offline", "--format", "json"]
    rows = [Contender("palisade", "", run, ours_json)]
    if kind == "E" or (kind == "A" and not filtered) or everything:
        rows.append(Contender("palisade, no rights,", "--mode connect", run + ["--mode", "connect"], ours_json))
    if not scenario.v6:
        yard = [os.path.join(programs, "yardstick"), scenario.first, str(scenario.hosts), ports]
        settings = [("3 rounds 50k/s", ["-R", "3", "-w", "1300", "-r", "50000"])] if lossy else [("2 rounds", ["-R", "2", "-w", "300"])]
        rows += [Contender("yardstick", name, yard + more, pairs) for name, more in settings]
    if shutil.which("nmap"):
        rows += nmap(scenario, kind, filtered, lossy, ports, everything)
    if shutil.which("masscan"):
        rows += masscan(scenario, kind, lossy, ports, everything)
    if shutil.which("zmap") and len(scenario.ports) == 1 and not scenario.v6:
        base = ["zmap", "-p", ports, "-i", lab.SCAN_IF, "-S", lab.SCAN_IP, "-G", lab.NEXT_MAC, "-b", "/dev/null", "-o", "{out}", "-q", scenario.network()]
        reader = zmap_lines(scenario.ports[0])
        rows.append(Contender("zmap", "max rate, 1 s cooldown, 2 threads" if wide else "1 s cooldown", base + (["-r", "0", "-c", "1", "-T", "2"] if wide else ["-c", "1"]), reader))
        if wide:
            rows.append(Contender("zmap", "max rate, 1 s cooldown, 1 thread", base + ["-r", "0", "-c", "1", "-T", "1"], reader))
    rustscan = os.environ.get("RUSTSCAN") or shutil.which("rustscan")
    # It connects, and takes as long for each silent port as its timer says: large and silent work only where asked for.
    if rustscan and not scenario.v6 and not lossy and (kind == "E" or (kind == "A" and not filtered) or everything):
        listed = ",".join(scenario.addresses)
        rows.append(Contender("rustscan", "default", [rustscan, "--no-banner", "--no-config", "-a", listed, "-p", ports, "-g", "--ulimit", "20000"], rustscan_lines))
    return rows


def nmap(scenario, kind, filtered, lossy, ports, everything):
    where = [scenario.network()]
    base = ["nmap", "-n"] + ["-6"] * scenario.v6 + ["-p", ports, "-oG", "{out}"]
    row = lambda setting, more: Contender("nmap", setting, base + more + where, nmap_grepable)
    fast = ["-Pn", "-T5", "--min-hostgroup", "256"]
    rows = []
    if kind in ("E", "G") or (kind == "A" and not filtered):
        rows.append(row("default", []))
    if kind == "C16" and not filtered:
        rows.append(row("-Pn -T4", ["-Pn", "-T4"]))
    if kind in ("A", "C16") and filtered:
        rows.append(row("100k/s, no retry", fast + ["--min-rate", "100000", "--max-retries", "0"]))
    if lossy or everything:
        rows.append(row("20k/s, 2 retries", fast + ["--min-rate", "20000", "--max-retries", "2"]))
    if everything and filtered and kind == "A":
        rows.append(row("default", []))
    return rows


def masscan(scenario, kind, lossy, ports, everything):
    where = ["--range", scenario.network()] + ["-p", ports, "-e", lab.SCAN_IF, "--router-mac", lab.NEXT_MAC, "-oL", "{out}"]
    if scenario.v6:
        where += ["--source-ip", lab.SCAN_IP6, "--router-mac-ipv6", lab.NEXT_MAC]
    else:
        where += ["--source-ip", lab.SCAN_IP]
    row = lambda setting, more: Contender("masscan", setting, ["masscan"] + where + more, masscan_list)
    if lossy:
        return [
            row("100k/s, wait 3, 2 retries", ["--rate", "100000", "--wait", "3", "--retries", "2"]),
            row("100k/s, wait 1", ["--rate", "100000", "--wait", "1"]),
        ]
    if kind == "G":
        return [row("100k/s, wait 1", ["--rate", "100000", "--wait", "1"])]
    rows = [row("max rate, wait 0", ["--rate", "10000000", "--wait", "0"])]
    if kind in ("A", "B", "C16") or everything:
        rows.append(row("1M/s, wait 1", ["--rate", "1000000", "--wait", "1"]))
    return rows
