"""Generated from dbc/node.dbc by tools/generate; never edited.

Every fill_ function fills an 8-byte bytearray from integers (mV, mA, 0.1 degC, ms, mAh) and allocates nothing.
NA stands for a value that is not available.
"""

NA = -(1 << 28)

CRC = bytes((
    0x00, 0x1D, 0x3A, 0x27, 0x74, 0x69, 0x4E, 0x53, 0xE8, 0xF5, 0xD2, 0xCF, 0x9C, 0x81, 0xA6, 0xBB,
    0xCD, 0xD0, 0xF7, 0xEA, 0xB9, 0xA4, 0x83, 0x9E, 0x25, 0x38, 0x1F, 0x02, 0x51, 0x4C, 0x6B, 0x76,
    0x87, 0x9A, 0xBD, 0xA0, 0xF3, 0xEE, 0xC9, 0xD4, 0x6F, 0x72, 0x55, 0x48, 0x1B, 0x06, 0x21, 0x3C,
    0x4A, 0x57, 0x70, 0x6D, 0x3E, 0x23, 0x04, 0x19, 0xA2, 0xBF, 0x98, 0x85, 0xD6, 0xCB, 0xEC, 0xF1,
    0x13, 0x0E, 0x29, 0x34, 0x67, 0x7A, 0x5D, 0x40, 0xFB, 0xE6, 0xC1, 0xDC, 0x8F, 0x92, 0xB5, 0xA8,
    0xDE, 0xC3, 0xE4, 0xF9, 0xAA, 0xB7, 0x90, 0x8D, 0x36, 0x2B, 0x0C, 0x11, 0x42, 0x5F, 0x78, 0x65,
    0x94, 0x89, 0xAE, 0xB3, 0xE0, 0xFD, 0xDA, 0xC7, 0x7C, 0x61, 0x46, 0x5B, 0x08, 0x15, 0x32, 0x2F,
    0x59, 0x44, 0x63, 0x7E, 0x2D, 0x30, 0x17, 0x0A, 0xB1, 0xAC, 0x8B, 0x96, 0xC5, 0xD8, 0xFF, 0xE2,
    0x26, 0x3B, 0x1C, 0x01, 0x52, 0x4F, 0x68, 0x75, 0xCE, 0xD3, 0xF4, 0xE9, 0xBA, 0xA7, 0x80, 0x9D,
    0xEB, 0xF6, 0xD1, 0xCC, 0x9F, 0x82, 0xA5, 0xB8, 0x03, 0x1E, 0x39, 0x24, 0x77, 0x6A, 0x4D, 0x50,
    0xA1, 0xBC, 0x9B, 0x86, 0xD5, 0xC8, 0xEF, 0xF2, 0x49, 0x54, 0x73, 0x6E, 0x3D, 0x20, 0x07, 0x1A,
    0x6C, 0x71, 0x56, 0x4B, 0x18, 0x05, 0x22, 0x3F, 0x84, 0x99, 0xBE, 0xA3, 0xF0, 0xED, 0xCA, 0xD7,
    0x35, 0x28, 0x0F, 0x12, 0x41, 0x5C, 0x7B, 0x66, 0xDD, 0xC0, 0xE7, 0xFA, 0xA9, 0xB4, 0x93, 0x8E,
    0xF8, 0xE5, 0xC2, 0xDF, 0x8C, 0x91, 0xB6, 0xAB, 0x10, 0x0D, 0x2A, 0x37, 0x64, 0x79, 0x5E, 0x43,
    0xB2, 0xAF, 0x88, 0x95, 0xC6, 0xDB, 0xFC, 0xE1, 0x5A, 0x47, 0x60, 0x7D, 0x2E, 0x33, 0x14, 0x09,
    0x7F, 0x62, 0x45, 0x58, 0x0B, 0x16, 0x31, 0x2C, 0x97, 0x8A, 0xAD, 0xB0, 0xE3, 0xFE, 0xD9, 0xC4,
))


