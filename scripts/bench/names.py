"""Bulk name resolution: an authoritative server on one core, and every resolver that is installed.

Ours is `palisade plan` over an inventory whose machines have public names: reading the inventory, the whole plan with
its warrants, and printing it are in the time. The others only resolve."""

import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import time

import scenario
from contenders import read
from lab import LabError, call, timed_call

COUNT = 100_000
ZONE = "bench.example"


def inventory(folder, count):
    """Machines with a public address and name; one name in ten does not exist."""
    addresses = [f"198.18.{i >> 8 & 255}.{i & 255}" if i < 65536 else f"198.19.{i >> 8 & 255}.{i & 255}" for i in range(count)]
    answer = scenario.aws(addresses)
    for reservation in answer["Reservations"]:
        for machine in reservation["Instances"]:
            i = int(machine["InstanceId"][2:], 16)
            name = f"h{i:06d}.{ZONE}"
            machine["PublicDnsName"] = name
            machine["NetworkInterfaces"][0]["PrivateIpAddresses"][0]["Association"]["PublicDnsName"] = name
    with open(os.path.join(folder, "inventory.json"), "w") as file:
        json.dump(answer, file)
    with open(os.path.join(folder, "bench.pal"), "w") as file:
        work = scenario.Scenario("names", "198.18.0.0", 1, [80], 1)
        file.write('workspace {\n  resolvers = ["127.0.0.1"]\n}\n\n' + scenario.job(work))
    with open(os.path.join(folder, "zone"), "w") as zone, open(os.path.join(folder, "list"), "w") as listed:
        zone.write(f"$ORIGIN {ZONE}.\n$TTL 300\n@ SOA ns. host. 1 3600 600 86400 300\n@ NS ns\nns A 127.0.0.1\n")
        for i, address in enumerate(addresses):
            if i % 10:
                zone.write(f"h{i:06d} A {address}\n")
            listed.write(f"h{i:06d}.{ZONE}\n")
    with open(os.path.join(folder, "resolvers"), "w") as file:
        file.write("127.0.0.1\n")
    with open(os.path.join(folder, "nsd.conf"), "w") as file:
        file.write(
            f'server:\n  ip-address: 127.0.0.1\n  port: 53\n  server-count: 1\n  username: ""\n  zonesdir: "{folder}"\n'
            f'  zonelistfile: "{folder}/zone.list"\n  xfrdfile: "{folder}/xfrd"\n  pidfile: "{folder}/nsd.pid"\n  database: ""\n'
            f"  rrl-ratelimit: 0\nremote-control:\n  control-enable: no\nzone:\n  name: {ZONE}\n  zonefile: zone\n"
        )


def ours_answered(stdout):
    """Targets that are scanned by a name: it resolved, and to the address of its machine."""
    try:
        return sum(1 for t in json.loads(stdout)["target_list"] if t["name"])
    except (ValueError, KeyError):
        return 0


def rows(palisade, folder):
    count = lambda pattern: lambda stdout: len(re.findall(pattern, stdout, re.M))
    found = [("palisade", "plan", [palisade, "-C", folder, "-q", "plan", "bench", "--format", "json"], ours_answered)]
    massdns = os.environ.get("MASSDNS") or shutil.which("massdns")
    if massdns:
        base = [massdns, "--root", "-q", "-r", f"{folder}/resolvers", "-t", "A", "-o", "S"]
        found.append(("massdns", "1,000 in flight", base + ["-s", "1000", f"{folder}/list"], count(r" A 198")))
        found.append(("massdns", "default", base + [f"{folder}/list"], count(r" A 198")))
    if shutil.which("adnshost"):
        # Its exit code 6 says that some names do not exist, as they should not.
        command = f"adnshost --config 'nameserver 127.0.0.1' -a -f -t a < {folder}/list; [ $? = 6 ]"
        found.append(("adnshost", "-a -f", ["sh", "-c", command], count(r" A 198")))
    if shutil.which("dnsperf"):
        with open(f"{folder}/perf", "w") as file:
            file.writelines(f"{n} A\n" for n in read(f"{folder}/list").split())
        completed = lambda stdout: int((re.search(r"Queries completed:\s+(\d+)", stdout) or [0, "0"])[1]) * 9 // 10
        found.append(("dnsperf", "(load generator)", ["dnsperf", "-s", "127.0.0.1", "-d", f"{folder}/perf", "-n", "1", "-q", "100"], completed))
    return found


