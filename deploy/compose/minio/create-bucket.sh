#!/bin/sh
# Creates the bucket and its two users: the services', and the one that signs upload URLs and can only put uploads. Every
# step may be repeated: it runs at each `docker compose up`.
set -eu

mc mb --ignore-existing --region "$REGION" "store/$BUCKET"
mc anonymous set none "store/$BUCKET"

cat >/tmp/objects.json <<POLICY
{
  "Version": "2012-10-17",
  "Statement": [
    {"Effect": "Allow", "Action": ["s3:GetBucketLocation", "s3:ListBucket"], "Resource": ["arn:aws:s3:::$BUCKET"]},
    {"Effect": "Allow", "Action": ["s3:GetObject", "s3:PutObject", "s3:DeleteObject"], "Resource": ["arn:aws:s3:::$BUCKET/*"]}
  ]
}
POLICY
cat >/tmp/uploads.json <<POLICY
{
  "Version": "2012-10-17",
  "Statement": [
    {
      "Effect": "Allow",
      "Action": ["s3:PutObject"],
      "Resource": [
        "arn:aws:s3:::$BUCKET/stores/*/uploads/*",
        "arn:aws:s3:::$BUCKET/users/*/uploads/*",
        "arn:aws:s3:::$BUCKET/workspaces/*/uploads/*"
      ]
    }
  ]
}
POLICY

# user NAME ACCESS_KEY SECRET_KEY: a user with the policy atelier-NAME, and with no other.
user() {
  mc admin policy create store "atelier-$1" "/tmp/$1.json"
  mc admin user add store "$2" "$3"
  # Attaching an attached policy is an error, so check first.
  case "$(mc --json admin user info store "$2")" in
    *"atelier-$1"*) ;;
    *) mc admin policy attach store "atelier-$1" --user "$2" ;;
  esac
}
user objects "$ACCESS_KEY" "$SECRET_KEY"
user uploads "$UPLOAD_ACCESS_KEY" "$UPLOAD_SECRET_KEY"
echo "bucket $BUCKET is ready"