def crc8(d, low, node):
    """CRC-8 SAE J1850 over message number, node number and bytes 0 to 6."""
    t = CRC
    c = t[0xFF ^ low]
    c = t[c ^ node]
    c = t[c ^ d[0]]
    c = t[c ^ d[1]]
    c = t[c ^ d[2]]
    c = t[c ^ d[3]]
    c = t[c ^ d[4]]
    c = t[c ^ d[5]]
    return t[c ^ d[6]] ^ 0xFF


def _raw(value, mul, div, half, low, high, na):
    """Node integer to raw: value * mul / div, rounded by half, held inside low..high; NA becomes na."""
    if value == NA:
        return na
    value = (value * mul + half) // div
    if value < low:
        return low
    if value > high:
        return high
    return value

ID_PACK_VALUES = 0x0CFF1000
ID_PACK_ALLOWANCE = 0x0CFF1100
ID_PACK_STATE = 0x0CFF1200
ID_NODE_FAULTS = 0x0CFF1300
ID_CELL_EXTREMES = 0x0CFF1400
ID_TEMP_EXTREMES = 0x10FF1500
ID_NODE_CHARGE = 0x14FF1600
ID_NODE_HISTORY = 0x18FF1700
ID_CELL_VOLTAGES = 0x18FF2000
ID_CELL_TEMPERATURES = 0x18FF2100
ID_NODE_INFO = 0x1CFF4000
ID_NODE_ANSWER = 0x0CFF4100
ID_GATEWAY_HEARTBEAT = 0x0CFF8080
ID_NODE_REQUEST = 0x08FF8100
CYCLES_PACK_VALUES = 1
CYCLES_PACK_ALLOWANCE = 1
CYCLES_PACK_STATE = 1
CYCLES_NODE_FAULTS = 4
CYCLES_CELL_EXTREMES = 1
CYCLES_TEMP_EXTREMES = 5
CYCLES_NODE_CHARGE = 10
CYCLES_NODE_HISTORY = 10
CYCLES_CELL_VOLTAGES = 10
CYCLES_CELL_TEMPERATURES = 20
CYCLES_NODE_INFO = 100
STATE_BOOT = 0
STATE_OPEN = 1
STATE_PRECHARGE = 2
STATE_CLOSED = 3
STATE_OPENING = 4
STATE_LATCHED = 5
STATE_SERVICE = 6
STATE_COOLING = 7
STATE_ASLEEP = 8
ANSWER_ACCEPTED = 0
ANSWER_CAUSE_PRESENT = 1
ANSWER_HOLD_RUNNING = 2
ANSWER_LATCHED = 3
ANSWER_LOCAL_CLEAR_ONLY = 4
ANSWER_SEND_TWICE = 5
ANSWER_WRONG_STATE = 6
ANSWER_UNKNOWN_READING = 7
ANSWER_NOT_SUPPORTED = 8
ANSWER_OPEN_REQUESTED = 9
ANSWER_LINK_VOLTAGE = 10
REASON_CELL_OVER_VOLTAGE = 0
REASON_CELL_UNDER_VOLTAGE = 1
REASON_CHARGE_OVER_CURRENT = 2
REASON_DISCHARGE_OVER_CURRENT = 3
REASON_CHARGE_OVER_TEMPERATURE = 4
REASON_CHARGE_UNDER_TEMPERATURE = 5
REASON_DISCHARGE_OVER_TEMPERATURE = 6
REASON_DISCHARGE_UNDER_TEMPERATURE = 7
REASON_STALE_READING = 8
REASON_IMPLAUSIBLE_READING = 9
REASON_GATEWAY_SILENT = 10
REASON_PATH_FEEDBACK = 11
REASON_PRECHARGE_FAILED = 12
REASON_INTERLOCK = 13
REASON_CHARGE_WHILE_BLOCKED = 14
REASON_DISCHARGE_WHILE_BLOCKED = 15
REASON_BREAK_OVERLOAD = 16
REASON_DEEP_DISCHARGE = 17
REASON_CHARGE_PEAK_CURRENT = 18
REASON_DISCHARGE_PEAK_CURRENT = 19
REASON_SHORT_CIRCUIT = 20
REASON_TEMPERATURE_SPREAD = 21
REASON_VOLTAGE_SPREAD = 22
REASON_OPEN_WIRE = 23
REASON_MONITOR_COMMUNICATION = 24
REASON_CURRENT_DISAGREEMENT = 25
REASON_INSULATION = 26
REASON_EMERGENCY_STOP = 27
REASON_SMOKE = 28
REASON_LEAK = 29
REASON_HUMIDITY = 30
REASON_SUPPLY_VOLTAGE = 31
REASON_CYCLE_OVERRUN = 32
REASON_CONTACTOR_WELDED = 33
REASON_CONTACTOR_LIFE = 34
REASON_HEATER_STUCK = 35
REASON_HEATER_NO_RISE = 36
REASON_MONITOR_CONFIGURATION = 37
REASON_NODE_MEMORY = 38
REASON_RESTART_LOOP = 39
REASON_RATING = 48
REASON_DERATE_CHARGE_TEMPERATURE = 49
REASON_DERATE_DISCHARGE_TEMPERATURE = 50
REASON_DERATE_CHARGE_VOLTAGE = 51
REASON_DERATE_DISCHARGE_VOLTAGE = 52
REASON_GATEWAY_REQUEST = 53
REASON_PATH_OPEN = 54
REASON_UNKNOWN_READING = 55
REASON_SERVICE_STATE = 56
REASON_NOTHING = 62
REQUEST_NOTHING = 0
REQUEST_OPEN = 1
REQUEST_CLOSE = 2
REQUEST_ALLOWANCE = 3
REQUEST_BALANCING = 4
REQUEST_CLEAR = 5
REQUEST_SERVICE = 6

