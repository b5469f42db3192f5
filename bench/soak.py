#!/usr/bin/env python3
"""Leaves a server running under load: 8 users, 500 requests each, of mixed lengths, a tenth cut off by the client, and
`kill -9` of the server halfway. Every answer must be whole, memory must stay flat, and what was confirmed must be there after
the kill. One JSON line; exit status 1 if anything was lost.

    cargo build --release && bench/soak.py --model FILE.gguf [--users 8] [--requests 500] [--cache-memory-mib 128]
"""

import argparse
import http.client
import json
import os
import random
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time

WORDS = "the of and to in is was for on are with as at be this have from one had by word but not what all were we".split()
HAN = "今天吃了什么红色让人觉得温暖我和他都去过那里明天会下雨吗书里说山下有一座桥"


def resident(pid):
    with open(f"/proc/{pid}/status") as status:
        return next(int(line.split()[1]) // 1024 for line in status if line.startswith("VmRSS"))


def cache(metrics):
    """MiB of keys and values: they are kept for prompts that begin alike, up to a bound of the server's."""
    lines = [line for line in metrics.splitlines() if line.startswith("shuyuan_engine_cache_used_bytes")]
    return sum(int(line.split()[-1]) for line in lines) >> 20


class Server:
    def __init__(self, a, home):
        self.command = [a.shuyuan, "serve", "--home", home, "--model", a.model, "--port", str(a.port), "--no-access-log"]
        if a.cache_memory_mib:
            self.command += ["--cache-memory-mib", str(a.cache_memory_mib)]
        self.port = a.port
        # Whoever asks while it is down waits for this.
        self.up = threading.Event()
        self.start()

    def start(self):
        self.process = subprocess.Popen(self.command, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        for _ in range(600):
            try:
                if self.ask("GET", "/health/ready")[0] == 200:
                    self.up.set()
                    return
            except OSError:
                pass
            time.sleep(0.1)
        sys.exit("the server did not begin to answer within a minute")

    def kill(self):
        self.up.clear()
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        self.start()

    def connect(self):
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=300)

    def ask(self, method, path, body=None):
        connection = self.connect()
        try:
            connection.request(method, path, json.dumps(body) if body else None, {"Content-Type": "application/json"})
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()


class Soak:
    def __init__(self, a, server):
        self.a, self.server = a, server
        self.lock = threading.Lock()
        self.done = self.cut = self.lost_in_flight = self.again = 0
        self.errors, self.memory, self.saved = [], [], {}

    def body(self, rng):
        words = [rng.choice(WORDS) if rng.random() < 0.7 else rng.choice(HAN) for _ in range(int(2 ** rng.uniform(1, 9)))]
        body = {
            "model": "default", "messages": [{"role": "user", "content": " ".join(words)}], "temperature": 1,
            "seed": rng.randrange(1 << 30), "max_tokens": int(2 ** rng.uniform(0, 7)), "ignore_eos": True,
            "stream": rng.random() < 0.7, "overflow": "slide",
        }
        if rng.random() < 0.1:
            body["n"] = 2
        if rng.random() < 0.1:
            body["response_format"] = {"type": "json_object"}
            body["ignore_eos"] = False
        return body

    def one(self, rng, body, leave):
        """Asks once. Returns whether the answer was whole, or was left as planned."""
        connection = self.server.connect()
        try:
            connection.request("POST", "/v1/chat/completions", json.dumps(body), {"Content-Type": "application/json"})
            if leave and rng.random() < 0.5:
                time.sleep(rng.uniform(0, 0.5))
                return True
            answer = connection.getresponse()
            if answer.status == 429:
                time.sleep(min(5, int(answer.headers["Retry-After"])))
                return False
            if answer.status != 200:
                raise ValueError(f"{answer.status} {answer.read()[:200]}")
            if leave:
                answer.read(rng.randrange(1, 2000))
                return True
            text = answer.read().decode()
            if body["stream"]:
                if not text.rstrip().endswith("data: [DONE]"):
                    raise ConnectionError("the stream broke off")
            elif len(json.loads(text)["choices"]) != body.get("n", 1):
                raise ValueError(f"too few answers: {text[:200]}")
            return True
        finally:
            connection.close()

    def user(self, number):
        rng = random.Random(number)
        for index in range(self.a.requests):
            body, leave = self.body(rng), rng.random() < 0.1
            while True:
                self.server.up.wait()
                life = self.server.process.pid
                try:
                    whole = self.one(rng, body, leave)
                except (OSError, http.client.HTTPException) as error:
                    # The server was killed under it: what was in flight may be lost, and nothing else.
                    self.server.up.wait()
                    with self.lock:
                        if self.server.process.pid == life and self.server.up.is_set():
                            self.errors.append(f"{type(error).__name__}: {error}")
                            break
                        self.lost_in_flight += 1
                    continue
                except ValueError as error:
                    with self.lock:
                        self.errors.append(str(error))
                    break
                if whole:
                    break
                with self.lock:
                    self.again += 1
            if index % 10 == 0:
                self.save(number, index)
            with self.lock:
                self.done += 1
                self.cut += leave
                self.note()

    def save(self, number, index):
        said = [{"role": "user", "content": f"user {number}, request {index}"}]
        try:
            status, answer = self.server.ask("POST", "/api/conversations", {"messages": said, "model": "default"})
        except (OSError, http.client.HTTPException):
            return
        with self.lock:
            if status == 201:
                self.saved[json.loads(answer)["id"]] = said[0]["content"]
            else:
                self.errors.append(f"saving: {status} {answer[:200]}")

    def note(self):
        total = self.a.users * self.a.requests
        if self.done % max(1, total // 40) == 0:
            try:
                kept = cache(self.server.ask("GET", "/metrics")[1].decode())
            except (OSError, http.client.HTTPException):
                return
            memory = resident(self.server.process.pid)
            self.memory.append(memory - kept)
            say = f"{self.done} of {total}, {memory} MiB, {kept} of them keys and values, {len(self.errors)} errors"
            print(say, file=sys.stderr, flush=True)

    def run(self):
        users = [threading.Thread(target=self.user, args=(number,)) for number in range(self.a.users)]
        start = time.perf_counter()
        for user in users:
            user.start()
        while self.done < self.a.users * self.a.requests // 2 and any(user.is_alive() for user in users):
            time.sleep(0.05)
        half = list(self.memory)
        self.server.kill()
        for user in users:
            user.join()
        seconds = time.perf_counter() - start
        missing = 0
        for conversation, text in self.saved.items():
            status, answer = self.server.ask("GET", f"/api/conversations/{conversation}")
            missing += status != 200 or text not in answer.decode()
        # A server warms up for a fifth of its life: buffers, pages kept for prefixes.
        growth = [after[-1] / after[len(after) // 5] for after in (half, self.memory[len(half):]) if len(after) > 2]
        print(json.dumps({
            "bench": "soak", "users": self.a.users, "requests": self.done, "cut_off": self.cut, "errors": len(self.errors),
            "in_flight_at_the_kill": self.lost_in_flight, "told_to_come_again": self.again, "seconds": round(seconds, 1),
            "memory_less_cache_mib": self.memory, "growth_after_warm_up": [round(g, 3) for g in growth],
            "saved": len(self.saved), "saved_and_missing": missing,
        }))
        for error in self.errors[:5]:
            print(error, file=sys.stderr)
        return bool(self.errors or missing or any(g > 1.1 for g in growth))


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--model", required=True)
    p.add_argument("--users", type=int, default=8)
    p.add_argument("--requests", type=int, default=500, help="of each user")
    p.add_argument("--shuyuan", default="target/release/shuyuan")
    p.add_argument("--cache-memory-mib", type=int, default=128, help="the server's bound on keys and values; 0: its own")
    p.add_argument("--port", type=int, default=0)
    a = p.parse_args()
    a.model = os.path.abspath(a.model)
    if not a.port:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            a.port = free.getsockname()[1]
    with tempfile.TemporaryDirectory() as home:
        server = Server(a, home)
        try:
            bad = Soak(a, server).run()
        finally:
            server.process.kill()
            server.process.wait()
    sys.exit(bad)


if __name__ == "__main__":
    main()
