"""Measures scanners on the laboratory and prints one table a scenario. Called by scripts/bench.sh."""

import argparse
import fcntl
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import names
import services
import table
from contenders import contenders, read
from lab import Lab, LabError, timed_call
from scenario import all_scenarios, top_ports

SLOW_S = 25  # a first run above this is the only one


def arguments():
    parser = argparse.ArgumentParser(
        prog="scripts/bench.sh",
        description="Palisade, its peers and the yardstick on the same work, in turn, on a laboratory of network namespaces.",
        epilog="Scenarios: E-one (one port), A-closed, A-filtered (256 hosts x 1000 ports), A-closed-rps (answers on the other "
        "core), B-closed, B-filtered (65,536 hosts x 1 port), C16-closed, C16-filtered (16 hosts x 65,535 ports), G-closed (A over "
        "IPv6), D1-closed, D1-filtered, D5-closed, D5-filtered (A over 1 % loss and 20 ms, 5 % and 80 ms), F-services (64 hosts x 4 services), names (bulk resolution). "
        "A part of a name chooses all that hold it. Ours keeps its state folder, synced to the disk, where TMPDIR says.",
    )
    parser.add_argument("scenario", nargs="*", help="scenarios, or parts of their names [default: all]")
    parser.add_argument("-n", "--runs", type=int, default=3, help="runs of each contender [3]")
    parser.add_argument("-t", "--limit", type=int, default=60, help="seconds after which a run is ended [60]")
    parser.add_argument("-o", "--only", default="", help="contenders whose name holds one of these, comma between")
    parser.add_argument("--everything", action="store_true", help="also settings of peers that are known to be slow or incomplete")
    parser.add_argument("--json", metavar="FILE", help="append every single run as a line of JSON")
    parser.add_argument("--keep", metavar="DIR", help="keep inventories, job files and last answers in this folder")
    parser.add_argument("--list", action="store_true", help="name the scenarios and end")
    parser.add_argument("--palisade", default="palisade", help=argparse.SUPPRESS)
    parser.add_argument("--lab", default="", help=argparse.SUPPRESS)
    return parser.parse_args()


def in_own_session():
    """Runs this program again as a session of its own, whose share of the processor can be raised without touching
    the terminal's, and hands on Ctrl-C and kill to it."""
    child = subprocess.Popen([sys.executable, *sys.argv], start_new_session=True, env={**os.environ, "BENCH_SESSION": "1"})
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda number, _: child.send_signal(number))
    return child.wait()


class Priority:
    """This session before everything else on a shared machine, the kernel's packet threads too; put back at the end."""

    def __enter__(self):
        self.threads = []
        try:
            with open("/proc/self/autogroup", "w") as file:
                file.write("-20")
        except OSError:
            pass  # no autogroups here; the priority below still counts
        try:
            os.setpriority(os.PRIO_PROCESS, 0, -20)
            for pid in filter(str.isdigit, os.listdir("/proc")):
                if read(f"/proc/{pid}/comm").startswith("ksoftirqd/"):
                    self.threads.append((int(pid), os.getpriority(os.PRIO_PROCESS, int(pid))))
                    os.setpriority(os.PRIO_PROCESS, int(pid), -20)
        except OSError as error:
            print(f"bench: no raised priority: {error}", file=sys.stderr)
        return self

    def __exit__(self, *_):
        for pid, before in self.threads:
            try:
                os.setpriority(os.PRIO_PROCESS, pid, before)
            except OSError:
                pass