def fill_pack_values(d, node, counter, pack_voltage_mv, pack_current_ma, link_voltage_mv, pack_voltage_valid, pack_current_valid, link_voltage_valid):
    """What the pack measures as a whole."""
    pack_voltage_mv = _raw(pack_voltage_mv, 1, 20, 10, 0, 65534, 65535)
    pack_current_ma = _raw(pack_current_ma, 1, 20, 10, -65535, 65535, -65536)
    link_voltage_mv = _raw(link_voltage_mv, 1, 50, 25, 0, 32766, 32767)
    d[0] = (pack_voltage_mv & 0xFF)
    d[1] = (pack_voltage_mv >> 8 & 0xFF)
    d[2] = (pack_current_ma & 0xFF)
    d[3] = (pack_current_ma >> 8 & 0xFF)
    d[4] = (pack_current_ma >> 16 & 0x1) | (link_voltage_mv & 0x7F) << 1
    d[5] = (link_voltage_mv >> 7 & 0xFF)
    d[6] = (pack_voltage_valid & 0x1) << 4 | (pack_current_valid & 0x1) << 5 | (link_voltage_valid & 0x1) << 6 | (counter & 0xF)
    d[7] = 0
    d[7] = crc8(d, 0x10, node)

def fill_pack_allowance(d, node, counter, charge_current_allowed_ma, discharge_current_allowed_ma, charge_voltage_allowed_mv, charge_limited_by, discharge_limited_by):
    """What the node allows at this moment and what says so."""
    charge_current_allowed_ma = _raw(charge_current_allowed_ma, 1, 250, 0, 0, 4094, 4095)
    discharge_current_allowed_ma = _raw(discharge_current_allowed_ma, 1, 250, 0, 0, 4094, 4095)
    charge_voltage_allowed_mv = _raw(charge_voltage_allowed_mv, 1, 200, 0, 0, 4094, 4095)
    d[0] = (charge_current_allowed_ma & 0xFF)
    d[1] = (charge_current_allowed_ma >> 8 & 0xF) | (discharge_current_allowed_ma & 0xF) << 4
    d[2] = (discharge_current_allowed_ma >> 4 & 0xFF)
    d[3] = (charge_voltage_allowed_mv & 0xFF)
    d[4] = (charge_voltage_allowed_mv >> 8 & 0xF) | (charge_limited_by & 0xF) << 4
    d[5] = (charge_limited_by >> 4 & 0x3) | (discharge_limited_by & 0x3F) << 2
    d[6] = (counter & 0xF)
    d[7] = 0
    d[7] = crc8(d, 0x11, node)

