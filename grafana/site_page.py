"""The site's page as rows of panels: what each answers, and what a bad value means.

One question: how is this site now, and what led there. From the site down to each pack's cells, then its gateway.
"""

from __future__ import annotations

import json
from collections.abc import Sequence

from grafana.panels import AMBER, BLUE, DATASOURCE, GREEN, GREY, RED, Json, heading, lines, place, stat, states, table

from grafana import queries as q
from twolbms.contract import node_contract
from twolbms.fields import FIELDS

Shelf = Sequence[Json]

NUMBER, BAR, HALF, THIRD = (4, 5), (12, 5), (12, 8), (8, 8)
PACK = "$tag_pack"
STATE_COLOURS = {
    "closed": GREEN, "precharge": AMBER, "opening": AMBER, "open": RED, "latched": RED, "boot": GREY, "service": BLUE,
}


def site_page() -> Json:
    """The whole page in Grafana's classic model."""
    return {
        "uid": "twolbms-site", "title": "Site", "description": "State of all packs of a site, and of its gateway",
        "tags": ["2lbms"], "schemaVersion": 42, "editable": False, "graphTooltip": 1, "refresh": "10s",
        "timezone": "browser", "time": {"from": "now-6h", "to": "now"}, "timepicker": {}, "links": [], "version": 1,
        "templating": {"list": _variables()}, "annotations": {"list": [_event_marks()]},
        "panels": place([*_overview(), *_each_pack(), *_bank(), *_monitors(), *_happened(), *_gateway(), *_buses(),
                         *_rest()]),
    }


def _overview() -> list[Shelf]:
    return [
        [
            stat(NUMBER, "State of charge",
                 "Coulomb count of the gateway. Missing: the pack is silent, or its charge was never anchored.",
                 q.now("soc", PACK)),
            stat(NUMBER, "Pack voltage",
                 "Over all cells, as the node measures it. Missing: the node was not heard in the last minute.",
                 q.now("pack_voltage_v", PACK)),
            stat(NUMBER, "Current",
                 "Positive charges. Measured at the node's shunt.",
                 q.now("current_a", PACK)),
            stat(NUMBER, "Cell spread",
                 "Highest minus lowest cell. Growing from week to week: a weak cell, or balancing does not keep up.",
                 q.now("cell_spread_v", PACK)),
            stat(NUMBER, "Latched trips",
                 "Trips that wait for a person or a clear request. Anything but 0 keeps a pack open.",
                 q.now("faults_latched", PACK), ((None, GREEN), (1, RED))),
            stat(NUMBER, "Age of the data",
                 "Of the oldest safety message of each pack. Above 5 s its values are unknown, 0 A are allowed.",
                 q.now("pack_age_s", PACK), ((None, GREEN), (1, AMBER), (5, RED))),
        ],
        heading("All packs"),
        [
            lines(HALF, "State of charge",
                  "Coulomb count of each pack. Packs of one bank should move together.",
                  q.over_time("soc", PACK)),
            lines(HALF, "Current",
                  "Positive charges. Packs of one bank share by resistance: one that carries far more ages faster.",
                  q.over_time("current_a", PACK)),
        ],
        [
            lines(HALF, "Lowest and highest temperature",
                  "Extremes of each pack's sensors. Too cold or too hot: the node allows no current.",
                  q.over_time("temperature_min_c", f"{PACK} lowest", "min"),
                  q.over_time("temperature_max_c", f"{PACK} highest", "max")),
            lines(HALF, "Age of the data",
                  "A tooth that grows past 5 s: the node or the bus went silent.",
                  q.over_time("pack_age_s", PACK, "max")),
        ],
    ]


def _each_pack() -> list[Shelf]:
    """Repeated for each pack that is chosen."""
    return [heading("Pack $pack", repeat="pack"), *_states(), *_limits(), *_details()]


def _states() -> list[Shelf]:
    words = {code: (word, STATE_COLOURS.get(word, GREY)) for code, word in node_contract().states.items()}
    counts = {0: ("none", GREEN), **{count: (str(count), RED) for count in range(1, 49)}}
    return [
        [
            states(BAR, "State of the node",
                   "As the node reports it. Latched: it closes only after a clear. A hole: it was not heard.",
                   words, q.over_time("state_code", "state", "max")),
            states(BAR, "Faults",
                   "Limits beyond their limit or trip tier now, and trips remembered. Which: see the events below.",
                   counts, q.over_time("faults_active", "active", "max"),
                   q.over_time("faults_latched", "latched", "max")),
        ],
        [
            states(BAR, "Current paths",
                   "Measured, not commanded. Open one way only: charge or discharge alone is blocked.",
                   {0: ("open", RED), 1: ("closed", GREEN)},
                   q.over_time("charge_path_closed", "charge", "min"),
                   q.over_time("discharge_path_closed", "discharge", "min")),
            states(BAR, "Heater and balancing",
                   "Heater relay as measured, and any cell being balanced. A heater that never ends: relay or sensor.",
                   {0: ("off", GREY), 1: ("on", BLUE)},
                   q.over_time("heater_on", "heater", "max"), q.over_time("balancing", "balancing", "max")),
        ],
    ]


