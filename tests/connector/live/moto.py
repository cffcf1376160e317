"""Fills a moto server with an inventory and tells how boto3 sees it.

usage: moto.py fill ENDPOINT ACCOUNT[,ACCOUNT…] REGION[,REGION…] PLAIN
       moto.py view ENDPOINT ACCOUNT[,ACCOUNT…] REGION[,REGION…]
       moto.py edge ENDPOINT ACCOUNT REGION ADDRESS[,ADDRESS…]
       moto.py many ENDPOINT ACCOUNT REGION[,REGION…] INSTANCES
       moto.py loop ENDPOINT ACCOUNT REGION[,REGION…]
       moto.py move ENDPOINT ACCOUNT REGION ADDRESS INSTANCE
       moto.py remove ENDPOINT ACCOUNT REGION BALANCER
       moto.py organize ENDPOINT

`fill` makes PLAIN plain instances in each account and region, and one of every odd kind. `view` prints one JSON object:
assets as maps of palisade's tokens to sorted values, load balancers, and the accounts. `edge` makes an instance with
no public address but each ADDRESS, and a spare one with none, and prints their ids in this order.
"""

import ipaddress
import json
import sys
import time

import boto3

ENDPOINT = sys.argv[2]
HOME = "123456789012"
# One that moto knows everywhere, and not of Windows. Listing them takes seconds.
IMAGE = "ami-1e749f67"
OWN = dict(aws_access_key_id="testing", aws_secret_access_key="testing", endpoint_url=ENDPOINT)


def client(service, account, region):
    keys = OWN
    if account != HOME:
        sts = boto3.client("sts", region_name=region, **OWN)
        role = sts.assume_role(RoleArn=f"arn:aws:iam::{account}:role/filler", RoleSessionName="filler")["Credentials"]
        keys = dict(
            aws_access_key_id=role["AccessKeyId"],
            aws_secret_access_key=role["SecretAccessKey"],
            aws_session_token=role["SessionToken"],
            endpoint_url=ENDPOINT,
        )
    return boto3.client(service, region_name=region, **keys)


def tags(**pairs):
    return [{"ResourceType": "instance", "Tags": [{"Key": k, "Value": v} for k, v in pairs.items()]}]


