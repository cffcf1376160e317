"""What is scanned: addresses, ports, which of them are open, and for us the inventory and the job file that say so."""

import ipaddress
import json
import os
import random
import re
import subprocess

ALLOWED = [ipaddress.ip_network(n) for n in ("198.18.0.0/15", "fd00:18::/64")]


class Scenario:
    """One piece of work. The seed is fixed: the same truth at each run."""

    def __init__(self, name, first, hosts, ports, share, filtered=False, loss=0.0, rtt_ms=0.0, other_core=False, retries=1):
        self.name, self.hosts, self.ports = name, hosts, ports
        self.loss, self.rtt_ms, self.other_core, self.retries = loss, rtt_ms, other_core, retries
        start = ipaddress.ip_address(first)
        self.v6 = start.version == 6
        self.first = str(start)
        self.addresses = [str(start + i) for i in range(hosts)]
        for address in (start, start + hosts - 1):
            if not any(address in net for net in ALLOWED):
                raise SystemExit(f"bench: refused: {address} is not an address of the laboratory")
        self.filtered = filtered
        dice = random.Random(20260101)
        pairs = hosts * len(ports)
        # The i-th pair is host i % hosts, port i / hosts.
        chosen = dice.sample(range(pairs), max(1, int(pairs * share)))
        self.truth = {(self.addresses[i % hosts], ports[i // hosts]) for i in chosen}

    def drop_rule(self):
        """What the target kernel drops in a filtered scenario: the range, and the port where there is but one."""
        if not self.filtered:
            return None
        last = self.addresses[-1]
        return f"{self.first}-{last}", self.ports[0] if len(self.ports) == 1 else None

    def port_text(self):
        """`80`, `1-65535`, or a list."""
        ports = self.ports
        if len(ports) > 1 and ports == list(range(ports[0], ports[-1] + 1)):
            return f"{ports[0]}-{ports[-1]}"
        return ",".join(map(str, ports))

    def network(self):
        """The addresses as a prefix where they are one, else none."""
        start = ipaddress.ip_address(self.first)
        bits = start.max_prefixlen - (self.hosts - 1).bit_length()
        if self.hosts & (self.hosts - 1):
            return None
        try:
            return str(ipaddress.ip_network(f"{start}/{bits}"))
        except ValueError:
            return None

    def write(self, folder, palisade, checks=False):
        """Inventory and job file of this work, as a user would have them; with checks, what is open is talked to and judged."""
        os.makedirs(folder, exist_ok=True)
        with open(os.path.join(folder, "inventory.json"), "w") as file:
            json.dump(gcp(self.addresses) if self.v6 else aws(self.addresses), file)
        with open(os.path.join(folder, "bench.pal"), "w") as file:
            file.write(job(self, checks))
        checked = subprocess.run([palisade, "-C", folder, "check"], capture_output=True, text=True)
        if checked.returncode:
            raise SystemExit(f"bench: the job file of {self.name} is refused:\n{checked.stderr}")


def aws(addresses):
    """As `aws ec2 describe-instances` prints it."""
    instances = []
    for i, address in enumerate(addresses):
        private = f"10.{i >> 16}.{i >> 8 & 255}.{i & 255}"
        instances.append({
            "InstanceId": f"i-{i:017x}", "InstanceType": "t3.small", "ImageId": "ami-0abcdef1234567890",
            "State": {"Code": 16, "Name": "running"}, "Placement": {"AvailabilityZone": "us-east-1a"},
            "VpcId": "vpc-0123456789abcdef0", "SubnetId": "subnet-0123456789abcdef0",
            "LaunchTime": "2026-01-01T00:00:00+00:00", "PrivateIpAddress": private, "PublicIpAddress": address,
            "NetworkInterfaces": [{
                "NetworkInterfaceId": f"eni-{i:017x}", "PrivateIpAddress": private,
                "PrivateIpAddresses": [{"Primary": True, "PrivateIpAddress": private, "Association": {"IpOwnerId": "amazon", "PublicIp": address}}],
            }],
            "Tags": [{"Key": "Name", "Value": f"host-{i}"}, {"Key": "env", "Value": "prod"}],
        })
    pages = [instances[i : i + 1000] for i in range(0, len(instances), 1000)]
    return {"Reservations": [{"ReservationId": f"r-{i:017x}", "OwnerId": "123456789012", "Instances": p} for i, p in enumerate(pages)]}


def gcp(addresses):
    """As the instances list of Compute Engine answers, with external IPv6 addresses."""
    zone = "https://www.googleapis.com/compute/v1/projects/bench/zones/us-central1-a"
    return {"kind": "compute#instanceList", "items": [{
        "id": str(1_000_000 + i), "name": f"host-{i}", "status": "RUNNING", "zone": zone,
        "selfLink": f"{zone}/instances/host-{i}", "machineType": "zones/us-central1-a/machineTypes/e2-small",
        "networkInterfaces": [{"name": "nic0", "networkIP": f"10.0.{i >> 8}.{i & 255}", "network": "global/networks/default",
                               "ipv6AccessConfigs": [{"externalIpv6": address}]}],
    } for i, address in enumerate(addresses)]}


def job(scenario, checks=False):
    """The job file: every running machine, no ping first, the engine's own pace, and no conversations after it unless
    asked for: ports only, as the peers are asked to."""
    ports = "full" if scenario.port_text() == "1-65535" else f"[{scenario.port_text().replace(',', ', ')}]"
    where = "gcp.compute.state: RUNNING" if scenario.v6 else "aws.ec2.instanceState: RUNNING"
    per_host = "" if os.environ.get("BENCH_NO_PER_HOST") else "  per_host   = 1000000/s\n"
    conversations = "" if checks else "  checks     = []\n"
    return f"""# {scenario.name}
connector "bench" {{
  provider = file
  path     = "inventory.json"
}}

profile "bench" {{
  tcp        = {ports}
  udp        = none
  ping       = []
  dead_hosts = scan
  rate       = auto
{per_host}  retries    = {scenario.retries}
{conversations}}}

scan "bench" {{
  connector = "bench"
  profile   = "bench"

  targets {{
    where = {where}
  }}
}}
"""


def top_ports(palisade, count, folder):
    """Our own list of the most common ports, as the plan of a `top(n)` profile prints it; peers get the same list."""
    os.makedirs(folder, exist_ok=True)
    one = Scenario("ports", "198.18.0.0", 1, [80], 1)
    one.write(folder, palisade)
    path = os.path.join(folder, "bench.pal")
    with open(path) as file:
        text = file.read()
    with open(path, "w") as file:
        file.write(re.sub(r"tcp +=.*", f"tcp = top({count})", text))
    told = subprocess.run([palisade, "-C", folder, "plan", "bench", "--format", "json", "--offline"], capture_output=True, text=True)
    if told.returncode:
        raise SystemExit(f"bench: cannot plan: {told.stderr}")
    ports = []
    for part in json.loads(told.stdout)["tcp"].split(","):
        low, _, high = part.partition("-")
        ports.extend(range(int(low), int(high or low) + 1))
    return ports


def all_scenarios(top):
    """In the order in which they are measured."""
    every = list(range(1, 65536))
    scenarios = [
        Scenario("E-one", "198.18.6.1", 1, [80], 1),
        Scenario("A-closed", "198.18.0.0", 256, top, 0.01),
        Scenario("A-filtered", "198.18.1.0", 256, top, 0.01, filtered=True),
        Scenario("A-closed-rps", "198.18.0.0", 256, top, 0.01, other_core=True),
        Scenario("B-closed", "198.19.0.0", 65536, [443], 0.05),
        Scenario("B-filtered", "198.19.0.0", 65536, [80], 0.05, filtered=True),
        Scenario("C16-closed", "198.18.2.0", 16, every, 0.01),
        Scenario("C16-filtered", "198.18.3.0", 16, every, 0.01, filtered=True),
        Scenario("G-closed", "fd00:18::", 256, top, 0.01),
    ]
    for loss, rtt in (1, 20), (5, 80):
        for kind in "closed", "filtered":
            base = "198.18.0.0" if kind == "closed" else "198.18.1.0"
            name = f"D{loss}-{kind}"
            scenarios.append(Scenario(name, base, 256, top, 0.01, filtered=kind == "filtered", loss=loss, rtt_ms=rtt, retries=3))
    return scenarios
