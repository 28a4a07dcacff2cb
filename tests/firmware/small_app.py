"""The part of a small application for the emulated board that answers on the console and keeps itself."""

SERVING = """
import machine
import safe
from store.console import SERVICE, STATUS, Console, service_line, status_line
from store.trial import Trial, ask_service

def serve():
    m = machine.mem32
    console = Console()
    trial = Trial(*safe.slot_state)
    while True:
        if m[0x40004004] & 2:
            what = console.take(m[0x40004000] & 255)
            if what == STATUS:
                print(status_line("qemu", trial.slot, trial.state, trial.failed))
            elif what == SERVICE:
                ask_service()
                print(service_line())
                return
        elif trial.state == 1:
            trial.keep()
"""
