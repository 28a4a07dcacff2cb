"""Everything a node keeps in files beside its two versions, on a disk as the NUCLEO has it, written again and again."""

import sys

import power_cut_device as device

device.BLOCKS = int(sys.argv[1])
flash = device.CutFlash()
device.vfs.VfsLfs2.mkfs(flash)
device.mount(flash)


def write(name, size):
    with open(device.FOLDER + name, "wb") as file:
        for _ in range(size // 256):
            file.write(bytes(256))
        file.write(bytes(size % 256))


for name in ("config.0", "config.1", "faults.0", "faults.1", "last_error.txt"):
    write(name, 1500)
for turn in range(6):
    write(f"record_{turn & 1}", 39)
    write("faults.new", 1500)
    device.os.rename(device.FOLDER + "faults.new", device.FOLDER + f"faults.{turn & 1}")
print("fits")
