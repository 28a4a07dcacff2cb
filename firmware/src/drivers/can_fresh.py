"""The queue in front of a controller: frames by priority, each with its age, so that only fresh ones are sent."""

from array import array

from node.machine_code import const, micropython, ptr8, ptr32

LATEST = const(1 << 29)  # as in node.frames


class FreshQueue:
    """Frames that wait, 29-bit id and eight bytes each; `order[0:count]` are their places, next one first.

    They go by id as on the bus; equal ids stay in the order in which they came. *Newest wins*, in two steps. A frame
    put as `latest` takes the place of a waiting one of its id, which nobody needs any more; only the caller knows that,
    because groups and pages of one id (CellVoltages, NodeFaults, NodeInfo) say different things and must never replace
    each other. And whatever has waited for too long is taken out by `grow_old`. Both count as `stale`. When there is no
    room the last in order is `dropped`.
    """

    def __init__(self, most):
        self.most = most
        self.ids = array("i", [0] * most)
        self.ages = bytearray(most)
        self.latest = bytearray(most)
        self.order = bytearray(range(most))
        self.count = 0
        self.dropped = 0
        self.stale = 0
        self.data = bytearray(8 * most)
        self._one = array("i", [0])

    def put(self, can_id, d, latest):
        """Takes a frame; `latest` says that it makes an older one of the same id worthless."""
        self._one[0] = can_id | LATEST if latest else can_id
        self._take(self._one, d, 1, 0, 0)

    def put_all(self, ids, data, many):
        """Takes frames as node.frames makes them: LATEST in an id is that mark."""
        self._take(ids, data, many, 0, 0)

    def put_back(self, can_id, d, latest, age):
        """Takes back a frame that a controller gave up, before those of its id that came later."""
        self._one[0] = can_id | LATEST if latest else can_id
        self._take(self._one, d, 1, 1, age)

    @micropython.viper
    def _take(self, new_ids: ptr32, new_data: ptr8, many: int, back: int, age: int):
        ids = ptr32(self.ids)
        order = ptr8(self.order)
        marks = ptr8(self.latest)
        ages = ptr8(self.ages)
        data = ptr8(self.data)
        most = int(self.most)
        count = int(self.count)
        dropped = stale = at = 0
        while at < 8 * many:
            can_id = new_ids[at >> 3]
            mark = can_id >> 29
            k = count
            if mark:
                can_id = can_id ^ LATEST
                k = 0
                while k < count and (ids[order[k]] != can_id or marks[order[k]] == 0):
                    k += 1
            place = most
            if k < count:
                stale += 1
                if not back:  # else the newer one waits already
                    place = order[k]
            elif count == most and ids[order[k - 1]] <= can_id:
                dropped += 1
            else:
                if count == most:
                    dropped += 1
                    k -= 1
                count = k + 1
                place = order[k]
                while k > 0 and ids[order[k - 1]] > can_id - back:
                    order[k] = order[k - 1]
                    k -= 1
                order[k] = place
                ids[place] = can_id
            if place < most:
                ages[place] = age
                marks[place] = mark
                to = 8 * place
                i = 0
                while i < 8:
                    data[to + i] = new_data[at + i]
                    i += 1
            at += 8
        self.count = count
        if dropped:
            self.dropped = int(self.dropped) + dropped
        if stale:
            self.stale = int(self.stale) + stale

    @micropython.viper
    def copy_into(self, place: int, d: ptr8):
        """The data of the frame at that place."""
        data = ptr8(self.data)
        place = 8 * place
        i = 0
        while i < 8:
            d[i] = data[place + i]
            i += 1

    @micropython.viper
    def find_latest(self, can_id: int) -> int:
        """The place of a waiting frame of this id that was put as `latest`, or -1."""
        ids = ptr32(self.ids)
        order = ptr8(self.order)
        marks = ptr8(self.latest)
        count = int(self.count)
        k = 0
        while k < count:
            if ids[order[k]] == can_id and marks[order[k]]:
                return order[k]
            k += 1
        return 0 - 1

    @micropython.viper
    def remove(self, k: int):
        """Takes out the frame at `order[k]`."""
        order = ptr8(self.order)
        place = order[k]
        count = int(self.count) - 1
        while k < count:
            order[k] = order[k + 1]
            k += 1
        order[count] = place
        self.count = count

    @micropython.viper
    def grow_old(self, most_cycles: int):
        """One cycle more; what was put `most_cycles` cycles ago is taken out."""
        order = ptr8(self.order)
        ages = ptr8(self.ages)
        count = int(self.count)
        left = k = 0
        while k < count:
            place = order[k]
            age = ages[place] + 1
            ages[place] = age
            if age < most_cycles:  # those that stay change places with those that go
                order[k] = order[left]
                order[left] = place
                left += 1
            k += 1
        if left < count:
            self.count = left
            self.stale = int(self.stale) + count - left
