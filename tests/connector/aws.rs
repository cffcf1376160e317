//! Amazon's shapes.

use super::dump::{dump, gaps};

const INSTANCE: &str = r#"{"Reservations":[{"Groups":[],"ReservationId":"r-0a","Instances":[{
  "AmiLaunchIndex":0,"ImageId":"ami-0abc","InstanceId":"i-0aaa","InstanceType":"t3.large","LaunchTime":"2025-11-02T10:00:00+00:00",
  "Placement":{"AvailabilityZone":"us-east-1a"},"PlatformDetails":"Linux/UNIX","PrivateDnsName":"ip-10-0-0-5.ec2.internal",
  "PrivateIpAddress":"10.0.0.5","PublicDnsName":"ec2-203-0-113-5.compute-1.amazonaws.com","PublicIpAddress":"203.0.113.5",
  "State":{"Code":16,"Name":"running"},"SubnetId":"subnet-1","VpcId":"vpc-1","InstanceLifecycle":"spot",
  "Tags":[{"Key":"Name","Value":"web-1"},{"Key":"env","Value":"prod"},{"Key":"count","Value":3},{"Key":"empty","Value":""}],
  "NetworkInterfaces":[
   {"NetworkInterfaceId":"eni-2","OwnerId":"123456789012","VpcId":"vpc-1","MacAddress":"0a:00:00:00:00:02","Attachment":{"DeviceIndex":1},
    "PrivateIpAddress":"10.0.1.5","Ipv6Addresses":[{"Ipv6Address":"2001:db8::5"}],
    "PrivateIpAddresses":[{"Primary":true,"PrivateIpAddress":"10.0.1.5"},
      {"Primary":false,"PrivateIpAddress":"10.0.1.6","Association":{"IpOwnerId":"123456789012","PublicIp":"203.0.113.6","PublicDnsName":""}}]},
   {"NetworkInterfaceId":"eni-1","OwnerId":"123456789012","VpcId":"vpc-1","MacAddress":"0a:00:00:00:00:01","Attachment":{"DeviceIndex":0},
    "PrivateIpAddress":"10.0.0.5","Association":{"IpOwnerId":"amazon","PublicIp":"203.0.113.5","PublicDnsName":"ec2-203-0-113-5.compute-1.amazonaws.com"},
    "PrivateIpAddresses":[{"Primary":true,"PrivateIpAddress":"10.0.0.5","Association":{"IpOwnerId":"amazon","PublicIp":"203.0.113.5"}}]}]
 }],"OwnerId":"123456789012"}]}"#;

