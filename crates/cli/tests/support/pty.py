"""Runs a program on a pseudo-terminal: waits for each text, then sends the keys that go with it.

usage: pty.py '[["text to wait for", "keys"], …]' PROGRAM ARGUMENTS…
Prints what the program showed, without escape sequences, then its exit code on a line of its own.
"""
import fcntl
import json
import os
import pty
import re
import select
import struct
import sys
import termios
import time

steps = json.loads(sys.argv[1])
child, terminal = pty.fork()
if child == 0:
    os.execv(sys.argv[2], sys.argv[2:])
fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 120, 0, 0))

seen = b""
plain = lambda data: re.sub(r"\x1b(\[[0-9;?]*[A-Za-z]|[78=>])", "", data.decode(errors="replace")).replace("\r", "")
shown = 0
deadline = time.monotonic() + 60
while time.monotonic() < deadline:
    if steps and steps[0][0] in plain(seen)[shown:]:
        time.sleep(0.1)  # the prompt is drawn, and now reads
        shown = len(plain(seen))
        os.write(terminal, steps.pop(0)[1].encode())
        continue
    if terminal in select.select([terminal], [], [], 0.1)[0]:
        try:
            data = os.read(terminal, 65536)
        except OSError:
            data = b""
        if not data:
            break
        if b"\x1b[6n" in data:  # the program asks where the cursor is
            os.write(terminal, b"\x1b[1;1R")
        seen += data
else:
    os.kill(child, 9)
_, status = os.waitpid(child, 0)
print(plain(seen))
print("waited in vain for:", [text for text, _ in steps])
print(os.waitstatus_to_exitcode(status))
