"""Starts a version of the application; whatever ends it, outputs go off and the node resets.

Never updated in the field. The service jumper, a service start that the application asked for, and a node without a
whole version end in the REPL, with outputs open and no watchdog; nothing else does.
"""

import safe

safe.drop()
service = safe.service()
if not service:
    try:
        import gc

        gc.threshold(2048)  # imports leave so much garbage that names would later find no whole 4.5 KB of room
        import slots

        service = slots.prepare(safe)
        del slots  # the application gets its memory
        if not service:
            __import__("app").main()  # of the version, which is first on the path now
    except BaseException as error:
        import last_error

        last_error.keep(error)
    finally:
        safe.drop()
        if not service:
            safe.reset()
