// MicroPython for a node: that of the NUCLEO-G474RE, with littlefs and ROMFS, without what no node uses, so that it
// fits into the first 256 KB of flash and leaves the second to two versions of the application. deflate stays: without
// it binascii has no crc32.
#include "boards/NUCLEO_G474RE/mpconfigboard.h"

#define MICROPY_VFS_ROM                     (1)
#define MICROPY_VFS_ROM_IOCTL               (0)
#define MICROPY_VFS_FAT                     (0)
#define MICROPY_EMIT_INLINE_THUMB           (0)
#define MICROPY_PY_ASYNCIO                  (0)
#define MICROPY_PY_BUILTINS_COMPLEX         (0)
#define MICROPY_PY_BUILTINS_EXECFILE        (0)
#define MICROPY_PY_BUILTINS_HELP            (0)
#define MICROPY_PY_BUILTINS_FROZENSET       (0)
#define MICROPY_PY_BUILTINS_INPUT           (0)
#define MICROPY_PY_BUILTINS_POW3            (0)
#define MICROPY_PY_BUILTINS_SLICE_ATTRS     (0)
#define MICROPY_PY_BUILTINS_STR_CENTER      (0)
#define MICROPY_PY_BUILTINS_STR_PARTITION   (0)
#define MICROPY_PY_BUILTINS_STR_SPLITLINES  (0)
#define MICROPY_PY_CMATH                    (0)
#define MICROPY_PY_COLLECTIONS_DEQUE        (0)
#define MICROPY_PY_COLLECTIONS_ORDEREDDICT  (0)
#define MICROPY_PY_FRAMEBUF                 (0)
#define MICROPY_PY_HEAPQ                    (0)
#define MICROPY_PY_LWIP                     (0)
#define MICROPY_PY_MACHINE_SIGNAL           (0)
#define MICROPY_PY_MATH_FACTORIAL           (0)
#define MICROPY_PY_MATH_ISCLOSE             (0)
#define MICROPY_PY_MATH_SPECIAL_FUNCTIONS   (0)
#define MICROPY_PY_MICROPYTHON_RINGIO       (0)
#define MICROPY_PY_NETWORK                  (0)
#define MICROPY_PY_ONEWIRE                  (0)
#define MICROPY_PY_PLATFORM                 (0)
#define MICROPY_PY_PYB_LEGACY               (0)
#define MICROPY_PY_RANDOM                   (0)
#define MICROPY_PY_RE                       (0)
#define MICROPY_PY_REVERSE_SPECIAL_METHODS  (0)
#define MICROPY_PY_SELECT_SELECT            (0)
#define MICROPY_PY_SOCKET                   (0)
#define MICROPY_PY_STM                      (0)
#define MICROPY_PY_SYS_PS1_PS2              (0)
#define MICROPY_REPL_EMACS_KEYS             (0)
#define MICROPY_HW_ENABLE_TIMER             (0)

#undef MICROPY_HW_ENABLE_DAC
#define MICROPY_HW_ENABLE_DAC               (0)
#undef MICROPY_HW_ENABLE_RNG
#define MICROPY_HW_ENABLE_RNG               (0)
#undef MICROPY_HW_USB_FS
#undef MICROPY_HW_I2C1_SCL // B8 is BOOT0; the node's I2C is SoftI2C
#undef MICROPY_HW_I2C1_SDA
#undef MICROPY_HW_UART1_TX
#undef MICROPY_HW_UART1_RX
#undef MICROPY_HW_UART3_TX
#undef MICROPY_HW_UART3_RX
#undef MICROPY_HW_CAN2_TX
#undef MICROPY_HW_CAN2_RX