def _limits() -> list[Shelf]:
    return [
        [
            lines((16, 11), "Cells within their limits",
                  "Each cell, with the trip limits that the node holds. One that is always first there is weak.",
                  q.over_time("cell_voltage_v", "cell $tag_cell"),
                  q.limit("limit_cell_over_voltage_trip_v", "over-voltage trip"),
                  q.limit("limit_cell_under_voltage_trip_v", "under-voltage trip"),
                  dashed={"over-voltage trip": RED, "under-voltage trip": RED}),
            lines((8, 11), "Cell spread",
                  "Highest minus lowest. Wide only near full or empty: capacities differ; under load: resistances.",
                  q.over_time("cell_spread_v", "spread", "max")),
        ],
        [
            lines((12, 9), "Current within its allowance",
                  "Discharge is drawn downwards. Current outside the dashed lines: charger or load does not obey.",
                  q.over_time("current_a", "current"),
                  q.over_time("charge_allowed_a", "charge allowed", "min"),
                  q.downwards("discharge_allowed_a", "discharge allowed", "min"),
                  dashed={"charge allowed": AMBER, "discharge allowed": AMBER}),
            lines((12, 9), "Voltage inside and outside",
                  "Link equal to pack while open: a welded contactor, or others hold the link up.",
                  q.over_time("pack_voltage_v", "pack"), q.over_time("link_voltage_v", "link"),
                  q.over_time("charge_allowed_v", "charge to at most", "min"),
                  dashed={"charge to at most": AMBER}),
        ],
    ]


def _details() -> list[Shelf]:
    return [
        [
            lines(HALF, "Temperatures",
                  "Each sensor. One that leaves the others: a bad contact there, or a broken sensor.",
                  q.over_time("temperature_c", "sensor $tag_sensor")),
            lines(HALF, "State of charge and its uncertainty",
                  "The band is one standard uncertainty either way; it grows until the count is anchored again.",
                  q.over_time("soc", "soc"), q.beside("soc", "+", "soc_sigma", "upper"),
                  q.beside("soc", "-", "soc_sigma", "lower"), band=("upper", "lower")),
        ],
        [
            lines(HALF, "Lowest and highest cell",
                  "As the node's message of extremes says. It must agree with the cells above.",
                  q.over_time("cell_min_v", "lowest", "min"), q.over_time("cell_max_v", "highest", "max")),
            lines(HALF, "Charge in and out",
                  "Since the gateway first heard the pack. Out far below in, over weeks: losses, or a sensor's offset.",
                  q.over_time("charge_in_ah", "in", "max"), q.over_time("charge_out_ah", "out", "max")),
        ],
    ]


def _bank() -> list[Shelf]:
    return [
        heading("Bank"),
        [lines((24, 8), "What the bank may carry",
               "Largest current at which no closed pack exceeds its own. 0: one went silent while closed, or all open.",
               q.over_time("bank_charge_allowed_a", "$tag_bank charge", "min"),
               q.downwards("bank_discharge_allowed_a", "$tag_bank discharge", "min"))],
    ]


def _monitors() -> list[Shelf]:
    name = "$tag_device"
    return [
        heading("Battery monitors"),
        [
            lines(THIRD, "Voltage at the monitor",
                  "As the battery monitor measures it, beside the sum of the cells above.",
                  q.over_time("shunt_voltage_v", name)),
            lines(THIRD, "Current at the monitor",
                  "Positive when charging. It must agree with the packs behind it: else there is another way out.",
                  q.over_time("shunt_current_a", name)),
            lines(THIRD, "Charge by the monitor",
                  "The monitor's own count, independent of ours. Steps: it has seen the battery full.",
                  q.over_time("shunt_soc", name, "last")),
        ],
        [
            lines(HALF, "Energy over the monitor's life",
                  "Charged and discharged since it was built in. Their ratio is the battery's efficiency.",
                  q.over_time("shunt_energy_in_kwh", f"{name} in", "last"),
                  q.over_time("shunt_energy_out_kwh", f"{name} out", "last")),
            lines(HALF, "Alarm of the monitor",
                  "1 while it reports an alarm by its own thresholds; the events above say which.",
                  q.over_time("shunt_alarm", name, "max")),
        ],
    ]


