"""The queue in front of a controller: frames by priority, each with its age, so that only fresh ones are sent."""

from array import array


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
        self._data = bytearray(8 * most)

    def put(self, can_id, d, latest):
        """Takes a frame; `latest` says that it makes an older one of the same id worthless."""
        place = self.find_latest(can_id) if latest else -1
        if place >= 0:
            self.stale += 1
        else:
            place = self._new_place(can_id, False)
        self._fill(place, d, latest, 0)

    def put_back(self, can_id, d, latest, age):
        """Takes back a frame that a controller gave up, before those of its id that came later."""
        if latest and self.find_latest(can_id) >= 0:
            self.stale += 1
        else:
            self._fill(self._new_place(can_id, True), d, latest, age)

    def _fill(self, place, d, latest, age):
        if place < 0:
            return
        self.ages[place] = age
        self.latest[place] = latest
        place *= 8
        for i in range(8):
            self._data[place + i] = d[i]

    def copy_into(self, place, d):
        """The data of the frame at that place."""
        place *= 8
        for i in range(8):
            d[i] = self._data[place + i]

    def find_latest(self, can_id):
        """The place of a waiting frame of this id that was put as `latest`, or -1."""
        for k in range(self.count):
            place = self.order[k]
            if self.ids[place] == can_id and self.latest[place]:
                return place
        return -1

    def _new_place(self, can_id, front):
        order = self.order
        ids = self.ids
        if self.count == self.most:
            self.dropped += 1
            if ids[order[self.count - 1]] <= can_id:
                return -1
            self.count -= 1
        k = self.count
        place = order[k]
        while k > 0 and (ids[order[k - 1]] > can_id or (front and ids[order[k - 1]] == can_id)):
            order[k] = order[k - 1]
            k -= 1
        order[k] = place
        ids[place] = can_id
        self.count += 1
        return place

    def remove(self, k):
        """Takes out the frame at `order[k]`."""
        order = self.order
        place = order[k]
        self.count -= 1
        for i in range(k, self.count):
            order[i] = order[i + 1]
        order[self.count] = place

    def grow_old(self, most_cycles):
        """One cycle more; what was put `most_cycles` cycles ago is taken out."""
        k = 0
        while k < self.count:
            place = self.order[k]
            self.ages[place] += 1
            if self.ages[place] >= most_cycles:
                self.remove(k)
                self.stale += 1
            else:
                k += 1
