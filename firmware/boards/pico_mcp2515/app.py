"""The application of the Raspberry Pi Pico with an MCP2515, as the boot files start it."""

from board import Board
from running.begin import run


def main():
    run(Board())
