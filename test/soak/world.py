"""Servers that come and go, and clients that ask without end, in network namespaces. Requests are JSON objects, one per line of standard input:

    {"listen": {"netns", "address", "port", "name"}}     -> {"done": true}; answers every connection with its name, and closes it
    {"close": {"address", "port"}}                       -> {"done": true}; whoever connects from now on is refused
    {"ask": [{"netns", "as", "name", "address", "port"}], "perSecond", "seconds"}
        -> {"done": true}; from now on one of these is asked after the other, so many in a second altogether, each on a connection of its
           own and for so many seconds at most; after each {"request": NAME, "begun", "ended", "answer"} or "failure" in place of "answer".
           Times are seconds of CLOCK_MONOTONIC.

Ends when standard input ends and all that was asked has an answer.
"""

import ctypes
import itertools
import json
import socket
import sys
import threading
import time

CLONE_NEWNET = 0x40000000
libc = ctypes.CDLL(None, use_errno=True)
printing = threading.Lock()
ended = threading.Event()
listeners = {}
askers = []


def enter(netns):
    """Of this thread alone."""
    with open(f"/run/netns/{netns}") as namespace:
        if libc.setns(namespace.fileno(), CLONE_NEWNET) != 0:
            raise OSError(ctypes.get_errno(), f"setns {netns}")


def tell(answer):
    with printing:
        print(json.dumps(answer), flush=True)


def serve(listener, name):
    """Until the listener is shut down."""
    while True:
        try:
            connection, _ = listener.accept()
        except OSError:
            listener.close()
            return
        with connection:
            try:
                connection.sendall(name.encode())
            except OSError:
                pass


def listen(place):
    enter(place["netns"])
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind((place["address"], place["port"]))
    listener.listen(64)
    listeners[place["address"], place["port"]] = listener
    threading.Thread(target=serve, args=(listener, place["name"]), daemon=True).start()


def close(place):
    listeners.pop((place["address"], place["port"])).shutdown(socket.SHUT_RDWR)


def ask(target, patience):
    begun = time.monotonic()
    request = {"request": target["name"], "begun": begun}
    try:
        enter(target["netns"])
        source = (target["as"], 0) if target["as"] else None
        with socket.create_connection((target["address"], target["port"]), patience, source) as client:
            answer = client.recv(100).decode()
        if answer == "":
            raise OSError("closed without an answer")
        request["answer"] = answer
    except OSError as failure:
        request["failure"] = str(failure)
    tell({**request, "ended": time.monotonic()})


def ask_all(targets, rate, patience):
    due = time.monotonic()
    for target in itertools.cycle(targets):
        if ended.wait(max(0, due - time.monotonic())):
            break
        # a machine that is too slow for the rate is asked at the rate that it can bear
        due = max(due + 1 / rate, time.monotonic() - 1)
        askers[:] = [thread for thread in askers if thread.is_alive()]
        if len(askers) < rate * patience:
            askers.append(threading.Thread(target=ask, args=(target, patience)))
            askers[-1].start()


for line in sys.stdin:
    request = json.loads(line)
    if "listen" in request:
        listen(request["listen"])
    elif "close" in request:
        close(request["close"])
    else:
        arguments = (request["ask"], request["perSecond"], request["seconds"])
        cycle = threading.Thread(target=ask_all, args=arguments)
        cycle.start()
    tell({"done": True})
ended.set()
for thread in threading.enumerate():
    if thread is not threading.current_thread() and not thread.daemon:
        thread.join()