def fill_pack_state(d, node, counter, state, charge_path, discharge_path, precharge_path, heater_measured, heater_commanded, interlock, arming, balancing, charger_present, weld_check, last_refusal, open_reason, hold_remaining_ms):
    """State of the node and its outputs as measured. Sent at once on a change too."""
    hold_remaining_ms = _raw(hold_remaining_ms, 1, 100, 50, 0, 16382, 16383)
    d[0] = (state & 0xF) | (charge_path & 0x3) << 4 | (discharge_path & 0x3) << 6
    d[1] = (precharge_path & 0x3) | (heater_measured & 0x3) << 2 | (heater_commanded & 0x3) << 4 | (interlock & 0x3) << 6
    d[2] = (arming & 0x3) | (balancing & 0x3) << 2 | (charger_present & 0x3) << 4 | (weld_check & 0x3) << 6
    d[3] = (last_refusal & 0xF) | (open_reason & 0xF) << 4
    d[4] = (open_reason >> 4 & 0x3) | (hold_remaining_ms & 0x3F) << 2
    d[5] = (hold_remaining_ms >> 6 & 0xFF)
    d[6] = (counter & 0xF)
    d[7] = 0
    d[7] = crc8(d, 0x12, node)

def fill_node_faults(d, node, counter, page, bits, first):
    """One bit a limit (its number is the bit), the same bit in four pages; room for 48 limits. bits[first] holds limits 0 to 7."""
    d[0] = bits[first]
    d[1] = bits[first + 1]
    d[2] = bits[first + 2]
    d[3] = bits[first + 3]
    d[4] = bits[first + 4]
    d[5] = bits[first + 5]
    d[6] = (counter & 0xF) | page << 4
    d[7] = crc8(d, 0x13, node)

def fill_cell_extremes(d, node, counter, cell_voltage_min_mv, cell_voltage_max_mv, cell_min_index, cell_max_index, cell_extremes_valid):
    """Lowest and highest cell of the pack; decides about limits, so it is protected."""
    cell_voltage_min_mv = _raw(cell_voltage_min_mv, 1, 1, 0, 0, 8190, 8191)
    cell_voltage_max_mv = _raw(cell_voltage_max_mv, 1, 1, 0, 0, 8190, 8191)
    cell_min_index = _raw(cell_min_index, 1, 1, 0, 0, 254, 255)
    cell_max_index = _raw(cell_max_index, 1, 1, 0, 0, 254, 255)
    d[0] = (cell_voltage_min_mv & 0xFF)
    d[1] = (cell_voltage_min_mv >> 8 & 0x1F) | (cell_voltage_max_mv & 0x7) << 5
    d[2] = (cell_voltage_max_mv >> 3 & 0xFF)
    d[3] = (cell_voltage_max_mv >> 11 & 0x3) | (cell_min_index & 0x3F) << 2
    d[4] = (cell_min_index >> 6 & 0x3) | (cell_max_index & 0x3F) << 2
    d[5] = (cell_max_index >> 6 & 0x3)
    d[6] = (cell_extremes_valid & 0x1) << 4 | (counter & 0xF)
    d[7] = 0
    d[7] = crc8(d, 0x14, node)

def fill_temp_extremes(d, node, counter, temperature_min_dc, temperature_max_dc, temperature_min_index, temperature_max_index, temperature_mean_dc, temp_extremes_valid):
    """Lowest and highest temperature of the pack."""
    temperature_min_dc = _raw(temperature_min_dc, 1, 1, 0, -2047, 2047, -2048)
    temperature_max_dc = _raw(temperature_max_dc, 1, 1, 0, -2047, 2047, -2048)
    temperature_min_index = _raw(temperature_min_index, 1, 1, 0, 0, 62, 63)
    temperature_max_index = _raw(temperature_max_index, 1, 1, 0, 0, 62, 63)
    temperature_mean_dc = _raw(temperature_mean_dc, 1, 1, 0, -2047, 2047, -2048)
    d[0] = (temperature_min_dc & 0xFF)
    d[1] = (temperature_min_dc >> 8 & 0xF) | (temperature_max_dc & 0xF) << 4
    d[2] = (temperature_max_dc >> 4 & 0xFF)
    d[3] = (temperature_min_index & 0x3F) | (temperature_max_index & 0x3) << 6
    d[4] = (temperature_max_index >> 2 & 0xF) | (temperature_mean_dc & 0xF) << 4
    d[5] = (temperature_mean_dc >> 4 & 0xFF)
    d[6] = (temp_extremes_valid & 0x1) << 4 | (counter & 0xF)
    d[7] = 0
    d[7] = crc8(d, 0x15, node)

