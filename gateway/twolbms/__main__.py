"""`python -m twolbms` is `2lbms`."""

from twolbms.cli import main

if __name__ == "__main__":
    main()
