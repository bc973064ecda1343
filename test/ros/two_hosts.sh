#!/usr/bin/env bash
# Run two commands as if on two hosts of a network, each with a /dev/shm of its own:
#
#   test/ros/two_hosts.sh NODE... -- CAMERA...
#
# Without root: the network namespaces lie in a user namespace. Ends with the camera, and with its
# exit code; the node is sent SIGINT then. Both need the same ROS_DOMAIN_ID. By hand:
#
#   test/ros/two_hosts.sh python -m sfnet_ros.ros.start -- python -m sfnet_ros.ros.player BAG
set -euo pipefail

if [ "${SFNET_INSIDE:-}" != yes ]; then
  exec env SFNET_INSIDE=yes unshare --map-root-user --net --mount "$0" "$@"
fi

node=()
while [ "$1" != -- ]; do
  node+=("$1")
  shift
done
shift

mount -t tmpfs tmpfs /dev/shm
ip link set lo up

unshare --net --mount bash -c '
  mount -t tmpfs tmpfs /dev/shm
  ip link set lo up
  until ip address show dev node 2>&1 | grep -q 10.9.0.2; do sleep 0.1; done
  exec "$@"
' two_hosts "${node[@]}" &
other=$!
trap 'kill -INT "$other" 2>/dev/null; wait "$other" || true' EXIT

# The other side has its network once it no longer shares this one.
until [ "$(readlink "/proc/$other/ns/net")" != "$(readlink /proc/self/ns/net)" ]; do sleep 0.1; done
ip link add name camera type veth peer name node netns "$other"
ip address add 10.9.0.1/24 dev camera
ip link set camera up
nsenter --target "$other" --net ip link set node up
nsenter --target "$other" --net ip address add 10.9.0.2/24 dev node

"$@"
