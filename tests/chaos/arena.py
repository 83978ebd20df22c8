"""The cluster that rounds are played in, and one round: downloads, faults, repair, judgement."""

import hashlib
import heapq
import itertools
import os
import signal
import subprocess
import time

from kit.cluster import Cluster, make_file, sha256_of

from records import check_records

# A dfget that runs longer hangs: every fault is over after 6 s, and the content takes 2 s.
DOWNLOAD_LIMIT = 60
# What nothing in a plan explains, though it comes to a good end.
SLOW = 15
# Records are written by a thread of their own; what was received this long ago has one.
RECORD_DELAY = 0.5


class Download:
    """One dfget, and after the end of its daemon the next one."""

    def __init__(self, peer, output):
        self.peer = peer
        self.output = output
        self.process = None
        self.began = 0.0
        self.excused = False  # Its daemon was killed meanwhile.
        self.done = False
        self.waiting = False  # For its daemon to come back.
        self.tries = 0


class Arena:
    def __init__(self, seeds=2, peers=5):
        self.cluster = Cluster(
            peers=peers,
            seeds=seeds,
            with_manager=False,
            peer_extra={
                "scheduler": {"announceInterval": "1s"},
                # Rounds leave a few hundred MiB behind.
                "gc": {"interval": "5s", "policy": {"taskTTL": "20s"}},
            },
        )
        self.daemons = {daemon.host.name: daemon for daemon in self.cluster.daemons}
        self.daemons["scheduler"] = self.cluster.scheduler

    def names(self):
        return (
            [daemon.host.name for daemon in self.cluster.seeds],
            [daemon.host.name for daemon in self.cluster.peers],
        )

    def play(self, plan):
        return _Game(self, plan).play()

    def close(self, keep):
        self.cluster.close(keep=keep)