#[test]
fn an_instance_with_two_interfaces() {
    insta::assert_snapshot!(dump(&[INSTANCE]), @r#"
    asset i-0aaa web-1 in lab/123456789012/us-east-1/instances
      interface eni-1 in vpc-1
        10.0.0.5 Private Primary -
        203.0.113.5 Public Automatic ec2-203-0-113-5.compute-1.amazonaws.com
      interface eni-2 in vpc-1
        10.0.1.5 Private Primary -
        10.0.1.6 Private Secondary -
        203.0.113.6 Public Elastic -
        2001:db8::5 Unproven Automatic -
      activatedForModules.0 = VM
      activatedForModules.1 = PC
      aws.ec2.accountId.0 = 123456789012
      aws.ec2.availabilityZone.0 = us-east-1a
      aws.ec2.imageId.0 = ami-0abc
      aws.ec2.instanceId.0 = i-0aaa
      aws.ec2.instanceState.0 = RUNNING
      aws.ec2.instanceType.0 = t3.large
      aws.ec2.launchDate.0 = 2025-11-02T10:00:00Z
      aws.ec2.privateDns.0 = ip-10-0-0-5.ec2.internal
      aws.ec2.privateIpAddress.0 = 10.0.0.5
      aws.ec2.privateIpAddress.1 = 10.0.1.5
      aws.ec2.privateIpAddress.1 = 10.0.1.6
      aws.ec2.publicDns.0 = ec2-203-0-113-5.compute-1.amazonaws.com
      aws.ec2.publicIpAddress.0 = 203.0.113.5
      aws.ec2.publicIpAddress.1 = 203.0.113.6
      aws.ec2.publicIpv6Address.1 = 2001:db8::5
      aws.ec2.region.code.0 = us-east-1
      aws.ec2.region.name.0 = US East (N. Virginia)
      aws.ec2.spotInstance.0 = true
      aws.ec2.subnetId.0 = subnet-1
      aws.ec2.vpcId.0 = vpc-1
      aws.tags.key.0 = Name
      aws.tags.key.1 = env
      aws.tags.key.2 = count
      aws.tags.key.3 = empty
      aws.tags.value.0 = web-1
      aws.tags.value.1 = prod
      aws.tags.value.2 = 3
      connectors.name.0 = lab
      interfaces.address.0 = 10.0.0.5
      interfaces.address.0 = 203.0.113.5
      interfaces.address.1 = 10.0.1.5
      interfaces.address.1 = 10.0.1.6
      interfaces.address.1 = 2001:db8::5
      interfaces.address.1 = 203.0.113.6
      interfaces.hostname.0 = ec2-203-0-113-5.compute-1.amazonaws.com
      interfaces.macAddress.0 = 0a:00:00:00:00:01
      interfaces.macAddress.1 = 0a:00:00:00:00:02
      name.0 = web-1
      operatingSystem.0 = Linux/UNIX
      provider.0 = AWS
      trackingMethod.0 = INSTANCE_ID
    partition lab/123456789012/us-east-1/instances: complete
    partition lab/123456789012/us-east-1/interfaces: complete
    partition lab/123456789012/us-east-1/addresses: complete
    "#);
}

#[test]
fn a_terminated_instance_has_nothing_left() {
    let text = r#"{"Reservations":[{"OwnerId":"123456789012","Instances":[{"InstanceId":"i-0dead","InstanceType":"t3.large","ImageId":"ami-1",
      "State":{"Code":48,"Name":"terminated"},"PublicDnsName":"","PrivateDnsName":"","NetworkInterfaces":[],"Placement":{"AvailabilityZone":"us-west-2-lax-1a"}}]}]}"#;
    insta::assert_snapshot!(dump(&[text]), @r#"
    asset i-0dead - in lab/123456789012/us-west-2/instances
      aws.ec2.accountId.0 = 123456789012
      aws.ec2.availabilityZone.0 = us-west-2-lax-1a
      aws.ec2.imageId.0 = ami-1
      aws.ec2.instanceId.0 = i-0dead
      aws.ec2.instanceState.0 = TERMINATED
      aws.ec2.instanceType.0 = t3.large
      aws.ec2.region.code.0 = us-west-2
      aws.ec2.region.name.0 = US West (Oregon)
      aws.ec2.spotInstance.0 = false
      connectors.name.0 = lab
      provider.0 = AWS
      trackingMethod.0 = INSTANCE_ID
    partition lab/123456789012/us-west-2/instances: complete
    partition lab/123456789012/us-west-2/interfaces: complete
    partition lab/123456789012/us-west-2/addresses: complete
    "#);
}

#[test]
fn carrier_and_customer_addresses_are_not_proven_and_malformed_ones_are_said() {
    let text = r#"{"Reservations":[{"OwnerId":"123456789012","Instances":[{"InstanceId":"i-0c","State":{"Name":"running"},"Placement":{"AvailabilityZone":"us-east-1a"},
      "PrivateIpAddress":"10-0-0-157","NetworkInterfaces":[{"NetworkInterfaceId":"eni-9","PrivateIpAddresses":[
       {"Primary":true,"PrivateIpAddress":"10.0.0.9","Association":{"CarrierIp":"198.51.100.9","CustomerOwnedIp":"198.51.100.10","IpOwnerId":"amazon"}}]}]}]}]}"#;
    insta::assert_snapshot!(dump(&[text]), @r#"
    asset i-0c - in lab/123456789012/us-east-1/instances
      interface eni-9 in -
        10.0.0.9 Private Primary -
        198.51.100.9 Unproven Automatic -
        198.51.100.10 Unproven Automatic -
      activatedForModules.0 = VM
      activatedForModules.1 = PC
      aws.ec2.accountId.0 = 123456789012
      aws.ec2.availabilityZone.0 = us-east-1a
      aws.ec2.instanceId.0 = i-0c
      aws.ec2.instanceState.0 = RUNNING
      aws.ec2.privateIpAddress.0 = 10.0.0.9
      aws.ec2.region.code.0 = us-east-1
      aws.ec2.region.name.0 = US East (N. Virginia)
      aws.ec2.spotInstance.0 = false
      connectors.name.0 = lab
      interfaces.address.0 = 10.0.0.9
      interfaces.address.0 = 198.51.100.10
      interfaces.address.0 = 198.51.100.9
      provider.0 = AWS
      trackingMethod.0 = INSTANCE_ID
    partition lab/123456789012/us-east-1/instances: complete
    partition lab/123456789012/us-east-1/interfaces: complete
    partition lab/123456789012/us-east-1/addresses: complete
    warning P0355 1.json Reservations[0].Instances[0]: `10-0-0-157` is not a host address and was left out
    "#);
}