def fill(account, region, plain):
    ec2 = client("ec2", account, region)

    def run(count=1, **more):
        made = ec2.run_instances(ImageId=IMAGE, MinCount=count, MaxCount=count, **more)
        return [i["InstanceId"] for i in made["Instances"]]

    run(plain, InstanceType="t3.large", TagSpecifications=tags(Name=f"plain-{region}", env="prod"))
    run(3, InstanceType="t3.nano", TagSpecifications=tags(env='a&b <c> "d" \u263a ', empty=""))
    run(1, InstanceType="m5.large", InstanceMarketOptions={"MarketType": "spot"})
    ec2.stop_instances(InstanceIds=run(2, InstanceType="t3.large"))
    ec2.terminate_instances(InstanceIds=run(2, InstanceType="t3.large", TagSpecifications=tags(Name="gone")))

    vpc = ec2.create_vpc(CidrBlock="10.77.0.0/16", AmazonProvidedIpv6CidrBlock=True)["Vpc"]["VpcId"]
    block = ec2.describe_vpcs(VpcIds=[vpc])["Vpcs"][0]["Ipv6CidrBlockAssociationSet"][0]["Ipv6CidrBlock"]
    block = str(next(ipaddress.ip_network(block).subnets(new_prefix=64)))
    zone = f"{region}a"
    subnet = ec2.create_subnet(VpcId=vpc, CidrBlock="10.77.1.0/24", Ipv6CidrBlock=block, AvailabilityZone=zone)
    subnet = subnet["Subnet"]["SubnetId"]
    other = ec2.create_subnet(VpcId=vpc, CidrBlock="10.77.2.0/24", AvailabilityZone=f"{region}b")["Subnet"]["SubnetId"]
    run(2, SubnetId=subnet, Ipv6AddressCount=1, InstanceType="t3.large", TagSpecifications=tags(Name="six"))
    run(1, SubnetId=subnet, InstanceType="t3.large", TagSpecifications=tags(Name="private"))

    def elastic(**target):
        made = ec2.allocate_address(Domain="vpc")
        ec2.associate_address(AllocationId=made["AllocationId"], **target)
        return made["PublicIp"]

    for _ in range(3):
        elastic(InstanceId=run(1, InstanceType="t3.large", TagSpecifications=tags(Name="elastic"))[0])
    two = run(1, SubnetId=subnet, InstanceType="t3.large", TagSpecifications=tags(Name="two"))[0]
    second = ec2.create_network_interface(SubnetId=subnet, PrivateIpAddresses=[
        {"PrivateIpAddress": "10.77.1.200", "Primary": True}, {"PrivateIpAddress": "10.77.1.201", "Primary": False}])
    second = second["NetworkInterface"]["NetworkInterfaceId"]
    ec2.attach_network_interface(NetworkInterfaceId=second, InstanceId=two, DeviceIndex=1)
    elastic(NetworkInterfaceId=second)
    ec2.allocate_address(Domain="vpc")
    ec2.create_network_interface(SubnetId=other, Description="nobody's")

    group = ec2.create_security_group(GroupName="balancers", Description="x", VpcId=vpc)["GroupId"]
    v2 = client("elbv2", account, region)
    common = dict(Subnets=[subnet, other])
    v2.create_load_balancer(Name="front", Scheme="internet-facing", SecurityGroups=[group], **common)
    v2.create_load_balancer(Name="back", Scheme="internal", SecurityGroups=[group], **common)
    v2.create_load_balancer(Name="stream", Type="network", Scheme="internet-facing", **common)
    classic = client("elb", account, region)
    listener = [{"Protocol": "http", "LoadBalancerPort": 80, "InstancePort": 80}]
    classic.create_load_balancer(LoadBalancerName="old", Listeners=listener, AvailabilityZones=[zone])
    inside = dict(Scheme="internal", Subnets=[subnet], SecurityGroups=[group])
    classic.create_load_balancer(LoadBalancerName="oldin", Listeners=listener, **inside)


def edge(account, region, addresses):
    ec2 = client("ec2", account, region)
    vpc = ec2.create_vpc(CidrBlock="10.78.0.0/16")["Vpc"]["VpcId"]
    subnet = ec2.create_subnet(VpcId=vpc, CidrBlock="10.78.1.0/24")["Subnet"]["SubnetId"]
    made = ec2.run_instances(ImageId=IMAGE, MinCount=len(addresses) + 1, MaxCount=len(addresses) + 1,
                             SubnetId=subnet, InstanceType="t3.large")
    ids = [i["InstanceId"] for i in made["Instances"]]
    for instance, address in zip(ids, addresses):
        allocation = ec2.allocate_address(Domain="vpc", Address=address)["AllocationId"]
        ec2.associate_address(AllocationId=allocation, InstanceId=instance)
    return ids


def many(account, regions, instances):
    each = instances // len(regions)
    for region in regions:
        ec2 = client("ec2", account, region)
        left = each
        while left > 0:
            count = min(left, 50)
            pairs = tags(Name=f"host-{region}-{left}", env="prod", team="edge", cost="4711")
            ec2.run_instances(ImageId=IMAGE, MinCount=count, MaxCount=count, InstanceType="t3.large",
                              TagSpecifications=pairs)
            left -= count


def move(account, region, address, instance):
    ec2 = client("ec2", account, region)
    found = ec2.describe_addresses(PublicIps=[address])["Addresses"][0]
    ec2.disassociate_address(AssociationId=found["AssociationId"])
    if instance != "-":
        ec2.associate_address(AllocationId=found["AllocationId"], InstanceId=instance)


