"""A small program on AWS: a network, a bucket with a policy, a role, and a name that is read back."""

import json

import pulumi
import pulumi_aws as aws

config = pulumi.Config()
provider = aws.Provider("here", region="us-east-1", default_tags=aws.ProviderDefaultTagsArgs(tags={"stack": "tests"}))
opts = pulumi.ResourceOptions(provider=provider)
vpc = aws.ec2.Vpc("network", cidr_block=config.require("cidr"), opts=opts)
subnets = [
    aws.ec2.Subnet(
        f"private-{zone}",
        vpc_id=vpc.id,
        cidr_block=f"10.0.{index}.0/24",
        availability_zone=f"us-east-1{zone}",
        opts=opts,
    )
    for index, zone in enumerate("ab")
]
bucket = aws.s3.Bucket("models", tags={"size": config.get("size") or "small"}, opts=opts)
document = bucket.arn.apply(lambda arn: json.dumps({"Version": "2012-10-17", "Statement": [{"Resource": arn}]}))
aws.s3.BucketPolicy("models", bucket=bucket.bucket, policy=document, opts=opts)
secret = aws.secretsmanager.Secret("key", opts=opts)
aws.secretsmanager.SecretVersion("key", secret_id=secret.id, secret_string=config.require_secret("secret"), opts=opts)
pulumi.export("subnets", [subnet.id for subnet in subnets])
pulumi.export("bucket", bucket.bucket)
pulumi.export("policy", document)
