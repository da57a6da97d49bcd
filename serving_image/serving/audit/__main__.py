"""python -m serving.audit"""

from serving.audit.command_line import main

if __name__ == "__main__":
    raise SystemExit(main())
