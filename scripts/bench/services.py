"""Services: 64 hosts with OpenSSH, nginx with and without TLS, and Redis. Who names all 256 rightly, and in what time.

Ours is the whole of `palisade run`: the ports, the conversations, every check over what was said, and the report. The
others name the services."""

import json
import os
import re
import shutil
import sys
import time

import lab as laboratory
import scenario
from contenders import Contender, plain, read
from lab import Lab, LabError, call

NAME = "F-services"
HOSTS = 64
KINDS = {22: "ssh", 80: "http", 443: "https", 6379: "redis"}
PROGRAMS = ("sshd", "ssh-keygen", "nginx", "redis-server", "openssl")


class Services(scenario.Scenario):
    """The ports of four servers at 64 addresses; the truth names what each is."""

    def __init__(self):
        super().__init__(NAME, "198.18.4.0", HOSTS, sorted(KINDS), 1)
        self.truth = {(a, p, k) for a in self.addresses for p, k in KINDS.items()}


def program(name):
    """Servers lie where a user's path may not lead."""
    return shutil.which(name) or shutil.which(name, path="/usr/sbin:/sbin:/usr/local/sbin")


def ours(_, stdout):
    try:
        results = json.loads(stdout)
    except ValueError:
        return set()
    return {(plain(h["address"]), p["port"], p["service"]) for h in results["hosts"] for p in h["ports"] if p.get("service")}


def nmap(path, _):
    found = set()
    for line in re.finditer(r"^Host: (\S+) .*?Ports: (.*?)(?:\t|$)", read(path), re.M):
        for entry in line.group(2).split(", "):
            fields = (entry.strip().split("/") + [""] * 7)[:7]
            if fields[1] == "open" and fields[6]:
                found.add((plain(line.group(1)), int(fields[0]), {"ssl|http": "https"}.get(fields[4], fields[4])))
    return found


def masscan(path, _):
    return {(plain(m.group(2)), int(m.group(1)), m.group(3)) for m in re.finditer(r"^banner tcp (\d+) (\S+) \d+ (\S+)", read(path), re.M)}


def rows(palisade, folder):
    where, ports = f"198.18.4.0/{32 - (HOSTS - 1).bit_length()}", ",".join(map(str, sorted(KINDS)))
    run = [palisade, "-C", folder, "--state", "{state}", "-q", "run", "bench", "--offline", "--format", "json", "--fail-on", "none"]
    found = [Contender("palisade", "run, all checks", run, ours)]
    if shutil.which("nmap"):
        base = ["nmap", "-n", "-Pn", "-p", ports, "-oG", "{out}", "-sV"]
        found.append(Contender("nmap", "-sV -T5", base + ["-T5", where], nmap))
        found.append(Contender("nmap", "-sV", base + [where], nmap))
    if shutil.which("masscan"):
        base = ["masscan", where, "-p", ports, "-e", laboratory.SCAN_IF, "--source-ip", "192.0.2.3", "--router-mac", laboratory.NEXT_MAC]
        found.append(Contender("masscan", "--banners", base + ["--banners", "--rate", "10000", "--wait", "3", "-oL", "{out}"], masscan))
    return found


def serve(lab, folder):
    """The four servers in the targets' namespace, at every address there."""
    os.makedirs(f"{folder}/html", exist_ok=True)
    os.makedirs("/run/sshd", exist_ok=True)
    with open(f"{folder}/html/index.html", "w") as file:
        file.write("<html><head><title>Bench page</title></head><body>ok</body></html>\n")
    made = "openssl req -x509 -newkey rsa:2048 -nodes -days 365 -subj /CN=bench.example -addext subjectAltName=DNS:bench.example"
    call(*made.split(), "-keyout", f"{folder}/key.pem", "-out", f"{folder}/cert.pem")
    call("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", f"{folder}/hostkey")
    temporary = " ".join(f"{k}_temp_path {folder}/{k};" for k in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
    with open(f"{folder}/nginx.conf", "w") as file:
        file.write(
            f"daemon off; user root; worker_processes 1; pid {folder}/nginx.pid; error_log {folder}/nginx.err;\n"
            f"events {{ worker_connections 8192; }}\nhttp {{ access_log off; {temporary}\nserver {{ root {folder}/html;\n"
            f"listen 80 backlog=4096; listen 443 ssl backlog=4096;\nssl_certificate {folder}/cert.pem; ssl_certificate_key {folder}/key.pem;\n"
            "ssl_protocols TLSv1.2 TLSv1.3; } }\n"
        )
    with open(f"{folder}/sshd_config", "w") as file:
        file.write(f"Port 22\nHostKey {folder}/hostkey\nPidFile none\nMaxStartups 2000\nUsePAM no\nStrictModes no\n")
    for name, command in (
        ("nginx", [program("nginx"), "-c", f"{folder}/nginx.conf"]),
        ("sshd", [program("sshd"), "-D", "-e", "-f", f"{folder}/sshd_config"]),
        ("redis", [program("redis-server"), "--port", "6379", "--protected-mode", "no", "--save", "", "--dir", folder, "--tcp-backlog", "4096"]),
    ):
        lab.launch(["ip", "netns", "exec", lab.targets, *command], f"{folder}/{name}.log")
    end = time.monotonic() + 20
    while time.monotonic() < end:
        told = call("ip", "netns", "exec", lab.targets, "ss", "-ltnH")
        if all(re.search(rf":{port}\s", told) for port in KINDS):
            return
        time.sleep(0.05)
    raise LabError("not every server stands: " + "; ".join(read(f"{folder}/{n}.log").strip()[-200:] for n in ("nginx", "sshd", "redis")))


def compare(options, folder, log, measure, summary):
    """All contenders in turn; None where a server is not installed."""
    missing = [p for p in PROGRAMS if not program(p)]
    if missing:
        print(f"bench: {NAME} is left out: not installed: {', '.join(missing)}", file=sys.stderr)
        return None
    work = os.path.join(folder, NAME)
    services = Services()
    services.write(work, options.palisade, checks=True)
    contenders = rows(options.palisade, work)
    wanted = [w for w in options.only.split(",") if w]
    contenders = [c for c in contenders if not wanted or any(w in c.name for w in wanted)]
    runs = {c.name: [] for c in contenders}
    with Lab(options.lab, folder) as lab:
        serve(lab, os.path.join(work, "servers"))
        for turn in range(options.runs):
            for row in contenders:
                if turn and any(r["wall_s"] > 25 or r["killed"] for r in runs[row.name]):
                    continue
                run = measure(lab, services, row, options, folder)
                runs[row.name].append(run)
                if log:
                    log.write(json.dumps(run) + "\n")
                    log.flush()
                print(f"  {NAME} {turn + 1}/{options.runs}: {row.name} {run['wall_s']:.2f} s, {run['found']} of {run['true']}", file=sys.stderr, flush=True)
    return summary(list(runs.values()))
