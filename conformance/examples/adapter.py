#!/usr/bin/env python3
"""An adapter to copy: put your client in the place of ToyClient (see conformance/adapter.md).

    syncline-conformance client --cmd "python3 conformance/examples/adapter.py"
"""
import json, os, sys, threading, uuid

OUT = threading.Lock()


def tell(line):
    """Writes one line. Call it from any thread: your client's callbacks may come from one of their own."""
    with OUT:
        sys.stdout.write(json.dumps(line) + "\n")
        sys.stdout.flush()


class ToyClient:
    """Keeps an outbox in a file and never connects: what is left for you to do. Its methods are the commands."""

    def open(self, url, workspace, store):
        self.path, self.outbox, self.shapes = os.path.join(store, "outbox.json"), [], []
        if os.path.exists(self.path):
            self.outbox = json.load(open(self.path))

    def mutate(self, ops):
        if not ops:
            raise ValueError("a mutation needs an op")
        entry = {"opId": uuid.uuid4().hex, "ops": ops}
        self.outbox.append(entry)
        with open(self.path + ".new", "w") as file:  # durable before the app is told
            json.dump(self.outbox, file)
            file.flush()
            os.fsync(file.fileno())
        os.replace(self.path + ".new", self.path)
        tell({"event": "sync", "online": False, "synced": False, "pending": len(self.outbox)})
        return {"opId": entry["opId"]}

    def write(self, table, key, value, **lock):
        return self.mutate([{"op": "set", "table": table, "key": key, "value": value, **lock}])

    def delete(self, table, key, **lock):
        return self.mutate([{"op": "delete", "table": table, "key": key, **lock}])

    def read_all(self, table):
        view = {}
        for op in (op for entry in self.outbox for op in entry["ops"] if op["table"] == table):
            view.pop(op["key"], None)
            if op["op"] == "set":
                view[op["key"]] = op["value"]
        return {"view": view, "base": {}}

    def read(self, table, key):
        view = self.read_all(table)["view"]
        return {"view": {"value": view[key]}} if key in view else {}

    def status(self):
        return {"online": False, "synced": False, "pending": len(self.outbox), "shapes": self.shapes, "rejected": [], "inDoubt": []}

    def subscribe(self, tables):
        self.shapes.append({"tables": tables})

    def go_online(self): pass
    def go_offline(self): pass
    def close(self): pass


def main():
    client = ToyClient()
    tell({"ready": {"client": "toy 0.1", "can": ["mutate", "if_version"]}})
    for line in sys.stdin:
        command = json.loads(line)
        number, name = command.pop("id"), command.pop("do")
        try:
            tell({"id": number, "ok": getattr(client, name)(**command) or {}})
        except Exception as error:  # nothing was done: the runner is told, and goes on
            tell({"id": number, "error": {"message": str(error)}})
        if name == "close":
            break


if __name__ == "__main__":
    main()
