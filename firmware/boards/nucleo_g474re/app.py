"""The application of the NUCLEO-G474RE, as the boot files start it."""

from board import Board
from running.begin import run


def main():
    run(Board())