def fill_node_charge(d, node, counter, charge_in_mah, charge_out_mah, boot_id):
    """Charge counted by the node since it booted; wrapping, so that no count is lost with a frame."""
    d[0] = (charge_in_mah & 0xFF)
    d[1] = (charge_in_mah >> 8 & 0xFF)
    d[2] = (charge_in_mah >> 16 & 0xF) | (charge_out_mah & 0xF) << 4
    d[3] = (charge_out_mah >> 4 & 0xFF)
    d[4] = (charge_out_mah >> 12 & 0xFF)
    d[5] = (boot_id & 0xFF)
    d[6] = (counter & 0xF)
    d[7] = 0
    d[7] = crc8(d, 0x16, node)

def fill_node_history_0(d, node, counter, first_row, first_count, first_minutes):
    """What the node remembers over resets and power cuts: one limit that has tripped a second, in turn."""
    first_row = _raw(first_row, 1, 1, 0, 0, 62, 63)
    first_minutes = _raw(first_minutes, 1, 1, 0, 0, 268435454, 268435455)
    d[0] = (first_row & 0x3F) | (first_count & 0x3) << 6
    d[1] = (first_count >> 2 & 0x3F) | (first_minutes & 0x3) << 6
    d[2] = (first_minutes >> 2 & 0xFF)
    d[3] = (first_minutes >> 10 & 0xFF)
    d[4] = (first_minutes >> 18 & 0xFF)
    d[5] = (first_minutes >> 26 & 0x3)
    d[6] = (0 & 0x3) << 4 | (counter & 0xF)
    d[7] = 0
    d[7] = crc8(d, 0x17, node)


def fill_node_history_1(d, node, counter, last_row, last_minutes):
    """What the node remembers over resets and power cuts: one limit that has tripped a second, in turn."""
    last_row = _raw(last_row, 1, 1, 0, 0, 62, 63)
    last_minutes = _raw(last_minutes, 1, 1, 0, 0, 268435454, 268435455)
    d[0] = (last_row & 0x3F) | (last_minutes & 0x3) << 6
    d[1] = (last_minutes >> 2 & 0xFF)
    d[2] = (last_minutes >> 10 & 0xFF)
    d[3] = (last_minutes >> 18 & 0xFF)
    d[4] = (last_minutes >> 26 & 0x3)
    d[5] = 0
    d[6] = (1 & 0x3) << 4 | (counter & 0xF)
    d[7] = 0
    d[7] = crc8(d, 0x17, node)


def fill_node_history_2(d, node, counter, heater_energy, contactor_wear):
    """What the node remembers over resets and power cuts: one limit that has tripped a second, in turn."""
    contactor_wear = _raw(contactor_wear, 1, 1, 0, 0, 254, 255)
    d[0] = (heater_energy & 0xFF)
    d[1] = (heater_energy >> 8 & 0xFF)
    d[2] = (heater_energy >> 16 & 0xFF)
    d[3] = (contactor_wear & 0xFF)
    d[4] = 0
    d[5] = 0
    d[6] = (2 & 0x3) << 4 | (counter & 0xF)
    d[7] = 0
    d[7] = crc8(d, 0x17, node)

