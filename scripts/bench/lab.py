"""The laboratory: a scanner's namespace, a namespace whose kernel answers for whole ranges, and a lossy wire between
them where one is asked for. No namespace has a default route or a link out; everything is removed at the end."""

import glob
import json
import os
import subprocess
import time

SCAN_IF, TARGET_IF = "s0", "t0"
SCAN_IP, NEXT_IP = "192.0.2.2", "192.0.2.1"
SCAN_IP6, NEXT_IP6 = "fd00:2::2", "fd00:2::1"
SCAN_MAC, NEXT_MAC = "02:00:00:00:00:02", "02:00:00:00:00:01"
TARGETS, TARGETS6 = "198.18.0.0/15", "fd00:18::/64"


class LabError(Exception):
    """The laboratory cannot be built, or is not safe to send in."""


def call(*command, quiet=False, text=None):
    done = subprocess.run(command, capture_output=True, text=True, input=text)
    if done.returncode and not quiet:
        raise LabError(f"{' '.join(command[:12])}: {done.stderr.strip() or done.stdout.strip()}")
    return done.stdout


def timed_call(name, command):
    """What `timed` prints. Where we are stopped, it is asked to end what it started, never just killed."""
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        told, errors = process.communicate()
    except BaseException:
        process.terminate()
        process.wait()
        raise
    if process.returncode:
        raise LabError(f"{name}: {errors.strip()}")
    return told.split()


