"""A job that tries what it can reach around it, and prints what became of each try.

Its argument is JSON: a list of [kind, target], kind being file, dir, unix, tcp, redis
or signal. No Spark session is needed for that.
"""
import json
import os
import socket
import sys


def connect(family, target):
    s = socket.socket(family, socket.SOCK_STREAM)
    s.settimeout(10)
    s.connect(target)
    return s


def host(target):
    name, _, port = target.rpartition(":")
    return name, int(port)


def redis(target):
    s = connect(socket.AF_INET, host(target))
    s.sendall(b"DBSIZE\r\n")
    answer = s.recv(100).decode().strip()
    if answer.startswith("-"):
        raise PermissionError(answer)


TRIES = {
    "file": lambda target: open(target, "rb").read(1),
    "dir": os.listdir,
    "unix": lambda target: connect(socket.AF_UNIX, target),
    "tcp": lambda target: connect(socket.AF_INET, host(target)),
    "redis": redis,
    "signal": lambda target: os.kill(int(target), 0),
}

for kind, target in json.loads(sys.argv[1]):
    try:
        TRIES[kind](target)
        result = "reached"
    except OSError as e:
        result = "refused: %s" % e
    print("try: %s %s: %s" % (kind, target, result))
print("user: %d" % os.getuid())