#[test]
fn interfaces_and_elastic_addresses_of_their_own_files_join_in_any_order() {
    let enis = r#"{"NetworkInterfaces":[
      {"NetworkInterfaceId":"eni-7","InterfaceType":"interface","OwnerId":"123456789012","AvailabilityZone":"us-east-1a","Attachment":{"InstanceId":"i-0e","DeviceIndex":0},
       "PrivateIpAddresses":[{"Primary":true,"PrivateIpAddress":"10.0.0.7","Association":{"IpOwnerId":"amazon","PublicIp":"203.0.113.7"}}],"TagSet":[]},
      {"NetworkInterfaceId":"eni-8","Description":"ELB app/web","RequesterManaged":true,"OwnerId":"123456789012","AvailabilityZone":"us-east-1a",
       "Attachment":{"InstanceOwnerId":"amazon-elb"},"PrivateIpAddresses":[{"Primary":true,"PrivateIpAddress":"10.0.0.8","Association":{"IpOwnerId":"amazon-elb","PublicIp":"203.0.113.8"}}]},
      {"NetworkInterfaceId":"eni-9","AvailabilityZone":"us-east-1a","OwnerId":"123456789012","Attachment":{"InstanceId":"i-unknown"}}]}"#;
    let addresses = r#"{"Addresses":[
      {"PublicIp":"203.0.113.7","AllocationId":"eipalloc-1","AssociationId":"eipassoc-1","NetworkInterfaceId":"eni-7","NetworkInterfaceOwnerId":"123456789012","NetworkBorderGroup":"us-east-1"},
      {"PublicIp":"203.0.113.77","AssociationId":"eipassoc-2","InstanceId":"i-0e","NetworkInterfaceOwnerId":"123456789012","NetworkBorderGroup":"us-east-1"},
      {"PublicIp":"203.0.113.99","AllocationId":"eipalloc-9","NetworkBorderGroup":"us-east-1"}]}"#;
    let instances = r#"[{"InstanceId":"i-0e","ImageId":"ami-1","InstanceType":"t3.nano","State":{"Name":"stopped"},"Placement":{"AvailabilityZone":"us-east-1a"},
      "NetworkInterfaces":[{"NetworkInterfaceId":"eni-7","OwnerId":"123456789012","PrivateIpAddress":"10.0.0.7"}]}]"#;
    insta::assert_snapshot!(dump(&[enis, addresses, instances]), @r#"
    asset i-0e - in lab/123456789012/us-east-1/instances
      interface eni-7 in -
        10.0.0.7 Private Primary -
        203.0.113.7 Public Elastic -
        203.0.113.77 Public Elastic -
      aws.ec2.accountId.0 = 123456789012
      aws.ec2.availabilityZone.0 = us-east-1a
      aws.ec2.imageId.0 = ami-1
      aws.ec2.instanceId.0 = i-0e
      aws.ec2.instanceState.0 = STOPPED
      aws.ec2.instanceType.0 = t3.nano
      aws.ec2.privateIpAddress.0 = 10.0.0.7
      aws.ec2.publicIpAddress.0 = 203.0.113.7
      aws.ec2.publicIpAddress.0 = 203.0.113.77
      aws.ec2.region.code.0 = us-east-1
      aws.ec2.region.name.0 = US East (N. Virginia)
      aws.ec2.spotInstance.0 = false
      connectors.name.0 = lab
      interfaces.address.0 = 10.0.0.7
      interfaces.address.0 = 203.0.113.7
      interfaces.address.0 = 203.0.113.77
      provider.0 = AWS
      trackingMethod.0 = INSTANCE_ID
    partition lab/123456789012/us-east-1/interfaces: complete
    partition lab/123456789012/-/addresses: complete
    partition lab/123456789012/us-east-1/instances: complete
    partition lab/123456789012/us-east-1/addresses: complete
    warning P0362 1.json: records of instances that are not in the inventory: 1
    "#);
}

