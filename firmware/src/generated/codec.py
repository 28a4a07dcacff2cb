"""Generated from dbc/node.dbc by tools/generate; never edited.

TABLE is as node.frames wants it. Its values are integers in mV, mA, 0.1 degC, ms, mAh, in the order of the DBC; NA
stands for one that is not available.
"""

from node.frames import read

NA = -(1 << 28)


TABLE = bytes((
    12, 16, 38, 4, 0, 1, 0, 6,  # 0 PackValues
    12, 17, 42, 5, 6, 1, 1, 5,  # 1 PackAllowance
    12, 18, 47, 5, 11, 1, 2, 14,  # 2 PackState
    12, 19, 52, 1, 25, 4, 3, 6,  # 3 NodeFaults
    12, 20, 53, 5, 49, 1, 4, 5,  # 4 CellExtremes
    16, 21, 58, 6, 54, 1, 5, 6,  # 5 TempExtremes
    20, 22, 64, 3, 60, 1, 6, 3,  # 6 NodeCharge
    24, 23, 67, 3, 63, 0, 7, 3,  # 7 NodeHistory, page 0
    24, 23, 70, 2, 66, 0, 7, 2,  # 8 NodeHistory, page 1
    24, 23, 72, 2, 68, 0, 7, 2,  # 9 NodeHistory, page 2
    24, 32, 74, 4, 70, 2, 0, 4,  # 10 CellVoltages
    24, 33, 78, 4, 86, 2, 0, 4,  # 11 CellTemperatures
    28, 64, 82, 6, 102, 0, 8, 6,  # 12 NodeInfo, page 0
    28, 64, 88, 3, 108, 0, 8, 3,  # 13 NodeInfo, page 1
    28, 64, 91, 4, 111, 0, 8, 4,  # 14 NodeInfo, page 2
    28, 64, 95, 7, 115, 0, 8, 8,  # 15 NodeInfo, page 3
    12, 65, 102, 5, 123, 0, 9, 5,  # 16 NodeAnswer
    12, 128, 107, 2, 0, 0, 0, 2,  # 17 GatewayHeartbeat
    8, 129, 109, 6, 0, 0, 0, 6,  # 18 NodeRequest
    0, 16, 5, 20,  # 0 pack_voltage_mv
    16, 17, 7, 20,  # 1 pack_current_ma
    33, 15, 5, 50,  # 2 link_voltage_mv
    52, 1, 0, 3,  # 3 pack_voltage_valid, pack_current_valid, link_voltage_valid
    0, 12, 1, 250,  # 6 charge_current_allowed_ma
    12, 12, 1, 250,  # 7 discharge_current_allowed_ma
    24, 12, 1, 200,  # 8 charge_voltage_allowed_mv
    36, 6, 8, 1,  # 9 charge_limited_by
    42, 6, 0, 1,  # 10 discharge_limited_by
    0, 4, 0, 1,  # 11 state
    4, 2, 0, 10,  # 12 charge_path, discharge_path, precharge_path, heater_measured, heater_commanded, interlock, arming, balancing, charger_present, weld_check
    24, 4, 0, 1,  # 22 last_refusal
    28, 6, 8, 1,  # 23 open_reason
    34, 14, 5, 100,  # 24 hold_remaining_ms
    0, 8, 0, 6,  # 25 the bits of eight limits, six times
    0, 13, 5, 1,  # 49 cell_voltage_min_mv
    13, 13, 5, 1,  # 50 cell_voltage_max_mv
    26, 8, 5, 1,  # 51 cell_min_index
    34, 8, 5, 1,  # 52 cell_max_index
    52, 1, 0, 1,  # 53 cell_extremes_valid
    0, 12, 7, 1,  # 54 temperature_min_dc
    12, 12, 7, 1,  # 55 temperature_max_dc
    24, 6, 5, 1,  # 56 temperature_min_index
    30, 6, 5, 1,  # 57 temperature_max_index
    36, 12, 7, 1,  # 58 temperature_mean_dc
    52, 1, 0, 1,  # 59 temp_extremes_valid
    0, 20, 8, 1,  # 60 charge_in_mah
    20, 20, 8, 1,  # 61 charge_out_mah
    40, 8, 0, 1,  # 62 boot_id
    0, 6, 5, 1,  # 63 first_row
    6, 8, 8, 1,  # 64 first_count
    14, 28, 5, 1,  # 65 first_minutes
    0, 6, 5, 1,  # 66 last_row
    6, 28, 5, 1,  # 67 last_minutes
    0, 24, 8, 1,  # 68 heater_energy
    24, 8, 5, 1,  # 69 contactor_wear
    8, 14, 5, 1,  # 70 cell_voltage0_mv
    22, 14, 5, 1,  # 71 cell_voltage1_mv
    36, 14, 5, 1,  # 72 cell_voltage2_mv
    50, 14, 5, 1,  # 73 cell_voltage3_mv
    8, 14, 7, 1,  # 86 temperature0_dc
    22, 14, 7, 1,  # 87 temperature1_dc
    36, 14, 7, 1,  # 88 temperature2_dc
    50, 14, 7, 1,  # 89 temperature3_dc
    0, 8, 5, 1,  # 102 protocol_version
    8, 8, 5, 1,  # 103 firmware_major
    16, 8, 5, 1,  # 104 firmware_minor
    24, 8, 5, 1,  # 105 firmware_patch
    32, 8, 5, 1,  # 106 cell_count
    40, 8, 5, 1,  # 107 sensor_count
    0, 16, 8, 1,  # 108 limit_hash_low
    16, 16, 8, 1,  # 109 limit_hash_high
    32, 16, 1, 16,  # 110 free_heap
    0, 4, 0, 1,  # 111 reset_cause
    4, 8, 8, 1,  # 112 info_boot_id
    12, 14, 5, 1,  # 113 worst_cycle_ms
    26, 16, 8, 1,  # 114 frames_dropped
    0, 3, 0, 1,  # 115 can_state
    3, 8, 8, 1,  # 116 transmit_errors
    11, 8, 8, 1,  # 117 receive_errors
    19, 8, 8, 1,  # 118 bus_offs
    27, 2, 0, 2,  # 119 firmware_slot, firmware_trial
    31, 4, 8, 1,  # 121 failed_updates
    35, 8, 8, 1,  # 122 restarts
    0, 4, 0, 1,  # 123 answered_request
    4, 8, 8, 1,  # 124 answered_number
    12, 4, 0, 1,  # 125 answer
    16, 6, 0, 1,  # 126 answer_limit
    22, 14, 5, 100,  # 127 answer_hold_ms
    0, 2, 5, 1,  # 0 balancing_allowed
    2, 28, 5, 1,  # 1 gateway_minutes
    0, 4, 5, 1,  # 0 request
    4, 8, 8, 1,  # 1 request_number
    12, 12, 1, 250,  # 2 charge_current_asked_ma
    24, 12, 1, 250,  # 3 discharge_current_asked_ma
    36, 6, 5, 1,  # 4 request_limit
    42, 2, 5, 1,  # 5 balancing_asked
))


ID_GATEWAY_HEARTBEAT = 0x0CFF8080
ID_NODE_REQUEST = 0x08FF8100
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
ANSWER_NOT_COMMISSIONED = 11
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
REASON_MONITOR_PROTECTION = 40
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


def read_gateway_heartbeat(d, node, values):
    """The gateway is alive. To every node. Fills values: 0 balancing_allowed, 1 gateway_minutes."""
    return read(TABLE, 17, d, node, values)


def read_node_request(d, node, values):
    """The gateway asks one node; the low byte of the id is the node asked. Fills values: 0 request, 1 request_number, 2 charge_current_asked_ma, 3 discharge_current_asked_ma, 4 request_limit, 5 balancing_asked."""
    return read(TABLE, 18, d, node, values)
