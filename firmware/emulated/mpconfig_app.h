// What the emulated board has beyond the qemu port's own configuration. Kept outside MicroPython's source, which is unchanged.
#include "ports/qemu/mpconfigport.h"
#undef MICROPY_PY_TIME
#undef MICROPY_PY_SYS_STDIO_BUFFER
#undef MICROPY_VFS_ROM_IOCTL
#define MICROPY_PY_TIME (1)
#define MICROPY_PY_TIME_GMTIME_LOCALTIME_MKTIME (0)
#define MICROPY_PY_TIME_TIME_TIME_NS (0)
#define MICROPY_PY_SYS_STDIO_BUFFER (1)
#define MICROPY_VFS_ROM_IOCTL (1)
// As the stm32 port has it, and more room for where names were found last: 128 places are too few for a node's names.
#undef MICROPY_OPT_COMPUTED_GOTO
#define MICROPY_OPT_COMPUTED_GOTO (1)
#define MICROPY_OPT_MAP_LOOKUP_CACHE_SIZE (1024)
// Reading the console once after it was enabled: otherwise the emulator notices what was sent to it up to a second late.
extern void board_begin(void);
#define MICROPY_PORT_INIT_FUNC board_begin()