def loop(account, regions):
    """The plain loop that people write: region after region, call after call."""
    calls, records, began = 0, 0, time.monotonic()

    def count(**_):
        nonlocal calls
        calls += 1

    for region in regions:
        for service, operation, key in (
            ("ec2", "describe_instances", "Reservations"),
            ("ec2", "describe_network_interfaces", "NetworkInterfaces"),
            ("ec2", "describe_addresses", "Addresses"),
            ("elbv2", "describe_load_balancers", "LoadBalancers"),
            ("elb", "describe_load_balancers", "LoadBalancerDescriptions"),
        ):
            at = client(service, account, region)
            at.meta.events.register("before-send", count)
            if at.can_paginate(operation):
                found = pages(at.get_paginator(operation), key)
            else:
                found = getattr(at, operation)()[key]
            records += sum(len(r["Instances"]) for r in found) if key == "Reservations" else 0
    return {"calls": calls, "instances": records, "seconds": round(time.monotonic() - began, 2)}


def pages(call, key, **kwargs):
    return [item for page in call.paginate(**kwargs) for item in page[key]]


def view_region(account, region, out):
    ec2 = client("ec2", account, region)
    elastic = {a["PublicIp"] for a in ec2.describe_addresses()["Addresses"] if a.get("AssociationId")}
    by_instance = {}
    for eni in pages(ec2.get_paginator("describe_network_interfaces"), "NetworkInterfaces"):
        owner = eni.get("Attachment", {}).get("InstanceId")
        if owner:
            by_instance.setdefault(owner, {})[eni["NetworkInterfaceId"]] = eni
    for reservation in pages(ec2.get_paginator("describe_instances"), "Reservations"):
        for i in reservation["Instances"]:
            out["assets"].append(asset(reservation["OwnerId"], region, i, by_instance.get(i["InstanceId"], {}), elastic))
    v2 = client("elbv2", account, region)
    for b in pages(v2.get_paginator("describe_load_balancers"), "LoadBalancers"):
        out["balancers"].append([b["LoadBalancerArn"], b["DNSName"], account, region, b["Scheme"]])
    classic = client("elb", account, region)
    for b in pages(classic.get_paginator("describe_load_balancers"), "LoadBalancerDescriptions"):
        arn = f"arn:aws:elasticloadbalancing:{region}:{account}:loadbalancer/{b['LoadBalancerName']}"
        out["balancers"].append([arn, b["DNSName"], account, region, b["Scheme"]])


def asset(owner, region, i, enis, elastic):
    private, public, six, macs, names = set(), set(), set(), [], {}
    addresses = set()

    def take(eni_id, eni):
        associations = [eni.get("Association")] + [p.get("Association") for p in eni.get("PrivateIpAddresses", [])]
        for p in [eni.get("PrivateIpAddress")] + [p["PrivateIpAddress"] for p in eni.get("PrivateIpAddresses", [])]:
            if p:
                private.add(p)
                addresses.add((eni_id, p))
        for a in associations:
            if a and a.get("PublicIp"):
                public.add(a["PublicIp"])
                addresses.add((eni_id, a["PublicIp"]))
                if a.get("PublicDnsName"):
                    names.setdefault(a["PublicIp"], a["PublicDnsName"])
        for a in eni.get("Ipv6Addresses", []):
            six.add(str(ipaddress.ip_address(a["Ipv6Address"])))
            addresses.add((eni_id, str(ipaddress.ip_address(a["Ipv6Address"]))))

    own = {e["NetworkInterfaceId"]: e for e in i.get("NetworkInterfaces", [])}
    for eni_id in {**own, **enis}:
        for eni in (own.get(eni_id), enis.get(eni_id)):
            if eni:
                take(eni_id, eni)
        if eni_id in own and own[eni_id].get("MacAddress"):
            macs.append(own[eni_id]["MacAddress"])
    if i.get("PrivateIpAddress"):
        private.add(i["PrivateIpAddress"])
    if i.get("PublicIpAddress"):
        public.add(i["PublicIpAddress"])
        if i.get("PublicDnsName"):
            names.setdefault(i["PublicIpAddress"], i["PublicDnsName"])
    pairs = [(t["Key"], t["Value"]) for t in i.get("Tags", [])]
    one = lambda key: [i[key]] if i.get(key) else []
    tokens = {
        "aws.ec2.accountId": [owner],
        "aws.ec2.instanceId": [i["InstanceId"]],
        "aws.ec2.region.code": [region],
        "aws.ec2.availabilityZone": [i["Placement"]["AvailabilityZone"]],
        "aws.ec2.imageId": one("ImageId"),
        "aws.ec2.instanceType": one("InstanceType"),
        "aws.ec2.kernelId": one("KernelId"),
        "aws.ec2.vpcId": one("VpcId"),
        "aws.ec2.subnetId": one("SubnetId"),
        "aws.ec2.instanceState": [i["State"]["Name"].upper().replace("-", "_")],
        "aws.ec2.privateDns": one("PrivateDnsName"),
        "aws.ec2.launchDate": [i["LaunchTime"].strftime("%Y-%m-%dT%H:%M:%S") + "Z"],
        "aws.ec2.spotInstance": ["true" if i.get("InstanceLifecycle") == "spot" else "false"],
        "aws.ec2.privateIpAddress": sorted(private),
        "aws.ec2.publicIpAddress": sorted(public),
        "aws.ec2.publicIpv6Address": sorted(a for a in six if not ipaddress.ip_address(a).is_private),
        "aws.ec2.publicDns": sorted(names.values()),
        "interfaces.macAddress": sorted(macs),
        "aws.tags.key": sorted(k for k, _ in pairs),
        "aws.tags.value": sorted(v for _, v in pairs if v),
        "name": sorted(v for k, v in pairs if k == "Name" and v),
    }
    return {"id": i["InstanceId"], "tokens": {k: v for k, v in tokens.items() if v}, "elastic": sorted(public & elastic),
            "addresses": sorted(f"{e} {a}" for e, a in addresses)}


