#!/bin/sh
# First process of the guest: mounts, modules, then the command file that the kernel's command line names.
export PATH=/usr/sbin:/usr/bin:/sbin:/bin
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t tmpfs tmpfs /run
mkdir -p /dev/pts
mount -t devpts devpts /dev/pts
ip link set lo up
for m in net/can/can net/can/can-raw drivers/net/can/dev/can-dev drivers/net/can/vcan drivers/net/can/slcan/slcan; do
    insmod "/usr/lib/uml/modules/$(uname -r)/kernel/$m.ko" # can-dev before those that need it
done
sh "$(tr ' ' '\n' </proc/cmdline | sed -n 's/^umlcmd=//p')"
sync
echo o >/proc/sysrq-trigger
sleep 5