def compare(options, folder, log):
    if not shutil.which("nsd"):
        return []
    work = os.path.join(folder, "names")
    os.makedirs(work, exist_ok=True)
    inventory(work, COUNT)
    namespace = f"palb-n{os.getpid()}"
    server = None
    call("ip", "netns", "add", namespace)
    try:
        call("ip", "-n", namespace, "link", "set", "lo", "up")
        core = ["taskset", "-c", str(os.cpu_count() - 1)] if shutil.which("taskset") else []
        with open(f"{work}/nsd.log", "w") as log_file:
            server = subprocess.Popen(["ip", "netns", "exec", namespace, *core, "nsd", "-d", "-c", f"{work}/nsd.conf"], stdout=log_file, stderr=log_file)
        wait_for(namespace)
        contenders = rows(options.palisade, work)
        wanted = [w for w in options.only.split(",") if w]
        contenders = [c for c in contenders if not wanted or any(w in c[0] for w in wanted)]
        runs = {}
        for _ in range(options.runs):
            for family, setting, command, answered in contenders:
                stdout = os.path.join(work, "stdout")
                timed = [os.path.join(options.lab, "timed"), namespace, str(options.limit), stdout]
                wall, user, system, rss, status, killed = timed_call(family, timed + command)
                run = {
                    "scenario": "names", "contender": f"{family} {setting}", "family": family, "wall_s": float(wall),
                    "cpu_s": float(user) + float(system), "rss_mb": int(rss) / 1024, "answered": answered(read(stdout)),
                    "status": int(status), "killed": killed == "1",
                }
                runs.setdefault(run["contender"], []).append(run)
                print(f"  names: {run['contender']} {run['wall_s']:.2f} s", file=sys.stderr, flush=True)
                if log:
                    log.write(json.dumps(run) + "\n")
        return [summary(r) for r in runs.values()]
    finally:
        if server:
            server.terminate()
            server.wait()
        call("ip", "netns", "del", namespace, quiet=True)


def wait_for(namespace):
    """Until the server answers one question."""
    probe = (
        "import socket,sys\ns=socket.socket(socket.AF_INET,socket.SOCK_DGRAM)\ns.settimeout(.2)\n"
        "q=b'\\x00\\x01\\x01\\x00\\x00\\x01\\x00\\x00\\x00\\x00\\x00\\x00\\x07h000001\\x05bench\\x07example\\x00\\x00\\x01\\x00\\x01'\n"
        "s.connect(('127.0.0.1',53))\ntry:\n s.send(q);d=s.recv(512)\n sys.exit(0 if d[7] else 1)\nexcept OSError:\n sys.exit(1)\n"
    )
    for _ in range(100):
        if subprocess.run(["ip", "netns", "exec", namespace, sys.executable, "-c", probe]).returncode == 0:
            return
        time.sleep(0.1)
    raise LabError("the name server does not answer")


def summary(runs):
    middle = lambda key: statistics.median(r[key] for r in runs)
    exists = COUNT - COUNT // 10
    note = "ended at the limit" if any(r["killed"] for r in runs) else f"exit {runs[0]['status']}" if any(r["status"] for r in runs) else ""
    return {
        "name": runs[0]["contender"], "family": runs[0]["family"], "n": len(runs), "min": min(r["wall_s"] for r in runs),
        "median": middle("wall_s"), "rate": COUNT / max(middle("wall_s"), 1e-9), "low": 100 * min(r["answered"] for r in runs) / exists,
        "cpu": middle("cpu_s"), "rss": middle("rss_mb"), "notes": note,
    }
