# make -C ports/stm32 BOARD_DIR=<this folder>, in MicroPython's source, 1.28 or newer (docs/flashing.md).
include boards/NUCLEO_G474RE/mpconfigboard.mk

LD_FILES = $(BOARD_DIR)/flash.ld boards/common_basic.ld
FROZEN_MANIFEST =
MICROPY_VFS_LFS2 = 1
MICROPY_VFS_FAT = 0
MICROPY_PY_LWIP = 0
MICROPY_PY_SSL = 0
MICROPY_ROM_TEXT_COMPRESSION = 1
