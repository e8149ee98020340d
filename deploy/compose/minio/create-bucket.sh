#!/bin/sh
# Makes the bucket and the one user of it. Every step may be repeated: it runs at each `docker compose up`.
set -eu

mc mb --ignore-existing --region "$REGION" "store/$BUCKET"
mc anonymous set none "store/$BUCKET"

cat >/tmp/policy.json <<POLICY
{
  "Version": "2012-10-17",
  "Statement": [
    {"Effect": "Allow", "Action": ["s3:GetBucketLocation", "s3:ListBucket"], "Resource": ["arn:aws:s3:::$BUCKET"]},
    {"Effect": "Allow", "Action": ["s3:GetObject", "s3:PutObject", "s3:DeleteObject"], "Resource": ["arn:aws:s3:::$BUCKET/*"]}
  ]
}
POLICY
mc admin policy create store atelier-objects /tmp/policy.json
mc admin user add store "$ACCESS_KEY" "$SECRET_KEY"
# Attaching what is attached already is an error, so ask first.
case "$(mc --json admin user info store "$ACCESS_KEY")" in
  *atelier-objects*) ;;
  *) mc admin policy attach store atelier-objects --user "$ACCESS_KEY" ;;
esac
echo "bucket $BUCKET is ready"