def _buses() -> list[Shelf]:
    name = "$tag_bus"
    return [
        heading("Buses"),
        [
            lines(THIRD, "Share of the bit rate in use",
                  "Above 70 % low priorities wait. Unknown where the adapter does not tell its bit rate.",
                  q.over_time("can_load", name)),
            lines(THIRD, "Frames lost on the way",
                  "By the kernel, the adapter or a gateway that was too slow, since start. It must not grow.",
                  q.over_time("can_dropped", name, "max")),
            lines(THIRD, "State of the bus",
                  "0 well, 1 error warning, 2 error passive, 3 bus off, 4 not open. Not 0: wiring or bit rate.",
                  q.over_time("can_state", name, "max")),
        ],
    ]


def _happened() -> list[Shelf]:
    return [
        heading("What happened"),
        [table((24, 10), "Events",
               "The newest 200 of the time shown, from the gateway's journal: trips, refusals, gaps, restarts.",
               q.events(200), {"Time": 180, "pack": 140, "kind": 140})],
    ]


def _gateway() -> list[Shelf]:
    site = "$tag_site"
    return [
        heading("Gateway"),
        [
            lines(THIRD, "Records a second",
                  "Records that the journal acknowledged. 0 while packs are alive: storage has failed.",
                  q.rate("journal_acknowledged", site)),
            lines(THIRD, "Records lost",
                  "Since the gateway started. Anything but 0: the disk is full or too slow.",
                  q.over_time("journal_lost", site, "max")),
            lines(THIRD, "Database behind the journal",
                  "Age of the oldest record that is not here yet. It falls back after an outage; nothing is lost.",
                  q.over_time("outlet_lag_s", site, "max")),
        ],
        [
            lines(HALF, "Frames a second",
                  "CAN frames received on all buses. 0: the adapter or the bus is down.",
                  q.rate("bus_frames", site)),
            lines(HALF, "Frames dropped a second",
                  "Damaged, short, out of sequence or unknown. Steady: wiring, termination or a stranger on the bus.",
                  q.rate("bus_bad", site)),
        ],
    ]


def _rest() -> list[Shelf]:
    """A plain panel for each quantity that no panel above shows: a new row in fields.py is on the page at once."""
    shown = json.dumps([_overview(), _each_pack(), _bank(), _monitors(), _gateway(), _buses()])
    alias = {"pack": PACK, "cell": f"{PACK} cell $tag_cell", "sensor": f"{PACK} sensor $tag_sensor",
             "bank": "$tag_bank", "gateway": "$tag_site", "bus": "$tag_bus", "device": "$tag_device"}
    panels = [lines(HALF, name, f"{field.help}; as published by the gateway.",
                    q.over_time(name, alias[field.level], field.minute))
              for name, field in FIELDS.items() if f'\\"{name}\\"' not in shown]
    shelves = [panels[start:start + 2] for start in range(0, len(panels), 2)]
    return [heading("More quantities"), *shelves] if shelves else []


def _variables() -> list[Json]:
    return [
        {"name": "datasource", "type": "datasource", "label": "Database", "query": "influxdb", "refresh": 1, "hide": 0,
         "multi": False, "includeAll": False, "regex": "", "options": [],
         "current": {"selected": False, "text": "2lbms", "value": "twolbms-influx"}},  # as provisioned
        _variable("site", "Site", q.tag_values("gateway", "site"), many=False),
        _variable("pack", "Pack", q.tag_values("pack", "pack", "site"), many=True),
    ]


def _variable(name: str, label: str, question: str, many: bool) -> Json:
    return {
        "name": name, "type": "query", "label": label, "datasource": DATASOURCE, "query": question,
        "refresh": 2, "sort": 1, "hide": 0, "multi": many, "includeAll": many, "regex": "",
        "options": [], "current": {"text": ["All"], "value": ["$__all"]} if many else {"text": "", "value": ""},
    }


def _event_marks() -> Json:
    target = {
        "refId": "Anno", "fromAnnotations": True, "queryType": "tags", "rawQuery": True, "textEditor": True,
        "query": q.events(500).influxql, "textColumn": "text", "tagsColumn": "pack,kind", "timeEndColumn": "",
        "titleColumn": "", "name": "Events", "limit": 0, "matchAny": False, "tags": [], "type": "",
    }
    return {"name": "Events", "datasource": DATASOURCE, "enable": True, "hide": False, "iconColor": BLUE,
            "target": target}