def main():
    what, regions = sys.argv[1], sys.argv[4].split(",") if len(sys.argv) > 4 else []
    accounts = sys.argv[3].split(",") if len(sys.argv) > 3 else []
    if what == "fill":
        for account in accounts:
            for region in regions:
                fill(account, region, int(sys.argv[5]))
    elif what == "view":
        out = {"assets": [], "balancers": []}
        for account in accounts:
            for region in regions:
                view_region(account, region, out)
        json.dump(out, sys.stdout)
    elif what == "edge":
        json.dump(edge(accounts[0], regions[0], sys.argv[5].split(",")), sys.stdout)
    elif what == "many":
        many(accounts[0], regions, int(sys.argv[5]))
    elif what == "loop":
        json.dump(loop(accounts[0], regions), sys.stdout)
    elif what == "move":
        move(accounts[0], regions[0], sys.argv[5], sys.argv[6])
    elif what == "remove":
        arn = sys.argv[5]
        name = arn.split(":loadbalancer/")[1]
        if "/" in name:
            client("elbv2", accounts[0], regions[0]).delete_load_balancer(LoadBalancerArn=arn)
        else:
            client("elb", accounts[0], regions[0]).delete_load_balancer(LoadBalancerName=name)
    elif what == "organize":
        organizations = boto3.client("organizations", region_name="us-east-1", **OWN)
        organizations.create_organization(FeatureSet="ALL")
        root = organizations.list_roots()["Roots"][0]["Id"]
        unit = organizations.create_organizational_unit(ParentId=root, Name="edge")["OrganizationalUnit"]["Id"]
        below = organizations.create_organizational_unit(ParentId=unit, Name="web")["OrganizationalUnit"]["Id"]
        made = []
        for n in range(3):
            status = organizations.create_account(AccountName=f"a{n}", Email=f"a{n}@example.com")
            made.append(status["CreateAccountStatus"]["AccountId"])
        organizations.move_account(AccountId=made[0], SourceParentId=root, DestinationParentId=unit)
        organizations.move_account(AccountId=made[1], SourceParentId=root, DestinationParentId=below)
        json.dump({"root": root, "unit": unit, "accounts": made}, sys.stdout)
    else:
        sys.exit(__doc__)


main()