class Lab:
    """Namespaces of this process, named by its id, so that two laboratories never meet."""

    def __init__(self, programs, folder, loss=0.0, rtt_ms=0.0, other_core=False):
        self.programs, self.folder = programs, folder
        self.loss, self.rtt_ms, self.other_core = loss, rtt_ms, other_core
        mark = os.getpid()
        self.scan, self.targets, self.middle = f"palb-s{mark}", f"palb-t{mark}", f"palb-w{mark}"
        self.running = []
        self.backlog = None

    def __enter__(self):
        try:
            self.up()
        except BaseException:
            self.down()
            raise
        return self

    def __exit__(self, *_):
        self.down()

    # Building

    def up(self):
        wire = self.loss > 0 or self.rtt_ms > 0
        for name in [self.scan, self.targets] + [self.middle] * wire:
            call("ip", "netns", "add", name)
        if wire:
            call("ip", "-n", self.middle, "link", "add", "w0", "type", "veth", "peer", "name", SCAN_IF, "netns", self.scan)
            call("ip", "-n", self.middle, "link", "add", "w1", "type", "veth", "peer", "name", TARGET_IF, "netns", self.targets)
            for name in "w0", "w1":
                self.sysctl(self.middle, f"net.ipv6.conf.{name}.disable_ipv6=1")
                call("ip", "-n", self.middle, "link", "set", name, "txqueuelen", "100000", "up")
                self.full_checksums(self.middle, name)
        else:
            call("ip", "-n", self.scan, "link", "add", SCAN_IF, "type", "veth", "peer", "name", TARGET_IF, "netns", self.targets)
        self.end(self.scan, SCAN_IF, SCAN_MAC, SCAN_IP, SCAN_IP6)
        self.end(self.targets, TARGET_IF, NEXT_MAC, NEXT_IP, NEXT_IP6)
        for name, link, ip, ip6, mac in (
            (self.scan, SCAN_IF, NEXT_IP, NEXT_IP6, NEXT_MAC),
            (self.targets, TARGET_IF, SCAN_IP, SCAN_IP6, SCAN_MAC),
        ):
            call("ip", "-n", name, "neigh", "replace", ip, "lladdr", mac, "dev", link, "nud", "permanent")
            call("ip", "-n", name, "-6", "neigh", "replace", ip6, "lladdr", mac, "dev", link, "nud", "permanent")
        call("ip", "-n", self.scan, "route", "add", TARGETS, "via", NEXT_IP)
        call("ip", "-n", self.scan, "-6", "route", "add", TARGETS6, "via", NEXT_IP6)
        call("ip", "-n", self.targets, "route", "add", "local", TARGETS, "dev", "lo")
        call("ip", "-n", self.targets, "-6", "route", "add", "local", TARGETS6, "dev", "lo")
        self.answer_freely()
        if wire:
            self.start(self.middle, "carrying", "wire", "w0", "w1", str(self.loss), str(self.rtt_ms))
        self.prove_closed()

    def end(self, name, link, mac, ip, ip6):
        call("ip", "-n", name, "link", "set", "lo", "up")
        call("ip", "-n", name, "link", "set", link, "address", mac, "txqueuelen", "10000")
        self.sysctl(name, f"net.ipv6.conf.{link}.accept_dad=0", f"net.ipv6.conf.{link}.accept_ra=0")
        call("ip", "-n", name, "addr", "add", f"{ip}/24", "dev", link)
        call("ip", "-n", name, "-6", "addr", "add", f"{ip6}/64", "dev", link, "nodad")
        call("ip", "-n", name, "link", "set", link, "up")
        self.sysctl(name, *(f"net.ipv4.conf.{c}.rp_filter=0" for c in ("all", "default", link)))
        self.full_checksums(name, link)

    def full_checksums(self, name, link):
        """Raw frames carry what a real wire would: whole checksums, no merged segments."""
        call("ip", "netns", "exec", name, "ethtool", "-K", link, "tx", "off", "tso", "off", "gso", "off", "gro", "off", quiet=True)

    def sysctl(self, name, *settings, quiet=False):
        call("ip", "netns", "exec", name, "sysctl", "-qw", *settings, quiet=quiet)

    def answer_freely(self):
        """The target kernel may not hold answers back: that would measure the kernel."""
        for setting in (
            "net.ipv4.icmp_ratelimit=0", "net.ipv4.icmp_msgs_per_sec=10000000", "net.ipv4.icmp_msgs_burst=1000000",
            "net.ipv6.icmp.ratelimit=0", "net.ipv4.tcp_invalid_ratelimit=0", "net.ipv4.tcp_challenge_ack_limit=2147483647",
            "net.ipv4.tcp_max_syn_backlog=262144", "net.core.somaxconn=65535", "net.ipv4.tcp_syncookies=0",
            "net.ipv4.tcp_synack_retries=1", "net.ipv4.ip_local_port_range=1024 1025", "net.ipv4.tcp_max_tw_buckets=1000000",
        ):
            self.sysctl(self.targets, setting, quiet=True)
        # The queue that carries frames to another core is the machine's; it gets its old length back.
        self.backlog = call("sysctl", "-n", "net.core.netdev_max_backlog").strip()
        call("sysctl", "-qw", "net.core.netdev_max_backlog=200000")
        if self.other_core:
            for name, link, mask in (self.targets, TARGET_IF, "2"), (self.scan, SCAN_IF, "1"):
                call("ip", "netns", "exec", name, "sh", "-c", f"echo {mask} > /sys/class/net/{link}/queues/rx-0/rps_cpus")

    # What answers

    def open(self, pairs, filtered=None):
        """Listeners on these pairs. `filtered` drops every other connection attempt to (range, port or None)."""
        limit = int(call("sh", "-c", "ulimit -Hn").strip().replace("unlimited", "100000")) - 64
        pairs = sorted(pairs)
        if filtered:
            net, port = filtered
            which = f"ip daddr {net} " + (f"tcp dport {port} " if port else "")
            elements = ",\n".join(f"{a} . {p}" for a, p in pairs)
            other = f"ip daddr {net} meta l4proto {{ icmp, udp }} drop" if port is None else ""
            rules = [f"{which} tcp flags & (syn|ack) == syn ip daddr . tcp dport != @allowed drop"] + [other] * bool(other)
            chain = "\n".join(["type filter hook prerouting priority raw; policy accept;"] + rules)
            table = (
                f"table inet palb {{\nset allowed {{ type ipv4_addr . inet_service; elements = {{ {elements} }} }}\n"
                f"chain early {{\n{chain}\n}}\n}}\n"
            )
            call("ip", "netns", "exec", self.targets, "nft", "-f", "-", text=table)
        for part, first in enumerate(range(0, len(pairs), limit)):
            path = os.path.join(self.folder, f"open-{part}")
            with open(path, "w") as file:
                file.writelines(f"{a} {p}\n" for a, p in pairs[first : first + limit])
            said = self.start(self.targets, "listening", "listen", path)
            if not said.strip().endswith("failed 0"):
                raise LabError(f"not every listener stands: {said.strip()}")
        # Some traffic, as on any real link: a peer that waits in its capture library for one more frame would hang.
        self.launch(["ip", "netns", "exec", self.targets, "ping", "-q", "-i", "0.2", SCAN_IP], os.devnull)

    def launch(self, command, output):
        with open(output, "w") as file:
            process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=file, stderr=subprocess.STDOUT)
        self.running.append(process)
        return process

    def start(self, name, word, program, *arguments):
        output = os.path.join(self.folder, f"{program}-{len(self.running)}.log")
        process = self.launch(["ip", "netns", "exec", name, os.path.join(self.programs, program), *arguments], output)
        end = time.monotonic() + 60
        while time.monotonic() < end and process.poll() is None:
            with open(output) as file:
                said = file.read()
            if word in said and said.endswith("\n"):
                return said
            time.sleep(0.01)
        with open(output) as file:
            raise LabError(f"{program} did not start: {file.read().strip()}")

    # Watching

    def prove_closed(self):
        """Nothing can leave: no route but to the ranges of the laboratory, no link but to each other."""
        for name in (self.scan, self.targets):
            links = {l["ifname"] for l in json.loads(call("ip", "-n", name, "-j", "link", "show"))}
            if links - {"lo", SCAN_IF, TARGET_IF} - tunnels(links):
                raise LabError(f"{name} has links that the laboratory did not make: {sorted(links)}")
            for family in ("-4", "-6"):
                routes = json.loads(call("ip", "-n", name, family, "-j", "route", "show") or "[]")
                if any(r["dst"] in ("default", "0.0.0.0/0", "::/0") for r in routes):
                    raise LabError(f"{name} has a way out")

    def frames(self):
        """Frames sent and received by the scanner's interface so far."""
        link = json.loads(call("ip", "-n", self.scan, "-s", "-j", "link", "show", SCAN_IF))[0]["stats64"]
        return link["tx"]["packets"], link["rx"]["packets"]

    def wire_lost(self):
        """Frames that the wire lost against its will; anything but 0 spoils a run."""
        lost = 0
        for path in glob.glob(os.path.join(self.folder, "wire-*.log")):
            with open(path) as file:
                lines = file.read().strip().split("\n")
            lost += sum(int(w.split("=")[1]) for w in lines[-1].split() if w.startswith(("full=", "kernel=")))
        return lost

    # Taking down

    def down(self):
        for process in reversed(self.running):
            if process.poll() is None:
                process.terminate()
        for process in self.running:
            try:
                process.wait(2)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self.running.clear()
        for name in (self.scan, self.targets, self.middle):
            if os.path.exists(f"/run/netns/{name}"):
                call("ip", "netns", "del", name, quiet=True)
        if self.backlog:
            call("sysctl", "-qw", f"net.core.netdev_max_backlog={self.backlog}", quiet=True)
            self.backlog = None


def tunnels(links):
    """Devices that some kernels put into every new namespace; they are down and lead nowhere."""
    return {l for l in links if l in ("sit0", "tunl0", "ip6tnl0", "gre0", "gretap0", "erspan0", "ip_vti0", "ip6_vti0", "ip6gre0")}