class _Game:
    """One round."""

    def __init__(self, arena, plan):
        self.cluster = arena.cluster
        self.daemons = arena.daemons
        self.plan = plan
        self.problems = {"wrong": [], "hung": [], "failed": [], "crashed": [], "records": []}
        self.notes = []
        self.faulty = {}  # host -> fault under way
        self.interrupted = 0
        self.pieces_kept = 0
        self.logs = {name: self._log_size(daemon) for name, daemon in self.daemons.items()}
        self._order = itertools.count()
        self._events = []  # (time, order, action, argument)

    # -- time

    def now(self):
        return time.monotonic() - self.t0

    def at(self, when, action, argument):
        heapq.heappush(self._events, (when, next(self._order), action, argument))

    # -- the round

    def play(self):
        plan = self.plan
        self.name = name = f"round-{plan.seed}-{plan.number}.bin"
        self.content = make_file(
            self.cluster.origin.path(name), plan.size, seed=plan.seed * 1000003 + plan.number
        )
        self.digest = sha256_of(self.content)
        self.url = self.cluster.origin.url(name)
        self.task_id = hashlib.sha256(name.encode()).hexdigest()
        for daemon in self.cluster.daemons:
            daemon.host.shape(plan.megabits)
        self.baseline = {
            name: self._received(daemon) for name, daemon in self.daemons.items() if name != "scheduler"
        }
        began = time.monotonic()
        self.downloads = [self._download(name) for name in plan.warm]
        for download in self.downloads:
            self._start(download)
        self.t0 = time.monotonic()
        self._run_until(lambda: all(download.done for download in self.downloads))
        self.t0 = time.monotonic()
        for peer, when in plan.downloads:
            download = self._download(peer)
            self.downloads.append(download)
            self.at(when, self._start, download)
        for fault in plan.faults:
            self.at(fault.at, self._begin, fault)
        self._run_until(self._over)
        self._repair()
        self._judge()
        seconds = time.monotonic() - began
        os.unlink(self.content)
        for download in self.downloads:
            if os.path.exists(download.output):
                os.unlink(download.output)
        return self._result(seconds)

    def _download(self, peer):
        return Download(
            self.daemons[peer], self.cluster.path(f"out-{peer}-{self.plan.seed}-{self.plan.number}")
        )

    def _over(self):
        return all(download.done for download in self.downloads) and not any(
            action == self._start for _, _, action, _ in self._events
        )

    def _run_until(self, over):
        while not over():
            while self._events and self._events[0][0] <= self.now():
                _, _, action, argument = heapq.heappop(self._events)
                action(argument)
            for download in self.downloads:
                self._watch(download)
            time.sleep(0.01)

    def _start(self, download):
        daemon = download.peer
        fault = self.faulty.get(daemon.host.name)
        if fault is not None and fault.kind in ("kill", "stop"):
            # dfget would only say that nobody answers.
            download.waiting = True
            return
        arguments = ["--overwrite", "--content-for-calculating-task-id", self.name]
        if self.plan.digest:
            arguments += ["--digest", f"sha256:{self.digest}"]
        download.waiting = False
        download.excused = False
        download.tries += 1
        download.began = time.monotonic()
        download.process = subprocess.Popen(
            daemon.dfget_command(self.url, download.output, *arguments),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def _watch(self, download):
        if download.done or download.process is None:
            return
        who = download.peer.host.name
        if download.process.poll() is None:
            if time.monotonic() - download.began < DOWNLOAD_LIMIT:
                return
            self.problems["hung"].append(f"{who}: dfget still runs after {DOWNLOAD_LIMIT} s")
            download.process.kill()
            download.process.communicate()
            download.done = True
            return
        printed, _ = download.process.communicate()
        code, download.process = download.process.returncode, None
        if code == 0:
            download.done = True
            self._check_output(download)
            return
        if os.path.exists(download.output):
            self._check_output(download)
        if not download.excused:
            self.problems["failed"].append(f"{who}: dfget ended with {code}: {printed.strip()}")
            download.done = True
            return
        self.interrupted += 1
        if not printed.strip():
            self.problems["failed"].append(f"{who}: dfget said nothing when its daemon was killed")
        self._start(download)

    def _check_output(self, download):
        if not os.path.exists(download.output):
            self.problems["wrong"].append(f"{download.peer.host.name}: there is no output")
        elif sha256_of(download.output) != self.digest:
            kept = download.output + ".wrong"
            os.rename(download.output, kept)
            self.problems["wrong"].append(f"{download.peer.host.name}: wrong bytes, kept as {kept}")

    # -- faults

    def _begin(self, fault):
        daemon = self.daemons[fault.host]
        if not daemon.process.alive():
            self.problems["crashed"].append(f"{fault.host}: {daemon.process.log_tail(10)}")
            return
        self.faulty[fault.host] = fault
        self.notes.append(f"{self.now():.2f} {fault.kind} {fault.host}")
        if fault.kind == "kill":
            self._kill(fault.host, daemon)
        elif fault.kind == "stop":
            daemon.process.signal(signal.SIGSTOP)
        elif fault.kind == "cut":
            daemon.host.cut()
        else:
            daemon.host.swallow()
        self.at(self.now() + fault.lasts, self._end, fault)

    def _kill(self, name, daemon):
        had = 0
        if name != "scheduler":
            had = self._received(daemon) - self.baseline[name]
            self.t0 += RECORD_DELAY  # The clock of the other faults stands still meanwhile.
            time.sleep(RECORD_DELAY)
        for download in self.downloads:
            if download.peer is daemon:
                download.excused = True
        daemon.kill()
        if name == "scheduler":
            return
        self.baseline[name] = 0
        count, wrong = check_records(daemon.storage, self.task_id, self.content)
        self.problems["records"] += [f"{name}: {text} has a record and other bytes" for text in wrong]
        self.pieces_kept += count
        if count * (4 << 20) < had:
            self.problems["records"].append(
                f"{name}: received {had} bytes more than {RECORD_DELAY} s ago, has records of {count} pieces"
            )

    def _end(self, fault):
        if self.faulty.pop(fault.host, None) is None:
            return
        daemon = self.daemons[fault.host]
        if fault.kind == "kill":
            daemon.start()
        elif fault.kind == "stop":
            daemon.process.signal(signal.SIGCONT)
        elif fault.kind == "cut":
            daemon.host.mend()
        else:
            daemon.host.pass_on()
        for download in self.downloads:
            if download.peer is daemon and download.waiting:
                self._start(download)

    def _repair(self):
        self._events = []
        for fault in list(self.faulty.values()):
            self._end(fault)

    # -- judgement

    def _judge(self):
        for name, daemon in self.daemons.items():
            if not daemon.process.alive():
                self.problems["crashed"].append(f"{name}: {daemon.process.log_tail(10)}")
                daemon.start()

    def _result(self, seconds):
        result = {
            "round": self.plan.number,
            "plan": self.plan.text(),
            "seconds": round(seconds, 2),
            "happened": self.notes,
            "retries": self.interrupted,
            "pieces_of_killed": self.pieces_kept,
            "problems": {kind: texts for kind, texts in self.problems.items() if texts},
        }
        if result["problems"] or seconds > SLOW:
            result["logs"] = self._keep_logs()
        return result

    def _received(self, daemon):
        try:
            metrics = daemon.metrics()
        except OSError:
            return 0  # Its link is cut, or the process stopped.
        name = "dragonfly_client_download_traffic"
        return metrics.sum(name, type="REMOTE_PEER") + metrics.sum(name, type="BACK_TO_SOURCE")

    @staticmethod
    def _log_size(daemon):
        return os.path.getsize(daemon.process.log_path)

    def _keep_logs(self):
        """What every daemon wrote in this round."""
        folder = self.cluster.path(f"logs-{self.plan.seed}-{self.plan.number}")
        os.makedirs(folder, exist_ok=True)
        for name, daemon in self.daemons.items():
            with open(daemon.process.log_path, "rb") as log:
                log.seek(self.logs[name])
                part = log.read()
            with open(os.path.join(folder, f"{name}.log"), "wb") as copy:
                copy.write(part)
        return folder