def fill_cell_voltages(d, group, values, count):
    """All cell voltages, four a group; judged whole when all groups came within two periods. values[0:count] in mv."""
    i = group * 4
    v0 = _raw(values[i] if i < count else NA, 1, 1, 0, 0, 16382, 16383)
    v1 = _raw(values[i + 1] if i + 1 < count else NA, 1, 1, 0, 0, 16382, 16383)
    v2 = _raw(values[i + 2] if i + 2 < count else NA, 1, 1, 0, 0, 16382, 16383)
    v3 = _raw(values[i + 3] if i + 3 < count else NA, 1, 1, 0, 0, 16382, 16383)
    d[0] = (group & 0xFF)
    d[1] = (v0 & 0xFF)
    d[2] = (v0 >> 8 & 0x3F) | (v1 & 0x3) << 6
    d[3] = (v1 >> 2 & 0xFF)
    d[4] = (v1 >> 10 & 0xF) | (v2 & 0xF) << 4
    d[5] = (v2 >> 4 & 0xFF)
    d[6] = (v2 >> 12 & 0x3) | (v3 & 0x3F) << 2
    d[7] = (v3 >> 6 & 0xFF)

def fill_cell_temperatures(d, group, values, count):
    """All temperatures, four a group. values[0:count] in dc."""
    i = group * 4
    v0 = _raw(values[i] if i < count else NA, 1, 1, 0, -8191, 8191, -8192)
    v1 = _raw(values[i + 1] if i + 1 < count else NA, 1, 1, 0, -8191, 8191, -8192)
    v2 = _raw(values[i + 2] if i + 2 < count else NA, 1, 1, 0, -8191, 8191, -8192)
    v3 = _raw(values[i + 3] if i + 3 < count else NA, 1, 1, 0, -8191, 8191, -8192)
    d[0] = (group & 0xFF)
    d[1] = (v0 & 0xFF)
    d[2] = (v0 >> 8 & 0x3F) | (v1 & 0x3) << 6
    d[3] = (v1 >> 2 & 0xFF)
    d[4] = (v1 >> 10 & 0xF) | (v2 & 0xF) << 4
    d[5] = (v2 >> 4 & 0xFF)
    d[6] = (v2 >> 12 & 0x3) | (v3 & 0x3F) << 2
    d[7] = (v3 >> 6 & 0xFF)

def fill_node_info_0(d, node, counter, protocol_version, firmware_major, firmware_minor, firmware_patch, cell_count, sensor_count):
    """Who the node is, in four pages; all of them follow a boot at once."""
    protocol_version = _raw(protocol_version, 1, 1, 0, 0, 254, 255)
    firmware_major = _raw(firmware_major, 1, 1, 0, 0, 254, 255)
    firmware_minor = _raw(firmware_minor, 1, 1, 0, 0, 254, 255)
    firmware_patch = _raw(firmware_patch, 1, 1, 0, 0, 254, 255)
    cell_count = _raw(cell_count, 1, 1, 0, 0, 254, 255)
    sensor_count = _raw(sensor_count, 1, 1, 0, 0, 254, 255)
    d[0] = (protocol_version & 0xFF)
    d[1] = (firmware_major & 0xFF)
    d[2] = (firmware_minor & 0xFF)
    d[3] = (firmware_patch & 0xFF)
    d[4] = (cell_count & 0xFF)
    d[5] = (sensor_count & 0xFF)
    d[6] = (0 & 0x3) << 4 | (counter & 0xF)
    d[7] = 0
    d[7] = crc8(d, 0x40, node)


def fill_node_info_1(d, node, counter, limit_hash_low, limit_hash_high, free_heap):
    """Who the node is, in four pages; all of them follow a boot at once."""
    free_heap = _raw(free_heap, 1, 16, 0, 0, 65534, 65535)
    d[0] = (limit_hash_low & 0xFF)
    d[1] = (limit_hash_low >> 8 & 0xFF)
    d[2] = (limit_hash_high & 0xFF)
    d[3] = (limit_hash_high >> 8 & 0xFF)
    d[4] = (free_heap & 0xFF)
    d[5] = (free_heap >> 8 & 0xFF)
    d[6] = (1 & 0x3) << 4 | (counter & 0xF)
    d[7] = 0
    d[7] = crc8(d, 0x40, node)


