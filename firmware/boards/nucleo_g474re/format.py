# Makes the small file system of the boot files, in MicroPython's storage, where it finds it again
# at every start. The flash tool runs this at the prompt of a bare board; what was there is lost.
import os

import pyb
import vfs

os.chdir("/")
vfs.umount("/flash")
boot = pyb.Flash(start=0)
vfs.VfsLfs2.mkfs(boot)
vfs.mount(vfs.VfsLfs2(boot), "/flash")
os.chdir("/flash")