#[test]
fn load_balancers_of_both_kinds() {
    let v2 = r#"{"LoadBalancers":[
      {"LoadBalancerArn":"arn:aws:elasticloadbalancing:eu-west-1:123456789012:loadbalancer/app/web/50dc","DNSName":"web-1.eu-west-1.elb.amazonaws.com","Scheme":"internet-facing","Type":"application","State":{"Code":"active"}},
      {"LoadBalancerArn":"arn:aws:elasticloadbalancing:eu-west-1:123456789012:loadbalancer/net/n/51dc","DNSName":"n-1.elb.eu-west-1.amazonaws.com","Scheme":"internet-facing","Type":"network","State":{"Code":"provisioning"},
       "AvailabilityZones":[{"ZoneName":"eu-west-1a","LoadBalancerAddresses":[{"IpAddress":"198.51.100.20"}]}]},
      {"LoadBalancerArn":"arn:aws:elasticloadbalancing:eu-west-1:123456789012:loadbalancer/gwy/g/52dc","DNSName":"g-1.elb.eu-west-1.amazonaws.com","Type":"gateway","State":{"Code":"active"}},
      {"LoadBalancerArn":"arn:aws:elasticloadbalancing:eu-west-1:123456789012:loadbalancer/app/in/53dc","DNSName":"internal-in-1.eu-west-1.elb.amazonaws.com","Scheme":"internal","Type":"application","State":{"Code":"active"}},
      {"LoadBalancerArn":"arn:aws:elasticloadbalancing:eu-west-1:123456789012:loadbalancer/app/nameless/54dc"}]}"#;
    let classic = r#"{"LoadBalancerDescriptions":[{"LoadBalancerName":"old","DNSName":"old-1.us-east-1.elb.amazonaws.com","Scheme":"internet-facing","AvailabilityZones":["us-east-1a"]}]}"#;
    insta::assert_snapshot!(dump(&[v2, classic]), @r#"
    balancer web-1.eu-west-1.elb.amazonaws.com internet-facing active=true [] in lab/123456789012/eu-west-1/load-balancers
    balancer n-1.elb.eu-west-1.amazonaws.com internet-facing active=false [198.51.100.20] in lab/123456789012/eu-west-1/load-balancers
    balancer g-1.elb.eu-west-1.amazonaws.com internal active=true [] in lab/123456789012/eu-west-1/load-balancers
    balancer internal-in-1.eu-west-1.elb.amazonaws.com internal active=true [] in lab/123456789012/eu-west-1/load-balancers
    balancer old-1.us-east-1.elb.amazonaws.com internet-facing active=true [] in lab/-/us-east-1/load-balancers
    partition lab/123456789012/eu-west-1/load-balancers: partly read: 1 record dropped
    partition lab/-/us-east-1/load-balancers: complete
    partition lab/-/-/instances: not asked
    error P0354 1.json LoadBalancers[4]: this record was dropped: it has no `DNSName`
    "#);
}

#[test]
fn a_bad_instance_costs_only_itself() {
    let text = r#"{"Reservations":[
      {"OwnerId":"123456789012","Instances":[{"InstanceId":"i-1","Placement":{"AvailabilityZone":"us-east-1a"}},{"InstanceId":"i-2","Tags":"oops"},{"InstanceId":"i-3","Placement":{"AvailabilityZone":"us-east-1a"}}]},
      {"OwnerId":"123456789012","Instances":{"InstanceId":"i-4"}},
      7,
      {"OwnerId":"123456789012","Instances":[{"State":{"Name":"dreaming"}},{"InstanceId":"i-5","State":{"Name":"dreaming"},"Placement":{"AvailabilityZone":"us-east-1a"},"LaunchTime":"yesterday"}]}]}"#;
    let all = dump(&[text]);
    let ids: Vec<&str> = all.lines().filter(|l| l.starts_with("asset ")).collect();
    assert_eq!(
        ids,
        [
            "asset i-1 - in lab/123456789012/us-east-1/instances",
            "asset i-3 - in lab/123456789012/us-east-1/instances",
            "asset i-5 - in lab/123456789012/us-east-1/instances"
        ]
    );
    insta::assert_snapshot!(gaps(&[text]), @r#"
    partition lab/123456789012/us-east-1/instances: partly read: 4 records dropped
    partition lab/123456789012/us-east-1/interfaces: complete
    partition lab/123456789012/us-east-1/addresses: complete
    error P0354 1.json Reservations[0].Instances[1]: this record was dropped: invalid type: string "oops", expected a sequence at line 1 column 33
    error P0354 1.json Reservations[1]: this record was dropped: invalid type: map, expected a sequence at line 1 column 38
    error P0354 1.json Reservations[2]: this record was dropped: it is not an object
    error P0354 1.json Reservations[3].Instances[0]: this record was dropped: it has no `InstanceId`
    warning P0366 1.json Reservations[3].Instances[1]: state `dreaming` is not known and counts as UNSUPPORTED
    warning P0355 1.json Reservations[3].Instances[1]: `yesterday` is not a time and was left out
    "#);
}

#[test]
fn an_empty_answer_is_complete() {
    insta::assert_snapshot!(gaps(&[r#"{"Reservations":[]}"#]), @r#"partition lab/-/-/instances: complete"#);
}
