"""`pio run`: one image a board and pack, the check that it fits, the upload, MicroPython. SCons runs this file."""

import sys
from pathlib import Path

from SCons.Script import AlwaysBuild, Default, DefaultEnvironment

env = DefaultEnvironment()
try:
    from twolbms.build.columns import limit_image
    from twolbms.build.image import BuildError, build_image, read_board, read_image
    from twolbms.build.runtime import RuntimeProblem, micropython_for
    from twolbms.build.sizes import folder_inputs, largest_pack, measure, table
    from twolbms.build.upload import upload_image
    from twolbms.cli.node_build import pack_file
    from twolbms.config.errors import ConfigError
    from twolbms.config.load import load_model
    from twolbms.config.pack import GuardedPack
except ModuleNotFoundError as error:
    sys.stderr.write(f"this PlatformIO cannot import {error.name}: install 2lbms beside it, "
                     "with pip install -e '.[firmware]', or use tools/platformio\n")
    env.Exit(1)

BOARD = read_board(env["BOARD"])
PACK = pack_file(env.GetProjectOption("board_pack"))


def limits():
    """The limits of the chosen pack. A mistake in its file is told with its line."""
    try:
        return limit_image(load_model(PACK, GuardedPack))
    except ConfigError as error:
        sys.stderr.write(f"{error}\n")
        return env.Exit(1)


def build(target, source, env):
    """Compiles for the board's core and packs."""
    try:
        image = build_image(BOARD, limits())
    except BuildError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    Path(str(target[0])).write_bytes(image.data())
    return 0


def check(target, source, env):
    """Flash and heap, of the chosen pack and of the largest."""
    chosen, largest = limits(), largest_pack()
    try:
        sizes = [measure(BOARD, chosen, read_image(Path(str(source[0])).read_bytes()))]
        if largest.pack != chosen.pack:
            sizes.append(measure(BOARD, largest))
    except BuildError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    print(table(sizes))
    for why in dict.fromkeys(size.why for size in sizes if size.why):
        print(f"not measured: {why}")
    too_large = [size.image.pack for size in sizes if not size.fits]
    if too_large:
        sys.stderr.write(f"{BOARD.name}: {', '.join(too_large)} does not fit\n")
    return 1 if too_large else 0


def upload(target, source, env):
    """Over the console of a node; the emulated board is started when no port is named."""
    isolated = env.GetProjectOption("custom_isolated") == "yes"
    wait_s = float(env.GetProjectOption("custom_wait_s"))
    image = read_image(Path(str(source[0])).read_bytes())
    return upload_image(image, env.subst("$UPLOAD_PORT"), isolated, wait_s, Path(env.subst("$BUILD_DIR")))


def micropython(target, source, env):
    """MicroPython itself: built where it has to be, and how it gets onto the board."""
    try:
        print(micropython_for(BOARD.name, env.GetProjectOption("custom_micropython_source", "")))
    except RuntimeProblem as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


image = env.Command(f"$BUILD_DIR/{PACK.stem}.2lb", [str(path) for path in [PACK, *folder_inputs(BOARD.name)]],
                    env.VerboseAction(build, "Compiling for $BOARD into $TARGET"))
size = AlwaysBuild(env.Alias("size", image, env.VerboseAction(check, "Checking flash and heap")))
AlwaysBuild(env.Alias("upload", [image, size], env.VerboseAction(upload, "Putting it onto the node")))
AlwaysBuild(env.Alias("micropython", None, env.VerboseAction(micropython, "MicroPython for $BOARD")))
Default([image, size])
