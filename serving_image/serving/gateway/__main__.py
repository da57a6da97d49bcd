"""python -m serving.gateway"""

from serving.gateway.command_line import main

if __name__ == "__main__":
    raise SystemExit(main())
