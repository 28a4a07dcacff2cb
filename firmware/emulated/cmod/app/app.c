// The emulated board's clock and its ROMFS partition. 32-bit arithmetic only: 64-bit division would pull unwind tables in,
// for which the port's linker script has no room.
#include <string.h>
#include "py/runtime.h"
#include "py/mphal.h"
#include "py/mperrno.h"
#include "py/objarray.h"
#include "extmod/vfs.h"

#define CONSOLE ((volatile uint32_t *)0x40004000) // DATA, STATE
#define RX_FULL 2

void board_begin(void) {
    if (!(CONSOLE[1] & RX_FULL)) {
        (void)CONSOLE[0];
    }
}

// Timer 0 of the board: 25 MHz, counts down; CTRL, VALUE, RELOAD. It must be read at least every 171 s.
#define TIMER ((volatile uint32_t *)0x40000000)
static uint32_t last, rest, us, last_us, rest_us, ms;

mp_uint_t mp_hal_ticks_us(void) {
    if (!(TIMER[0] & 1)) {
        TIMER[2] = TIMER[1] = last = 0xffffffff;
        TIMER[0] = 1;
    }
    uint32_t now = TIMER[1], passed = last - now + rest;
    last = now;
    us += passed / 25;
    rest = passed % 25;
    return us;
}

mp_uint_t mp_hal_ticks_ms(void) {
    uint32_t now = mp_hal_ticks_us(), passed = now - last_us + rest_us;
    last_us = now;
    ms += passed / 1000;
    rest_us = passed % 1000;
    return ms;
}

mp_uint_t mp_hal_ticks_cpu(void) {
    mp_hal_ticks_us();
    return 0xffffffff - TIMER[1];
}

uint64_t mp_hal_time_ns(void) {
    return 0;
}

void mp_hal_delay_us(mp_uint_t wanted) {
    uint32_t start = mp_hal_ticks_us();
    while (mp_hal_ticks_us() - start < wanted) {
    }
}

void mp_hal_delay_ms(mp_uint_t wanted) {
    uint32_t start = mp_hal_ticks_ms();
    while (mp_hal_ticks_ms() - start < wanted) {
        mp_handle_pending(true);
    }
}

// The ROMFS partition lies at the start of the board's PSRAM: an address that stays, so that whoever starts the emulator
// can put an image there; MicroPython's own start-up leaves it alone.
#define ROM_SIZE (128 * 1024)
#define ROM ((uint8_t *)0x21000000)
#define WRITE_GRANULARITY 4
static const mp_obj_array_t rom_obj = { {&mp_type_memoryview}, 'B', 0, ROM_SIZE, ROM };

static mp_int_t prepare(mp_uint_t count) {
    if (count > ROM_SIZE) {
        return -MP_EINVAL;
    }
    memset(ROM, 0xff, ROM_SIZE);
    return WRITE_GRANULARITY;
}

static mp_int_t write(mp_uint_t offset, mp_obj_t data) {
    mp_buffer_info_t buffer;
    mp_get_buffer_raise(data, &buffer, MP_BUFFER_READ);
    if (offset > ROM_SIZE || buffer.len > ROM_SIZE - offset) {
        return -MP_EINVAL;
    }
    memcpy(ROM + offset, buffer.buf, buffer.len);
    return 0;
}

mp_obj_t mp_vfs_rom_ioctl(size_t count, const mp_obj_t *args) {
    switch (mp_obj_get_int(args[0])) {
        case MP_VFS_ROM_IOCTL_GET_NUMBER_OF_SEGMENTS:
            return MP_OBJ_NEW_SMALL_INT(1);
        case MP_VFS_ROM_IOCTL_GET_SEGMENT:
            return MP_OBJ_FROM_PTR(&rom_obj);
        case MP_VFS_ROM_IOCTL_WRITE_PREPARE:
            return MP_OBJ_NEW_SMALL_INT(count > 2 ? prepare(mp_obj_get_int(args[2])) : -MP_EINVAL);
        case MP_VFS_ROM_IOCTL_WRITE:
            return MP_OBJ_NEW_SMALL_INT(count > 3 ? write(mp_obj_get_int(args[2]), args[3]) : -MP_EINVAL);
        case MP_VFS_ROM_IOCTL_WRITE_COMPLETE:
            return MP_OBJ_NEW_SMALL_INT(0);
    }
    return MP_OBJ_NEW_SMALL_INT(-MP_EINVAL);
}
