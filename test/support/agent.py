"""Servers that say who they are and whom they see, and clients that tell what became of their requests.

One process holds sockets of many network namespaces, which costs an emulated guest less than a process for each. In Python since
Node has neither setns(2) nor SCTP. Requests are JSON objects, one per line of standard input; each is answered by one on standard output:

    {"prepare": [{"netns", "forwards"}]}                            -> {}; before devices come
    {"serve": [{"netns", "name", "address", "port", "protocol"}]}   -> {}
    {"ask": [{"netns", "protocol", "address", "port", "as", "sourcePort", "requests", "seconds", "apart"}]}
                      -> {"seen": [["web-1 192.168.1.10", "refused", ...]]}; those `apart` at once, the others one after the other
    {"stop": true}    -> {}; closes all servers
"""

import ctypes
import errno
import json
import os
import selectors
import socket
import struct
import sys
import threading

CLONE_NEWNET = 0x40000000
IP_RECVERR, IPV6_RECVERR, SCTP_RTOINFO = 11, 25, 0
libc = ctypes.CDLL(None, use_errno=True)
kinds = {
    "TCP": (socket.SOCK_STREAM, socket.IPPROTO_TCP),
    "UDP": (socket.SOCK_DGRAM, socket.IPPROTO_UDP),
    "SCTP": (socket.SOCK_STREAM, socket.IPPROTO_SCTP),
}


def enter(netns):
    """Moves the calling thread; a socket stays where it was made."""
    with open(f"/run/netns/{netns}") as namespace:
        if libc.setns(namespace.fileno(), CLONE_NEWNET) != 0:
            raise OSError(ctypes.get_errno(), f"setns {netns}")


def family_of(address):
    return socket.AF_INET6 if ":" in address else socket.AF_INET


def prepare(netns, forwards):
    enter(netns)
    settings = {
        # on the node the program's own business
        "net/ipv4/ip_forward": 0,
        "net/ipv6/conf/all/forwarding": int(forwards),
        # else an IPv6 address of a new device is not used for a second
        "net/ipv6/conf/default/accept_dad": 0,
        "net/ipv4/ping_group_range": "0 0",
        # nobody learns a way that is another after the next step
        "net/ipv4/conf/all/accept_redirects": 0,
        "net/ipv4/conf/default/accept_redirects": 0,
        "net/ipv6/conf/all/accept_redirects": 0,
        "net/ipv6/conf/default/accept_redirects": 0,
    }
    for name, value in settings.items():
        with open(f"/proc/sys/{name}", "w") as setting:
            setting.write(str(value))


class Servers:
    def __init__(self):
        self.selector = selectors.DefaultSelector()
        self.lock = threading.Lock()
        threading.Thread(target=self.run, daemon=True).start()

    def add(self, netns, name, address, port, protocol):
        enter(netns)
        server = socket.socket(family_of(address), *kinds[protocol])
        server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if ":" in address:
            server.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        server.bind((address, port))
        if protocol != "UDP":
            server.listen(64)
        server.setblocking(False)
        with self.lock:
            self.selector.register(server, selectors.EVENT_READ, (name, protocol))

    def run(self):
        while True:
            for key, _ in self.selector.select(timeout=0.05):
                with self.lock:
                    try:
                        self.answer(key.fileobj, *key.data)
                    except OSError:
                        pass  # the client's business

    def answer(self, server, name, protocol):
        if protocol == "UDP":
            _, client = server.recvfrom(100)
            server.sendto(f"{name} {client[0]}".encode(), client)
            return
        connection, client = server.accept()
        connection.send(f"{name} {client[0]}".encode())
        connection.close()

    def stop(self):
        with self.lock:
            for key in list(self.selector.get_map().values()):
                self.selector.unregister(key.fileobj)
                key.fileobj.close()


def ask(netns, protocol, address, port, source, source_port, seconds):
    """One request; what became of it."""
    enter(netns)
    try:
        if protocol is None:
            return ping(address, source, seconds)
        with socket.socket(family_of(address), *kinds[protocol]) as client:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            hear_refusals(client)
            client.settimeout(seconds)
            if source is not None or source_port is not None:
                client.bind((source or "", source_port or 0))
            client.connect((address, port))
            if protocol == "UDP":
                send(client, b"who?")
            return client.recv(100).decode() or "closed"
    except TimeoutError:
        return "dropped"
    except ConnectionRefusedError:
        return "refused"
    except OSError as failure:
        return errno.errorcode[failure.errno]


def send(client, message):
    """What the host's own filter or IPVS stops at output is EPERM to the sender; whether it was refused is told as to everybody else."""
    try:
        client.send(message)
    except PermissionError:
        pass


def hear_refusals(client):
    """What ICMP says reaches the client at once. Of SCTP the kernel tells no port-unreachable otherwise, and then only if it comes while
    nobody is in connect(), which the first often does not (sctp_v4_err, 6.1): so the second is sent soon."""
    if client.proto == socket.IPPROTO_SCTP:
        association, initial, longest, shortest = 0, 200, 1000, 200
        times = struct.pack("iIII", association, initial, longest, shortest)
        client.setsockopt(socket.IPPROTO_SCTP, SCTP_RTOINFO, times)
    if client.family == socket.AF_INET:
        client.setsockopt(socket.IPPROTO_IP, IP_RECVERR, 1)
    else:
        client.setsockopt(socket.IPPROTO_IPV6, IPV6_RECVERR, 1)


def ping(address, source, seconds):
    six = ":" in address
    protocol = socket.IPPROTO_ICMPV6 if six else socket.IPPROTO_ICMP
    with socket.socket(family_of(address), socket.SOCK_DGRAM, protocol) as client:
        hear_refusals(client)
        client.settimeout(seconds)
        if source is not None:
            client.bind((source, 0))
        client.connect((address, 0))
        send(client, struct.pack("!BBHHH", 128 if six else 8, 0, 0, 0, 1))
        client.recv(100)
        return "echoed"


def ask_all(lines):
    seen = [[] for _ in lines]

    def run(line, outcomes):
        for _ in range(line["requests"]):
            outcomes.append(
                ask(
                    line["netns"],
                    line.get("protocol"),
                    line["address"],
                    line.get("port"),
                    line.get("as"),
                    line.get("sourcePort"),
                    line["seconds"],
                )
            )

    rows = list(zip(lines, seen))
    threads = [threading.Thread(target=run, args=row) for row in rows if row[0]["apart"]]
    for thread in threads:
        thread.start()
    for row in rows:
        if not row[0]["apart"]:
            run(*row)
    for thread in threads:
        thread.join()
    return seen


def main():
    servers = Servers()
    for line in sys.stdin:
        request = json.loads(line)
        answer = {}
        if "prepare" in request:
            for namespace in request["prepare"]:
                prepare(**namespace)
        elif "serve" in request:
            for server in request["serve"]:
                servers.add(**server)
        elif "ask" in request:
            answer["seen"] = ask_all(request["ask"])
        else:
            servers.stop()
        print(json.dumps(answer), flush=True)


main()
