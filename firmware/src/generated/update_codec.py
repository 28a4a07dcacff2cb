"""Generated from dbc/node.dbc by tools/generate; never edited.

The messages of an update over CAN, apart, so that only a node in service has them in its memory. TABLE is as in
generated.codec.
"""

from node.frames import read


TABLE = bytes((
    24, 66, 6, 4, 0, 0, 0, 5,  # 0 UpdateStatus
    24, 130, 10, 5, 0, 0, 0, 5,  # 1 UpdateBegin
    28, 131, 15, 7, 0, 0, 0, 7,  # 2 UpdateBlock
    0, 4, 0, 2,  # 0 update_state, update_error
    8, 8, 0, 1,  # 2 update_window
    16, 16, 8, 1,  # 3 next_block
    32, 16, 8, 1,  # 4 status_check_low
    0, 16, 8, 1,  # 0 image_check_low
    16, 16, 8, 1,  # 1 image_check_high
    32, 16, 8, 1,  # 2 image_size_low
    52, 2, 0, 1,  # 3 image_size_high
    54, 2, 5, 1,  # 4 update_operation
    0, 8, 0, 1,  # 0 block_data0
    8, 8, 0, 1,  # 1 block_data1
    16, 8, 0, 1,  # 2 block_data2
    24, 8, 0, 1,  # 3 block_data3
    32, 8, 0, 1,  # 4 block_data4
    40, 8, 0, 1,  # 5 block_low
    52, 4, 0, 1,  # 6 block_high
))


ID_UPDATE_BEGIN = 0x18FF8200
ID_UPDATE_BLOCK = 0x1CFF8300


def read_update_begin(d, node, values):
    """Begins an update, starts what has arrived, or gives it up. In service only; a start counts when it comes twice with consecutive counters. Fills values: 0 image_check_low, 1 image_check_high, 2 image_size_low, 3 image_size_high, 4 update_operation."""
    return read(TABLE, 1, d, node, values)


def read_update_block(d, node, values):
    """Five bytes of the version. Fills values: 0 block_data0, 1 block_data1, 2 block_data2, 3 block_data3, 4 block_data4, 5 block_low, 6 block_high."""
    return read(TABLE, 2, d, node, values)
