"""What a person's tool may ask a node in service: one JSON object a line in, one out.

{"do": "get"}, {"do": "set", "key": K, "value": V, "at": index from 0 or absent for all}, {"do": "save"},
{"do": "read_back"}, {"do": "faults"}, {"do": "new_contactor"}; on the bench {"do": "readings", "raw": true or absent},
{"do": "output", "which": NAME}. What writes or switches is refused unless the arming input is held. Nothing that is set
counts before it is saved and the node has started again. The tool brings this with it: no version carries it.
"""

import json
from binascii import hexlify, unhexlify

from node.measure import NA

from store.config import Config
from store.config_form import CALIBRATION, bound, copy, load, pack, same, values, wrong
from store.trips import COUNT, FIRST_BOOT, FIRST_MINUTES, LAST_BOOT, LAST_MINUTES, NO_ROW, WORST

MOST_LETTERS = 2048  # of a line


class Service:
    """`bench` makes the bench when it is first asked for, or is None where the board has none."""

    def __init__(self, memory, bench=None):
        self.memory = memory
        self._make_bench = bench
        self._bench = None
        self.limits = memory.limits
        self.draft = Config(memory.limits)
        copy(self.draft, memory.config)

    def line(self, text, armed):
        """The answer to one line: {"ok": true, ...} or {"ok": false, "why": a word, "text": for people}."""
        try:
            order = json.loads(text) if len(text) <= MOST_LETTERS else None
        except ValueError:
            order = None
        if type(order) is not dict:
            return _refused("not_json", f"one JSON object a line is expected, of {MOST_LETTERS} letters at most")
        what = order.get("do")
        if what == "get":
            answer = self._described(self.draft)
        elif what == "read_back":
            answer = self._read_back()
        elif what == "faults":
            answer = self._faults()
        elif what == "readings" or what == "output":
            return self._on_bench(what, order)
        elif what not in ("set", "save", "new_contactor"):
            return _refused("unknown", "do: get, set, save, read_back, faults, new_contactor, readings or output")
        elif not armed:
            return _refused("not_armed", "hold the arming input (jumper or key) while this is written")
        elif what == "set":
            return self._set(order.get("key"), order.get("value"), order.get("at"))
        elif what == "save":
            return self._save()
        elif self._new_contactor():
            answer = {}
        else:
            return _refused("not_written", "the flash did not take it")
        answer["ok"] = True
        return json.dumps(answer)

    def _on_bench(self, what, order):
        """Readings, or one output tried, which Bench refuses where it has to."""
        if self._bench is None and self._make_bench is not None:
            self._bench = self._make_bench()
        bench = self._bench
        if bench is None:
            return _refused("no_bench", "this board's readings and outputs are not reached from here")
        if what == "readings":
            answer = bench.readings(None if order.get("raw") else self.draft)
            answer["by_tap"] = bench.by_tap
            answer["outputs"] = list(bench.outputs)
        else:
            refusal = bench.refusal(order.get("which"))
            if refusal:
                return _refused(*refusal)
            answer = bench.attempt(order["which"])
        answer["ok"] = True
        return json.dumps(answer)

    def _set(self, key, value, at):
        if key == "number":
            trouble = self._try("number", value, type(value) is int)
        elif key == "serial":
            before = self.draft.serial
            trouble = self._try("serial", value, type(value) is str)
            if self.draft.serial != before:
                self.draft.commissioned = b""  # another node: what was checked was not this one
        elif key == "commissioned":
            trouble = self._commission(value)
        elif key in CALIBRATION:
            trouble = self._set_calibration(key, value, at)
        else:
            return _refused("unknown_key", "keys: number, serial, commissioned, " + ", ".join(sorted(CALIBRATION)))
        return _refused("out_of_range", trouble) if trouble else json.dumps({"ok": True})

    def _try(self, key, value, fits):
        """Sets what is one value; what is wrong with it, in words, or "" when it was taken."""
        before = getattr(self.draft, key)
        if not fits:
            return f"{key}: of another kind"
        setattr(self.draft, key, value)
        trouble = wrong(self.draft, key)
        if trouble:
            setattr(self.draft, key, before)
        return trouble

    def _commission(self, record):
        """Takes the id of a commissioning record, eight hexadecimal digits, or "" for none."""
        try:
            taken = unhexlify(record)
        except (ValueError, TypeError):
            taken = b"?"
        if len(taken) not in (0, 4) or taken == bytes(4):
            return "commissioned: the id of a record, eight hexadecimal digits"
        self.draft.commissioned = taken
        return ""

    def _set_calibration(self, key, value, at):
        """The same for one value, one place of a list, or a whole list."""
        most = bound(self.limits, key)
        if not CALIBRATION[key][1]:
            return self._try(key, value, type(value) is int)
        places = getattr(self.draft, key)
        if at is None:
            if type(value) is not list or len(value) != len(places):
                return f'{key}: a list of {len(places)} values, or a value and its place as "at"'
            many, first = value, 0
        elif type(at) is not int or not 0 <= at < len(places):
            return f"at: from 0 to {len(places) - 1}"
        else:
            many, first = [value], at
        for one in many:
            if type(one) is not int or abs(one) > most:
                return f"{key}: whole numbers; the pack's row allows {most}"
        for i in range(len(many)):
            places[first + i] = many[i]
        return ""

    def _save(self):
        """Stores the draft in both copies, reads it back, and confirms the memory of faults as it is."""
        trouble = wrong(self.draft)
        if trouble:
            return _refused("out_of_range", trouble)
        if not save_config(self.memory, self.draft):
            return _refused("not_written", "the flash did not take it, or did not read back; the old one holds")
        return json.dumps({"ok": True, "sequence": self.memory.config_record.sequence})

    def _new_contactor(self):
        """The outputs' life begins anew, and what was replaced is to be checked again."""
        self.memory.wear_ppm = self.memory.faults.wear_ppm = 0
        stored = load(self.limits, self.memory.config_record)
        self.draft.commissioned = b""
        if stored.sound and stored.commissioned:
            stored.commissioned = b""
            return save_config(self.memory, stored)
        return self.memory.save()

    def _read_back(self):
        """What is in flash now, and whether it equals what was set."""
        record = self.memory.config_record
        stored = load(self.limits, record)
        answer = self._described(stored)
        answer["sequence"] = record.sequence
        answer["damaged_copies"] = record.bad
        answer["equal"] = same(stored, self.draft)
        return answer

    def _described(self, config):
        limits = self.limits
        answer = {"number": config.number, "serial": config.serial, "sound": config.sound, "reason": config.reason,
                  "limits": f"{limits.HASH_HIGH:04X}{limits.HASH_LOW:04X}",
                  "made_for": f"{config.hash_high:04X}{config.hash_low:04X}", "bounds": {}, "pack": limits.PACK,
                  "cells": limits.CELLS, "sensors": limits.SENSORS,
                  "commissioned": hexlify(config.commissioned).decode()}
        for key in CALIBRATION:
            answer[key] = values(config, key) if CALIBRATION[key][1] else values(config, key)[0]
            answer["bounds"][key] = bound(limits, key)
        return answer

    def _faults(self):
        """What is remembered; a row that never tripped is left out. Minutes as the gateway told them, or null."""
        faults = self.memory.faults
        trips = faults.trips
        rows = []
        row = trips.next(faults.rows - 1)
        while row != NO_ROW and (not rows or row > rows[-1]["row"]):
            told = {"row": row, "count": trips.get(row, COUNT), "held": faults.is_held(row)}
            for name, what in (("worst", WORST), ("first", FIRST_MINUTES), ("first_boot", FIRST_BOOT),
                               ("last", LAST_MINUTES), ("last_boot", LAST_BOOT)):
                number = trips.get(row, what)
                told[name] = None if number == NA else number
            rows.append(told)
            row = trips.next(row)
        life = faults.life
        return {"rows": rows, "boot": life.boot, "restarts": life.restarts, "causes": list(life.causes),
                "confirmed": not life.doubt, "wear_ppm": faults.wear_ppm, "heater_wh": faults.heater_wh}


def save_config(memory, config):
    """Stores `config`, which is within its bounds, in both copies, and ends any doubt about the memory of faults.

    True when it reads back as written. It counts from the next start.
    """
    record = memory.config_record
    data = pack(config)
    if not (record.write(data) and record.write(data) and record.read() == data):
        return False
    memory.faults.life.doubt = False
    saved = memory.save()
    memory.back_up()
    return saved


def _refused(why, text):
    return json.dumps({"ok": False, "why": why, "text": text})