def measure(lab, scenario, contender, options, folder):
    """One run: what it cost, what it found."""
    out, state, stdout = (os.path.join(folder, n) for n in ("answer", "state", "stdout"))
    shutil.rmtree(state, ignore_errors=True)
    for path in out, stdout:
        if os.path.exists(path):
            os.unlink(path)
    command = [part.replace("{out}", out).replace("{state}", state) for part in contender.command]
    lab.prove_closed()
    sent, received = lab.frames()
    timed = os.path.join(options.lab, "timed")
    wall, user, system, rss, status, killed = timed_call(contender.name, [timed, lab.scan, str(options.limit), stdout, *command])
    sent_now, received_now = lab.frames()
    found = contender.reader(out, read(stdout))
    return {
        "scenario": scenario.name, "contender": contender.name, "family": contender.family, "wall_s": float(wall),
        "cpu_s": float(user) + float(system), "rss_mb": int(rss) / 1024, "sent": sent_now - sent,
        "received": received_now - received, "found": len(found & scenario.truth), "true": len(scenario.truth),
        "false": len(found - scenario.truth), "status": int(status), "killed": killed == "1",
        "says": read(stdout + ".err").strip()[-300:] if status != "0" else "",
    }


def compare(scenario, options, folder, log):
    """All contenders of one scenario, in turn, so that what else the machine does falls on each alike."""
    work = os.path.join(folder, scenario.name)
    scenario.write(work, options.palisade)
    rows = contenders(scenario, options.palisade, options.lab, work, folder, options.everything)
    wanted = [w for w in options.only.split(",") if w]
    rows = [r for r in rows if not wanted or any(w in r.name for w in wanted)]
    runs = {r.name: [] for r in rows}
    with Lab(options.lab, folder, scenario.loss, scenario.rtt_ms, scenario.other_core) as lab:
        lab.open(scenario.truth, scenario.drop_rule())
        for turn in range(options.runs):
            for row in rows:
                if turn and any(r["wall_s"] > SLOW_S or r["killed"] for r in runs[row.name]):
                    continue
                spoiled = lab.wire_lost()
                run = measure(lab, scenario, row, options, folder)
                run["spoiled"] = lab.wire_lost() - spoiled
                runs[row.name].append(run)
                if log:
                    log.write(json.dumps(run) + "\n")
                    log.flush()
                print(f"  {scenario.name} {turn + 1}/{options.runs}: {row.name} {run['wall_s']:.2f} s", file=sys.stderr, flush=True)
    return table.rows(list(runs.values()))


def main():
    options = arguments()
    if options.list:
        print("\n".join(s.name for s in all_scenarios(list(range(1, 1001)))), services.NAME, "names", sep="\n")
        return 0
    if "BENCH_SESSION" not in os.environ:
        return in_own_session()
    # Ctrl-C and a polite kill both unwind, so that the laboratory is taken down.
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: sys.exit(130))
    signal.signal(signal.SIGINT, signal.default_int_handler)
    lock = open("/run/lock/palisade-bench.lock", "w")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        print("bench: another bench is running; waiting for it", file=sys.stderr, flush=True)
        fcntl.flock(lock, fcntl.LOCK_EX)
    folder = options.keep or tempfile.mkdtemp(prefix="palisade-bench-")
    os.makedirs(folder, exist_ok=True)
    options.palisade = os.path.abspath(options.palisade)
    options.lab = os.path.abspath(options.lab)
    try:
        with Priority():
            ports = top_ports(options.palisade, 1000, os.path.join(folder, "ports"))
            wanted = [s for s in all_scenarios(ports) if not options.scenario or any(w in s.name for w in options.scenario)]
            bulk = not options.scenario or "names" in options.scenario
            talks = not options.scenario or any(w in services.NAME for w in options.scenario)
            if not wanted and not bulk and not talks:
                print("bench: no such scenario; --list names them", file=sys.stderr)
                return 2
            log = open(options.json, "a") if options.json else None
            print(table.machine(), end="\n\n", flush=True)
            for scenario in wanted:
                print(table.draw(scenario.name, compare(scenario, options, folder, log)), flush=True)
            if talks and (told := services.compare(options, folder, log, measure, table.rows)):
                print(table.draw(services.NAME, told), flush=True)
            if bulk:
                print(table.draw_names(names.compare(options, folder, log)), flush=True)
    except LabError as error:
        print(f"bench: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("bench: stopped; the laboratory is gone", file=sys.stderr)
        return 130
    finally:
        if not options.keep:
            shutil.rmtree(folder, ignore_errors=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