def fill_node_info_2(d, node, counter, reset_cause, info_boot_id, worst_cycle_ms, frames_dropped):
    """Who the node is, in four pages; all of them follow a boot at once."""
    worst_cycle_ms = _raw(worst_cycle_ms, 1, 1, 0, 0, 16382, 16383)
    d[0] = (reset_cause & 0xF) | (info_boot_id & 0xF) << 4
    d[1] = (info_boot_id >> 4 & 0xF) | (worst_cycle_ms & 0xF) << 4
    d[2] = (worst_cycle_ms >> 4 & 0xFF)
    d[3] = (worst_cycle_ms >> 12 & 0x3) | (frames_dropped & 0x3F) << 2
    d[4] = (frames_dropped >> 6 & 0xFF)
    d[5] = (frames_dropped >> 14 & 0x3)
    d[6] = (2 & 0x3) << 4 | (counter & 0xF)
    d[7] = 0
    d[7] = crc8(d, 0x40, node)


def fill_node_info_3(d, node, counter, can_state, transmit_errors, receive_errors, bus_offs, firmware_slot, firmware_trial, failed_updates, restarts):
    """Who the node is, in four pages; all of them follow a boot at once."""
    d[0] = (can_state & 0x7) | (transmit_errors & 0x1F) << 3
    d[1] = (transmit_errors >> 5 & 0x7) | (receive_errors & 0x1F) << 3
    d[2] = (receive_errors >> 5 & 0x7) | (bus_offs & 0x1F) << 3
    d[3] = (bus_offs >> 5 & 0x7) | (firmware_slot & 0x3) << 3 | (firmware_trial & 0x3) << 5 | (failed_updates & 0x1) << 7
    d[4] = (failed_updates >> 1 & 0x7) | (restarts & 0x1F) << 3
    d[5] = (restarts >> 5 & 0x7)
    d[6] = (3 & 0x3) << 4 | (counter & 0xF)
    d[7] = 0
    d[7] = crc8(d, 0x40, node)

def fill_node_answer(d, node, counter, answered_request, answered_number, answer, answer_limit, answer_hold_ms):
    """Answer to a NodeRequest: accepted, or the reason why not."""
    answer_hold_ms = _raw(answer_hold_ms, 1, 100, 50, 0, 16382, 16383)
    d[0] = (answered_request & 0xF) | (answered_number & 0xF) << 4
    d[1] = (answered_number >> 4 & 0xF) | (answer & 0xF) << 4
    d[2] = (answer_limit & 0x3F) | (answer_hold_ms & 0x3) << 6
    d[3] = (answer_hold_ms >> 2 & 0xFF)
    d[4] = (answer_hold_ms >> 10 & 0xF)
    d[5] = 0
    d[6] = (counter & 0xF)
    d[7] = 0
    d[7] = crc8(d, 0x41, node)

def read_gateway_heartbeat(d, node, v):
    """The gateway is alive. To every node. Fills v: 0 balancing_allowed, 1 gateway_minutes."""
    if crc8(d, 0x80, node) != d[7]:
        return False
    r = (d[0] & 0x3)
    v[0] = NA if r == 3 else r
    r = (d[0] >> 2 & 0x3F) | (d[1]) << 6 | (d[2]) << 14 | ((d[3] & 0x3F)) << 22
    v[1] = NA if r == 268435455 else r
    return True

def read_node_request(d, node, v):
    """The gateway asks one node; the low byte of the id is the node asked. Fills v: 0 request, 1 request_number, 2 charge_current_asked_ma, 3 discharge_current_asked_ma, 4 request_limit, 5 balancing_asked."""
    if crc8(d, 0x81, node) != d[7]:
        return False
    r = (d[0] & 0xF)
    v[0] = NA if r == 15 else r
    r = (d[0] >> 4 & 0xF) | ((d[1] & 0xF)) << 4
    v[1] = r
    r = (d[1] >> 4 & 0xF) | (d[2]) << 4
    v[2] = NA if r == 4095 else r * 250
    r = d[3] | ((d[4] & 0xF)) << 8
    v[3] = NA if r == 4095 else r * 250
    r = (d[4] >> 4 & 0xF) | ((d[5] & 0x3)) << 4
    v[4] = NA if r == 63 else r
    r = (d[5] >> 2 & 0x3)
    v[5] = NA if r == 3 else r
    return True
