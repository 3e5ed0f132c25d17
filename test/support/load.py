"""A client that asks again and again, each time on a connection of its own. Usage: load.py NETNS ADDRESS PORT PER_SECOND SECONDS

SECONDS is how long one request may take. Prints a line with the first answer, runs until standard input ends, then waits for what is under way and prints a JSON object:
{"answers": {"web-1": 17, ...}, "failures": ["3.2 s: refused", ...]}. What a server sends up to a space is its name.
"""

import collections
import ctypes
import json
import select
import socket
import sys
import threading
import time

CLONE_NEWNET = 0x40000000
netns, address, port, rate, patience = sys.argv[1], sys.argv[2], int(sys.argv[3]), float(sys.argv[4]), float(sys.argv[5])
libc = ctypes.CDLL(None, use_errno=True)
with open(f"/run/netns/{netns}") as namespace:
    if libc.setns(namespace.fileno(), CLONE_NEWNET) != 0:
        raise OSError(ctypes.get_errno(), f"setns {netns}")

answers = collections.Counter()
lock = threading.Lock()
failures = []
begun = time.monotonic()


def ask():
    started = time.monotonic() - begun
    try:
        with socket.create_connection((address, port), patience) as client:
            answer = client.recv(100).decode()
        if answer == "":
            raise OSError("closed without an answer")
        with lock:
            if not answers:
                print("answered", flush=True)
            answers[answer.split(" ")[0]] += 1
    except OSError as failure:
        failures.append(f"{started:.3f} s: {failure}")


threads = []
due = begun
while not select.select([sys.stdin], [], [], max(0, due - time.monotonic()))[0]:
    # a machine that is too slow for the rate is asked at the rate that it can bear
    due = max(due + 1 / rate, time.monotonic() - 1)
    threads = [thread for thread in threads if thread.is_alive()]
    if len(threads) < rate:
        threads.append(threading.Thread(target=ask))
        threads[-1].start()
for thread in threads:
    thread.join()
print(json.dumps({"answers": answers, "failures": failures}))
