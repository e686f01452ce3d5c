"""`make demo` begins here: until the rest is loaded, Ctrl-C simply ends it."""

from __future__ import annotations

import signal


def main() -> None:
    """Run the demo. Nothing has been started before it is loaded, so there is nothing to stop."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    from gpu_node.demo.command import main as demo

    demo()


if __name__ == "__main__":
    main()
